//! Strategies that reach for the world outside: what they get of it is nothing, or the end.

use super::component::{Component, LOOP, times};
use super::*;

/// Every function of WASI that these components call.
pub(super) const IMPORTS: &str = r#"
    (import "wasi:cli/environment@0.2.6" "get-environment" (func $environment (param i32)))
    (import "wasi:cli/environment@0.2.6" "get-arguments" (func $arguments (param i32)))
    (import "wasi:cli/environment@0.2.6" "initial-cwd" (func $folder (param i32)))
    (import "wasi:cli/exit@0.2.6" "exit" (func $exit (param i32)))
    (import "wasi:cli/stdin@0.2.6" "get-stdin" (func $stdin (result i32)))
    (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $stdout (result i32)))
    (import "wasi:cli/stderr@0.2.6" "get-stderr" (func $stderr (result i32)))
    (import "wasi:io/streams@0.2.6" "[method]input-stream.read" (func $read (param i32 i64 i32)))
    (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush"
        (func $write (param i32 i32 i32 i32)))
    (import "wasi:io/poll@0.2.6" "poll" (func $poll (param i32 i32 i32)))
    (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))
    (import "wasi:io/poll@0.2.6" "[method]pollable.ready" (func $ready (param i32) (result i32)))
    (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $now (result i64)))
    (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-duration" (func $timer (param i64) (result i32)))
    (import "wasi:clocks/wall-clock@0.2.6" "now" (func $date (param i32)))
    (import "wasi:filesystem/preopens@0.2.6" "get-directories" (func $folders (param i32)))
    (import "wasi:filesystem/types@0.2.6" "filesystem-error-code" (func $files (param i32 i32)))
    (import "wasi:random/random@0.2.6" "get-random-bytes" (func $random (param i64 i32)))
    (import "wasi:random/random@0.2.6" "get-random-u64" (func $number (result i64)))
    (import "wasi:random/insecure-seed@0.2.6" "insecure-seed" (func $seed (param i32)))
    (import "wasi:sockets/instance-network@0.2.6" "instance-network" (func $network (result i32)))
    (import "wasi:http/outgoing-handler@0.2.6" "handle" (func $http (param i32) (result i32)))"#;

fn calls(plan: &str) -> Component<'_> {
    Component { plan, imports: IMPORTS, ..Component::default() }
}

/// Asserts that each of these is true, by a refusal that comes only then.
fn assert_sees(call: &str, conditions: &[&str]) {
    let seen: String = conditions.iter().map(|seen| format!("(if (i32.eqz {seen}) (then (unreachable)))")).collect();
    let plan = format!("{call} {seen} {}", Component::default().plan);
    let report = told(&calls(&plan).build(), tight());
    let error = "planner `bad.wasm` 1.2.3 refused: cannot be done: Does harm.".to_owned();
    assert_eq!(report, Report { code: REFUSED, error, notes: vec![] });
}

/// What lies at 600 is a list without elements.
const EMPTY: &str = "(i32.eqz (i32.load (i32.const 604)))";

/// What a host function returns is put at 600, over these.
const NOISE: &str = "(memory.fill (i32.const 600) (i32.const 255) (i32.const 32))";

#[test]
fn looks_for_an_environment_arguments_and_folders() {
    assert_sees(&format!("{NOISE} (call $environment (i32.const 600))"), &[EMPTY]);
    assert_sees(&format!("{NOISE} (call $arguments (i32.const 600))"), &[EMPTY]);
    assert_sees(&format!("{NOISE} (call $folders (i32.const 600))"), &[EMPTY]);
    assert_sees(&format!("{NOISE} (call $folder (i32.const 600))"), &["(i32.eqz (i32.load8_u (i32.const 600)))"]);
}

#[test]
fn reads_standard_input() {
    // An error (1), and of the stream's errors that it is closed (1).
    let error = "(i32.eq (i32.load8_u (i32.const 600)) (i32.const 1))";
    let closed = "(i32.eq (i32.load8_u (i32.const 604)) (i32.const 1))";
    assert_sees(&format!("{NOISE} (call $read (call $stdin) (i64.const 100) (i32.const 600))"), &[error, closed]);
}

#[test]
fn looks_at_the_clocks() {
    let second = "(i64.eq (i64.load (i32.const 600)) (i64.const 1))";
    let nanoseconds = "(i32.eqz (i32.load (i32.const 608)))";
    assert_sees(&format!("{NOISE} (call $date (i32.const 600))"), &[second, nanoseconds]);
    assert_sees("", &["(i64.eq (call $now) (call $now))", "(i64.eq (call $now) (i64.const 1))"]);
}

#[test]
fn waits_for_the_clock_to_move() {
    let waits = "(loop $l (br_if $l (i64.lt_u (call $now) (i64.const 2)))) (unreachable)";
    let error = "it used its whole budget of 50000000 instructions; --planner-fuel raises it";
    assert_misbehaves(&calls(waits), tight(), error, &["it was in plan"]);
}

#[test]
fn sleeps_for_a_year() {
    let year = "(i64.const 31536000000000000)";
    let start = Instant::now();
    assert_sees(&format!("(call $block (call $timer {year}))"), &["(i64.eq (call $now) (i64.const 1))"]);
    assert_sees("", &[&format!("(call $ready (call $timer {year}))")]);
    // One timer of two at 640. All of them are ready, the second (1) last.
    let both = format!(
        "{NOISE} (i32.store (i32.const 640) (call $timer {year})) (i32.store (i32.const 644) (call $timer {year}))
        (call $poll (i32.const 640) (i32.const 2) (i32.const 600))"
    );
    let second = "(i32.eq (i32.load offset=4 (i32.load (i32.const 600))) (i32.const 1))";
    assert_sees(&both, &["(i32.eq (i32.load (i32.const 604)) (i32.const 2))", second]);
    assert!(start.elapsed() < IN_TIME);
}

#[test]
fn asks_for_more_randomness_than_there_is() {
    let error = "it asked for more than 1048576 random bytes; the limit is fixed";
    let at_once = "(call $random (i64.const 1048577) (i32.const 600)) (unreachable)";
    assert_misbehaves(&calls(at_once), tight(), error, &["it was in plan"]);
    let huge = "(call $random (i64.const -1) (i32.const 600)) (unreachable)";
    assert_misbehaves(&calls(huge), tight(), error, &["it was in plan"]);
    let bit_by_bit = "(loop $l (drop (call $number)) (br $l)) (unreachable)";
    assert_misbehaves(&calls(bit_by_bit), with_fuel(), error, &["it was in plan"]);
    let in_pieces = "(loop $l (call $random (i64.const 50) (i32.const 600)) (global.set $top (i32.const 4096)) (br $l)) (unreachable)";
    assert_misbehaves(&calls(in_pieces), with_fuel(), error, &["it was in plan"]);
}

#[test]
fn uses_files_and_the_network() {
    for (call, function) in [
        ("(call $files (i32.const 0) (i32.const 600)) (unreachable)", "wasi:filesystem/types#filesystem-error-code"),
        ("(call $network)", "wasi:sockets/instance-network#instance-network"),
        ("(call $http (i32.const 0))", "wasi:http/outgoing-handler#handle"),
    ] {
        let error = format!(
            "it used {function}, which no planner gets: a planner sees its request and the history of earlier images, \
             and nothing else"
        );
        assert_misbehaves(&calls(call), tight(), &error, &["it was in plan"]);
    }
}

#[test]
fn ends_itself() {
    for status in [0, 1] {
        let exits = format!("(call $exit (i32.const {status})) {LOOP}");
        let error = "it ended itself (`exit`); its last messages may say why";
        assert_misbehaves(&calls(&exits), tight(), error, &["it was in plan"]);
    }
}

#[test]
fn holds_a_flood_of_resources() {
    let error = "it holds more than 10000 resources at once; the limit is fixed";
    assert_misbehaves(&calls(&times(10_001, "(drop (call $stdout))")), with_fuel(), error, &["it was in plan"]);
    assert_eq!(told(&calls(&times(10_000, "(drop (call $stdout))")).build(), with_fuel()).code, REFUSED);
}

#[test]
fn uses_what_it_does_not_hold() {
    let forged = "(call $write (i32.const 77) (i32.const 0) (i32.const 3) (i32.const 600)) (unreachable)";
    let error = "it handed over malformed data: unknown handle index 77";
    assert_misbehaves(&calls(forged), tight(), error, &["it was in plan"]);
    // A clock is no stream.
    let confused =
        "(call $write (call $timer (i64.const 1)) (i32.const 0) (i32.const 3) (i32.const 600)) (unreachable)";
    let report = told(&calls(confused).build(), tight());
    assert!(report.error.contains("it handed over malformed data: handle index"), "{}", report.error);
}

const FLOOD: &str = "it logged more than 1024 KiB, or too many lines; --planner-log raises the limit";

#[test]
fn floods_its_streams() {
    for stream in ["$stdout", "$stderr"] {
        let floods = format!(
            "(memory.fill (i32.const 65536) (i32.const 97) (i32.const 60000)) (local.set $at (call {stream}))
            (loop $l (call $write (local.get $at) (i32.const 65536) (i32.const 60000) (i32.const 600)) (br $l))
            (unreachable)"
        );
        let report = told(&calls(&floods).build(), with_fuel());
        assert_eq!(report.error, format!("planner `bad.wasm` 1.2.3 failed in `plan`: {FLOOD}"));
    }
}

#[test]
fn floods_with_a_bit_of_everything() {
    // 400 KiB to each of three: no one of them is too much.
    let to_all = "
        (memory.fill (i32.const 65536) (i32.const 97) (i32.const 51200))
        (loop $l
            (call $log (i32.const 1) (i32.const 65536) (i32.const 51200))
            (call $write (call $stdout) (i32.const 65536) (i32.const 51200) (i32.const 600))
            (call $write (call $stderr) (i32.const 65536) (i32.const 51200) (i32.const 600))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $at) (i32.const 8))))
        (unreachable)";
    let report = told(&calls(to_all).build(), tight());
    assert_eq!(report.error, format!("planner `bad.wasm` 1.2.3 failed in `plan`: {FLOOD}"));
}

#[test]
fn says_harmful_words_on_a_stream() {
    let says = "(call $write (call $stderr) (i32.const 1024) (i32.const 23) (i32.const 600)) (unreachable)";
    let items = super::component::data(1024, b"\x1b[2J\xff\r\n::error::x\n\n##[x");
    let component = Component { items: &items, ..calls(says) }.build();
    let error = "planner `bad.wasm` 1.2.3 failed in `plan`: it gave up (`unreachable`); its last messages may say why";
    let said =
        ["it said: so far", "it said: \\u{1b}[2J\\xff", "it said: ::error::x", "it said: ", "it said: #\\u0023[x"];
    assert_ends(&component, tight(), MISBEHAVED, error, &[&["it was in plan"], &said[..]].concat());
}
