//! A file of settings: TOML where its name ends in `.toml`, JSON otherwise.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err::File;
use serde_json::{Map, Value};
use thiserror::Error;

use super::json::Unique;
use crate::input::{MAX_SETTINGS_BYTES, read_any_text};

/// Why a text holds no settings.
#[derive(Debug, Error, PartialEq, Eq)]
enum NoSettings {
    #[error("line {line}, column {column}: {reason}")]
    Malformed { line: usize, column: usize, reason: String },
    #[error("settings are a JSON object, but this is {0}")]
    NotAnObject(&'static str),
    #[error("`{0}` is infinite or no number, and JSON has no such values")]
    NoNumber(String),
}

/// Reads a file of settings.
///
/// # Errors
///
/// Where it cannot be read, or holds something else; with line and column.
pub(super) fn read(file: &Path) -> Result<Map<String, Value>> {
    let context = || format!("reading a planner's settings {}", file.display());
    let opened = File::open(file).context("reading a planner's settings")?;
    // In TOML, nothing is a table without settings.
    let text = read_any_text(opened, MAX_SETTINGS_BYTES).with_context(context)?;
    let is_toml = file.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"));
    if is_toml { from_toml(&text) } else { from_json(&text) }.with_context(context)
}

fn from_json(text: &str) -> Result<Map<String, Value>, NoSettings> {
    let Unique(value) = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        let reason = error.to_string();
        let place = format!(" at line {line} column {column}");
        NoSettings::Malformed { line, column, reason: reason.strip_suffix(&place).unwrap_or(&reason).to_owned() }
    })?;
    match value {
        Value::Object(settings) => Ok(settings),
        Value::Array(_) => Err(NoSettings::NotAnObject("a list")),
        _ => Err(NoSettings::NotAnObject("a single value")),
    }
}

fn from_toml(text: &str) -> Result<Map<String, Value>, NoSettings> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let before = &text[..error.span().map_or(0, |span| text.floor_char_boundary(span.start))];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        NoSettings::Malformed { line, column, reason: error.message().to_owned() }
    })?;
    object(table, "")
}

fn object(table: toml::Table, place: &str) -> Result<Map<String, Value>, NoSettings> {
    let below = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    table.into_iter().map(|(key, value)| value_of(value, &below(&key)).map(|value| (key, value))).collect()
}

fn value_of(value: toml::Value, place: &str) -> Result<Value, NoSettings> {
    Ok(match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => {
            serde_json::Number::from_f64(number).ok_or_else(|| NoSettings::NoNumber(place.to_owned()))?.into()
        }
        toml::Value::Boolean(truth) => truth.into(),
        // JSON has none; a schema says `"format": "date-time"` for such a text.
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(items) => {
            let items = items.into_iter().enumerate().map(|(at, item)| value_of(item, &format!("{place}[{at}]")));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => object(table, place)?.into(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn toml_becomes_json() {
        let text =
            "a = 1\nwhen = 2026-01-02T03:04:05Z\nday = 2026-01-02\nx = [1.5, true]\n[[groups]]\nlabel = 'base'\n";
        let found = Value::Object(from_toml(text).unwrap());
        let expected = json!({
            "a": 1, "when": "2026-01-02T03:04:05Z", "day": "2026-01-02", "x": [1.5, true], "groups": [{"label": "base"}],
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn mistakes_have_a_line_and_a_column() {
        for (text, message) in [
            ("{\n  \"a\": 1,\n}", "line 3, column 1: trailing comma"),
            ("", "line 1, column 0: EOF while parsing a value"),
            ("{\n\"a\": 1, \"a\": 2}", "line 2, column 11: `a` is set twice"),
            ("[]", "settings are a JSON object, but this is a list"),
            ("3", "settings are a JSON object, but this is a single value"),
        ] {
            assert_eq!(from_json(text).unwrap_err().to_string(), message);
        }
        for (text, message) in [
            ("é = 1", "line 1, column 1: "),
            ("a = 1\nbc = [1, 'é' 2]", "line 2, column 14: "),
            ("a = 1\na = 2", "line 2, column 1: duplicate key"),
            ("[a]\nb = [1, {c = nan}]", "`a.b[1].c` is infinite or no number, and JSON has no such values"),
        ] {
            let found = from_toml(text).unwrap_err().to_string();
            assert!(found.starts_with(message), "{found}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert!(from_json(&format!("{{\"a\":{}", "[".repeat(100_000))).is_err());
        assert!(from_toml(&format!("a = {}", "[".repeat(100_000))).is_err());
        assert!(from_toml(&format!("{}a = 1", "a.".repeat(100_000))).is_err());
    }
}
