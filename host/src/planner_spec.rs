//! `--planner SPEC`
//!
//! A bare name is that of a planner that is part of the program, whatever lies in the working directory. A file is written
//! with a slash, or its name ends in `.wasm`.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;

use layerwright_packer::Digest;
use thiserror::Error;

/// What a backslash takes its meaning from.
const ESCAPED: [char; 3] = [',', '@', '\\'];

/// One planner of the chain, as the user wrote it:
/// `NAME|FILE[@sha256:HEX][,config=FILE][,max-layers=N][,KEY=VALUE...]`.
/// In each part, `\,`, `\@` and `\\` stand for the character itself; other backslashes stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlannerSpec {
    /// The name of a built-in planner, or a file, as [`is_file_name`] tells.
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
        let mut parts = parts(text).into_iter();
        let first = parts.next().unwrap_or_default();
        let (planner, pin) = split_pin(&first)?;
        let mut spec = Self { pin, ..Self::named(planner) };
        for Part { text, .. } in parts {
            let setting = text.split_once('=').filter(|(key, _)| !key.is_empty());
            let (key, value) = setting.ok_or_else(|| PlannerSpecError::NoValue(text.clone()))?;
            spec.set(key, value)?;
        }
        Ok(spec)
    }
}

/// As the user could have written it.
impl fmt::Display for PlannerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped_planner(&self.planner))?;
        self.pin.iter().try_for_each(|pin| write!(f, "@{pin}"))?;
        self.config.iter().try_for_each(|file| write!(f, ",config={}", escaped(&file.display().to_string())))?;
        self.max_layers.iter().try_for_each(|layers| write!(f, ",max-layers={layers}"))?;
        self.settings.iter().try_for_each(|(key, value)| write!(f, ",{}={}", escaped(key), escaped(value)))
    }
}

impl PlannerSpec {
    /// A planner without settings.
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

/// Whether a planner's name is that of a file, there or not.
pub(crate) fn is_file_name(planner: &str) -> bool {
    planner.contains('/') || planner.ends_with(".wasm")
}

/// What stands between commas, as it is meant.
#[derive(Default)]
struct Part {
    text: String,
    /// The last `@` that means something.
    at: Option<usize>,
}

fn parts(text: &str) -> Vec<Part> {
    let (mut parts, mut part) = (Vec::new(), Part::default());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\\' => part.text.push(rest.next_if(|next| ESCAPED.contains(next)).unwrap_or(c)),
            ',' => parts.push(std::mem::take(&mut part)),
            _ => {
                part.at = if c == '@' { Some(part.text.len()) } else { part.at };
                part.text.push(c);
            }
        }
    }
    parts.push(part);
    parts
}

/// Text as it is written in a part.
fn escaped(text: &str) -> String {
    let mut written = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        // At the end, a comma or an `@` may come.
        let is_taken = c == '\\' && rest.peek().is_none_or(|next| ESCAPED.contains(next));
        if c == ',' || is_taken {
            written.push('\\');
        }
        written.push(c);
    }
    written
}

/// An `@` in a name need not be escaped where nothing behind it looks like a pin.
fn escaped_planner(name: &str) -> String {
    match name.rsplit_once('@') {
        Some((_, after)) if after.contains(':') => escaped(name).replace('@', "\\@"),
        _ => escaped(name),
    }
}

fn split_pin(part: &Part) -> Result<(&str, Option<Digest>), PlannerSpecError> {
    // A file name may have an `@` of its own.
    let at = part.at.map(|at| (&part.text[..at], &part.text[at + 1..]));
    let (planner, pin) = match at {
        Some((planner, pin)) if pin.contains(':') => (planner, Some(pin)),
        _ => (part.text.as_str(), None),
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
    fn names_may_have_commas_and_everything() {
        let pin = Some(format!("sha256:{}", "ab".repeat(32)).parse().unwrap());
        for name in [
            "a,b.wasm",
            "./a@sha256:x",
            "x@y,z@md5:1.wasm",
            r"back\slash/x",
            r"a\,b/",
            r"a\\@b:c/",
            r"ends/in\",
            r"\\",
            "@:",
            "a@b",
            "a\u{1}b",
        ] {
            for pin in [None, pin] {
                let (config, settings) = (Some(PathBuf::from(name)), BTreeMap::from([("a,b@c\\".into(), name.into())]));
                let spec = PlannerSpec { pin, config, settings, ..PlannerSpec::named(name) };
                assert_eq!(spec.to_string().parse::<PlannerSpec>().unwrap(), spec, "{spec}");
            }
        }
        let spec: PlannerSpec = r"a\,b\@c:d.wasm,match=^x\.y\\z$".parse().unwrap();
        assert_eq!((spec.planner.as_str(), spec.settings["match"].as_str()), ("a,b@c:d.wasm", r"^x\.y\z$"));
    }

    #[test]
    fn a_file_is_told_from_a_name_by_its_looks() {
        for file in ["./groups", "groups.wasm", "/x", "a/b", "x@y.wasm"] {
            assert!(is_file_name(file), "{file}");
        }
        for name in ["groups", "groups.wasm2", "wasm", "", "-"] {
            assert!(!is_file_name(name), "{name}");
        }
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
