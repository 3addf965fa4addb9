//! `--planner SPEC`

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use layerwright_packer::Digest;
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
    #[error("`{0}` is no setting; write KEY=VALUE, with a comma before each; lists and objects go into config=FILE")]
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
            let setting = part.split_once('=').filter(|(key, _)| !key.is_empty());
            let (key, value) = setting.ok_or_else(|| PlannerSpecError::NoValue(part.to_owned()))?;
            spec.set(key, value)?;
        }
        Ok(spec)
    }
}

/// As the user could have written it.
impl fmt::Display for PlannerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.planner)?;
        self.pin.iter().try_for_each(|pin| write!(f, "@{pin}"))?;
        self.config.iter().try_for_each(|file| write!(f, ",config={}", file.display()))?;
        self.max_layers.iter().try_for_each(|layers| write!(f, ",max-layers={layers}"))?;
        self.settings.iter().try_for_each(|(key, value)| write!(f, ",{key}={value}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spec_has_a_planner_a_pin_and_settings() {
        let hex = "ab".repeat(32);
        let text = format!("my@home/x.wasm@sha256:{hex},config=c.json,max-layers=7,reserve=3");
        let spec: PlannerSpec = text.parse().unwrap();
        assert_eq!(spec.to_string(), text);
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
            (
                "x,y",
                "`y` is no setting; write KEY=VALUE, with a comma before each; lists and objects go into config=FILE",
            ),
            (
                "x,=1",
                "`=1` is no setting; write KEY=VALUE, with a comma before each; lists and objects go into config=FILE",
            ),
            ("x,max-layers=0", "`max-layers=0` is no number of at least 1"),
            ("x,a=1,a=2", "`a` is set twice"),
        ] {
            assert_eq!(text.parse::<PlannerSpec>().unwrap_err().to_string(), message);
        }
    }
}
