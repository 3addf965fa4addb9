//! `layerwright planner`, one file for each of its commands.

mod inspect;
mod list;
mod profile;

use std::process::ExitCode;

use anyhow::Result;

use crate::arguments::PlannerCommand;
use crate::console::Console;

pub(crate) fn run(command: &PlannerCommand, _: &Console) -> Result<ExitCode> {
    match command {
        PlannerCommand::List { json } => list::run(*json)?,
        PlannerCommand::Inspect { planner, json, limits } => inspect::run(planner, limits.limits(), *json)?,
    }
    Ok(ExitCode::SUCCESS)
}
