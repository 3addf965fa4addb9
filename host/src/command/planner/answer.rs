//! What a strategy proposed, as it is: not checked, for people and for scripts.

use comfy_table::{Table, presets};
use indicatif::BinaryBytes;
use layerwright_planner::{Breach, Closure, Level, NodeId, NodeKind, PlannerRecord, Proposal, ProposedLayer, Request};
use serde::Serialize;

use super::cost::Cost;
use crate::command::output::counted;
use crate::command::plan_table::{TEXT_BYTES, contents, with_numbers_right};
use crate::sandbox::{LogLine, printable};

/// One proposal, and all that is known of how it came about.
pub(super) struct Answer<'a> {
    planner: PlannerRecord,
    kind: NodeKind,
    request: &'a Request,
    proposal: &'a Proposal,
    unplaced: Vec<NodeId>,
}

/// The same as JSON.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    planner: &'a PlannerRecord,
    closure: Extent,
    max_layers: u32,
    layers: Vec<ReportedLayer<'a>>,
    unplaced: Vec<String>,
    usage: Cost,
    log: Vec<ReportedLine<'a>>,
    breach: Option<String>,
}

#[derive(Serialize)]
struct Extent {
    nodes: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct ReportedLayer<'a> {
    label: &'a str,
    members: Vec<String>,
    bytes: u64,
}

#[derive(Serialize)]
struct ReportedLine<'a> {
    level: &'static str,
    text: &'a str,
}

impl<'a> Answer<'a> {
    pub(super) fn new(planner: PlannerRecord, kind: NodeKind, request: &'a Request, proposal: &'a Proposal) -> Self {
        let unplaced = unplaced(&request.closure, proposal);
        Self { planner, kind, request, proposal, unplaced }
    }

    pub(super) fn report<'r>(&'r self, log: &'r [LogLine], usage: Cost, breach: Option<&Breach>) -> Report<'r> {
        let closure = &self.request.closure;
        let names = |ids: &[NodeId]| ids.iter().map(|id| name(closure, *id)).collect();
        let layer = |ProposedLayer { label, members }: &'a ProposedLayer| ReportedLayer {
            label,
            members: names(members),
            bytes: size(closure, members),
        };
        Report {
            planner: &self.planner,
            closure: Extent { nodes: closure.len(), bytes: closure.size() },
            max_layers: self.request.max_layers.get(),
            layers: self.proposal.layers.iter().map(layer).collect(),
            unplaced: names(&self.unplaced),
            usage,
            log: log.iter().map(|line| ReportedLine { level: level(line.level), text: &line.text }).collect(),
            breach: breach.map(ToString::to_string),
        }
    }

    /// A row for each layer, bottom-most first, one for what is left, and a line of totals.
    pub(super) fn table(&self) -> String {
        let closure = &self.request.closure;
        let layers = &self.proposal.layers;
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["LAYER", "SIZE", "NODES", "LABEL", "CONTENTS"]);
        for (at, ProposedLayer { label, members }) in layers.iter().enumerate() {
            table.add_row(self.row(at.to_string(), &printable(label, TEXT_BYTES), members));
        }
        if !self.unplaced.is_empty() {
            table.add_row(self.row("-".into(), "(unplaced)", &self.unplaced));
        }
        let (nodes, used) = (counted(closure.len(), "node"), counted(layers.len(), "layer"));
        let left = match self.unplaced.len() {
            0 => String::new(),
            left => format!("; {} unplaced", counted(left, "node")),
        };
        let allowed = self.request.max_layers;
        let size = BinaryBytes(closure.size());
        format!("{}{nodes}, {size}, in {used} of at most {allowed}{left}\n", with_numbers_right(table, 0..3))
    }

    fn row(&self, at: String, label: &str, members: &[NodeId]) -> [String; 5] {
        let closure = &self.request.closure;
        let known: Vec<NodeId> = members.iter().copied().filter(|id| id.index() < closure.len()).collect();
        let unknown =
            members.iter().filter(|id| id.index() >= closure.len()).map(|id| format!("{} ", name(closure, *id)));
        // A list of unknown ones may be long, and the first tells enough.
        let contents = unknown.take(1).collect::<String>() + &contents(self.kind, closure, &known);
        let size = BinaryBytes(size(closure, members)).to_string();
        [at, size, members.len().to_string(), label.to_owned(), contents]
    }
}

/// Nodes that no layer names.
fn unplaced(closure: &Closure, proposal: &Proposal) -> Vec<NodeId> {
    let mut placed = vec![false; closure.len()];
    for id in proposal.layers.iter().flat_map(|layer| &layer.members) {
        if let Some(placed) = placed.get_mut(id.index()) {
            *placed = true;
        }
    }
    closure.ids().filter(|id| !placed[id.index()]).collect()
}

/// The name of a node, or, where there is no such node, its number with a mark that no name begins with.
fn name(closure: &Closure, id: NodeId) -> String {
    closure.nodes().get(id.index()).map_or_else(|| format!("#{}", id.0), |node| node.name.clone())
}

/// Unknown nodes have no size; others count as often as they are named.
fn size(closure: &Closure, members: &[NodeId]) -> u64 {
    let sizes = members.iter().filter_map(|id| closure.nodes().get(id.index())).map(|node| node.size);
    sizes.fold(0, u64::saturating_add)
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use layerwright_planner::PlannerSource;
    use layerwright_planner::shapes::Shape;
    use serde_json::Value;

    use super::*;

    fn layer(label: &str, members: &[u32]) -> ProposedLayer {
        ProposedLayer { label: label.into(), members: members.iter().copied().map(NodeId).collect() }
    }

    fn with_answer(shape: Shape, layers: Vec<ProposedLayer>, check: impl FnOnce(&Answer<'_>, Value)) {
        let max_layers = NonZeroU32::new(3).unwrap();
        let request = Request { closure: shape.closure(), max_layers, config: "{}".into() };
        let proposal = Proposal { layers };
        let planner = PlannerRecord {
            name: "mine".into(),
            version: "1".into(),
            source: PlannerSource::File,
            digest: "sha256:00".into(),
            settings: serde_json::json!({}).into(),
        };
        let answer = Answer::new(planner, NodeKind::StorePath, &request, &proposal);
        let breach = proposal.clone().check(&request.closure, max_layers).err();
        let log = [LogLine { level: Level::Debug, text: "thinking".into() }];
        let usage = Cost { fuel: 1234, ..Cost::default() };
        check(&answer, serde_json::to_value(answer.report(&log, usage, breach.as_ref())).unwrap());
    }

    #[test]
    fn what_is_left_has_a_row_of_its_own() {
        with_answer(Shape::Diamond, vec![layer("first", &[1]), layer("", &[2, 0])], |answer, report| {
            let expected = [
                " LAYER      SIZE  NODES  LABEL       CONTENTS",
                "     0    1000 B      1  first       node00-1.0",
                "     1  5.86 KiB      2              node03-1.3 node01-1.1",
                "     -  2.93 KiB      1  (unplaced)  node02-1.2",
                "4 nodes, 9.77 KiB, in 2 layers of at most 3; 1 node unplaced",
            ];
            assert_eq!(answer.table().lines().collect::<Vec<_>>(), expected);
            assert_eq!(report["unplaced"].as_array().map(Vec::len), Some(1));
            assert_eq!(report["log"][0], serde_json::json!({"level": "debug", "text": "thinking"}));
            assert_eq!((&report["closure"]["bytes"], &report["usage"]["fuel"]), (&10000.into(), &1234.into()));
            assert!(report["breach"].is_null());
        });
    }

    #[test]
    fn what_breaks_the_contract_is_shown_and_cannot_harm() {
        with_answer(Shape::Diamond, vec![layer("\u{1b}[2J", &[9, 0, 0]), layer("", &[])], |answer, report| {
            let table = answer.table();
            assert!(table.contains("\\u{1b}[2J") && table.contains("#9 "), "{table}");
            assert_eq!(report["layers"][0]["members"][0], "#9");
            assert!(report["breach"].as_str().unwrap().contains("unprintable"), "{report}");
        });
        with_answer(Shape::HugeSizes, vec![layer("", &[0, 1, 2, 3, 4, 5, 6, 7])], |_, report| {
            assert_eq!(report["layers"][0]["bytes"], u64::MAX);
        });
    }
}
