//! Strategies that behave badly, each a few lines of WebAssembly text.
//!
//! A case is the body of `plan`, of `describe` or of the module's initialiser; everything else is what a well-behaved
//! component has. The canonical ABI passes a request in seven words and expects a pointer to the result.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use layerwright_planner::testing::closure;
use layerwright_planner::{Level, Request};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::error::{Misdeed, NotAStrategy, Phase};
use super::*;

/// Where the answer of `plan` is: 1 means failure, 0 a proposal; then pointer and length.
const REFUSES: &str = r#"
    (i32.store8 (i32.const 512) (i32.const 1))
    (i32.store8 (i32.const 516) (i32.const 1))
    (i32.store (i32.const 520) (i32.const 0))
    (i32.store (i32.const 524) (i32.const 4))
    (i32.const 512)"#;

const DESCRIBES: &str = "(i32.const 256)";

struct Module<'a> {
    plan: &'a str,
    describe: &'a str,
    start: &'a str,
    extra: &'a str,
    pages: u32,
}

impl Default for Module<'_> {
    fn default() -> Self {
        Self { plan: REFUSES, describe: DESCRIBES, start: "", extra: "", pages: 2 }
    }
}

impl Module<'_> {
    fn core(&self) -> Vec<u8> {
        let Self { plan, describe, start, extra, pages } = self;
        // 0: "name", the text of name, version, summary and refusal. 16: "{}". 256: the description.
        let text = format!(
            r#"(module
                (import "layerwright:planner/diagnostics@0.1.0" "log" (func $log (param i32 i32 i32)))
                (memory (export "memory") {pages})
                (global $top (mut i32) (i32.const 4096))
                (data (i32.const 0) "name")
                (data (i32.const 16) "{{}}")
                (data (i32.const 256) "\00\00\00\00\04\00\00\00\00\00\00\00\04\00\00\00\00\00\00\00\04\00\00\00\10\00\00\00\02\00\00\00")
                (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
                    (global.get $top)
                    (global.set $top (i32.add (global.get $top) (local.get 3))))
                (func $start {start})
                (start $start)
                {extra}
                (func (export "layerwright:planner/strategy@0.1.0#describe") (result i32) {describe})
                (func (export "layerwright:planner/strategy@0.1.0#plan")
                    (param i32 i32 i32 i32 i32 i32 i32) (result i32) {plan}))"#
        );
        wat::parse_str(text).unwrap()
    }

    fn component(&self) -> Vec<u8> {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).unwrap();
        let world = resolve.select_world(&[package], None).unwrap();
        let mut module = self.core();
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
        ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
    }
}

fn tight() -> Limits {
    Limits {
        fuel: Limit::fixed(50_000_000),
        memory_bytes: Limit::fixed(8 << 20),
        timeout_ms: Limit::fixed(20_000),
        ..Limits::default()
    }
}

fn plan(module: &Module<'_>, limits: Limits) -> StrategyError {
    let sandbox = Sandbox::new(limits, Compiler::Here).unwrap();
    let request = Request { closure: closure("a -> b"), max_layers: NonZeroU32::MIN, config: "{}".into() };
    match sandbox.load("bad.wasm", &module.component()) {
        Err(error) => error,
        Ok(strategy) => strategy.plan(&request, &[]).map(drop).expect_err("it has no proposal"),
    }
}

fn misdeed(module: &Module<'_>, limits: Limits) -> (Phase, String) {
    match plan(module, limits) {
        StrategyError::Misbehaved(failed) => (failed.phase, failed.misdeed.to_string()),
        other => panic!("{other:?}"),
    }
}

const LOOP: &str = "(loop $l (br $l)) (unreachable)";

#[test]
fn a_refusal_is_the_strategys_own_words() {
    let error = plan(&Module::default(), tight());
    assert_eq!(error.to_string(), "planner `bad.wasm` name refused: cannot be done: name");
}

#[test]
fn an_endless_loop_ends_wherever_it_is() {
    let message = "it used its whole budget of 50000000 instructions; --planner-fuel raises it";
    for (module, phase) in [
        (Module { plan: LOOP, ..Module::default() }, Phase::Plan),
        (Module { describe: LOOP, ..Module::default() }, Phase::Describe),
        (Module { start: LOOP, ..Module::default() }, Phase::Start),
    ] {
        assert_eq!(misdeed(&module, tight()), (phase, message.to_owned()));
    }
}

#[test]
fn the_clock_stops_what_fuel_does_not() {
    let limits = Limits { fuel: Limit::fixed(u64::MAX >> 1), timeout_ms: Limit::fixed(200), ..tight() };
    let start = Instant::now();
    let (phase, message) = misdeed(&Module { plan: LOOP, ..Module::default() }, limits);
    assert_eq!(
        (phase, message.as_str()),
        (Phase::Plan, "it took longer than 0.2 seconds; --planner-timeout raises the limit")
    );
    assert!(start.elapsed() < Duration::from_secs(10));
}

#[test]
fn memory_is_bounded_at_the_start_and_while_it_grows() {
    let message = |mib| {
        format!("it wanted {mib} MiB of memory, but at most 8 MiB are allowed; --planner-memory raises the limit")
    };
    let large = Module { pages: 129, ..Module::default() };
    assert_eq!(misdeed(&large, tight()), (Phase::Start, message(9)));
    let growing = "(loop $l (drop (memory.grow (i32.const 16))) (br $l)) (unreachable)";
    let growing = Module { plan: growing, ..Module::default() };
    assert_eq!(misdeed(&growing, tight()), (Phase::Plan, message(9)));
}

#[test]
fn deep_recursion_is_a_stack_overflow() {
    let module = Module {
        extra: "(func $deep (call $deep) (call $deep))",
        plan: "(call $deep) (unreachable)",
        ..Module::default()
    };
    let (_, message) = misdeed(&module, Limits { fuel: Limit::fixed(1 << 40), ..tight() });
    assert_eq!(message, "its stack overflowed: it may have 1024 KiB; --planner-stack raises the limit");
}

#[test]
fn a_crash_says_where_and_what_was_said_before() {
    let crash = "(call $log (i32.const 2) (i32.const 0) (i32.const 4)) (call $inner) (unreachable)";
    let module = Module { extra: "(func $inner (unreachable))", plan: crash, ..Module::default() };
    let StrategyError::Misbehaved(failed) = plan(&module, tight()) else { panic!() };
    assert!(matches!(failed.misdeed, Misdeed::Abort));
    assert_eq!(failed.frames[0], "inner");
    assert_eq!(failed.log, [LogLine { level: Level::Warn, text: "name".into() }]);
}

#[test]
fn a_flood_of_messages_ends() {
    let flood = "(loop $l (call $log (i32.const 1) (i32.const 0) (i32.const 4)) (br $l)) (unreachable)";
    let (_, message) =
        misdeed(&Module { plan: flood, ..Module::default() }, Limits { fuel: Limit::fixed(1 << 40), ..tight() });
    assert_eq!(message, "it logged more than 1024 KiB, or too many lines; --planner-log raises the limit");
}

#[test]
fn a_huge_answer_is_not_copied() {
    // A million layers, each with the same label of 60 KiB.
    let huge = "
        (local $at i32)
        (memory.fill (i32.const 65536) (i32.const 97) (i32.const 61440))
        (drop (memory.grow (i32.const 64)))
        (local.set $at (i32.const 131072))
        (loop $l
            (i32.store (local.get $at) (i32.const 65536))
            (i32.store offset=4 (local.get $at) (i32.const 61440))
            (local.set $at (i32.add (local.get $at) (i32.const 16)))
            (br_if $l (i32.lt_u (local.get $at) (i32.const 4194304))))
        (i32.store8 (i32.const 512) (i32.const 0))
        (i32.store (i32.const 516) (i32.const 131072))
        (i32.store (i32.const 520) (i32.const 250000))
        (i32.const 512)";
    let (_, message) = misdeed(&Module { plan: huge, ..Module::default() }, tight());
    assert_eq!(message, "it handed over more than 16 MiB at once; --planner-output raises the limit");
}

#[test]
fn malformed_answers_are_refused() {
    let outside = "(i32.store8 (i32.const 512) (i32.const 0)) (i32.store (i32.const 516) (i32.const 0x7ffffff0))
        (i32.store (i32.const 520) (i32.const 9)) (i32.const 512)";
    let (_, message) = misdeed(&Module { plan: outside, ..Module::default() }, tight());
    assert!(message.starts_with("it handed over malformed data: "), "{message}");
    let (_, message) = misdeed(&Module { plan: "(i32.const 0x7ffffff0)", ..Module::default() }, tight());
    assert!(message.starts_with("it handed over malformed data: "), "{message}");
}

#[test]
fn descriptions_must_be_printable() {
    let escape = r"(i32.store8 (i32.const 1) (i32.const 27)) (i32.const 256)";
    let (phase, message) = misdeed(&Module { describe: escape, ..Module::default() }, tight());
    assert_eq!(phase, Phase::Describe);
    assert_eq!(message, "its description is not valid: `name` has characters that cannot be printed");
}

fn refusal(bytes: &[u8]) -> String {
    match Sandbox::new(tight(), Compiler::Here).unwrap().load("x", bytes).map(drop).unwrap_err() {
        StrategyError::NotAStrategy { reason, .. } => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_strategy_is_named() {
    let good = Module::default();
    assert!(refusal(b"").starts_with("it is not WebAssembly"));
    assert!(refusal(b"#!/bin/sh\n").starts_with("it is not WebAssembly: it begins with [23, 21, 2f, 62]"));
    assert!(refusal(&good.core()).starts_with("it is a core WebAssembly module and not a component"));
    let component = good.component();
    assert!(refusal(&component[..component.len() / 2]).starts_with("it is a damaged or unsupported component"));
    let sandbox = Sandbox::new(tight(), Compiler::Here).unwrap();
    let native = sandbox.engine.precompile_component(&component).unwrap();
    assert!(refusal(&native).starts_with("it is compiled native code"));
    let empty = wat::parse_str("(component)").unwrap();
    assert_eq!(refusal(&empty), "it does not export the interface layerwright:planner/strategy; it exports nothing");
    let sockets = wat::parse_str(r#"(component (import "other:sockets/tcp@0.2.0" (instance)))"#).unwrap();
    assert_eq!(refusal(&sockets), "it imports what no planner gets: other:sockets/tcp@0.2.0");
    let other = r#"(component (instance $i) (export "layerwright:planner/strategy@0.1.0" (instance $i)))"#;
    assert!(
        refusal(&wat::parse_str(other).unwrap())
            .starts_with("it does not fit layerwright:planner@0.1.0, which this program offers")
    );
    assert!(matches!(
        sandbox.load("x", &vec![0; 65 << 20]).map(drop).unwrap_err(),
        StrategyError::NotAStrategy { reason: NotAStrategy::TooLarge { .. }, .. }
    ));
}

#[test]
fn a_compiler_that_panics_is_an_error() {
    let result: wasmtime::Result<()> = super::call::guarded(1 << 20, || panic!("a bug in the compiler"));
    assert_eq!(result.unwrap_err().to_string(), "the WebAssembly engine failed on it, which is a bug of the engine");
}
