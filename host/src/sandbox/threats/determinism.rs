//! Strategies that try to be different each time.

use super::component::{ANSWER, Component, proposal};
use super::wasi::IMPORTS;
use super::*;

/// Writes everything that could differ to standard output: clocks, randomness, what the environment holds, where memory
/// was allocated, and what was in it.
const LOOKS_EVERYWHERE: &str = "
    (i64.store (i32.const 608) (call $now))
    (call $date (i32.const 616))
    (i64.store (i32.const 640) (call $number))
    (call $seed (i32.const 648))
    (call $random (i64.const 24) (i32.const 664))
    (call $environment (i32.const 672))
    (call $arguments (i32.const 680))
    (call $folders (i32.const 688))
    (i32.store (i32.const 700) (memory.grow (i32.const 1)))
    (memory.copy (i32.const 704) (i32.load (i32.const 664)) (i32.const 24))
    (memory.copy (i32.const 728) (i32.const 131072) (i32.const 24))
    (i32.store8 (i32.const 32796) (i32.or (i32.const 64) (i32.and (i32.wrap_i64 (call $number)) (i32.const 15))))
    (call $write (call $stdout) (i32.const 608) (i32.const 144) (i32.const 600))";

#[test]
fn looks_for_a_difference_and_finds_none() {
    let plan = format!("{LOOKS_EVERYWHERE} {ANSWER}");
    // The label's letter is chosen by chance: it lies behind the answer (12 bytes) and the list of layers (16 bytes).
    let items = proposal(&[(b"?", &[0, 1, 2])]);
    let component = Component { plan: &plan, items: &items, imports: IMPORTS, ..Component::default() };
    let first = propose(&component, tight());
    assert!(first.log.iter().map(|line| line.text.len()).sum::<usize>() > 144, "{:?}", first.log);
    assert_ne!(first.proposal.layers[0].label, "?");
    for _ in 0..5 {
        let again = propose(&component, tight());
        assert_eq!((&again.proposal, &again.log), (&first.proposal, &first.log));
        assert_eq!(again.usage.fuel, first.usage.fuel);
    }
}

/// Asserts what this gives, by a refusal that comes only then.
fn assert_gives(expression: &str, bits: u32) {
    let plan = format!(
        "(f32.store (i32.const 600) (f32.const -1))
        (if (i32.ne {expression} (i32.const {bits})) (then (unreachable))) {}",
        Component::default().plan
    );
    let report = told(&Component { plan: &plan, ..Component::default() }.build(), tight());
    assert_eq!(report.code, REFUSED, "{report:?}");
}

#[test]
fn calculates_with_what_is_no_number() {
    // Processors disagree on the sign.
    assert_gives("(i32.reinterpret_f32 (f32.sqrt (f32.load (i32.const 600))))", 0x7fc0_0000);
}

#[test]
fn calculates_with_relaxed_vectors() {
    // Behind the end of the vector, at 19: some processors take what is at 3, which is a byte of -1.0.
    let lanes = "(v128.load (i32.const 600)) (i8x16.splat (i32.const 19))";
    assert_gives(&format!("(i8x16.extract_lane_u 0 (i8x16.relaxed_swizzle {lanes}))"), 0);
}
