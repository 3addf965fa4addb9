//! How much comes along with a node.
//!
//! Reachability for 64 components at a time: each gets one bit, users hand their bits down to what they refer to, and
//! whoever ends up with a bit counts towards that component.

use super::{ComponentId, Condensation};
use crate::Closure;

/// Returns for each node the bytes of everything it reaches, itself included; at most `u64::MAX`.
#[must_use]
pub fn closure_sizes(closure: &Closure) -> Vec<u64> {
    let condensation = Condensation::new(closure);
    let own: Vec<u64> = condensation
        .ids()
        .map(|id| condensation.members(id).iter().fold(0u64, |sum, node| sum.saturating_add(closure.node(*node).size)))
        .collect();
    let mut sizes = vec![0u64; condensation.len()];
    let mut bits = vec![0u64; condensation.len()];
    for first in (0..condensation.len()).step_by(64) {
        let block = &mut sizes[first..own.len().min(first + 64)];
        add_block(&condensation, &own, first, block, &mut bits);
    }
    closure.ids().map(|node| sizes[condensation.component_of(node).index()]).collect()
}

fn add_block(condensation: &Condensation, own: &[u64], first: usize, block: &mut [u64], bits: &mut [u64]) {
    for (bit, slot) in bits[first..first + block.len()].iter_mut().enumerate() {
        *slot = 1 << bit;
    }
    // Components before the block are not reached from it.
    for at in first..condensation.len() {
        let mut set = std::mem::take(&mut bits[at]);
        if set == 0 {
            continue;
        }
        let id = ComponentId(u32::try_from(at).expect("component identifiers are 32 bits wide"));
        for reference in condensation.references(id) {
            bits[reference.index()] |= set;
        }
        while set != 0 {
            let size = &mut block[set.trailing_zeros() as usize];
            *size = size.saturating_add(own[at]);
            set &= set - 1;
        }
    }
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
}
