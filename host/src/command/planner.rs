//! `layerwright planner list` and `layerwright planner inspect`

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::{Table, presets};
use indicatif::BinaryBytes;
use layerwright_planner::PlannerSource;
use serde::Serialize;
use serde_json::Value;

use super::output::{print, print_json};
use crate::arguments::PlannerCommand;
use crate::console::Console;
use crate::planner_spec::PlannerSpec;
use crate::planners::{BUILT_IN, find, sandbox};
use crate::sandbox::{CONTRACT, Limits, Strategy, printable};

pub(crate) fn run(command: &PlannerCommand, _: &Console) -> Result<ExitCode> {
    match command {
        PlannerCommand::List { json } => list(*json)?,
        PlannerCommand::Inspect { planner, json, limits } => inspect(planner, limits.limits(), *json)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Longest line that is shown of a setting, in bytes.
const SETTING_BYTES: usize = 300;

/// What is known of a planner.
#[derive(Serialize)]
struct Profile {
    name: String,
    version: String,
    summary: String,
    source: PlannerSource,
    contract: &'static str,
    digest: String,
    size_bytes: usize,
    imports: Vec<String>,
    exports: Vec<String>,
    config_schema: Value,
}

impl Profile {
    fn new(strategy: &Strategy<'_>, source: PlannerSource) -> Self {
        let description = strategy.description();
        let inspection = strategy.inspection();
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            summary: description.summary.clone(),
            source,
            contract: CONTRACT,
            digest: strategy.digest().to_string(),
            size_bytes: strategy.size(),
            imports: inspection.granted.clone(),
            exports: inspection.exports.clone(),
            config_schema: serde_json::from_str(&description.config_schema).unwrap_or_default(),
        }
    }
}

fn list(json: bool) -> Result<()> {
    let sandbox = sandbox(Limits::default())?;
    let profile = |(name, bytes): &(&str, &[u8])| {
        sandbox.load(name, bytes).map(|strategy| Profile::new(&strategy, PlannerSource::BuiltIn))
    };
    let profiles = BUILT_IN.iter().map(profile).collect::<Result<Vec<_>, _>>()?;
    if json {
        return print_json(&profiles);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["NAME", "VERSION", "SUMMARY"]);
    for Profile { name, version, summary, .. } in profiles {
        table.add_row([name, version, summary]);
    }
    print(&format!("{table}\n"))
}

fn inspect(spec: &PlannerSpec, limits: Limits, json: bool) -> Result<()> {
    let component = find(spec)?;
    let sandbox = sandbox(limits)?;
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
        list(&profile.imports),
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
