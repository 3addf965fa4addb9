//! A loaded component, ready to be asked.

use layerwright_packer::Digest;
use layerwright_planner::{Description, Generation, Proposal, Request};
use wasmtime::component::Linker;
use wasmtime::{Engine, Precompiled};

use super::bindings::{self, PlannerPre, WitDescription};
use super::call::{Outcome, State, Usage, call};
use super::compile::Source;
use super::engine::Sandbox;
use super::error::{Failed, Misdeed, NotAStrategy, Phase, StrategyError};
use super::inspect::Inspection;
use super::limits::units;
use super::log::LogLine;
use super::untrusted::printable;
use super::wasi;

/// A strategy that passed inspection and has described itself.
pub(crate) struct Strategy<'s> {
    sandbox: &'s Sandbox,
    component: PlannerPre<State>,
    planner: String,
    digest: Digest,
    size: usize,
    inspection: Inspection,
    description: Description,
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
        let digest = Digest::of(bytes);
        let (component, inspection) = self.compile(Source { planner, bytes, digest: &digest }).map_err(|reason| {
            StrategyError::NotAStrategy { planner: planner.to_owned(), digest: Some(digest), reason }
        })?;
        let limits = self.limits.for_call(0);
        let outcome = call(self, &component, limits, &[], Phase::Describe, |store, instance| {
            instance.layerwright_planner_strategy().call_describe(store)
        });
        let Outcome { result, log, .. } = outcome;
        let description = result.and_then(|found| description(found).map_err(|deed| (Phase::Describe, deed, vec![])));
        let description = description.map_err(|(phase, misdeed, frames)| {
            let (planner, digest) = (planner.to_owned(), digest);
            StrategyError::Misbehaved(Box::new(Failed { planner, version: None, digest, phase, misdeed, frames, log }))
        })?;
        let planner = planner.to_owned();
        Ok(Strategy { sandbox: self, component, planner, digest, size: bytes.len(), inspection, description })
    }

    fn compile(&self, source: Source<'_>) -> Result<(PlannerPre<State>, Inspection), NotAStrategy> {
        look_at_header(source.bytes, self.limits.component_bytes)?;
        let component = self.compiler.component(&self.engine, &self.limits, source)?;
        let inspection = Inspection::new(&component, &self.engine);
        inspection.check()?;
        let link = || {
            let mut linker = Linker::new(&self.engine);
            bindings::link(&mut linker)?;
            wasi::link(&mut linker, &component)?;
            PlannerPre::new(linker.instantiate_pre(&component)?)
        };
        let pre = link().map_err(|error| NotAStrategy::OtherTypes(printable(&format!("{error:#}"), 1000)))?;
        Ok((pre, inspection))
    }
}

impl Strategy<'_> {
    /// Asks for a proposal.
    ///
    /// # Errors
    ///
    /// [`StrategyError::Refused`] or [`StrategyError::Misbehaved`].
    pub(crate) fn plan(&self, request: &Request, history: &[Generation]) -> Result<Planned, StrategyError> {
        let limits = self.sandbox.limits.for_call(units(&request.closure));
        let request = bindings::request(request);
        let Outcome { result, usage, log } =
            call(self.sandbox, &self.component, limits, history, Phase::Plan, |store, instance| {
                instance.layerwright_planner_strategy().call_plan(store, &request)
            });
        let version = self.description.version.clone();
        match result {
            Ok(Ok(proposal)) => Ok(Planned { proposal: bindings::proposal(proposal), usage, log }),
            Ok(Err(failure)) => {
                let failure = bindings::failure(failure);
                Err(StrategyError::Refused { planner: self.planner.clone(), version, failure })
            }
            Err((phase, misdeed, frames)) => {
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

    /// Bytes of the component.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// What it imports and exports.
    pub(crate) fn inspection(&self) -> &Inspection {
        &self.inspection
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
    // Magic number, version (16 bits), layer (16 bits): 0 is a module and 1 a component.
    match bytes.strip_prefix(b"\0asm") {
        None => Err(NotAStrategy::NotWebAssembly { start: bytes[..bytes.len().min(4)].to_vec() }),
        Some([_, _, 0, 0, ..]) => Err(NotAStrategy::CoreModule),
        Some(_) => Ok(()),
    }
}

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
    match serde_json::from_str(&config_schema) {
        Ok(serde_json::Value::Object(_)) => Ok(Description { name, version, summary, config_schema }),
        Ok(_) => Err(Misdeed::BadDescription("`config-schema` is not a JSON object".into())),
        Err(error) => Err(Misdeed::BadDescription(format!("`config-schema` is not JSON: {error}"))),
    }
}
