//! `layerwright planner check`: whether a strategy keeps the contract, shown on closures of every shape.
//!
//! 1. `describe` has to say the same twice.
//! 2. Each closure is asked about with every interesting layer limit, twice each, see [`examine()`]. A strategy that
//!    used up its budget on some is not asked about the rest: it would only take as long again.
//! 3. There has to be a proposal for at least one of them. Refusals are answers, but show nothing.
//!
//! What a strategy leaves unplaced fits into the layers of a chain because the contract's check sees to it.

mod asked;
mod examine;
mod report;
#[cfg(test)]
mod tests;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use layerwright_planner::Generation;
use layerwright_planner::shapes::{Shape, layer_limits};

use self::asked::Asked;
use self::examine::{Examined, examine};
use self::report::Report;
use super::subject::Subject;
use crate::arguments::CheckArguments;
use crate::command::output::{print, print_json};
use crate::console::Console;
use crate::exit;
use crate::history::read_generations;
use crate::planners::{self, Configured};
use crate::progress::spinner;
use crate::sandbox::Sandbox;

/// After so many closures on which it used up its budget, a strategy is not asked about others.
const PATIENCE: usize = 2;

pub(super) fn run(arguments: &CheckArguments, console: &Console) -> Result<ExitCode> {
    let report = check(&planners::sandbox(&arguments.sandbox, console)?, arguments, console)?;
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&report.shown())?;
    }
    Ok(if report.everything_held() { ExitCode::SUCCESS } else { ExitCode::from(exit::MISBEHAVED) })
}

fn check(sandbox: &Sandbox, arguments: &CheckArguments, console: &Console) -> Result<Report> {
    let planner = planners::load(sandbox, &arguments.planner)?;
    let describes_the_same = describes_itself_the_same(sandbox, &planner, arguments)?;
    // Read first: a source that cannot be read should not cost the time of all generated ones.
    let spinner = spinner(console, "reading the closures");
    let read = arguments.from.iter().map(|source| Subject::read(source, &arguments.root));
    let read = read.collect::<Result<Vec<_>>>()?;
    let history = read_generations(&arguments.history.history, console)?;

    let mut report = Report::new(planner.record(), arguments);
    if !describes_the_same {
        report.add_unsteady_description();
    }
    let shapes = if arguments.shapes.is_empty() { &Shape::ALL[..] } else { &arguments.shapes };
    let mut exhausted = 0;
    for subject in shapes.iter().map(|shape| Subject::generated(*shape)).chain(read) {
        if exhausted == PATIENCE {
            report.skip(&subject);
            continue;
        }
        spinner.set_message(format!("checking {}", subject.name));
        let examined = check_closure(&planner, &subject, &history, arguments);
        exhausted += usize::from(examined.is_over_budget);
        report.add(&subject, examined);
    }
    report.expect_a_proposal();
    spinner.finish_and_clear();
    Ok(report)
}

/// Each call of `describe` is on a fresh instance, which loading makes.
fn describes_itself_the_same(sandbox: &Sandbox, planner: &Configured<'_>, arguments: &CheckArguments) -> Result<bool> {
    let again = planners::load(sandbox, &arguments.planner)?;
    Ok(again.strategy.description() == planner.strategy.description())
}

fn check_closure(
    planner: &Configured<'_>,
    subject: &Subject,
    history: &[Arc<Generation>],
    arguments: &CheckArguments,
) -> Examined {
    let own = arguments.planner.max_layers;
    let mut limits = layer_limits(&subject.closure);
    limits.iter_mut().for_each(|limit| *limit = own.map_or(*limit, |own| own.min(*limit)));
    limits.dedup();
    examine(&subject.closure, &limits, &planner.config(), |request| Asked::ask(&planner.strategy, request, history))
}
