//! The published examples, and a slow computation that has nothing in common with the fast one.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use layerwright_planner::testing::{Recorded, assert_keeps_the_contract};
use layerwright_planner::{Closure, Failure, NamedNode, NodeId, Request, Strategy};
use proptest::prelude::*;

use crate::AutoLayer;

/// `name(size) -> reference ...`, one a line.
fn sized(text: &str) -> Closure {
    let node = |line: &str| {
        let (node, references) = line.split_once("->").unwrap_or((line, ""));
        let (name, size) = node.trim().trim_end_matches(')').split_once('(').unwrap();
        let references = references.split_whitespace().map(str::to_owned).collect();
        NamedNode { name: name.into(), lineage: name.into(), size: size.parse().unwrap(), references }
    };
    Closure::new(text.lines().map(node).collect(), None).unwrap()
}

fn propose(closure: &Closure, max_layers: u32) -> Vec<Vec<NodeId>> {
    let max_layers = NonZeroU32::new(max_layers).unwrap();
    let request = Request { closure: closure.clone(), max_layers, config: "{}".into() };
    let proposal = AutoLayer::plan(&request, &Recorded::default()).unwrap();
    proposal.layers.into_iter().map(|layer| layer.members).collect()
}

/// Layers bottom-most first, members by name.
fn plan(text: &str, max_layers: u32) -> Vec<String> {
    let closure = sized(text);
    let name = |id: &NodeId| closure.node(*id).name.clone();
    let layers = propose(&closure, max_layers);
    layers.iter().map(|layer| layer.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn an_application_of_two_libraries() {
    let graph = "app(10) -> libA libB\nlibA(100) -> libc\nlibB(80) -> libc\nlibc(50)";
    assert_eq!(plan(graph, 1), ["app libA libB libc"]);
    assert_eq!(plan(graph, 2), ["libA libc", "app libB"]);
    assert_eq!(plan(graph, 3), ["libA libc", "app libB"]);
    for more in [4, 5, 100] {
        assert_eq!(plan(graph, more), ["libc", "libB", "libA", "app"]);
    }
}

/// nixpkgs has a node of its own in this one, for the customisation layer: it takes part, and is left out afterwards.
#[test]
fn two_programs_below_a_customisation_layer() {
    let graph = "cust(5) -> py git\npy(120) -> openssl zlib libc\ngit(90) -> openssl perl libc\nperl(60) -> libc\n\
                 openssl(30) -> libc\nzlib(2) -> libc\nlibc(40) -> unistring\nunistring(3)";
    let without_helper = |max_layers| -> Vec<String> {
        let layers = plan(graph, max_layers);
        let named = layers.iter().map(|layer| layer.split(' ').filter(|name| *name != "cust").collect::<Vec<_>>());
        named.filter(|layer| !layer.is_empty()).map(|layer| layer.join(" ")).collect()
    };
    assert_eq!(without_helper(1), ["git libc openssl perl py unistring zlib"]);
    for limit in [2, 3] {
        assert_eq!(without_helper(limit), ["libc openssl py unistring zlib", "git perl"]);
    }
    for limit in [4, 5] {
        assert_eq!(without_helper(limit), ["libc openssl unistring", "py zlib", "git perl"]);
    }
    assert_eq!(without_helper(6), ["libc unistring", "openssl", "perl", "py zlib", "git"]);
    assert_eq!(without_helper(7), ["unistring", "libc", "openssl", "perl", "py zlib", "git"]);
    assert_eq!(without_helper(8), ["unistring", "libc", "zlib", "openssl", "perl", "py", "git"]);
}

#[test]
fn of_equal_nodes_the_last_by_name_is_primary_first() {
    assert_eq!(plan("a(1)\nb(1)\nc(1)\nd(1)", 3), ["c", "d", "a b"]);
}

#[test]
fn layers_of_equal_closures_follow_the_name_before_the_hash() {
    assert_eq!(plan("/s/zz-alpha(1)\n/s/bb-beta(1)\n/s/aa-beta(1)", 3), ["/s/zz-alpha", "/s/aa-beta", "/s/bb-beta"]);
}

#[test]
fn members_of_a_cycle_share_a_layer() {
    assert_eq!(plan("a(1) -> b\nb(2) -> c\nc(2) -> b d\nd(3)", 9), ["d", "b c", "a"]);
}

#[test]
fn unknown_settings_are_refused() {
    let request = Request { closure: sized("a(1)"), max_layers: NonZeroU32::MIN, config: r#"{"x": 1}"#.into() };
    let failure = AutoLayer::plan(&request, &Recorded::default()).unwrap_err();
    assert!(matches!(failure, Failure::InvalidConfig(text) if text.contains("unknown field `x`")));
}

#[test]
fn the_contract_is_kept() {
    assert_keeps_the_contract::<AutoLayer>("{}");
}

/// The definition of nixpkgs, as it stands: nearest primaries, one more at a time, everything computed again.
struct Slow<'c> {
    closure: &'c Closure,
    /// Whether the first reaches the second, over at least one reference.
    reaches: Vec<Vec<bool>>,
}

impl<'c> Slow<'c> {
    fn new(closure: &'c Closure) -> Self {
        let count = closure.len();
        let refers = |from, to| closure.node(from).references.contains(&to);
        let mut reaches: Vec<Vec<bool>> =
            closure.ids().map(|from| closure.ids().map(|to| refers(from, to)).collect()).collect();
        for by in 0..count {
            for from in 0..count {
                for to in 0..count {
                    reaches[from][to] |= reaches[from][by] && reaches[by][to];
                }
            }
        }
        Self { closure, reaches }
    }

    fn nearest(&self, node: usize, primaries: &[usize]) -> BTreeSet<usize> {
        if primaries.contains(&node) {
            return [node].into();
        }
        let above: Vec<usize> = primaries.iter().copied().filter(|primary| self.reaches[*primary][node]).collect();
        above.iter().copied().filter(|one| !above.iter().any(|other| self.reaches[*one][*other])).collect()
    }

    fn layers(&self, primaries: &[usize]) -> BTreeMap<BTreeSet<usize>, Vec<usize>> {
        let mut layers: BTreeMap<BTreeSet<usize>, Vec<usize>> = BTreeMap::new();
        for node in 0..self.closure.len() {
            layers.entry(self.nearest(node, primaries)).or_default().push(node);
        }
        layers
    }

    fn plan(&self, max_layers: usize) -> BTreeSet<Vec<usize>> {
        let mut candidates: Vec<usize> = (0..self.closure.len()).collect();
        candidates.sort_by_key(|node| self.closure.nodes()[*node].size);
        let mut primaries = Vec::new();
        while let Some(next) = candidates.pop() {
            primaries.push(next);
            if self.layers(&primaries).len() > max_layers {
                primaries.pop();
                break;
            }
        }
        self.layers(&primaries).into_values().collect()
    }

    fn closure_size(&self, layer: &[usize]) -> u64 {
        let comes_along = |node: &usize| layer.iter().any(|member| member == node || self.reaches[*member][*node]);
        (0..self.closure.len()).filter(comes_along).map(|node| self.closure.nodes()[node].size).sum()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nearest_primaries_give_the_same_layers(
        sizes in prop::collection::vec(1u64..12, 1..20),
        edges in prop::collection::vec((0usize..20, 0usize..20), 0..60),
        max_layers in 1u32..16,
    ) {
        let references = |from: usize| {
            let below = edges.iter().filter(|(a, b)| *a.min(b) == from && a != b).map(|(a, b)| a.max(b));
            below.filter(|to| **to < sizes.len()).map(|to| format!("{to:02}")).collect()
        };
        let nodes = sizes.iter().enumerate().map(|(at, size)| NamedNode {
            name: format!("{at:02}"), lineage: String::new(), size: *size, references: references(at),
        });
        let closure = Closure::new(nodes.collect(), None).unwrap();
        let slow = Slow::new(&closure);
        let layers: Vec<Vec<usize>> = propose(&closure, max_layers)
            .iter()
            .map(|layer| layer.iter().map(|id| id.index()).collect())
            .collect();
        prop_assert_eq!(layers.iter().cloned().collect::<BTreeSet<_>>(), slow.plan(max_layers as usize));
        let keys: Vec<(u64, usize)> = layers.iter().map(|layer| (slow.closure_size(layer), layer[0])).collect();
        prop_assert!(keys.is_sorted(), "{:?}", keys);
    }
}
