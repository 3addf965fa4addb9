//! What a strategy says.

use crate::{Closure, MAX_LABEL_BYTES, NodeId};

/// What a strategy returned. Not to be trusted: see [`Proposal::check`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proposal {
    /// Bottom-most first. Nodes named in no layer are left to the next strategy of the chain,
    /// or share one last layer.
    pub layers: Vec<ProposedLayer>,
}

/// Nodes that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposedLayer {
    /// Shown to people, in reports and in the image's history. May be empty.
    pub label: String,
    /// At least one node, each at most once over all layers. The order has no meaning.
    pub members: Vec<NodeId>,
}

impl ProposedLayer {
    /// A layer with as much of the label as one may have: a lineage, which is a good label, may be longer.
    #[must_use]
    pub fn new(label: &str, members: Vec<NodeId>) -> Self {
        let end = (0..=label.len().min(MAX_LABEL_BYTES)).rev().find(|at| label.is_char_boundary(*at)).unwrap_or(0);
        Self { label: label[..end].to_owned(), members }
    }

    /// A layer called after its largest node; of equal ones, the first by name.
    #[must_use]
    pub fn after_its_largest(closure: &Closure, mut members: Vec<NodeId>) -> Self {
        members.sort_unstable();
        let largest = members.iter().rev().max_by_key(|id| closure.node(**id).size);
        let lineage = largest.map_or("", |id| closure.node(*id).lineage.as_str());
        match members.len() {
            0 | 1 => Self::new(lineage, members),
            count => Self::new(&format!("{lineage} and {} more", count - 1), members),
        }
    }
}
