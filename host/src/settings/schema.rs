//! The JSON Schema in a planner's description, ready to check settings.

use std::io;
use std::time::Duration;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};
use thiserror::Error;

use super::bounds::{self, MAX_DEPTH, MAX_EXPANDED, MAX_STEPS};
use super::check::MEMORY_BYTES;
use super::guarded::Stopped;
use super::mistake::{Mistake, mistakes};
use crate::sandbox::MAX_SCHEMA_BYTES;

/// Mistakes that are looked at: more than anybody reads.
pub(super) const MAX_MISTAKES: usize = 100;

/// Bytes that one regular expression may take when compiled.
const PATTERN_BYTES: usize = 1 << 20;

/// A schema that passed.
pub(super) struct Schema {
    root: Value,
    validator: Validator,
}

/// Why nothing can be checked with a schema.
#[derive(Debug, Error)]
pub(crate) enum SchemaFault {
    /// Too long.
    #[error("it has {0} bytes; at most {MAX_SCHEMA_BYTES} are allowed")]
    TooLarge(usize),
    /// No schema.
    #[error("it is not a JSON object")]
    NotAnObject,
    /// Against the rules of JSON Schema.
    #[error("it is not a valid JSON Schema: {0}")]
    Invalid(String),
    /// Another dialect.
    #[error("its `$schema` is `{0}`; draft-07, 2019-09 and 2020-12 are known")]
    Dialect(String),
    /// A keyword that this program does not follow.
    #[error("it uses `{0}`, which is not followed here; use `$ref` and `$defs`")]
    Unsupported(&'static str),
    /// A reference to something else, or to nothing.
    #[error("its `$ref` to `{0}` leads nowhere; only `#` and `#/...`, places in the schema itself, are followed")]
    Reference(String),
    /// More than anybody writes of what takes long to compile.
    #[error("it has more than {limit} {what}")]
    TooMany { what: &'static str, limit: usize },
    /// `{"$ref": "#"}`
    #[error("it refers to itself in a loop that comes back to the same setting")]
    Loop,
    /// Deeper than anybody writes.
    #[error("it takes more than {MAX_DEPTH} steps in a row to check a setting with it")]
    TooDeep,
    /// More work than anybody asks for.
    #[error("it takes more than {MAX_STEPS} steps to check these settings with it")]
    TooManySteps,
    /// What a validator makes of it has no end that anybody waits for.
    #[error("its `unevaluated...` comes to more than {MAX_EXPANDED} parts by way of references")]
    TooExpanded,
    /// Whatever was not foreseen.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The same, in a process of its own.
    #[error("checking settings with it takes more than {} seconds", .0.as_secs())]
    TooLong(Duration),
    /// The same of memory.
    #[error("checking settings with it takes more than {} MiB of memory", MEMORY_BYTES >> 20)]
    TooMuchMemory,
    /// One of the above, as it was told there.
    #[error("{0}")]
    Told(String),
    /// No fault: this machine has no process for it.
    #[error("{0}")]
    NotChecked(io::Error),
}

impl Schema {
    /// Looks a schema over and compiles it. Nothing is ever fetched for it.
    ///
    /// # Errors
    ///
    /// The fault of whoever wrote it.
    pub(super) fn new(text: &str) -> Result<Self, SchemaFault> {
        if text.len() > MAX_SCHEMA_BYTES {
            return Err(SchemaFault::TooLarge(text.len()));
        }
        let root: Value = serde_json::from_str(text).map_err(|error| SchemaFault::Invalid(error.to_string()))?;
        if !root.is_object() {
            return Err(SchemaFault::NotAnObject);
        }
        bounds::look_over(&root)?;
        // This engine takes time in proportion to the text, whatever the expression. The other one does not.
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES).dfa_size_limit(PATTERN_BYTES);
        let validator = jsonschema::options().offline().with_pattern_options(patterns).build(&root);
        let validator = validator.map_err(|error| SchemaFault::Invalid(shown(&root, &error)))?;
        Ok(Self { root, validator })
    }

    /// Everything that does not fit.
    ///
    /// # Errors
    ///
    /// Where the schema asks for too much.
    pub(super) fn mistakes(&self, settings: &Value) -> Result<Vec<Mistake>, SchemaFault> {
        bounds::count(&self.root, settings)?;
        let errors = self.validator.iter_errors(settings).take(MAX_MISTAKES);
        let mut found: Vec<Mistake> = Vec::new();
        for mistake in errors.flat_map(|error| mistakes(&self.root, settings, &error)).take(MAX_MISTAKES) {
            if !found.contains(&mistake) {
                found.push(mistake);
            }
        }
        // Who mends the typo mends this one too.
        let meant: Vec<String> = found.iter().filter_map(|mistake| mistake.meant.clone()).collect();
        found.retain(|mistake| !(mistake.is_missing && meant.contains(&mistake.place)));
        found.sort_by_key(|mistake| mistake.is_missing);
        Ok(found)
    }

    /// What the text of a single setting means: the JSON that it is, unless it fits better as a plain text.
    ///
    /// # Errors
    ///
    /// Where the schema asks for too much.
    pub(super) fn reading(&self, key: &str, text: &str) -> Result<Value, SchemaFault> {
        let Ok(json) = serde_json::from_str::<Value>(text) else { return Ok(text.into()) };
        let plain = Value::from(text);
        let json_fits_as_well = self.misfits(key, &json)? <= self.misfits(key, &plain)?;
        Ok(if json_fits_as_well { json } else { plain })
    }

    fn misfits(&self, key: &str, value: &Value) -> Result<usize, SchemaFault> {
        let alone = Value::Object(Map::from_iter([(key.to_owned(), value.clone())]));
        bounds::count(&self.root, &alone)?;
        Ok(self.validator.iter_errors(&alone).take(MAX_MISTAKES).count())
    }
}

/// What is wrong with a schema, in the words for settings: a schema is checked with the schema of schemas.
fn shown(schema: &Value, error: &ValidationError<'_>) -> String {
    let found: Vec<String> = mistakes(&Value::Null, schema, error).iter().map(ToString::to_string).collect();
    found.join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::guarded::guarded;
    use super::*;

    /// Checks settings on a thread as in earnest, since hostile schemas are after its stack.
    fn check(schema: Value, settings: Value) -> Result<Vec<String>, String> {
        check_text(schema.to_string(), settings)
    }

    fn check_text(schema: String, settings: Value) -> Result<Vec<String>, String> {
        let work = move || Schema::new(&schema).and_then(|schema| schema.mistakes(&settings));
        let found = guarded(work).expect("no panic, in time");
        found.map(|found| found.iter().map(ToString::to_string).collect()).map_err(|fault| fault.to_string())
    }

    fn fault(schema: Value) -> String {
        check(schema, json!({"a": {"a": 1}})).expect_err("it is at fault")
    }

    /// `$defs` of `count` parts, each made from the reference to the next.
    fn ladder(count: usize, rung: impl Fn(Value) -> Value) -> Value {
        let reference = |at: usize| json!({"$ref": format!("#/$defs/{at}")});
        let rungs = (0..count).map(|at| (at.to_string(), rung(reference(at + 1))));
        let defs: Map<String, Value> = rungs.chain([(count.to_string(), json!({"required": ["b"]}))]).collect();
        json!({"$defs": defs, "$ref": "#/$defs/0"})
    }

    #[test]
    fn loops_are_refused_and_recursive_settings_are_not() {
        let looped = "it refers to itself in a loop that comes back to the same setting";
        assert_eq!(fault(json!({"$ref": "#"})), looped);
        assert_eq!(fault(json!({"allOf": [{"$ref": "#"}]})), looped);
        assert_eq!(fault(json!({"not": {"anyOf": [{"$ref": "#"}, true]}})), looped);
        assert_eq!(fault(json!({"properties": {"a": {"$ref": "#/properties/a"}}})), looped);
        let two = json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"});
        assert_eq!(fault(two), looped);
        let tree = json!({"properties": {"a": {"$ref": "#"}, "b": {"type": "string"}}});
        let found = check(tree, json!({"a": {"a": {"a": {"b": 1}}}}));
        assert_eq!(found.unwrap(), ["a.a.a.b: wants a text, not 1"]);
    }

    #[test]
    fn references_lead_nowhere_else() {
        for target in
            ["http://localhost/x", "file:///etc/passwd", "x.json", "#name", "#/$defs/gone", "#/%24defs", "//x"]
        {
            let message = fault(json!({"properties": {"never": {"$ref": target}}}));
            assert!(message.starts_with(&format!("its `$ref` to `{target}` leads nowhere")), "{message}");
        }
        assert!(fault(json!({"$dynamicAnchor": "x", "allOf": [{"$dynamicRef": "#x"}]})).contains("`$dynamicRef`"));
        assert!(fault(json!({"$defs": {"a": {"$id": "http://localhost/"}}})).contains("`$id`"));
        assert!(fault(json!({"$schema": "http://localhost/schema"})).contains("`http://localhost/schema`"));
        assert!(
            check(json!({"$id": "http://localhost/x", "$ref": "#/$defs/a", "$defs": {"a": true}}), json!({})).is_ok()
        );
    }

    #[test]
    fn what_doubles_and_doubles_again_is_refused() {
        let steps = "it takes more than 2000000 steps to check these settings with it";
        assert_eq!(fault(ladder(40, |next| json!({"allOf": [next, next]}))), steps);
        assert_eq!(fault(ladder(40, |next| json!({"oneOf": [next, next]}))), steps);
        assert_eq!(fault(ladder(40, |next| json!({"if": next, "then": next, "else": next}))), steps);
        let uneven = |next| json!({"anyOf": [next], "unevaluatedProperties": false});
        assert_eq!(fault(ladder(15, uneven)), "it has more than 10 uses of `unevaluated...`");
        // It doubles with each step into the settings only.
        let part = json!({"properties": {"a": {"$ref": "#"}}});
        let tree = json!({"allOf": [part, part, part, part]});
        let deep = (0..60).fold(json!(1), |value, _| json!({"a": value}));
        assert_eq!(check(tree, deep).unwrap_err(), steps);
    }

    /// Where each of the rungs is reached more than once, whatever it is that leads to the next.
    #[test]
    fn what_a_validator_would_copy_again_and_again_is_refused() {
        let ladders: [fn(Value) -> Value; 9] = [
            |next| json!({"if": next, "allOf": [next]}),
            |next| json!({"allOf": [next, next]}),
            |next| json!({"anyOf": [next], "oneOf": [next]}),
            |next| json!({"if": next, "then": next}),
            |next| json!({"if": next, "else": next}),
            |next| json!({"dependentSchemas": {"x": next, "y": next}}),
            |next| json!({"dependencies": {"x": next}, "allOf": [next]}),
            |next| json!({"$ref": next["$ref"], "anyOf": [next]}),
            |next| json!({"not": next, "allOf": [{"anyOf": [next]}]}),
        ];
        let expanded = "its `unevaluated...` comes to more than 20000 parts by way of references";
        for (at, rung) in ladders.into_iter().enumerate() {
            for unevaluated in ["unevaluatedProperties", "unevaluatedItems"] {
                let mut schema = ladder(20, rung);
                schema[unevaluated] = json!(false);
                assert_eq!(check(schema, json!({})).unwrap_err(), expanded, "{at} {unevaluated}");
                // The same below a property that nobody sets: it is compiled all the same.
                let mut schema = ladder(20, rung);
                schema["properties"] = json!({"never": {"$ref": schema["$ref"], unevaluated: false}});
                schema.as_object_mut().unwrap().remove("$ref");
                assert_eq!(check(schema, json!({})).unwrap_err(), expanded, "{at} {unevaluated} never");
            }
        }
        let deep = json!({"$defs": ladder(600, |next| next)["$defs"], "unevaluatedProperties": {"$ref": "#/$defs/0"}});
        assert!(check(deep.clone(), json!({})).is_ok());
        let long = json!({"$defs": deep["$defs"], "$ref": "#/$defs/0", "unevaluatedProperties": false});
        assert_eq!(check(long, json!({})).unwrap_err(), expanded);
    }

    #[test]
    fn what_is_written_of_uneven_settings_is_checked() {
        let common = json!({"properties": {"a": {"type": "integer"}}});
        let schema = json!({
            "$defs": {"common": common},
            "allOf": [{"$ref": "#/$defs/common"}, {"if": {"required": ["b"]}, "then": {"properties": {"b": true}}}],
            "unevaluatedProperties": false
        });
        assert_eq!(check(schema.clone(), json!({"a": 1, "b": 2})).unwrap(), Vec::<String>::new());
        assert_eq!(check(schema, json!({"a": 1, "c": 2})).unwrap().len(), 1);
    }

    #[test]
    fn the_most_that_is_allowed_is_done_soon() {
        let doubled = ladder(17, |next| json!({"allOf": [next, next]}));
        assert_eq!(check(doubled, json!({})).unwrap(), ["b: is missing"]);
        let uneven = |next| json!({"anyOf": [next], "unevaluatedProperties": false});
        assert!(check(ladder(9, uneven), json!({"a": 1})).is_ok());
        let patterns: Map<String, Value> =
            (0..100).map(|at| (format!("a{at}"), json!({"pattern": format!("\\pL{{10}}{at}")}))).collect();
        assert_eq!(check(json!({"properties": patterns}), json!({})), Ok(vec![]));
        let names: Vec<String> = (0..100_000).map(|at| format!("name-{at}")).collect();
        let many = json!({"properties": {"names": {"items": {"type": "string", "minLength": 1}}}});
        assert_eq!(check(many, json!({"names": names})), Ok(vec![]));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "it takes more than 500 steps in a row to check a setting with it";
        assert_eq!(fault(ladder(600, |next| next)), deep);
        assert_eq!(check(ladder(490, |next| json!({"allOf": [next]})), json!({})).unwrap_err(), deep);
        assert_eq!(check(ladder(490, |next| next), json!({})).unwrap(), ["b: is missing"]);
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let nested = (0..60).fold(json!({"type": "string"}), |inner, _| json!({keyword: [inner]}));
            assert_eq!(check(nested, json!({})).unwrap(), ["wants a text, not an object"]);
        }
        let too_deep = format!("{}{}", r#"{"not":"#.repeat(10_000), "}".repeat(10_000));
        assert!(check_text(too_deep, json!({})).unwrap_err().contains("recursion limit"));
        // Never used, but compiled.
        let unused = ladder(6_500, |next| json!({"not": next}));
        assert_eq!(check(json!({"$defs": unused["$defs"]}), json!({})), Ok(vec![]));
        let unused = json!({"$defs": unused["$defs"], "properties": {"x": {"$ref": "#/$defs/0"}}});
        assert_eq!(check(unused, json!({})), Ok(vec![]));
    }

    #[test]
    fn mistakes_without_number_are_told_soon() {
        let names = |what: &str| (0..9_000).map(|at| format!("{what}{at}")).collect::<Vec<_>>();
        let known: Map<String, Value> = names("known").into_iter().map(|name| (name, json!({}))).collect();
        let wrong: Value = names("knowm").into_iter().map(|name| (name, json!(1))).collect();
        let closed = json!({"properties": known, "additionalProperties": false});
        assert_eq!(check(closed, wrong).unwrap().len(), 100);
        let forms: Vec<Value> = names("b").into_iter().map(|name| json!({"required": [name]})).collect();
        let nested = (0..40).fold(json!({"allOf": forms}), |inner, _| json!({"oneOf": [inner, {"required": ["c"]}]}));
        assert_eq!(check(nested, json!({})).unwrap().len(), 1);
    }

    #[test]
    fn size_is_bounded() {
        let long = json!({"description": "x".repeat(16 << 20)});
        assert_eq!(fault(long), "it has 16777234 bytes; at most 262144 are allowed");
        let patterns: Map<String, Value> = (0..101).map(|at| (format!("a{at}"), json!({"pattern": "a"}))).collect();
        assert_eq!(fault(json!({"properties": patterns})), "it has more than 100 regular expressions");
        let large = fault(json!({"properties": {"a": {"pattern": "(\\pL{100}){100}"}}}));
        assert!(large.contains("no regular expression"), "{large}");
    }

    #[test]
    fn regular_expressions_take_linear_time() {
        let nested = json!({"properties": {"a": {"pattern": "^(a+)+$"}}});
        let text = "a".repeat(50_000) + "b";
        assert_eq!(check(nested, json!({"a": text})).unwrap().len(), 1);
        let behind = fault(json!({"properties": {"a": {"pattern": "(?=a)"}}}));
        assert!(behind.starts_with("it is not a valid JSON Schema: properties.a.pattern: "), "{behind}");
    }

    #[test]
    fn what_is_no_schema_is_refused_with_the_place() {
        for (schema, message) in [
            (json!([]), "it is not a JSON object"),
            (json!({"type": "strng"}), "it is not a valid JSON Schema: type: is \"strng\"; did you mean \"string\"?"),
            (
                json!({"properties": {"a": {"minimum": "x"}}}),
                "it is not a valid JSON Schema: properties.a.minimum: wants a number, not \"x\"",
            ),
            (
                json!({"properties": {"a": 3}}),
                "it is not a valid JSON Schema: properties.a: wants true or false or an object, not 3",
            ),
        ] {
            assert_eq!(fault(schema), message);
        }
        assert_eq!(
            check_text("{".into(), json!({})).unwrap_err().split(':').next().unwrap(),
            "it is not a valid JSON Schema"
        );
    }
}
