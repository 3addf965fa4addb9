//! What a plan looks like, with and without history.

use std::num::NonZeroU32;

use layerwright_planner::testing::{Recorded, assert_keeps_the_contract};
use layerwright_planner::{Generation, NamedNode, PastNode, lineage_of};

use super::*;

/// A closure from lines `NAME KIB -> REFERENCE REFERENCE ...`; lineages are names without versions.
fn closure(text: &str) -> Closure {
    let node = |line: &str| {
        let (node, references) = line.split_once("->").unwrap_or((line, ""));
        let (name, size) = node.trim().split_once(' ').unwrap();
        NamedNode {
            name: name.into(),
            lineage: lineage_of(name),
            size: size.trim().parse::<u64>().unwrap().saturating_mul(1024),
            references: references.split_whitespace().map(str::to_owned).collect(),
        }
    };
    Closure::new(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(node).collect(), None).unwrap()
}

fn propose(closure: &Closure, max_layers: u32, config: &str, history: Vec<Generation>) -> Proposal {
    let max_layers = NonZeroU32::new(max_layers).unwrap();
    let request = Request { closure: closure.clone(), max_layers, config: config.into() };
    let proposal = Foresight::plan(&request, &Recorded::with_history(history.clone())).unwrap();
    assert_eq!(Ok(&proposal), Foresight::plan(&request, &Recorded::with_history(history)).as_ref());
    proposal.clone().check(closure, max_layers).unwrap();
    assert_eq!(proposal.layers.iter().map(|layer| layer.members.len()).sum::<usize>(), closure.len());
    proposal
}

/// As names, sorted.
fn plan(closure: &Closure, max_layers: u32, history: Vec<Generation>) -> Vec<String> {
    let name = |id: &NodeId| closure.node(*id).name.clone();
    let layer = |layer: ProposedLayer| layer.members.iter().map(name).collect::<Vec<_>>().join(" ");
    let mut layers: Vec<String> = propose(closure, max_layers, "{}", history).layers.into_iter().map(layer).collect();
    layers.sort();
    layers
}

fn generation(closure: &Closure, proposal: &Proposal) -> Generation {
    let past = |id: &NodeId| {
        let node = closure.node(*id);
        PastNode { name: node.name.clone(), lineage: node.lineage.clone(), size: node.size }
    };
    Generation { layers: proposal.layers.iter().map(|layer| layer.members.iter().map(past).collect()).collect() }
}

/// Plans one closure after the other, each with those before as history. Newest first.
fn replay(closures: &[Closure], max_layers: u32) -> Vec<Generation> {
    let mut history = vec![];
    for closure in closures {
        let proposal = propose(closure, max_layers, "{}", history.clone());
        history.insert(0, generation(closure, &proposal));
    }
    history
}

/// A small program over a large library, and two more that never change.
fn week(week: usize) -> Closure {
    closure(&format!("app-{week} 10 -> lib-1\nlib-1 1000\nold-1 500\nrare-{} 700", week / 3))
}

#[test]
fn without_history_the_largest_have_layers() {
    let text = "app 10 -> libA libB\nlibA 100 -> libc\nlibB 80 -> libc\nlibc 50";
    let closure = closure(text);
    assert_eq!(plan(&closure, 1, vec![]), ["app libA libB libc"]);
    assert_eq!(plan(&closure, 2, vec![]), ["app libB", "libA libc"]);
    assert_eq!(plan(&closure, 3, vec![]), ["app libB", "libA libc"]);
    assert_eq!(plan(&closure, 4, vec![]), ["app", "libA", "libB", "libc"]);
}

#[test]
fn without_history_the_published_examples_come_out() {
    let text = "git 90 -> openssl perl libc\npy 120 -> openssl zlib libc\nperl 60 -> libc\nopenssl 30 -> libc\n\
                zlib 2 -> libc\nlibc 40 -> unistring\nunistring 3\ncust 5 -> py git";
    let closure = closure(text);
    assert_eq!(plan(&closure, 6, vec![])[1..], ["git", "libc unistring", "openssl", "perl", "py zlib"]);
}

#[test]
fn nothing_moves_where_nothing_changed() {
    let history = replay(&[week(0), week(1), week(2)], 2);
    let layers = plan(&week(2), 2, history.clone());
    let names = |layer: &Vec<PastNode>| layer.iter().map(|node| node.name.clone()).collect::<Vec<_>>().join(" ");
    let mut before: Vec<String> = history[0].layers.iter().map(names).collect();
    before.sort();
    assert_eq!(layers, before);
}

#[test]
fn what_stays_keeps_its_order_and_what_is_new_lies_above() {
    let names = |generation: &Generation| -> Vec<String> {
        generation.layers.iter().map(|layer| layer.iter().map(|node| node.name.as_str()).collect()).collect()
    };
    let weeks: Vec<Closure> = (0..9).map(week).collect();
    let history = replay(&weeks, 4);
    for (newer, older) in history.iter().zip(&history[1..]).map(|(newer, older)| (names(newer), names(older))) {
        let (stayed, new): (Vec<_>, Vec<_>) = newer.iter().partition(|layer| older.contains(layer));
        assert_eq!(newer, [stayed.clone(), new].concat().into_iter().cloned().collect::<Vec<_>>());
        assert_eq!(stayed, older.iter().filter(|layer| newer.contains(layer)).collect::<Vec<_>>());
    }
}

#[test]
fn a_rebuild_is_the_same_image() {
    let closure = closure("app 10 -> libA libB\nlibA 100 -> libc\nlibB 80 -> libc\nlibc 50\nold 70");
    let first = propose(&closure, 4, "{}", vec![]);
    assert_eq!(propose(&closure, 4, "{}", vec![generation(&closure, &first)]), first);
}

#[test]
fn what_changes_each_time_is_soon_alone() {
    let weeks: Vec<Closure> = (0..8).map(week).collect();
    let history = replay(&weeks, 3);
    assert_eq!(plan(&week(8), 3, history)[0], "app-8");
}

#[test]
fn what_changes_together_shares_a_layer() {
    let week = |n: usize| closure(&format!("a-{n} 900\nb-{n} 800\nc-1 5000\nd-1 4000"));
    let weeks: Vec<Closure> = (0..6).map(week).collect();
    assert_eq!(plan(&week(6), 3, replay(&weeks, 4)), ["a-6 b-6", "c-1", "d-1"]);
}

#[test]
fn layers_of_an_older_image_are_used_again() {
    let first = closure("a-1 100\nb-1 90\nc-1 80\nd-1 70");
    let second = closure("a-2 100\nb-2 90\nc-2 80\nd-2 70");
    let before = plan(&first, 2, vec![]);
    assert_eq!(plan(&first, 2, replay(&[first.clone(), second], 2)), before);
}

#[test]
fn a_layer_that_drifted_is_broken_up() {
    let week = |n: usize| closure(&format!("a-{n} 100000\nb-1 10"));
    let weeks: Vec<Closure> = (0..10).map(week).collect();
    let together: Vec<Generation> = weeks
        .iter()
        .rev()
        .map(|week| generation(week, &Proposal { layers: vec![ProposedLayer::new("", week.ids().collect())] }))
        .collect();
    assert_eq!(plan(&weeks[9], 1, together.clone()), ["a-9 b-1"]);
    assert_eq!(plan(&week(10), 2, together), ["a-10", "b-1"]);
}

#[test]
fn small_layers_are_joined_once_they_buy_nothing() {
    let week = |n: usize| closure(&format!("a-{n} 1\nb-{n} 2\nc-{n} 3\nd-1 4\ne-{} 5\nf-1 100", n / 2));
    let weeks: Vec<Closure> = (0..12).map(week).collect();
    let history = replay(&weeks, 9);
    assert_eq!(plan(&week(12), 5, history.clone()), ["a-12 b-12 c-12", "d-1", "e-6", "f-1"]);
    // Where each can be alone, just what changed is sent.
    assert_eq!(plan(&week(12), 6, history.clone()).len(), 6);
    assert_eq!(plan(&week(12), 5, history[..2].to_vec()).len(), 5);
}

#[test]
fn an_update_that_changes_nothing_is_none() {
    let weeks: Vec<Closure> = [0, 1, 1, 1, 2].map(week).into();
    let past = Past::new(&week(3), &replay(&weeks, 9), 9);
    assert_eq!((past.updates, past.changed), (3, vec![0b111, 0, 0, 0b001]));
}

#[test]
fn a_history_of_closures_tells_no_layers() {
    let alone = |week: Closure| {
        let each = week.ids().map(|id| ProposedLayer::new("", vec![id])).collect();
        generation(&week, &Proposal { layers: each })
    };
    let history = [week(1), week(0)].map(alone);
    assert_eq!(Past::new(&week(2), &history, 3).had, [[0; 0]; 0]);
    // So many an image can have.
    assert_eq!(Past::new(&week(2), &history, 4).had, [[1], [3], [2]]);
}

#[test]
fn siblings_of_a_lineage_are_told_apart() {
    let week = |n: usize| closure(&format!("m-1-0.{n} 50\nm-2-0.1 60\nm-3-0.{} 70", n / 2));
    let weeks: Vec<Closure> = (0..4).map(week).collect();
    let past = Past::new(&week(4), &replay(&weeks, 9), 9);
    assert_eq!(past.changed, [0b1111, 0, 0b0101]);
}

#[test]
fn siblings_without_number_are_tied_by_name() {
    let week = |n: usize| {
        let modules: String = (0..300).map(|module| format!("m-1.{module}-{n} {}\n", module + 1)).collect();
        closure(&(modules + "m-2.0-0 9"))
    };
    let past = Past::new(&week(2), &replay(&[week(0), week(1)], 9), 9);
    assert_eq!(past.changed, [vec![0b11; 300], vec![0]].concat());
}

#[test]
fn builds_that_change_nothing_hide_no_update() {
    let week = |n: usize| closure(&format!("a-{n} 10\nb-{} 1000\nc-1 1000", n.min(6)));
    let image = |week: Closure| {
        let layers = vec![ProposedLayer::new("", week.ids().collect())];
        generation(&week, &Proposal { layers })
    };
    let once: Vec<Generation> = (0..9).rev().map(week).map(image).collect();
    let often = once.iter().flat_map(|image| vec![image.clone(); 20]).collect();
    assert_ne!(plan(&week(9), 2, once.clone()), plan(&week(9), 2, once[..3].to_vec()));
    assert_eq!(plan(&week(9), 2, often), plan(&week(9), 2, once));
}

#[test]
fn reserved_layers_stay_free() {
    let closure = closure("a 1\nb 2\nc 3");
    assert_eq!(propose(&closure, 3, "{}", vec![]).layers.len(), 3);
    assert_eq!(propose(&closure, 3, r#"{"reserve": 2}"#, vec![]).layers.len(), 1);
    let request = Request { closure, max_layers: NonZeroU32::new(3).unwrap(), config: r#"{"reserve": 3}"#.into() };
    let failure = Foresight::plan(&request, &Recorded::default()).unwrap_err();
    assert_eq!(failure.to_string(), "cannot be done: `reserve` is 3, and there are 3 layers in all");
}

#[test]
fn sizes_beyond_all_measure_are_no_trouble() {
    let week = |n: usize| closure(&format!("a-{n} 9000000000000000000\nb-1 9000000000000000000 -> a-{n}\nc-1 0"));
    plan(&week(3), 2, replay(&[week(0), week(1), week(2)], 2));
    plan(&week(3), 1, replay(&[week(0), week(1), week(2)], 2));

    let many = |n: usize| -> Closure {
        closure(&(0..200).map(|node| format!("n-{node}-{} 18000000000000000\n", n * (node % 3))).collect::<String>())
    };
    plan(&many(2), 5, replay(&[many(0), many(1)], 5));
}

#[test]
fn cycles_and_an_empty_closure_are_planned() {
    let cycle = closure("a-1 1 -> b-1\nb-1 2 -> a-1\nc-1 3 -> b-1");
    plan(&cycle, 2, replay(&[cycle.clone(), closure("a-0 1")], 2));
    assert_eq!(plan(&closure(""), 2, replay(&[cycle], 2)), [""; 0]);
}

#[test]
fn the_contract_is_kept() {
    assert_keeps_the_contract::<Foresight>("{}");
}

/// A past in which every other node changed, for closures of every shape.
#[test]
fn the_contract_is_kept_with_history() {
    for shape in layerwright_planner::shapes::Shape::ALL {
        let closure = shape.closure();
        for max_layers in layerwright_planner::shapes::layer_limits(&closure) {
            let one = Proposal { layers: vec![ProposedLayer::new("", closure.ids().collect())] };
            let mut past = generation(&closure, &one);
            past.layers[0].iter_mut().step_by(2).for_each(|node| node.name.push_str("-before"));
            propose(&closure, max_layers.get(), "{}", vec![past]);
        }
    }
}
