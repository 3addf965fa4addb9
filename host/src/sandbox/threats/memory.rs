//! Strategies that want the whole machine's memory.

use super::component::{Component, with_instances};
use super::*;

/// Beside a component that is well-behaved itself, with 128 KiB of memory and a small table.
fn beside(module: &str, instances: u8) -> Vec<u8> {
    with_instances(&Component::default().build(), module, instances)
}

fn too_much(mib: u64) -> String {
    format!("it wanted {mib} MiB of memory, but at most 8 MiB are allowed; --planner-memory raises the limit")
}

#[test]
fn grows_its_memory_bit_by_bit() {
    let grows = "(loop $l (drop (memory.grow (i32.const 1))) (br $l)) (unreachable)";
    assert_misbehaves(&Component { plan: grows, ..Component::default() }, tight(), &too_much(9), &["it was in plan"]);
}

#[test]
fn grows_its_memory_at_once() {
    let grows = "(drop (memory.grow (i32.const 65000))) (unreachable)";
    assert_misbehaves(
        &Component { plan: grows, ..Component::default() },
        tight(),
        &too_much(4063),
        &["it was in plan"],
    );
}

#[test]
fn begins_with_too_much_memory() {
    let component = Component { pages: 65536, ..Component::default() }.build();
    assert_fails_to_start(&component, tight(), &too_much(4097), &[]);
}

#[test]
fn begins_with_more_memory_than_there_is_address_space() {
    assert_fails_to_start(&beside("(module (memory i64 0x1000000000))", 1), tight(), &too_much((1 << 32) + 1), &[]);
}

#[test]
fn has_several_memories_that_are_too_much_together() {
    assert_fails_to_start(&beside("(module (memory 20) (memory 20) (memory 100))", 1), tight(), &too_much(9), &[]);
    assert_fails_to_start(&beside("(module (memory 20))", 8), tight(), &too_much(9), &[]);
}

#[test]
fn has_many_small_memories() {
    let memories = format!("(module {})", "(memory 0)".repeat(16));
    let error = "it has 17 memories, but at most 16 are allowed; the limit is fixed";
    assert_fails_to_start(&beside(&memories, 1), tight(), error, &[]);
    assert_fails_to_start(&beside("(module (memory 0))", 16), tight(), error, &[]);
}

#[test]
fn has_a_huge_table() {
    assert_fails_to_start(&beside("(module (table 10000000 funcref))", 1), tight(), &too_much(153), &[]);
}

#[test]
fn has_several_tables_that_are_too_much_together() {
    assert_fails_to_start(&beside("(module (table 100000 funcref))", 6), tight(), &too_much(10), &[]);
}

#[test]
fn has_many_small_tables() {
    let tables = format!("(module {})", "(table 0 funcref)".repeat(64));
    let error = "it has 65 tables, but at most 64 are allowed; the limit is fixed";
    assert_fails_to_start(&beside(&tables, 1), tight(), error, &[]);
    assert_fails_to_start(&beside("(module (table 0 funcref) (table 0 funcref))", 32), tight(), error, &[]);
}

#[test]
fn grows_a_table() {
    let grows = "(loop $l (drop (table.grow $t (ref.null func) (i32.const 1000))) (br $l)) (unreachable)";
    let component = Component { plan: grows, items: "(table $t 0 funcref)", ..Component::default() };
    assert_misbehaves(&component, tight(), &too_much(9), &["it was in plan"]);
}

#[test]
fn has_many_instances() {
    let error = "it has 65 core modules, but at most 64 are allowed; the limit is fixed";
    assert_fails_to_start(&beside("(module)", 100), tight(), error, &[]);
}

/// No misdeed: what it declared itself is what it gets, and nothing else is counted.
#[test]
fn asks_for_more_than_it_declared() {
    let grows = "(module (memory 1 2) (table 1 2 funcref)
        (func $start
            (if (i32.ne (memory.grow (i32.const 1000)) (i32.const -1)) (then (unreachable)))
            (if (i32.ne (table.grow (ref.null func) (i32.const 10000000)) (i32.const -1)) (then (unreachable))))
        (start $start))";
    let component = with_instances(&Component::default().build(), grows, 1);
    assert_eq!(told(&component, tight()).code, REFUSED);
}
