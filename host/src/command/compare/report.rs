//! `compare --report`: the new one, with what is kept of the old.

use std::path::Path;

use anyhow::Result;
use layerwright_packer::{ImageOutline, OutlineLayer};
use layerwright_planner::Lineages;

use super::{Comparison, Side};
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
        Side::Image(new) => {
            nodes = Nodes::default();
            vec![Image::of_layers(name, &nodes, layers(new, comparison))]
        }
    };
    let comparison = Some(serde_json::to_value(comparison)?);
    write(file, &Data { comparison, ..Data::of_images("compare", title.to_owned(), images) }, console)
}

fn names(side: &Side) -> Lineages<'_> {
    match side {
        Side::Plan(plan) => Lineages::from(plan.closure()),
        Side::Image(image) => {
            let held = image.layers().iter().filter_map(|layer| layer.contents.as_ref()).flatten();
            held.map(|node| (&*node.lineage, &*node.name)).collect()
        }
    }
}

/// An image does not tell what its nodes refer to, so that no map of them could say what a change does.
fn layers<'a>(image: &ImageOutline, comparison: &Comparison) -> Vec<Layer<'a>> {
    let layer = |(place, layer): (usize, &OutlineLayer)| Layer {
        label: label(layer),
        planner: None,
        nodes: Vec::new(),
        state: comparison.states.get(&place).copied(),
        size: Some(layer.blob_bytes),
    };
    image.layers().iter().enumerate().map(layer).collect()
}

fn label(layer: &OutlineLayer) -> String {
    let digest = layer.digest.map(|digest| digest.to_string());
    digest.or_else(|| layer.diff_id.map(|diff_id| diff_id.to_string())).unwrap_or_default()
}
