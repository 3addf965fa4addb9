//! What the sandbox costs: `popularity` as native code, and the same strategy as the component in the program.
//!
//! The program measures the component itself (`layerwright planner bench`), on closures that both sides generate alike.
//! Its times include a fresh instance and handing the closure over, as every plan of a user does. Both take turns, so
//! that a noisy machine treats them alike, and the least time of each counts: noise only adds.
//!
//!     cargo bench -p layerwright --bench sandbox_overhead

use std::num::NonZeroU32;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use layerwright_planner::shapes::Shape;
use layerwright_planner::{Generation, Level, Request, Strategy, Surroundings};
use popularity::Popularity;
use serde_json::Value;

/// A small closure, a large one, and one as large as they come.
const NODES: [u32; 3] = [1_000, 10_000, 63_436];
const ROUNDS: u32 = 7;
/// In each round. The program gives the middle one.
const SAMPLES: u32 = 3;
const MAX_LAYERS: NonZeroU32 = NonZeroU32::new(100).expect("it is not 0");

fn main() {
    println!("{:>8} {:>12} {:>12} {:>7}", "NODES", "NATIVE", "SANDBOX", "RATIO");
    for nodes in NODES {
        let round = |_| (native(nodes), sandboxed(nodes));
        let (native, sandboxed): (Vec<Duration>, Vec<Duration>) = (0..ROUNDS).map(round).unzip();
        let [native, sandboxed] = [native, sandboxed].map(|times| times.into_iter().min().unwrap_or_default());
        let ratio = sandboxed.as_secs_f64() / native.as_secs_f64();
        println!("{nodes:>8} {native:>12.1?} {sandboxed:>12.1?} {ratio:>7.2}");
    }
}

/// Time of the component in the program.
fn sandboxed(nodes: u32) -> Duration {
    let [nodes, samples, max_layers] = [nodes, SAMPLES, MAX_LAYERS.get()].map(|number| number.to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_layerwright"));
    command.args(["planner", "bench", "popularity", "--json", "--nodes", &nodes]);
    command.args(["--samples", &samples, "--max-layers", &max_layers]).stderr(Stdio::inherit());
    let output = command.output().expect("cargo has built the program");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let report: Value = serde_json::from_slice(&output.stdout).expect("`--json` prints JSON");
    Duration::from_micros(report["plans"][0]["plan_us"].as_u64().expect("each plan has its time"))
}

/// Time of the same code without a sandbox.
fn native(nodes: u32) -> Duration {
    let closure = Shape::NixLike(nodes).closure();
    let request = Request { closure, max_layers: MAX_LAYERS, config: "{}".into() };
    let time = |_| {
        let start = Instant::now();
        let proposal = Popularity::plan(&request, &Nothing).expect("popularity plans everything");
        let time = start.elapsed();
        assert_eq!(proposal.layers.len(), MAX_LAYERS.get() as usize);
        time
    };
    let mut times: Vec<Duration> = (0..SAMPLES).map(time).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// No history, and nobody who listens.
struct Nothing;

impl Surroundings for Nothing {
    fn log(&self, _: Level, _: &str) {}

    fn generations(&self, _: u32) -> Vec<Generation> {
        Vec::new()
    }
}
