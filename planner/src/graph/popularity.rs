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
//! The sum in step 2 needs no ancestor set for each node. Let d be v's immediate dominator. All that reach v either
//! reach d already, or lie between the two: every way to them and on to v goes through d. So `score(v)` is `score(d)`,
//! plus the walks to what a search backwards from v meets before d, plus `walks(v)`. In real closures most nodes have
//! their dominator next to them.
//!
//! A cycle has endless walks. It counts as one node here, entered once from each component that refers to it, and all
//! its members get its score. Store paths have no cycles.

use num_bigint::BigUint;

use super::dominators::component_dominators;
use super::{ComponentId, Condensation};
use crate::Closure;

/// Returns each node's popularity.
#[must_use]
pub fn popularity(closure: &Closure) -> Vec<BigUint> {
    let condensation = Condensation::new(closure);
    let scores = scores(&condensation);
    closure.ids().map(|node| scores[condensation.component_of(node).index()].clone()).collect()
}

fn scores(condensation: &Condensation) -> Vec<BigUint> {
    let walks = walks(condensation);
    let mut between = Between::new(condensation);
    let mut scores: Vec<BigUint> = Vec::with_capacity(walks.len());
    for (id, dominator) in condensation.ids().zip(component_dominators(condensation)) {
        let mut score = dominator.map_or_else(BigUint::default, |above| scores[above.index()].clone());
        score += &walks[id.index()];
        between.visit(id, dominator, |component| score += &walks[component.index()]);
        scores.push(score);
    }
    scores
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

/// Searches backwards, with memory that is kept from search to search.
struct Between<'c> {
    condensation: &'c Condensation,
    /// The last search that met each component; searches are numbered by where they began, plus 1.
    met_by: Vec<u32>,
    open: Vec<ComponentId>,
}

impl<'c> Between<'c> {
    fn new(condensation: &'c Condensation) -> Self {
        Self { condensation, met_by: vec![0; condensation.len()], open: Vec::new() }
    }

    /// Calls `each` once for every component that reaches `start` and is neither `start` nor above `end`.
    fn visit(&mut self, start: ComponentId, end: Option<ComponentId>, mut each: impl FnMut(ComponentId)) {
        let search = start.0 + 1;
        if let Some(end) = end {
            self.met_by[end.index()] = search;
        }
        self.open.push(start);
        while let Some(component) = self.open.pop() {
            for &referrer in self.condensation.referrers(component) {
                if self.met_by[referrer.index()] != search {
                    self.met_by[referrer.index()] = search;
                    self.open.push(referrer);
                    each(referrer);
                }
            }
        }
    }
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
