//! Strategies that break the contract, each a few lines of WebAssembly text: the body of `plan`.

use clap::Parser;
use layerwright_planner::shapes::{Shape, layer_limits};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

use super::asked::{Asked, FaultKind};
use super::check;
use super::examine::{Examined, examine};
use super::report::Report;
use crate::arguments::{Arguments, Command, PlannerCommand};
use crate::console::Console;
use crate::sandbox::{Compiler, Limit, Limits, Sandbox};

/// No layers: every node is left to others.
const NOTHING: &str =
    "(i32.store8 (i32.const 512) (i32.const 0)) (i64.store (i32.const 516) (i64.const 0)) (i32.const 512)";
/// One layer without members.
const EMPTY_LAYER: &str = "(i32.store8 (i32.const 512) (i32.const 0))
    (i32.store (i32.const 516) (i32.const 600)) (i32.store (i32.const 520) (i32.const 1)) (i32.const 512)";
/// Fails where the closure, whose length is the second word, has one node.
const TRAPS_ON_ONE: &str = "(if (i32.eq (local.get 1) (i32.const 1)) (then (unreachable)))";
const LOOPS: &str = "(loop $l (br $l)) (unreachable)";

fn component(plan: &str) -> Vec<u8> {
    // 0: the text of name, version and summary. 16: the schema. 256: the description.
    let text = format!(
        r#"(module
            (import "layerwright:planner/diagnostics@0.1.0" "log" (func $log (param i32 i32 i32)))
            (memory (export "memory") 2)
            (global $top (mut i32) (i32.const 4096))
            (data (i32.const 0) "name")
            (data (i32.const 16) "{{\"additionalProperties\":false}}")
            (data (i32.const 256) "\00\00\00\00\04\00\00\00\00\00\00\00\04\00\00\00\00\00\00\00\04\00\00\00\10\00\00\00\1e\00\00\00")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
                (global.get $top)
                (global.set $top (i32.add (global.get $top) (local.get 3))))
            (func (export "layerwright:planner/strategy@0.1.0#describe") (result i32) (i32.const 256))
            (func (export "layerwright:planner/strategy@0.1.0#plan")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32) {plan}))"#
    );
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit")).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(text).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

fn examined(plan: &str, shape: Shape) -> Examined {
    let limits = Limits { fuel: Limit::fixed(10_000_000), ..Limits::default() };
    let sandbox = Sandbox::new(limits, Compiler::Here).unwrap();
    let strategy = sandbox.load("bad.wasm", &component(plan)).unwrap();
    let closure = shape.closure();
    examine(&closure, &layer_limits(&closure), "{}", |request| Asked::ask(&strategy, request, &[]))
}

fn faults(plan: &str, shape: Shape) -> Vec<(u32, FaultKind, String)> {
    let faults = examined(plan, shape).faults.into_iter();
    faults.map(|(limit, fault)| (limit.get(), fault.kind, fault.what)).collect()
}

#[test]
fn leaving_everything_to_others_keeps_the_contract() {
    let found = examined(NOTHING, Shape::Chain);
    assert_eq!((found.runs, found.faults.len(), found.layers), (16, 0, Some((0, 0))));
    assert!(found.cost.is_some_and(|cost| cost.fuel > 0 && cost.memory_bytes > 0));
}

#[test]
fn a_breach_is_found_at_each_limit_that_shows_it() {
    let found = faults(EMPTY_LAYER, Shape::OneNode);
    let empty = (FaultKind::Breach, "breaks the contract: layer 0 has no members");
    assert_eq!(found.iter().map(|(_, kind, what)| (*kind, what.as_str())).collect::<Vec<_>>(), [empty; 5]);
    assert_eq!(found.iter().map(|fault| fault.0).collect::<Vec<_>>(), [1, 2, 3, 100, u32::MAX]);
}

#[test]
fn a_trap_on_one_closure_says_nothing_about_others() {
    let plan = format!("{TRAPS_ON_ONE} {NOTHING}");
    let found = faults(&plan, Shape::OneNode);
    assert!(found.len() == 5 && found.iter().all(|fault| fault.1 == FaultKind::Misbehaved), "{found:?}");
    assert!(found[0].2.starts_with("failed in `plan`: it gave up (`unreachable`)"), "{found:?}");
    assert_eq!(faults(&plan, Shape::Diamond), []);
}

#[test]
fn a_strategy_that_loops_is_asked_once() {
    let found = examined(LOOPS, Shape::Chain);
    assert_eq!((found.runs, found.faults.len(), found.cost), (1, 1, None));
    assert!(found.faults[0].1.what.contains("--planner-fuel raises it"));
}

/// Checks a strategy in a file, as the command does, on the shapes `empty` and `cycle`.
fn checked(plan: &str) -> (String, Report) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my strategy.wasm").display().to_string();
    fs_err::write(&file, component(plan)).unwrap();
    let words =
        ["layerwright", "planner", "check", &file, "--planner-timeout", "7", "--shape", "empty", "--shape", "cycle"];
    let Command::Planner(PlannerCommand::Check(arguments)) = Arguments::parse_from(words).command else { panic!() };
    let sandbox = Sandbox::new(arguments.sandbox.limits(), Compiler::Here).unwrap();
    (file, check(&sandbox, &arguments, &Console::new(0, true)).unwrap())
}

#[test]
fn a_failure_comes_with_the_command_that_repeats_it() {
    let (file, report) = checked(EMPTY_LAYER);
    let shown = report.shown();
    let command = format!("  layerwright planner run '{file}' --shape cycle --max-layers 4 --planner-timeout 7");
    for line in
        ["FAILED: it breaks the contract: layer 0 has no members", &command, "26 runs on 2 closures: 13 failures"]
    {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    assert!(shown.lines().any(|line| line.starts_with(" cycle ") && line.ends_with(" broke the contract")), "{shown}");
    assert!(!report.everything_held());
}

#[test]
fn the_last_words_before_a_failure_are_shown() {
    let (_, report) = checked("(call $log (i32.const 2) (i32.const 0) (i32.const 4)) (unreachable)");
    let shown = report.shown();
    let failed = shown.lines().position(|line| line.starts_with("FAILED: it failed in `plan`: it gave up"));
    assert_eq!(shown.lines().nth(failed.unwrap() + 1), Some("  it said: name"), "{shown}");
}

#[test]
fn a_strategy_that_refuses_everything_shows_nothing() {
    let refuses = "(i32.store8 (i32.const 512) (i32.const 1)) (i32.store8 (i32.const 516) (i32.const 1))
        (i32.store (i32.const 520) (i32.const 0)) (i32.store (i32.const 524) (i32.const 4)) (i32.const 512)";
    let (_, report) = checked(refuses);
    assert!(!report.everything_held());
    assert!(report.shown().contains("FAILED: it proposes nothing for any of these closures"), "{}", report.shown());
    assert!(checked(NOTHING).1.everything_held());
}

#[test]
fn a_strategy_without_end_is_not_asked_without_end() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs_err::write(file.path(), component(LOOPS)).unwrap();
    let words = ["layerwright", "planner", "check", file.path().to_str().unwrap(), "--planner-fuel", "100000"];
    let Command::Planner(PlannerCommand::Check(arguments)) = Arguments::parse_from(words).command else { panic!() };
    let sandbox = Sandbox::new(arguments.sandbox.limits(), Compiler::Here).unwrap();
    let shown = check(&sandbox, &arguments, &Console::new(0, true)).unwrap().shown();
    let rest = format!("not asked about {} closures more, on which it would take as long again", Shape::ALL.len() - 2);
    assert!(shown.lines().any(|line| line == rest), "{shown}");
    assert!(shown.ends_with("\n2 runs on 2 closures: 2 failures\n"), "{shown}");
}
