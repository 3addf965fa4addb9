//! The contract as Rust types, the imports that a strategy gets, and conversions.

use layerwright_planner as planner;
use planner::{Failure, Level, NodeId, Proposal, ProposedLayer, Request};

use super::call::State;

mod generated {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "planner",
        imports: { default: trappable },
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}

pub(super) use generated::exports::layerwright::planner::strategy::{
    Description as WitDescription, Failure as WitFailure, Proposal as WitProposal, Request as WitRequest,
};
use generated::layerwright::planner::{diagnostics, history, types};
pub(super) use generated::{Planner, PlannerPre};

/// Everything a strategy can call.
pub(super) fn link(linker: &mut wasmtime::component::Linker<State>) -> wasmtime::Result<()> {
    Planner::add_to_linker::<State, wasmtime::component::HasSelf<State>>(linker, |state| state)
}

impl types::Host for State {}

impl diagnostics::Host for State {
    fn log(&mut self, level: diagnostics::Level, message: String) -> wasmtime::Result<()> {
        let level = match level {
            diagnostics::Level::Debug => Level::Debug,
            diagnostics::Level::Info => Level::Info,
            diagnostics::Level::Warn => Level::Warn,
        };
        Ok(self.log.add(level, &message)?)
    }
}

impl history::Host for State {
    fn generations(&mut self, limit: u32) -> wasmtime::Result<Vec<history::Generation>> {
        let node = |node: &planner::PastNode| history::PastNode {
            name: node.name.clone(),
            lineage: node.lineage.clone(),
            size: node.size,
        };
        let generation = |generation: &planner::Generation| history::Generation {
            layers: generation.layers.iter().map(|nodes| nodes.iter().map(node).collect()).collect(),
        };
        Ok(self.newest(limit).iter().map(|found| generation(found)).collect())
    }
}

/// Hands a request over in the contract's types. Its texts are not copied for that.
pub(super) fn with_request<T>(request: &Request, then: impl FnOnce(WitRequest<'_>) -> T) -> T {
    let Request { closure, max_layers, config } = request;
    let ids: Vec<u32> = closure.nodes().iter().flat_map(|node| &node.references).map(|id| id.0).collect();
    let mut left = ids.as_slice();
    let mut nodes = Vec::with_capacity(closure.len());
    for planner::Node { name, lineage, size, references } in closure.nodes() {
        let (references, others) = left.split_at(references.len());
        left = others;
        nodes.push(types::Node { name, lineage, size: *size, references });
    }
    let roots: Vec<u32> = closure.roots().iter().map(|id| id.0).collect();
    let closure = types::Closure { nodes: &nodes, roots: &roots };
    then(WitRequest { closure, max_layers: max_layers.get(), config })
}

pub(super) fn proposal(proposal: WitProposal) -> Proposal {
    let layer =
        |types::Layer { label, members }| ProposedLayer { label, members: members.into_iter().map(NodeId).collect() };
    Proposal { layers: proposal.layers.into_iter().map(layer).collect() }
}

/// Most that is kept of a refusal, in bytes. Less is shown.
const REFUSAL_BYTES: usize = 4 << 10;

pub(super) fn failure(failure: WitFailure) -> Failure {
    let cut = |mut text: String| {
        text.truncate(text.floor_char_boundary(REFUSAL_BYTES));
        text
    };
    match failure {
        WitFailure::InvalidConfig(text) => Failure::InvalidConfig(cut(text)),
        WitFailure::Unsatisfiable(text) => Failure::Unsatisfiable(cut(text)),
        WitFailure::Other(text) => Failure::Other(cut(text)),
    }
}
