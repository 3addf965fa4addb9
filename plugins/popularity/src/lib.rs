//! The layering of nixpkgs' `referencesByPopularity`: what most is built upon has a layer of its own.
//!
//! 1. Score each node by its popularity (see `layerwright_planner::graph::popularity`).
//! 2. Order by score, highest first. Ties are ordered by name without the store hash, then by the hash.
//! 3. With n layers, the first n - 1 nodes have one each, bottom-most first, and the others share the last.

use layerwright_planner::graph::{popularity, sort_by_popularity};
use layerwright_planner::{Description, Failure, Proposal, ProposedLayer, Request, Strategy, Surroundings};
use serde::Deserialize;

/// See the head of this file.
pub struct Popularity;

layerwright_planner::export!(Popularity);

/// There are none, and a user who writes one should hear that.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {}

impl Strategy for Popularity {
    fn describe() -> Description {
        Description {
            name: "popularity".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Gives the nodes that most is built upon a layer each; the others share the last one".into(),
            config_schema: r#"{"type": "object", "properties": {}, "additionalProperties": false}"#.into(),
        }
    }

    fn plan(request: &Request, _: &dyn Surroundings) -> Result<Proposal, Failure> {
        let Settings {} = request.settings()?;
        let closure = &request.closure;
        let ordered = sort_by_popularity(closure, closure.ids().zip(popularity(closure)).collect());
        let max_layers = request.max_layers.get() as usize;
        let alone = if ordered.len() <= max_layers { ordered.len() } else { max_layers - 1 };
        let (alone, together) = ordered.split_at(alone);
        let mut layers: Vec<ProposedLayer> =
            alone.iter().map(|id| ProposedLayer::new(&closure.node(*id).lineage, vec![*id])).collect();
        if !together.is_empty() {
            layers.push(ProposedLayer::new("less popular", together.to_vec()));
        }
        Ok(Proposal { layers })
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use layerwright_planner::NodeId;
    use layerwright_planner::testing::{Recorded, assert_keeps_the_contract, closure};

    use super::*;

    fn plan(text: &str, max_layers: u32) -> Vec<String> {
        let closure = closure(text);
        let request = Request { closure, max_layers: NonZeroU32::new(max_layers).unwrap(), config: "{}".into() };
        let proposal = Popularity::plan(&request, &Recorded::default()).unwrap();
        let name = |id: &NodeId| request.closure.node(*id).name.clone();
        proposal.layers.iter().map(|layer| layer.members.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
    }

    /// The published example of ordering.
    #[test]
    fn the_most_popular_lie_lowest() {
        let graph = "Root1 -> A\nA -> B D\nD -> E\nB -> D F\nRoot2 -> B\nRoot3 -> C\nX";
        assert_eq!(plan(graph, 100), ["E", "D", "F", "B", "A", "C", "Root1", "Root2", "Root3", "X"]);
    }

    #[test]
    fn the_last_layer_takes_what_is_left() {
        let graph = "Root1 -> A\nA -> B\nRoot2";
        assert_eq!(plan(graph, 5), ["B", "A", "Root1", "Root2"]);
        assert_eq!(plan(graph, 4), ["B", "A", "Root1", "Root2"]);
        assert_eq!(plan(graph, 3), ["B", "A", "Root1 Root2"]);
        assert_eq!(plan(graph, 1), ["B A Root1 Root2"]);
    }

    #[test]
    fn equal_scores_follow_the_name_before_the_hash() {
        let graph = "/nix/store/zzz-alpha-1\n/nix/store/bbb-beta-1\n/nix/store/aaa-beta-1\nplain";
        assert_eq!(
            plan(graph, 9),
            ["/nix/store/zzz-alpha-1", "/nix/store/aaa-beta-1", "/nix/store/bbb-beta-1", "plain"]
        );
    }

    #[test]
    fn the_order_is_right_beyond_64_bits() {
        let diamond = |n: u32| format!("a{n:03} -> b{n:03} c{n:03}\nb{n:03} -> a{0:03}\nc{n:03} -> a{0:03}\n", n + 1);
        let layers = plan(&(0..64).map(diamond).collect::<String>(), 1000);
        assert_eq!(layers[..4], ["a064", "b063", "c063", "a063"]);
        assert_eq!(layers.last().unwrap(), "a000");
    }

    #[test]
    fn unknown_settings_are_refused() {
        let request = Request { closure: closure("a"), max_layers: NonZeroU32::MIN, config: r#"{"x": 1}"#.into() };
        let failure = Popularity::plan(&request, &Recorded::default()).unwrap_err();
        assert!(matches!(failure, Failure::InvalidConfig(text) if text.contains("unknown field `x`")));
    }

    #[test]
    fn the_contract_is_kept() {
        assert_keeps_the_contract::<Popularity>("{}");
    }
}
