//! What a component says about itself without being run.

use wasmtime::Engine;
use wasmtime::component::Component;

use super::error::NotAStrategy;
use super::untrusted::printable;

/// The contract that this program offers.
pub(crate) const CONTRACT: &str = "layerwright:planner@0.1.0";

/// What a strategy exports.
const EXPORT: &str = "layerwright:planner/strategy@0.1.0";

/// What a strategy may import. `types` holds no function.
const GRANTED: [&str; 3] =
    ["layerwright:planner/diagnostics@0.1.0", "layerwright:planner/history@0.1.0", "layerwright:planner/types@0.1.0"];

/// Names of what a component wants and offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Inspection {
    /// Imports that it gets.
    pub(crate) granted: Vec<String>,
    /// Imports that no planner gets.
    pub(crate) denied: Vec<String>,
    /// Exports.
    pub(crate) exports: Vec<String>,
}

impl Inspection {
    pub(super) fn new(component: &Component, engine: &Engine) -> Self {
        let ty = component.component_type();
        let imports = ty.imports(engine).map(|(name, _)| printable(name, 200));
        let (granted, denied) = imports.partition(|name| GRANTED.contains(&name.as_str()));
        Self { granted, denied, exports: ty.exports(engine).map(|(name, _)| printable(name, 200)).collect() }
    }

    /// Whether the names are those of the contract.
    pub(super) fn check(&self) -> Result<(), NotAStrategy> {
        if !self.denied.is_empty() {
            return Err(NotAStrategy::ForbiddenImports(self.denied.clone()));
        }
        if !self.exports.iter().any(|name| name == EXPORT) {
            return Err(NotAStrategy::OtherWorld { wanted: EXPORT.into(), found: self.exports.clone() });
        }
        Ok(())
    }
}
