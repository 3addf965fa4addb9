//! `layerwright simulate`
//!
//! Each planner is asked over each history with each limit. These are independent of each other, and run in parallel;
//! what comes out has the order of the command line, and so has the error, where there are several.

mod figures;
mod replay;
mod report;
mod table;
#[cfg(test)]
mod tests;
mod timeline;

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use layerwright_planner::{Closure, Generation, NodeKind, chain};
use rayon::prelude::*;
use serde::Serialize;

use self::figures::Figures;
use self::replay::{LastImage, Memory, Timed, replay};
use self::timeline::Timeline;
use super::output::{check_writable, print, print_json};
use super::places::{Place, check_apart};
use crate::arguments::SimulateArguments;
use crate::console::Console;
use crate::exit::Usage;
use crate::history::{Budget, read_images};
use crate::planners::{self, ChainLink, Configured};
use crate::progress::counter;

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    results: &'a [Figures],
}

pub(crate) fn run(arguments: &SimulateArguments, console: &Console) -> Result<ExitCode> {
    let file = arguments.report.file.as_deref();
    let inputs = Place::of_planners(&arguments.planners).chain(Place::of_history(&arguments.history)?);
    check_apart([Place::of_report(file)], inputs).map_err(Usage)?;
    file.map_or(Ok(()), check_writable)?;
    let sandbox = planners::sandbox(&arguments.sandbox, console)?;
    let planners = planners::load_all(&sandbox, &arguments.planners, &arguments.lock)?;
    let timelines = read(arguments, console)?;

    let mut runs = runs(&timelines, &arguments.max_layers, &planners);
    if file.is_some() {
        report::choose_drawn(&mut runs, console);
    }
    let memory = if arguments.no_history { Memory::Nothing } else { Memory::OwnPlans };
    let (results, images): (Vec<_>, Vec<_>) = simulate(&runs, memory, console)?.into_iter().unzip();
    match arguments.json {
        true => print_json(&Report { results: &results })?,
        false => print(&table::shown(&timelines, &results))?,
    }
    if let Some(file) = file {
        report::write_of(file, &timelines, &results, &images, console)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(arguments: &SimulateArguments, console: &Console) -> Result<Vec<Timeline>> {
    let mut budget = Budget::default();
    let mut read = |file: &PathBuf| {
        let timeline = Timeline::new(format!("{}", file.display()), read_images(file, &mut budget, console)?);
        if timeline.updates().is_empty() {
            bail!("the history {} has one image, and an update takes two", timeline.name);
        }
        Ok(timeline)
    };
    arguments.history.iter().map(&mut read).collect()
}

/// One planner with one limit over one history.
#[derive(Clone, Copy)]
struct Run<'a> {
    timeline: &'a Timeline,
    max_layers: NonZeroU32,
    planner: &'a Configured<'a>,
    /// Whether what it ends with goes into the report.
    is_drawn: bool,
}

fn runs<'a>(timelines: &'a [Timeline], limits: &[NonZeroU32], planners: &'a [Configured<'a>]) -> Vec<Run<'a>> {
    let mut runs = Vec::new();
    for timeline in timelines {
        for max_layers in limits {
            runs.extend(planners.iter().map(|planner| Run {
                timeline,
                max_layers: *max_layers,
                planner,
                is_drawn: false,
            }));
        }
    }
    runs
}

/// What came of a run, and what it ended with, if that is drawn.
type Outcome = (Figures, Option<LastImage>);

fn simulate(runs: &[Run<'_>], memory: Memory, console: &Console) -> Result<Vec<Outcome>> {
    let plans: usize = runs.iter().map(|run| run.timeline.steps.len()).sum();
    let progress = counter(console, plans as u64, "plans");
    let console = &console.for_repetition();
    let threads = rayon::ThreadPoolBuilder::new().build().context("starting threads to plan on")?;
    // The first of the command line that failed. Those after it need not go on.
    let failed = AtomicUsize::new(usize::MAX);
    let simulate = |(at, run): (usize, &Run<'_>)| {
        let is_needed = || failed.load(Ordering::Relaxed) > at;
        let outcome = run.outcome(memory, &is_needed, &progress, console);
        if outcome.is_err() {
            failed.fetch_min(at, Ordering::Relaxed);
        }
        outcome
    };
    let results: Vec<Result<Outcome>> = threads.install(|| runs.par_iter().enumerate().map(simulate).collect());
    progress.finish_and_clear();
    results.into_iter().collect()
}

impl Run<'_> {
    fn outcome(
        &self,
        memory: Memory,
        is_needed: &dyn Fn() -> bool,
        progress: &ProgressBar,
        console: &Console,
    ) -> Result<Outcome> {
        let Self { timeline, max_layers, planner, is_drawn } = *self;
        let plan = |closure: &Closure, history: &[Arc<Generation>]| {
            if !is_needed() {
                bail!("another one failed");
            }
            let mut links = [ChainLink::new(planner, history, console)];
            let plan = chain::run(NodeKind::StorePath, closure.clone(), max_layers, &mut links)?;
            progress.inc(1);
            Ok(Timed { plan, time: links[0].time() })
        };
        let mut replay = replay(timeline, memory, plan)?;
        let last = replay.last.take().filter(|_| is_drawn);
        Ok((Figures::new(timeline, planner.spec.to_string(), max_layers, memory, replay), last))
    }
}
