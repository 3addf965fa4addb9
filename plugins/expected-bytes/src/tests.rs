//! What earlier images decide.

use std::num::NonZeroU32;

use layerwright_planner::testing::{Recorded, assert_keeps_the_contract};
use layerwright_planner::{Closure, Failure, Generation, NamedNode, NodeId, PastNode, Request, Strategy};

use crate::ExpectedBytes;
use crate::history::changes;

/// Names of the form `lineage-version`, each of 10 MB; `app` and `base` have more.
fn closure(names: &str) -> Closure {
    let node = |name: &str| NamedNode {
        name: name.into(),
        lineage: name.split_once('-').unwrap().0.into(),
        size: if name.starts_with("app-") || name.starts_with("base-") { 11_000_000 } else { 10_000_000 },
        references: vec![],
    };
    Closure::new(names.split(' ').map(node).collect(), None).unwrap()
}

fn generation(layers: &[&str]) -> Generation {
    let node =
        |name: &str| PastNode { name: name.into(), lineage: name.split_once('-').unwrap().0.into(), size: 10_000_000 };
    Generation { layers: layers.iter().map(|layer| layer.split(' ').map(node).collect()).collect() }
}

fn plan_with(names: &str, history: &[Generation], max_layers: u32, config: &str) -> Result<Vec<String>, Failure> {
    let closure = closure(names);
    let max_layers = NonZeroU32::new(max_layers).unwrap();
    let request = Request { closure: closure.clone(), max_layers, config: config.to_owned() };
    let proposal = ExpectedBytes::plan(&request, &Recorded::with_history(history.to_vec()))?;
    assert!(proposal.clone().check(&closure, request.max_layers).is_ok());
    let shown = |members: &[NodeId]| {
        let mut names: Vec<&str> = members.iter().map(|id| closure.node(*id).name.as_str()).collect();
        names.sort_unstable();
        names.join(" ")
    };
    Ok(proposal.layers.iter().map(|layer| shown(&layer.members)).collect())
}

fn plan(names: &str, history: &[Generation], max_layers: u32) -> Vec<String> {
    plan_with(names, history, max_layers, "{}").unwrap()
}

#[test]
fn updates_are_counted_by_lineage_from_the_newest_back() {
    let images = ["a-2 b-1 c-1", "a-1 b-1 c-1", "a-1 b-1 c-0"].map(|image| generation(&[image]));
    let closure = closure("a-3 b-1 c-1 d-1");
    assert_eq!(changes(&closure, &images), [0b011, 0, 0b100, 0b111]);
    // In two images nothing can be told yet, and without any there is one update to come.
    assert_eq!(changes(&closure, &images[..2]), [0b11; 4]);
    assert_eq!(changes(&closure, &[]), [1; 4]);
}

#[test]
fn what_changed_in_the_same_updates_shares_a_layer_above_what_did_not() {
    let history: Vec<Generation> =
        (0..8).rev().map(|week| generation(&[&format!("app-{week} base-1 conf-{week} data-1")])).collect();
    // All is planned anew when eight images are known.
    assert_eq!(plan("app-8 base-1 conf-8 data-1", &history, 2), ["base-1 data-1", "app-8 conf-8"]);
    let together = ["app-8 base-1 conf-8 data-1"];
    assert_eq!(plan("app-8 base-1 conf-8 data-1", &history[..7], 2), together);
    let anew = plan_with("app-8 base-1 conf-8 data-1", &history[..7], 2, r#"{"keep-previous": false}"#).unwrap();
    assert_eq!(anew, ["base-1 data-1", "app-8 conf-8"]);
}

#[test]
fn nodes_stay_where_their_earlier_versions_were() {
    let before = [generation(&["x-1 gone-1", "a-1 b-1", "lost-1", "c-1"])];
    assert_eq!(plan("a-2 b-1 c-2 x-1", &before, 3), ["x-1", "a-2 b-1", "c-2"]);
    // Their layers were more than that.
    assert_eq!(plan("a-2 b-1 c-2 x-1", &before, 2).len(), 2);
    // There is room for each.
    assert_eq!(plan("a-2 b-1 c-2 x-1", &before, 4).len(), 4);
}

#[test]
fn of_several_with_one_lineage_each_has_its_own_earlier_version() {
    let before = [generation(&["a-1 z-1", "a-2", "b-1"])];
    assert_eq!(plan("a-1 a-2 b-2 z-1", &before, 3), ["a-1 z-1", "a-2", "b-2"]);
    assert_eq!(plan("a-2 a-3 b-2 z-1", &before, 3), ["a-3 z-1", "a-2", "b-2"]);
    assert_eq!(plan("a-5 a-6 b-2 z-1", &before, 3), ["a-5 z-1", "a-6", "b-2"]);
}

#[test]
fn new_nodes_join_layers_that_change_anyway() {
    let weeks = |week: u32| generation(&[&format!("app-{week} conf-{week}"), "base-1 data-1"]);
    let history: Vec<Generation> = (0..6).rev().map(weeks).collect();
    let layers = plan("app-6 base-1 conf-6 data-1 new-1", &history, 2);
    assert_eq!(layers, ["app-6 conf-6 new-1", "base-1 data-1"]);
    // The first would be as good as an empty one, but grows no further.
    let layers = plan("app-6 base-1 conf-6 data-1 new-1 new-2", &history, 3);
    assert_eq!(layers, ["app-6 conf-6", "base-1 data-1", "new-1 new-2"]);
}

#[test]
fn without_history_layers_are_about_equal() {
    let names: Vec<String> = (0..40).map(|at| format!("n{at:02}-1")).collect();
    let sizes: Vec<usize> = plan(&names.join(" "), &[], 4).iter().map(|layer| layer.split(' ').count()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 40);
    assert!(sizes.iter().all(|size| (4..=13).contains(size)), "{sizes:?}");
}

#[test]
fn unknown_settings_are_refused() {
    let failure = plan_with("a-1", &[], 1, r#"{"keep": true}"#).unwrap_err();
    assert!(matches!(failure, Failure::InvalidConfig(text) if text.contains("unknown field `keep`")));
}

#[test]
fn the_contract_is_kept() {
    assert_keeps_the_contract::<ExpectedBytes>("{}");
}
