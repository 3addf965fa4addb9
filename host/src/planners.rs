//! The planners of a chain: found, verified, loaded, and asked.

use std::num::NonZeroU32;
use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use layerwright_packer::Digest;
use layerwright_planner::chain::{self, Link};
use layerwright_planner::{Closure, NodeKind, Plan, PlannerRecord, PlannerSource, Proposal, Request};
use serde_json::{Map, Value};
use thiserror::Error;

use crate::arguments::{PlanningArguments, SandboxArguments};
use crate::cache_dir::{CacheDir, CacheDirError};
use crate::console::Console;
use crate::planner_spec::PlannerSpec;
use crate::sandbox::{CompiledCache, Compiler, Limits, NotAStrategy, Sandbox, Strategy, StrategyError};
use crate::settings::settings;

/// Name and component of each planner that is part of the program.
pub(crate) const BUILT_IN: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// Who plans where the user names nobody.
const DEFAULT: &str = "popularity";

/// A component's bytes, not looked at yet.
pub(crate) struct Component {
    pub(crate) bytes: Vec<u8>,
    pub(crate) source: PlannerSource,
}

/// The bytes are not those that the user pinned. They were not compiled.
#[derive(Debug, Error)]
#[error("planner `{planner}` is pinned to {pinned}, but its digest is {found}")]
pub(crate) struct PinMismatch {
    planner: String,
    pinned: Digest,
    found: Digest,
}

/// Asks the planners about a closure and returns the checked plan.
pub(crate) fn plan(closure: Closure, kind: NodeKind, planning: &PlanningArguments, console: &Console) -> Result<Plan> {
    let sandbox = sandbox(&planning.sandbox, console)?;
    let default = [PlannerSpec::named(DEFAULT)];
    let specs = if planning.planners.is_empty() { &default } else { planning.planners.as_slice() };
    let mut links = specs.iter().map(|spec| ChainLink::load(&sandbox, spec, console)).collect::<Result<Vec<_>>>()?;
    Ok(chain::run(kind, closure, planning.max_layers, &mut links)?)
}

/// Starts the sandbox.
pub(crate) fn sandbox(arguments: &SandboxArguments, console: &Console) -> Result<Sandbox> {
    let cache = arguments.compile_cache().and_then(|place| match open_cache(&place) {
        Ok(cache) => Some(cache),
        Err(error) => {
            console.warn(&format!("compiled planners are not kept: {error}"));
            None
        }
    });
    let console = *console;
    let compiler = Compiler::InChild { cache, tell: Box::new(move |notice| console.compiling(notice)) };
    let started = Sandbox::new(arguments.limits(), compiler);
    started.map_err(|error| anyhow::anyhow!("starting the WebAssembly engine: {error:#}"))
}

fn open_cache(place: &Path) -> Result<CompiledCache, CacheDirError> {
    Ok(CompiledCache::new(CacheDir::open(place)?.folder("planners")?))
}

/// Finds a planner and verifies its pin: a file that exists wins, otherwise a built-in one of that name.
pub(crate) fn find(spec: &PlannerSpec, limits: &Limits) -> Result<Component> {
    let is_file = Path::new(&spec.planner).is_file();
    let component = if is_file { read_file(&spec.planner, limits)? } else { built_in(&spec.planner)? };
    if let Some(pinned) = &spec.pin {
        let found = Digest::of(&component.bytes);
        if found != *pinned {
            return Err(PinMismatch { planner: spec.planner.clone(), pinned: *pinned, found }.into());
        }
    }
    Ok(component)
}

fn read_file(file: &str, limits: &Limits) -> Result<Component> {
    let (bytes, limit) = (fs::metadata(file)?.len(), limits.component_bytes);
    if bytes > limit {
        let reason = NotAStrategy::TooLarge { bytes, limit };
        return Err(StrategyError::NotAStrategy { planner: file.to_owned(), digest: None, reason }.into());
    }
    Ok(Component { bytes: fs::read(file)?, source: PlannerSource::File })
}

fn built_in(name: &str) -> Result<Component> {
    let wanted = name.strip_suffix(".wasm").unwrap_or(name);
    let found = BUILT_IN.iter().find(|(name, _)| *name == wanted);
    let (_, bytes) = found.with_context(|| {
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        format!("planner `{name}` is neither a file nor built in; built in are {}", names.join(", "))
    })?;
    Ok(Component { bytes: bytes.to_vec(), source: PlannerSource::BuiltIn })
}

struct ChainLink<'a> {
    strategy: Strategy<'a>,
    source: PlannerSource,
    max_layers: Option<NonZeroU32>,
    settings: Map<String, Value>,
    console: &'a Console,
}

impl<'a> ChainLink<'a> {
    fn load(sandbox: &'a Sandbox, spec: &PlannerSpec, console: &'a Console) -> Result<Self> {
        let Component { bytes, source } = find(spec, sandbox.limits())?;
        let strategy = sandbox.load(&spec.planner, &bytes)?;
        let settings = settings(spec, strategy.description())?;
        Ok(Self { strategy, source, max_layers: spec.max_layers, settings, console })
    }
}

impl Link for ChainLink<'_> {
    type Error = StrategyError;

    fn record(&self) -> PlannerRecord {
        let description = self.strategy.description();
        PlannerRecord {
            name: description.name.clone(),
            version: description.version.clone(),
            source: self.source,
            digest: self.strategy.digest().to_string(),
            settings: Value::Object(self.settings.clone()),
        }
    }

    fn max_layers(&self) -> Option<NonZeroU32> {
        self.max_layers
    }

    fn config(&self) -> String {
        Value::Object(self.settings.clone()).to_string()
    }

    fn propose(&mut self, request: &Request) -> Result<Proposal, StrategyError> {
        let planned = self.strategy.plan(request, &[])?;
        self.console.planner(self.strategy.planner(), &planned.log, planned.usage);
        Ok(planned.proposal)
    }
}
