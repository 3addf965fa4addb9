//! Cycles, and what is left of a graph when each counts as one node.
//!
//! Tarjan's algorithm (1972) with a stack of its own: strongly connected components come out dependencies first, and
//! are numbered from the other end. For a Nix closure, which has no cycles, each component is one node.

use crate::{Closure, NodeId};

/// Position of a component in one [`Condensation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId(pub u32);

impl ComponentId {
    /// As an index into a slice with one value per component.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// The graph of the strongly connected components of a closure: it has no cycles.
#[derive(Clone, Debug)]
pub struct Condensation {
    members: Vec<Vec<NodeId>>,
    component_of: Vec<ComponentId>,
    references: Vec<Vec<ComponentId>>,
    referrers: Vec<Vec<ComponentId>>,
}

impl Condensation {
    /// Finds the components.
    #[must_use]
    pub fn new(closure: &Closure) -> Self {
        let mut members = Search::new(closure).run();
        members.reverse();
        let mut component_of = vec![ComponentId(0); closure.len()];
        for (component, id) in members.iter_mut().zip(0..) {
            component.sort_unstable();
            for node in component {
                component_of[node.index()] = ComponentId(id);
            }
        }
        let references: Vec<Vec<ComponentId>> = members
            .iter()
            .zip(0..)
            .map(|(component, id)| outside_references(closure, component, ComponentId(id), &component_of))
            .collect();
        let mut referrers = vec![Vec::new(); members.len()];
        for (targets, id) in references.iter().zip(0..) {
            for target in targets {
                referrers[target.index()].push(ComponentId(id));
            }
        }
        Self { members, component_of, references, referrers }
    }

    /// All components in topological order: each before those it refers to.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ComponentId> + use<> {
        (0..u32::try_from(self.members.len()).expect("there are at most as many as nodes")).map(ComponentId)
    }

    /// How many components there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no component at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The nodes of a component: at least one, ascending.
    #[must_use]
    pub fn members(&self, id: ComponentId) -> &[NodeId] {
        &self.members[id.index()]
    }

    /// Sum of its nodes' sizes in bytes, at most `u64::MAX`. `closure` is that which the components were found in.
    #[must_use]
    pub fn size(&self, id: ComponentId, closure: &Closure) -> u64 {
        self.members(id).iter().fold(0, |sum, node| sum.saturating_add(closure.node(*node).size))
    }

    /// The component of a node.
    #[must_use]
    pub fn component_of(&self, node: NodeId) -> ComponentId {
        self.component_of[node.index()]
    }

    /// The other components it refers to: ascending, so all behind it.
    #[must_use]
    pub fn references(&self, id: ComponentId) -> &[ComponentId] {
        &self.references[id.index()]
    }

    /// The other components that refer to it: ascending, so all before it.
    #[must_use]
    pub fn referrers(&self, id: ComponentId) -> &[ComponentId] {
        &self.referrers[id.index()]
    }
}

/// Returns all nodes, each before those it refers to. Nodes of a cycle stand together, ascending.
#[must_use]
pub fn topological_order(closure: &Closure) -> Vec<NodeId> {
    Condensation::new(closure).members.concat()
}

fn outside_references(
    closure: &Closure,
    component: &[NodeId],
    id: ComponentId,
    component_of: &[ComponentId],
) -> Vec<ComponentId> {
    let references = component.iter().flat_map(|node| &closure.node(*node).references);
    let mut targets: Vec<ComponentId> =
        references.map(|node| component_of[node.index()]).filter(|target| *target != id).collect();
    targets.sort_unstable();
    targets.dedup();
    targets
}

/// Depth-first search state. Nodes are numbered from 1 as they are met; 0 is a node not met yet.
struct Search<'c> {
    closure: &'c Closure,
    met: u32,
    number: Vec<u32>,
    lowest: Vec<u32>,
    /// Nodes met whose component is not complete.
    open: Vec<NodeId>,
    is_open: Vec<bool>,
    /// The path from the start to the current node, each with how many of its references are done.
    path: Vec<(NodeId, usize)>,
    components: Vec<Vec<NodeId>>,
}

impl<'c> Search<'c> {
    fn new(closure: &'c Closure) -> Self {
        let count = closure.len();
        Self {
            closure,
            met: 0,
            number: vec![0; count],
            lowest: vec![0; count],
            open: Vec::new(),
            is_open: vec![false; count],
            path: Vec::new(),
            components: Vec::new(),
        }
    }

    fn run(mut self) -> Vec<Vec<NodeId>> {
        // From the last node backwards, so that unrelated components end up in the order of their nodes.
        for start in self.closure.ids().rev() {
            if self.number[start.index()] == 0 {
                self.enter(start);
                while let Some((node, done)) = self.path.pop() {
                    self.step(node, done);
                }
            }
        }
        self.components
    }

    fn enter(&mut self, node: NodeId) {
        self.met += 1;
        self.number[node.index()] = self.met;
        self.lowest[node.index()] = self.met;
        self.open.push(node);
        self.is_open[node.index()] = true;
        self.path.push((node, 0));
    }

    fn step(&mut self, node: NodeId, done: usize) {
        let closure = self.closure;
        match closure.node(node).references.get(done) {
            Some(&next) => {
                self.path.push((node, done + 1));
                if self.number[next.index()] == 0 {
                    self.enter(next);
                } else if self.is_open[next.index()] {
                    self.lower(node, self.number[next.index()]);
                }
            }
            None => self.leave(node),
        }
    }

    fn leave(&mut self, node: NodeId) {
        let lowest = self.lowest[node.index()];
        if let Some(&(parent, _)) = self.path.last() {
            self.lower(parent, lowest);
        }
        if lowest == self.number[node.index()] {
            let start = self.open.iter().rposition(|open| *open == node).expect("a node stays open until its root");
            let component = self.open.split_off(start);
            for member in &component {
                self.is_open[member.index()] = false;
            }
            self.components.push(component);
        }
    }

    fn lower(&mut self, node: NodeId, number: u32) {
        let lowest = &mut self.lowest[node.index()];
        *lowest = number.min(*lowest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::closure;

    #[test]
    fn a_cycle_is_one_component() {
        let closure = closure("a -> b\nb -> c\nc -> b d\nd ->\ne -> d");
        let condensation = Condensation::new(&closure);
        let members: Vec<_> = condensation.ids().map(|id| condensation.members(id).to_vec()).collect();
        assert_eq!(members, [vec![NodeId(0)], vec![NodeId(1), NodeId(2)], vec![NodeId(4)], vec![NodeId(3)]]);
        let last = condensation.component_of(NodeId(3));
        assert_eq!(condensation.referrers(last).len(), 2);
    }

    #[test]
    fn users_come_before_what_they_use() {
        let closure = closure("z -> a\na -> m\nm -> b\nq -> b z");
        let order = topological_order(&closure);
        let place = |id: &NodeId| order.iter().position(|other| other == id).unwrap();
        for id in closure.ids() {
            assert!(closure.node(id).references.iter().all(|reference| place(&id) < place(reference)));
        }
    }

    #[test]
    fn depth_needs_no_native_stack() {
        let lines: Vec<String> = (0..200_000).map(|n| format!("{n:06} -> {:06}", n + 1)).collect();
        assert_eq!(Condensation::new(&closure(&lines.join("\n"))).len(), 200_001);
    }
}
