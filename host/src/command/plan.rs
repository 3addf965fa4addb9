//! `layerwright plan`

use std::process::ExitCode;

use anyhow::Result;
use layerwright_planner::Plan;

use super::output::{check_writable, print, write_file};
use super::plan_table::plan_table;
use crate::arguments::{ClosureArguments, PlanArguments, PlanFormat, PlanningArguments};
use crate::console::Console;
use crate::planners;
use crate::progress::spinner;
use crate::source::{NodeFilesByName, ReadClosure};

pub(crate) fn run(arguments: &PlanArguments, console: &Console) -> Result<ExitCode> {
    arguments.output.as_deref().map_or(Ok(()), check_writable)?;
    let (plan, _) = make_plan(&arguments.closure, &arguments.planning, console)?;
    let text = match arguments.format {
        PlanFormat::Plan => plan.to_json(),
        PlanFormat::StoreLayers => plan.to_store_layers(),
        PlanFormat::Table => plan_table(&plan),
    };
    match &arguments.output {
        Some(file) => write_file(file, &text)?,
        None => print(&text)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads the closure and asks the planners.
pub(super) fn make_plan(
    closure: &ClosureArguments,
    planning: &PlanningArguments,
    console: &Console,
) -> Result<(Plan, NodeFilesByName)> {
    let spinner = spinner(console, "reading the closure");
    let ReadClosure { closure, files } = closure.from.read(&closure.root)?;
    spinner.set_message(format!("planning {} nodes", closure.len()));
    let plan = spinner.suspend(|| planners::plan(closure, files.kind(), planning, console))?;
    spinner.finish_and_clear();
    Ok((plan, files))
}
