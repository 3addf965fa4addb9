//! Bins that are filled so that their cost stays low.

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

use layerwright_planner::{Closure, NodeId, name_before_hash};

use crate::history::Changes;

/// Below these sizes in bytes, nodes share a bin.
const FINE: [u64; 2] = [500_000, 1_000_000];
/// From so many layers on.
const FINE_FROM: usize = 4;

/// What becomes a layer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bin {
    pub(crate) members: Vec<NodeId>,
    /// The updates in which any member changed.
    pub(crate) changes: Changes,
    pub(crate) bytes: u128,
}

impl Bin {
    fn add(&mut self, item: &Item) {
        self.members.push(item.id);
        self.changes |= item.changes;
        self.bytes += u128::from(item.bytes);
    }

    fn cost(&self) -> u128 {
        u128::from(self.changes.count_ones()) * self.bytes
    }

    fn cost_with(&self, item: &Item) -> u128 {
        u128::from((self.changes | item.changes).count_ones()) * (self.bytes + u128::from(item.bytes))
    }
}

/// A node that is to be placed. They are in order by size, then by name without the store hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Item {
    bytes: u64,
    name: String,
    id: NodeId,
    changes: Changes,
}

/// What is to be placed: all that changed in the same updates in one list, the smallest first. Whichever bin it is,
/// none of a list costs less there than the first.
pub(crate) struct Items {
    lists: BTreeMap<Changes, VecDeque<Item>>,
    count: usize,
}

impl Items {
    pub(crate) fn new(closure: &Closure, changes: &[Changes], ids: impl Iterator<Item = NodeId>) -> Self {
        let mut lists: BTreeMap<Changes, Vec<Item>> = BTreeMap::new();
        let mut count = 0;
        for id in ids {
            let node = closure.node(id);
            let changes = changes[id.index()];
            let item = Item { bytes: node.size, name: name_before_hash(&node.name), id, changes };
            lists.entry(changes).or_default().push(item);
            count += 1;
        }
        let sorted = |(changes, mut list): (Changes, Vec<Item>)| {
            list.sort_unstable();
            (changes, list.into())
        };
        Self { lists: lists.into_iter().map(sorted).collect(), count }
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    fn bytes(&self) -> u128 {
        self.lists.values().flatten().map(|item| u128::from(item.bytes)).sum()
    }

    fn firsts(&self) -> impl Iterator<Item = &Item> {
        self.lists.values().filter_map(VecDeque::front)
    }

    fn take_first(&mut self, changes: Changes) -> Item {
        self.count -= 1;
        self.lists.get_mut(&changes).and_then(VecDeque::pop_front).expect("one that has been looked at")
    }

    fn take_largest(&mut self) -> Option<Item> {
        let changes = self.lists.values().filter_map(VecDeque::back).max()?.changes;
        self.count -= 1;
        self.lists.get_mut(&changes)?.pop_back()
    }

    fn take_below(&mut self, bytes: u64) -> Bin {
        let mut bin = Bin::default();
        let changes: Vec<Changes> = self.lists.keys().copied().collect();
        for changes in changes {
            while self.lists[&changes].front().is_some_and(|item| item.bytes < bytes) {
                bin.add(&self.take_first(changes));
            }
        }
        bin
    }
}

/// Plans without looking at what was: at most `max_bins`, in their order.
pub(crate) fn fresh(mut items: Items, max_bins: usize) -> Vec<Bin> {
    if items.len() <= max_bins {
        let mut bins = vec![Bin::default(); items.len()];
        for bin in &mut bins {
            bin.add(&items.take_largest().expect("one for each bin"));
        }
        return in_order(bins);
    }
    let mut fine: Vec<Bin> = Vec::new();
    if max_bins >= FINE_FROM {
        fine.extend(FINE.map(|bytes| items.take_below(bytes)));
        fine.retain(|bin| !bin.members.is_empty());
    }
    let mut bins = begin(&mut items, max_bins - fine.len());
    fill(&mut bins, items);
    bins.extend(fine);
    in_order(bins)
}

/// Nodes that were in a layer go into the bin of that number; the others are left.
pub(crate) fn keep(
    closure: &Closure,
    changes: &[Changes],
    layer_of: &[Option<usize>],
    count: usize,
) -> (Vec<Bin>, Items) {
    let mut bins = vec![Bin::default(); count];
    for (id, layer) in closure.ids().zip(layer_of) {
        if let Some(layer) = layer {
            let item = Item { bytes: closure.node(id).size, name: String::new(), id, changes: changes[id.index()] };
            bins[*layer].add(&item);
        }
    }
    let new = closure.ids().filter(|id| layer_of[id.index()].is_none());
    (bins, Items::new(closure, changes, new))
}

/// At most `count` bins, which have their largest item and what goes with it best.
fn begin(items: &mut Items, count: usize) -> Vec<Bin> {
    let enough = items.bytes() * 2 / (5 * count as u128);
    let mut bins = Vec::new();
    while bins.len() < count
        && let Some(seed) = items.take_largest()
    {
        let mut bin = Bin::default();
        bin.add(&seed);
        // A bin for each that is left is better than anything that could be added.
        while bin.bytes < enough && items.len() > count - bins.len() - 1 {
            let cheapest = items.firsts().min_by_key(|item| (bin.cost_with(item), *item)).map(|item| item.changes);
            let Some(changes) = cheapest else { break };
            bin.add(&items.take_first(changes));
        }
        bins.push(bin);
    }
    bins
}

/// Where the first item of a list is best put: what that costs, and into which bin.
type Best = (u128, usize);

/// Places all items, the cheapest pair of an item and a bin first. Without a bin there must be no item.
pub(crate) fn fill(bins: &mut [Bin], mut items: Items) {
    let bytes = bins.iter().map(|bin| bin.bytes).sum::<u128>() + items.bytes();
    let cap = bytes * 13 / (10 * bins.len().max(1) as u128);
    let mut best: BTreeMap<Changes, Option<Best>> =
        items.firsts().map(|item| (item.changes, best_within(bins, item, cap))).collect();
    while items.len() > 0 {
        let cheapest = items.firsts().filter_map(|item| Some((best[&item.changes]?, item))).min();
        let ((_, at), item) = cheapest.unwrap_or_else(|| {
            let pairs = items.firsts().filter_map(|item| Some((best_within(bins, item, u128::MAX)?, item)));
            pairs.min().expect("there is a bin")
        });
        let changes = item.changes;
        bins[at].add(&items.take_first(changes));
        for item in items.firsts() {
            let known = best.get_mut(&item.changes).expect("each list has its best");
            let must_look = item.changes == changes || known.is_some_and(|(_, bin)| bin == at);
            *known = if must_look { best_within(bins, item, cap) } else { better(*known, pair(bins, at, item, cap)) };
        }
    }
}

fn best_within(bins: &[Bin], item: &Item, cap: u128) -> Option<Best> {
    (0..bins.len()).filter_map(|at| pair(bins, at, item, cap)).min()
}

fn pair(bins: &[Bin], at: usize, item: &Item, cap: u128) -> Option<Best> {
    let fits = bins[at].members.is_empty() || bins[at].bytes + u128::from(item.bytes) <= cap;
    fits.then(|| (bins[at].cost_with(item) - bins[at].cost(), at))
}

fn better(one: Option<Best>, other: Option<Best>) -> Option<Best> {
    [one, other].into_iter().flatten().min()
}

/// Those with fewer changes first.
fn in_order(mut bins: Vec<Bin>) -> Vec<Bin> {
    bins.sort_by_key(|bin| (bin.changes.count_ones(), Reverse(bin.bytes)));
    bins
}

#[cfg(test)]
mod tests;
