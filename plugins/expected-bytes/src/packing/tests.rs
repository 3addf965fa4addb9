//! All pairs looked at each time, against what looks at few.

use layerwright_planner::NamedNode;
use proptest::prelude::*;

use super::*;

fn closure_of(sizes: &[u64]) -> Closure {
    let node = |(at, size): (usize, &u64)| NamedNode {
        name: format!("{at:02}"),
        lineage: format!("{at:02}"),
        size: *size,
        references: vec![],
    };
    Closure::new(sizes.iter().enumerate().map(node).collect(), None).unwrap()
}

/// Step 5 as it is told.
fn fill_slowly(bins: &mut [Bin], mut items: Vec<Item>) {
    let bytes: u128 = items.iter().map(|item| u128::from(item.bytes)).sum();
    let bytes = bytes + bins.iter().map(|bin| bin.bytes).sum::<u128>();
    let cap = bytes * 13 / (10 * bins.len() as u128);
    while !items.is_empty() {
        let pairs = || (0..bins.len()).flat_map(|at| items.iter().map(move |item| (at, item)));
        let key = |(at, item): &(usize, &Item)| (bins[*at].cost_with(item) - bins[*at].cost(), *at, (*item).clone());
        let fits = |(at, item): &(usize, &Item)| {
            bins[*at].members.is_empty() || bins[*at].bytes + u128::from(item.bytes) <= cap
        };
        let best = pairs().filter(fits).min_by_key(key).or_else(|| pairs().min_by_key(key));
        let (at, item) = best.map(|(at, item)| (at, item.clone())).unwrap();
        bins[at].add(&item);
        items.retain(|other| *other != item);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn the_first_of_each_list_is_enough(
        nodes in prop::collection::vec((0u64..9, 0u64..16), 1..24),
        kept in prop::collection::vec(prop::option::weighted(0.3, 0usize..3), 24),
        count in 3usize..6,
    ) {
        let sizes: Vec<u64> = nodes.iter().map(|(size, _)| *size).collect();
        let changes: Vec<Changes> = nodes.iter().map(|(_, changes)| *changes).collect();
        let closure = closure_of(&sizes);
        let (mut bins, new) = keep(&closure, &changes, &kept[..sizes.len()], count);
        let mut slow = bins.clone();
        fill_slowly(&mut slow, new.lists.values().flatten().cloned().collect());
        fill(&mut bins, new);
        let members = |bins: &[Bin]| bins.iter().map(|bin| bin.members.clone()).collect::<Vec<_>>();
        prop_assert_eq!(members(&bins), members(&slow));
    }
}

#[test]
fn what_changes_together_goes_together() {
    let closure = closure_of(&[100, 90, 30, 30, 20, 20].map(|megabytes| megabytes * 1_000_000));
    let changes = [0b1, 0b1110, 0b1, 0b1110, 0b1110, 0b1];
    let bins = fresh(Items::new(&closure, &changes, closure.ids()), 2);
    let members: Vec<Vec<u32>> = bins
        .iter()
        .map(|bin| {
            let mut ids: Vec<u32> = bin.members.iter().map(|id| id.0).collect();
            ids.sort_unstable();
            ids
        })
        .collect();
    assert_eq!(members, [vec![0, 2, 5], vec![1, 3, 4]]);
}

#[test]
fn small_nodes_share_layers_from_four_on() {
    let closure = closure_of(&[9_000_000, 8_000_000, 900_000, 800_000, 400_000, 300_000]);
    let changes = [1; 6];
    let shared = |max_bins| -> Vec<usize> {
        fresh(Items::new(&closure, &changes, closure.ids()), max_bins).iter().map(|bin| bin.members.len()).collect()
    };
    assert_eq!(shared(4), [1, 1, 2, 2]);
    assert_eq!(shared(6), [1; 6]);
    assert_eq!(shared(1), [6]);
}
