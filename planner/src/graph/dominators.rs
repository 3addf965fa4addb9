//! Through which node all users of a node come.
//!
//! A node d dominates n when every way from outside to n goes through d; "outside" is a virtual node above all nodes
//! that nobody refers to. The nearest such d is n's immediate dominator. In a graph without cycles it is the lowest
//! common ancestor, in the dominator tree so far, of n's referrers, when nodes are taken in topological order. Jump
//! pointers (Myers 1983) find that ancestor in logarithmic time, so that deep graphs do not cost the square.

use super::{ComponentId, Condensation};
use crate::{Closure, NodeId};

/// Returns each node's immediate dominator; `None` where there is none but the virtual one above all.
///
/// A cycle counts as one node, and its first member stands for it.
#[must_use]
pub fn dominators(closure: &Closure) -> Vec<Option<NodeId>> {
    dominators_with_entries(closure, |_| false)
}

/// The same where ways begin at some nodes besides: nothing but the virtual node dominates such an entry.
#[must_use]
pub fn dominators_with_entries(closure: &Closure, is_entry: impl Fn(NodeId) -> bool) -> Vec<Option<NodeId>> {
    let condensation = Condensation::new(closure);
    let of_components =
        component_dominators(&condensation, |id| condensation.members(id).iter().any(|node| is_entry(*node)));
    let first_member = |id: ComponentId| condensation.members(id)[0];
    closure.ids().map(|node| of_components[condensation.component_of(node).index()].map(first_member)).collect()
}

/// The same for the components of a closure.
fn component_dominators(
    condensation: &Condensation,
    is_entry: impl Fn(ComponentId) -> bool,
) -> Vec<Option<ComponentId>> {
    let mut tree = Tree { entries: Vec::with_capacity(condensation.len() + 1) };
    tree.entries.push(Entry { parent: 0, jump: 0, depth: 0 });
    for id in condensation.ids() {
        // The tree's node 0 is the virtual one, component i is node i + 1.
        let above = condensation.referrers(id).iter().map(|referrer| referrer.0 + 1);
        tree.add(if is_entry(id) { 0 } else { above.reduce(|a, b| tree.meet(a, b)).unwrap_or(0) });
    }
    tree.entries[1..].iter().map(|entry| entry.parent.checked_sub(1).map(ComponentId)).collect()
}

struct Tree {
    entries: Vec<Entry>,
}

#[derive(Clone, Copy)]
struct Entry {
    parent: u32,
    jump: u32,
    depth: u32,
}

impl Tree {
    fn get(&self, node: u32) -> Entry {
        self.entries[node as usize]
    }

    fn add(&mut self, parent: u32) {
        let above = self.get(parent);
        let far = self.get(above.jump);
        let balanced = above.depth - far.depth == far.depth - self.get(far.jump).depth;
        let jump = if balanced { far.jump } else { parent };
        self.entries.push(Entry { parent, jump, depth: above.depth + 1 });
    }

    /// The lowest common ancestor.
    fn meet(&self, mut a: u32, mut b: u32) -> u32 {
        if self.get(a).depth < self.get(b).depth {
            std::mem::swap(&mut a, &mut b);
        }
        let depth = self.get(b).depth;
        while self.get(a).depth > depth {
            let entry = self.get(a);
            a = if self.get(entry.jump).depth >= depth { entry.jump } else { entry.parent };
        }
        // Nodes of one depth have jump pointers of one length.
        while a != b {
            let (from_a, from_b) = (self.get(a), self.get(b));
            (a, b) =
                if from_a.jump == from_b.jump { (from_a.parent, from_b.parent) } else { (from_a.jump, from_b.jump) };
        }
        a
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::closure;

    #[test]
    fn what_two_users_share_is_dominated_by_what_they_share() {
        let closure = closure("app -> l r\nl -> libc\nr -> libc\nlibc -> data");
        let name = |node: Option<NodeId>| node.map_or("-", |id| closure.node(id).name.as_str());
        let found: Vec<_> =
            closure.ids().zip(dominators(&closure)).map(|(id, above)| (name(Some(id)), name(above))).collect();
        assert_eq!(found, [("app", "-"), ("data", "libc"), ("l", "app"), ("libc", "app"), ("r", "app")]);
    }

    /// Whether `target` is met by a walk from the entries that never steps on `avoided`.
    fn is_met_without(
        condensation: &Condensation,
        entries: &[bool],
        target: ComponentId,
        avoided: ComponentId,
    ) -> bool {
        let mut met: Vec<bool> = vec![false; condensation.len()];
        for id in condensation.ids().filter(|id| *id != avoided) {
            let referrers = condensation.referrers(id);
            let begins = referrers.is_empty() || entries[id.index()];
            met[id.index()] = begins || referrers.iter().any(|referrer| met[referrer.index()]);
        }
        met[target.index()]
    }

    proptest! {
        #[test]
        fn each_is_the_nearest_that_cannot_be_avoided(
            edges in prop::collection::vec((0u32..24, 0u32..24), 0..70),
            entries in prop_oneof![Just(vec![false; 24]), prop::collection::vec(prop::bool::weighted(0.2), 24)],
        ) {
            let lines: Vec<String> = edges.iter().map(|(from, to)| format!("{from:02} -> {to:02}")).collect();
            let condensation = Condensation::new(&closure(&lines.join("\n")));
            let found = component_dominators(&condensation, |id| entries[id.index()]);
            for id in condensation.ids() {
                // Dominators of one node form a chain, so the nearest is the last in topological order.
                let cannot_be_avoided = |other: &ComponentId| !is_met_without(&condensation, &entries, id, *other);
                let unavoidable = condensation.ids().filter(|other| *other < id).filter(cannot_be_avoided);
                prop_assert_eq!(found[id.index()], unavoidable.max());
            }
        }
    }
}
