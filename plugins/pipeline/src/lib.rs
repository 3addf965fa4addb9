//! The operations of nixpkgs' `layeringPipeline`, so that what was written for dockerTools goes on working.
//!
//! 1. Nodes are put in order by size, smallest first; equal ones by name. They are one `Graph`.
//! 2. Each operation makes a `Value` of the one before: a graph, a list of values, or a dictionary of `main`, `common` and
//!    `rest`. `operation.rs` reads them, `run.rs` does them.
//! 3. What comes out of the last one, from the first to the last graph in it, are the layers, bottom-most first. Empty ones
//!    are dropped.
//! 4. Nodes that an operation removed are left to the next planner: a planner cannot keep a node out of an image.
//!
//! Graphs lose references on the way: those between nodes of different graphs, and, in `split_paths`, those to the nodes
//! that were split off. What is joined later does not get them back. The popularity of a node follows from those that
//! its graph still has.
//!
//! Where nixpkgs stops with an exception, this stops with an error that names the operation by its place. One case goes on
//! with a warning: `over` with a key that `split_paths` left out, because there was nothing for it.

mod graph;
mod operation;
mod run;
mod value;

#[cfg(test)]
mod tests;

use layerwright_planner::{
    Closure, Description, Failure, Level, NodeId, Proposal, ProposedLayer, Request, Strategy, Surroundings,
};
use serde::Deserialize;

use crate::graph::Graph;
use crate::value::Value;

/// See the head of this file.
pub struct Pipeline;

layerwright_planner::export!(Pipeline);

/// As written; `settings.schema.json` tells what each operation means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    pipeline: Vec<serde_json::Value>,
}

impl Strategy for Pipeline {
    fn describe() -> Description {
        Description {
            name: "pipeline".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Runs the operations of nixpkgs' layeringPipeline, which split a graph and order its parts".into(),
            config_schema: include_str!("settings.schema.json").into(),
        }
    }

    fn plan(request: &Request, surroundings: &dyn Surroundings) -> Result<Proposal, Failure> {
        let closure = &request.closure;
        let operations = operation::read(&request.settings::<Settings>()?.pipeline, closure)?;
        let mut value = Value::Graph(Graph::new(closure));
        for operation in &operations {
            value = run::run(operation, value, closure, surroundings)?;
        }
        let ends_in_list = matches!(value, Value::List(_));
        let graphs: Vec<Graph> = value.into_graphs().into_iter().filter(|graph| !graph.is_empty()).collect();
        let layers: Vec<ProposedLayer> =
            graphs.iter().map(|graph| ProposedLayer::after_its_largest(closure, graph.ids().collect())).collect();
        let left = unplaced(closure, &layers);
        fits(layers.len(), left.len(), request.max_layers.get() as usize, ends_in_list)?;
        if let Some(first) = left.first() {
            let first = &closure.node(*first).name;
            let message = format!(
                "`remove_paths` leaves {} to the next planner: a planner cannot keep nodes out of the image, which dockerTools \
                 does ({first}{})",
                counted(left.len(), "node"),
                if left.len() > 1 { " and others" } else { "" }
            );
            surroundings.log(Level::Warn, &message);
        }
        Ok(Proposal { layers })
    }
}

fn unplaced(closure: &Closure, layers: &[ProposedLayer]) -> Vec<NodeId> {
    let mut placed = vec![false; closure.len()];
    for member in layers.iter().flat_map(|layer| &layer.members) {
        placed[member.index()] = true;
    }
    closure.ids().filter(|id| !placed[id.index()]).collect()
}

fn fits(layers: usize, left: usize, max_layers: usize, ends_in_list: bool) -> Result<(), Failure> {
    let for_left = usize::from(left > 0);
    if layers + for_left <= max_layers {
        return Ok(());
    }
    let rest = if left > 0 {
        format!(
            ", and {} that `remove_paths` leaves to the next planner take{} one",
            counted(left, "node"),
            third(left)
        )
    } else {
        String::new()
    };
    let flatten = if ends_in_list { "" } else { r#"["flatten"] and "# };
    let hint = match max_layers - for_left {
        0 => "allow more layers".to_owned(),
        most => format!(r#"add {flatten}["limit_layers", {most}] at its end, or allow more layers"#),
    };
    Err(Failure::Unsatisfiable(format!(
        "the pipeline makes {}{rest}, but at most {max_layers} are allowed; {hint}",
        counted(layers, "layer")
    )))
}

fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

/// The end of a verb.
fn third(count: usize) -> &'static str {
    if count == 1 { "s" } else { "" }
}
