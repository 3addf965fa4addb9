//! `layerwright planner`, one file for each of its commands.

mod answer;
mod bench;
mod check;
mod cost;
mod digest;
mod inspect;
mod list;
mod new;
mod profile;
mod run;
mod subject;
mod template;
mod wit;

use std::process::ExitCode;

use anyhow::Result;

use crate::arguments::PlannerCommand;
use crate::console::Console;

pub(crate) fn run(command: &PlannerCommand, console: &Console) -> Result<ExitCode> {
    match command {
        PlannerCommand::List { json, sandbox } => list::run(sandbox, *json, console)?,
        PlannerCommand::Digest { planners, pin, json } => digest::run(planners, digest::Format::new(*pin, *json))?,
        PlannerCommand::Inspect { planner, json, sandbox } => inspect::run(planner, sandbox, *json, console)?,
        PlannerCommand::New(arguments) => new::run(arguments, console)?,
        PlannerCommand::Wit(arguments) => wit::run(arguments)?,
        PlannerCommand::Run(arguments) => run::run(arguments, console)?,
        PlannerCommand::Check(arguments) => return check::run(arguments, console),
        PlannerCommand::Bench(arguments) => bench::run(arguments, console)?,
    }
    Ok(ExitCode::SUCCESS)
}
