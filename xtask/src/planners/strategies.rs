//! Which strategies are compared. `page.md` says what they are.

use std::path::Path;

use anyhow::{Context, Result, bail};

use super::simulate::json_of;

/// In the order in which they are shown.
const MEASURED: [&str; 6] = ["foresight", "auto-layer", "expected-bytes", "dominators", "origin", "popularity"];

/// Those that do what their settings say, so that there is nothing to measure.
const WITH_SETTINGS: [&str; 2] = ["groups", "pipeline"];

/// What the others are compared with.
pub(crate) const YARDSTICK: &str = "auto-layer";

/// Returns the strategies to measure, and fails where the program has others than are known here.
pub(crate) fn measured(program: &Path) -> Result<Vec<String>> {
    let list = json_of(program, &["planner", "list", "--json"])?;
    let names = list.as_array().context("the list of planners is a list")?.iter();
    let names: Option<Vec<&str>> = names.map(|planner| planner["name"].as_str()).collect();
    let names = names.context("planners have names")?;
    if let Some(new) = names.iter().find(|name| !MEASURED.contains(name) && !WITH_SETTINGS.contains(name)) {
        bail!("`{new}` is built in and not compared: add it to xtask/src/planners, in strategies.rs and page.md");
    }
    if let Some(gone) = MEASURED.iter().find(|name| !names.contains(name)) {
        bail!("`{gone}` is not built in any more: remove it from xtask/src/planners, in strategies.rs and page.md");
    }
    Ok(MEASURED.map(str::to_owned).into())
}
