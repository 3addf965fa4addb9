//! `layerwright compare`
//!
//! A layer of plans is kept if the other one has a layer of the very same nodes: a store path's name tells its content, and a
//! package's its version. A layer of images is kept if the other one has its blob.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use indicatif::BinaryBytes;
use layerwright_packer::{BaseImage, ImageSettings, ImageSource, Platform};
use layerwright_planner::Plan;
use serde::Serialize;

use super::output::{counted, print, print_json};
use super::pack::read_plan;
use crate::arguments::CompareArguments;
use crate::console::Console;
use crate::interrupt::TemporaryFolder;
use crate::progress::Progress;

pub(crate) fn run(arguments: &CompareArguments, console: &Console) -> Result<ExitCode> {
    let CompareArguments { old, new, json } = arguments;
    let comparison = match (is_plan(old), is_plan(new)) {
        (true, true) => Comparison::of_plans(&read_plan(Path::new(old))?, &read_plan(Path::new(new))?),
        (false, false) => Comparison::of_images(&open(old, console)?, &open(new, console)?),
        _ => bail!("a plan cannot be compared with an image; write two plans, or two images"),
    };
    let printed = if *json { print_json(&comparison) } else { print(&comparison.text()) };
    printed.map(|()| ExitCode::SUCCESS)
}

/// What whoever has the old one must pull for the new one. What `--json` prints. Bytes of plans are sizes of nodes, those
/// of images sizes of blobs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Comparison {
    /// Layers that both have.
    kept_layers: usize,
    kept_bytes: u64,
    /// Layers of the new one that are to be pulled, counted from the bottom, from 0.
    new_layers: Vec<usize>,
    new_bytes: u64,
    /// Layers of the old one that are of no use any more.
    old_layers: usize,
    old_bytes: u64,
    /// `None` for images, which do not tell.
    nodes: Option<NodeComparison>,
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

/// A layer, by what tells it from others, and its size.
type Known<K> = (K, u64);

impl Comparison {
    fn of_plans(old: &Plan, new: &Plan) -> Self {
        let layers = |plan: &Plan| -> Vec<Known<BTreeSet<String>>> {
            let known = |layer| (plan.names(layer).map(str::to_owned).collect(), plan.size(layer));
            plan.layers().iter().map(known).collect()
        };
        let mut comparison = Self::of_layers(&layers(old), &layers(new));
        let mut nodes = NodeComparison { new: 0, new_bytes: 0, sent_again: 0, sent_again_bytes: 0 };
        for node in comparison.new_layers.iter().flat_map(|layer| &new.layers()[*layer].nodes) {
            let node = new.closure().node(*node);
            let (count, bytes) = match old.closure().find(&node.name) {
                None => (&mut nodes.new, &mut nodes.new_bytes),
                Some(_) => (&mut nodes.sent_again, &mut nodes.sent_again_bytes),
            };
            *count += 1;
            *bytes = bytes.saturating_add(node.size);
        }
        comparison.nodes = Some(nodes);
        comparison
    }

    fn of_images(old: &BaseImage, new: &BaseImage) -> Self {
        let layers = |image: &BaseImage| -> Vec<Known<String>> {
            image.layers().iter().map(|layer| (layer.digest.to_string(), layer.blob_bytes)).collect()
        };
        Self::of_layers(&layers(old), &layers(new))
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
            kept_layers: kept.len(),
            kept_bytes: sum(&kept),
            new_bytes: sum(&pulled),
            new_layers: pulled.into_iter().map(|(index, _)| index).collect(),
            old_layers: dropped.len(),
            old_bytes: sum(&dropped),
            nodes: None,
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
            lines.push(format!(
                "of what is to be pulled, {} ({}) are new, and {} ({}) only share a layer with them",
                counted(new, "node"),
                BinaryBytes(new_bytes),
                counted(sent_again, "node"),
                BinaryBytes(sent_again_bytes)
            ));
        }
        lines.join("\n") + "\n"
    }
}

/// A plan is a JSON file; nothing that holds an image begins like one.
fn is_plan(text: &str) -> bool {
    let path = Path::new(text);
    path.is_file() && fs_err::File::open(path).is_ok_and(|file| begins_like_json(file.into_file()))
}

fn begins_like_json(file: impl std::io::Read) -> bool {
    let mut bytes = std::io::Read::bytes(file).map_while(Result::ok);
    bytes.find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| matches!(byte, b'{' | b'['))
}

fn open(image: &str, console: &Console) -> Result<BaseImage> {
    let source: ImageSource = image.parse()?;
    let ImageSettings { os, architecture, .. } = ImageSettings::default();
    let scratch = TemporaryFolder::new().context("making a temporary folder")?;
    let progress = Progress::new(console, "layers");
    let platform = Platform { os, architecture };
    BaseImage::open(&source, &platform, scratch.path(), &progress).with_context(|| format!("reading {image}"))
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
            kept_layers: 1,
            kept_bytes: 4,
            new_layers: vec![1, 2],
            new_bytes: 27,
            old_layers: 2,
            old_bytes: 11,
            nodes: Some(NodeComparison { new: 1, new_bytes: 16, sent_again: 3, sent_again_bytes: 11 }),
        };
        assert_eq!(Comparison::of_plans(&old, &new), expected);
        assert_eq!(Comparison::of_plans(&old, &old).new_bytes, 0);
    }

    #[test]
    fn a_layer_that_is_there_twice_is_pulled_once() {
        let comparison = Comparison::of_layers(&[("a", 1), ("a", 1)], &[("b", 2), ("b", 2), ("a", 1)]);
        assert_eq!((comparison.new_layers, comparison.new_bytes), (vec![0], 2));
        assert_eq!((comparison.kept_layers, comparison.old_layers), (1, 0));
    }

    #[test]
    fn plans_are_told_from_images() {
        assert!(begins_like_json(&b" \n{\"format\""[..]) && begins_like_json(&b"[["[..]));
        assert!(!begins_like_json(&b"oci-layout\0"[..]) && !begins_like_json(&b""[..]));
    }
}
