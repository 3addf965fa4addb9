//! `layerwright planner inspect`

use anyhow::Result;
use indicatif::BinaryBytes;
use layerwright_planner::PlannerSource;
use serde_json::Value;

use super::profile::Profile;
use crate::arguments::SandboxArguments;
use crate::command::output::{print, print_json};
use crate::console::Console;
use crate::planner_spec::PlannerSpec;
use crate::planners::{find, sandbox};
use crate::sandbox::printable;

/// Longest line that is shown of a setting, in bytes.
const SETTING_BYTES: usize = 300;

pub(super) fn run(spec: &PlannerSpec, arguments: &SandboxArguments, json: bool, console: &Console) -> Result<()> {
    let sandbox = sandbox(arguments, console)?;
    let component = find(spec, sandbox.limits())?;
    let strategy = sandbox.load(&spec.planner, &component.bytes)?;
    let profile = Profile::new(&strategy, component.source);
    if json { print_json(&profile) } else { print(&shown(&profile)) }
}

fn shown(profile: &Profile) -> String {
    let Profile { name, version, summary, contract, digest, .. } = profile;
    let size = BinaryBytes(profile.size_bytes as u64);
    let source = match profile.source {
        PlannerSource::BuiltIn => "built in",
        PlannerSource::File => "a file",
    };
    let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join("\n           ") };
    format!(
        "{name} {version} ({source})\n  {summary}\n\n\
         contract   {contract}\n\
         digest     {digest}\n\
         size       {size}\n\
         imports    {}\n\
         exports    {}\n\
         settings   {}\n",
        list(&profile.imports.granted),
        list(&profile.exports),
        settings(&profile.config_schema),
    )
}

/// A line for each setting; those of objects and of lists of objects stand indented below.
fn settings(schema: &Value) -> String {
    let mut lines = Vec::new();
    add_settings(schema, 0, &mut lines);
    if lines.is_empty() { "none".into() } else { lines.join("\n           ") }
}

fn add_settings(schema: &Value, depth: usize, lines: &mut Vec<String>) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let kind = property["type"].as_str().unwrap_or("any");
        let default = match property.get("default") {
            Some(default) => format!(", default {default}"),
            None if required.contains(&name.as_str()) => ", required".into(),
            None => String::new(),
        };
        let about = property["description"].as_str().map(|about| format!(": {about}")).unwrap_or_default();
        let line = format!("{}{name} ({kind}{default}){about}", "  ".repeat(depth));
        lines.push(printable(&line, SETTING_BYTES));
        // As deep as anybody writes settings; a schema from a stranger may nest without end.
        if depth < 3 {
            add_settings(property, depth + 1, lines);
            add_settings(&property["items"], depth + 1, lines);
        }
    }
}
