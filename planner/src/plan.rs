//! A plan: what the packer accepts, and the file it is kept in.
//!
//! There are three ways to one: [`crate::chain::run`], which checks what strategies say; [`Plan::from_json`], for a
//! file that [`Plan::to_json`] wrote; and [`Plan::from_store_layers`], for the list of lists of store paths that
//! nixpkgs' dockerTools keeps in `store_layers`. Each makes sure that every node is in exactly one layer and that no
//! layer is empty.

mod read;
mod settings;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use self::read::{MAX_NODES, MAX_VALUES};
pub use self::settings::SettingsText;
use crate::lineage::name_and_hash;
use crate::printable::{is_printable, printable_json};
use crate::{Breach, Closure, ClosureError, NodeId};

/// The value of `format` in a plan file.
const FORMAT: &str = "layerwright.plan/1";

/// Which node goes into which layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    kind: NodeKind,
    closure: Closure,
    planners: Vec<PlannerRecord>,
    layers: Vec<Layer>,
}

/// One layer of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Shown to people. May be empty.
    pub label: String,
    /// The planner that made the layer, as an index into [`Plan::planners`]. `None` for the one layer that holds what
    /// no planner placed, and in plans that no planner made.
    pub planner: Option<usize>,
    /// At least one, in the order in which they are packed, whatever a strategy says: packages ascending by name, and
    /// store paths as nixpkgs orders them within a layer, by name and then by hash, so that a layer of the same store
    /// paths has the same digest here and there. A file keeps the order in which it lists them.
    pub nodes: Vec<NodeId>,
}

/// What a node's name stands for, and with it where its files are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeKind {
    /// A store path: the name is an absolute path, the files are all below it.
    StorePath,
    /// A Debian package, `NAME_VERSION_ARCHITECTURE`: the files are those that dpkg's database lists.
    DpkgPackage,
}

/// Who planned, with what: enough to do it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannerRecord {
    /// As the strategy describes itself.
    pub name: String,
    /// As the strategy describes itself.
    pub version: String,
    /// Where the component came from.
    pub source: PlannerSource,
    /// `sha256:` and the hexadecimal digest of the component's bytes.
    pub digest: String,
    /// The settings it was given, a JSON object.
    pub settings: SettingsText,
}

/// Where a component came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlannerSource {
    /// It is part of the program.
    BuiltIn,
    /// A file that the user named.
    File,
}

impl PlannerRecord {
    /// The name as people are shown it. Of a component that is not part of the program, which may call itself as it likes,
    /// the beginning of its digest is shown too.
    #[must_use]
    pub fn shown(&self) -> String {
        let digest = self.digest.strip_prefix("sha256:").unwrap_or(&self.digest);
        let shown = match self.source {
            PlannerSource::BuiltIn => self.name.clone(),
            PlannerSource::File => format!("{} (file {})", self.name, digest.chars().take(8).collect::<String>()),
        };
        shown.chars().filter(|c| is_printable(*c)).collect()
    }
}

/// Why a file is no plan.
#[derive(Debug, Error)]
pub enum PlanError {
    /// Not JSON, or not of this shape.
    #[error("not a plan: {0}")]
    Malformed(#[from] serde_json::Error),
    /// A plan of another version of this program.
    #[error("the plan's format is `{0}`, but this program reads `{FORMAT}`")]
    UnknownFormat(String),
    /// A small packed file can tell more than memory holds.
    #[error("it has more than {MAX_VALUES} values: names, numbers, lists, and what is in settings")]
    TooManyValues,
    /// No closure has as many.
    #[error("it has more than {MAX_NODES} nodes")]
    TooManyNodes,
    /// The nodes contradict each other.
    #[error(transparent)]
    Closure(#[from] ClosureError),
    /// A label that no planner could have given.
    #[error(transparent)]
    Label(#[from] Breach),
    /// A layer without nodes.
    #[error("layer {layer} (counting from 0) is empty")]
    EmptyLayer {
        /// Which.
        layer: usize,
    },
    /// Store paths are absolute.
    #[error("layer {layer} (counting from 0) lists `{name}`, which is no absolute path")]
    NotAPath {
        /// Which.
        layer: usize,
        /// The name in question.
        name: String,
    },
    /// A layer of a planner that the file does not list.
    #[error("layer {layer} (counting from 0) was made by planner {planner}, but the plan lists {count}")]
    UnknownPlanner {
        /// Which.
        layer: usize,
        /// The index.
        planner: usize,
        /// How many there are.
        count: usize,
    },
}

impl Plan {
    /// Takes layers that together hold each node of `closure` once, none of them empty. The chain has checked that. Puts
    /// their nodes into the order in which they are packed.
    pub(crate) fn new(kind: NodeKind, closure: Closure, planners: Vec<PlannerRecord>, mut layers: Vec<Layer>) -> Self {
        debug_assert_eq!(layers.iter().map(|layer| layer.nodes.len()).sum::<usize>(), closure.len());
        debug_assert!(layers.iter().all(|layer| !layer.nodes.is_empty()));
        for Layer { nodes, .. } in &mut layers {
            match kind {
                NodeKind::StorePath => nodes.sort_by_key(|id| name_and_hash(&closure.node(*id).name)),
                NodeKind::DpkgPackage => nodes.sort_unstable(),
            }
        }
        Self { kind, closure, planners, layers }
    }

    /// Returns the plan file: JSON, indented, sorted, the same for the same plan, with a newline at the end. Nothing in it
    /// commands a terminal.
    #[must_use]
    pub fn to_json(&self) -> String {
        let file = PlanFile {
            format: FORMAT.into(),
            nodes: self.kind,
            planners: self.planners.clone(),
            roots: self.closure.roots().iter().map(|id| self.closure.node(*id).name.clone()).collect(),
            layers: self.layers.iter().map(|layer| self.file_layer(layer)).collect(),
        };
        printable_json(&serde_json::to_string_pretty(&file).expect("a plan has string keys only")) + "\n"
    }

    fn file_layer(&self, layer: &Layer) -> FileLayer {
        let nodes = layer.nodes.iter().map(|id| self.closure.node(*id));
        FileLayer {
            label: layer.label.clone(),
            planner: layer.planner,
            nodes: nodes
                .map(|node| FileNode {
                    name: node.name.clone(),
                    lineage: node.lineage.clone(),
                    size: node.size,
                    references: node.references.iter().map(|id| self.closure.node(*id).name.clone()).collect(),
                })
                .collect(),
        }
    }

    /// Returns what later plans may want to know of this one, as a plan file on one line, with a newline at the end: the
    /// layers, with names, lineages and sizes of nodes. References, roots, labels and planners are left out.
    #[must_use]
    pub fn to_history_line(&self) -> String {
        let layers = self.layers.iter().map(|layer| {
            let FileLayer { mut nodes, .. } = self.file_layer(layer);
            nodes.iter_mut().for_each(|node| node.references.clear());
            FileLayer { label: String::new(), planner: None, nodes }
        });
        let layers = layers.collect();
        let (planners, roots) = (Vec::new(), Vec::new());
        let file = PlanFile { format: FORMAT.into(), nodes: self.kind, planners, roots, layers };
        serde_json::to_string(&file).expect("a plan has string keys only") + "\n"
    }

    /// Returns the plan as a JSON list of lists of names, bottom-most layer first: dockerTools' `store_layers`.
    #[must_use]
    pub fn to_store_layers(&self) -> String {
        let lists: Vec<Vec<&str>> = self.layers.iter().map(|layer| self.names(layer).collect()).collect();
        printable_json(&serde_json::to_string_pretty(&lists).expect("lists of strings are JSON")) + "\n"
    }

    /// What the nodes' names stand for.
    #[must_use]
    pub fn kind(&self) -> NodeKind {
        self.kind
    }

    /// What is placed.
    #[must_use]
    pub fn closure(&self) -> &Closure {
        &self.closure
    }

    /// Who planned, in the order of the chain.
    #[must_use]
    pub fn planners(&self) -> &[PlannerRecord] {
        &self.planners
    }

    /// Bottom-most first. Together they hold each node once.
    #[must_use]
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Names of the nodes of one of this plan's layers, in their order.
    pub fn names<'a>(&'a self, layer: &'a Layer) -> impl Iterator<Item = &'a str> {
        layer.nodes.iter().map(|id| self.closure.node(*id).name.as_str())
    }

    /// Sum of the sizes of a layer's nodes in bytes.
    #[must_use]
    pub fn size(&self, layer: &Layer) -> u64 {
        layer.nodes.iter().fold(0, |sum, id| sum.saturating_add(self.closure.node(*id).size))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    format: String,
    nodes: NodeKind,
    planners: Vec<PlannerRecord>,
    roots: Vec<String>,
    layers: Vec<FileLayer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLayer {
    label: String,
    planner: Option<usize>,
    nodes: Vec<FileNode>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileNode {
    name: String,
    lineage: String,
    size: u64,
    references: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn store_layers_become_a_plan_and_back() {
        let text = r#"[["/nix/store/b-x", "/nix/store/a-glibc-2.40"], ["/nix/store/c-y"]]"#;
        let plan = Plan::from_store_layers(text).unwrap();
        assert_eq!(plan.names(&plan.layers()[0]).collect::<Vec<_>>(), ["/nix/store/b-x", "/nix/store/a-glibc-2.40"]);
        assert_eq!(plan.closure().nodes()[0].lineage, "glibc");
        assert_eq!(Plan::from_store_layers(&plan.to_store_layers()).unwrap(), plan);
        assert_eq!(Plan::from_json(&plan.to_json()).unwrap(), plan);
    }

    #[test]
    fn a_line_of_history_is_a_plan_without_references() {
        let text = r#"{"format": "layerwright.plan/1", "nodes": "store-path", "planners": [], "roots": ["/a"], "layers": [
            {"label": "x", "planner": null, "nodes": [{"name": "/a", "lineage": "l", "size": 7, "references": ["/b"]}]},
            {"label": "", "planner": null, "nodes": [{"name": "/b", "lineage": "", "size": 0, "references": []}]}]}"#;
        let line = Plan::from_json(text).unwrap().to_history_line();
        assert_eq!(line.find('\n'), Some(line.len() - 1));
        let plan = Plan::from_json(&line).unwrap();
        assert_eq!(plan.to_history_line(), line);
        assert_eq!(plan.to_store_layers(), "[\n  [\n    \"/a\"\n  ],\n  [\n    \"/b\"\n  ]\n]\n");
        let node = &plan.closure().nodes()[0];
        assert_eq!((node.lineage.as_str(), node.size, node.references.len()), ("l", 7, 0));
    }

    #[test]
    fn who_is_not_built_in_is_shown_with_a_digest() {
        let text = |source: &str| {
            let digest = "sha256:0123456789abcdef";
            format!(r#"{{"name": "x", "version": "1", "source": "{source}", "digest": "{digest}", "settings": {{}}}}"#)
        };
        let shown = |source: &str| serde_json::from_str::<PlannerRecord>(&text(source)).unwrap().shown();
        assert_eq!([shown("built-in"), shown("file")], ["x", "x (file 01234567)"]);
    }

    #[test]
    fn a_plan_file_commands_no_terminal() {
        let plan = Plan::from_store_layers("[[\"/a\u{9b}2J\u{202e}\u{7f}\"]]").unwrap();
        for text in [plan.to_json(), plan.to_store_layers()] {
            assert!(text.contains(r"/a\u009b2J\u202e\u007f"), "{text}");
        }
        assert_eq!(Plan::from_json(&plan.to_json()).unwrap(), plan);
    }

    #[test]
    fn store_layers_of_packages_are_packages() {
        let text = r#"[["libc6_2.36-9+deb12u14_amd64"], ["git_1:2.39.5_amd64", "git-man_1:2.39.5_all"],
            ["pg_back_1.0_amd64", "vip-manager_1.0_beta3-1_amd64", "odd_1.0/2_amd64"]]"#;
        let plan = Plan::from_store_layers(text).unwrap();
        assert_eq!(plan.kind(), NodeKind::DpkgPackage);
        let lineages: Vec<&str> = plan.closure().nodes().iter().map(|node| node.lineage.as_str()).collect();
        assert_eq!(lineages, ["git-man", "git", "libc6", "odd", "pg_back", "vip-manager"]);
    }

    #[test]
    fn what_is_no_plan_is_refused_with_the_place() {
        for (text, message) in [
            (r#"[["/a", "/b"], ["/a"]]"#, "node `/a` is there twice"),
            (r#"[["/a"], []]"#, "layer 1 (counting from 0) is empty"),
            (r#"[["a"]]"#, "layer 0 (counting from 0) lists `a`, which is no absolute path"),
        ] {
            assert_eq!(Plan::from_store_layers(text).unwrap_err().to_string(), message);
        }
        let plan = Plan::from_store_layers(r#"[["/nix/store/x"]]"#).unwrap();
        let shown = Plan::from_json(&plan.to_json().replace(r#""label": """#, r#""label": "\u001b[2J""#)).unwrap_err();
        assert_eq!(shown.to_string(), "layer 0 has a label with the unprintable character '\\u{1b}'");
        let other = Plan::from_json(r#"{"format": "layerwright.plan/9"}"#).unwrap_err();
        assert_eq!(
            other.to_string(),
            "the plan's format is `layerwright.plan/9`, but this program reads `layerwright.plan/1`"
        );
    }
}
