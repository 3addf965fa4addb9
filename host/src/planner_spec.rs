//! `--planner SPEC`, and how settings come together.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use layerwright_packer::Digest;
use serde_json::{Map, Value};
use thiserror::Error;

/// One planner of the chain, as the user wrote it:
/// `NAME|FILE[@sha256:HEX][,config=FILE][,max-layers=N][,KEY=VALUE...]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannerSpec {
    /// A file or the name of a built-in planner.
    pub(crate) planner: String,
    /// The digest that its bytes must have.
    pub(crate) pin: Option<Digest>,
    /// A file with settings.
    pub(crate) config: Option<PathBuf>,
    /// The most layers that it may use.
    pub(crate) max_layers: Option<NonZeroU32>,
    /// Single settings.
    pub(crate) settings: BTreeMap<String, String>,
}

/// Why a text is no [`PlannerSpec`].
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum PlannerSpecError {
    #[error("no planner is named")]
    NoPlanner,
    #[error("`@{0}` is no digest; a pin is `@sha256:` and 64 hexadecimal digits")]
    BadPin(String),
    #[error("`{0}` is no setting; write KEY=VALUE")]
    NoValue(String),
    #[error("`max-layers={0}` is no number of at least 1")]
    BadMaxLayers(String),
    #[error("`{0}` is set twice")]
    SetTwice(String),
}

impl FromStr for PlannerSpec {
    type Err = PlannerSpecError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split(',');
        let (planner, pin) = split_pin(parts.next().unwrap_or_default())?;
        let mut spec =
            Self { planner: planner.to_owned(), pin, config: None, max_layers: None, settings: BTreeMap::new() };
        for part in parts {
            let (key, value) = part.split_once('=').ok_or_else(|| PlannerSpecError::NoValue(part.to_owned()))?;
            spec.set(key, value)?;
        }
        Ok(spec)
    }
}

impl PlannerSpec {
    /// A built-in planner without settings.
    pub(crate) fn named(planner: &str) -> Self {
        Self { planner: planner.to_owned(), pin: None, config: None, max_layers: None, settings: BTreeMap::new() }
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), PlannerSpecError> {
        let is_new = match key {
            "config" => self.config.replace(PathBuf::from(value)).is_none(),
            "max-layers" => {
                let layers = value.parse().map_err(|_| PlannerSpecError::BadMaxLayers(value.to_owned()))?;
                self.max_layers.replace(layers).is_none()
            }
            _ => self.settings.insert(key.to_owned(), value.to_owned()).is_none(),
        };
        if is_new { Ok(()) } else { Err(PlannerSpecError::SetTwice(key.to_owned())) }
    }
}

fn split_pin(text: &str) -> Result<(&str, Option<Digest>), PlannerSpecError> {
    // A file name may have an `@` of its own.
    let (planner, pin) = match text.rsplit_once('@') {
        Some((planner, pin)) if pin.contains(':') => (planner, Some(pin)),
        _ => (text, None),
    };
    if planner.is_empty() {
        return Err(PlannerSpecError::NoPlanner);
    }
    let digest = |pin: &str| pin.to_ascii_lowercase().parse().map_err(|_| PlannerSpecError::BadPin(pin.to_owned()));
    let pin = pin.map(digest).transpose()?;
    Ok((planner, pin))
}

/// Why settings do not come together.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    #[error("planner `{planner}`: {} does not hold a JSON object: {reason}", file.display())]
    BadFile { planner: String, file: PathBuf, reason: String },
    #[error("planner `{planner}` has no setting `{key}`{}", if known.is_empty() { "; it has none".to_owned() } else { format!("; it has {}", known.join(", ")) })]
    Unknown { planner: String, key: String, known: Vec<String> },
    #[error("planner `{planner}`: setting `{key}` wants {wanted}, but `{value}` is none")]
    WrongType { planner: String, key: String, value: String, wanted: String },
}

/// Joins the object in a settings file with single settings, which win. The schema says what their texts mean.
pub(crate) fn join_settings(
    spec: &PlannerSpec,
    from_file: Option<&str>,
    schema: &str,
) -> Result<Map<String, Value>, SettingsError> {
    let mut joined = match (&spec.config, from_file) {
        (Some(file), Some(text)) => serde_json::from_str(text).map_err(|error| SettingsError::BadFile {
            planner: spec.planner.clone(),
            file: file.clone(),
            reason: error.to_string(),
        })?,
        _ => Map::new(),
    };
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    for (key, text) in &spec.settings {
        joined.insert(key.clone(), typed(spec, &schema, key, text)?);
    }
    Ok(joined)
}

fn typed(spec: &PlannerSpec, schema: &Value, key: &str, text: &str) -> Result<Value, SettingsError> {
    let planner = || spec.planner.clone();
    let Some(property) = schema["properties"].get(key) else {
        if schema["additionalProperties"] == Value::Bool(false) {
            let known = schema["properties"].as_object().map(|all| all.keys().cloned().collect()).unwrap_or_default();
            return Err(SettingsError::Unknown { planner: planner(), key: key.to_owned(), known });
        }
        return Ok(serde_json::from_str(text).unwrap_or_else(|_| text.into()));
    };
    let wanted = property["type"].as_str().unwrap_or_default();
    let value: Option<Value> = if wanted == "string" { Some(text.into()) } else { serde_json::from_str(text).ok() };
    let fits = |value: &Value| match wanted {
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    value.filter(fits).ok_or_else(|| SettingsError::WrongType {
        planner: planner(),
        key: key.to_owned(),
        value: text.to_owned(),
        wanted: if wanted.is_empty() { "JSON".into() } else { format!("a JSON {wanted}") },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_has_a_planner_a_pin_and_settings() {
        let hex = "ab".repeat(32);
        let spec: PlannerSpec =
            format!("my@home/x.wasm@sha256:{hex},config=c.json,max-layers=7,reserve=3").parse().unwrap();
        assert_eq!(spec.planner, "my@home/x.wasm");
        assert_eq!(spec.pin, Some(format!("sha256:{hex}").parse().unwrap()));
        assert_eq!(spec.config, Some("c.json".into()));
        assert_eq!(spec.max_layers, NonZeroU32::new(7));
        assert_eq!(spec.settings, BTreeMap::from([("reserve".into(), "3".into())]));
    }

    #[test]
    fn a_spec_that_is_wrong_says_where() {
        for (text, message) in [
            ("", "no planner is named"),
            (",x=1", "no planner is named"),
            ("x@sha256:12", "`@sha256:12` is no digest; a pin is `@sha256:` and 64 hexadecimal digits"),
            ("x@md5:12", "`@md5:12` is no digest; a pin is `@sha256:` and 64 hexadecimal digits"),
            ("x,y", "`y` is no setting; write KEY=VALUE"),
            ("x,max-layers=0", "`max-layers=0` is no number of at least 1"),
            ("x,a=1,a=2", "`a` is set twice"),
        ] {
            assert_eq!(text.parse::<PlannerSpec>().unwrap_err().to_string(), message);
        }
    }

    fn join(spec: &str, schema: &str) -> Result<String, String> {
        let joined = join_settings(&spec.parse().unwrap(), Some(r#"{"a": 1}"#), schema);
        joined.map(|map| Value::Object(map).to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn single_settings_have_the_type_that_the_schema_gives_them() {
        let schema =
            r#"{"properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "additionalProperties": false}"#;
        assert_eq!(join("p,config=f,a=12,b=12", schema).unwrap(), r#"{"a":"12","b":12}"#);
        assert_eq!(
            join("p,b=x", schema).unwrap_err(),
            "planner `p`: setting `b` wants a JSON integer, but `x` is none"
        );
        assert_eq!(join("p,c=1", schema).unwrap_err(), "planner `p` has no setting `c`; it has a, b");
        assert_eq!(join("p,c=1,d=x", "{}").unwrap(), r#"{"c":1,"d":"x"}"#);
    }
}
