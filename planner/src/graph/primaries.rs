//! Nodes that the same large nodes need.
//!
//! Nodes become *primary*, the largest first; of equal ones, the last by name. Nodes belong together that are reached from
//! the same primaries, where a primary reaches itself. So a primary can only split sets, and never joins any: 64 are taken
//! at a time, and only the 64 with which there are too many sets are searched for the last one that fits. A cycle counts as
//! one node.

use std::cmp::Reverse;

use super::{ComponentId, Condensation, REACH_BLOCK, reach};
use crate::{Closure, NodeId};

/// Divides a closure into at most `most` sets, of which each has the nodes that the same large nodes need. The first large
/// node that would make too many ends it, so there may be fewer. `most` is at least 1.
#[must_use]
pub fn split_by_largest(closure: &Closure, condensation: &Condensation, most: usize) -> Vec<Vec<NodeId>> {
    let classes = Partition::by_primaries(condensation, &largest_first(closure, condensation), most).classes();
    let nodes = |class: Vec<ComponentId>| class.iter().flat_map(|id| condensation.members(*id)).copied().collect();
    classes.into_iter().map(nodes).collect()
}

fn largest_first(closure: &Closure, condensation: &Condensation) -> Vec<ComponentId> {
    let mut ids: Vec<ComponentId> = condensation.ids().collect();
    ids.sort_by_cached_key(|id| Reverse((condensation.size(*id, closure), condensation.members(*id).last().copied())));
    ids
}

/// Each component is in one class.
#[derive(Clone)]
struct Partition {
    class_of: Vec<u32>,
    /// How many components each class has: at least one.
    sizes: Vec<u32>,
}

impl Partition {
    /// Components are in one class if the same primaries reach them. Primaries are the first ones of `candidates`: as
    /// many as go without making more than `max_classes`, which is at least 1.
    fn by_primaries(condensation: &Condensation, candidates: &[ComponentId], max_classes: usize) -> Self {
        let mut partition = Self::undivided(condensation.len());
        let most = max_classes.min(condensation.len());
        for block in candidates.chunks(REACH_BLOCK) {
            // More primaries either change nothing or are too many.
            if partition.len() >= most {
                break;
            }
            let reached = reach(condensation, block.iter().copied().zip(0..));
            let split = partition.split(&reached, u64::MAX);
            if split.len() > most {
                return partition.split_as_far_as(most, &reached);
            }
            partition = split;
        }
        partition
    }

    /// The members of each class, ascending.
    fn classes(&self) -> Vec<Vec<ComponentId>> {
        let mut classes = vec![Vec::new(); self.len()];
        for (class, id) in self.class_of.iter().zip(0..) {
            classes[*class as usize].push(ComponentId(id));
        }
        classes
    }

    fn undivided(count: usize) -> Self {
        let sizes = if count == 0 { vec![] } else { vec![u32::try_from(count).expect("components are 32 bits wide")] };
        Self { class_of: vec![0; count], sizes }
    }

    fn len(&self) -> usize {
        self.sizes.len()
    }

    /// By the first primaries of a block that are too many together.
    fn split_as_far_as(&self, most: usize, reached: &[u64]) -> Self {
        let masks: Vec<u64> = (0..u64::BITS).map(|primaries| (1 << primaries) - 1).collect();
        let fitting = masks.partition_point(|mask| self.split(reached, *mask).len() <= most);
        self.split(reached, masks[fitting - 1])
    }

    /// Members of a class stay together if they have the same of these bits.
    fn split(&self, reached: &[u64], mask: u64) -> Self {
        let mut moving: Vec<(u32, u64, u32)> = Vec::new();
        for ((class, bits), id) in self.class_of.iter().zip(reached).zip(0..) {
            if bits & mask != 0 && self.sizes[*class as usize] > 1 {
                moving.push((*class, bits & mask, id));
            }
        }
        moving.sort_unstable();
        let mut split = self.clone();
        for part in moving.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            split.part(part[0].0, part.iter().map(|(_, _, id)| *id));
        }
        split
    }

    /// Makes a class of some members of another, unless they are all that it has.
    fn part(&mut self, class: u32, members: impl ExactSizeIterator<Item = u32>) {
        let count = u32::try_from(members.len()).expect("components are 32 bits wide");
        if self.sizes[class as usize] == count {
            return;
        }
        self.sizes[class as usize] -= count;
        let new = u32::try_from(self.sizes.len()).expect("there are no more classes than components");
        self.sizes.push(count);
        for member in members {
            self.class_of[member as usize] = new;
        }
    }
}
