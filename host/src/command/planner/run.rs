//! `layerwright planner run`

use anyhow::Result;
use indicatif::{BinaryBytes, HumanCount};
use layerwright_planner::Request;
use layerwright_planner::chain::ChainError;

use super::answer::Answer;
use super::cost::shown;
use super::subject::Subject;
use crate::arguments::{AnswerFormat, RunArguments};
use crate::command::output::{print, print_json};
use crate::console::Console;
use crate::history::read_generations;
use crate::planners;
use crate::progress::spinner;
use crate::sandbox::{Planned, StrategyError, Usage};

/// Shows the proposal even where it breaks the contract: its author wants to see in what way.
pub(super) fn run(arguments: &RunArguments, console: &Console) -> Result<()> {
    let sandbox = planners::sandbox(&arguments.sandbox, console)?;
    let planner = planners::load(&sandbox, &arguments.planner)?;
    let spinner = spinner(console, "reading the closure");
    let Subject { kind, closure, .. } = Subject::of_arguments(&arguments.subject)?;
    let history = read_generations(&arguments.history.history, console)?;
    spinner.set_message(format!("planning {} nodes", closure.len()));
    let max_layers = arguments.planner.max_layers.map_or(arguments.max_layers, |own| own.min(arguments.max_layers));
    let request = Request { closure, max_layers, config: planner.config() };
    let planned = planner.strategy.plan(&request, &history);
    spinner.finish_and_clear();

    if let Err(StrategyError::Refused { log, .. }) = &planned {
        log.iter().for_each(|line| console.log(line));
    }
    let Planned { proposal, usage, log } = planned?;
    let breach = proposal.clone().check(&request.closure, max_layers).err();
    let answer = Answer::new(planner.record(), kind, &request, &proposal);
    match if arguments.json { AnswerFormat::Json } else { arguments.format } {
        AnswerFormat::Json => print_json(&answer.report(&log, usage.into(), breach.as_ref()))?,
        AnswerFormat::Table => {
            log.iter().for_each(|line| console.log(line));
            print(&answer.table())?;
            let Usage { fuel, memory_bytes, time, limits } = usage;
            let (fuel, most_fuel) = (HumanCount(fuel), HumanCount(limits.fuel));
            let (memory, most_memory) = (BinaryBytes(memory_bytes), BinaryBytes(limits.memory_bytes));
            let time = shown(time);
            console.note(&format!(
                "it used {fuel} of {most_fuel} instructions, {memory} of {most_memory} of memory, and {time}"
            ));
        }
    }
    match breach {
        Some(breach) => {
            Err(ChainError::<StrategyError>::BrokenProposal { planner: Box::new(planner.record()), breach }.into())
        }
        None => Ok(()),
    }
}
