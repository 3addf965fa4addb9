//! How much is built upon a node: the score by which nixpkgs' `referencesByPopularity` orders store paths.
//!
//! The definition there is recursive. Seen from a node x, a descendant v scores, for each child c of x, 1 if c is v,
//! and, if v lies below c, what it scores seen from c and 1 more. The popularity is the score seen from a virtual
//! super-root above all nodes that nobody refers to. Computed like that it takes exponential time or a table for each
//! node, and the scores themselves grow exponentially with depth, so they are integers of any size.
//!
//! The same number, in two steps:
//!
//! 1. `walks(u)` is the number of walks from the super-root to u: 1 where nobody refers to u, otherwise the sum over
//!    its referrers. One pass in topological order.
//! 2. `score(v)` is the sum of `walks(u)` over v and all u that reach v. Each hop of each walk adds one, provided v is
//!    still to come, and a hop is a walk to its end.
//!
//! The sum in step 2 need not go over all ancestors of each node. Let u be the deepest referrer of v, which as a rule
//! has the most ancestors. What reaches u reaches v, so `score(v)` is `score(u)` and `walks(v)`, and the walks to those
//! ancestors of v that are neither u nor ancestors of u. In real closures, and in all regular ones, these are few. They
//! are found with one bit for each pair of an ancestor and a node, for some hundred ancestors at a time: n · e / 64
//! operations, whatever the shape, and memory that does not grow with the square of n.
//!
//! A cycle has endless walks. It counts as one node here, entered once from each component that refers to it, and all
//! its members get its score. Store paths have no cycles.

use std::cmp::Reverse;

use num_bigint::BigUint;

use super::{ComponentId, Condensation};
use crate::{Closure, NodeId, name_before_hash};

/// For one component, which of some ancestors reach it, a bit for each. With so few at a time the rows of a large closure
/// stay in a processor's cache, and no loop is left in what is done most often.
type Row = [u64; 8];

/// How many ancestors are looked at together.
const BLOCK: usize = 64 * size_of::<Row>() / size_of::<u64>();

/// Returns each node's popularity.
#[must_use]
pub fn popularity(closure: &Closure) -> Vec<BigUint> {
    let condensation = Condensation::new(closure);
    let scores = scores(&condensation);
    closure.ids().map(|node| scores[condensation.component_of(node).index()].clone()).collect()
}

/// Returns nodes in nixpkgs' order: those with the highest scores first; equal ones by name without the store hash, then by
/// the hash.
#[must_use]
pub fn sort_by_popularity(closure: &Closure, scored: Vec<(NodeId, BigUint)>) -> Vec<NodeId> {
    let key = |(id, score)| (Reverse(score), name_before_hash(&closure.node(id).name), id);
    let mut keys: Vec<(Reverse<BigUint>, String, NodeId)> = scored.into_iter().map(key).collect();
    keys.sort_unstable();
    keys.into_iter().map(|(_, _, id)| id).collect()
}

fn scores(condensation: &Condensation) -> Vec<BigUint> {
    let walks = walks(condensation);
    let nearest = nearest(condensation);
    let mut scores = walks.clone();
    for_each_block(condensation, |ancestors| {
        for id in ancestors.reached(condensation) {
            // A referrer before these has none of them among its own, and is none of them.
            if let Some(nearest) = nearest[id.index()] {
                ancestors.only_of(id, nearest, |other| scores[id.index()] += &walks[other.index()]);
            }
        }
    });
    // So far each score lacks that of the nearest referrer, which comes before it.
    for id in condensation.ids() {
        if let Some(nearest) = nearest[id.index()] {
            let (before, after) = scores.split_at_mut(id.index());
            after[0] += &before[nearest.index()];
        }
    }
    scores
}

/// For each component the deepest referrer, which has the longest way from above; of several, the last.
fn nearest(condensation: &Condensation) -> Vec<Option<ComponentId>> {
    let mut depths = vec![0u32; condensation.len()];
    let mut nearest = Vec::with_capacity(condensation.len());
    for id in condensation.ids() {
        let deepest = condensation.referrers(id).iter().copied().max_by_key(|referrer| depths[referrer.index()]);
        depths[id.index()] = deepest.map_or(0, |referrer| depths[referrer.index()] + 1);
        nearest.push(deepest);
    }
    nearest
}

/// Calls `each` with the ancestors of all components, a block of the ancestors at a time.
fn for_each_block(condensation: &Condensation, mut each: impl FnMut(&Ancestors)) {
    let mut ancestors = Ancestors { first: 0, rows: vec![Row::default(); condensation.len()] };
    for first in (0..condensation.len()).step_by(BLOCK) {
        ancestors.first = first;
        ancestors.fill(condensation);
        each(&ancestors);
    }
}

/// For each component, which of the components of a block reach it.
struct Ancestors {
    /// The block begins with this component.
    first: usize,
    rows: Vec<Row>,
}

impl Ancestors {
    /// Those that any of these ancestors can reach: none comes before the first of them.
    fn reached(&self, condensation: &Condensation) -> impl Iterator<Item = ComponentId> + use<> {
        condensation.ids().skip(self.first)
    }

    /// Ancestors come before those that they reach.
    fn fill(&mut self, condensation: &Condensation) {
        for id in self.reached(condensation) {
            let mut row = Row::default();
            // They ascend, and from the last one down, processors guess when it is over.
            let referrers = condensation.referrers(id).iter().rev();
            for referrer in referrers.take_while(|referrer| referrer.index() >= self.first) {
                for (own, word) in row.iter_mut().zip(&self.rows[referrer.index()]) {
                    *own |= word;
                }
                self.add(&mut row, *referrer);
            }
            self.rows[id.index()] = row;
        }
    }

    /// Calls `each` for every ancestor of `id` here that is neither `other` nor an ancestor of it.
    fn only_of(&self, id: ComponentId, other: ComponentId, mut each: impl FnMut(ComponentId)) {
        let mut others = Row::default();
        if other.index() >= self.first {
            others = self.rows[other.index()];
            self.add(&mut others, other);
        }
        let own = &self.rows[id.index()];
        for (at, (own, others)) in own.iter().zip(&others).enumerate() {
            let mut left = own & !others;
            while left != 0 {
                let index = self.first + at * 64 + left.trailing_zeros() as usize;
                each(ComponentId(u32::try_from(index).expect("component identifiers are 32 bits wide")));
                left &= left - 1;
            }
        }
    }

    /// Sets the bit of a component, which does not come before the block, if it is one of the block.
    fn add(&self, row: &mut Row, id: ComponentId) {
        let offset = id.index() - self.first;
        if let Some(word) = row.get_mut(offset / 64) {
            *word |= 1 << (offset % 64);
        }
    }
}

fn walks(condensation: &Condensation) -> Vec<BigUint> {
    let mut walks: Vec<BigUint> = Vec::with_capacity(condensation.len());
    for id in condensation.ids() {
        let referrers = condensation.referrers(id);
        let sum = referrers.iter().map(|referrer| &walks[referrer.index()]).sum::<BigUint>();
        walks.push(if referrers.is_empty() { BigUint::from(1u8) } else { sum });
    }
    walks
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;
    use crate::testing::closure;

    fn scores_of(text: &str) -> BTreeMap<String, u64> {
        let closure = closure(text);
        let scores = popularity(&closure).into_iter().map(|score| u64::try_from(score).unwrap());
        closure.nodes().iter().map(|node| node.name.clone()).zip(scores).collect()
    }

    /// The published examples.
    #[test]
    fn scores_are_those_of_nixpkgs() {
        for (graph, expected) in [
            ("A -> B G\nB -> C E\nC -> D E\nD -> F\nE -> F", "A1 B2 C3 D4 E5 F9 G2"),
            ("foo -> bar baz\nbar -> baz\nbaz -> tux", "bar2 baz4 foo1 tux6"),
            ("app -> l r\nl -> libc\nr -> libc", "app1 l2 libc5 r2"),
            (
                "hello -> glibc\nglibc -> libidn2 xgcc\nlibidn2 -> libunistring",
                "glibc2 hello1 libidn23 libunistring4 xgcc3",
            ),
            (
                "Root1 -> A\nA -> B D\nD -> E\nB -> D F\nRoot2 -> B\nRoot3 -> C\nX",
                "A2 B5 C2 D8 E11 F7 Root11 Root21 Root31 X1",
            ),
            ("Root1 -> A\nA -> B\nRoot2", "A2 B3 Root11 Root21"),
            ("", ""),
        ] {
            let found: Vec<String> = scores_of(graph).iter().map(|(name, score)| format!("{name}{score}")).collect();
            assert_eq!(found.join(" "), expected);
        }
    }

    #[test]
    fn scores_outgrow_64_bits() {
        let diamond =
            |n: u32| format!("{n:03}a -> {n:03}b {n:03}c\n{n:03}b -> {:03}a\n{n:03}c -> {:03}a\n", n + 1, n + 1);
        let stacked: String = (0..64).map(diamond).collect();
        let scores = popularity(&closure(&stacked));
        assert_eq!(scores.len(), 193);
        assert_eq!(scores.iter().map(BigUint::bits).max(), Some(66));
    }

    #[test]
    fn a_cycle_counts_as_one_node() {
        assert_eq!(
            scores_of("a -> b\nb -> c\nc -> b d\nd"),
            BTreeMap::from([("a".into(), 1), ("b".into(), 2), ("c".into(), 2), ("d".into(), 3)])
        );
    }

    /// Shapes on which every node has ancestors without end and none that dominates it: a sum over ancestors would not end.
    #[test]
    fn regular_graphs_take_no_sum_over_all_ancestors() {
        let lines = |count: u32, line: &dyn Fn(u32) -> String| (0..count).map(line).collect::<String>();
        let two_roots = |n: u32| format!("a -> {n:05}\nb -> {n:05}\n{n:05} -> {:05}\n", n + 1);
        let skips = |n: u32| format!("{n:05} -> {:05} {:05}\n", n + 1, n + 2);
        let ladder = |n: u32| format!("a{n:05} -> a{0:05} b{0:05}\nb{n:05} -> a{0:05} b{0:05}\n", n + 1);
        for text in [lines(20_000, &two_roots), lines(10_000, &skips), lines(5_000, &ladder)] {
            let closure = closure(&text);
            assert_eq!(popularity(&closure).len(), closure.len());
        }
    }

    /// More components than one block of ancestors holds.
    #[test]
    fn blocks_add_up() {
        let count = 3 * u32::try_from(BLOCK).unwrap();
        let text: String = (0..count).map(|n| format!("{n:05} -> {:05}\n", n + 1)).collect();
        let scores = popularity(&closure(&text));
        assert!((1..=count + 1).map(BigUint::from).eq(scores));
    }

    #[test]
    fn deep_graphs_take_no_square_of_time() {
        let diamonds = 20_000;
        let line = |n: u32| format!("{n:06}a -> {n:06}b {n:06}c\n{n:06}b -> {:06}a\n{n:06}c -> {:06}a\n", n + 1, n + 1);
        let scores = popularity(&closure(&(0..diamonds).map(line).collect::<String>()));
        assert_eq!(scores.len(), 60_001);
        assert!(scores.iter().map(BigUint::bits).max() > Some(u64::from(diamonds)));
    }

    /// The recursive definition, word for word. `children[x]`, and the last entry is the super-root's.
    fn seen_from(x: usize, children: &[BTreeSet<usize>]) -> BTreeMap<usize, BigUint> {
        let mut scores: BTreeMap<usize, BigUint> = BTreeMap::new();
        for &child in &children[x] {
            *scores.entry(child).or_default() += 1u8;
            for (below, score) in seen_from(child, children) {
                *scores.entry(below).or_default() += score + 1u8;
            }
        }
        scores
    }

    /// Walks from the super-root to each node, by walking.
    fn count_walks(x: usize, children: &[BTreeSet<usize>], walks: &mut [u64]) {
        for &child in &children[x] {
            walks[child] += 1;
            count_walks(child, children, walks);
        }
    }

    fn reaches(from: usize, to: usize, children: &[BTreeSet<usize>]) -> bool {
        from == to || children[from].iter().any(|child| reaches(*child, to, children))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn the_score_is_the_recursive_one_and_the_sum_of_walks(
            edges in prop::collection::vec((0usize..12, 0usize..12), 0..40),
        ) {
            let edges: BTreeSet<(usize, usize)> = edges.into_iter().filter(|(from, to)| from < to).collect();
            let mut children = vec![BTreeSet::new(); 13];
            for &(from, to) in &edges {
                children[from].insert(to);
            }
            children[12] = (0..12).filter(|node| edges.iter().all(|(_, to)| to != node)).collect();
            let mut walks = vec![0; 12];
            count_walks(12, &children, &mut walks);
            let recursive = seen_from(12, &children);

            let line = |node: usize| {
                let references: Vec<String> = children[node].iter().map(|child| format!("{child:02}")).collect();
                format!("{node:02} -> {}\n", references.join(" "))
            };
            let found = popularity(&closure(&(0..12).map(line).collect::<String>()));
            for (node, score) in found.iter().enumerate() {
                prop_assert_eq!(score, &recursive[&node]);
                let sum: u64 = (0..12).filter(|from| reaches(*from, node, &children)).map(|from| walks[from]).sum();
                prop_assert_eq!(score, &BigUint::from(sum));
            }
        }
    }
}
