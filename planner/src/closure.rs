//! The graph that everything else is about.

use std::collections::BTreeMap;

use thiserror::Error;

/// Position of a node in one [`Closure`]; means nothing in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

impl NodeId {
    /// As an index into a slice that runs parallel to [`Closure::nodes`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// One indivisible part of an image: a Nix store path, or a distribution package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Unique within the closure. For Nix, the absolute store path.
    pub name: String,
    /// The name without what changes from version to version. Not unique.
    pub lineage: String,
    /// Bytes of the node's own content, uncompressed (Nix: the NAR size).
    pub size: u64,
    /// What it refers to directly: ascending, without duplicates and without itself.
    pub references: Vec<NodeId>,
}

/// A node whose references are still names, as sources read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedNode {
    /// As [`Node::name`].
    pub name: String,
    /// As [`Node::lineage`].
    pub lineage: String,
    /// As [`Node::size`].
    pub size: u64,
    /// Names of what it refers to, in any order; itself and duplicates are dropped.
    pub references: Vec<String>,
}

/// A graph closed under reference, with the nodes that were asked for.
///
/// Nodes ascend by name, compared as bytes. Nix closures have no cycles; those of other package managers may.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Closure {
    nodes: Vec<Node>,
    roots: Vec<NodeId>,
}

/// Why some nodes are no closure.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ClosureError {
    /// Going on would pack one of the two and lose the other.
    #[error("node `{name}` is there twice")]
    DuplicateNode {
        /// The name in question.
        name: String,
    },
    /// Going on would write an image in which `node` does not work.
    #[error("node `{node}` refers to `{reference}`, which is not in the closure")]
    DanglingReference {
        /// Who refers.
        node: String,
        /// To what.
        reference: String,
    },
    /// A root that is no node.
    #[error("root `{name}` is not in the closure")]
    UnknownRoot {
        /// The name in question.
        name: String,
    },
    /// Node identifiers are 32 bits wide in the contract.
    #[error("{count} nodes are more than a closure can hold")]
    TooManyNodes {
        /// How many there were.
        count: usize,
    },
}

impl Closure {
    /// Sorts the nodes, resolves the references and checks both.
    ///
    /// `roots` are names; where it is `None`, the roots are the nodes that no other node refers to.
    ///
    /// # Errors
    ///
    /// A name that is there twice, a reference or root that is no node.
    pub fn new(mut nodes: Vec<NamedNode>, roots: Option<&[String]>) -> Result<Self, ClosureError> {
        if u32::try_from(nodes.len()).is_err() {
            return Err(ClosureError::TooManyNodes { count: nodes.len() });
        }
        nodes.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(pair) = nodes.windows(2).find(|pair| pair[0].name == pair[1].name) {
            return Err(ClosureError::DuplicateNode { name: pair[0].name.clone() });
        }
        let ids: BTreeMap<&str, NodeId> =
            nodes.iter().zip(0..).map(|(node, id)| (node.name.as_str(), NodeId(id))).collect();
        let references =
            nodes.iter().map(|node| resolve_references(node, &ids)).collect::<Result<Vec<_>, ClosureError>>()?;
        let named_roots = roots.map(|names| resolve_roots(names, &ids)).transpose()?;

        let nodes: Vec<Node> = nodes
            .into_iter()
            .zip(references)
            .map(|(NamedNode { name, lineage, size, .. }, references)| Node { name, lineage, size, references })
            .collect();
        let roots = named_roots.unwrap_or_else(|| unreferenced(&nodes));
        Ok(Self { nodes, roots })
    }

    /// Takes what a host handed over, which has promised the order and that references stay inside.
    #[cfg(feature = "guest")]
    pub(crate) fn from_contract(nodes: Vec<Node>, roots: Vec<NodeId>) -> Self {
        Self { nodes, roots }
    }

    /// All nodes, ascending by name.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The node at that position.
    ///
    /// # Panics
    ///
    /// If `id` belongs to another, larger closure.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// What the image was asked for; everything else is here because these need it. Ascending.
    #[must_use]
    pub fn roots(&self) -> &[NodeId] {
        &self.roots
    }

    /// Every node's position, ascending.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).expect("`new` refuses more")).map(NodeId)
    }

    /// The node of that name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeId> {
        let index = self.nodes.binary_search_by(|node| node.name.as_str().cmp(name)).ok()?;
        Some(NodeId(u32::try_from(index).expect("`new` refuses more")))
    }

    /// How many nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Sum of all sizes in bytes, at most `u64::MAX`.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.nodes.iter().fold(0, |sum, node| sum.saturating_add(node.size))
    }

    /// The graph of these nodes (ascending, distinct), each with those references (ascending) that are named with it; of
    /// these, the ones to other nodes are dropped. The roots are those that none of them refers to.
    ///
    /// Position `i` of the result is node `keep[i]` here.
    #[must_use]
    pub fn subgraph(&self, keep: &[(NodeId, &[NodeId])]) -> Self {
        let position = |id: &NodeId| keep.binary_search_by_key(id, |(kept, _)| *kept).ok();
        let narrow = |index| NodeId(u32::try_from(index).expect("`new` refuses more"));
        let nodes: Vec<Node> = keep
            .iter()
            .map(|(id, references)| {
                let Node { name, lineage, size, .. } = self.node(*id);
                let references = references.iter().filter_map(position).map(narrow).collect();
                Node { name: name.clone(), lineage: lineage.clone(), size: *size, references }
            })
            .collect();
        let roots = unreferenced(&nodes);
        Self { nodes, roots }
    }

    /// The graph among `keep` alone (ascending, distinct); references to other nodes are dropped.
    ///
    /// Its roots are the kept ones of this closure's, and those kept nodes that no other kept node refers to.
    /// Position `i` of the result is node `keep[i]` here.
    #[must_use]
    pub fn induced(&self, keep: &[NodeId]) -> Self {
        let mut position = vec![None; self.len()];
        for (id, new) in keep.iter().zip(0..) {
            position[id.index()] = Some(NodeId(new));
        }
        let translate = |ids: &[NodeId]| ids.iter().filter_map(|id| position[id.index()]).collect::<Vec<_>>();
        let nodes: Vec<Node> = keep
            .iter()
            .map(|&id| self.node(id))
            .map(|node| Node { references: translate(&node.references), ..node.clone() })
            .collect();
        let mut roots = translate(&self.roots);
        roots.extend(unreferenced(&nodes));
        roots.sort_unstable();
        roots.dedup();
        Self { nodes, roots }
    }
}

fn resolve_references(node: &NamedNode, ids: &BTreeMap<&str, NodeId>) -> Result<Vec<NodeId>, ClosureError> {
    let mut references = Vec::with_capacity(node.references.len());
    for reference in node.references.iter().filter(|name| **name != node.name) {
        let id = ids
            .get(reference.as_str())
            .ok_or_else(|| ClosureError::DanglingReference { node: node.name.clone(), reference: reference.clone() })?;
        references.push(*id);
    }
    references.sort_unstable();
    references.dedup();
    Ok(references)
}

fn resolve_roots(names: &[String], ids: &BTreeMap<&str, NodeId>) -> Result<Vec<NodeId>, ClosureError> {
    let mut roots = names
        .iter()
        .map(|name| ids.get(name.as_str()).copied().ok_or_else(|| ClosureError::UnknownRoot { name: name.clone() }))
        .collect::<Result<Vec<_>, _>>()?;
    roots.sort_unstable();
    roots.dedup();
    Ok(roots)
}

fn unreferenced(nodes: &[Node]) -> Vec<NodeId> {
    let mut referenced = vec![false; nodes.len()];
    for reference in nodes.iter().flat_map(|node| &node.references) {
        referenced[reference.index()] = true;
    }
    referenced.iter().zip(0..).filter(|(referenced, _)| !**referenced).map(|(_, id)| NodeId(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, references: &[&str]) -> NamedNode {
        NamedNode {
            name: name.into(),
            lineage: name.into(),
            size: 1,
            references: references.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn nodes_ascend_by_name_and_self_references_are_dropped() {
        let closure = Closure::new(vec![node("b", &["b", "a", "a"]), node("a", &[])], None).unwrap();
        assert_eq!(closure.node(NodeId(1)).references, [NodeId(0)]);
        assert_eq!(closure.roots(), [NodeId(1)]);
        assert_eq!(closure.find("b"), Some(NodeId(1)));
    }

    #[test]
    fn a_name_that_is_there_twice_is_refused() {
        let error = Closure::new(vec![node("a", &[]), node("a", &[])], None).unwrap_err();
        assert_eq!(error, ClosureError::DuplicateNode { name: "a".into() });
    }

    #[test]
    fn a_dangling_reference_names_both_ends() {
        let error = Closure::new(vec![node("a", &["gone"])], None).unwrap_err();
        assert_eq!(error.to_string(), "node `a` refers to `gone`, which is not in the closure");
    }

    #[test]
    fn an_induced_graph_keeps_what_is_among_the_kept() {
        let closure = Closure::new(vec![node("a", &["b"]), node("b", &["c"]), node("c", &[])], None).unwrap();
        let induced = closure.induced(&[NodeId(0), NodeId(2)]);
        assert_eq!(induced.nodes()[0].references, []);
        assert_eq!(induced.roots(), [NodeId(0), NodeId(1)]);
    }

    #[test]
    fn a_subgraph_has_the_references_that_are_named() {
        let nodes = vec![node("a", &["b", "c"]), node("b", &["c"]), node("c", &[]), node("d", &[])];
        let closure = Closure::new(nodes, None).unwrap();
        let [a, b, c, d] = [0, 1, 2, 3].map(NodeId);
        let subgraph = closure.subgraph(&[(a, &[c, d]), (c, &[])]);
        assert_eq!(subgraph.nodes()[0].references, [NodeId(1)]);
        assert_eq!((subgraph.len(), subgraph.roots()), (2, &[NodeId(0)][..]));
        assert_eq!(closure.subgraph(&[(a, &[]), (b, &[])]).roots().len(), 2);
    }
}
