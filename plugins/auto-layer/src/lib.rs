//! The layering of nixpkgs' `auto-layer.py`, the default of its dockerTools: nodes that the same large nodes need share a
//! layer.
//!
//! 1. In the beginning all nodes share one layer.
//! 2. The largest node that is not *primary* yet becomes so; of equal ones, the last by name. A layer then holds the
//!    nodes that are reached from the same primaries, where a primary reaches itself.
//! 3. That is repeated as long as there are not more layers than allowed. The first primary that would make too many
//!    ends it, and is none; smaller ones are not tried, so fewer layers than allowed may come out.
//! 4. Layers with a smaller closure lie lower, so that each lies above what it needs. Of equal ones, the one whose
//!    first member comes first by name, and by store hash where names are equal.
//!
//! nixpkgs names a layer by the *nearest* primaries of its nodes, those that reach no other primary above the node. It
//! comes to the same: the nearest ones tell all of them, since what reaches a primary reaches what that one reaches.
//!
//! Two things differ. Layers of equal closures have no order of their own in nixpkgs: it depends on the seed of
//! Python's hashes. And there two nodes that never enter the image, its config and its customisation layer, are among
//! those that can become primary and fill a layer, which is then dropped; here, they are no nodes.
//!
//! A cycle, which only packages can have, counts as one node.
//!
//! Why it does well: what is large is worth a layer, what a large node alone needs is likely to change when that one
//! does, and what many need is apart from each of them. What it does not know: how often anything changes, and what
//! earlier images had.
//!
//! Cost, for n nodes with e references: a primary can only split layers, never join any. So 64 primaries are taken at a
//! time, at n + e each time, and only the 64 with which there are too many are searched for the last one. All in all,
//! at most n · (n + e) / 64, and to order many layers the pairs of nodes that reach each other.

#[cfg(test)]
mod tests;

use layerwright_planner::graph::{Condensation, sort_by_closure_size, split_by_largest};
use layerwright_planner::{Description, Failure, Proposal, ProposedLayer, Request, Strategy, Surroundings};
use serde::Deserialize;

/// See the head of this file.
pub struct AutoLayer;

layerwright_planner::export!(AutoLayer);

/// There are none, and a user who writes one should hear that.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {}

impl Strategy for AutoLayer {
    fn describe() -> Description {
        Description {
            name: "auto-layer".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Puts nodes together that the same large nodes need, as nixpkgs does by default".into(),
            config_schema: r#"{"type": "object", "properties": {}, "additionalProperties": false}"#.into(),
        }
    }

    fn plan(request: &Request, _: &dyn Surroundings) -> Result<Proposal, Failure> {
        let Settings {} = request.settings()?;
        let closure = &request.closure;
        let condensation = Condensation::new(closure);
        let layers = split_by_largest(closure, &condensation, request.max_layers.get() as usize);
        let ordered = sort_by_closure_size(closure, layers).into_iter();
        Ok(Proposal { layers: ordered.map(|members| ProposedLayer::after_its_largest(closure, members)).collect() })
    }
}
