//! What earlier images tell about the nodes of this one.
//!
//! A node is tied to the node of the same name in the image before, or else to the most alike of its lineage: several
//! nodes can share one (`app-module-1-0.2` and `app-module-2-0.5`), and the version is what differs last in a name. Where a
//! lineage has so many that comparing each with each takes long, they are tied in the order of their names. A node that
//! comes new counts as changed.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use layerwright_planner::{Closure, Generation, PastNode};

/// More updates than this are not looked at: each is one bit of a word.
pub(crate) const MAX_UPDATES: u32 = 64;
/// So many earlier images are asked for: some were built again and changed nothing.
pub(crate) const MAX_GENERATIONS: u32 = 4 * MAX_UPDATES;
/// Above so many pairs of nodes with one lineage, not each pair is compared.
const MAX_PAIRS: usize = 1 << 16;

pub(crate) struct Past {
    /// How many updates are known, the present one among them, and not those that changed nothing.
    pub(crate) updates: u32,
    /// For each node, the updates that changed it: bit 0 is the present one, bit 1 the one before.
    pub(crate) changed: Vec<u64>,
    /// Layers that were sent before and can be used again: disjoint, each ascending.
    pub(crate) had: Vec<Vec<usize>>,
    /// The layers of the newest image that can be used again, and how many of them lie below each.
    pub(crate) place: BTreeMap<Vec<usize>, usize>,
}

impl Past {
    pub(crate) fn new(closure: &Closure, generations: &[Generation], max_layers: usize) -> Self {
        let images = || generations.iter().filter(|generation| was_image(generation, max_layers));
        let ids = closure.nodes().iter().enumerate().map(|(id, node)| (node.name.as_str(), id)).collect();
        let had = had_layers(closure, images().flat_map(|image| reusable_layers(image, &ids)));
        let place = images().take(1).flat_map(|image| reusable_layers(image, &ids)).zip(0..).collect();
        let mut past = Self { updates: 0, changed: vec![0; closure.len()], had, place };
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

impl<'a> Seen<'a> {
    /// The name from the lineage on: what of it may tell siblings of one lineage apart.
    fn tail(&self) -> &'a str {
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
        let Some(siblings) = free.remove(lineage) else { continue };
        let lost = ids.iter().filter_map(|id| Some((*id, tracks[*id]?))).collect();
        tie(lost, siblings.into_iter().flatten().collect())
            .into_iter()
            .for_each(|(id, sibling)| found[id] = Some(sibling));
    }
    found
}

/// Ties nodes to earlier ones of their lineage, each to another: those first that are most alike.
fn tie<'a>(mut nodes: Vec<(usize, Seen<'a>)>, mut earlier: Vec<Seen<'a>>) -> Vec<(usize, Seen<'a>)> {
    if nodes.len().saturating_mul(earlier.len()) > MAX_PAIRS {
        nodes.sort_by_key(|(id, node)| (node.tail(), node.size, *id));
        earlier.sort_by_key(|node| (node.tail(), node.size));
        return nodes.into_iter().map(|(id, _)| id).zip(earlier).collect();
    }
    let mut pairs = vec![];
    for (id, node) in nodes {
        for (at, before) in earlier.iter().enumerate() {
            let common = node.tail().bytes().zip(before.tail().bytes()).take_while(|(a, b)| a == b).count();
            pairs.push((Reverse(common), node.size.abs_diff(before.size), id, at));
        }
    }
    pairs.sort_unstable();
    let (mut tied, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for (_, _, id, at) in pairs {
        if !tied.contains_key(&id) && taken.insert(at) {
            tied.insert(id, earlier[at]);
        }
    }
    tied.into_iter().collect()
}

/// Whether there were layers at all. A history of closures is told as single nodes, which nobody has as layers.
fn was_image(generation: &Generation, max_layers: usize) -> bool {
    generation.layers.len() <= max_layers || generation.layers.iter().any(|layer| layer.len() > 1)
}

/// The layers of an image that are wholly part of a closure with these nodes, bottom-most first.
fn reusable_layers<'a>(image: &'a Generation, ids: &'a BTreeMap<&str, usize>) -> impl Iterator<Item = Vec<usize>> {
    let members = |layer: &Vec<PastNode>| -> Option<BTreeSet<usize>> {
        layer.iter().map(|node| ids.get(node.name.as_str()).copied()).collect()
    };
    let reusable = image.layers.iter().filter_map(members).filter(|members| !members.is_empty());
    reusable.map(|members| members.into_iter().collect())
}

/// Of `layers` that overlap, the larger, then the first.
fn had_layers(closure: &Closure, layers: impl Iterator<Item = Vec<usize>>) -> Vec<Vec<usize>> {
    let size = |members: &Vec<usize>| members.iter().map(|id| u128::from(closure.nodes()[*id].size)).sum::<u128>();
    let mut known = BTreeSet::new();
    let mut layers: Vec<Vec<usize>> = layers.filter(|members| known.insert(members.clone())).collect();
    layers.sort_by_cached_key(|members| Reverse(size(members)));
    let mut taken = vec![false; closure.len()];
    let mut had = vec![];
    for members in layers {
        if members.iter().all(|id| !taken[*id]) {
            members.iter().for_each(|id| taken[*id] = true);
            had.push(members);
        }
    }
    had
}
