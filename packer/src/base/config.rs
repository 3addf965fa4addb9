//! The config of somebody else's image.
//!
//! What we do not know in it is ignored: engines write fields of their own. What we know has to be of its type, for an
//! entry point that is left out because it cannot be read would be found out when the container does not start.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::MAX_HISTORY;
use super::error::{Excess, Problem};
use super::platform::Stated;
use crate::image_files::{RootFs, read_document, shown};
use crate::settings::ImageConfig;
use crate::{DiffId, HistoryEntry, Mismatch};

/// What the config of a base image says.
#[derive(Debug)]
pub(super) struct BaseConfig {
    pub(super) architecture: Option<String>,
    pub(super) os: Option<String>,
    pub(super) variant: Option<String>,
    pub(super) config: ImageConfig,
    /// `None` in the days before there were any.
    pub(super) diff_ids: Option<Vec<DiffId>>,
    pub(super) history: Vec<HistoryEntry>,
}

#[derive(Deserialize)]
struct Document {
    architecture: Option<String>,
    os: Option<String>,
    variant: Option<String>,
    config: Option<ImageConfig>,
    rootfs: Option<RootFs>,
    history: Option<Vec<HistoryEntry>>,
}

impl BaseConfig {
    /// Reads a config, which messages call `name`.
    pub(super) fn parse(name: &str, text: &[u8]) -> Result<Self, Problem> {
        let document: Document = parse(name, text)?;
        let history = document.history.unwrap_or_default();
        if history.len() > MAX_HISTORY {
            return Err(Problem::TooMuch(Excess::History));
        }
        Ok(Self {
            architecture: document.architecture.filter(|text| !text.is_empty()),
            os: document.os.filter(|text| !text.is_empty()),
            variant: document.variant.filter(|text| !text.is_empty()),
            config: document.config.unwrap_or_default(),
            diff_ids: document.rootfs.map(|rootfs| diff_ids(&rootfs)).transpose()?,
            history,
        })
    }

    /// What it is for, as far as it says so.
    pub(super) fn stated(&self) -> Stated<'_> {
        let Self { os, architecture, variant, .. } = self;
        Stated { os: os.as_deref(), architecture: architecture.as_deref(), variant: variant.as_deref() }
    }
}

/// Parses a document of the image, which messages call `name`.
pub(super) fn parse<T: DeserializeOwned>(name: &str, text: &[u8]) -> Result<T, Problem> {
    let read = read_document(text).map(|(document, _)| document);
    read.map_err(|error| Problem::malformed(name, &shown(error.to_string().as_bytes())))
}

fn diff_ids(rootfs: &RootFs) -> Result<Vec<DiffId>, Problem> {
    let unknown = |text: &String| Mismatch::UnknownDigest { digest: shown(text.as_bytes()) };
    let parse = |text: &String| text.parse().map_err(|_| unknown(text).into());
    rootfs.diff_ids.iter().flatten().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn config(config: Value) -> Result<ImageConfig, String> {
        let document = json!({"config": config, "rootfs": {"diff_ids": null}}).to_string();
        BaseConfig::parse("the config", document.as_bytes()).map(|base| base.config).map_err(|problem| match problem {
            Problem::Mismatch(mismatch) => mismatch.to_string(),
            _ => "another problem".into(),
        })
    }

    #[test]
    fn unknown_fields_are_ignored() {
        let read = config(json!({
            "Env": null, "Cmd": ["sh"], "OurOwn": {"a": 1}, "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {"a": 1}},
            "Volumes": {"/data": null}, "Healthcheck": {"Test": ["NONE"], "OurOwn": 1}, "Entrypoint": null,
        }));
        let read = read.unwrap();
        assert_eq!((read.env, read.cmd, read.entrypoint), (None, Some(vec!["sh".into()]), None));
        assert_eq!(read.healthcheck.unwrap().test, Some(vec!["NONE".into()]));
        assert!(read.exposed_ports.unwrap().contains_key("80/tcp") && read.volumes.unwrap().contains_key("/data"));
        assert_eq!(config(Value::Null), Ok(ImageConfig::default()));
    }

    #[test]
    fn fields_are_read_as_engines_read_them() {
        let read = config(json!({
            "env": ["A=1", null], "CMD": ["sh"], "labels": {"a": null, "B": "b"}, "healthcheck": {"test": null},
            "volumes": {"/data": null}, "user": null,
        }));
        let read = read.unwrap();
        assert_eq!((read.env, read.cmd), (Some(vec!["A=1".into(), String::new()]), Some(vec!["sh".into()])));
        assert_eq!(read.labels, Some([("B", "b"), ("a", "")].map(|(a, b)| (a.into(), b.into())).into()));
        assert_eq!((read.user, read.healthcheck.map(|check| check.test)), (None, Some(None)));
        let digest = DiffId::of(b"");
        let document = json!({"Architecture": "arm", "VARIANT": "v6", "os": null, "rootfS": {"Diff_IDs": [digest]},
            "history": [{"created_by": null, "EMPTY_LAYER": true, "created": null}, null, {"empty_layer": null}]});
        let base = BaseConfig::parse("it", document.to_string().as_bytes()).ok().unwrap();
        assert_eq!((base.architecture.as_deref(), base.variant.as_deref(), base.os), (Some("arm"), Some("v6"), None));
        assert_eq!(base.diff_ids, Some(vec![digest]));
        let empty: Vec<bool> = base.history.iter().map(|entry| entry.empty_layer).collect();
        assert_eq!(empty, [true, false, false]);
    }

    #[test]
    fn known_fields_have_their_types() {
        let error = config(json!({"Cmd": ["sh"], "Entrypoint": "sh"})).unwrap_err();
        assert!(error.starts_with("the config is malformed: `config`: `Entrypoint`: invalid type"), "{error}");
        assert!(config(json!([])).is_err());
        assert!(config(json!({"Env": [1]})).unwrap_err().contains("`Env`"));
    }

    #[test]
    fn histories_are_limited() {
        for (count, is_taken) in [(MAX_HISTORY, true), (MAX_HISTORY + 1, false)] {
            let document = json!({"history": vec![json!({"empty_layer": true, "more": 1}); count]}).to_string();
            let read = BaseConfig::parse("it", document.as_bytes());
            assert_eq!(read.is_ok_and(|base| base.history.len() == count), is_taken);
        }
    }

    #[test]
    fn diff_ids_of_other_algorithms_are_refused() {
        let document = json!({"rootfs": {"diff_ids": ["sha512:00"]}}).to_string();
        let read = BaseConfig::parse("it", document.as_bytes());
        assert!(matches!(read, Err(Problem::Mismatch(Mismatch::UnknownDigest { .. }))));
    }
}
