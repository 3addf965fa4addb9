//! What a schema may be, so that checking settings with it ends soon.
//!
//! A schema is a program: references make loops, and a few dozen lines can ask for a number of checks with as many
//! digits. Two passes come before the validator's own:
//!
//! 1. [`look_over`] refuses what would lead out of the text, what is not counted below, and what a validator would
//!    compile to very much more than the text.
//! 2. [`count`] goes the way that a validator goes with these settings, each part of the schema with each value once,
//!    and adds up what a validator does that remembers nothing. Parts with a loop, or with a way too deep, are refused.
//!
//! It may count more than is done, and never less: keywords of all supported drafts are taken as if they applied.

use std::collections::HashMap;
use std::ptr::from_ref;

use serde_json::{Map, Value};

use super::schema::SchemaFault;

/// Regular expressions: each may take 1 MiB when compiled.
const MAX_PATTERNS: usize = 100;

/// `unevaluatedProperties` and `unevaluatedItems`: what they are compiled to grows with all that stands below them.
const MAX_UNEVALUATED: usize = 10;

/// What all of these are compiled to: a copy of each part that says something of the same value, by way of references,
/// too. Where a part is reached twice, there are two, and so on.
pub(super) const MAX_EXPANDED: u64 = 20_000;

/// How often `unevaluated...` goes again through what stands beside it. Measured: less than 3.
const AGAIN: u64 = 4;

/// One for each time that a part of the schema meets a value. About a second. A hundred thousand names in a list are as
/// many steps.
pub(super) const MAX_STEPS: u64 = 2_000_000;

/// Parts within parts, on the way that is gone.
pub(super) const MAX_DEPTH: usize = 500;

/// The dialects that [`count`] knows.
const DIALECTS: [&str; 3] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
];

/// Stands for the names that `propertyNames` is about, which are no values of the settings.
static NAME: Value = Value::Null;

/// Refuses a schema that is more than it seems to be.
pub(super) fn look_over(schema: &Value) -> Result<(), SchemaFault> {
    if let Some(Value::String(dialect)) = schema.get("$schema")
        && !DIALECTS.contains(&dialect.trim_end_matches('#'))
    {
        return Err(SchemaFault::Dialect(dialect.clone()));
    }
    let (mut patterns, mut unevaluated) = (0, 0);
    // Bounded: whatever reads JSON here allows 128 levels.
    each_object(schema, &mut |object| {
        if let Some(keyword) = ["$dynamicRef", "$recursiveRef"].into_iter().find(|key| is_text(object, key)) {
            return Err(SchemaFault::Unsupported(keyword));
        }
        // An address of its own changes what references below it mean.
        if is_text(object, "$id") && !std::ptr::eq(object, schema.as_object().expect("the caller looked")) {
            return Err(SchemaFault::Unsupported("$id"));
        }
        if let Some(Value::String(target)) = object.get("$ref")
            && resolve(schema, target).is_none()
        {
            return Err(SchemaFault::Reference(target.clone()));
        }
        patterns += usize::from(is_text(object, "pattern"));
        patterns += object.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
        unevaluated += usize::from(has_unevaluated(object));
        if patterns > MAX_PATTERNS {
            return Err(SchemaFault::TooMany { what: "regular expressions", limit: MAX_PATTERNS });
        }
        if unevaluated > MAX_UNEVALUATED {
            return Err(SchemaFault::TooMany { what: "uses of `unevaluated...`", limit: MAX_UNEVALUATED });
        }
        Ok(())
    })?;
    look_over_expansion(schema)
}

/// Refuses a schema whose `unevaluated...` stands for too much.
fn look_over_expansion(schema: &Value) -> Result<(), SchemaFault> {
    let mut uneven = Vec::new();
    add_uneven(schema, &mut uneven);
    let mut expansion = Expansion { root: schema, seen: HashMap::new() };
    let parts = uneven.into_iter().map(|part| expansion.of(part, 0)).fold(0, u64::saturating_add);
    if parts > MAX_EXPANDED { Err(SchemaFault::TooExpanded) } else { Ok(()) }
}

/// Adds all parts with `unevaluated...`.
fn add_uneven<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    if let Value::Object(object) = value {
        if has_unevaluated(object) {
            found.push(value);
        }
        object.values().for_each(|value| add_uneven(value, found));
    }
    items(value).for_each(|value| add_uneven(value, found));
}

/// Counts parts of a schema that say something of the same value.
struct Expansion<'a> {
    root: &'a Value,
    /// By where they are in memory; 0 while one is counted.
    seen: HashMap<*const Value, u64>,
}

impl<'a> Expansion<'a> {
    fn of(&mut self, schema: &'a Value, depth: usize) -> u64 {
        let Value::Object(keywords) = schema else { return 1 };
        if let Some(parts) = self.seen.get(&from_ref(schema)) {
            return *parts;
        }
        if depth > MAX_DEPTH {
            return u64::MAX;
        }
        self.seen.insert(schema, 0);
        let mut parts = 1_u64;
        for (keyword, part) in keywords {
            let mut add =
                |part: &'a Value| parts = parts.saturating_add(self.of(part, depth + 1)).saturating_add(objects(part));
            match keyword.as_str() {
                "allOf" | "anyOf" | "oneOf" => items(part).for_each(add),
                "if" | "then" | "else" | "not" => add(part),
                "dependentSchemas" | "dependencies" => members(part).for_each(|(_, part)| add(part)),
                "$ref" => {
                    let target = part.as_str().and_then(|target| resolve(self.root, target));
                    parts = parts.saturating_add(target.map_or(0, |target| self.of(target, depth + 1)));
                }
                _ => {}
            }
        }
        self.seen.insert(schema, parts);
        parts
    }
}

/// How many objects there are in a part of a schema.
fn objects(value: &Value) -> u64 {
    let below = items(value).chain(members(value).map(|(_, value)| value)).map(objects).sum::<u64>();
    below + u64::from(value.is_object())
}

/// Refuses a schema that asks for too much where it is used on these settings.
pub(super) fn count(schema: &Value, settings: &Value) -> Result<(), SchemaFault> {
    Count { root: schema, seen: HashMap::new() }.of(schema, settings, 0).map(|_| ())
}

fn is_text(object: &Map<String, Value>, key: &str) -> bool {
    object.get(key).is_some_and(Value::is_string)
}

fn has_unevaluated(object: &Map<String, Value>) -> bool {
    ["unevaluatedProperties", "unevaluatedItems"].into_iter().any(|key| object.contains_key(key))
}

fn each_object(
    value: &Value,
    look: &mut impl FnMut(&Map<String, Value>) -> Result<(), SchemaFault>,
) -> Result<(), SchemaFault> {
    match value {
        Value::Object(object) => {
            look(object)?;
            object.values().try_for_each(|value| each_object(value, look))
        }
        Value::Array(items) => items.iter().try_for_each(|value| each_object(value, look)),
        _ => Ok(()),
    }
}

/// A reference within the schema: `#`, or `#/` and the way.
fn resolve<'a>(root: &'a Value, target: &str) -> Option<&'a Value> {
    // In an address, `%` begins an escape. Nobody needs one here.
    target.strip_prefix('#').filter(|way| !way.contains('%')).and_then(|way| root.pointer(way))
}

/// A part of the schema and a value, told apart by where they are in memory.
type Pair = (*const Value, *const Value);

struct Count<'a> {
    root: &'a Value,
    /// `None` while it is being counted.
    seen: HashMap<Pair, Option<u64>>,
}

impl<'a> Count<'a> {
    /// Steps for one part of the schema on one value, and for all that follows from it.
    fn of(&mut self, schema: &'a Value, value: &'a Value, depth: usize) -> Result<u64, SchemaFault> {
        let Value::Object(keywords) = schema else { return Ok(1) };
        let pair = (from_ref(schema), from_ref(value));
        match self.seen.get(&pair) {
            Some(Some(steps)) => return Ok(*steps),
            Some(None) => return Err(SchemaFault::Loop),
            None => {}
        }
        if depth > MAX_DEPTH {
            return Err(SchemaFault::TooDeep);
        }
        self.seen.insert(pair, None);
        let mut steps = 1;
        for (keyword, part) in keywords {
            steps = sum(steps, self.keyword(keyword, part, value, depth + 1)?)?;
        }
        if has_unevaluated(keywords) {
            steps = sum(0, steps.saturating_mul(AGAIN))?;
        }
        self.seen.insert(pair, Some(steps));
        Ok(steps)
    }

    fn keyword(&mut self, name: &str, part: &'a Value, value: &'a Value, depth: usize) -> Result<u64, SchemaFault> {
        match name {
            "allOf" | "anyOf" | "oneOf" => self.all(items(part).map(|part| (part, value)), depth),
            "not" | "if" | "then" | "else" => self.of(part, value, depth),
            "$ref" => {
                let target = part.as_str().and_then(|target| resolve(self.root, target));
                target.map_or(Ok(0), |target| self.of(target, value, depth))
            }
            "dependentSchemas" | "dependencies" => self.all(members(part).map(|(_, part)| (part, value)), depth),
            "properties" => {
                let parts = members(part).map(|(name, part)| (part, value.get(name)));
                let there = parts.filter_map(|(part, value)| Some((part, value?)));
                sum(size(part), self.all(there, depth)?)
            }
            "patternProperties" => {
                let pairs = members(part).flat_map(|(_, part)| members(value).map(move |(_, value)| (part, value)));
                self.all(pairs, depth)
            }
            "additionalProperties" | "unevaluatedProperties" => {
                self.all(members(value).map(|(_, value)| (part, value)), depth)
            }
            "propertyNames" => self.all(members(value).map(|_| (part, &NAME)), depth),
            "prefixItems" => self.all(items(part).zip(items(value)), depth),
            "items" if part.is_array() => self.all(items(part).zip(items(value)), depth),
            "items" | "additionalItems" | "unevaluatedItems" | "contains" => {
                self.all(items(value).map(|value| (part, value)), depth)
            }
            // Looked through from the first to the last.
            "enum" | "required" | "type" => Ok(size(part)),
            _ => Ok(0),
        }
    }

    fn all(
        &mut self,
        mut pairs: impl Iterator<Item = (&'a Value, &'a Value)>,
        depth: usize,
    ) -> Result<u64, SchemaFault> {
        pairs.try_fold(0, |steps, (schema, value)| sum(steps, self.of(schema, value, depth)?))
    }
}

fn sum(a: u64, b: u64) -> Result<u64, SchemaFault> {
    Some(a.saturating_add(b)).filter(|steps| *steps <= MAX_STEPS).ok_or(SchemaFault::TooManySteps)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn size(value: &Value) -> u64 {
    value.as_array().map_or(0, Vec::len).max(value.as_object().map_or(0, Map::len)) as u64
}
