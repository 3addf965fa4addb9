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

/// What becomes of planners that are neither built in nor pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpinned {
    /// They are used.
    Allowed,
    /// They are refused before anything is made of their bytes.
    Refused,
}

/// A planner that the user did not vouch for. Its bytes were hashed at most.
#[derive(Debug, Error)]
pub(crate) enum PinError {
    /// Other bytes than the pin says.
    #[error(
        "planner `{planner}` is not the one that is pinned\n  pinned  {pinned}\n  found   {found}\n\
         `layerwright planner digest {planner}` prints the digest to pin, if this is the one you want"
    )]
    Mismatch {
        /// How the user named it.
        planner: String,
        /// What was wanted.
        pinned: Digest,
        /// What is there.
        found: Digest,
    },
    /// No pin, where one is asked for.
    #[error(
        "planner `{planner}` is a file without a pin, and --locked takes none{}\n\
         if you trust the file as it is now, write\n  --planner {planner}{pin}",
        if *hides_built_in { "; it stands before the built-in planner of this name" } else { "" }
    )]
    Missing {
        /// How the user named it.
        planner: String,
        /// What to write behind it.
        pin: String,
        /// Without the file, a built-in planner would have been used.
        hides_built_in: bool,
    },
}

/// Asks the planners about a closure and returns the checked plan.
pub(crate) fn plan(closure: Closure, kind: NodeKind, planning: &PlanningArguments, console: &Console) -> Result<Plan> {
    let sandbox = sandbox(&planning.sandbox, console)?;
    let (specs, found) = find_all(planning, sandbox.limits())?;
    let link = |(spec, component): (&PlannerSpec, _)| {
        let planner = Configured::new(&sandbox, spec, component)?;
        Ok(ChainLink { planner, max_layers: spec.max_layers, console })
    };
    let mut links = specs.iter().zip(found).map(link).collect::<Result<Vec<_>>>()?;
    Ok(chain::run(kind, closure, planning.max_layers, &mut links)?)
}

/// All planners of the chain, before any is compiled: a chain with one that is refused does nothing.
fn find_all(planning: &PlanningArguments, limits: &Limits) -> Result<(Vec<PlannerSpec>, Vec<Component>)> {
    if planning.planners.is_empty() {
        // Nobody wrote this name, so no file of that name is meant.
        return Ok((vec![PlannerSpec::named(DEFAULT)], vec![built_in(DEFAULT)?]));
    }
    let found = planning.planners.iter().map(|spec| find(spec, planning.lock.unpinned(), limits));
    Ok((planning.planners.clone(), found.collect::<Result<_>>()?))
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
    start(arguments.limits(), compiler)
}

/// Starts a sandbox that compiles whatever it loads, every time.
pub(crate) fn sandbox_without_cache(arguments: &SandboxArguments) -> Result<Sandbox> {
    start(arguments.limits(), Compiler::InChild { cache: None, tell: Box::new(|_| ()) })
}

fn start(limits: Limits, compiler: Compiler) -> Result<Sandbox> {
    Sandbox::new(limits, compiler).map_err(|error| anyhow::anyhow!("starting the WebAssembly engine: {error:#}"))
}

fn open_cache(place: &Path) -> Result<CompiledCache, CacheDirError> {
    Ok(CompiledCache::new(CacheDir::open(place)?.folder("planners")?))
}

/// Finds a planner and verifies its pin: a file that exists wins, otherwise a built-in one of that name.
pub(crate) fn find(spec: &PlannerSpec, unpinned: Unpinned, limits: &Limits) -> Result<Component> {
    if unpinned == Unpinned::Refused && spec.pin.is_none() && is_file(&spec.planner) {
        return Err(unpinned_file(&spec.planner, limits).into());
    }
    let component = component(&spec.planner, limits)?;
    if let Some(pinned) = spec.pin {
        let found = Digest::of(&component.bytes);
        if found != pinned {
            return Err(PinError::Mismatch { planner: spec.planner.clone(), pinned, found }.into());
        }
    }
    Ok(component)
}

/// Reads the file only to tell what could be pinned.
fn unpinned_file(planner: &str, limits: &Limits) -> PinError {
    let pin = match read_file(planner, limits) {
        Ok(component) => format!("@{}", Digest::of(&component.bytes)),
        Err(_) => "@sha256:...".to_owned(),
    };
    PinError::Missing { planner: planner.to_owned(), pin, hides_built_in: built_in(planner).is_ok() }
}

fn is_file(planner: &str) -> bool {
    Path::new(planner).is_file()
}

/// The bytes of a planner that nothing is known of.
pub(crate) fn component(planner: &str, limits: &Limits) -> Result<Component> {
    if is_file(planner) { read_file(planner, limits) } else { built_in(planner) }
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

/// A strategy with the user's settings.
pub(crate) struct Configured<'s> {
    pub(crate) strategy: Strategy<'s>,
    pub(crate) settings: Map<String, Value>,
    source: PlannerSource,
}

/// Finds a planner, pinned or not, loads it, and checks its settings.
pub(crate) fn load<'s>(sandbox: &'s Sandbox, spec: &PlannerSpec) -> Result<Configured<'s>> {
    Configured::new(sandbox, spec, find(spec, Unpinned::Allowed, sandbox.limits())?)
}

impl<'s> Configured<'s> {
    fn new(sandbox: &'s Sandbox, spec: &PlannerSpec, Component { bytes, source }: Component) -> Result<Self> {
        let strategy = sandbox.load(&spec.planner, &bytes)?;
        let settings = settings(spec, strategy.description())?;
        Ok(Self { strategy, settings, source })
    }

    /// Who it is, for plans and reports.
    pub(crate) fn record(&self) -> PlannerRecord {
        let description = self.strategy.description();
        PlannerRecord {
            name: description.name.clone(),
            version: description.version.clone(),
            source: self.source,
            digest: self.strategy.digest().to_string(),
            settings: Value::Object(self.settings.clone()),
        }
    }

    /// The settings, as a request holds them.
    pub(crate) fn config(&self) -> String {
        Value::Object(self.settings.clone()).to_string()
    }
}

struct ChainLink<'a> {
    planner: Configured<'a>,
    max_layers: Option<NonZeroU32>,
    console: &'a Console,
}

impl Link for ChainLink<'_> {
    type Error = StrategyError;

    fn record(&self) -> PlannerRecord {
        self.planner.record()
    }

    fn max_layers(&self) -> Option<NonZeroU32> {
        self.max_layers
    }

    fn config(&self) -> String {
        self.planner.config()
    }

    fn propose(&mut self, request: &Request) -> Result<Proposal, StrategyError> {
        let strategy = &self.planner.strategy;
        let planned = strategy.plan(request, &[])?;
        self.console.planner(strategy.planner(), &planned.log, planned.usage);
        Ok(planned.proposal)
    }
}
