//! `layerwright planner list`

use anyhow::Result;
use comfy_table::{Table, presets};
use layerwright_planner::PlannerSource;

use super::profile::Profile;
use crate::arguments::SandboxArguments;
use crate::command::output::{print, print_json};
use crate::console::Console;
use crate::planner_file::BUILT_IN;
use crate::planners::sandbox;

pub(super) fn run(arguments: &SandboxArguments, json: bool, console: &Console) -> Result<()> {
    let sandbox = sandbox(arguments, console)?;
    let profile = |(name, bytes): &(&str, &[u8])| -> Result<Profile> {
        let examined = sandbox.examine(name, bytes)?;
        let profile = Profile::new(&examined, PlannerSource::BuiltIn, bytes.len());
        Ok(examined.strategy.map(|_| profile)?)
    };
    let profiles = BUILT_IN.iter().map(profile).collect::<Result<Vec<_>>>()?;
    if json {
        return print_json(&profiles);
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["NAME", "VERSION", "SUMMARY"]);
    for Profile { name, version, summary, .. } in profiles {
        table.add_row([name, version, summary].map(Option::unwrap_or_default));
    }
    print(&format!("{table}\n"))
}
