//! A graph that looks like a closure from nixpkgs.
//!
//! 1. Nodes are numbered from the top: 0 is the root. Node n is needed by node (n - 1) / 8, so that everything is
//!    reached from the root in few steps.
//! 2. On top of that each node refers to some of those below it: half of them to the 24 at the bottom (the C library,
//!    the shell, compression), the others to any, those near the bottom more often.
//!
//! With some seven references for each node, a few nodes that nearly all others need, and many that one other needs, it
//! comes close to real ones in what strategies spend their time on.

use super::draft::{Draft, Numbers, store_path};

/// What nearly everything is built upon.
const BOTTOM: usize = 24;
/// Children of a node in the tree.
const CHILDREN: usize = 8;
/// Most references beside those of the tree.
const MORE: usize = 12;

pub(super) fn drafts(count: u32) -> Vec<Draft> {
    let count = count as usize;
    let mut numbers = Numbers::new(0);
    (0..count).map(|at| draft(at, count, &mut numbers)).collect()
}

fn draft(at: usize, count: usize, numbers: &mut Numbers) -> Draft {
    let children = (CHILDREN * at + 1..=CHILDREN * at + CHILDREN).take_while(|child| *child < count);
    let mut references: Vec<usize> = children.collect();
    let below = count - at - 1;
    if below > 0 {
        let more = numbers.below(MORE + 1);
        references.extend((0..more).map(|_| count - 1 - depth(below, numbers)));
    }
    // From 1 KiB to 32 MiB, each order of magnitude as often as the others.
    let size_bytes = (1 << (10 + numbers.below(15))) + numbers.next() % 1024;
    Draft { name: store_path(&format!("package{at:06}-{}.{}", at % 5, at % 13)), size_bytes, references }
}

/// How far above the lowest node a reference goes, less than `below`.
fn depth(below: usize, numbers: &mut Numbers) -> usize {
    if numbers.below(2) == 0 {
        return numbers.below(BOTTOM.min(below));
    }
    let (a, b) = (numbers.below(below), numbers.below(below));
    a.min(b)
}

#[cfg(test)]
mod tests {
    use crate::shapes::Shape;

    #[test]
    fn few_nodes_are_popular_and_the_root_reaches_all() {
        let closure = Shape::NixLike(5000).closure();
        assert_eq!((closure.len(), closure.roots().len()), (5000, 1));
        let mut referrers = vec![0; closure.len()];
        for reference in closure.nodes().iter().flat_map(|node| &node.references) {
            referrers[reference.index()] += 1;
        }
        let references: usize = referrers.iter().sum();
        assert!((4..10).contains(&(references / closure.len())), "{references}");
        let popular = referrers.iter().filter(|count| **count > 500).count();
        assert!((10..50).contains(&popular), "{popular}");
    }

    #[test]
    fn the_smallest_has_one_node() {
        assert_eq!(Shape::NixLike(1).closure().len(), 1);
        assert_eq!(Shape::NixLike(2).closure().roots().len(), 1);
    }
}
