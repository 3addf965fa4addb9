//! The rules that a proposal has to keep.

use std::num::NonZeroU32;

use thiserror::Error;

use crate::printable::is_printable;
use crate::{Closure, NodeId, Proposal, ProposedLayer};

/// Longest label in bytes. Labels go into the image's config, which registries and clients keep in memory.
pub const MAX_LABEL_BYTES: usize = 200;

/// A proposal that keeps every rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Bottom-most first; none empty; members ascending, which is ascending by name.
    pub layers: Vec<ProposedLayer>,
    /// Nodes that the strategy left to others. Ascending.
    pub unplaced: Vec<NodeId>,
}

/// How a strategy broke the rules. Layers count from 0, as the strategy returned them.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Breach {
    /// A member that is no position in the closure.
    #[error("layer {layer} names node {node}, but the closure has {count} nodes (0 to {})", count.saturating_sub(1))]
    UnknownNode {
        /// Where.
        layer: usize,
        /// What was named.
        node: u32,
        /// How many nodes there are.
        count: usize,
    },
    /// Going on would ship the node twice.
    #[error("node `{node}` is placed twice, in layers {first} and {second}")]
    PlacedTwice {
        /// Its name.
        node: String,
        /// The first layer that names it.
        first: usize,
        /// The second one.
        second: usize,
    },
    /// Layers without content cost a round trip and hold nothing.
    #[error("layer {layer} has no members")]
    EmptyLayer {
        /// Which.
        layer: usize,
    },
    /// More layers than asked for.
    #[error("{layers} layers are returned, but at most {max_layers} were allowed")]
    TooManyLayers {
        /// How many came.
        layers: usize,
        /// How many may.
        max_layers: NonZeroU32,
    },
    /// Unplaced nodes need a layer too, and none is left.
    #[error(
        "{layers} layers are returned and {unplaced} nodes left unplaced (the first is `{example}`), but at most \
         {max_layers} layers were allowed and unplaced nodes need one of them"
    )]
    NoLayerLeft {
        /// How many came.
        layers: usize,
        /// How many may.
        max_layers: NonZeroU32,
        /// How many nodes are left.
        unplaced: usize,
        /// One of them.
        example: String,
    },
    /// A label that would spoil the image's config.
    #[error("layer {layer} has a label of {bytes} bytes; at most {MAX_LABEL_BYTES} are allowed")]
    LongLabel {
        /// Which.
        layer: usize,
        /// How long.
        bytes: usize,
    },
    /// A label that would spoil the reader's terminal.
    #[error("layer {layer} has a label with the unprintable character {character:?}")]
    UnprintableLabel {
        /// Which.
        layer: usize,
        /// The first such character.
        character: char,
    },
}

impl Proposal {
    /// Accepts what keeps the rules: every member exists, none twice, no empty layer, no more than `max_layers` with
    /// one of them left for unplaced nodes, each label short and printable.
    ///
    /// # Errors
    ///
    /// The first breach, by layer.
    pub fn check(self, closure: &Closure, max_layers: NonZeroU32) -> Result<Accepted, Breach> {
        let allowed = max_layers.get() as usize;
        if self.layers.len() > allowed {
            return Err(Breach::TooManyLayers { layers: self.layers.len(), max_layers });
        }
        let mut placed = vec![None; closure.len()];
        let mut layers = self.layers;
        for (layer, ProposedLayer { label, members }) in layers.iter_mut().enumerate() {
            check_label(layer, label)?;
            if members.is_empty() {
                return Err(Breach::EmptyLayer { layer });
            }
            for id in &*members {
                place(closure, &mut placed, *id, layer)?;
            }
            members.sort_unstable();
        }
        let unplaced: Vec<NodeId> = closure.ids().filter(|id| placed[id.index()].is_none()).collect();
        if let Some(first) = unplaced.first().filter(|_| layers.len() == allowed) {
            return Err(Breach::NoLayerLeft {
                layers: layers.len(),
                max_layers,
                unplaced: unplaced.len(),
                example: closure.node(*first).name.clone(),
            });
        }
        Ok(Accepted { layers, unplaced })
    }
}

/// Accepts a label that is short and printable.
pub(crate) fn check_label(layer: usize, label: &str) -> Result<(), Breach> {
    if label.len() > MAX_LABEL_BYTES {
        return Err(Breach::LongLabel { layer, bytes: label.len() });
    }
    match label.chars().find(|c| !is_printable(*c)) {
        Some(character) => Err(Breach::UnprintableLabel { layer, character }),
        None => Ok(()),
    }
}

fn place(closure: &Closure, placed: &mut [Option<usize>], id: NodeId, layer: usize) -> Result<(), Breach> {
    let Some(slot) = placed.get_mut(id.index()) else {
        return Err(Breach::UnknownNode { layer, node: id.0, count: closure.len() });
    };
    match slot.replace(layer) {
        None => Ok(()),
        Some(first) => Err(Breach::PlacedTwice { node: closure.node(id).name.clone(), first, second: layer }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NamedNode;

    fn closure() -> Closure {
        let node = |name: &str| NamedNode { name: name.into(), lineage: name.into(), size: 1, references: vec![] };
        Closure::new(vec![node("a"), node("b"), node("c")], None).unwrap()
    }

    fn check(max_layers: u32, layers: &[(&str, &[u32])]) -> Result<Accepted, Breach> {
        let layers = layers
            .iter()
            .map(|(label, members)| ProposedLayer {
                label: (*label).into(),
                members: members.iter().copied().map(NodeId).collect(),
            })
            .collect();
        Proposal { layers }.check(&closure(), NonZeroU32::new(max_layers).unwrap())
    }

    #[test]
    fn what_keeps_the_rules_is_accepted_with_members_in_order() {
        let accepted = check(2, &[("x", &[2, 0])]).unwrap();
        assert_eq!(accepted.layers[0].members, [NodeId(0), NodeId(2)]);
        assert_eq!(accepted.unplaced, [NodeId(1)]);
    }

    #[test]
    fn each_breach_is_named() {
        let long = "x".repeat(MAX_LABEL_BYTES + 1);
        for (max_layers, layers, message) in [
            (9, &[("", &[3][..])][..], "layer 0 names node 3, but the closure has 3 nodes (0 to 2)"),
            (9, &[("", &[0]), ("", &[1, 0])], "node `a` is placed twice, in layers 0 and 1"),
            (9, &[("", &[1, 1])], "node `b` is placed twice, in layers 0 and 0"),
            (9, &[("", &[0]), ("", &[])], "layer 1 has no members"),
            (1, &[("", &[0]), ("", &[1, 2])], "2 layers are returned, but at most 1 were allowed"),
            (9, &[("a\u{1b}[2J", &[0])], "layer 0 has a label with the unprintable character '\\u{1b}'"),
            (9, &[("a\u{202e}b", &[0])], "layer 0 has a label with the unprintable character '\\u{202e}'"),
            (9, &[(&long, &[0])], "layer 0 has a label of 201 bytes; at most 200 are allowed"),
        ] {
            assert_eq!(check(max_layers, layers).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn unplaced_nodes_need_a_layer() {
        let error = check(1, &[("", &[0])]).unwrap_err();
        assert_eq!(
            error,
            Breach::NoLayerLeft { layers: 1, max_layers: NonZeroU32::MIN, unplaced: 2, example: "b".into() }
        );
        assert!(check(1, &[("", &[0, 1, 2])]).is_ok());
    }
}
