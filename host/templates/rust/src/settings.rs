//! The settings, as the user writes them.

use serde_json::{Map, Value};

pub const SCHEMA: &str = r#"{
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "min-size": {
      "description": "Nodes of fewer bytes never get a layer of their own",
      "type": "integer",
      "minimum": 0,
      "default": 1048576
    }
  }
}"#;

const DEFAULT_MIN_SIZE: u64 = 1024 * 1024;

/// Returns the one setting, in bytes, or what is wrong, with the setting's name.
pub fn read_min_size(config: &str) -> Result<u64, String> {
    let settings: Map<String, Value> = serde_json::from_str(config)
        .map_err(|error| format!("the settings must be a JSON object: {error}"))?;
    if let Some(unknown) = settings.keys().find(|name| *name != "min-size") {
        return Err(format!(
            "unknown setting `{unknown}`; there is only `min-size`"
        ));
    }
    match settings.get("min-size") {
        None => Ok(DEFAULT_MIN_SIZE),
        Some(value) => value
            .as_u64()
            .ok_or_else(|| "`min-size` must be an integer of at least 0".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        assert_eq!(read_min_size("{}"), Ok(1_048_576));
        assert_eq!(read_min_size(r#"{"min-size": 0}"#), Ok(0));
    }

    #[test]
    fn wrong_settings_are_named() {
        for value in ["-1", "1.5", "\"12\"", "true", "null", "[]"] {
            let problem = read_min_size(&format!(r#"{{"min-size": {value}}}"#)).unwrap_err();
            assert_eq!(problem, "`min-size` must be an integer of at least 0");
        }
        assert!(
            read_min_size(r#"{"min-sise": 1}"#)
                .unwrap_err()
                .contains("unknown setting `min-sise`")
        );
        assert!(
            read_min_size("[]")
                .unwrap_err()
                .contains("must be a JSON object")
        );
    }
}
