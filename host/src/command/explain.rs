//! `layerwright explain`

use std::collections::{BTreeSet, VecDeque};
use std::process::ExitCode;

use anyhow::{Result, bail};
use indicatif::BinaryBytes;
use layerwright_planner::graph::referrers;
use layerwright_planner::{Closure, NodeId, NodeKind, Plan};
use serde::Serialize;

use super::output::{counted, print, print_json};
use super::plan_file::read_whole_plan;
use crate::arguments::ExplainArguments;
use crate::console::Console;
use crate::sandbox::printable;

/// Longest name in a line, in bytes.
const TEXT_BYTES: usize = 200;

/// More names than these are only counted.
const NAMED: usize = 10;

/// The same of what shares a layer.
const MATES_NAMED: usize = 5;

pub(crate) fn run(arguments: &ExplainArguments, console: &Console) -> Result<ExitCode> {
    let plan = read_whole_plan(&arguments.plan, console)?;
    let node = find(plan.closure(), &arguments.node)?;
    let explanation = Explanation::new(&plan, node);
    let printed = if arguments.json { print_json(&explanation) } else { print(&explanation.text(plan.kind())) };
    printed.map(|()| ExitCode::SUCCESS)
}

/// What there is to say about a node of a plan. What `--json` prints.
#[derive(Debug, Serialize)]
struct Explanation<'a> {
    node: &'a str,
    size: u64,
    layer: LayerFacts<'a>,
    /// What else is in its layer, largest first. How these are related is all that a plan tells of why.
    shares_layer_with: Vec<Mate<'a>>,
    /// From a root to the node, the shortest way.
    path: Vec<&'a str>,
    /// Which refer to it directly.
    referrers: Vec<&'a str>,
    /// How many refer to it in any way.
    all_referrers: usize,
    update: Update,
}

#[derive(Debug, Serialize)]
struct LayerFacts<'a> {
    /// Counted from the bottom, from 0.
    index: usize,
    label: &'a str,
    /// `None` where no planner has placed it.
    planner: Option<String>,
    nodes: usize,
    size: u64,
}

/// A node of the same layer.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Mate<'a> {
    node: &'a str,
    size: u64,
    /// In any way, as all below. Both are so in a cycle.
    is_needed_by_it: bool,
    needs_it: bool,
    has_its_lineage: bool,
}

/// What whoever has the image must pull when the node is another one, and nothing else is.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Update {
    /// Nodes that are new ones then.
    nodes: usize,
    /// Of these nodes.
    node_bytes: u64,
    /// Layers that are new ones then.
    layers: Vec<usize>,
    /// Of these layers.
    layer_bytes: u64,
}

impl<'a> Explanation<'a> {
    fn new(plan: &'a Plan, id: NodeId) -> Self {
        let closure = plan.closure();
        let referrers = referrers(closure);
        let above = reached(|id| &referrers[id.index()], id);
        let (index, layer) = plan
            .layers()
            .iter()
            .enumerate()
            .find(|(_, layer)| layer.nodes.contains(&id))
            .expect("each node is in a layer");
        let name = |id: &NodeId| closure.node(*id).name.as_str();
        Self {
            node: name(&id),
            size: closure.node(id).size,
            layer: LayerFacts {
                index,
                label: &layer.label,
                planner: layer.planner.map(|planner| plan.planners()[planner].shown()),
                nodes: layer.nodes.len(),
                size: plan.size(layer),
            },
            shares_layer_with: mates(closure, &layer.nodes, id, &above),
            path: way_from_root(closure, &referrers, id).iter().map(name).collect(),
            referrers: referrers[id.index()].iter().map(name).collect(),
            all_referrers: above.len(),
            update: Update::new(plan, id, above),
        }
    }

    fn text(&self, kind: NodeKind) -> String {
        let show = |name: &str| printable(name, TEXT_BYTES);
        let Self { layer, update, .. } = self;
        let label = if layer.label.is_empty() { String::new() } else { format!(" `{}`", show(layer.label)) };
        let placed =
            layer.planner.as_deref().map_or("left to the last layer".into(), |by| format!("placed by {}", show(by)));
        let mut lines = vec![
            format!("{}, {}", show(self.node), BinaryBytes(self.size)),
            format!(
                "in layer {}{label}, {placed}: {}, {}",
                layer.index,
                counted(layer.nodes, "node"),
                BinaryBytes(layer.size)
            ),
            self.mates(),
        ];
        lines.push(match self.path.as_slice() {
            [_] => "asked for by name".to_owned(),
            [] => "nothing that was asked for leads to it".to_owned(),
            path => {
                format!("here because of {}", path.iter().map(|name| show(name)).collect::<Vec<_>>().join("\n  -> "))
            }
        });
        lines.push(match self.referrers.is_empty() {
            true => "nothing refers to it".to_owned(),
            false => format!(
                "{} to it, {} directly:\n  {}",
                if self.all_referrers == 1 {
                    "1 node refers".to_owned()
                } else {
                    format!("{} nodes refer", self.all_referrers)
                },
                self.referrers.len(),
                some_of(&self.referrers, NAMED, |name| show(name))
            ),
        });
        let renamed = match kind {
            NodeKind::StorePath => ", which renames what refers to it,",
            NodeKind::DpkgPackage => "",
        };
        lines.push(format!(
            "another version of it{renamed} makes {} new ({}) and re-sends {} ({})",
            counted(update.nodes, "node"),
            BinaryBytes(update.node_bytes),
            counted(update.layers.len(), "layer"),
            BinaryBytes(update.layer_bytes)
        ));
        lines.join("\n") + "\n"
    }

    /// What else a change of its layer is about.
    fn mates(&self) -> String {
        let mates = &self.shares_layer_with;
        if mates.is_empty() {
            return "it shares the layer with nothing: clients pull it again only when it is a new one".to_owned();
        }
        let count = |is: fn(&Mate<'_>) -> bool| mates.iter().filter(|mate| is(mate)).count();
        let related = [
            (count(|mate| mate.is_needed_by_it), "needed by it"),
            (count(|mate| mate.needs_it), "built upon it"),
            (count(|mate| mate.has_its_lineage), "of its lineage"),
            (count(|mate| !mate.is_related()), "unrelated"),
        ];
        let related: Vec<String> =
            related.iter().filter(|(count, _)| *count > 0).map(|(count, how)| format!("{count} {how}")).collect();
        format!(
            "it shares the layer with {}: {}\n  {}",
            counted(mates.len(), "other node"),
            related.join(", "),
            some_of(mates, MATES_NAMED, |mate| format!(
                "{}, {}",
                printable(mate.node, TEXT_BYTES),
                BinaryBytes(mate.size)
            ))
        )
    }
}

impl Mate<'_> {
    fn is_related(&self) -> bool {
        self.is_needed_by_it || self.needs_it || self.has_its_lineage
    }
}

fn mates<'a>(closure: &'a Closure, layer: &[NodeId], id: NodeId, above: &BTreeSet<NodeId>) -> Vec<Mate<'a>> {
    let below = reached(|id| &closure.node(id).references, id);
    let mate = |other: NodeId| Mate {
        node: &closure.node(other).name,
        size: closure.node(other).size,
        is_needed_by_it: below.contains(&other),
        needs_it: above.contains(&other),
        has_its_lineage: closure.node(other).lineage == closure.node(id).lineage,
    };
    let mut mates: Vec<Mate<'a>> = layer.iter().filter(|other| **other != id).map(|other| mate(*other)).collect();
    mates.sort_by(|a, b| b.size.cmp(&a.size).then_with(|| a.node.cmp(b.node)));
    mates
}

/// A line for each of the first ones, and how many more there are.
fn some_of<T>(all: &[T], most: usize, show: impl Fn(&T) -> String) -> String {
    let mut lines: Vec<String> = all.iter().take(most).map(show).collect();
    if all.len() > most {
        lines.push(format!("and {} more", all.len() - most));
    }
    lines.join("\n  ")
}

impl Update {
    /// A store path has another name with each version, and with it all that refer to it. A package has not.
    fn new(plan: &Plan, id: NodeId, above: BTreeSet<NodeId>) -> Self {
        let mut changed = match plan.kind() {
            NodeKind::StorePath => above,
            NodeKind::DpkgPackage => BTreeSet::new(),
        };
        changed.insert(id);
        let has_changed = |index: &usize| plan.layers()[*index].nodes.iter().any(|id| changed.contains(id));
        let layers: Vec<usize> = (0..plan.layers().len()).filter(has_changed).collect();
        let sum = |sizes: &mut dyn Iterator<Item = u64>| sizes.fold(0, u64::saturating_add);
        Self {
            nodes: changed.len(),
            node_bytes: sum(&mut changed.iter().map(|id| plan.closure().node(*id).size)),
            layer_bytes: sum(&mut layers.iter().map(|index| plan.size(&plan.layers()[*index]))),
            layers,
        }
    }
}

/// The node of this name, or the only one whose name ends like this or has this lineage.
fn find(closure: &Closure, wanted: &str) -> Result<NodeId> {
    if let Some(id) = closure.find(wanted) {
        return Ok(id);
    }
    let ends = |name: &str| name.strip_suffix(wanted).is_some_and(|before| before.ends_with(['/', '-']));
    let is_meant = |id: &NodeId| ends(&closure.node(*id).name) || closure.node(*id).lineage == wanted;
    let found: Vec<NodeId> = closure.ids().filter(is_meant).collect();
    match found.as_slice() {
        [id] => Ok(*id),
        [] => bail!("no node of the plan is called `{wanted}`; `layerwright plan --format store-layers` lists them"),
        several => {
            let names = some_of(several, NAMED, |id| closure.node(*id).name.clone());
            bail!("`{wanted}` may be several nodes:\n  {names}")
        }
    }
}

/// All to which steps lead from a node, without itself.
fn reached<'a>(steps: impl Fn(NodeId) -> &'a Vec<NodeId>, id: NodeId) -> BTreeSet<NodeId> {
    let mut reached = BTreeSet::new();
    let mut ahead = vec![id];
    while let Some(from) = ahead.pop() {
        ahead.extend(steps(from).iter().filter(|to| **to != id && reached.insert(**to)));
    }
    reached
}

/// The shortest way from a root, with both ends; of several, the one whose names come first.
fn way_from_root(closure: &Closure, referrers: &[Vec<NodeId>], id: NodeId) -> Vec<NodeId> {
    let mut below: Vec<Option<NodeId>> = vec![None; closure.len()];
    let mut ahead = VecDeque::from([id]);
    while let Some(next) = ahead.pop_front() {
        if closure.roots().contains(&next) {
            let mut way = vec![next];
            while *way.last().expect("it has an end") != id {
                way.extend(below[way.last().expect("it has an end").index()]);
            }
            return way;
        }
        for above in &referrers[next.index()] {
            if *above != id && below[above.index()].is_none() {
                below[above.index()] = Some(next);
                ahead.push_back(*above);
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `/app` needs `/lib` and `/data`, and `/lib` needs `/libc`. Each in a layer, but for app and data.
    fn plan() -> Plan {
        let node = |name: &str, size: u64, references: &str| {
            format!(
                r#"{{"name": "{name}", "lineage": "{}", "size": {size}, "references": [{references}]}}"#,
                &name[1..]
            )
        };
        let layer = |nodes: &[String]| format!(r#"{{"label": "", "planner": null, "nodes": [{}]}}"#, nodes.join(", "));
        let layers = [
            layer(&[node("/libc", 100, "")]),
            layer(&[node("/lib", 10, r#""/libc""#)]),
            layer(&[node("/app", 1, r#""/data", "/lib""#), node("/data", 1000, "")]),
        ];
        let layers = layers.join(", ");
        Plan::from_json(&format!(
            r#"{{"format": "layerwright.plan/1", "nodes": "store-path", "planners": [], "roots": ["/app"], "layers": [{layers}]}}"#
        ))
        .unwrap()
    }

    #[test]
    fn an_update_renames_all_above() {
        let plan = plan();
        let update = |name: &str| Explanation::new(&plan, plan.closure().find(name).unwrap()).update;
        let expected = Update { nodes: 3, node_bytes: 111, layers: vec![0, 1, 2], layer_bytes: 1111 };
        assert_eq!(update("/libc"), expected);
        assert_eq!(update("/data"), Update { nodes: 2, node_bytes: 1001, layers: vec![2], layer_bytes: 1001 });
    }

    #[test]
    fn what_shares_a_layer_is_told_with_what_it_is_to_the_node() {
        let plan = plan();
        let explained = |name: &str| Explanation::new(&plan, plan.closure().find(name).unwrap());
        let app = explained("/app");
        let data = Mate { node: "/data", size: 1000, is_needed_by_it: true, needs_it: false, has_its_lineage: false };
        assert_eq!(app.shares_layer_with, [data]);
        assert_eq!(app.mates(), "it shares the layer with 1 other node: 1 needed by it\n  /data, 1000 B");
        let data = explained("/data").mates();
        assert!(data.starts_with("it shares the layer with 1 other node: 1 built upon it\n"), "{data}");
        assert!(explained("/lib").mates().starts_with("it shares the layer with nothing"));
    }

    #[test]
    fn many_of_a_layer_are_counted() {
        let mate = |size| Mate { node: "/x", size, is_needed_by_it: false, needs_it: false, has_its_lineage: false };
        let plan = plan();
        let mut explanation = Explanation::new(&plan, plan.closure().find("/lib").unwrap());
        explanation.shares_layer_with = (0..8).map(mate).collect();
        explanation.shares_layer_with[0].has_its_lineage = true;
        let told = explanation.mates();
        let first = "it shares the layer with 8 other nodes: 1 of its lineage, 7 unrelated";
        assert_eq!(told.lines().next(), Some(first));
        assert_eq!((told.lines().count(), told.lines().last()), (7, Some("  and 3 more")));
    }

    #[test]
    fn the_way_leads_from_a_root() {
        let plan = plan();
        let explanation = Explanation::new(&plan, plan.closure().find("/libc").unwrap());
        assert_eq!(explanation.path, ["/app", "/lib", "/libc"]);
        assert_eq!((explanation.referrers, explanation.all_referrers), (vec!["/lib"], 2));
    }

    #[test]
    fn nodes_are_found_by_what_is_known_of_them() {
        let plan = plan();
        assert_eq!(find(plan.closure(), "lib").unwrap(), plan.closure().find("/lib").unwrap());
        let message = find(plan.closure(), "glibc").unwrap_err().to_string();
        assert!(message.contains("`glibc`") && message.contains("lists them"), "{message}");
    }
}
