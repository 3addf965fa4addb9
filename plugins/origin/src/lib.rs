//! The layering of apko, called `origin` there: what is built together shares a layer.
//!
//! 1. Nodes are grouped by their origin. Of a store path it is the lineage without the name of an output:
//!    `glibc-2.40-bin` and `glibc-2.40` come from one derivation. Of other nodes it is the lineage.
//! 2. Groups are put in order by size, largest first. Equal ones follow their last member by name without the store
//!    hash, then by the hash.
//! 3. With n layers, the first n - 1 groups have one each, bottom-most first, and the others share the last.
//!
//! apko knows more of its packages: the recipe that each was built by, and which ones replace each other, which it
//! joins, too. Neither closures of store paths nor packages of dpkg tell that. The layer that apko adds for files of no
//! package is, here, the customisation layer.
//!
//! Why: outputs of one recipe change together, so that parting them gains nothing, and it needs to know nothing but
//! names and sizes. A change re-sends no more than its group, unless it is in the last layer, where everything small
//! is.
//!
//! Cost: sorting n nodes.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use layerwright_planner::{
    Closure, Description, Failure, NodeId, Proposal, ProposedLayer, Request, Strategy, Surroundings, name_before_hash,
    origin_of,
};
use serde::Deserialize;

/// See the head of this file.
pub struct Origin;

layerwright_planner::export!(Origin);

/// There are none, and a user who writes one should hear that.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {}

impl Strategy for Origin {
    fn describe() -> Description {
        Description {
            name: "origin".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Puts together what is built together, as apko does, the largest in layers of their own".into(),
            config_schema: r#"{"type": "object", "properties": {}, "additionalProperties": false}"#.into(),
        }
    }

    fn plan(request: &Request, _: &dyn Surroundings) -> Result<Proposal, Failure> {
        let Settings {} = request.settings()?;
        let closure = &request.closure;
        let mut groups = groups(closure);
        groups.sort_by_cached_key(|(_, members)| (Reverse(size(closure, members)), last_name(closure, members)));
        let max_layers = request.max_layers.get() as usize;
        let alone = if groups.len() <= max_layers { groups.len() } else { max_layers - 1 };
        let together: Vec<NodeId> = groups.split_off(alone).into_iter().flat_map(|(_, members)| members).collect();
        let mut layers: Vec<ProposedLayer> =
            groups.into_iter().map(|(origin, members)| ProposedLayer::new(origin, members)).collect();
        if !together.is_empty() {
            layers.push(ProposedLayer::new("smaller ones", together));
        }
        Ok(Proposal { layers })
    }
}

fn groups(closure: &Closure) -> Vec<(&str, Vec<NodeId>)> {
    let mut groups: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
    for id in closure.ids() {
        let node = closure.node(id);
        groups.entry(origin_of(&node.name, &node.lineage)).or_default().push(id);
    }
    groups.into_iter().collect()
}

fn size(closure: &Closure, members: &[NodeId]) -> u64 {
    members.iter().fold(0, |sum, id| sum.saturating_add(closure.node(*id).size))
}

fn last_name(closure: &Closure, members: &[NodeId]) -> Option<String> {
    members.iter().map(|id| name_before_hash(&closure.node(*id).name)).max()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use layerwright_planner::testing::{Recorded, assert_keeps_the_contract};
    use layerwright_planner::{NamedNode, lineage_of_store_path};

    use super::*;

    fn plan_with(nodes: &[(&str, u64)], max_layers: u32, config: &str) -> Result<Vec<String>, Failure> {
        let node = |(name, size): &(&str, u64)| NamedNode {
            name: (*name).into(),
            lineage: lineage_of_store_path(name),
            size: *size,
            references: vec![],
        };
        let closure = Closure::new(nodes.iter().map(node).collect(), None).unwrap();
        let request = Request { closure, max_layers: NonZeroU32::new(max_layers).unwrap(), config: config.to_owned() };
        let proposal = Origin::plan(&request, &Recorded::default())?;
        let name = |id: &NodeId| request.closure.node(*id).name.clone();
        let shown = |layer: &ProposedLayer| {
            format!("{}: {}", layer.label, layer.members.iter().map(name).collect::<Vec<_>>().join(" "))
        };
        Ok(proposal.layers.iter().map(shown).collect())
    }

    const NODES: [(&str, u64); 6] = [
        ("/s/a1-ssl-1.1", 30),
        ("/s/b2-ssl-3.0", 25),
        ("/s/c3-app-1.0", 50),
        ("/s/d4-libc-2.40", 20),
        ("/s/e5-libc-2.40-bin", 15),
        ("/s/f6-zlib-1.3", 1),
    ];

    #[test]
    fn versions_and_outputs_share_a_layer_and_the_largest_lies_lowest() {
        let expected = [
            "ssl: /s/a1-ssl-1.1 /s/b2-ssl-3.0",
            "app: /s/c3-app-1.0",
            "libc: /s/d4-libc-2.40 /s/e5-libc-2.40-bin",
            "zlib: /s/f6-zlib-1.3",
        ];
        assert_eq!(plan_with(&NODES, 100, "{}").unwrap(), expected);
        assert_eq!(plan_with(&NODES, 4, "{}").unwrap(), expected);
    }

    #[test]
    fn the_last_layer_takes_what_is_left() {
        let layers = plan_with(&NODES, 3, "{}").unwrap();
        assert_eq!(layers[..2], ["ssl: /s/a1-ssl-1.1 /s/b2-ssl-3.0", "app: /s/c3-app-1.0"]);
        assert_eq!(layers[2..], ["smaller ones: /s/d4-libc-2.40 /s/e5-libc-2.40-bin /s/f6-zlib-1.3"]);
        assert_eq!(plan_with(&NODES, 1, "{}").unwrap().len(), 1);
    }

    #[test]
    fn equal_groups_follow_the_name_before_the_hash() {
        let nodes = [("/s/zz-alpha-1", 2), ("/s/aa-beta-1", 1), ("/s/bb-beta-2", 1), ("plain", 2)];
        let labels: Vec<String> = plan_with(&nodes, 9, "{}").unwrap();
        assert_eq!(labels, ["alpha: /s/zz-alpha-1", "beta: /s/aa-beta-1 /s/bb-beta-2", "plain: plain"]);
    }

    #[test]
    fn unknown_settings_are_refused() {
        let failure = plan_with(&NODES, 1, r#"{"x": 1}"#).unwrap_err();
        assert!(matches!(failure, Failure::InvalidConfig(text) if text.contains("unknown field `x`")));
    }

    #[test]
    fn the_contract_is_kept() {
        assert_keeps_the_contract::<Origin>("{}");
    }
}
