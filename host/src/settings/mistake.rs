//! What does not fit, in words for whoever wrote it.

use std::fmt;

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::{JsonType, ValidationError};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::nearest::nearest;
use super::place::Place;

/// How many names a message lists.
const LISTED: usize = 10;

/// How many unknown settings of one object are looked at.
const MAX_UNKNOWN: usize = 100;

/// How much of a value a message shows, in characters.
const SHOWN_CHARS: usize = 60;

/// One thing that does not fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Mistake {
    /// Such as `groups[0].label`; empty for the settings as a whole.
    pub(super) place: String,
    /// The outermost setting that it is in.
    pub(super) setting: Option<String>,
    /// Nothing stands at the place, and something must.
    pub(super) is_missing: bool,
    /// The place that was probably meant.
    pub(super) meant: Option<String>,
    /// What is wrong there.
    pub(super) problem: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place.as_str() {
            "" => f.write_str(&self.problem),
            place => write!(f, "{place}: {}", self.problem),
        }
    }
}

/// Returns what the validator's error means, for settings that were checked with `schema`.
pub(super) fn mistakes(schema: &Value, settings: &Value, error: &ValidationError<'_>) -> Vec<Mistake> {
    let at = Place::new(settings, error.instance_path().as_str());
    let found = error.instance().as_ref();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let known = known_names(schema, error);
            unexpected.iter().take(MAX_UNKNOWN).map(|name| unknown(&at, name, known, found)).collect()
        }
        // The validator's short cut for objects that may have nothing: it names the first value, and no name.
        Kind::FalseSchema if error.schema_path().as_str().ends_with("/additionalProperties") => {
            let object = settings.pointer(error.instance_path().as_str()).unwrap_or(&Value::Null);
            let names = object.as_object().into_iter().flat_map(Map::keys);
            names.take(MAX_UNKNOWN).map(|name| unknown(&at, name, None, object)).collect()
        }
        Kind::Required { property } => {
            let missing = at.below(property.as_str().unwrap_or_default()).mistake("is missing".into());
            vec![Mistake { is_missing: true, ..missing }]
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => no_form(schema, settings, &at, found, context),
        kind => vec![at.mistake(problem(kind, found).unwrap_or_else(|| cut(&error.to_string(), 4 * SHOWN_CHARS)))],
    }
}

/// The names that the object may have, from the same part of the schema that refuses others.
fn known_names<'a>(schema: &'a Value, error: &ValidationError<'_>) -> Option<&'a Map<String, Value>> {
    let (part, _keyword) = error.schema_path().as_str().rsplit_once('/')?;
    schema.pointer(part)?.get("properties")?.as_object()
}

fn unknown(at: &Place, name: &str, known: Option<&Map<String, Value>>, found: &Value) -> Mistake {
    let free: Vec<&str> =
        known.into_iter().flat_map(Map::keys).map(String::as_str).filter(|name| found.get(name).is_none()).collect();
    let place = at.below(name);
    if let Some(near) = nearest(name, &free) {
        let problem = format!("there is no such setting; did you mean `{near}`?");
        return Mistake { meant: Some(at.below(near).shown().to_owned()), ..place.mistake(problem) };
    }
    let all: Vec<&str> = known.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    place.mistake(match (nearest(name, &all), all.as_slice()) {
        (Some(near), _) => format!("there is no such setting; did you mean `{near}`, which is set already?"),
        (None, []) => "there is no such setting; none is taken here".into(),
        (None, all) => format!("there is no such setting; there is {}", list(all.iter().copied())),
    })
}

/// None of several alternatives fits. The one whose type fits is the one that was meant.
fn no_form(
    schema: &Value,
    settings: &Value,
    at: &Place,
    found: &Value,
    forms: &[Vec<ValidationError<'static>>],
) -> Vec<Mistake> {
    let place_of = |error: &ValidationError<'_>| Place::new(settings, error.instance_path().as_str());
    let type_here = |error: &ValidationError<'_>| match error.kind() {
        Kind::Type { kind } if place_of(error).shown() == at.shown() => Some(wanted(kind)),
        _ => None,
    };
    let words = |form: &[ValidationError<'_>]| -> Vec<Mistake> {
        form.iter().flat_map(|error| mistakes(schema, settings, error)).collect()
    };
    let meant: Vec<_> = forms.iter().filter(|form| form.iter().all(|error| type_here(error).is_none())).collect();
    match meant.as_slice() {
        [] => {
            let mut kinds: Vec<String> = forms.iter().flatten().filter_map(type_here).collect();
            kinds.dedup();
            vec![at.mistake(format!("wants {}, not {}", kinds.join(" or "), shown(found)))]
        }
        [form] => words(form),
        several => {
            let best = several.iter().map(|form| words(form)).min_by_key(Vec::len).unwrap_or_default();
            let best: Vec<String> =
                best.iter().take(3).map(|mistake| cut(&mistake.to_string(), 4 * SHOWN_CHARS)).collect();
            let count = forms.len();
            vec![at.mistake(format!(
                "fits none of the {count} forms that it may have; for the nearest, {}",
                best.join("; ")
            ))]
        }
    }
}

/// What is wrong with one value.
fn problem(kind: &Kind, found: &Value) -> Option<String> {
    let is = shown(found);
    Some(match kind {
        Kind::Type { kind } => format!("wants {}, not {is}", wanted(kind)),
        Kind::Enum { options } => no_option(found, options),
        Kind::Constant { expected_value } => format!("is {is}; only {} is allowed", shown(expected_value)),
        Kind::Minimum { limit } => format!("is {is}; at least {limit} is allowed"),
        Kind::Maximum { limit } => format!("is {is}; at most {limit} is allowed"),
        Kind::ExclusiveMinimum { limit } => format!("is {is}; only more than {limit} is allowed"),
        Kind::ExclusiveMaximum { limit } => format!("is {is}; only less than {limit} is allowed"),
        Kind::MultipleOf { multiple_of } => format!("is {is}, which is no multiple of {multiple_of}"),
        Kind::MinLength { limit: 1 } => "is empty".into(),
        Kind::MinLength { limit } => format!("is {is}; at least {limit} characters are needed"),
        Kind::MaxLength { limit } => format!("is {is}; at most {limit} characters are allowed"),
        Kind::MinItems { limit: 1 } | Kind::MinProperties { limit: 1 } => "is empty".into(),
        Kind::MinItems { limit } | Kind::MinProperties { limit } => format!("is {is}; at least {limit} are needed"),
        Kind::MaxItems { limit } | Kind::MaxProperties { limit } => format!("is {is}; at most {limit} are allowed"),
        Kind::UniqueItems => "lists something twice".into(),
        Kind::Pattern { pattern } => format!("is {is}, which does not match `{}`", cut(pattern, 2 * SHOWN_CHARS)),
        Kind::Format { format } if format == "regex" => format!(
            "{is} is no regular expression of those that are taken: no look-around, no back-references, not too large"
        ),
        Kind::Format { format } => format!("is {is}, which is no {format}"),
        Kind::FalseSchema => "is not allowed".into(),
        Kind::Not { .. } => format!("must not be {is}"),
        Kind::OneOfMultipleValid { .. } => "fits several forms, of which it may have one only".into(),
        Kind::PropertyNames { error } => format!(
            "has a setting {}, whose name {}",
            shown(error.instance()),
            problem(error.kind(), error.instance()).unwrap_or_else(|| "is not allowed".into()),
        ),
        Kind::Referencing(error) => error.to_string(),
        _ => return None,
    })
}

fn no_option(found: &Value, options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let texts: Vec<&str> = options.iter().filter_map(Value::as_str).collect();
    if let Some(near) = found.as_str().and_then(|found| nearest(found, &texts)) {
        return format!("is {}; did you mean \"{near}\"?", shown(found));
    }
    let options: Vec<String> = options.iter().map(shown).collect();
    format!("is {}; allowed is {}", shown(found), list(options.iter().map(String::as_str)))
}

fn wanted(kind: &TypeKind) -> String {
    let word = |kind| match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "true or false",
        JsonType::Integer => "a whole number",
        JsonType::Null => "null",
        JsonType::Number => "a number",
        JsonType::Object => "an object",
        JsonType::String => "a text",
    };
    match kind {
        TypeKind::Single(kind) => word(*kind).to_owned(),
        TypeKind::Multiple(kinds) => kinds.iter().map(word).collect::<Vec<_>>().join(" or "),
    }
}

/// A value in a message.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(items) => match items.len() {
            0 => "an empty list".into(),
            1 => "a list of 1".into(),
            count => format!("a list of {count}"),
        },
        Value::Object(_) => "an object".into(),
        value => cut(&value.to_string(), SHOWN_CHARS),
    }
}

fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let mut listed: Vec<String> = names.take(LISTED).map(|name| cut(name, SHOWN_CHARS)).collect();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    listed.join(", ")
}

fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
