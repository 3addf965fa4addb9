//! Small graphs, and one for each setting.

use std::num::NonZeroU32;

use layerwright_planner::testing::{Recorded, assert_keeps_the_contract, closure};
use layerwright_planner::{Closure, Failure, NodeId, Request, Strategy};

use crate::Dominators;

fn plan_with(closure: &Closure, max_layers: u32, config: &str) -> Result<Vec<String>, Failure> {
    let max_layers = NonZeroU32::new(max_layers).unwrap();
    let request = Request { closure: closure.clone(), max_layers, config: config.to_owned() };
    let proposal = Dominators::plan(&request, &Recorded::default())?;
    let name = |id: &NodeId| closure.node(*id).name.clone();
    let layers = proposal.layers.iter();
    Ok(layers.map(|layer| layer.members.iter().map(name).collect::<Vec<_>>().join(" ")).collect())
}

fn plan(text: &str, max_layers: u32) -> Vec<String> {
    plan_with(&closure(text), max_layers, "{}").unwrap()
}

/// Two roots, which share two libraries.
const PROGRAMS: &str = "git -> curl perl\ncurl -> ssl\nperl -> libc\npy -> ssl zlib\nssl -> libc\nlibc -> data";

#[test]
fn what_only_one_needs_goes_with_it() {
    // Ratings are 2 * 2, 1 * 3, 1 * 2 and 2 * 1.
    assert_eq!(plan(PROGRAMS, 9), ["data libc", "curl git perl", "py zlib", "ssl"]);
}

#[test]
fn layers_with_the_lowest_ratings_share_one() {
    assert_eq!(plan(PROGRAMS, 4), ["data libc", "curl git perl", "py zlib", "ssl"]);
    // Together they have 2 + 2, as libc has, which comes first by name.
    assert_eq!(plan(PROGRAMS, 3), ["data libc", "py ssl zlib", "curl git perl"]);
    assert_eq!(plan(PROGRAMS, 2), ["curl git perl py ssl zlib", "data libc"]);
    assert_eq!(plan(PROGRAMS, 1), ["curl data git libc perl py ssl zlib"]);
}

#[test]
fn what_is_asked_for_stands_at_the_top_of_a_layer() {
    let all = closure(PROGRAMS);
    let nodes = all.nodes().iter().map(|node| layerwright_planner::NamedNode {
        name: node.name.clone(),
        lineage: node.lineage.clone(),
        size: node.size,
        references: node.references.iter().map(|id| all.node(*id).name.clone()).collect(),
    });
    let closure = Closure::new(nodes.collect(), Some(&["git".into(), "py".into(), "curl".into()])).unwrap();
    let layers = plan_with(&closure, 9, "{}").unwrap();
    assert_eq!(layers, ["data libc", "git perl", "py zlib", "ssl", "curl"]);
}

#[test]
fn popular_nodes_have_a_layer_of_their_own() {
    let users: String = (0..5).map(|n| format!("app -> user{n}\nuser{n} -> libc\n")).collect();
    let users = closure(&format!("{users}root -> app"));
    let together = ["app libc root user0 user1 user2 user3 user4"];
    assert_eq!(plan_with(&users, 9, "{}").unwrap(), together);
    assert_eq!(plan_with(&users, 9, r#"{"popular": 6}"#).unwrap(), together);
    let apart = ["app root user0 user1 user2 user3 user4", "libc"];
    assert_eq!(plan_with(&users, 9, r#"{"popular": 5}"#).unwrap(), apart);
}

#[test]
fn what_brings_much_along_has_a_layer_of_its_own() {
    let chain = closure("a -> b\nb -> c\nc -> d");
    assert_eq!(plan_with(&chain, 9, r#"{"large-bytes": 3}"#).unwrap(), ["a b c d"]);
    assert_eq!(plan_with(&chain, 9, r#"{"large-bytes": 2}"#).unwrap(), ["b c d", "a"]);
    assert_eq!(plan_with(&chain, 9, r#"{"large-bytes": 0}"#).unwrap(), ["a", "b", "c", "d"]);
}

#[test]
fn popularity_can_come_from_elsewhere() {
    let apps = closure("/s/aa-app-1 -> /s/cc-lib-2\n/s/bb-tool-1 -> /s/cc-lib-2");
    assert_eq!(plan_with(&apps, 9, "{}").unwrap(), ["/s/cc-lib-2", "/s/aa-app-1", "/s/bb-tool-1"]);
    let config = r#"{"popularity": {"tool-1": 7, "lib-1": 9}}"#;
    assert_eq!(plan_with(&apps, 9, config).unwrap(), ["/s/bb-tool-1", "/s/aa-app-1", "/s/cc-lib-2"]);
}

#[test]
fn members_of_a_cycle_share_a_layer() {
    assert_eq!(plan("a -> b\nb -> a", 9), ["a b"]);
    assert_eq!(plan("a -> b c\nb -> c\nc -> b d\nx -> c", 9), ["b c d", "a", "x"]);
}

#[test]
fn unknown_settings_are_refused() {
    let failure = plan_with(&closure("a"), 1, r#"{"large": 1}"#).unwrap_err();
    assert!(matches!(failure, Failure::InvalidConfig(text) if text.contains("unknown field `large`")));
}

#[test]
fn the_contract_is_kept() {
    assert_keeps_the_contract::<Dominators>("{}");
    assert_keeps_the_contract::<Dominators>(r#"{"popular": 2, "large-bytes": 3000}"#);
}
