//! `compare --report`: the new one, with what is kept of the old.

use std::path::Path;

use anyhow::Result;
use layerwright_packer::{Durability, HeldNode, ImageOutline, OutlineLayer};
use layerwright_planner::Lineages;

use super::{Comparison, LayerBytes, Side};
use crate::command::report::{fits, write};
use crate::console::Console;
use crate::report::{Data, Image, Layer, LayerState, Nodes};

/// `sides` are the old one and the new one.
pub(super) fn write_of(
    file: &Path,
    title: &str,
    sides: &(Side, Side),
    comparison: &Comparison,
    console: &Console,
) -> Result<()> {
    let name = title.to_owned();
    let nodes;
    let images = match &sides.1 {
        Side::Plan(new) if !fits(new.closure().len(), console) => Vec::new(),
        Side::Plan(new) => {
            // There is one update: what is new in the plan has changed in it.
            nodes = Nodes::new(new.closure(), [names(&sides.0)].into_iter());
            let states: Vec<LayerState> = comparison.states.values().copied().collect();
            vec![Image::of_plan(name, new, &nodes, &states)]
        }
        Side::Image(new) if !fits(held(new).count(), console) => Vec::new(),
        Side::Image(new) => {
            let told = held(new).map(|node| (&*node.name, &*node.lineage, node.size));
            let past = comparison.nodes.is_some().then(|| names(&sides.0));
            nodes = Nodes::without_references(told, past.into_iter());
            vec![Image::of_layers(name, &nodes, layers(new, comparison))]
        }
    };
    let comparison = Some(serde_json::to_value(comparison)?);
    write(
        file,
        &Data { comparison, ..Data::of_images("compare", title.to_owned(), images) },
        Durability::Synced,
        console,
    )
}

fn names(side: &Side) -> Lineages<'_> {
    match side {
        Side::Plan(plan) => Lineages::from(plan.closure()),
        Side::Image(image) => held(image).map(|node| (&*node.lineage, &*node.name)).collect(),
    }
}

/// All nodes that an image tells of, layer by layer.
fn held(image: &ImageOutline) -> impl Iterator<Item = &HeldNode> {
    image.layers().iter().flat_map(of_layer)
}

fn of_layer(layer: &OutlineLayer) -> &[HeldNode] {
    layer.contents.as_deref().unwrap_or_default()
}

/// Nodes have their numbers in the order of [`held`].
fn layers(image: &ImageOutline, comparison: &Comparison) -> Vec<Layer> {
    let mut numbers = 0..;
    let layer = |(place, layer): (usize, &OutlineLayer)| {
        let held = of_layer(layer);
        let is_of_blobs = comparison.layer_bytes == LayerBytes::Blobs || held.is_empty();
        Layer {
            label: label(held),
            planner: None,
            nodes: numbers.by_ref().take(held.len()).collect(),
            state: comparison.states.get(&place).copied(),
            size: is_of_blobs.then_some(layer.blob_bytes),
            digest: digest(layer),
        }
    };
    image.layers().iter().enumerate().map(layer).collect()
}

/// As planners call a layer after its largest node. Empty for a layer of which nothing is known.
fn label(held: &[HeldNode]) -> String {
    match held.iter().rev().max_by_key(|node| node.size) {
        None => String::new(),
        Some(largest) if held.len() == 1 => largest.lineage.clone(),
        Some(largest) => format!("{} and {} more", largest.lineage, held.len() - 1),
    }
}

fn digest(layer: &OutlineLayer) -> Option<String> {
    let digest = layer.digest.map(|digest| digest.to_string());
    digest.or_else(|| layer.diff_id.map(|diff_id| diff_id.to_string()))
}
