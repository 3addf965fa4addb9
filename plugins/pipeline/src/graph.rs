//! Some of the nodes, in an order, with some of their references.

use layerwright_planner::graph::{popularity, sort_by_popularity};
use layerwright_planner::{Closure, NodeId};

/// Operations take it apart and put it together; no node is ever in two of them.
#[derive(Default)]
pub(crate) struct Graph {
    vertices: Vec<Vertex>,
}

struct Vertex {
    id: NodeId,
    /// Ascending, and all in the same graph.
    references: Vec<NodeId>,
}

/// A vertex, by its position in one graph.
type Position = usize;

/// The parts of a graph after `split_paths`.
pub(crate) struct Split {
    pub(crate) main: Graph,
    pub(crate) common: Graph,
    pub(crate) rest: Graph,
}

/// Which way references are followed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    Out,
    In,
}

impl Graph {
    /// All of a closure: smallest nodes first, equal ones by name.
    pub(crate) fn new(closure: &Closure) -> Self {
        let mut ids: Vec<NodeId> = closure.ids().collect();
        ids.sort_by_key(|id| closure.node(*id).size);
        let vertices = ids.into_iter().map(|id| Vertex { id, references: closure.node(id).references.clone() });
        Self { vertices: vertices.collect() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.vertices.is_empty()
    }

    /// In their order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.vertices.iter().map(|vertex| vertex.id)
    }

    /// The nodes to which these refer here.
    pub(crate) fn children_of(&self, ids: &[NodeId]) -> Vec<NodeId> {
        let parents = self.vertices.iter().filter(|vertex| ids.binary_search(&vertex.id).is_ok());
        let mut children: Vec<NodeId> = parents.flat_map(|vertex| vertex.references.iter().copied()).collect();
        children.sort_unstable();
        children.dedup();
        children
    }

    /// One graph for each node, the most popular first.
    pub(crate) fn popularity_contest(self, closure: &Closure) -> Vec<Self> {
        let mut vertices = self.vertices;
        vertices.sort_unstable_by_key(|vertex| vertex.id);
        let keep: Vec<(NodeId, &[NodeId])> =
            vertices.iter().map(|vertex| (vertex.id, vertex.references.as_slice())).collect();
        let scores = popularity(&closure.subgraph(&keep));
        let ordered = sort_by_popularity(closure, vertices.iter().map(|vertex| vertex.id).zip(scores).collect());
        let alone = |id| Self { vertices: vec![Vertex { id, references: Vec::new() }] };
        ordered.into_iter().map(alone).collect()
    }

    /// Takes these nodes (ascending) off with what they need. References to them are gone afterwards, unless one of them
    /// is the only node that nothing refers to: then all is `main`.
    pub(crate) fn split(mut self, ids: &[NodeId]) -> Split {
        let index = Index::new(&self);
        let is_split = self.marked(ids);
        if is_split.iter().all(|split| !split) {
            return Split { main: Self::default(), common: Self::default(), rest: self };
        }
        if self.only_root(&index).is_some_and(|root| is_split[root]) {
            return Split { main: self, common: Self::default(), rest: Self::default() };
        }
        let split_off = self.reached(&index, &is_split, Direction::Out);
        for vertex in &mut self.vertices {
            vertex.references.retain(|id| ids.binary_search(id).is_err());
        }
        let others: Vec<bool> = split_off.iter().map(|split_off| !split_off).collect();
        let needed_by_others = self.reached(&index, &others, Direction::Out);
        let part = |at: Position| match (split_off[at], needed_by_others[at]) {
            (true, false) => 0,
            (true, true) => 1,
            (false, _) => 2,
        };
        let [main, common, rest] = self.divide::<3>(&index, part);
        Split { main, common, rest }
    }

    /// These nodes (ascending) with all that they reach, and the others.
    pub(crate) fn subcomponent(self, ids: &[NodeId], direction: Direction) -> [Self; 2] {
        let index = Index::new(&self);
        let reached = self.reached(&index, &self.marked(ids), direction);
        self.divide(&index, |at| usize::from(!reached[at]))
    }

    /// Without these nodes (ascending).
    pub(crate) fn without(self, ids: &[NodeId]) -> Self {
        let index = Index::new(&self);
        let is_gone = self.marked(ids);
        let [kept, _] = self.divide(&index, |at| usize::from(is_gone[at]));
        kept
    }

    /// Graphs of `count` nodes; the last one may have fewer.
    pub(crate) fn split_every(self, count: usize) -> Vec<Self> {
        let mut chunks: Vec<Self> = Vec::new();
        for vertex in self.vertices {
            match chunks.last_mut().filter(|chunk| chunk.vertices.len() < count) {
                Some(chunk) => chunk.vertices.push(vertex),
                None => chunks.push(Self { vertices: vec![vertex] }),
            }
        }
        chunks.iter_mut().for_each(Self::forget_others);
        chunks
    }

    /// One after the other, each with the references that it has.
    pub(crate) fn concat(graphs: impl IntoIterator<Item = Self>) -> Self {
        Self { vertices: graphs.into_iter().flat_map(|graph| graph.vertices).collect() }
    }

    fn marked(&self, ids: &[NodeId]) -> Vec<bool> {
        self.ids().map(|id| ids.binary_search(&id).is_ok()).collect()
    }

    /// The one vertex that no other refers to. `None` where there are several, or none but in cycles.
    fn only_root(&self, index: &Index) -> Option<Position> {
        let mut is_referred_to = vec![false; self.vertices.len()];
        for id in self.vertices.iter().flat_map(|vertex| &vertex.references) {
            is_referred_to[index.position(*id)] = true;
        }
        let mut roots = (0..self.vertices.len()).filter(|at| !is_referred_to[*at]);
        roots.next().filter(|_| roots.next().is_none())
    }

    /// Marks what is reached from the marked vertices, and these.
    fn reached(&self, index: &Index, from: &[bool], direction: Direction) -> Vec<bool> {
        let next = match direction {
            Direction::Out => self.positions(index),
            Direction::In => turned_round(&self.positions(index)),
        };
        let mut reached = from.to_vec();
        let mut open: Vec<Position> = (0..from.len()).filter(|at| from[*at]).collect();
        while let Some(at) = open.pop() {
            for &to in &next[at] {
                if !std::mem::replace(&mut reached[to], true) {
                    open.push(to);
                }
            }
        }
        reached
    }

    fn positions(&self, index: &Index) -> Vec<Vec<Position>> {
        let positions = |vertex: &Vertex| vertex.references.iter().map(|id| index.position(*id)).collect();
        self.vertices.iter().map(positions).collect()
    }

    /// Parts by their number, each in the order of the whole. References from one to another are dropped.
    fn divide<const N: usize>(self, index: &Index, part: impl Fn(Position) -> usize) -> [Self; N] {
        let mut parts = [const { Self { vertices: Vec::new() } }; N];
        for (at, mut vertex) in self.vertices.into_iter().enumerate() {
            vertex.references.retain(|id| part(index.position(*id)) == part(at));
            parts[part(at)].vertices.push(vertex);
        }
        parts
    }

    /// Drops references that lead out of this graph.
    fn forget_others(&mut self) {
        let mut ids: Vec<NodeId> = self.ids().collect();
        ids.sort_unstable();
        for vertex in &mut self.vertices {
            vertex.references.retain(|id| ids.binary_search(id).is_ok());
        }
    }
}

fn turned_round(next: &[Vec<Position>]) -> Vec<Vec<Position>> {
    let mut previous = vec![Vec::new(); next.len()];
    for (from, targets) in next.iter().enumerate() {
        for &to in targets {
            previous[to].push(from);
        }
    }
    previous
}

/// Where each node of one graph is: a table for the graph alone, since there may be as many graphs as nodes.
struct Index(Vec<(NodeId, Position)>);

impl Index {
    fn new(graph: &Graph) -> Self {
        let mut places: Vec<(NodeId, Position)> = graph.ids().zip(0..).collect();
        places.sort_unstable();
        Self(places)
    }

    /// Of a node that is in the graph.
    fn position(&self, id: NodeId) -> Position {
        let at = self.0.binary_search_by_key(&id, |(id, _)| *id).expect("references stay within a graph");
        self.0[at].1
    }
}
