//! `layerwright planner inspect`

use std::collections::BTreeMap;

use anyhow::Result;
use indicatif::BinaryBytes;
use layerwright_planner::PlannerSource;
use serde_json::Value;

use super::profile::Profile;
use crate::arguments::SandboxArguments;
use crate::command::output::{print, print_json};
use crate::console::Console;
use crate::planner_file::{Unpinned, find};
use crate::planner_spec::PlannerSpec;
use crate::planners::sandbox;
use crate::sandbox::{Imports, Producer, printable};

/// Longest line that is shown of a setting, in bytes.
const SETTING_BYTES: usize = 300;

pub(super) fn run(spec: &PlannerSpec, arguments: &SandboxArguments, json: bool, console: &Console) -> Result<()> {
    let sandbox = sandbox(arguments, console)?;
    // Looking is not using.
    let component = find(spec, Unpinned::Allowed, sandbox.limits())?;
    let examined = sandbox.examine(&spec.planner, &component.bytes)?;
    let profile = Profile::new(&examined, component.source, component.bytes.len());
    if json { print_json(&profile) } else { print(&shown(&profile)) }?;
    Ok(examined.strategy.map(drop)?)
}

/// Width of what stands before each value.
const INDENT: &str = "            ";

fn shown(profile: &Profile) -> String {
    let source = match profile.source {
        PlannerSource::BuiltIn => "built in",
        PlannerSource::File => "a file",
    };
    let title = match profile {
        Profile { name: Some(name), version: Some(version), summary: Some(summary), .. } => {
            format!("{name} {version} ({source})\n  {summary}\n\n")
        }
        Profile { contract: Some(_), .. } => format!("a planner that does not say who it is ({source})\n\n"),
        _ => format!("not a planner ({source})\n\n"),
    };
    let Imports { granted, inert, denied, unknown } = &profile.imports;
    let made_with = profile.producers.iter().map(|Producer { field, name, version }| {
        let about = [name.as_str(), version].join(" ");
        format!("{} ({field})", about.trim_end())
    });
    let size = BinaryBytes(profile.size_bytes as u64).to_string();
    let rows = [
        ("contract", vec![profile.contract.clone().unwrap_or_else(|| "none".into())]),
        ("digest", vec![profile.digest.clone()]),
        ("size", vec![size]),
        ("made with", made_with.collect()),
        ("imports", granted.clone()),
        ("  inert", by_package(inert)),
        ("  denied", by_package(denied)),
        ("  unknown", unknown.clone()),
        ("exports", profile.exports.clone()),
        ("settings", profile.config_schema.as_ref().map(settings).unwrap_or_default()),
    ];
    let row = |(name, lines): &(&str, Vec<String>)| {
        let lines = if lines.is_empty() { "none".to_owned() } else { lines.join(&format!("\n{INDENT}")) };
        format!("{name:<width$}{lines}\n", width = INDENT.len())
    };
    // Most have none of the three, and need not learn what they are.
    let is_shown = |(name, lines): &&(&str, Vec<String>)| !(name.starts_with(' ') && lines.is_empty());
    title + &rows.iter().filter(is_shown).map(row).collect::<String>() + &explanations(&profile.imports)
}

/// `wasi:io@0.2.6: error, poll, streams`: whoever has one of them mostly has all.
fn by_package(interfaces: &[String]) -> Vec<String> {
    let mut packages: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for interface in interfaces {
        let (name, version) = interface.split_once('@').unwrap_or((interface, ""));
        let (package, name) = name.split_once('/').unwrap_or((name, ""));
        packages.entry(format!("{package}@{version}")).or_default().push(name);
    }
    packages.into_iter().map(|(package, names)| format!("{package}: {}", names.join(", "))).collect()
}

fn explanations(imports: &Imports) -> String {
    let lines = [
        (&imports.inert, "inert: can be used, and has no effect: clocks stand still, the environment is empty"),
        (&imports.denied, "denied: can be imported, and ends the planner when it is used"),
        (&imports.unknown, "unknown: does not exist here, so that the component cannot be used"),
    ];
    let needed = lines.into_iter().filter(|(names, _)| !names.is_empty());
    let text: String = needed.map(|(_, line)| format!("  {line}\n")).collect();
    if text.is_empty() { text } else { format!("\n{text}") }
}

/// A line for each setting; those of objects and of lists of objects stand indented below.
fn settings(schema: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    add_settings(schema, 0, &mut lines);
    lines
}

fn add_settings(schema: &Value, depth: usize, lines: &mut Vec<String>) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let default = match property.get("default") {
            Some(default) => format!(", default {default}"),
            None if required.contains(&name.as_str()) => ", required".into(),
            None => String::new(),
        };
        let about = property["description"].as_str().map(|about| format!(": {about}")).unwrap_or_default();
        let line = format!("{}{name} ({}{default}){about}", "  ".repeat(depth), kind(property));
        lines.push(printable(&line, SETTING_BYTES));
        // As deep as anybody writes settings; a schema from a stranger may nest without end.
        if depth < 3 {
            add_settings(property, depth + 1, lines);
            add_settings(&property["items"], depth + 1, lines);
        }
    }
}

/// What a value may be: `integer from 0 to 9`, `"a" or "b"`, `array of string`.
fn kind(property: &Value) -> String {
    if let Some(options) = property["enum"].as_array() {
        return options.iter().map(Value::to_string).collect::<Vec<_>>().join(" or ");
    }
    let mut kind = property["type"].as_str().unwrap_or("any").to_owned();
    if let Some(items) = property["items"]["type"].as_str() {
        kind += &format!(" of {items}");
    }
    for (keyword, words) in [("minimum", "from"), ("maximum", "to"), ("pattern", "like")] {
        if let Some(bound) = property.get(keyword) {
            kind += &format!(" {words} {}", bound.as_str().map_or_else(|| bound.to_string(), str::to_owned));
        }
    }
    kind
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_say_what_they_may_be() {
        let schema = json!({"required": ["b"], "properties": {
            "a": {"type": "integer", "minimum": 0, "maximum": 9, "default": 3, "description": "How many"},
            "b": {"enum": ["x", 1]},
            "c": {"type": "array", "items": {"type": "object", "properties": {"d": {"type": "string", "pattern": "^x"}}}},
        }});
        let expected = [
            "a (integer from 0 to 9, default 3): How many",
            "b (\"x\" or 1, required)",
            "c (array of object)",
            "  d (string like ^x)",
        ];
        assert_eq!(settings(&schema), expected);
    }
}
