//! The planners of a chain: loaded, set up, and asked.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use layerwright_planner::chain::{self, Link};
use layerwright_planner::{Closure, Generation, NodeKind, Plan, PlannerRecord, PlannerSource, Proposal, Request};
use serde_json::{Map, Value};

use crate::arguments::{LockArguments, SandboxArguments};
use crate::caches::open_compiled_cache;
use crate::console::Console;
use crate::planner_file::{Component, Unpinned, built_in, find};
use crate::planner_spec::PlannerSpec;
use crate::sandbox::{Compiler, Limits, Planned, Sandbox, Strategy, StrategyError};
use crate::settings::settings;

/// Who plans where the user names nobody.
const DEFAULT: &str = "foresight";

/// Asks the planners about a closure, for a plan of up to so many layers, and returns the checked plan. `history` are
/// earlier images, newest first.
pub(crate) fn plan(
    closure: Closure,
    kind: NodeKind,
    planners: &[Configured<'_>],
    max_layers: NonZeroU32,
    history: &[Arc<Generation>],
    console: &Console,
) -> Result<Plan> {
    let link = |planner| ChainLink::new(planner, history, console);
    let mut links: Vec<ChainLink<'_>> = planners.iter().map(link).collect();
    Ok(chain::run(kind, closure, max_layers, &mut links)?)
}

/// Loads these planners, or the one that plans where the user names nobody. All are found before any is compiled: a chain
/// with one that is refused does nothing.
pub(crate) fn load_all<'s>(
    sandbox: &'s Sandbox,
    specs: &[PlannerSpec],
    lock: &LockArguments,
) -> Result<Vec<Configured<'s>>> {
    if specs.is_empty() {
        // Nobody wrote this name, so no file of that name is meant.
        return Ok(vec![Configured::new(sandbox, &PlannerSpec::named(DEFAULT), built_in(DEFAULT)?)?]);
    }
    let found = specs.iter().map(|spec| find(spec, lock.unpinned(), sandbox.limits())).collect::<Result<Vec<_>>>()?;
    specs.iter().zip(found).map(|(spec, component)| Configured::new(sandbox, spec, component)).collect()
}

/// Starts the sandbox.
pub(crate) fn sandbox(arguments: &SandboxArguments, console: &Console) -> Result<Sandbox> {
    let cache = arguments.compile_cache().and_then(|place| open_compiled_cache(&place, console));
    let console = *console;
    let compiler = Compiler::InChild { cache, tell: Box::new(move |notice| console.compiling(notice)) };
    start(arguments.limits(), compiler)
}

/// Starts a sandbox that compiles whatever it loads, every time.
pub(crate) fn sandbox_without_cache(arguments: &SandboxArguments) -> Result<Sandbox> {
    start(arguments.limits(), Compiler::InChild { cache: None, tell: Box::new(|_| ()) })
}

fn start(limits: Limits, compiler: Compiler) -> Result<Sandbox> {
    Sandbox::new(limits, compiler).map_err(|error| anyhow::anyhow!("starting the WebAssembly engine: {error:#}"))
}

/// A strategy with the user's settings.
pub(crate) struct Configured<'s> {
    pub(crate) strategy: Strategy<'s>,
    pub(crate) settings: Map<String, Value>,
    /// As the user wrote it.
    pub(crate) spec: PlannerSpec,
    source: PlannerSource,
}

/// Finds a planner, pinned or not, loads it, and checks its settings.
pub(crate) fn load<'s>(sandbox: &'s Sandbox, spec: &PlannerSpec) -> Result<Configured<'s>> {
    Configured::new(sandbox, spec, find(spec, Unpinned::Allowed, sandbox.limits())?)
}

impl<'s> Configured<'s> {
    /// Loads a planner whose bytes are those that the user meant, and checks its settings.
    pub(crate) fn new(
        sandbox: &'s Sandbox,
        spec: &PlannerSpec,
        Component { bytes, source }: Component,
    ) -> Result<Self> {
        let strategy = sandbox.load(&spec.planner, &bytes)?;
        let settings = settings(spec, strategy.description(), sandbox.check_place(source))?;
        Ok(Self { strategy, settings, spec: spec.clone(), source })
    }

    /// Who it is, for plans and reports.
    pub(crate) fn record(&self) -> PlannerRecord {
        let description = self.strategy.description();
        PlannerRecord {
            name: description.name.clone(),
            version: description.version.clone(),
            source: self.source,
            digest: self.strategy.digest().to_string(),
            settings: Value::Object(self.settings.clone()).into(),
        }
    }

    /// The settings, as a request holds them.
    pub(crate) fn config(&self) -> String {
        Value::Object(self.settings.clone()).to_string()
    }
}

/// A planner with its settings, as the chain asks it.
pub(crate) struct ChainLink<'a> {
    planner: &'a Configured<'a>,
    history: &'a [Arc<Generation>],
    console: &'a Console,
    time: Duration,
}

impl<'a> ChainLink<'a> {
    /// `history` are earlier images, newest first.
    pub(crate) fn new(planner: &'a Configured<'a>, history: &'a [Arc<Generation>], console: &'a Console) -> Self {
        Self { planner, history, console, time: Duration::ZERO }
    }

    /// What it took to answer.
    pub(crate) fn time(&self) -> Duration {
        self.time
    }
}

impl Link for ChainLink<'_> {
    type Error = StrategyError;

    fn record(&self) -> PlannerRecord {
        self.planner.record()
    }

    fn max_layers(&self) -> Option<NonZeroU32> {
        self.planner.spec.max_layers
    }

    fn config(&self) -> String {
        self.planner.config()
    }

    fn propose(&mut self, request: &Request) -> Result<Proposal, StrategyError> {
        let strategy = &self.planner.strategy;
        let planner = strategy.planner();
        match strategy.plan(request, self.history) {
            Ok(Planned { proposal, usage, log }) => {
                self.time += usage.time;
                self.console.said(planner, &log);
                self.console.used(planner, usage);
                Ok(proposal)
            }
            Err(error) => {
                if let StrategyError::Refused { log, .. } = &error {
                    self.console.said(planner, log);
                }
                Err(error)
            }
        }
    }
}
