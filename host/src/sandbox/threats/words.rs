//! Strategies whose words command a terminal or a build server, or are too many.

use super::component::{ANSWER, Component, data, description, failure};
use super::*;

/// What must not reach a terminal or a build server's log, and how it is shown instead within a line.
const HARM: [(&str, &str); 6] = [
    ("\u{1b}]0;title\u{7}", "\\u{1b}]0;title\\u{7}"),
    ("over\rwritten", "over\\rwritten"),
    ("\u{202e}txt.exe", "\\u{202e}txt.exe"),
    ("zero\u{200b}width", "zero\\u{200b}width"),
    ("##[add-mask]x", "#\\u0023[add-mask]x"),
    ("x ##vso[task.complete]y", "x #\\u0023vso[task.complete]y"),
];

#[test]
fn refuses_in_harmful_words() {
    for (text, shown) in HARM.into_iter().chain([("a\n::error::b", "a\\n::error::b"), ("::error::c", "::error::c")]) {
        let items = failure(2, text.as_bytes());
        let report = told(&Component { plan: ANSWER, items: &items, ..Component::default() }.build(), tight());
        let error = format!("planner `bad.wasm` 1.2.3 refused: {shown}");
        assert_eq!(report, Report { code: REFUSED, error, notes: vec![] });
    }
}

#[test]
fn refuses_at_length() {
    let items = failure(2, &[b'x'; 5000]);
    let report = told(&Component { plan: ANSWER, items: &items, ..Component::default() }.build(), tight());
    assert_eq!(report.error, format!("planner `bad.wasm` 1.2.3 refused: {}…", "x".repeat(2000)));
}

#[test]
fn says_harmful_words_before_it_gives_up() {
    for (text, shown) in HARM {
        let plan = format!("(call $log (i32.const 2) (i32.const 1024) (i32.const {})) (unreachable)", text.len());
        let component = Component { plan: &plan, items: &data(1024, text.as_bytes()), ..Component::default() }.build();
        let said = format!("it said: {shown}");
        let error =
            "planner `bad.wasm` 1.2.3 failed in `plan`: it gave up (`unreachable`); its last messages may say why";
        assert_ends(&component, tight(), MISBEHAVED, error, &["it was in plan", "it said: so far", &said]);
    }
}

#[test]
fn says_several_lines_at_once() {
    let says = "(call $log (i32.const 2) (i32.const 1024) (i32.const 17)) (unreachable)";
    let items = data(1024, b"one\n::error::two\n");
    let component = Component { plan: says, items: &items, ..Component::default() }.build();
    let error = "planner `bad.wasm` 1.2.3 failed in `plan`: it gave up (`unreachable`); its last messages may say why";
    let notes = ["it was in plan", "it said: so far", "it said: one", "it said: ::error::two"];
    assert_ends(&component, tight(), MISBEHAVED, error, &notes);
}

#[test]
fn has_a_function_with_a_harmful_name() {
    let items = "(func $\"\\1b[31m ::error::x\" (unreachable))";
    let component = Component { plan: "(call 3) (unreachable)", items, ..Component::default() };
    let error = "it gave up (`unreachable`); its last messages may say why";
    assert_misbehaves(&component, tight(), error, &["it was in \\u{1b}[31m ::error::x", "called by plan"]);
}

fn describes(texts: [&[u8]; 4], why: &str) {
    let component =
        Component { describe: ANSWER, items: &description(texts), pages: 8, ..Component::default() }.build();
    let error = format!("planner `bad.wasm` failed in `describe`: its description is not valid: {why}");
    assert_ends(&component, tight(), MISBEHAVED, &error, &[]);
}

#[test]
fn describes_itself_in_harmful_words() {
    for text in ["\u{1b}[2J", "two\nlines", "\u{202e}", "\u{7f}", "\u{feff}"] {
        let (text, unprintable) = (text.as_bytes(), "has characters that cannot be printed");
        describes([text, b"1", b"s", b"{}"], &format!("`name` {unprintable}"));
        describes([b"n", text, b"s", b"{}"], &format!("`version` {unprintable}"));
        describes([b"n", b"1", text, b"{}"], &format!("`summary` {unprintable}"));
    }
}

#[test]
fn describes_itself_at_length_or_not_at_all() {
    let long = [b'x'; 501];
    describes([&long, b"1", b"s", b"{}"], "`name` has 501 bytes; at most 64 are allowed");
    describes([b"n", &long[..65], b"s", b"{}"], "`version` has 65 bytes; at most 64 are allowed");
    describes([b"n", b"1", &long, b"{}"], "`summary` has 501 bytes; at most 500 are allowed");
    describes([b"", b"1", b"s", b"{}"], "`name` is empty");
    describes([b"n", b"", b"s", b"{}"], "`version` is empty");
}

#[test]
fn has_settings_that_are_none() {
    describes([b"n", b"1", b"s", b"[]"], "`config-schema` is not a JSON object");
    describes([b"n", b"1", b"s", b"\x1b"], "`config-schema` is not JSON: expected value at line 1 column 1");
    let long = [&b"{"[..], &[b' '; 256 << 10], b"}"].concat();
    describes([b"n", b"1", b"s", &long], "`config-schema` has 262146 bytes; at most 262144 are allowed");
    let deep = [b'['; 5000];
    describes([b"n", b"1", b"s", &deep], "`config-schema` is not JSON: recursion limit exceeded at line 1 column 128");
}

const FLOOD: &str = "it logged more than 1024 KiB, or too many lines; --planner-log raises the limit";

#[test]
fn floods_the_log() {
    let flood = "(loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 3)) (br $l)) (unreachable)";
    let report = told(&Component { plan: flood, ..Component::default() }.build(), with_fuel());
    assert_eq!(report.error, format!("planner `bad.wasm` 1.2.3 failed in `plan`: {FLOOD}"));
    assert_eq!(report.notes[1..3], ["it was in plan", "it said 10000 lines, of which these are the last"]);
    assert_eq!(report.notes[3..], ["it said: bad"; 25]);
}

#[test]
fn says_one_huge_thing() {
    let says = "
        (drop (memory.grow (i32.const 32)))
        (memory.fill (i32.const 65536) (i32.const 97) (i32.const 2000000))
        (call $log (i32.const 1) (i32.const 65536) (i32.const 2000000)) (unreachable)";
    assert_misbehaves(&Component { plan: says, ..Component::default() }, tight(), FLOOD, &["it was in plan"]);
    let huge = "
        (drop (memory.grow (i32.const 300)))
        (call $log (i32.const 1) (i32.const 65536) (i32.const 17000000)) (unreachable)";
    let limits = Limits { memory_bytes: Limit::fixed(32 << 20), ..tight() };
    let error = "it handed over more than 16 MiB at once; --planner-output raises the limit";
    assert_misbehaves(&Component { plan: huge, ..Component::default() }, limits, error, &["it was in plan"]);
}

#[test]
fn says_many_empty_lines_at_once() {
    let says = "
        (memory.fill (i32.const 65536) (i32.const 10) (i32.const 20000))
        (call $log (i32.const 1) (i32.const 65536) (i32.const 20000)) (unreachable)";
    let report = told(&Component { plan: says, ..Component::default() }.build(), tight());
    assert_eq!(report.error, format!("planner `bad.wasm` 1.2.3 failed in `plan`: {FLOOD}"));
}

#[test]
fn says_a_long_line() {
    let says = "
        (memory.fill (i32.const 65536) (i32.const 97) (i32.const 60000))
        (call $log (i32.const 1) (i32.const 65536) (i32.const 60000)) (unreachable)";
    let report = told(&Component { plan: says, ..Component::default() }.build(), tight());
    assert_eq!(report.notes.last(), Some(&format!("it said: {}…", "a".repeat(2000))));
}
