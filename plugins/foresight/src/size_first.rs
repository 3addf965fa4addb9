//! The layering that knows no history: nixpkgs' auto-layer, by its published behaviour.
//!
//! Nodes become primaries, largest first. A node that is none belongs to the set of its nearest primaries: those above it
//! with no other primary in between. Nodes with the same set share a layer. The first primary that would make more layers
//! than allowed ends it. Each round costs the graph once, so this is layers times nodes and references.

use std::collections::BTreeMap;

use layerwright_planner::graph::{referrers, topological_order};
use layerwright_planner::{Closure, NodeId};

/// Returns the layers, at most `max_layers`, each ascending; their order follows their first members.
#[must_use]
pub fn size_first(closure: &Closure, max_layers: usize) -> Vec<Vec<NodeId>> {
    if closure.len() <= max_layers {
        return closure.ids().map(|id| vec![id]).collect();
    }
    let mut by_size: Vec<NodeId> = closure.ids().collect();
    by_size.sort_by_key(|id| std::cmp::Reverse((closure.node(*id).size, *id)));
    let mut rounds = Rounds {
        order: topological_order(closure),
        referrers: referrers(closure),
        rank: vec![None; closure.len()],
        words: max_layers.div_ceil(64),
    };
    let mut layer_of = vec![0; closure.len()];
    for (rank, id) in by_size.into_iter().take(max_layers).enumerate() {
        rounds.rank[id.index()] = Some(rank);
        let Some(next) = rounds.layers(max_layers) else { break };
        layer_of = next;
    }
    let mut layers: BTreeMap<usize, Vec<NodeId>> = BTreeMap::new();
    for id in closure.ids() {
        layers.entry(layer_of[id.index()]).or_default().push(id);
    }
    let mut layers: Vec<_> = layers.into_values().collect();
    layers.sort();
    layers
}

struct Rounds {
    order: Vec<NodeId>,
    referrers: Vec<Vec<NodeId>>,
    /// Which primary a node is.
    rank: Vec<Option<usize>>,
    words: usize,
}

impl Rounds {
    /// The layers of the present primaries, unless there are more than `max_layers`.
    fn layers(&self, max_layers: usize) -> Option<Vec<usize>> {
        let words = self.words;
        let mut nearest = vec![0_u64; self.order.len() * words];
        let mut above = vec![0_u64; max_layers * words];
        let mut numbers: BTreeMap<Vec<u64>, usize> = BTreeMap::new();
        let mut layers = vec![0; self.order.len()];
        for id in &self.order {
            let mut set = vec![0_u64; words];
            for referrer in &self.referrers[id.index()] {
                let at = referrer.index() * words;
                set.iter_mut().zip(&nearest[at..at + words]).for_each(|(to, from)| *to |= from);
            }
            let mut hidden = vec![0_u64; words];
            for primary in bits(&set) {
                let theirs = &above[primary * words..(primary + 1) * words];
                hidden.iter_mut().zip(theirs).for_each(|(to, from)| *to |= from);
            }
            if let Some(rank) = self.rank[id.index()] {
                for word in 0..words {
                    above[rank * words + word] = set[word] | hidden[word];
                }
                set.fill(0);
                set[rank / 64] = 1 << (rank % 64);
            } else {
                set.iter_mut().zip(&hidden).for_each(|(set, hidden)| *set &= !hidden);
            }
            nearest[id.index() * words..(id.index() + 1) * words].copy_from_slice(&set);
            let next = numbers.len();
            layers[id.index()] = *numbers.entry(set).or_insert(next);
            if numbers.len() > max_layers {
                return None;
            }
        }
        Some(layers)
    }
}

fn bits(set: &[u64]) -> impl Iterator<Item = usize> {
    set.iter().enumerate().flat_map(|(word, bits)| {
        let mut bits = *bits;
        std::iter::from_fn(move || {
            let bit = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
            bits &= bits - 1;
            Some(word * 64 + bit)
        })
    })
}
