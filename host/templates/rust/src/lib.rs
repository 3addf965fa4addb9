//! Largest first: the largest nodes of a closure get a layer each, everything else shares the last one.
//!
//! A large node that did not change is then not pulled again because something small beside it did. This file is what
//! the contract asks for; what there is to decide is decided in [`largest`].

mod largest;
mod settings;

// The types and functions of the contract, in Rust. `cargo doc --open` shows them.
wit_bindgen::generate!({ path: "wit", world: "planner" });

use exports::layerwright::planner::strategy::Guest;
use layerwright::planner::diagnostics::{self, Level};
use layerwright::planner::types::{Description, Failure, Layer, Proposal, Request};

struct Strategy;

export!(Strategy);

impl Guest for Strategy {
    fn describe() -> Description {
        Description {
            name: env!("CARGO_PKG_NAME").into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Gives the largest nodes a layer each; the others share the last one".into(),
            config_schema: settings::SCHEMA.into(),
        }
    }

    fn plan(request: Request) -> Result<Proposal, Failure> {
        let nodes = &request.closure.nodes;
        // A failure is an answer to the user. A panic is a bug, and ends the strategy with its message.
        let min_size = settings::read_min_size(&request.config).map_err(Failure::InvalidConfig)?;
        let (alone, together) = largest::largest_first(nodes, request.max_layers, min_size);
        let (own, all) = (alone.len(), nodes.len());
        let said = format!("{own} of {all} nodes get a layer of their own");
        diagnostics::log(Level::Info, &said);

        let mut layers = Vec::new();
        for id in alone {
            layers.push(layer(&nodes[id as usize].lineage, vec![id]));
        }
        if !together.is_empty() {
            layers.push(layer("rest", together));
        }
        Ok(Proposal { layers })
    }
}

fn layer(name: &str, members: Vec<u32>) -> Layer {
    let label = largest::label_of(name).into();
    Layer { label, members }
}
