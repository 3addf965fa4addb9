//! Strategies that try to be different each time.

use super::component::{ANSWER, Component, proposal};
use super::wasi::IMPORTS;
use super::*;

/// Writes everything that could differ to standard output: clocks, randomness, what the environment holds, where memory
/// was allocated, what was in it, and bits of a number that is none.
const LOOKS_EVERYWHERE: &str = "
    (i64.store (i32.const 608) (call $now))
    (call $date (i32.const 616))
    (i64.store (i32.const 640) (call $number))
    (call $seed (i32.const 648))
    (call $random (i64.const 24) (i32.const 664))
    (call $environment (i32.const 672))
    (call $arguments (i32.const 680))
    (call $folders (i32.const 688))
    (f32.store (i32.const 696) (f32.sqrt (f32.neg (f32.const 1))))
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
