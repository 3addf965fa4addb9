//! Settings that a strategy's own schema rules out.

use serde_json::{Map, Value, json};

/// A setting that nobody has.
const UNKNOWN: &str = "layerwright-check";

/// More properties than anybody writes; a schema from a stranger may have any number.
const MAX_PROPERTIES: usize = 50;

/// Returns settings that contradict the schema in one point each, as JSON, and what the point is.
///
/// Looks at the names, types and requirements of the outermost settings: what nearly every schema says, and nearly
/// every strategy reads.
pub(super) fn contradictions(schema: &str, settings: &Map<String, Value>) -> Vec<(String, String)> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let with = |key: &str, value: Value| {
        let mut settings = settings.clone();
        settings.insert(key.to_owned(), value);
        Value::Object(settings).to_string()
    };
    let without = |key: &str| {
        let mut settings = settings.clone();
        settings.remove(key);
        Value::Object(settings).to_string()
    };
    let mut found = Vec::new();
    if schema["additionalProperties"] == false {
        found.push((format!("its schema has no setting `{UNKNOWN}`"), with(UNKNOWN, true.into())));
    }
    for (key, property) in schema["properties"].as_object().into_iter().flatten().take(MAX_PROPERTIES) {
        if let Some(wanted) = property["type"].as_str() {
            let value = if wanted == "string" { json!(0) } else { json!("no such value") };
            found.push((format!("its schema wants {wanted} for `{key}`, not {value}"), with(key, value)));
        }
    }
    for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).take(MAX_PROPERTIES) {
        found.push((format!("its schema requires `{key}`"), without(key)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_types_and_requirements_are_contradicted() {
        let schema = r#"{
            "additionalProperties": false,
            "required": ["a"],
            "properties": {"a": {"type": "string"}, "b": {"type": "integer"}, "c": {}}
        }"#;
        let settings = json!({"a": "x"}).as_object().unwrap().clone();
        let found = contradictions(schema, &settings);
        let configs: Vec<&str> = found.iter().map(|(_, config)| config.as_str()).collect();
        assert_eq!(
            configs,
            [r#"{"a":"x","layerwright-check":true}"#, r#"{"a":0}"#, r#"{"a":"x","b":"no such value"}"#, "{}"]
        );
        assert_eq!(found[1].0, "its schema wants string for `a`, not 0");
    }

    #[test]
    fn a_schema_that_allows_everything_has_none() {
        assert_eq!(contradictions("{}", &Map::new()), []);
    }
}
