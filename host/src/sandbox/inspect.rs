//! What a component says about itself without being run.

use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::NotAStrategy;
use super::untrusted::printable;
use super::wasi::{self, Presence};

/// The contract that this program offers.
pub(crate) const CONTRACT: &str = "layerwright:planner@0.1.0";

/// What a strategy exports.
const EXPORT: &str = "layerwright:planner/strategy@0.1.0";

/// What a strategy may import. `types` holds no function.
const GRANTED: [&str; 3] =
    ["layerwright:planner/diagnostics@0.1.0", "layerwright:planner/history@0.1.0", "layerwright:planner/types@0.1.0"];

/// Names of what a component wants and offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inspection {
    /// Imports that do what they say: the contract's.
    pub(crate) granted: Vec<String>,
    /// Imports of WASI that can be used and have no effect: a clock that stands still, an environment without anything.
    pub(crate) inert: Vec<String>,
    /// Imports of WASI that end the strategy when they are used.
    pub(crate) denied: Vec<String>,
    /// Imports that do not exist here. With any of them the component is no strategy.
    pub(crate) unknown: Vec<String>,
    /// Exports.
    pub(crate) exports: Vec<String>,
}

impl Inspection {
    pub(super) fn new(component: &Component, engine: &Engine) -> Self {
        let ty = component.component_type();
        let mut inspection = Self::default();
        for (name, _) in ty.imports(engine) {
            inspection.list_for(name).push(printable(name, 200));
        }
        inspection.exports = ty.exports(engine).map(|(name, _)| printable(name, 200)).collect();
        inspection
    }

    fn list_for(&mut self, import: &str) -> &mut Vec<String> {
        if GRANTED.contains(&import) {
            return &mut self.granted;
        }
        match wasi::presence(import) {
            Presence::Inert => &mut self.inert,
            Presence::Denied => &mut self.denied,
            Presence::Absent => &mut self.unknown,
        }
    }

    /// Whether the names are those of the contract.
    pub(super) fn check(&self) -> Result<(), NotAStrategy> {
        if !self.unknown.is_empty() {
            return Err(NotAStrategy::UnknownImports(self.unknown.clone()));
        }
        if !self.exports.iter().any(|name| name == EXPORT) {
            return Err(NotAStrategy::OtherWorld { wanted: EXPORT.into(), found: self.exports.clone() });
        }
        Ok(())
    }
}
