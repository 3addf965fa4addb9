//! What earlier images tell about the nodes of this one.
//!
//! A node is tied to the node of the same name in the image before, or else to the most alike of its lineage: several
//! nodes can share one (`app-module-1-0.2` and `app-module-2-0.5`), and the version is what differs last in a name. A node
//! that comes new counts as changed.

use std::collections::{BTreeMap, BTreeSet};

use layerwright_planner::{Closure, Generation};

/// More updates than this are not looked at: each is one bit of a word.
pub(crate) const MAX_UPDATES: u32 = 64;

pub(crate) struct Past {
    /// How many updates are known, the present one among them, and not those that changed nothing.
    pub(crate) updates: u32,
    /// For each node, the updates that changed it: bit 0 is the present one, bit 1 the one before.
    pub(crate) changed: Vec<u64>,
    /// Layers that were sent before and can be used again: disjoint.
    pub(crate) had: Vec<Vec<usize>>,
}

impl Past {
    pub(crate) fn new(closure: &Closure, generations: &[Generation], max_layers: usize) -> Self {
        let had = had_layers(closure, generations.iter().filter(|generation| was_image(generation, max_layers)));
        let mut past = Self { updates: 0, changed: vec![0; closure.len()], had };
        let mut tracks: Vec<Option<Seen>> = closure
            .nodes()
            .iter()
            .map(|node| Some(Seen { name: &node.name, lineage: &node.lineage, size: node.size }))
            .collect();
        for generation in generations {
            if past.updates == MAX_UPDATES {
                break;
            }
            let nodes = generation.layers.iter().flatten();
            let before = earlier(&tracks, nodes.map(|n| Seen { name: &n.name, lineage: &n.lineage, size: n.size }));
            // Building the same again says nothing of what comes.
            let mut counts = past.updates == 0;
            for (id, (now, before)) in tracks.iter_mut().zip(before).enumerate() {
                if let Some(seen) = now
                    && before.as_ref().is_none_or(|before| before.name != seen.name)
                {
                    past.changed[id] |= 1 << past.updates;
                    counts = true;
                }
                *now = before;
            }
            past.updates += u32::from(counts);
        }
        past
    }
}

/// A node at some time.
#[derive(Clone, Copy)]
struct Seen<'a> {
    name: &'a str,
    lineage: &'a str,
    size: u64,
}

impl Seen<'_> {
    /// The name from the lineage on: what of it may tell siblings of one lineage apart.
    fn tail(&self) -> &str {
        self.name.find(self.lineage).map_or(self.name, |at| &self.name[at..])
    }
}

/// What each of `tracks` was in a generation with `nodes`: itself, or else the most similar one of its lineage that no
/// other track has.
fn earlier<'a>(tracks: &[Option<Seen<'a>>], nodes: impl Iterator<Item = Seen<'a>>) -> Vec<Option<Seen<'a>>> {
    let mut free: BTreeMap<&str, Vec<Option<Seen<'a>>>> = BTreeMap::new();
    let mut by_name: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for node in nodes {
        let siblings = free.entry(node.lineage).or_default();
        by_name.insert(node.name, (node.lineage, siblings.len()));
        siblings.push(Some(node));
    }
    let mut found = vec![None; tracks.len()];
    let mut lost: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (id, track) in tracks.iter().enumerate() {
        let Some(track) = track else { continue };
        match by_name.get(track.name) {
            Some((lineage, at)) => found[id] = free.get_mut(lineage).and_then(|siblings| siblings[*at].take()),
            None => lost.entry(track.lineage).or_default().push(id),
        }
    }
    for (lineage, ids) in lost {
        let Some(siblings) = free.get_mut(lineage) else { continue };
        let mut pairs = vec![];
        for &id in &ids {
            let Some(track) = &tracks[id] else { continue };
            for (at, sibling) in siblings.iter().enumerate() {
                let Some(sibling) = sibling else { continue };
                let common = track.tail().bytes().zip(sibling.tail().bytes()).take_while(|(a, b)| a == b).count();
                pairs.push((std::cmp::Reverse(common), track.size.abs_diff(sibling.size), id, at));
            }
        }
        pairs.sort_unstable();
        for (_, _, id, at) in pairs {
            if found[id].is_none() {
                found[id] = siblings[at].take();
            }
        }
    }
    found
}

/// Whether there were layers at all. A history of closures is told as single nodes, which nobody has as layers.
fn was_image(generation: &Generation, max_layers: usize) -> bool {
    generation.layers.len() <= max_layers || generation.layers.iter().any(|layer| layer.len() > 1)
}

/// The earlier layers that are wholly part of this closure. Of those that overlap, the larger, then the newer.
fn had_layers<'g>(closure: &Closure, generations: impl Iterator<Item = &'g Generation>) -> Vec<Vec<usize>> {
    let ids: BTreeMap<&str, usize> =
        closure.nodes().iter().enumerate().map(|(id, node)| (node.name.as_str(), id)).collect();
    let mut layers: Vec<(u64, Vec<usize>)> = vec![];
    let mut known = BTreeSet::new();
    for layer in generations.flat_map(|generation| &generation.layers) {
        let members: Option<Vec<usize>> = layer.iter().map(|node| ids.get(node.name.as_str()).copied()).collect();
        let Some(mut members) = members else { continue };
        members.sort_unstable();
        members.dedup();
        if !members.is_empty() && known.insert(members.clone()) {
            layers.push((members.iter().map(|id| closure.nodes()[*id].size).sum(), members));
        }
    }
    layers.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
    let mut taken = vec![false; closure.len()];
    let mut had = vec![];
    for (_, members) in layers {
        if members.iter().all(|id| !taken[*id]) {
            members.iter().for_each(|id| taken[*id] = true);
            had.push(members);
        }
    }
    had
}
