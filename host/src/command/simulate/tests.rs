use std::time::Duration;

use layerwright_planner::chain::Link;
use layerwright_planner::{
    NamedNode, Node, NodeId, Plan, PlannerRecord, PlannerSource, Proposal, ProposedLayer, Request,
};

use super::figures::{percentile, share};
use super::replay::Replay;
use super::*;
use crate::history::{Image, SaidHash};

/// One image of nodes `NAME=SIZE` or `NAME=SIZE=DIGIT`, where the digit makes the NAR hash.
fn image(text: &str) -> Image {
    let mut nodes = Vec::new();
    let mut hashes = Vec::new();
    for node in text.split_whitespace() {
        let mut parts = node.split('=');
        let (name, size) = (parts.next().unwrap(), parts.next().unwrap().parse().unwrap());
        let hash = |digit: &str| SaidHash::NarHash(format!("sha256:{}", digit.repeat(64)).parse().unwrap());
        hashes.push(parts.next().map_or(SaidHash::Nothing, hash));
        let lineage = name.trim_end_matches(char::is_numeric);
        nodes.push(NamedNode { name: name.into(), lineage: lineage.into(), size, references: Vec::new() });
    }
    Image { date: text.into(), closure: Closure::new(nodes, None).unwrap(), hashes }
}

fn timeline(images: &[&str]) -> Timeline {
    Timeline::new("made.jsonl".into(), images.iter().map(|text| image(text)).collect())
}

/// A plan in which those share a layer for which the key is the same.
fn by(closure: &Closure, key: impl Fn(&Node) -> String) -> Plan {
    let mut layers: std::collections::BTreeMap<String, Vec<NodeId>> = std::collections::BTreeMap::new();
    for id in closure.ids() {
        layers.entry(key(closure.node(id))).or_default().push(id);
    }
    let layers = layers.into_values().map(|members| ProposedLayer { label: String::new(), members }).collect();
    chain::run(NodeKind::StorePath, closure.clone(), NonZeroU32::new(99).unwrap(), &mut [Answers(layers)]).unwrap()
}

struct Answers(Vec<ProposedLayer>);

impl Link for Answers {
    type Error = std::convert::Infallible;

    fn record(&self) -> PlannerRecord {
        PlannerRecord {
            name: "answers".into(),
            version: "1".into(),
            source: PlannerSource::File,
            digest: "sha256:00".into(),
            settings: serde_json::json!({}).into(),
        }
    }

    fn max_layers(&self) -> Option<NonZeroU32> {
        None
    }

    fn config(&self) -> String {
        "{}".into()
    }

    fn propose(&mut self, _: &Request) -> Result<Proposal, Self::Error> {
        Ok(Proposal { layers: self.0.clone() })
    }
}

fn replayed(timeline: &Timeline, key: impl Fn(&Node) -> String) -> Replay {
    let plan = |closure: &Closure, _: &[Arc<Generation>]| Ok(Timed { plan: by(closure, &key), time: Duration::ZERO });
    replay(timeline, Memory::OwnPlans, plan).unwrap()
}

/// What is pulled at each update, in one layer, in one for each lineage's first letter, and in one for each node.
fn pulled(images: &[&str]) -> [Vec<u64>; 3] {
    let timeline = timeline(images);
    let all = replayed(&timeline, |_| String::new()).pulled_bytes;
    let letters = replayed(&timeline, |node| node.name[..1].to_owned()).pulled_bytes;
    let each = replayed(&timeline, |node| node.name.clone()).pulled_bytes;
    let bytes = |of: fn(&timeline::Step) -> u64| timeline.updates().iter().map(of).collect::<Vec<_>>();
    assert_eq!(all, bytes(|step| step.single_layer_bytes));
    assert_eq!(each, bytes(|step| step.floor_bytes));
    [all, letters, each]
}

#[test]
fn a_layer_is_had_only_if_the_very_same_set_was_one() {
    let images = ["ax1=1 ay1=20 b1=300", "ax2=1 ay1=20 b1=300", "ax2=1 ay1=20 b1=300 c1=4000"];
    assert_eq!(pulled(&images), [vec![321, 4321], vec![21, 4000], vec![1, 4000]]);
    // A part of a layer is not had, and what was split has to be pulled again.
    assert_eq!(pulled(&["ax1=1 ay1=20", "ax1=1"]), [vec![1], vec![1], vec![0]]);
}

#[test]
fn a_client_has_all_earlier_steps_and_not_the_last_one_only() {
    let images = ["a1=1 b1=20", "a2=3 b1=20", "a1=1 b1=20"];
    assert_eq!(pulled(&images), [vec![23, 0], vec![3, 0], vec![3, 0]]);
}

#[test]
fn the_same_path_with_another_hash_is_another_content() {
    assert_eq!(pulled(&["a=1=0 b=20=0", "a=1=1 b=20=0"]), [vec![21], vec![1], vec![1]]);
    assert_eq!(pulled(&["a=1=0 b=20", "a=1=0 b=20"]), [vec![0], vec![0], vec![0]]);
}

#[test]
fn an_image_may_be_empty() {
    assert_eq!(pulled(&["a1=1", "", "a1=1 a2=2"]), [vec![0, 3], vec![0, 3], vec![0, 2]]);
}

#[test]
fn planners_know_their_own_plans_newest_first_or_nothing() {
    let timeline = timeline(&["a1=1", "a2=2 b1=1", "a3=3 b1=1"]);
    let known = |memory| {
        let mut known = Vec::new();
        let plan = |closure: &Closure, history: &[Arc<Generation>]| {
            let first = |generation: &Arc<Generation>| {
                let names = generation.layers.iter().map(|layer| layer.iter().map(|node| node.name.clone()).collect());
                names.collect::<Vec<Vec<String>>>()
            };
            known.push(history.iter().map(first).collect::<Vec<_>>());
            Ok(Timed { plan: by(closure, |_| String::new()), time: Duration::from_micros(7) })
        };
        let replay = replay(&timeline, memory, plan).unwrap();
        assert_eq!((replay.planning, replay.slowest_plan), (Duration::from_micros(21), Duration::from_micros(7)));
        known
    };
    let (first, second) = ([["a1"]], [["a2", "b1"]]);
    assert_eq!(known(Memory::OwnPlans)[0], [[[""; 0]; 0]; 0]);
    assert_eq!(known(Memory::OwnPlans)[1], [first.map(|layer| layer.to_vec()).to_vec()]);
    assert_eq!(
        known(Memory::OwnPlans)[2],
        [second.map(|layer| layer.to_vec()).to_vec(), first.map(|layer| layer.to_vec()).to_vec()]
    );
    assert!(known(Memory::Nothing).iter().all(Vec::is_empty));
}

#[test]
fn an_error_names_the_step() {
    let timeline = timeline(&["a1=1", "a2=2"]);
    let mut count = 0;
    let plan = |closure: &Closure, _: &[Arc<Generation>]| {
        count += 1;
        if count == 2 {
            bail!("no");
        }
        Ok(Timed { plan: by(closure, |_| String::new()), time: Duration::ZERO })
    };
    let error = replay(&timeline, Memory::Nothing, plan).unwrap_err();
    assert_eq!(format!("{error:#}"), "planning step 2 of made.jsonl, a2=2: no");
}

#[test]
fn figures_are_of_updates() {
    let timeline = timeline(&["a1=10 b1=30", "a2=10 b1=30", "a2=10 b2=90", "a2=10 b2=90"]);
    let replay = replayed(&timeline, |node| node.name[..1].to_owned());
    assert_eq!(replay.largest_layer, (90, 100));
    let figures = Figures::new(&timeline, "x".into(), NonZeroU32::new(4).unwrap(), Memory::OwnPlans, replay);
    let json = serde_json::to_value(&figures).unwrap();
    let expected = serde_json::json!({
        "history": "made.jsonl", "planner": "x", "max_layers": 4, "with_history": true, "updates": 3,
        "pulled_bytes": 100, "single_layer_bytes": 140, "floor_bytes": 100, "p50_bytes": 10, "p95_bytes": 90,
        "max_bytes": 90, "layers_used": 2, "largest_layer_permille": 900, "planning_us": 0, "slowest_plan_us": 0,
        "pulled_bytes_by_update": [10, 90, 0],
    });
    assert_eq!(json, expected);
    let table = table::shown(&[timeline], &[figures]);
    let lines: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        lines[0].join(" "),
        "made.jsonl: 3 updates, a1=10 b1=30 to a2=10 b2=90; 140 B as a single layer, at least 100 B"
    );
    assert_eq!(lines[2].join(" "), "x 4 2 100 B 71.4 % 1.00 x 10 B 90 B 90 B 90.0 % 0.00ns");
}

#[test]
fn percentiles_are_values_that_were_there() {
    let hundred: Vec<u64> = (1..=100).collect();
    assert_eq!([50, 95, 100].map(|percent| percentile(&hundred, percent)), [50, 95, 100]);
    assert_eq!([50, 95, 100].map(|percent| percentile(&[3, 5], percent)), [3, 5, 5]);
    assert_eq!(percentile(&[7], 50), 7);
    assert_eq!(percentile(&[], 95), 0);
}

#[test]
fn shares_of_nothing_are_none_and_large_ones_no_overflow() {
    assert_eq!([1, 2].map(|part| share(part, 3, 1000)), [Some(333), Some(667)]);
    assert_eq!([1, 2, 3].map(|part| share(part, 8, 4)), [Some(1), Some(1), Some(2)]);
    assert_eq!(share(5, 0, 1000), None);
    assert_eq!(share(u64::MAX, u64::MAX, 1000), Some(1000));
    assert_eq!(share(u64::MAX, 1, 1000), Some(u64::MAX));
}
