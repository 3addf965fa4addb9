//! `layerwright compare`
//!
//! A layer of plans is kept if the other one has a layer of the very same nodes: a store path's name tells its content, and a
//! package's its version. A layer of images is kept if the other one has its blob, by its digest, or by its diff ID where an
//! archive does not tell that. Images are not read for it: what their documents say is believed.
//!
//! An image can be compared with a plan where it says what is in its layers. Those of which it does not, as those of a base
//! image and the customisation layer, are in no plan, and left out.
//!
//! What changed is told by lineage, see [`changes`].

mod changes;
mod report;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use indicatif::BinaryBytes;
use layerwright_packer::{ImageOutline, ImageSource, OutlineLayer};
use layerwright_planner::{NodeId, Plan};
use serde::Serialize;

use self::changes::{Changes, Names};
use super::output::{check_writable, counted, print, print_json};
use super::places::{Place, check_apart};
use super::plan_file::{PlanForm, read_plan};
use crate::arguments::CompareArguments;
use crate::console::Console;
use crate::exit::Usage;
use crate::input::{is_stream, open_packed, with_start};
use crate::outline::open_outline;
use crate::report::LayerState;

pub(crate) fn run(arguments: &CompareArguments, console: &Console) -> Result<ExitCode> {
    let CompareArguments { old, new, report, architecture, json } = arguments;
    let report = report.file.as_deref();
    let sources = (Source::new(old)?, Source::new(new)?);
    if [old, new].iter().all(|side| *side == "-") {
        return Err(Usage(anyhow!("only one of the two can be standard input")).into());
    }
    let read = [("OLD", &sources.0), ("NEW", &sources.1)].map(|(name, source)| Place::of_side(name, source.path()));
    check_apart([Place::of_report(report)], read.into_iter().flatten()).map_err(Usage)?;
    report.map_or(Ok(()), check_writable)?;
    let read = |text: &str, source: &Source| match source {
        Source::Plan(file) => read_side(file, console).map(Side::Plan),
        Source::Image(image) => {
            let outline = open_outline(image, architecture.as_deref(), console);
            outline.map(Side::Image).with_context(|| format!("reading {text}"))
        }
    };
    let sides = (read(old, &sources.0)?, read(new, &sources.1)?);
    let comparison = Comparison::of(&sides.0, &sides.1)?;
    match json {
        true => print_json(&comparison)?,
        false => print(&comparison.text())?,
    }
    if let Some(file) = report {
        report::write_of(file, &format!("{old} and {new}"), &sides, &comparison, console)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What whoever has the old one must pull for the new one. What `--json` prints.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Comparison {
    layer_bytes: LayerBytes,
    /// Layers that both have.
    kept_layers: usize,
    kept_bytes: u64,
    /// Layers of the new one that are to be pulled, counted from the bottom, from 0.
    new_layers: Vec<usize>,
    new_bytes: u64,
    /// Layers of the old one that are of no use any more.
    old_layers: usize,
    old_bytes: u64,
    /// `None` for images that do not tell. Sizes of nodes are those of plans.
    nodes: Option<NodeComparison>,
    /// Which nodes these are, and which are gone. `None` as above.
    changes: Option<Changes>,
    /// Of layers of the new one, all that are compared, by their place.
    #[serde(skip)]
    states: BTreeMap<usize, LayerState>,
}

/// What bytes of layers are. Those of nodes are always uncompressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum LayerBytes {
    /// Sizes of blobs, where both are images.
    Blobs,
    /// Of the nodes in them, uncompressed.
    Nodes,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct NodeComparison {
    /// Nodes that the old one has not.
    new: usize,
    /// Of these: the least that any plan would have to send.
    new_bytes: u64,
    /// Nodes that both have, and that are sent again.
    sent_again: usize,
    sent_again_bytes: u64,
}

/// Where one of the two is.
enum Source {
    Plan(PathBuf),
    Image(ImageSource),
}

impl Source {
    /// A plan is JSON, and may be packed; nothing that holds an image begins like it. A stream can be read once only, which
    /// is enough for a plan.
    fn new(text: &str) -> Result<Self> {
        let path = Path::new(text);
        Ok(match is_stream(path) || begins_like_json(path) {
            true => Self::Plan(path.to_owned()),
            false => Self::Image(text.parse()?),
        })
    }

    fn path(&self) -> &Path {
        match self {
            Self::Plan(file) => file,
            Self::Image(image) => image.path(),
        }
    }
}

fn begins_like_json(path: &Path) -> bool {
    let start = path.is_file().then(|| with_start(open_packed(path)?).map(|(start, _)| start));
    start.is_some_and(|start| start.is_ok_and(|start| matches!(start.trim_ascii_start(), [b'{' | b'[', ..])))
}

/// Layers can be compared without sizes.
fn read_side(file: &Path, console: &Console) -> Result<Plan> {
    let plan = read_plan(file, console)?;
    if plan.form == PlanForm::StoreLayers {
        console.warn(&format!("{} is a list of layers, which tells no sizes: its nodes count 0 bytes", file.display()));
    }
    Ok(plan.plan)
}

/// One of the two.
enum Side {
    Plan(Plan),
    Image(ImageOutline),
}

/// A layer of a plan, or of an image that says so: its place, counted from the bottom, from 0, and names and sizes of its
/// nodes.
type Contents<'a> = (usize, BTreeMap<&'a str, u64>);

/// A layer, by what tells it from others, and its size.
type Known<K> = (K, u64);

impl Side {
    /// Empty where it is not known.
    fn contents(&self) -> Vec<Contents<'_>> {
        match self {
            Self::Plan(plan) => {
                let node = |id: &NodeId| (plan.closure().node(*id).name.as_str(), plan.closure().node(*id).size);
                plan.layers().iter().map(|layer| layer.nodes.iter().map(node).collect()).enumerate().collect()
            }
            Self::Image(image) => {
                let layers = image.layers().iter().enumerate();
                layers.filter_map(|(place, layer)| Some((place, held(layer)?))).collect()
            }
        }
    }
}

impl Side {
    /// All nodes that are known, by their lineages.
    fn names(&self) -> Names<'_> {
        let mut names = Names::new();
        let mut add = |lineage, name| _ = names.entry(lineage).or_default().insert(name);
        match self {
            Self::Plan(plan) => plan.closure().nodes().iter().for_each(|node| add(&*node.lineage, &*node.name)),
            Self::Image(image) => {
                let held = image.layers().iter().flat_map(|layer| layer.contents.as_deref().unwrap_or_default());
                held.for_each(|node| add(&*node.lineage, &*node.name));
            }
        }
        names
    }
}

fn held(layer: &OutlineLayer) -> Option<BTreeMap<&str, u64>> {
    Some(layer.contents.as_ref()?.iter().map(|node| (node.name.as_str(), node.size)).collect())
}

impl Comparison {
    fn of(old: &Side, new: &Side) -> Result<Self> {
        let contents = (old.contents(), new.contents());
        let mut comparison = match (old, new) {
            (Side::Image(old), Side::Image(new)) => Self::of_images(old.layers(), new.layers())?,
            _ if contents.0.is_empty() || contents.1.is_empty() => {
                bail!(
                    "the image does not say what is in its layers, so that it cannot be compared with a plan; write two plans, or two images"
                )
            }
            _ => Self::of_contents(&contents.0, &contents.1),
        };
        if !contents.0.is_empty() && !contents.1.is_empty() {
            comparison.nodes = Some(NodeComparison::new(&contents.0, &contents.1, &comparison.new_layers));
            comparison.changes = Some(Changes::new(&old.names(), &new.names()));
        }
        Ok(comparison)
    }

    fn of_contents(old: &[Contents<'_>], new: &[Contents<'_>]) -> Self {
        let known = |(_, nodes): &Contents<'_>| -> Known<BTreeSet<String>> {
            let names = nodes.keys().map(|name| (*name).to_owned()).collect();
            (names, nodes.values().fold(0, |sum: u64, size| sum.saturating_add(*size)))
        };
        let [in_old, in_new] = [old, new].map(|layers| layers.iter().map(known).collect::<Vec<_>>());
        let mut comparison = Self::of_layers(&in_old, &in_new);
        comparison.new_layers.iter_mut().for_each(|layer| *layer = new[*layer].0);
        comparison.states = comparison.states.into_iter().map(|(layer, state)| (new[layer].0, state)).collect();
        comparison
    }

    fn of_images(old: &[OutlineLayer], new: &[OutlineLayer]) -> Result<Self> {
        let known = |tell: fn(&OutlineLayer) -> Option<String>| -> Option<[Vec<Known<String>>; 2]> {
            let layer = |layer: &OutlineLayer| Some((tell(layer)?, layer.blob_bytes));
            Some([old.iter().map(layer).collect::<Option<_>>()?, new.iter().map(layer).collect::<Option<_>>()?])
        };
        let by_digest = || known(|layer| layer.digest.map(|digest| digest.to_string()));
        let by_diff_id = || known(|layer| layer.diff_id.map(|diff_id| diff_id.to_string()));
        match by_digest().or_else(by_diff_id) {
            Some([old, new]) => Ok(Self { layer_bytes: LayerBytes::Blobs, ..Self::of_layers(&old, &new) }),
            None => bail!("one of the images tells no digests; convert it with `skopeo copy`"),
        }
    }

    fn of_layers<K: Ord>(old: &[Known<K>], new: &[Known<K>]) -> Self {
        // A layer that is there twice is pulled once.
        let once = |layers: &[Known<K>]| {
            let mut seen = BTreeSet::new();
            let first = layers.iter().enumerate().filter(|(_, (key, _))| seen.insert(key));
            first.map(|(index, (_, bytes))| (index, *bytes)).collect::<Vec<_>>()
        };
        let [in_old, in_new] = [old, new].map(|layers| layers.iter().map(|(key, _)| key).collect::<BTreeSet<_>>());
        let (kept, pulled): (Vec<_>, Vec<_>) =
            once(new).into_iter().partition(|(index, _)| in_old.contains(&new[*index].0));
        let dropped: Vec<_> = once(old).into_iter().filter(|(index, _)| !in_new.contains(&old[*index].0)).collect();
        let sum = |layers: &[(usize, u64)]| layers.iter().fold(0_u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
        Self {
            layer_bytes: LayerBytes::Nodes,
            kept_layers: kept.len(),
            kept_bytes: sum(&kept),
            new_bytes: sum(&pulled),
            new_layers: pulled.into_iter().map(|(index, _)| index).collect(),
            old_layers: dropped.len(),
            old_bytes: sum(&dropped),
            nodes: None,
            changes: None,
            states: new.iter().map(|(key, _)| LayerState::of(in_old.contains(key))).enumerate().collect(),
        }
    }

    fn text(&self) -> String {
        let layers = |count, bytes| format!("{}, {}", counted(count, "layer"), BinaryBytes(bytes));
        let mut lines = vec![
            format!("kept:    {}", layers(self.kept_layers, self.kept_bytes)),
            format!("to pull: {}", layers(self.new_layers.len(), self.new_bytes)),
            format!("dropped: {}", layers(self.old_layers, self.old_bytes)),
        ];
        if let Some(NodeComparison { new, new_bytes, sent_again, sent_again_bytes }) = self.nodes {
            let plain = if self.layer_bytes == LayerBytes::Blobs { " uncompressed" } else { "" };
            let nodes = |count, bytes| format!("{} ({}{plain})", counted(count, "node"), BinaryBytes(bytes));
            lines.push(format!(
                "of what is to be pulled, {} are new, and {} only share a layer with them",
                nodes(new, new_bytes),
                nodes(sent_again, sent_again_bytes)
            ));
        }
        lines.extend(self.changes.iter().flat_map(Changes::lines));
        lines.join("\n") + "\n"
    }
}

impl NodeComparison {
    /// `pulled` are layers of the new one.
    fn new(old: &[Contents<'_>], new: &[Contents<'_>], pulled: &[usize]) -> Self {
        let in_old: BTreeSet<&str> = old.iter().flat_map(|(_, nodes)| nodes.keys().copied()).collect();
        let mut compared = Self { new: 0, new_bytes: 0, sent_again: 0, sent_again_bytes: 0 };
        let pulled = new.iter().filter(|(place, _)| pulled.contains(place));
        for (name, size) in pulled.flat_map(|(_, nodes)| nodes) {
            let (count, bytes) = match in_old.contains(name) {
                false => (&mut compared.new, &mut compared.new_bytes),
                true => (&mut compared.sent_again, &mut compared.sent_again_bytes),
            };
            *count += 1;
            *bytes = bytes.saturating_add(*size);
        }
        compared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(layers: &[&[(&str, u64)]]) -> Plan {
        let node = |(name, size): &(&str, u64)| {
            format!(r#"{{"name": "{name}", "lineage": "x", "size": {size}, "references": []}}"#)
        };
        let layer = |nodes: &&[(&str, u64)]| {
            let nodes: Vec<String> = nodes.iter().map(node).collect();
            format!(r#"{{"label": "", "planner": null, "nodes": [{}]}}"#, nodes.join(", "))
        };
        let layers: Vec<String> = layers.iter().map(layer).collect();
        let layers = layers.join(", ");
        Plan::from_json(&format!(
            r#"{{"format": "layerwright.plan/1", "nodes": "store-path", "planners": [], "roots": [], "layers": [{layers}]}}"#
        ))
        .unwrap()
    }

    #[test]
    fn layers_of_the_very_same_nodes_are_kept() {
        let old = plan(&[&[("/a", 1), ("/b", 2)], &[("/c", 4)], &[("/d", 8)]]);
        let new = plan(&[&[("/c", 4)], &[("/a", 1), ("/b", 2), ("/d", 8)], &[("/e", 16)]]);
        let expected = Comparison {
            layer_bytes: LayerBytes::Nodes,
            kept_layers: 1,
            kept_bytes: 4,
            new_layers: vec![1, 2],
            new_bytes: 27,
            old_layers: 2,
            old_bytes: 11,
            nodes: Some(NodeComparison { new: 1, new_bytes: 16, sent_again: 3, sent_again_bytes: 11 }),
            changes: None,
            states: [LayerState::Kept, LayerState::New, LayerState::New].into_iter().enumerate().collect(),
        };
        let [old, new] = [old, new].map(Side::Plan);
        let found = Comparison::of(&old, &new).unwrap();
        assert!(found.changes.is_some());
        assert_eq!(Comparison { changes: None, ..found }, expected);
        assert_eq!(Comparison::of(&old, &old).unwrap().new_bytes, 0);
    }

    #[test]
    fn a_layer_that_is_there_twice_is_pulled_once() {
        let comparison = Comparison::of_layers(&[("a", 1), ("a", 1)], &[("b", 2), ("b", 2), ("a", 1)]);
        assert_eq!((comparison.new_layers, comparison.new_bytes), (vec![0], 2));
        assert_eq!((comparison.kept_layers, comparison.old_layers), (1, 0));
        let states: Vec<LayerState> = comparison.states.into_values().collect();
        assert_eq!(states, [LayerState::New, LayerState::New, LayerState::Kept]);
    }

    #[test]
    fn plans_are_told_from_images() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        let is_plan = |content: &[u8]| {
            fs_err::write(&file, content).unwrap();
            matches!(Source::new(file.to_str().unwrap()).unwrap(), Source::Plan(_))
        };
        let packed = zstd::encode_all(&b"[["[..], 3).unwrap();
        assert!(is_plan(b" \n{\"format\"") && is_plan(b"[[") && is_plan(&packed));
        assert!(!is_plan(b"oci-layout\0") && !is_plan(b"") && !is_plan(&packed[..5]));
        assert!(matches!(Source::new("-").unwrap(), Source::Plan(_)));
        assert!(matches!(Source::new(dir.path().to_str().unwrap()).unwrap(), Source::Image(_)));
    }
}
