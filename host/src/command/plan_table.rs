//! A plan for people.

use comfy_table::{CellAlignment, Table, presets};
use indicatif::BinaryBytes;
use layerwright_planner::{Layer, Node, NodeKind, Plan};

use super::output::counted;

/// How many lineages a row names before it only counts.
const NAMED: usize = 6;

/// Returns a table with a row for each layer, bottom-most first, and a line of totals.
pub(crate) fn plan_table(plan: &Plan) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["LAYER", "SIZE", "NODES", "PLANNER", "LABEL", "CONTENTS"]);
    for (at, layer) in plan.layers().iter().enumerate() {
        table.add_row([
            at.to_string(),
            BinaryBytes(plan.size(layer)).to_string(),
            layer.nodes.len().to_string(),
            layer.planner.map_or("-", |planner| &plan.planners()[planner].name).to_owned(),
            layer.label.clone(),
            contents(plan, layer),
        ]);
    }
    for column in 0..3 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n{}\n", trim_lines(&table.trim_fmt()), totals(plan))
}

/// `140 nodes, 312.50 MiB, in 40 layers`
pub(crate) fn totals(plan: &Plan) -> String {
    let (nodes, layers) = (counted(plan.closure().len(), "node"), counted(plan.layers().len(), "layer"));
    format!("{nodes}, {}, in {layers}", BinaryBytes(plan.closure().size()))
}

/// The largest members first: they are what the layer is about.
fn contents(plan: &Plan, layer: &Layer) -> String {
    let mut members: Vec<_> = layer.nodes.iter().map(|id| plan.closure().node(*id)).collect();
    members.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
    let mut named: Vec<String> = members.iter().take(NAMED).map(|node| short_name(plan.kind(), node)).collect();
    if members.len() > NAMED {
        named.push(format!("and {} more", members.len() - NAMED));
    }
    named.join(" ")
}

/// A store path without its folder and hash; a package without version and architecture.
fn short_name(kind: NodeKind, node: &Node) -> String {
    match kind {
        NodeKind::StorePath => {
            let base = node.name.rsplit('/').next().unwrap_or(&node.name);
            base.split_once('-').map_or(base, |(_, name)| name).to_owned()
        }
        NodeKind::DpkgPackage => node.lineage.clone(),
    }
}

fn trim_lines(text: &str) -> String {
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}
