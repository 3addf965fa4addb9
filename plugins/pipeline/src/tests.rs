//! The examples that nixpkgs publishes, and what it leaves open.

use std::num::NonZeroU32;

use layerwright_planner::testing::{Recorded, assert_keeps_the_contract, closure};
use layerwright_planner::{Closure, Failure, NamedNode, NodeId, Request, Strategy};
use serde_json::{Value, json};

use super::*;

const T: &str = "Root1 -> A\nA -> B D\nD -> E\nB -> D F\nRoot2 -> B\nRoot3 -> C\nX";
const S: &str = "Root1 -> A\nA -> B C\nB -> D E\nRoot2 -> B\nRoot3 -> C\nX";
const P: &str = "Root1 -> A\nA -> B C\nB -> D E G\nE -> F\nRoot2 -> B\nRoot3 -> C";

/// Name, size and references of each node.
type Sized<'a> = &'a [(&'a str, u64, &'a str)];

const U: Sized = &[("A", 2, "A C"), ("B", 4, "C D"), ("C", 6, "C"), ("D", 8, "D")];

fn sized(nodes: Sized, without: &str) -> Closure {
    let names = |text: &str| text.split_whitespace().filter(|name| *name != without).map(str::to_owned).collect();
    let named = nodes.iter().filter(|(name, ..)| *name != without).map(|&(name, size, references)| NamedNode {
        name: name.into(),
        lineage: name.into(),
        size,
        references: names(references),
    });
    Closure::new(named.collect(), None).unwrap()
}

fn propose(closure: Closure, max_layers: u32, pipeline: &Value) -> (Result<Vec<String>, Failure>, Recorded) {
    let config = json!({"pipeline": pipeline}).to_string();
    let request = Request { closure, max_layers: NonZeroU32::new(max_layers).unwrap(), config };
    let surroundings = Recorded::default();
    let proposal = Pipeline::plan(&request, &surroundings);
    let name = |id: &NodeId| request.closure.node(*id).name.clone();
    let layers = proposal.map(|proposal| {
        proposal.layers.iter().map(|layer| layer.members.iter().map(name).collect::<Vec<_>>().join(" ")).collect()
    });
    (layers, surroundings)
}

/// The layers, members in ascending order.
fn layers(closure: Closure, pipeline: &Value) -> Vec<String> {
    propose(closure, 1000, pipeline).0.unwrap()
}

/// What a pipeline says of graph [`T`] in vain.
fn mistake(pipeline: &Value) -> String {
    match propose(closure(T), 1000, pipeline).0 {
        Err(Failure::InvalidConfig(text)) => text,
        other => panic!("{pipeline}: {other:?}"),
    }
}

#[test]
fn split_paths_tells_own_common_and_other_nodes_apart() {
    for (paths, expected) in [
        (json!(["B"]), &["B F", "D E", "A C Root1 Root2 Root3 X"][..]),
        (json!(["B", "Root3"]), &["B C F Root3", "D E", "A Root1 Root2 X"]),
        (json!(["D"]), &["D E", "A B C F Root1 Root2 Root3 X"]),
        (json!([]), &["A B C D E F Root1 Root2 Root3 X"]),
        (json!(["unknown"]), &["A B C D E F Root1 Root2 Root3 X"]),
        (json!([{"children_of": "A"}]), &["B D E F", "A C Root1 Root2 Root3 X"]),
        (json!([{"children_of": ["Root1", "Root3", "unknown"]}, "B"]), &["A B C D E F", "Root1 Root2 Root3 X"]),
    ] {
        assert_eq!(layers(closure(T), &json!([["split_paths", paths]])), expected, "{paths}");
    }
    assert!(layers(closure(""), &json!([["split_paths", ["B"]]])).is_empty());
    // Nothing refers to the only root, so all is its own.
    assert_eq!(layers(closure("a -> b\nb -> c"), &json!([["split_paths", ["a"]]])), ["a b c"]);
    // Of several roots, it is not all.
    assert_eq!(layers(closure("a -> b\nc"), &json!([["split_paths", ["a", "c"]]])), ["a b c"]);
}

#[test]
fn parts_that_are_empty_are_left_out_or_there() {
    let over = |first: Value, key: &str| {
        let (found, said) = propose(closure(S), 99, &json!([first, ["over", key, ["popularity_contest"]]]));
        (found.unwrap(), said.messages())
    };
    let (_, said) = over(json!(["split_paths", ["D"]]), "common");
    assert_eq!(said[0].1, "pipeline[1] (`over`) did nothing: there is nothing in `common`");
    let (found, said) = over(json!(["subcomponent_out", []]), "main");
    assert_eq!((found, said), (vec!["A B C D E Root1 Root2 Root3 X".to_owned()], vec![]));
}

#[test]
fn subcomponents_follow_references_one_way() {
    for (operation, paths, expected) in [
        ("subcomponent_out", json!(["B"]), &["B D E", "A C Root1 Root2 Root3 X"][..]),
        ("subcomponent_out", json!(["B", "Root3"]), &["B C D E Root3", "A Root1 Root2 X"]),
        ("subcomponent_in", json!(["B"]), &["A B Root1 Root2", "C D E Root3 X"]),
        ("subcomponent_in", json!(["B", "Root3"]), &["A B Root1 Root2 Root3", "C D E X"]),
        ("subcomponent_in", json!([]), &["A B C D E Root1 Root2 Root3 X"]),
    ] {
        assert_eq!(layers(closure(S), &json!([[operation, paths]])), expected, "{operation} {paths}");
    }
}

#[test]
fn popularity_contest_has_the_order_of_nixpkgs() {
    let pipeline = json!([["popularity_contest"]]);
    assert_eq!(layers(closure(T), &pipeline), ["E", "D", "F", "B", "A", "C", "Root1", "Root2", "Root3", "X"]);
    let small = "Root1 -> A\nA -> B\nRoot2";
    assert_eq!(layers(closure(small), &pipeline), ["B", "A", "Root1", "Root2"]);
    let limited = json!([["popularity_contest"], ["limit_layers", 3]]);
    assert_eq!(layers(closure(small), &limited), ["B", "A", "Root1 Root2"]);
    let reversed = json!([["popularity_contest"], ["reverse"], ["limit_layers", 3]]);
    assert_eq!(layers(closure(small), &reversed), ["Root2", "Root1", "A B"]);
}

#[test]
fn popularity_is_right_beyond_64_bits() {
    let diamond = |n: u32| format!("a{n:03} -> b{n:03} c{n:03}\nb{n:03} -> a{0:03}\nc{n:03} -> a{0:03}\n", n + 1);
    let found = layers(closure(&(0..64).map(diamond).collect::<String>()), &json!([["popularity_contest"]]));
    assert_eq!(found[..4], ["a064", "b063", "c063", "a063"]);
    assert_eq!(found.last().unwrap(), "a000");
}

#[test]
fn a_small_graph_goes_through_several_operations() {
    let split = json!(["split_paths", ["B"]]);
    assert_eq!(layers(sized(U, ""), &json!([split])), ["B D", "C", "A"]);
    let over = json!(["over", "main", ["subcomponent_in", ["B"]]]);
    assert_eq!(layers(sized(U, ""), &json!([split, over])), ["B", "D", "C", "A"]);
    assert_eq!(layers(sized(U, "A"), &json!([split])), ["B C D"]);
    assert_eq!(layers(sized(U, "D"), &json!([split])), ["B", "C", "A"]);
}

#[test]
fn everything_works_together() {
    let pipeline = json!([
        ["split_paths", ["B"]],
        ["over", "main", ["pipe", [["subcomponent_in", ["B"]], ["over", "rest", ["popularity_contest"]]]]],
        ["flatten"],
        ["map", ["remove_paths", "Root3"]],
        ["limit_layers", 5]
    ]);
    let (found, said) = propose(closure(P), 6, &pipeline);
    assert_eq!(found.unwrap(), ["B", "F", "D", "E", "A C G Root1 Root2"]);
    let text = &said.messages()[0].1;
    assert!(
        text.starts_with("`remove_paths` leaves 1 node to the next planner") && text.ends_with("(Root3)"),
        "{text}"
    );
}

/// Nodes are in the order of their sizes, and equal ones by name.
#[test]
fn chunks_follow_the_size() {
    let nodes: Sized = &[("a", 3, "b"), ("b", 9, ""), ("c", 1, ""), ("d", 3, "c"), ("e", 2, "")];
    assert_eq!(layers(sized(nodes, ""), &json!([["split_every", 2]])), ["c e", "a d", "b"]);
    let joined = json!([["split_every", 1], ["reverse"], ["limit_layers", 1], ["map", ["split_every", 2]]]);
    assert_eq!(layers(sized(nodes, ""), &joined), ["b d", "a e", "c"]);
}

/// Joined graphs do not get the references back that were lost between them.
#[test]
fn what_was_parted_is_not_related_any_more() {
    let again = json!([["split_every", 1], ["limit_layers", 1], ["map", ["popularity_contest"]]]);
    assert_eq!(layers(closure("a -> b\nb -> c"), &again), ["a", "b", "c"]);
    let once = json!([["split_every", 9], ["map", ["popularity_contest"]]]);
    assert_eq!(layers(closure("a -> b\nb -> c"), &once), ["c", "b", "a"]);
    // Nor do nodes that were split off keep those to each other.
    let split = json!([["split_paths", ["b", "c"]], ["over", "main", ["popularity_contest"]]]);
    assert_eq!(layers(closure("a -> b\nb -> c\nc -> d"), &split), ["d", "b", "c", "a"]);
}

#[test]
fn a_limit_that_is_not_reached_adds_an_empty_graph() {
    let small = "a -> b";
    let reversed = json!([["popularity_contest"], ["limit_layers", 3], ["reverse"], ["limit_layers", 2]]);
    assert_eq!(layers(closure(small), &reversed), ["a b"]);
    assert_eq!(layers(closure(small), &json!([["popularity_contest"], ["limit_layers", 9]])), ["b", "a"]);
}

#[test]
fn parts_can_be_put_into_another_order() {
    let reorder = |keys: Value| layers(closure(T), &json!([["split_paths", ["B"]], ["reorder", keys]]));
    assert_eq!(reorder(json!(["rest", "common", "main"])), ["A C Root1 Root2 Root3 X", "D E", "B F"]);
    assert_eq!(reorder(json!(["common"])), ["D E", "B F", "A C Root1 Root2 Root3 X"]);
}

#[test]
fn no_operation_at_all_is_one_layer() {
    assert_eq!(layers(closure("a -> b"), &json!([])), ["a b"]);
    assert_eq!(layers(closure("a -> b"), &json!([["flatten"]])), ["a b"]);
    assert!(layers(closure(""), &json!([["popularity_contest"], ["limit_layers", 1]])).is_empty());
}

#[test]
fn cycles_are_no_exception() {
    let round = "a -> b\nb -> a c\nc";
    assert_eq!(layers(closure(round), &json!([["split_paths", ["a"]]])), ["a b c"]);
    assert_eq!(layers(closure(round), &json!([["split_paths", ["c"]]])), ["c", "a b"]);
    assert_eq!(layers(closure(round), &json!([["popularity_contest"]])), ["c", "a", "b"]);
}

#[test]
fn mistakes_are_told_with_the_operation() {
    for (pipeline, text) in [
        (json!([["reverse"]]), "pipeline[0] (`reverse`): it takes a list, and this is a graph; make one with"),
        (
            json!([["split_paths", ["B"]], ["popularity_contest"]]),
            "pipeline[1] (`popularity_contest`): it takes a graph, and this is a dictionary of `main` and `common` and \
             `rest`; write [\"over\", KEY, ...] around it",
        ),
        (
            json!([["split_every", 4], ["split_paths", ["B"]]]),
            "pipeline[1] (`split_paths`): it takes a graph, and this is a list of 3; write [\"map\", ...] around it",
        ),
        (
            json!([["split_paths", ["B"]], ["limit_layers", 2]]),
            "pipeline[1] (`limit_layers`): it takes a list, and this is a dictionary of `main` and `common` and `rest`; \
             put [\"flatten\"] before it",
        ),
        (
            json!([["split_every", 4], ["map", ["split_every", 2]], ["limit_layers", 1]]),
            "pipeline[2] (`limit_layers`): it cannot join a list of 2 with others; put [\"flatten\"] before it",
        ),
        (
            json!([["popularity_contest"], ["over", "main", ["reverse"]]]),
            "pipeline[1] (`over`): it takes a dictionary, and this is a list of 10; `split_paths`",
        ),
        (
            json!([["split_paths", ["B"]], ["over", "rest", ["pipe", [["split_every", 2], ["split_every", 2]]]]]),
            "pipeline[1][2][1][1] (`split_every`): it takes a graph",
        ),
        (json!(["reverse"]), "pipeline[0]: an operation is a list that begins with its name"),
        (json!([["map", "reverse"]]), "pipeline[0][1]: an operation is a list that begins with its name"),
        (json!([[]]), "pipeline[0]: an operation is a list"),
        (
            json!([["popularity"]]),
            "pipeline[0] (`popularity`): there is no such operation; there are popularity_contest",
        ),
        (json!([["limit_layers"]]), "pipeline[0] (`limit_layers`): it takes one argument, a number, and here are 0"),
        (json!([["reverse", 1]]), "pipeline[0] (`reverse`): it takes no argument, and here are 1"),
        (json!([["limit_layers", 0]]), "pipeline[0] (`limit_layers`): it takes a number from 1 on, not 0"),
        (json!([["split_every", "2"]]), "pipeline[0] (`split_every`): it takes a number from 1 on, not \"2\""),
        (
            json!([["over", "mian", ["flatten"]]]),
            "pipeline[0] (`over`): the keys are `main`, `common` and `rest`, not \"mian\"",
        ),
        (json!([["split_paths", [{"childs_of": "A"}]]]), "pipeline[0] (`split_paths`): it takes names of nodes and"),
        (json!([["subcomponent_in", [7]]]), "pipeline[0] (`subcomponent_in`): it takes names of nodes, not 7"),
        (json!([["pipe", 3]]), "pipeline[0] (`pipe`): it takes a list of operations"),
    ] {
        let said = mistake(&pipeline);
        assert!(said.starts_with(text), "{said}\n{text}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth| json!([(0..depth).fold(json!(["flatten"]), |inner, _| json!(["pipe", [inner]]))]);
    assert_eq!(layers(closure("a"), &nested(40)), ["a"]);
    let said = mistake(&nested(41));
    assert!(said.ends_with(": operations are nested deeper than 40 levels"), "{said}");
}

#[test]
fn too_many_layers_are_refused_with_what_to_add() {
    let refused = |max_layers, pipeline: Value| match propose(closure(T), max_layers, &pipeline).0 {
        Err(Failure::Unsatisfiable(text)) => text,
        other => panic!("{other:?}"),
    };
    assert_eq!(
        refused(9, json!([["popularity_contest"]])),
        "the pipeline makes 10 layers, but at most 9 are allowed; add [\"limit_layers\", 9] at its end, or allow more layers"
    );
    assert_eq!(
        refused(2, json!([["split_paths", ["B"]]])),
        "the pipeline makes 3 layers, but at most 2 are allowed; add [\"flatten\"] and [\"limit_layers\", 2] at its end, or \
         allow more layers"
    );
    assert_eq!(
        refused(3, json!([["remove_paths", ["X", "C"]], ["split_every", 3]])),
        "the pipeline makes 3 layers, and 2 nodes that `remove_paths` leaves to the next planner take one, but at most 3 are \
         allowed; add [\"limit_layers\", 2] at its end, or allow more layers"
    );
    let text = refused(1, json!([["remove_paths", "X"]]));
    assert!(text.ends_with("takes one, but at most 1 are allowed; allow more layers"), "{text}");
}

#[test]
fn a_layer_is_called_after_its_largest_node() {
    let nodes: Sized = &[("big-1", 9, ""), ("small-1", 1, ""), ("tiny-1", 1, "")];
    let request = Request {
        closure: sized(nodes, ""),
        max_layers: NonZeroU32::new(9).unwrap(),
        config: json!({"pipeline": [["subcomponent_out", ["tiny-1"]]]}).to_string(),
    };
    let proposal = Pipeline::plan(&request, &Recorded::default()).unwrap();
    let labels: Vec<&str> = proposal.layers.iter().map(|layer| layer.label.as_str()).collect();
    assert_eq!(labels, ["tiny-1", "big-1 and 1 more"]);
}

#[test]
fn the_contract_is_kept() {
    for pipeline in [
        json!([]),
        json!([["popularity_contest"]]),
        json!([["popularity_contest"], ["limit_layers", 2]]),
        json!([["split_every", 7], ["map", ["popularity_contest"]]]),
        json!([["remove_paths", ["000", "node-0"]]]),
    ] {
        assert_keeps_the_contract::<Pipeline>(&json!({"pipeline": pipeline}).to_string());
    }
}

#[test]
fn the_schema_names_every_operation() {
    let schema: Value = serde_json::from_str(&Pipeline::describe().config_schema).unwrap();
    let names = schema["properties"]["pipeline"]["items"]["prefixItems"][0]["enum"].as_array().unwrap();
    for name in names {
        let said = mistake(&json!([[name, 1, 2, 3, 4]]));
        assert!(said.contains("it takes") && said.ends_with("and here are 4"), "{said}");
    }
    let listed: Vec<&str> = names.iter().map(|name| name.as_str().unwrap()).collect();
    let said = mistake(&json!([["x"]]));
    assert!(said.ends_with(&format!("there are {} and reorder", listed[..12].join(", "))), "{said}");
}
