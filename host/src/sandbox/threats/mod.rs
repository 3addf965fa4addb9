//! Strategies that mean harm, each a few lines of WebAssembly text, named for what they do.
//!
//! Each is asked for a plan as the program asks, by way of the chain, and has to end in time; what the user is told is
//! compared word for word. Limits that do not depend on the machine stop it before the clock does: the clock's limit is
//! far away in [`tight`], except where the clock is what is tested.

mod answers;
mod component;
mod determinism;
mod files;
mod loops;
mod memory;
mod products;
mod proposals;
mod stack;
mod wasi;
mod words;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use layerwright_packer::Digest;
use layerwright_planner::testing::closure;
use layerwright_planner::{Closure, Generation, NodeKind, PastNode, Plan, PlannerSource, Request, chain};

use self::component::Component;
use super::{Compiler, Limit, Limits, Planned, Sandbox};
use crate::console::{Console, shown};
use crate::exit::Report;
use crate::planner_file;
use crate::planner_spec::PlannerSpec;
use crate::planners::{ChainLink, Configured};

/// As the user named every one of them.
const PLANNER: &str = "bad.wasm";

const REFUSED: u8 = 3;
const MISBEHAVED: u8 = 4;
const NOT_A_PLANNER: u8 = 5;

/// However little there is of everything, nothing takes as long as this on a machine that is not busy.
const IN_TIME: Duration = Duration::from_secs(15);

/// Little of everything but time.
fn tight() -> Limits {
    Limits {
        fuel: Limit::fixed(50_000_000),
        memory_bytes: Limit::fixed(8 << 20),
        timeout_ms: Limit::fixed(60_000),
        ..Limits::default()
    }
}

/// So much fuel that something else has to end it.
fn with_fuel() -> Limits {
    Limits { fuel: Limit::fixed(u64::MAX >> 1), ..tight() }
}

/// Three nodes: `a` at 0, `b` at 1 and `c` at 2.
fn abc() -> Closure {
    closure("a -> b\nb -> c")
}

/// Two earlier images, of two nodes and of one.
fn history() -> Vec<Arc<Generation>> {
    let node = |name: &str| vec![PastNode { name: name.into(), lineage: name.into(), size: 1 }];
    [vec![node("a"), node("b")], vec![node("a")]].map(|layers| Arc::new(Generation { layers })).to_vec()
}

/// Makes a plan of at most two layers, as the program does.
fn plan(component: &[u8], limits: Limits) -> anyhow::Result<Plan> {
    let sandbox = Sandbox::new(limits, Compiler::Here).expect("the engine starts");
    let (spec, console) = (PlannerSpec::named(PLANNER), Console::new(0, true));
    let component = planner_file::Component { bytes: component.to_vec(), source: PlannerSource::File };
    let (planner, history) = (Configured::new(&sandbox, &spec, component)?, history());
    let link = ChainLink::new(&planner, &history, &console);
    let max_layers = NonZeroU32::new(2).expect("two is not zero");
    Ok(chain::run(NodeKind::StorePath, abc(), max_layers, &mut [link])?)
}

/// Asks for a proposal and does not look at it.
fn propose(component: &Component<'_>, limits: Limits) -> Planned {
    let sandbox = Sandbox::new(limits, Compiler::Here).expect("the engine starts");
    let strategy = sandbox.load(PLANNER, &component.build()).expect("it can be loaded");
    let request = Request { closure: abc(), max_layers: NonZeroU32::MIN, config: "{}".into() };
    strategy.plan(&request, &[]).expect("it proposes something")
}

/// What the user is told of an error.
fn told(component: &[u8], limits: Limits) -> Report {
    let start = Instant::now();
    let report = Report::of(&plan(component, limits).map(drop).expect_err("it has no plan"));
    assert!(start.elapsed() < IN_TIME, "it took {:?}", start.elapsed());
    Report { error: shown(&report.error), notes: report.notes.iter().map(|note| shown(note)).collect(), ..report }
}

/// Asserts how it ends: with these exit code, error and notes. First of the notes is its digest.
fn assert_ends(component: &[u8], limits: Limits, code: u8, error: &str, notes: &[&str]) {
    let digest = format!("the planner's digest is {}", Digest::of(component));
    let notes = std::iter::once(digest).chain(notes.iter().map(|note| (*note).to_owned())).collect();
    assert_eq!(told(component, limits), Report { code, error: error.to_owned(), notes });
}

/// Asserts that it ends like this before it can be asked.
fn assert_fails_to_start(component: &[u8], limits: Limits, error: &str, frames: &[&str]) {
    let error = format!("planner `{PLANNER}` failed while it was starting: {error}");
    assert_ends(component, limits, MISBEHAVED, &error, frames);
}

/// Asserts that its call of `plan` ends like this, after it said something.
fn assert_misbehaves(component: &Component<'_>, limits: Limits, error: &str, frames: &[&str]) {
    let error = format!("planner `{PLANNER}` 1.2.3 failed in `plan`: {error}");
    assert_ends(&component.build(), limits, MISBEHAVED, &error, &[frames, &["it said: so far"]].concat());
}
