//! What earlier images tell: in which updates nodes changed, and where they were.

use std::collections::{BTreeMap, BTreeSet};

use layerwright_planner::{Closure, Generation, Lineages, NodeId, name_before_hash};

/// So many updates fit into a set of [`Changes`].
pub(crate) const MOST_CHANGES: u32 = u64::BITS;

/// In fewer earlier images, a lineage is unknown.
const KNOWN_FROM: usize = 3;

/// A set of updates, a bit for each; bit 0 is the one that leads to the closure.
pub(crate) type Changes = u64;

/// Where nodes were in the image before.
pub(crate) struct Previous {
    /// For each node, the layer, less than `count`.
    pub(crate) layer_of: Vec<Option<usize>>,
    /// Layers that had any node of the closure, or an earlier version.
    pub(crate) count: usize,
}

impl Previous {
    /// Whether there is something to keep, and room for it.
    pub(crate) fn fit(&self, max_layers: usize) -> bool {
        (1..=max_layers).contains(&self.count)
    }
}

/// Returns in which updates each node, or what else had its lineage, changed. `generations` are newest first, and at
/// most [`MOST_CHANGES`].
pub(crate) fn changes(closure: &Closure, generations: &[Generation]) -> Vec<Changes> {
    let mut images = vec![Lineages::from(closure)];
    images.extend(generations.iter().map(Lineages::from));
    // One update at least, so that bytes count where nothing is known.
    let all = (1..images.len().max(2)).fold(0, |all, update| all | 1 << (update - 1));
    let of_lineage = |lineage: &str| {
        if images[1..].iter().filter(|image| image.has(lineage)).count() < KNOWN_FROM {
            return all;
        }
        let pairs = images.iter().zip(&images[1..]).map(|(newer, older)| newer.differs_from(older, lineage));
        pairs.zip(0..).fold(0, |changes, (changed, update)| changes | Changes::from(changed) << update)
    };
    let known: BTreeMap<&str, Changes> = images[0].iter().map(|lineage| (lineage, of_lineage(lineage))).collect();
    closure.nodes().iter().map(|node| known[node.lineage.as_str()]).collect()
}

/// Returns where nodes were: themselves, if they were there, or else their earlier versions. Of several with one
/// lineage, the first that is new comes after the first that is gone, and so on.
pub(crate) fn previous_layers(closure: &Closure, newest: &Generation) -> Previous {
    let mut gone: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    let mut layers: Vec<Option<usize>> = vec![None; closure.len()];
    for (at, node) in newest.layers.iter().enumerate().flat_map(|(at, layer)| layer.iter().map(move |node| (at, node)))
    {
        match closure.find(&node.name) {
            Some(id) => layers[id.index()] = Some(at),
            None => _ = gone.entry(&node.lineage).or_default().insert(name_before_hash(&node.name), at),
        }
    }
    let mut new: Vec<NodeId> = closure.ids().filter(|id| layers[id.index()].is_none()).collect();
    new.sort_by_cached_key(|id| name_before_hash(&closure.node(*id).name));
    for id in new {
        let earlier = gone.get_mut(closure.node(id).lineage.as_str()).and_then(BTreeMap::pop_first);
        layers[id.index()] = earlier.map(|(_, at)| at);
    }
    let used: BTreeSet<usize> = layers.iter().flatten().copied().collect();
    let position: BTreeMap<usize, usize> = used.iter().copied().zip(0..).collect();
    let layer_of = layers.into_iter().map(|layer| layer.map(|layer| position[&layer])).collect();
    Previous { layer_of, count: used.len() }
}
