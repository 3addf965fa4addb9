//! How likely the next update changes something in a set of nodes.
//!
//! Three opinions, because a few weeks of history cannot tell chance from rule:
//!
//! - *Seen*: the share of the known updates that changed something in the set. Nodes that changed together so far are
//!   expected to do so again.
//! - *Graph*: in a store that names by inputs, a change renames all above it. So each node has a rate of changing by
//!   itself, and a set has the rates of all that its nodes are built upon, each once. Counts for as much as
//!   [`GRAPH_WEIGHT`] updates. Where history shows that changes do not go up, as in a distribution, each node stands for
//!   itself.
//! - *Own*: what a node may do alone though it never has, so that large nodes with the same past are not thrown together
//!   lightly.
//!
//! Rates are smoothed: a node's towards that of its lineage, of which there may be several at once, as of the modules of an
//! application; theirs towards that of nodes with about as many others above them, because an application's own parts
//! change far more often than what everything is built upon; and theirs towards that of all.
//! Sums of rates become chances by x / (1 + x), which needs neither floats nor tables.

use std::collections::BTreeMap;

use layerwright_planner::graph::topological_order;
use layerwright_planner::{Closure, NodeId};

use crate::past::Past;

/// A certain event. Sixteen bits, for thirty-six of size and four of horizon to fit a word beside them.
pub(crate) const ONE: u64 = 1 << 16;

/// All sizes of a closure together have at most this many bits; above, bytes are counted in larger units.
const SIZE_BITS: u32 = 36;
/// How many updates the graph's opinion counts for.
const GRAPH_WEIGHT: u64 = 8;
/// How many updates of a node's kind a node starts with. Fewer throw together what has changed together two or three times,
/// and what the next update tells apart.
const NODE_PRIOR_UPDATES: u64 = 4;
/// How many nodes' updates, of the rate of the larger group, a group starts with.
const GROUP_PRIOR_UPDATES: u64 = 16;
/// Nodes are classed by the bits of the number of nodes above them; beyond, they are all the same.
const CLASSES: usize = 8;
/// In how fine parts rates are calibrated.
const PARTS: u64 = 64;
/// Who is built upon whom takes n² bits. Above this, only what was seen counts.
const MAX_GRAPH_NODES: usize = 8_192;

pub(crate) struct Forecast {
    updates: u64,
    /// Words of causes that a node has.
    words: usize,
    /// The rate of each of the 64 causes of a word: causes are ordered by rate, so one number does for all.
    rates: Vec<u64>,
    /// For each node, itself and all it is built upon, as bits.
    causes: Vec<u64>,
    own: Vec<u64>,
    changed: Vec<u64>,
    sizes: Vec<u64>,
    /// A unit of size is two to this power of bytes.
    unit_bits: u32,
}

/// What counts of a set of nodes.
#[derive(Clone)]
pub(crate) struct Set {
    pub(crate) size: u64,
    changed: u64,
    own: u64,
    causes: Vec<u64>,
}

impl Forecast {
    pub(crate) fn new(closure: &Closure, past: &Past) -> Self {
        let size: u128 = closure.nodes().iter().map(|node| u128::from(node.size)).sum();
        let unit_bits = (u128::BITS - size.leading_zeros()).saturating_sub(SIZE_BITS);
        let mut forecast = Self {
            updates: past.updates.into(),
            words: 0,
            rates: vec![],
            causes: vec![],
            own: vec![0; closure.len()],
            changed: past.changed.clone(),
            sizes: closure.nodes().iter().map(|node| (node.size >> unit_bits) + 1).collect(),
            unit_bits,
        };
        if closure.len() <= MAX_GRAPH_NODES {
            forecast.look_at_graph(closure, past);
        }
        forecast
    }

    fn look_at_graph(&mut self, closure: &Closure, past: &Past) {
        let goes_up = goes_up(closure, past);
        let rates = own_rates(closure, past, goes_up);
        self.own = rates.iter().map(|rate| rate.unseen).collect();
        let places = self.place(&rates);
        self.causes = vec![0; closure.len() * self.words];
        for id in topological_order(closure).into_iter().rev().map(NodeId::index) {
            let mut causes = vec![0; self.words];
            causes[places[id] / 64] |= 1 << (places[id] % 64);
            if goes_up {
                closure.nodes()[id]
                    .references
                    .iter()
                    .for_each(|below| unite(&mut causes, self.causes_of(below.index())));
            }
            self.causes[id * self.words..][..self.words].copy_from_slice(&causes);
        }
        self.calibrate();
    }

    /// Gives each node a bit, such that the nodes of a word have about the same rate.
    fn place(&mut self, rates: &[Rate]) -> Vec<usize> {
        let magnitude = |id: usize| u64::BITS - rates[id].whole.leading_zeros();
        let mut ranked: Vec<usize> = (0..rates.len()).collect();
        ranked.sort_by_key(|id| (magnitude(*id), *id));
        let mut places = vec![0; rates.len()];
        for ids in ranked.chunk_by(|a, b| magnitude(*a) == magnitude(*b)).flat_map(|same| same.chunks(64)) {
            ids.iter().enumerate().for_each(|(at, id)| places[*id] = self.words * 64 + at);
            let sum: u64 = ids.iter().map(|id| rates[*id].whole).sum();
            self.rates.push((sum / ids.len() as u64).max(1));
            self.words += 1;
        }
        places
    }

    /// Lowers the rates until they explain no more changes than were seen. Without this, nodes with hundreds of others
    /// below them would seem certain to change, and then nothing would be lost by adding any other node to them: changes
    /// come in batches, and rates are added as if they did not.
    fn calibrate(&mut self) {
        let hazard = |id: usize| -> u64 {
            self.causes_of(id).iter().zip(&self.rates).map(|(bits, rate)| count(*bits) * rate).sum()
        };
        let hazards: Vec<u64> = (0..self.changed.len()).map(hazard).collect();
        let observed: u64 =
            self.changed.iter().map(|changed| (count(*changed) * ONE + ONE / 16) / (self.updates + 1)).sum();
        let expected = |parts: &u64| hazards.iter().map(|hazard| saturate(hazard * parts / PARTS)).sum::<u64>();
        let parts = (1..PARTS).rev().find(|parts| expected(parts) <= observed).unwrap_or(1);
        self.rates.iter_mut().for_each(|rate| *rate = (*rate * parts / PARTS).max(1));
    }

    fn causes_of(&self, id: usize) -> &[u64] {
        &self.causes[id * self.words..][..self.words]
    }

    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// So many bytes in units of this forecast.
    pub(crate) fn units(&self, bytes: u64) -> u64 {
        bytes >> self.unit_bits
    }

    /// In units of this forecast.
    pub(crate) fn size(&self, id: usize) -> u64 {
        self.sizes[id]
    }

    /// What a certain cost now weighs against expected ones: more, while these rest on the graph rather than on what was
    /// seen. Without this the first update would move what later ones would have left alone.
    pub(crate) fn doubt(&self, cost: i64) -> i64 {
        let updates = self.updates.max(1);
        let weight = (updates + GRAPH_WEIGHT) * 16 / updates;
        cost / 16 * i64::try_from(weight).expect("it is small")
    }

    /// Whether all this rests on the graph more than on what was seen.
    pub(crate) fn is_guess(&self) -> bool {
        self.updates < GRAPH_WEIGHT
    }

    pub(crate) fn set(&self, members: &[usize]) -> Set {
        let mut set = Set { size: 0, changed: 0, own: 0, causes: vec![0; self.words] };
        for id in members {
            set.size += self.sizes[*id];
            set.changed |= self.changed[*id];
            set.own += self.own[*id];
            unite(&mut set.causes, self.causes_of(*id));
        }
        set
    }

    /// The chance, in parts of [`ONE`].
    pub(crate) fn chance(&self, set: &Set) -> u64 {
        let causes = set.causes.iter().zip(&self.rates);
        self.weigh(set.changed, causes.map(|(bits, rate)| count(*bits) * rate).sum(), set.own)
    }

    /// The units that an update is expected to send of the set, times [`ONE`].
    pub(crate) fn cost(&self, set: &Set) -> i64 {
        product(set.size, self.chance(set))
    }

    /// The same for two sets together.
    pub(crate) fn joint_cost(&self, a: &Set, b: &Set) -> i64 {
        let causes = a.causes.iter().zip(&b.causes).zip(&self.rates);
        let graph = causes.map(|((a, b), rate)| count(a | b) * rate).sum();
        product(a.size + b.size, self.weigh(a.changed | b.changed, graph, a.own + b.own))
    }

    fn weigh(&self, changed: u64, graph: u64, own: u64) -> u64 {
        let chance = (count(changed) * ONE + GRAPH_WEIGHT * saturate(graph)) / (self.updates + GRAPH_WEIGHT);
        chance + (ONE - chance) * saturate(own) / ONE
    }
}

impl Set {
    /// The updates that changed any of it.
    pub(crate) fn changed(&self) -> u64 {
        self.changed
    }

    pub(crate) fn joined(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        joined.size += other.size;
        joined.changed |= other.changed;
        joined.own += other.own;
        unite(&mut joined.causes, &other.causes);
        joined
    }
}

/// A size times a factor of at most [`ONE`].
pub(crate) fn product(size: u64, factor: u64) -> i64 {
    i64::try_from(size * factor).expect("sizes are counted in units that leave room")
}

/// A chance for a sum of rates.
fn saturate(rate: u64) -> u64 {
    rate * ONE / (ONE + rate)
}

fn unite(to: &mut [u64], from: &[u64]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to |= from);
}

fn count(bits: u64) -> u64 {
    bits.count_ones().into()
}

/// The updates that changed something a node refers to.
fn changed_below(closure: &Closure, past: &Past, id: usize) -> u64 {
    closure.nodes()[id].references.iter().fold(0, |bits, below| bits | past.changed[below.index()])
}

/// Whether a change renames what refers to it: unless that often did not happen.
fn goes_up(closure: &Closure, past: &Past) -> bool {
    let (mut followed, mut stayed) = (0, 0);
    for id in 0..closure.len() {
        let below = changed_below(closure, past, id);
        followed += count(below & past.changed[id]);
        stayed += count(below & !past.changed[id]);
    }
    stayed * 4 <= followed
}

/// How often a node changes by itself, per update and in parts of [`ONE`].
struct Rate {
    whole: u64,
    /// The part of it that is not due to changes that were seen.
    unseen: u64,
}

fn own_rates(closure: &Closure, past: &Past, goes_up: bool) -> Vec<Rate> {
    let updates = u64::from(past.updates);
    let own = |id| past.changed[id] & if goes_up { !changed_below(closure, past, id) } else { u64::MAX };
    let events: Vec<u64> = (0..closure.len()).map(|id| count(own(id))).collect();
    let average = (events.iter().sum::<u64>() * ONE + ONE / 2) / (updates * closure.len() as u64 + 8);
    let rate = |(events, of_kind): (&u64, u64)| Rate {
        whole: ((events * ONE + NODE_PRIOR_UPDATES * of_kind) / (updates + NODE_PRIOR_UPDATES)).max(1),
        unseen: NODE_PRIOR_UPDATES * of_kind / (updates + NODE_PRIOR_UPDATES),
    };
    let of_class = towards(&vec![average; closure.len()], &classes(closure), &events, updates);
    let lineages: Vec<&str> = closure.nodes().iter().map(|node| node.lineage.as_str()).collect();
    events.iter().zip(towards(&of_class, &lineages, &events, updates)).map(rate).collect()
}

/// The rates of groups of nodes, smoothed towards `rates`. Where a node is the only one of its group, that says no more
/// than the node itself.
fn towards<G: Ord>(rates: &[u64], groups: &[G], events: &[u64], updates: u64) -> Vec<u64> {
    let mut of_group: BTreeMap<&G, (u64, u64)> = BTreeMap::new();
    for (group, events) in groups.iter().zip(events) {
        let (nodes, sum) = of_group.entry(group).or_default();
        *nodes += 1;
        *sum += events;
    }
    let smoothed = |(rate, group): (&u64, &G)| match of_group[group] {
        (1, _) => *rate,
        (nodes, events) => (events * ONE + GROUP_PRIOR_UPDATES * rate) / (nodes * updates + GROUP_PRIOR_UPDATES),
    };
    rates.iter().zip(groups).map(smoothed).collect()
}

/// Nodes by how many others are above them: none, 1, 2 to 3, 4 to 7, and so on.
fn classes(closure: &Closure) -> Vec<usize> {
    let words = closure.len().div_ceil(64);
    let mut above = vec![0; closure.len() * words];
    let mut classes = vec![0; closure.len()];
    for id in topological_order(closure).into_iter().map(NodeId::index) {
        let mut set: Vec<u64> = above[id * words..][..words].to_vec();
        let count: u64 = set.iter().map(|bits| count(*bits)).sum();
        classes[id] = ((u64::BITS - count.leading_zeros()) as usize).min(CLASSES - 1);
        set[id / 64] |= 1 << (id % 64);
        for below in &closure.nodes()[id].references {
            unite(&mut above[below.index() * words..][..words], &set);
        }
    }
    classes
}
