//! What an image says about itself besides its layers.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::image_files::{Respelling, Unknown, is_field, read};

/// What an image says about itself besides its layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSettings {
    /// What a container runs, and how.
    pub config: ImageConfig,
    /// In Go's words: `amd64`, `arm64`.
    pub architecture: String,
    /// In Go's words, where the architecture has several: `v7` of `arm`.
    pub variant: Option<String>,
    /// In Go's words: `linux`.
    pub os: String,
    /// RFC 3339. The same image at another time is another image, so this is best not the current time.
    pub created: String,
    /// What the files of every layer have in common.
    pub stamp: Stamp,
}

/// What the files of every layer have in common, wherever they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The time of modification of all files, in seconds since the epoch.
    pub modified: u64,
    /// Who owns the files of a store. Those of packages have their owners on disk.
    pub uid: u32,
    /// The same for their group.
    pub gid: u32,
    /// The name that goes with `uid`, also for files that have it on disk. 0 is otherwise `root`, and all others have no
    /// name: it would depend on the machine.
    pub uname: String,
    /// The same for `gid`.
    pub gname: String,
}

impl Default for Stamp {
    /// As everything in a Nix store is: of root, and one second after the epoch.
    fn default() -> Self {
        Self { modified: 1, uid: 0, gid: 0, uname: "root".into(), gname: "root".into() }
    }
}

impl Default for ImageSettings {
    /// An image for Linux on this machine's processor, one second after the epoch as everything in a Nix store is.
    fn default() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "386",
            "aarch64" => "arm64",
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            other => other,
        };
        Self {
            config: ImageConfig::default(),
            architecture: architecture.into(),
            variant: None,
            os: "linux".into(),
            created: "1970-01-01T00:00:01Z".into(),
            stamp: Stamp::default(),
        }
    }
}

/// Why settings cannot be those of an image.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// Not JSON, a field that is not known, or a value of the wrong type.
    #[error("not an image config: {0}")]
    Config(serde_json::Error),
    /// An environment variable without name or value.
    #[error("`{0}` is no environment variable: write NAME=VALUE")]
    Variable(String),
    /// Tools refuse images whose time they cannot read.
    #[error("`{text}` is no RFC 3339 time such as 1970-01-01T00:00:01Z")]
    Created {
        /// What was given.
        text: String,
        /// What is wrong with it.
        #[source]
        source: jiff::Error,
    },
}

impl ImageSettings {
    /// Returns [`ImageSettings::created`] in the one spelling that every tool reads, in UTC.
    ///
    /// # Errors
    ///
    /// A text that is no time.
    pub fn created_utc(&self) -> Result<String, SettingsError> {
        match self.created.parse::<Timestamp>() {
            Ok(time) => Ok(time.to_string()),
            Err(source) => Err(SettingsError::Created { text: self.created.clone(), source }),
        }
    }
}

/// A set, as Go writes it: `{"80/tcp": {}}`.
pub type NameSet = BTreeMap<String, Empty>;

/// The empty object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {}

/// What a container runs, and how: the `config` object of an image config.
///
/// Has every field that the OCI specification or Docker defines, so that a config made by either can be used as it is.
/// What is not set is not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ImageConfig {
    /// `user`, `uid`, `user:group`, `uid:gid`, ...
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// `port/tcp`, `port/udp`, or `port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exposed_ports: Option<NameSet>,
    /// `NAME=VALUE`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<Vec<String>>,
    /// The program, and arguments that the user of the image does not replace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Arguments for the entry point, or the program where there is no entry point.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Directories that are mounted from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<NameSet>,
    /// Where the program starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// Free metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// `SIGTERM`, or a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Docker: seconds until the container is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// Docker: how to see whether the container is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Docker: what runs commands given as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Docker: commands for builds that start from this image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_build: Option<Vec<String>>,
    /// Windows: the command is already escaped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args_escaped: Option<bool>,
    /// Docker: of the container that the image was made from, as are the following.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domainname: Option<String>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach_stdin: Option<bool>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach_stdout: Option<bool>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attach_stderr: Option<bool>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tty: Option<bool>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_stdin: Option<bool>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdin_once: Option<bool>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_disabled: Option<bool>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_address: Option<String>,
    /// Docker, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Docker, bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_swap: Option<i64>,
    /// Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_shares: Option<i64>,
}

/// How Docker sees whether a container is well. Times are nanoseconds; 0 and absent mean Docker's default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", ...]` or `["CMD-SHELL", command]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<Vec<String>>,
    /// Between two checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<i64>,
    /// For one check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<i64>,
    /// In which failures do not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<i64>,
    /// Between two checks during the start period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<i64>,
    /// Failures in a row that make a container unhealthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
}

impl ImageConfig {
    /// Reads a config object, or a whole OCI image config, of which everything but its `config` is ignored.
    ///
    /// # Errors
    ///
    /// A field that neither the OCI specification nor Docker defines is an error that names it: a misspelt `Entrypoint`
    /// would otherwise be found out when the container does not start. Names of fields are found whatever their case,
    /// as engines find them.
    pub fn from_json(text: &str) -> Result<Self, SettingsError> {
        Self::from_json_noting(text).map(|(config, _)| config)
    }

    /// The same; also returns the fields that are written otherwise than they are called.
    ///
    /// # Errors
    ///
    /// As [`Self::from_json`].
    pub fn from_json_noting(text: &str) -> Result<(Self, Vec<Respelling>), SettingsError> {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(SettingsError::Config)?;
        // No field of the config object is called so, so this one can only be that of a whole image config.
        let of_image = object.iter().find(|(name, _)| is_field(name, "config"));
        let config = of_image.map_or_else(|| text.to_owned(), |(_, config)| config.to_string());
        read(&config, Unknown::Told).map_err(SettingsError::Config)
    }

    /// Sets `NAME=VALUE`; in place where the name is there already.
    ///
    /// # Errors
    ///
    /// A text without `=`, or nothing before it.
    pub fn set_env(&mut self, variable: &str) -> Result<(), SettingsError> {
        let name = |variable: &str| variable.split_once('=').map(|(name, _)| name.to_owned());
        let new = name(variable)
            .filter(|name| !name.is_empty())
            .ok_or_else(|| SettingsError::Variable(variable.to_owned()))?;
        let env = self.env.get_or_insert_default();
        match env.iter_mut().find(|old| name(old).as_ref() == Some(&new)) {
            Some(old) => variable.clone_into(old),
            None => env.push(variable.to_owned()),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_config_and_whole_image_config_are_the_same() {
        let bare = r#"{"Cmd": ["sh"], "ExposedPorts": {"80/tcp": {}}, "Entrypoint": null}"#;
        let whole = format!(r#"{{"architecture": "amd64", "config": {bare}, "rootfs": {{}}}}"#);
        let config = ImageConfig::from_json(bare).unwrap();
        assert_eq!(ImageConfig::from_json(&whole).unwrap(), config);
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"ExposedPorts":{"80/tcp":{}},"Cmd":["sh"]}"#,
            "what is not set is not written"
        );
    }

    #[test]
    fn unknown_fields_are_named() {
        for text in [r#"{"Entry": []}"#, r#"{"config": {"Entry": []}}"#] {
            let message = ImageConfig::from_json(text).unwrap_err().to_string();
            assert!(message.contains("unknown field `Entry`"), "{message}");
        }
        let message = ImageConfig::from_json(r#"{"Healthcheck": {"Tset": []}}"#).unwrap_err().to_string();
        assert!(message.contains("unknown field `Tset`"), "{message}");
        assert!(ImageConfig::from_json("[1]").is_err());
    }

    #[test]
    fn fields_in_another_case_are_read_and_told() {
        let text =
            r#"{"cmd": ["sh"], "LABELS": {"a": "b"}, "healthcheck": {"test": ["NONE"]}, "Volumes": {"/a": null}}"#;
        for text in [text.to_owned(), format!(r#"{{"Config": {text}}}"#)] {
            let (config, respelt) = ImageConfig::from_json_noting(&text).unwrap();
            assert_eq!((config.cmd, config.volumes.unwrap().len()), (Some(vec!["sh".into()]), 1));
            let respelt: Vec<_> = respelt.iter().map(|one| (one.written.as_str(), one.field)).collect();
            let expected = [("LABELS", "Labels"), ("cmd", "Cmd"), ("healthcheck", "Healthcheck"), ("test", "Test")];
            assert_eq!(respelt, expected);
        }
        let both = r#"{"Cmd": ["a"], "cmd": ["b"]}"#;
        assert_eq!(ImageConfig::from_json(both).unwrap().cmd, Some(vec!["b".into()]), "as engines read it");
    }

    #[test]
    fn everything_docker_saves_is_accepted() {
        let text = r#"{"Hostname":"","Domainname":"","User":"","AttachStdin":false,"AttachStdout":false,
            "AttachStderr":false,"Tty":false,"OpenStdin":false,"StdinOnce":false,"Env":["PATH=/bin"],"Cmd":["sh"],
            "Image":"sha256:00","Volumes":null,"WorkingDir":"","Entrypoint":null,"OnBuild":null,"Labels":{"a":"b"},
            "Healthcheck":{"Test":["NONE"]},"Shell":["sh"],"ArgsEscaped":true,"StopSignal":"9","StopTimeout":1}"#;
        assert_eq!(ImageConfig::from_json(text).unwrap().env, Some(vec!["PATH=/bin".into()]));
    }

    #[test]
    fn variables_are_replaced_in_place() {
        let mut config = ImageConfig::default();
        for variable in ["A=1", "B=2", "A=3=4", "C="] {
            config.set_env(variable).unwrap();
        }
        assert_eq!(config.env.as_deref().unwrap(), ["A=3=4", "B=2", "C="]);
        assert!(config.set_env("A").is_err());
        assert!(config.set_env("=A").is_err());
    }

    #[test]
    fn time_has_one_spelling() {
        let at = |created: &str| ImageSettings { created: created.into(), ..ImageSettings::default() }.created_utc();
        assert_eq!(at("1970-01-01T01:00:01+01:00").unwrap(), "1970-01-01T00:00:01Z");
        assert_eq!(at("2026-01-02T03:04:05.25Z").unwrap(), "2026-01-02T03:04:05.25Z");
        assert!(at("now").is_err());
    }
}
