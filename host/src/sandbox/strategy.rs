//! A loaded component, ready to be asked.

use std::collections::HashMap;
use std::sync::Arc;

use layerwright_packer::Digest;
use layerwright_planner::{Description, Generation, Proposal, Request};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Precompiled};

use super::bindings::{self, PlannerPre, WitDescription, with_request};
use super::call::{Outcome, State, Usage, call};
use super::compile::{Compiler, Source};
use super::engine::Sandbox;
use super::error::{Failed, Misdeed, NotAStrategy, Phase, StrategyError};
use super::file_kind::FileKind;
use super::frames::{self, Frame};
use super::inspect::Inspection;
use super::limits::units;
use super::log::LogLine;
use super::places::{self, Place, with_debug_information};
use super::producers::{Producer, producers};
use super::untrusted::printable;
use super::wasi;

/// A strategy that passed inspection and has described itself.
pub(crate) struct Strategy<'s> {
    sandbox: &'s Sandbox,
    component: PlannerPre<State>,
    /// The file, where it tells of its source.
    debug: Option<Vec<u8>>,
    planner: String,
    digest: Digest,
    description: Description,
}

/// A component that was looked at, whatever it is.
pub(crate) struct Examined<'s> {
    /// The digest of its bytes.
    pub(crate) digest: Digest,
    /// What it imports and exports.
    pub(crate) inspection: Inspection,
    /// With what it was made.
    pub(crate) producers: Vec<Producer>,
    /// The strategy that it is, or why it is none.
    pub(crate) strategy: Result<Strategy<'s>, StrategyError>,
}

/// What came of a successful call.
pub(crate) struct Planned {
    /// Unchecked.
    pub(crate) proposal: Proposal,
    /// What it used.
    pub(crate) usage: Usage,
    /// What it said.
    pub(crate) log: Vec<LogLine>,
}

impl Sandbox {
    /// Compiles a component and asks it who it is. `planner` is how the user named it.
    ///
    /// # Errors
    ///
    /// [`StrategyError::NotAStrategy`] for a file that is none; [`StrategyError::Misbehaved`] where `describe` fails.
    pub(crate) fn load(&self, planner: &str, bytes: &[u8]) -> Result<Strategy<'_>, StrategyError> {
        let (digest, component, inspection) = self.compile(planner, bytes)?;
        self.strategy(planner, bytes, digest, &component, &inspection)
    }

    /// Tells all that is known of a component, also of one that is no strategy.
    ///
    /// # Errors
    ///
    /// [`StrategyError::NotAStrategy`] for what is not even a component.
    pub(crate) fn examine(&self, planner: &str, bytes: &[u8]) -> Result<Examined<'_>, StrategyError> {
        let (digest, component, inspection) = self.compile(planner, bytes)?;
        let producers = producers(bytes);
        let strategy = self.strategy(planner, bytes, digest, &component, &inspection);
        Ok(Examined { digest, inspection, producers, strategy })
    }

    fn compile(&self, planner: &str, bytes: &[u8]) -> Result<(Digest, Component, Inspection), StrategyError> {
        let digest = Digest::of(bytes);
        let compile = || {
            look_at_header(bytes, self.limits.component_bytes)?;
            let source = Source { planner, bytes, digest: &digest };
            self.compiler.component(&self.engine, &self.limits, source)
        };
        let component = compile().map_err(|reason| no_strategy(planner, digest, reason))?;
        let inspection = Inspection::new(&component, &self.engine);
        Ok((digest, component, inspection))
    }

    fn strategy(
        &self,
        planner: &str,
        bytes: &[u8],
        digest: Digest,
        component: &Component,
        inspection: &Inspection,
    ) -> Result<Strategy<'_>, StrategyError> {
        let linked = inspection.check().and_then(|()| self.link(component));
        let component = linked.map_err(|reason| no_strategy(planner, digest, reason))?;
        let limits = self.limits.for_call(0);
        let outcome = call(self, &component, limits, &[], Phase::Describe, |store, instance| {
            instance.layerwright_planner_strategy().call_describe(store)
        });
        let Outcome { result, log, .. } = outcome;
        let description = result.and_then(|found| description(found).map_err(|deed| (Phase::Describe, deed, vec![])));
        let (planner, debug) = (planner.to_owned(), with_debug_information(bytes));
        match description {
            Ok(description) => Ok(Strategy { sandbox: self, component, debug, planner, digest, description }),
            Err((_, Misdeed::Machine(reason), _)) => Err(StrategyError::Machine { planner, reason }),
            Err((_, Misdeed::OtherTypes(why), _)) => Err(no_strategy(&planner, digest, NotAStrategy::OtherTypes(why))),
            Err((phase, misdeed, frames)) => {
                let frames = self.locate(debug.as_deref(), &frames);
                let failed = Failed { planner, version: None, digest, phase, misdeed, frames, log };
                Err(StrategyError::Misbehaved(Box::new(failed)))
            }
        }
    }

    /// Tells where it was.
    fn locate(&self, debug: Option<&[u8]>, frames: &[Frame]) -> Vec<String> {
        let offsets: Vec<usize> = frames.iter().filter_map(|frame| frame.offset).collect();
        let found = match (debug, &self.compiler) {
            (None, _) => Vec::new(),
            (Some(component), Compiler::InChild { .. }) => places::in_child(component, &offsets),
            #[cfg(test)]
            (Some(component), Compiler::Here) => places::locate(component, &offsets),
        };
        let found: HashMap<usize, Vec<Place>> = offsets.into_iter().zip(found).collect();
        frames::shown(frames, |offset| found.get(&offset).cloned().unwrap_or_default())
    }

    fn link(&self, component: &Component) -> Result<PlannerPre<State>, NotAStrategy> {
        let link = || {
            let mut linker = Linker::new(&self.engine);
            bindings::link(&mut linker)?;
            wasi::link(&mut linker, component)?;
            PlannerPre::new(linker.instantiate_pre(component)?)
        };
        link().map_err(|error| NotAStrategy::OtherTypes(printable(&format!("{error:#}"), 1000)))
    }
}

fn no_strategy(planner: &str, digest: Digest, reason: NotAStrategy) -> StrategyError {
    StrategyError::NotAStrategy { planner: planner.to_owned(), digest: Some(digest), reason }
}

impl Strategy<'_> {
    /// Asks for a proposal. `history` are earlier images, newest first.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Refused`] or [`StrategyError::Misbehaved`].
    pub(crate) fn plan(&self, request: &Request, history: &[Arc<Generation>]) -> Result<Planned, StrategyError> {
        let limits = self.sandbox.limits.for_call(units(&request.closure, history));
        let Outcome { result, usage, log } =
            call(self.sandbox, &self.component, limits, history, Phase::Plan, |store, instance| {
                with_request(request, |request| instance.layerwright_planner_strategy().call_plan(store, request))
            });
        let version = self.description.version.clone();
        match result {
            Ok(Ok(proposal)) => Ok(Planned { proposal: bindings::proposal(proposal), usage, log }),
            Ok(Err(failure)) => {
                let failure = bindings::failure(failure);
                Err(StrategyError::Refused { planner: self.planner.clone(), version, failure, log })
            }
            Err((_, Misdeed::Machine(reason), _)) => {
                Err(StrategyError::Machine { planner: self.planner.clone(), reason })
            }
            Err((phase, misdeed, frames)) => {
                let frames = self.sandbox.locate(self.debug.as_deref(), &frames);
                let (planner, digest) = (self.planner.clone(), self.digest);
                let version = Some(version);
                Err(StrategyError::Misbehaved(Box::new(Failed {
                    planner,
                    version,
                    digest,
                    phase,
                    misdeed,
                    frames,
                    log,
                })))
            }
        }
    }

    /// How the user named it.
    pub(crate) fn planner(&self) -> &str {
        &self.planner
    }

    /// How it describes itself, checked.
    pub(crate) fn description(&self) -> &Description {
        &self.description
    }

    /// The digest of its bytes.
    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }
}

/// Tells what a file is by its first bytes, because the compiler's own words for it help nobody.
fn look_at_header(bytes: &[u8], limit: u64) -> Result<(), NotAStrategy> {
    if bytes.len() as u64 > limit {
        return Err(NotAStrategy::TooLarge { bytes: bytes.len() as u64, limit });
    }
    if let Some(Precompiled::Module | Precompiled::Component) = Engine::detect_precompiled(bytes) {
        return Err(NotAStrategy::NativeCode);
    }
    if let Some(kind) = FileKind::of(bytes) {
        return Err(NotAStrategy::OtherFile(kind));
    }
    // Magic number, version (16 bits), layer (16 bits): 0 is a module and 1 a component.
    match bytes.strip_prefix(b"\0asm") {
        None => Err(NotAStrategy::NotWebAssembly { start: bytes[..bytes.len().min(4)].to_vec() }),
        Some([_, _, 0, 0, ..]) => Err(NotAStrategy::CoreModule),
        Some(_) => Ok(()),
    }
}

/// Bytes of a `config-schema`. The largest published schemas of configuration files have 300 KB; strategies have ten
/// settings.
pub(crate) const MAX_SCHEMA_BYTES: usize = 256 << 10;

/// Takes a description that can be shown and stored.
fn description(found: WitDescription) -> Result<Description, Misdeed> {
    let WitDescription { name, version, summary, config_schema } = found;
    for (what, text, max_bytes) in [("name", &name, 64), ("version", &version, 64), ("summary", &summary, 500)] {
        let bad = |why: &str| Err(Misdeed::BadDescription(format!("`{what}` {why}")));
        if text.is_empty() {
            return bad("is empty");
        }
        if text.len() > max_bytes {
            return bad(&format!("has {} bytes; at most {max_bytes} are allowed", text.len()));
        }
        if printable(text, max_bytes) != *text {
            return bad("has characters that cannot be printed");
        }
    }
    if config_schema.len() > MAX_SCHEMA_BYTES {
        let why = format!("`config-schema` has {} bytes; at most {MAX_SCHEMA_BYTES} are allowed", config_schema.len());
        return Err(Misdeed::BadDescription(why));
    }
    match serde_json::from_str(&config_schema) {
        Ok(serde_json::Value::Object(_)) => Ok(Description { name, version, summary, config_schema }),
        Ok(_) => Err(Misdeed::BadDescription("`config-schema` is not a JSON object".into())),
        Err(error) => Err(Misdeed::BadDescription(format!("`config-schema` is not JSON: {error}"))),
    }
}
