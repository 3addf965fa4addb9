//! A plan from its file, which may be anybody's.
//!
//! How much a text tells is counted before anything is made of it, so that a small packed file of a hundred million empty
//! lists costs its text, and no more. Whoever reads the file bounds that.

use serde::Deserialize;

use super::{FORMAT, FileLayer, FileNode, Layer, NodeKind, Plan, PlanError, PlanFile, PlannerRecord};
use crate::check::check_label;
use crate::lineage::lineage_of_node;
use crate::package_name::PackageName;
use crate::{Closure, NamedNode, NodeId};

/// Most nodes: as many as a graph may have.
pub(super) const MAX_NODES: usize = 500_000;

/// Most values of JSON: so many nodes, of five each, with the four million references that a graph may have, and as many
/// roots. Of all packages of Debian there are 700,000.
pub(super) const MAX_VALUES: usize = 8_000_000;

impl Plan {
    /// Reads what [`Plan::to_json`] wrote.
    ///
    /// # Errors
    ///
    /// Anything that is not such a file, with the place where it goes wrong; and one that tells more than a closure holds.
    pub fn from_json(text: &str) -> Result<Self, PlanError> {
        check_values(text)?;
        let Header { format } = serde_json::from_str(text)?;
        if format != FORMAT {
            return Err(PlanError::UnknownFormat(format));
        }
        let file: PlanFile = serde_json::from_str(text)?;
        check_nodes(file.layers.iter().map(|layer| layer.nodes.len()))?;
        let count = file.planners.len();
        let mut named = Vec::new();
        let mut shells = Vec::new();
        for (layer, FileLayer { label, planner, nodes }) in file.layers.into_iter().enumerate() {
            check_label(layer, &label)?;
            if let Some(planner) = planner.filter(|planner| *planner >= count) {
                return Err(PlanError::UnknownPlanner { layer, planner, count });
            }
            shells.push((label, planner, nodes.iter().map(|node| node.name.clone()).collect()));
            named.extend(nodes.into_iter().map(NamedNode::from));
        }
        Self::assemble(file.nodes, named, Some(&file.roots), file.planners, shells)
    }

    /// Reads a JSON list of lists of names, bottom-most layer first: store paths, or all of them Debian packages as
    /// [`NodeKind::DpkgPackage`] names them.
    ///
    /// Such a list knows neither sizes (they become 0) nor references.
    ///
    /// # Errors
    ///
    /// Anything that is not such a list, a path that is there twice, an empty layer; and more than a closure holds.
    pub fn from_store_layers(text: &str) -> Result<Self, PlanError> {
        check_values(text)?;
        let lists: Vec<Vec<String>> = serde_json::from_str(text)?;
        check_nodes(lists.iter().map(Vec::len))?;
        let kind = kind_of_names(lists.iter().flatten());
        let mut named = Vec::new();
        for (layer, name) in lists.iter().enumerate().flat_map(|(at, list)| list.iter().map(move |name| (at, name))) {
            if kind == NodeKind::StorePath && !name.starts_with('/') {
                return Err(PlanError::NotAPath { layer, name: name.clone() });
            }
            let lineage = lineage_of_node(name);
            named.push(NamedNode { name: name.clone(), lineage, size: 0, references: Vec::new() });
        }
        let shells = lists.into_iter().map(|names| (String::new(), None, names)).collect();
        Self::assemble(kind, named, None, Vec::new(), shells)
    }

    fn assemble(
        kind: NodeKind,
        named: Vec<NamedNode>,
        roots: Option<&[String]>,
        planners: Vec<PlannerRecord>,
        shells: Vec<(String, Option<usize>, Vec<String>)>,
    ) -> Result<Self, PlanError> {
        let closure = Closure::new(named, roots)?;
        let find = |name: &String| closure.find(name).expect("every name of a layer went into the closure");
        let layers = shells
            .into_iter()
            .map(|(label, planner, names)| {
                let nodes: Vec<NodeId> = names.iter().map(find).collect();
                Layer { label, planner, nodes }
            })
            .collect();
        Ok(Self { kind, closure, planners, layers })
    }
}

/// Each value but the first stands after a comma or a bracket. Those within texts count too, which no plan has many of.
fn check_values(text: &str) -> Result<(), PlanError> {
    let before_values = text.bytes().filter(|byte| matches!(byte, b',' | b'[' | b'{')).count();
    if before_values < MAX_VALUES { Ok(()) } else { Err(PlanError::TooManyValues) }
}

/// Takes the number of nodes in each layer.
fn check_nodes(layers: impl Iterator<Item = usize> + Clone) -> Result<(), PlanError> {
    if let Some(layer) = layers.clone().position(|nodes| nodes == 0) {
        return Err(PlanError::EmptyLayer { layer });
    }
    if layers.sum::<usize>() <= MAX_NODES { Ok(()) } else { Err(PlanError::TooManyNodes) }
}

fn kind_of_names<'a>(names: impl Iterator<Item = &'a String>) -> NodeKind {
    let mut names = names.peekable();
    let has_names = names.peek().is_some();
    match has_names && names.all(|name| PackageName::parse(name).is_some()) {
        true => NodeKind::DpkgPackage,
        false => NodeKind::StorePath,
    }
}

#[derive(Deserialize)]
struct Header {
    format: String,
}

impl From<FileNode> for NamedNode {
    fn from(FileNode { name, lineage, size, references }: FileNode) -> Self {
        Self { name, lineage, size, references }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A plan with this instead of nothing at one place.
    fn plan_with(place: &str, content: &str) -> String {
        let mut text = concat!(
            r#"{"format":"layerwright.plan/1","nodes":"store-path","planners":[{"name":"x","version":"1","source":"file","#,
            r#""digest":"","settings":{"x":[<settings>]}}<planners>],"roots":[<roots>],"layers":[{"label":"","planner":null,"#,
            r#""nodes":[{"name":"/a","lineage":"","size":1,"references":[<references>]}<nodes>]}<layers>]}"#
        )
        .to_owned();
        for each in ["settings", "planners", "roots", "references", "nodes", "layers"] {
            text = text.replace(&format!("<{each}>"), if each == place { content } else { "" });
        }
        text
    }

    /// So many of a thing, with commas between.
    fn many(thing: &str, count: usize) -> String {
        let mut all = format!("{thing},").repeat(count);
        all.pop();
        all
    }

    #[test]
    fn whatever_a_plan_lists_is_counted() {
        assert!(Plan::from_json(&plan_with("", "")).is_ok());
        for (place, thing) in [
            ("settings", "0"),
            ("settings", "[]"),
            ("settings", "\"\""),
            ("roots", "\"\""),
            ("references", "\"/a\""),
            ("nodes", "[]"),
            ("planners", "{}"),
            ("layers", "[]"),
        ] {
            let text = plan_with(place, &many(thing, MAX_VALUES));
            let refused = Plan::from_json(&text);
            assert!(matches!(refused, Err(PlanError::TooManyValues)), "{place} {thing} {refused:?}");
        }
        for thing in ["[]", "[\"/a\"]", "[[]]"] {
            let refused = Plan::from_store_layers(&format!("[{}]", many(thing, MAX_VALUES)));
            assert!(matches!(refused, Err(PlanError::TooManyValues)), "{thing} {refused:?}");
        }
    }

    #[test]
    fn a_plan_has_no_more_nodes_than_a_graph() {
        let names = |count: usize| (0..count).map(|at| format!("\"/{at:06}\"")).collect::<Vec<_>>().join(",");
        assert_eq!(Plan::from_store_layers(&format!("[[{}]]", names(MAX_NODES))).unwrap().closure().len(), MAX_NODES);
        let refused = Plan::from_store_layers(&format!("[[{}]]", names(MAX_NODES + 1))).unwrap_err();
        assert_eq!(refused.to_string(), "it has more than 500000 nodes");
        let node = r#"{"name":"/a","lineage":"","size":1,"references":[]}"#;
        let refused = Plan::from_json(&plan_with("nodes", &format!(",{}", many(node, MAX_NODES)))).unwrap_err();
        assert!(matches!(refused, PlanError::TooManyNodes), "{refused}");
    }
}
