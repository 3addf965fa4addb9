//! How much comes along with a node, or with several.

use super::{ComponentId, Condensation, REACH_BLOCK, reach};
use crate::{Closure, NodeId, name_before_hash};

/// Returns for each node the bytes of everything it reaches, itself included; at most `u64::MAX`.
#[must_use]
pub fn closure_sizes(closure: &Closure) -> Vec<u64> {
    let each: Vec<[NodeId; 1]> = closure.ids().map(|id| [id]).collect();
    closure_sizes_of(closure, &each)
}

/// Returns for each set of nodes the bytes of everything that any of them reaches, themselves included; at most `u64::MAX`.
#[must_use]
pub fn closure_sizes_of(closure: &Closure, sets: &[impl AsRef<[NodeId]>]) -> Vec<u64> {
    let condensation = Condensation::new(closure);
    let own: Vec<u64> = condensation.ids().map(|id| condensation.size(id, closure)).collect();
    let starts = |set: usize| sets[set].as_ref().iter().map(|node| condensation.component_of(*node));
    // Sets that begin far down go together: nothing above is looked at for them.
    let mut order: Vec<(Option<ComponentId>, usize)> = (0..sets.len()).map(|set| (starts(set).min(), set)).collect();
    order.sort_unstable();
    let mut sizes = vec![0u64; sets.len()];
    for block in order.chunks(REACH_BLOCK) {
        let numbered = block.iter().zip(0..).flat_map(|((_, set), number)| starts(*set).map(move |id| (id, number)));
        let bits = reach(&condensation, numbered);
        for (mut set, own) in bits.into_iter().zip(&own) {
            while set != 0 {
                let size = &mut sizes[block[set.trailing_zeros() as usize].1];
                *size = size.saturating_add(*own);
                set &= set - 1;
            }
        }
    }
    sizes
}

/// Sorts sets of nodes by the bytes of everything that they reach, so that each comes after those that it needs. Of equal
/// ones, first the one whose first member comes first by name without hash, then by all members.
#[must_use]
pub fn sort_by_closure_size(closure: &Closure, sets: Vec<Vec<NodeId>>) -> Vec<Vec<NodeId>> {
    let first_name = |set: &[NodeId]| set.iter().map(|id| name_before_hash(&closure.node(*id).name)).min();
    let keys = closure_sizes_of(closure, &sets).into_iter().zip(sets.iter().map(|set| first_name(set)));
    let mut keyed: Vec<_> = keys.zip(sets.iter().cloned()).collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, set)| set).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::closure;

    #[test]
    fn what_is_reached_on_two_ways_counts_once() {
        assert_eq!(closure_sizes(&closure("a -> b c\nb -> d\nc -> d")), [4, 2, 2, 1]);
    }

    #[test]
    fn members_of_a_cycle_reach_the_same() {
        assert_eq!(closure_sizes(&closure("a -> b\nb -> a c\nc")), [3, 3, 1]);
    }

    #[test]
    fn more_than_one_block_of_components_adds_up() {
        let lines: Vec<String> = (0..200).map(|n| format!("{n:03} -> {:03}", n + 1)).collect();
        let sizes = closure_sizes(&closure(&lines.join("\n")));
        assert_eq!(sizes, (1..=201).rev().collect::<Vec<u64>>());
    }

    #[test]
    fn what_several_of_a_set_reach_counts_once() {
        let closure = closure("a -> c\nb -> c\nc -> d\ne");
        let sets = [vec![NodeId(0), NodeId(1)], vec![NodeId(3), NodeId(4)], vec![]];
        assert_eq!(closure_sizes_of(&closure, &sets), [4, 2, 0]);
    }
}
