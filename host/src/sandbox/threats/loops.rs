//! Strategies that never end.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::component::{ANSWER, Component, LOOP, proposal, times};
use super::*;

const BUDGET: &str = "it used its whole budget of 50000000 instructions; --planner-fuel raises it";

const HISTORY: &str =
    r#"(import "layerwright:planner/history@0.1.0" "generations" (func $generations (param i32 i32)))"#;

#[test]
fn loops_in_plan() {
    assert_misbehaves(&Component { plan: LOOP, ..Component::default() }, tight(), BUDGET, &["it was in plan"]);
}

#[test]
fn loops_in_describe() {
    let component = Component { describe: LOOP, ..Component::default() }.build();
    let error = format!("planner `bad.wasm` failed in `describe`: {BUDGET}");
    assert_ends(&component, tight(), MISBEHAVED, &error, &["it was in describe"]);
}

#[test]
fn loops_while_it_starts() {
    let component = Component { start: LOOP, ..Component::default() }.build();
    let error = format!("planner `bad.wasm` failed while it was starting: {BUDGET}");
    assert_ends(&component, tight(), MISBEHAVED, &error, &["it was in start"]);
}

#[test]
fn loops_while_it_takes_the_request() {
    let component = Component { realloc: LOOP, ..Component::default() }.build();
    let error = format!("planner `bad.wasm` 1.2.3 failed in `plan`: {BUDGET}");
    assert_ends(&component, tight(), MISBEHAVED, &error, &["it was in realloc"]);
}

#[test]
fn loops_after_its_answer() {
    let after =
        format!(r#"(func $after (export "cabi_post_layerwright:planner/strategy@0.1.0#plan") (param i32) {LOOP})"#);
    assert_misbehaves(&Component { items: &after, ..Component::default() }, tight(), BUDGET, &["it was in after"]);
}

#[test]
fn fills_memory_again_and_again() {
    let fills = "(loop $l (memory.fill (i32.const 65536) (i32.const 1) (i32.const 65536)) (br $l)) (unreachable)";
    assert_misbehaves(&Component { plan: fills, ..Component::default() }, tight(), BUDGET, &["it was in plan"]);
}

#[test]
fn has_more_fuel_than_time() {
    let limits = Limits { timeout_ms: Limit::fixed(200), ..with_fuel() };
    let late = "it took longer than 0.2 seconds; --planner-timeout raises the limit";
    assert_misbehaves(&Component { plan: LOOP, ..Component::default() }, limits, late, &["it was in plan"]);
    for (component, phase, frame) in [
        (Component { describe: LOOP, ..Component::default() }, "in `describe`", "it was in describe"),
        (Component { start: LOOP, ..Component::default() }, "while it was starting", "it was in start"),
    ] {
        let error = format!("planner `bad.wasm` failed {phase}: {late}");
        let start = Instant::now();
        assert_ends(&component.build(), limits, MISBEHAVED, &error, &[frame]);
        assert!(start.elapsed() < Duration::from_secs(5), "it took {:?}", start.elapsed());
    }
}

/// Ticks only say when to look at the clock: however many there are, the time that has passed is what counts.
#[test]
fn is_ticked_at_faster_than_time_goes_by() {
    let sandbox = Sandbox::new(tight(), Compiler::Here).expect("the engine starts");
    let component = Component { plan: LOOP, ..Component::default() }.build();
    let strategy = sandbox.load(PLANNER, &component).expect("it can be loaded");
    let request = Request { closure: abc(), max_layers: NonZeroU32::MIN, config: "{}".into() };
    let is_done = AtomicBool::new(false);
    let ended = thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                sandbox.engine.increment_epoch();
            }
        });
        let ended = strategy.plan(&request, &[]).map(drop);
        is_done.store(true, Ordering::Relaxed);
        ended
    });
    let error = anyhow::Error::from(ended.expect_err("it never ends"));
    let error = Report::of(&error).error;
    assert_eq!(error, format!("planner `{PLANNER}` 1.2.3 failed in `plan`: {BUDGET}"));
}

/// A clock that ticks while it runs costs it nothing, so that it is ended after the same instruction on every machine.
#[test]
fn is_ticked_at_while_it_runs() {
    let limits = Limits { timeout_ms: Limit::fixed(u64::MAX >> 8), ..tight() };
    let sandbox = Sandbox::new(limits, Compiler::Here).expect("the engine starts");
    let plan = format!(
        "(loop $l (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $at) (i32.const 1000000)))) {ANSWER}"
    );
    let items = proposal(&[(&b"x"[..], &[0, 1, 2])]);
    let component = Component { plan: &plan, items: &items, ..Component::default() }.build();
    let strategy = sandbox.load(PLANNER, &component).expect("it can be loaded");
    let request = Request { closure: abc(), max_layers: NonZeroU32::MIN, config: "{}".into() };
    let fuel = || strategy.plan(&request, &[]).expect("it proposes something").usage.fuel;
    let usual = fuel();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                sandbox.engine.increment_epoch();
            }
        });
        let ticked_at: Vec<u64> = (0..5).map(|_| fuel()).collect();
        is_done.store(true, Ordering::Relaxed);
        assert_eq!(ticked_at, [usual; 5]);
    });
}

#[test]
fn says_nothing_again_and_again() {
    let says = "(loop $l (call $log (i32.const 0) (i32.const 0) (i32.const 0)) (br $l)) (unreachable)";
    let report = told(&Component { plan: says, ..Component::default() }.build(), with_fuel());
    assert_eq!(
        report.error,
        "planner `bad.wasm` 1.2.3 failed in `plan`: it logged more than 1024 KiB, or too many lines; --planner-log \
         raises the limit"
    );
    assert_eq!(report.notes.last().map(String::as_str), Some("it said: "));
}

#[test]
fn asks_the_host_again_and_again() {
    // A hundred thousand calls are two million instructions of its own: the rest is what they cost the host.
    let asks = times(100_000, "(call $generations (i32.const 0) (i32.const 600))");
    let component = Component { plan: &asks, imports: HISTORY, ..Component::default() };
    assert_misbehaves(&component, tight(), BUDGET, &["it was in plan"]);
}

/// Its `$realloc` gives the same place every time, so that its memory is no limit.
#[test]
fn takes_the_history_again_and_again() {
    let realloc = "(if (i32.eqz (local.get 0)) (then (return (i32.const 1024))))";
    let component = |asks| Component { plan: asks, imports: HISTORY, realloc, ..Component::default() };
    // 8,000 calls are 16 million instructions, and the three nodes 48 million.
    let one = times(8_000, "(call $generations (i32.const 0) (i32.const 600))");
    assert_eq!(told(&component(&one).build(), tight()).code, REFUSED);
    let all = times(8_000, "(call $generations (i32.const -1) (i32.const 600))");
    assert_misbehaves(&component(&all), tight(), BUDGET, &["it was in plan"]);
}
