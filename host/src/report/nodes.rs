//! What there is to say of the nodes of a closure.

use layerwright_planner::{Closure, Lineages, NodeId};

use super::changes::{Changes, changes};
use super::data::Nodes;
use super::popularity::ranks;

impl<'a> Nodes<'a> {
    /// `past` are earlier images, newest first.
    pub(crate) fn new(closure: &'a Closure, past: impl Iterator<Item = Lineages<'a>>) -> Self {
        let nodes = closure.nodes();
        let Changes { updates, counts } = changes(closure, past);
        Self {
            names: nodes.iter().map(|node| node.name.as_str()).collect(),
            lineages: nodes.iter().map(|node| node.lineage.as_str()).collect(),
            sizes: nodes.iter().map(|node| node.size).collect(),
            references: nodes.iter().map(|node| numbers(&node.references)).collect(),
            popularity: ranks(closure),
            changes: if updates == 0 { Vec::new() } else { counts },
            updates,
        }
    }
}

pub(super) fn numbers(ids: &[NodeId]) -> Vec<u32> {
    ids.iter().map(|id| id.0).collect()
}
