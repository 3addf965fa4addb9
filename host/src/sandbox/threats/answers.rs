//! Strategies whose answers are too large, or none of the contract's types.

use super::component::{ANSWER, Component, data, description, failure, proposal};
use super::*;

fn assert_malformed(component: &Component<'_>, why: &str) {
    assert_misbehaves(component, tight(), &format!("it handed over malformed data: {why}"), &[]);
}

/// The answer with this list of layers.
fn list(at: u32, length: u32) -> String {
    data(32768, &[0_u32, at, length].map(u32::to_le_bytes).concat())
}

#[test]
fn has_many_layers_that_share_one_long_label() {
    let huge = "
        (memory.fill (i32.const 65536) (i32.const 97) (i32.const 61440))
        (drop (memory.grow (i32.const 64)))
        (local.set $at (i32.const 131072))
        (loop $l
            (i32.store (local.get $at) (i32.const 65536))
            (i32.store offset=4 (local.get $at) (i32.const 61440))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (br_if $l (i32.lt_u (local.get $at) (i32.const 4194304))))
        (i32.const 32768)";
    let component = Component { plan: huge, items: &list(131_072, 250_000), ..Component::default() };
    let error = "it handed over more than 16 MiB at once; --planner-output raises the limit";
    assert_misbehaves(&component, tight(), error, &[]);
}

#[test]
fn has_a_list_that_is_longer_than_memory() {
    let outside = "list pointer/length out of bounds of memory";
    for (at, length) in [(1024, u32::MAX), (0x7fff_fff0, 9), (131_068, 1), (!3, 1)] {
        assert_malformed(&Component { plan: ANSWER, items: &list(at, length), ..Component::default() }, outside);
    }
}

#[test]
fn has_a_list_at_an_odd_address() {
    let odd = "list pointer is not aligned";
    assert_malformed(&Component { plan: ANSWER, items: &list(1025, 1), ..Component::default() }, odd);
}

#[test]
fn has_a_label_outside_memory() {
    let layer = data(1024, &[0x7fff_fff0_u32, 5, 0, 0].map(u32::to_le_bytes).concat());
    let component = Component { plan: ANSWER, items: &(list(1024, 1) + &layer), ..Component::default() };
    assert_malformed(&component, "string pointer/length out of bounds of memory");
}

#[test]
fn has_its_answer_outside_memory_or_at_an_odd_address() {
    let outside = "pointer out of bounds of memory";
    assert_malformed(&Component { plan: "(i32.const 0x7ffffff0)", ..Component::default() }, outside);
    assert_malformed(&Component { plan: "(i32.const -4)", ..Component::default() }, outside);
    let odd = "return pointer not aligned";
    assert_malformed(&Component { plan: "(i32.const 513)", ..Component::default() }, odd);
}

#[test]
fn answers_with_a_case_that_does_not_exist() {
    let neither = data(32768, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert_malformed(
        &Component { plan: ANSWER, items: &neither, ..Component::default() },
        "invalid expected discriminant",
    );
    let component = Component { plan: ANSWER, items: &failure(9, b"x"), ..Component::default() };
    assert_malformed(&component, "unexpected discriminant: 9");
}

#[test]
fn says_something_at_a_level_that_does_not_exist() {
    let says = "(call $log (i32.const 3) (i32.const 0) (i32.const 3)) (unreachable)";
    let error = "it handed over malformed data: unexpected discriminant: 3";
    assert_misbehaves(&Component { plan: says, ..Component::default() }, tight(), error, &["it was in plan"]);
}

/// Not UTF-8: a byte that never occurs in it, half of a character, a surrogate, and a detour to a slash.
const NOT_UTF_8: [&[u8]; 4] = [b"a\xff", b"\xe2\x82", b"\xed\xa0\x80", b"\xc0\xaf"];

fn why(text: &[u8]) -> String {
    std::str::from_utf8(text).expect_err("it is not UTF-8").to_string()
}

#[test]
fn has_a_label_that_is_no_text() {
    for text in NOT_UTF_8 {
        let items = proposal(&[(text, &[0, 1, 2])]);
        assert_malformed(&Component { plan: ANSWER, items: &items, ..Component::default() }, &why(text));
    }
}

#[test]
fn refuses_with_what_is_no_text() {
    for text in NOT_UTF_8 {
        let items = failure(0, text);
        assert_malformed(&Component { plan: ANSWER, items: &items, ..Component::default() }, &why(text));
    }
}

#[test]
fn says_what_is_no_text() {
    for text in NOT_UTF_8 {
        let plan = format!("(call $log (i32.const 2) (i32.const 1024) (i32.const {})) (unreachable)", text.len());
        let component = Component { plan: &plan, items: &data(1024, text), ..Component::default() };
        let error = format!("it handed over malformed data: {}", why(text));
        assert_misbehaves(&component, tight(), &error, &["it was in plan"]);
    }
}

#[test]
fn says_what_lies_outside_memory() {
    let says = "(call $log (i32.const 2) (i32.const 131071) (i32.const 2)) (unreachable)";
    let error = "it handed over malformed data: string pointer/length out of bounds of memory";
    assert_misbehaves(&Component { plan: says, ..Component::default() }, tight(), error, &["it was in plan"]);
}

#[test]
fn describes_itself_with_what_is_no_text() {
    for text in NOT_UTF_8 {
        let items = description([b"bad", b"1", b"Does harm.", text]);
        let component = Component { describe: ANSWER, items: &items, ..Component::default() }.build();
        let error = format!("planner `bad.wasm` failed in `describe`: it handed over malformed data: {}", why(text));
        assert_ends(&component, tight(), MISBEHAVED, &error, &[]);
    }
}

#[test]
fn gives_too_little_memory_for_the_request() {
    let component = Component { realloc: "(return (i32.const 0x7ffffff0))", ..Component::default() }.build();
    let error = "planner `bad.wasm` 1.2.3 failed in `plan`: it handed over malformed data: realloc return: beyond end \
                 of memory";
    assert_ends(&component, tight(), MISBEHAVED, error, &[]);
}
