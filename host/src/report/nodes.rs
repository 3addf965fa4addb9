//! What there is to say of nodes: those of a closure, or those that an image tells of.

use layerwright_planner::{Closure, Lineages, NodeId};

use super::changes::{Changes, changes};
use super::data::Nodes;
use super::popularity::ranks;

impl<'a> Nodes<'a> {
    /// `past` are earlier images, newest first.
    pub(crate) fn new(closure: &'a Closure, past: impl Iterator<Item = Lineages<'a>>) -> Self {
        let nodes = closure.nodes();
        let named = nodes.iter().map(|node| (node.name.as_str(), node.lineage.as_str(), node.size));
        Self {
            references: nodes.iter().map(|node| numbers(&node.references)).collect(),
            popularity: ranks(closure),
            ..Self::without_references(named, past)
        }
    }

    /// Names, lineages and sizes, which are all that an image tells.
    pub(crate) fn without_references(
        nodes: impl Iterator<Item = (&'a str, &'a str, u64)>,
        past: impl Iterator<Item = Lineages<'a>>,
    ) -> Self {
        let mut told = Self::default();
        for (name, lineage, size) in nodes {
            told.names.push(name);
            told.lineages.push(lineage);
            told.sizes.push(size);
        }
        let Changes { updates, counts } = changes(&told.names, &told.lineages, past);
        Self { changes: if updates == 0 { Vec::new() } else { counts }, updates, ..told }
    }
}

pub(super) fn numbers(ids: &[NodeId]) -> Vec<u32> {
    ids.iter().map(|id| id.0).collect()
}
