//! Strategies whose proposals break the rules.

use super::component::{ANSWER, Component, proposal};
use super::*;

fn assert_breaks(layers: &[(&[u8], &[u32])], breach: &str) {
    let component = Component { plan: ANSWER, items: &proposal(layers), ..Component::default() }.build();
    let error = format!("planner `bad` 1.2.3 returned a proposal that breaks the contract: {breach}");
    assert_ends(&component, tight(), MISBEHAVED, &error, &[]);
}

#[test]
fn proposes_too_many_layers() {
    let layers: [(&[u8], &[u32]); 3] = [(b"", &[0]), (b"", &[1]), (b"", &[2])];
    assert_breaks(&layers, "3 layers are returned, but at most 2 were allowed");
}

#[test]
fn leaves_no_layer_for_the_rest() {
    assert_breaks(
        &[(b"", &[0]), (b"", &[1])],
        "2 layers are returned and 1 nodes left unplaced (the first is `c`), but at most 2 layers were allowed and \
         unplaced nodes need one of them",
    );
}

#[test]
fn places_a_node_twice() {
    assert_breaks(&[(b"", &[0, 1]), (b"", &[2, 1])], "node `b` is placed twice, in layers 0 and 1");
    assert_breaks(&[(b"", &[0, 0])], "node `a` is placed twice, in layers 0 and 0");
}

#[test]
fn places_a_node_that_does_not_exist() {
    assert_breaks(&[(b"", &[0, 3])], "layer 0 names node 3, but the closure has 3 nodes (0 to 2)");
    let last = u32::MAX;
    assert_breaks(&[(b"", &[last])], &format!("layer 0 names node {last}, but the closure has 3 nodes (0 to 2)"));
}

#[test]
fn proposes_an_empty_layer() {
    assert_breaks(&[(b"", &[0]), (b"", &[])], "layer 1 has no members");
}

#[test]
fn has_a_long_label() {
    assert_breaks(&[(&[b'x'; 201], &[0, 1, 2])], "layer 0 has a label of 201 bytes; at most 200 are allowed");
}

#[test]
fn has_a_label_that_commands_the_terminal() {
    for (label, shown) in [("\u{1b}[2J", "\\u{1b}"), ("\r", "\\r"), ("\n::error::x", "\\n"), ("\u{202e}", "\\u{202e}")]
    {
        let breach = format!("layer 0 has a label with the unprintable character '{shown}'");
        assert_breaks(&[(label.as_bytes(), &[0, 1, 2])], &breach);
    }
}

#[test]
fn keeps_the_rules() {
    let items = proposal(&[(b"one", &[2, 0]), (b"two", &[1])]);
    let component = Component { plan: ANSWER, items: &items, ..Component::default() }.build();
    let plan = plan(&component, tight()).expect("this is a proposal");
    let layers: Vec<Vec<&str>> = plan.layers().iter().map(|layer| plan.names(layer).collect()).collect();
    assert_eq!(layers, [vec!["a", "c"], vec!["b"]]);
}
