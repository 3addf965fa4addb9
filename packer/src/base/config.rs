//! The config of somebody else's image.
//!
//! What we do not know in it is ignored: engines write fields of their own. What we know has to be of its type, for an
//! entry point that is left out because it cannot be read would be found out when the container does not start.

use serde::de::value::Error as FieldsError;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use serde::{Deserialize, Deserializer, forward_to_deserialize_any};
use serde_json::{Map, Value};

use super::MAX_HISTORY;
use super::error::{Excess, Problem};
use crate::image_files::{RootFs, shown};
use crate::settings::{Healthcheck, ImageConfig};
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
    config: Option<Map<String, Value>>,
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
        let config = document.config.unwrap_or_default();
        Ok(Self {
            architecture: document.architecture.filter(|text| !text.is_empty()),
            os: document.os.filter(|text| !text.is_empty()),
            variant: document.variant.filter(|text| !text.is_empty()),
            config: tolerant(config).map_err(|reason| Problem::malformed(name, &shown(reason.as_bytes())))?,
            diff_ids: document.rootfs.map(|rootfs| diff_ids(&rootfs)).transpose()?,
            history,
        })
    }
}

/// Parses a document of the image, which messages call `name`.
pub(super) fn parse<T: DeserializeOwned>(name: &str, text: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(text).map_err(|error| Problem::malformed(name, &shown(error.to_string().as_bytes())))
}

fn diff_ids(rootfs: &RootFs) -> Result<Vec<DiffId>, Problem> {
    let unknown = |text: &String| Mismatch::UnknownDigest { digest: shown(text.as_bytes()) };
    let parse = |text: &String| text.parse().map_err(|_| unknown(text).into());
    rootfs.diff_ids.iter().flatten().map(parse).collect()
}

/// Reads a config object without what [`ImageConfig`] does not have.
fn tolerant(mut config: Map<String, Value>) -> Result<ImageConfig, String> {
    retain_fields::<ImageConfig>(&mut config);
    if let Some(Value::Object(healthcheck)) = config.get_mut("Healthcheck") {
        retain_fields::<Healthcheck>(healthcheck);
    }
    // The values of these sets say nothing.
    for set in ["ExposedPorts", "Volumes"] {
        if let Some(Value::Object(set)) = config.get_mut(set) {
            set.values_mut().for_each(|value| *value = Value::Object(Map::new()));
        }
    }
    for (name, value) in &config {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        let read = serde_json::from_value::<ImageConfig>(alone.into());
        read.map_err(|error| format!("`{name}` of its config: {error}"))?;
    }
    serde_json::from_value(config.into()).map_err(|error| error.to_string())
}

fn retain_fields<T: DeserializeOwned>(object: &mut Map<String, Value>) {
    let mut fields = Fields(&[]);
    // It is only asked for what it wants, and gets nothing.
    drop(T::deserialize(&mut fields));
    object.retain(|name, _| fields.0.contains(&name.as_str()));
}

/// Learns what the fields of a struct are called, from how the struct is deserialised.
struct Fields(&'static [&'static str]);

impl<'de> Deserializer<'de> for &mut Fields {
    type Error = FieldsError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, FieldsError> {
        self.0 = fields;
        Err(FieldsError::custom("there is nothing to be read"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, FieldsError> {
        Err(FieldsError::custom("there is nothing to be read"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
    fn known_fields_have_their_types() {
        let error = config(json!({"Cmd": ["sh"], "Entrypoint": "sh"})).unwrap_err();
        assert!(error.starts_with("the config is malformed: `Entrypoint` of its config: invalid type"), "{error}");
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
