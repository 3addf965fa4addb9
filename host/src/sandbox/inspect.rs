//! What a component says about itself without being run.

use serde::Serialize;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::contract;
use super::error::NotAStrategy;
use super::untrusted::printable;
use super::wasi::{self, Presence};

/// Names of what a component wants and offers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inspection {
    /// The contract that it was built for, as far as its exports name one.
    pub(crate) contract: Option<String>,
    /// What comes of its imports.
    pub(crate) imports: Imports,
    /// Exports.
    pub(crate) exports: Vec<String>,
}

/// Names of what a component wants, by what comes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Imports {
    /// Imports that do what they say: the contract's.
    pub(crate) granted: Vec<String>,
    /// Imports of WASI that can be used and have no effect: a clock that stands still, an environment without anything.
    pub(crate) inert: Vec<String>,
    /// Imports of WASI that end the strategy when they are used.
    pub(crate) denied: Vec<String>,
    /// Imports that do not exist here. With any of them the component is no strategy.
    pub(crate) unknown: Vec<String>,
}

impl Inspection {
    pub(super) fn new(component: &Component, engine: &Engine) -> Self {
        let ty = component.component_type();
        let mut imports = Imports::default();
        for (name, _) in ty.imports(engine) {
            imports.of_kind(name).push(printable(name, 200));
        }
        let exports: Vec<String> = ty.exports(engine).map(|(name, _)| printable(name, 200)).collect();
        let version = exports.iter().find_map(|name| contract::version_of(name));
        Self { contract: version.map(|version| format!("layerwright:planner@{version}")), imports, exports }
    }

    /// Whether the names are those of the contract.
    pub(super) fn check(&self) -> Result<(), NotAStrategy> {
        if !self.imports.unknown.is_empty() {
            return Err(NotAStrategy::UnknownImports(self.imports.unknown.clone()));
        }
        if self.exports.iter().any(|name| contract::is_strategy(name)) {
            return Ok(());
        }
        Err(match &self.contract {
            Some(contract) => NotAStrategy::OtherContract(contract.clone()),
            None => NotAStrategy::OtherWorld(self.exports.clone()),
        })
    }
}

impl Imports {
    fn of_kind(&mut self, import: &str) -> &mut Vec<String> {
        if contract::offers(import) {
            return &mut self.granted;
        }
        match wasi::presence(import) {
            Presence::Inert => &mut self.inert,
            Presence::Denied => &mut self.denied,
            Presence::Absent => &mut self.unknown,
        }
    }
}
