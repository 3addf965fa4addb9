//! What a strategy says.

use crate::{MAX_LABEL_BYTES, NodeId};

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
}
