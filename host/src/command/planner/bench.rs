//! `layerwright planner bench`

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::{Table, presets};
use indicatif::{BinaryBytes, HumanCount};
use layerwright_planner::chain::ChainError;
use layerwright_planner::shapes::Shape;
use layerwright_planner::{Generation, PlannerRecord, Request};
use serde::Serialize;

use super::cost::{micros, shown};
use super::subject::Subject;
use crate::arguments::BenchArguments;
use crate::command::output::{counted, print, print_json};
use crate::command::plan_table::with_numbers_right;
use crate::console::Console;
use crate::history::read_generations;
use crate::planner_file::{self, Unpinned};
use crate::planners::{self, Configured};
use crate::progress::spinner;
use crate::sandbox::{Planned, Sandbox, StrategyError, printable};

/// Sizes of generated closures where the user names none.
const NODES: [u32; 4] = [100, 1_000, 10_000, 100_000];

/// All times are medians.
#[derive(Serialize)]
struct Report {
    planner: PlannerRecord,
    samples: u32,
    max_layers: NonZeroU32,
    compile_us: u64,
    /// Nothing where compiled code is not kept.
    load_us: Option<u64>,
    start_us: u64,
    plans: Vec<Measured>,
    #[serde(skip)]
    compile: Duration,
    #[serde(skip)]
    load: Option<Duration>,
    #[serde(skip)]
    start: Duration,
}

#[derive(Serialize)]
struct Measured {
    closure: String,
    nodes: usize,
    references: usize,
    layers: usize,
    plan_us: u64,
    fuel: u64,
    memory_bytes: u64,
    #[serde(skip)]
    plan: Duration,
}

pub(super) fn run(arguments: &BenchArguments, console: &Console) -> Result<()> {
    let sandbox = planners::sandbox(&arguments.sandbox, console)?;
    let planner = planners::load(&sandbox, &arguments.planner)?;
    let spinner = spinner(console, "reading the closures");
    let read = arguments.from.iter().map(|source| Subject::read(source, &arguments.root));
    let read = read.collect::<Result<Vec<_>>>()?;
    let history = read_generations(&arguments.history.history, console)?;
    spinner.set_message("measuring how it is loaded");
    let compile = load(&planners::sandbox_without_cache(&arguments.sandbox)?, arguments)?;
    // The planner has been loaded once, so that its code is there now.
    let is_kept = arguments.sandbox.compile_cache().is_some();
    let load = if is_kept { Some(load(&sandbox, arguments)?) } else { None };
    let start = start(&planner, arguments);
    let mut plans = Vec::new();
    for subject in shapes(arguments).into_iter().map(Subject::generated).chain(read) {
        spinner.set_message(format!("measuring {}", subject.name));
        plans.push(measure(&planner, subject, &history, arguments)?);
    }
    spinner.finish_and_clear();
    let (samples, max_layers) = (arguments.samples, max_layers(arguments));
    let (compile_us, load_us, start_us) = (micros(compile), load.map(micros), micros(start));
    let planner = planner.record();
    let report = Report { planner, samples, max_layers, compile_us, load_us, start_us, plans, compile, load, start };
    if arguments.json { print_json(&report) } else { print(&report.shown()) }
}

fn shapes(arguments: &BenchArguments) -> Vec<Shape> {
    let named = !arguments.from.is_empty() || !arguments.shapes.is_empty() || !arguments.nodes.is_empty();
    let nodes = if named { &arguments.nodes[..] } else { &NODES };
    arguments.shapes.iter().copied().chain(nodes.iter().map(|nodes| Shape::NixLike(*nodes))).collect()
}

fn max_layers(arguments: &BenchArguments) -> NonZeroU32 {
    arguments.planner.max_layers.map_or(arguments.max_layers, |own| own.min(arguments.max_layers))
}

/// From bytes to a strategy that has described itself: compiled, or as it was kept.
fn load(sandbox: &Sandbox, arguments: &BenchArguments) -> Result<Duration> {
    let component = planner_file::find(&arguments.planner, Unpinned::Allowed, sandbox.limits())?;
    let mut times = Vec::new();
    for _ in 0..arguments.samples {
        let start = Instant::now();
        sandbox.load(&arguments.planner.planner, &component.bytes)?;
        times.push(start.elapsed());
    }
    Ok(median(times))
}

/// What a question costs before there is anything to think about: a fresh instance, asked about no nodes. What it
/// answers does not matter.
fn start(planner: &Configured<'_>, arguments: &BenchArguments) -> Duration {
    let closure = Shape::Empty.closure();
    let request = Request { closure, max_layers: max_layers(arguments), config: planner.config() };
    let time = |_| {
        let start = Instant::now();
        drop(planner.strategy.plan(&request, &[]));
        start.elapsed()
    };
    median((0..arguments.samples).map(time).collect())
}

fn measure(
    planner: &Configured<'_>,
    subject: Subject,
    history: &[Arc<Generation>],
    arguments: &BenchArguments,
) -> Result<Measured> {
    let references = subject.references();
    let Subject { name: closure_name, closure, .. } = subject;
    let request = Request { closure, max_layers: max_layers(arguments), config: planner.config() };
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..arguments.samples {
        let start = Instant::now();
        let planned = planner.strategy.plan(&request, history)?;
        times.push(start.elapsed());
        last = Some(planned);
    }
    let Planned { proposal, usage, .. } = last.expect("there is at least one sample");
    let layers = proposal.layers.len();
    // The time of something that is no answer would mean nothing.
    let checked = proposal.check(&request.closure, request.max_layers);
    checked.map_err(|breach| ChainError::<StrategyError>::BrokenProposal {
        planner: Box::new(planner.record()),
        breach,
    })?;
    let plan = median(times);
    let (closure, nodes) = (closure_name, request.closure.len());
    let (plan_us, fuel, memory_bytes) = (micros(plan), usage.fuel, usage.memory_bytes);
    Ok(Measured { closure, nodes, references, layers, plan_us, fuel, memory_bytes, plan })
}

/// The middle one; of two, the faster.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[(times.len() - 1) / 2]
}

impl Report {
    fn shown(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["CLOSURE", "NODES", "REFERENCES", "LAYERS", "PLAN", "FUEL", "MEMORY"]);
        for Measured { closure, nodes, references, layers, fuel, memory_bytes, plan, .. } in &self.plans {
            table.add_row([
                printable(closure, 200),
                nodes.to_string(),
                references.to_string(),
                layers.to_string(),
                shown(*plan),
                HumanCount(*fuel).to_string(),
                BinaryBytes(*memory_bytes).to_string(),
            ]);
        }
        let (name, version) = (self.planner.shown(), &self.planner.version);
        format!(
            "{name} {version}, median of {}\n  compile  {:>8}  from its bytes to its description, once\n  \
             load     {:>8}  the same with its compiled code kept\n  start    {:>8}  to plan no nodes\n\n{}",
            counted(self.samples as usize, "sample"),
            shown(self.compile),
            self.load.map_or("-".into(), shown),
            shown(self.start),
            with_numbers_right(table, 1..7)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_one_of_the_samples() {
        let millis = |all: &[u64]| all.iter().copied().map(Duration::from_millis).collect();
        assert_eq!(median(millis(&[9, 1, 5])), Duration::from_millis(5));
        assert_eq!(median(millis(&[9, 1])), Duration::from_millis(1));
        assert_eq!(median(millis(&[3])), Duration::from_millis(3));
    }
}
