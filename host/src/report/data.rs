//! What a page is told. The script reads it by these names.

use layerwright_planner::NodeKind;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Data<'a> {
    /// What it is about: a source, a destination, files.
    pub(crate) title: String,
    /// Which command wrote it.
    pub(crate) command: &'static str,
    /// Name and version.
    pub(crate) program: &'static str,
    /// What is drawn as a map. Of several one is chosen.
    pub(crate) images: Vec<Image<'a>>,
    /// What `compare --json` prints.
    pub(crate) comparison: Option<Value>,
    /// What is drawn as curves.
    pub(crate) histories: Vec<History<'a>>,
}

impl<'a> Data<'a> {
    /// A page without curves.
    pub(crate) fn of_images(command: &'static str, title: String, images: Vec<Image<'a>>) -> Self {
        let program = concat!("layerwright ", env!("CARGO_PKG_VERSION"));
        Self { title, command, program, images, comparison: None, histories: Vec::new() }
    }
}

/// Layers, and the nodes in them.
#[derive(Debug, Serialize)]
pub(crate) struct Image<'a> {
    /// Tells it from others of the page.
    pub(crate) name: String,
    #[serde(serialize_with = "kind_in_short")]
    pub(crate) kind: NodeKind,
    /// What was asked for.
    pub(crate) roots: Vec<u32>,
    /// How many updates led here, as far as is known.
    pub(crate) updates: usize,
    pub(crate) nodes: &'a Nodes<'a>,
    /// Bottom-most first.
    pub(crate) layers: Vec<Layer>,
}

/// Of each node one value in each list, in the order of the closure: a node's number is its place.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Nodes<'a> {
    pub(crate) names: Vec<&'a str>,
    pub(crate) lineages: Vec<&'a str>,
    /// Bytes.
    pub(crate) sizes: Vec<u64>,
    /// Empty where they are not known, and so is the popularity.
    pub(crate) references: Vec<Vec<u32>>,
    /// From 0 to 1000.
    pub(crate) popularity: Vec<u32>,
    /// In how many updates it was another one. Empty where no update is known.
    pub(crate) changes: Vec<u32>,
    /// How many updates these were.
    #[serde(skip)]
    pub(crate) updates: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct Layer {
    pub(crate) label: String,
    /// Who made it, if anyone has.
    pub(crate) planner: Option<String>,
    pub(crate) nodes: Vec<u32>,
    /// `None` where there is nothing to compare with.
    pub(crate) state: Option<LayerState>,
    /// Bytes, where they are not those of the nodes: of the blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    /// Of the blob, or of the plain tar; of images only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) digest: Option<String>,
}

/// Whether someone who has what was there before has the layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LayerState {
    Kept,
    New,
}

/// What updates cost, update by update, in bytes.
#[derive(Debug, Serialize)]
pub(crate) struct History<'a> {
    /// Tells it from others of the page.
    pub(crate) name: &'a str,
    /// As the user named it.
    pub(crate) file: &'a str,
    /// Of the image before all updates.
    pub(crate) since: &'a str,
    /// Of the updates.
    pub(crate) dates: Vec<&'a str>,
    pub(crate) floor_bytes: Vec<u64>,
    pub(crate) single_layer_bytes: Vec<u64>,
    pub(crate) runs: Vec<Run<'a>>,
}

/// One planner with one limit.
#[derive(Debug, Serialize)]
pub(crate) struct Run<'a> {
    pub(crate) planner: &'a str,
    pub(crate) max_layers: u32,
    pub(crate) pulled_bytes: &'a [u64],
    pub(crate) layers_used: usize,
    pub(crate) largest_layer_permille: u64,
    pub(crate) planning_us: u64,
    /// Which of the page's images it ended with. `None` where that is too large for the page.
    pub(crate) image: Option<usize>,
}

/// The page only asks whether a change renames what refers to the node.
fn kind_in_short<S: Serializer>(kind: &NodeKind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match kind {
        NodeKind::StorePath => "store-path",
        NodeKind::DpkgPackage => "package",
    })
}
