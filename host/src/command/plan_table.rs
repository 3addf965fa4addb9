//! A plan for people.

use std::ops::Range;

use comfy_table::{CellAlignment, Table, presets};
use indicatif::BinaryBytes;
use layerwright_planner::{Closure, Node, NodeId, NodeKind, Plan};

use super::output::counted;
use crate::sandbox::printable;

/// How many lineages a row names before it only counts.
const NAMED: usize = 6;

/// Longest name or label in a row, in bytes.
pub(super) const TEXT_BYTES: usize = 100;

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
            layer.planner.map_or("-".into(), |planner| plan.planners()[planner].shown()),
            printable(&layer.label, TEXT_BYTES),
            contents(plan.kind(), plan.closure(), &layer.nodes),
        ]);
    }
    format!("{}{}\n", with_numbers_right(table, 0..3), totals(plan))
}

/// `140 nodes, 312.50 MiB, in 40 layers`
pub(crate) fn totals(plan: &Plan) -> String {
    let (nodes, layers) = (counted(plan.closure().len(), "node"), counted(plan.layers().len(), "layer"));
    format!("{nodes}, {}, in {layers}", BinaryBytes(plan.closure().size()))
}

/// The largest members first: they are what the layer is about.
pub(super) fn contents(kind: NodeKind, closure: &Closure, nodes: &[NodeId]) -> String {
    let mut members: Vec<_> = nodes.iter().map(|id| closure.node(*id)).collect();
    members.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.name.cmp(&b.name)));
    let mut named: Vec<String> = members.iter().take(NAMED).map(|node| short_name(kind, node)).collect();
    if members.len() > NAMED {
        named.push(format!("and {} more", members.len() - NAMED));
    }
    named.join(" ")
}

/// A store path without its folder and hash; a package without version and architecture; anything else as it is.
fn short_name(kind: NodeKind, node: &Node) -> String {
    let name = match kind {
        NodeKind::StorePath if node.name.starts_with('/') => {
            let base = node.name.rsplit('/').next().unwrap_or(&node.name);
            base.split_once('-').map_or(base, |(_, name)| name)
        }
        NodeKind::StorePath => &node.name,
        NodeKind::DpkgPackage => &node.lineage,
    };
    printable(name, TEXT_BYTES)
}

/// Returns the table with these columns aligned as numbers are, and without spaces at the end of a line.
pub(super) fn with_numbers_right(mut table: Table, columns: Range<usize>) -> String {
    for column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt().lines().flat_map(|line| [line.trim_end(), "\n"]).collect()
}
