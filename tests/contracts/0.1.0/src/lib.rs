//! Uses everything that version 0.1.0 of the contract has, and says what it found.
//!
//! Each root gets a layer of its own, and the rest is left unplaced. The settings `{"refuse": "..."}` ask for one of the
//! three kinds of refusal.

wit_bindgen::generate!({ path: "../../../wit/released/0.1.0", world: "planner" });

use exports::layerwright::planner::strategy::{Description, Failure, Guest, Proposal, Request};
use layerwright::planner::diagnostics::{Level, log};
use layerwright::planner::history::generations;
use layerwright::planner::types::Layer;

struct Everything;

impl Guest for Everything {
    fn describe() -> Description {
        Description {
            name: "contract-0-1-0".into(),
            version: "0.1.0".into(),
            summary: "Uses everything that version 0.1.0 of the contract has".into(),
            config_schema: r#"{"type": "object", "properties": {"refuse": {"type": "string", "enum": ["config", "limit", "other"]}}}"#
                .into(),
        }
    }

    fn plan(request: Request) -> Result<Proposal, Failure> {
        let nodes = &request.closure.nodes;
        for (refusal, failure) in [
            ("config", Failure::InvalidConfig("asked for".into())),
            ("limit", Failure::Unsatisfiable("asked for".into())),
            ("other", Failure::Other("asked for".into())),
        ] {
            if request.config.contains(refusal) {
                return Err(failure);
            }
        }
        let references: usize = nodes.iter().map(|node| node.references.len()).sum();
        let bytes: u64 = nodes.iter().map(|node| node.size).sum();
        log(Level::Debug, &format!("{} nodes, {references} references, {bytes} bytes", nodes.len()));
        let lineages: Vec<&str> = nodes.iter().map(|node| node.lineage.as_str()).collect();
        log(Level::Info, &format!("lineages: {}", lineages.join(" ")));
        log(Level::Warn, &format!("at most {} layers, after {} images", request.max_layers, generations(9).len()));
        let layer = |root: &u32| Layer { label: nodes[*root as usize].name.clone(), members: vec![*root] };
        Ok(Proposal { layers: request.closure.roots.iter().map(layer).collect() })
    }
}

export!(Everything);
