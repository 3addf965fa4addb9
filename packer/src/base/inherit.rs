//! What an image says about itself because the image that it is built upon said so.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::{ImageConfig, NameSet};

/// How much of the base image's config an image takes over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inherit {
    /// Nothing.
    None,
    /// The environment, as nixpkgs' dockerTools.
    Env,
    /// All that a Dockerfile with `FROM` takes over.
    #[default]
    All,
}

/// Why a text is no [`Inherit`].
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("`{0}` is nothing that can be inherited: write `none`, `env` or `all`")]
pub struct InheritError(String);

impl fmt::Display for Inherit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Env => "env",
            Self::All => "all",
        })
    }
}

impl FromStr for Inherit {
    type Err = InheritError;

    fn from_str(text: &str) -> Result<Self, InheritError> {
        match text {
            "none" => Ok(Self::None),
            "env" => Ok(Self::Env),
            "all" => Ok(Self::All),
            _ => Err(InheritError(text.into())),
        }
    }
}

/// Returns the config of an image that is built upon another one.
///
/// - `Env` has the variables of the base first, each name once: where it came first, with its last value.
/// - `Labels`, `Volumes` and `ExposedPorts` are those of both; of labels with one name, the own one.
/// - `User`, `WorkingDir`, `StopSignal`, `StopTimeout`, `Healthcheck` and `Shell` are the own ones if they are set, and
///   the base's otherwise. An empty text is set: `"User": ""` is root, whatever the base says.
/// - `Entrypoint` as well. `Cmd` as well, unless the own config sets an `Entrypoint`: the base's arguments are not for
///   another program. An own `Cmd` goes to the base's `Entrypoint`. A Dockerfile does the same.
/// - `OnBuild` is for whoever builds with the base, and the rest tells of the container that it was made from. Neither
///   is inherited.
#[must_use]
pub fn inherit(base: &ImageConfig, own: ImageConfig, what: Inherit) -> ImageConfig {
    match what {
        Inherit::None => own,
        Inherit::Env => with_env(base, own),
        Inherit::All => with_all(base, with_env(base, own)),
    }
}

fn with_env(base: &ImageConfig, own: ImageConfig) -> ImageConfig {
    if base.env.as_ref().is_none_or(Vec::is_empty) {
        return own;
    }
    let mut positions: BTreeMap<&str, usize> = BTreeMap::new();
    let mut merged: Vec<String> = Vec::new();
    for variable in base.env.iter().chain(&own.env).flatten() {
        let name = variable.split_once('=').map_or(variable.as_str(), |(name, _)| name);
        match positions.get(name) {
            Some(position) => merged[*position].clone_from(variable),
            None => {
                positions.insert(name, merged.len());
                merged.push(variable.clone());
            }
        }
    }
    ImageConfig { env: Some(merged), ..own }
}

fn with_all(base: &ImageConfig, own: ImageConfig) -> ImageConfig {
    let keeps_cmd = own.entrypoint.is_none() && own.cmd.is_none();
    ImageConfig {
        user: own.user.or_else(|| text(base.user.as_ref())),
        working_dir: own.working_dir.or_else(|| text(base.working_dir.as_ref())),
        stop_signal: own.stop_signal.or_else(|| text(base.stop_signal.as_ref())),
        stop_timeout: own.stop_timeout.or(base.stop_timeout),
        healthcheck: own.healthcheck.or_else(|| base.healthcheck.clone()),
        shell: own.shell.or_else(|| base.shell.clone()),
        cmd: if keeps_cmd { base.cmd.clone() } else { own.cmd },
        args_escaped: if keeps_cmd { own.args_escaped.or(base.args_escaped) } else { own.args_escaped },
        entrypoint: own.entrypoint.or_else(|| base.entrypoint.clone()),
        labels: labels(base.labels.as_ref(), own.labels),
        volumes: union(base.volumes.as_ref(), own.volumes),
        exposed_ports: union(base.exposed_ports.as_ref(), own.exposed_ports),
        ..own
    }
}

/// Docker writes what is not set as an empty text.
fn text(base: Option<&String>) -> Option<String> {
    base.filter(|text| !text.is_empty()).cloned()
}

fn labels(
    base: Option<&BTreeMap<String, String>>,
    own: Option<BTreeMap<String, String>>,
) -> Option<BTreeMap<String, String>> {
    match base {
        None => own,
        Some(base) => Some(base.clone().into_iter().chain(own.unwrap_or_default()).collect()),
    }
}

fn union(base: Option<&NameSet>, own: Option<NameSet>) -> Option<NameSet> {
    match base {
        None => own,
        Some(base) => Some(base.clone().into_iter().chain(own.unwrap_or_default()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#"{
        "User": "app", "Env": ["PATH=/bin", "A=1", "A=2", "LONE"], "Entrypoint": ["/init"], "Cmd": ["serve"],
        "WorkingDir": "/srv", "Labels": {"a": "base", "b": "base"}, "Volumes": {"/data": {}},
        "ExposedPorts": {"80/tcp": {}}, "StopSignal": "9", "StopTimeout": 5, "Shell": ["ash"], "ArgsEscaped": true,
        "Healthcheck": {"Test": ["NONE"]}, "OnBuild": ["RUN x"], "Hostname": "h", "Image": "sha256:0", "Tty": true
    }"#;

    fn check(own: &str, what: &str, expected: &str) {
        let read = |text: &str| ImageConfig::from_json(text).unwrap();
        let inherited = inherit(&read(BASE), read(own), what.parse().unwrap());
        assert_eq!(inherited, read(expected), "{own} {what}");
    }

    #[test]
    fn text_and_back() {
        for text in ["none", "env", "all"] {
            assert_eq!(text.parse::<Inherit>().unwrap().to_string(), text);
        }
        let error = "some".parse::<Inherit>().unwrap_err().to_string();
        assert_eq!(error, "`some` is nothing that can be inherited: write `none`, `env` or `all`");
    }

    #[test]
    fn nothing_is_inherited_by_none() {
        for own in ["{}", r#"{"Env": ["A=1", "A=2"], "Cmd": []}"#] {
            check(own, "none", own);
        }
    }

    #[test]
    fn variables_stand_where_they_came_first_with_their_last_value() {
        check("{}", "env", r#"{"Env": ["PATH=/bin", "A=2", "LONE"]}"#);
        let own = r#"{"Env": ["NEW=1", "A=own", "NEW=2", "LONE=x", "PATH=/usr/bin=/bin"], "User": "x"}"#;
        check(own, "env", r#"{"Env": ["PATH=/usr/bin=/bin", "A=own", "LONE=x", "NEW=2"], "User": "x"}"#);
        let own = ImageConfig { env: Some(vec!["A=1".into(), "A=2".into()]), ..ImageConfig::default() };
        assert_eq!(inherit(&ImageConfig::default(), own.clone(), Inherit::All), own, "a base without any");
    }

    #[test]
    fn all_that_is_not_set_is_inherited() {
        check(
            "{}",
            "all",
            r#"{
                "User": "app", "Env": ["PATH=/bin", "A=2", "LONE"], "Entrypoint": ["/init"], "Cmd": ["serve"],
                "WorkingDir": "/srv", "Labels": {"a": "base", "b": "base"}, "Volumes": {"/data": {}},
                "ExposedPorts": {"80/tcp": {}}, "StopSignal": "9", "StopTimeout": 5, "Shell": ["ash"],
                "ArgsEscaped": true, "Healthcheck": {"Test": ["NONE"]}
            }"#,
        );
    }

    #[test]
    fn own_settings_win_and_sets_are_joined() {
        check(
            r#"{
                "User": "", "WorkingDir": "/", "Labels": {"b": "own", "c": "own"}, "Volumes": {"/more": {}},
                "ExposedPorts": {"81/tcp": {}}, "StopSignal": "2", "StopTimeout": 1, "Shell": ["sh"], "Hostname": "me",
                "Healthcheck": {"Interval": 1}, "Entrypoint": ["/own"], "Cmd": ["run"]
            }"#,
            "all",
            r#"{
                "Env": ["PATH=/bin", "A=2", "LONE"], "User": "", "WorkingDir": "/",
                "Labels": {"a": "base", "b": "own", "c": "own"}, "Volumes": {"/data": {}, "/more": {}},
                "ExposedPorts": {"80/tcp": {}, "81/tcp": {}}, "StopSignal": "2", "StopTimeout": 1, "Shell": ["sh"],
                "Hostname": "me", "Healthcheck": {"Interval": 1}, "Entrypoint": ["/own"], "Cmd": ["run"]
            }"#,
        );
    }

    #[test]
    fn arguments_are_not_given_to_another_program() {
        let inherited = |own: &str| {
            let read = |text: &str| ImageConfig::from_json(text).unwrap();
            let config = inherit(&read(BASE), read(own), Inherit::All);
            (config.entrypoint.unwrap_or_default().join(" "), config.cmd.unwrap_or_default().join(" "))
        };
        for (own, entrypoint, cmd) in [
            ("{}", "/init", "serve"),
            (r#"{"Cmd": ["own"]}"#, "/init", "own"),
            (r#"{"Entrypoint": ["/own"]}"#, "/own", ""),
            (r#"{"Entrypoint": []}"#, "", ""),
            (r#"{"Entrypoint": ["/own"], "Cmd": ["own"]}"#, "/own", "own"),
            (r#"{"Cmd": []}"#, "/init", ""),
        ] {
            assert_eq!(inherited(own), (entrypoint.into(), cmd.into()), "{own}");
        }
    }

    #[test]
    fn empty_texts_of_the_base_are_not_set() {
        let base = ImageConfig { user: Some(String::new()), env: Some(Vec::new()), ..ImageConfig::default() };
        assert_eq!(inherit(&base, ImageConfig::default(), Inherit::All), ImageConfig::default());
    }
}
