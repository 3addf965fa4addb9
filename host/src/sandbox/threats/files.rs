//! Files that are no strategy, or were one before they were damaged.

use super::component::{COMPONENT, Component, LOOP, PREAMBLE, add_section, sections};
use super::*;

/// Asserts that a file is refused before anything of it is run.
fn assert_no_planner(file: &[u8], why: &str) {
    let error = format!("planner `{PLANNER}` cannot be used: {why}");
    assert_ends(file, tight(), NOT_A_PLANNER, &error, &[]);
}

/// The same, where the engine's own words follow.
fn assert_no_planner_because(file: &[u8], why: &str) {
    let report = told(file, tight());
    let error = format!("planner `{PLANNER}` cannot be used: {why}");
    assert!(report.code == NOT_A_PLANNER && report.error.starts_with(&error), "{report:?}");
    assert!(report.error.len() < 1500 && report.notes.len() == 1, "{report:?}");
}

/// How an interface with the right name begins to be refused.
const OTHER_TYPES: &str = "it does not fit layerwright:planner@0.1.0, which this program offers; ";

fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("this is WebAssembly text")
}

#[test]
fn is_no_webassembly() {
    let why = |start: &str| format!("it is not WebAssembly: it begins with [{start}] and not with 00 61 73 6d");
    assert_no_planner(b"noise", &why("6e, 6f, 69, 73"));
    assert_no_planner(&vec![0; 64 << 20], &why("00, 00, 00, 00"));
    let known = |what: &str| format!("it is not WebAssembly: it is {what}");
    assert_no_planner_because(b"", &known("empty"));
    assert_no_planner_because(b"\0asm\x0d", &known("cut off within its first 8 bytes"));
    assert_no_planner_because(b"#!/bin/sh\n", &known("a script"));
    assert_no_planner_because(b"\x7fELF\x02", &known("a program or library (ELF)"));
}

#[test]
fn is_too_large() {
    let why = "it has 67108865 bytes, but at most 67108864 are allowed; --planner-size raises the limit";
    let mut large = Component::default().build();
    large.resize((64 << 20) + 1, 0);
    assert_no_planner(&large, why);
}

#[test]
fn is_a_core_module() {
    let why = "it is a core WebAssembly module and not a component; build it for wasm32-wasip2, or wrap it with \
               `wasm-tools component new`";
    assert_no_planner(&Component::default().module(), why);
    assert_no_planner(b"\0asm\x01\0\0\0", why);
}

#[test]
fn is_native_code() {
    let why = "it is compiled native code (.cwasm), which no sandbox could hold; use the .wasm file it was made from";
    let sandbox = Sandbox::new(tight(), Compiler::Here).expect("the engine starts");
    let component = Component::default();
    assert_no_planner(&sandbox.engine.precompile_component(&component.build()).expect("it is valid"), why);
    assert_no_planner(&sandbox.engine.precompile_module(&component.module()).expect("it is valid"), why);
}

#[test]
fn exports_something_else() {
    let nothing = "it does not export the interface layerwright:planner/strategy; it exports nothing";
    assert_no_planner(&text("(component)"), nothing);
    let newer = r#"(component (instance $i) (export "layerwright:planner/strategy@0.2.0" (instance $i)))"#;
    let why = "it was built for layerwright:planner@0.2.0, and this program offers layerwright:planner@0.1.0";
    assert_no_planner(&text(newer), why);
    // The same name with a type of its own: a function instead of an interface, and an interface without functions.
    let empty = r#"(component (instance $i) (export "layerwright:planner/strategy@0.1.0" (instance $i)))"#;
    assert_no_planner_because(&text(empty), OTHER_TYPES);
    let other = r#"(component
        (core module $m (func (export "f") (result i32) (i32.const 0)))
        (core instance $m (instantiate $m))
        (func $f (result u32) (canon lift (core func $m "f")))
        (instance $i (export "describe" (func $f)) (export "plan" (func $f)))
        (export "layerwright:planner/strategy@0.1.0" (instance $i)))"#;
    assert_no_planner_because(&text(other), OTHER_TYPES);
}

#[test]
fn imports_what_does_not_exist() {
    for (import, shown) in [
        (r#""other:sockets/tcp@0.2.0" (instance)"#, "other:sockets/tcp@0.2.0"),
        (r#""wasi:nn/graph@0.2.0" (instance)"#, "wasi:nn/graph@0.2.0"),
        (r#""wasi:cli/environment@0.3.0" (instance)"#, "wasi:cli/environment@0.3.0"),
        (r#""wasi:cli/environment@0.20.0" (instance)"#, "wasi:cli/environment@0.20.0"),
        (r#""wasi:cli/environment" (instance)"#, "wasi:cli/environment"),
        (r#""layerwright:planner/history@0.2.0" (instance)"#, "layerwright:planner/history@0.2.0"),
        (r#""run" (func)"#, "run"),
        (r#""a-module" (core module)"#, "a-module"),
    ] {
        let component = text(&format!("(component (import {import}))"));
        assert_no_planner(&component, &format!("it imports what no planner gets: {shown}"));
    }
}

#[test]
fn imports_a_component() {
    let why = "it is a damaged or unsupported component: failed to parse WebAssembly module: root-level component \
               imports are not supported";
    assert_no_planner(&text(r#"(component (import "a-component" (component)))"#), why);
}

#[test]
fn imports_what_exists_as_something_else() {
    for import in [
        r#""wasi:cli/environment@0.2.6" (func)"#,
        r#""layerwright:planner/diagnostics@0.1.0" (func)"#,
        r#""wasi:cli/environment@0.2.6" (instance (export "get-environment" (func (result u32))))"#,
        r#""wasi:io/streams@0.2.6" (instance (export "input-stream" (func)))"#,
        r#""wasi:io/poll@0.2.6" (instance (export "pollable" (component)))"#,
    ] {
        // What it exports comes first, so that it has to have the name.
        let component = format!(
            r#"(component (import {import}) (instance $i) (export "layerwright:planner/strategy@0.1.0" (instance $i)))"#
        );
        assert_no_planner_because(&text(&component), OTHER_TYPES);
    }
}

#[test]
fn nests_without_end() {
    let mut component = PREAMBLE.to_vec();
    for _ in 0..3000 {
        let inner = std::mem::replace(&mut component, PREAMBLE.to_vec());
        add_section(&mut component, COMPONENT, &inner);
    }
    assert_no_planner_because(&component, "it does not export the interface layerwright:planner/strategy;");
}

#[test]
fn breaks_the_compiler() {
    let result: wasmtime::Result<()> = crate::sandbox::call::guarded(1 << 20, || panic!("a bug in the compiler"));
    let error = result.expect_err("it panicked").to_string();
    assert_eq!(error, "the WebAssembly engine failed on it, which is a bug of the engine");
}

/// Asserts that it ends in one of the three ways, or with a plan: any other end is the test's.
fn assert_ends_somehow(file: &[u8]) {
    let limits = Limits { fuel: Limit::fixed(100_000), memory_bytes: Limit::fixed(1 << 20), ..tight() };
    if let Err(error) = plan(file, limits) {
        let Report { code, error, .. } = Report::of(&error);
        assert!([REFUSED, MISBEHAVED, NOT_A_PLANNER].contains(&code), "{error}");
        assert!(!error.contains("bug of the engine"), "{error}");
        assert!(!error.contains(|c: char| c.is_control()), "{error:?}");
    }
}

#[test]
fn ends_before_its_end() {
    let whole = Component::default().build();
    // Without its last sections, which only tell who made it, it is a component still.
    let ends: Vec<usize> = sections(&whole).into_iter().map(|(_, end)| end).collect();
    for end in 0..whole.len() {
        let report = Report::of(&plan(&whole[..end], tight()).map(drop).expect_err("it has no plan"));
        assert!(report.code == NOT_A_PLANNER || ends.contains(&end), "cut at {end}: {report:?}");
    }
}

#[test]
fn has_a_wrong_bit() {
    let whole = Component { start: LOOP, ..Component::default() }.build();
    let flips = whole.len() * 8;
    // Evenly over the file. Each bit once would take a minute.
    for at in (0..flips).step_by(flips / 3000) {
        let mut damaged = whole.clone();
        damaged[at / 8] ^= 1 << (at % 8);
        assert_ends_somehow(&damaged);
    }
}

/// Of the engine's features those that nothing here bounds.
#[test]
fn uses_what_is_not_accepted() {
    for module in [
        "(memory 1 1 shared)",
        "(type (struct (field i32)))",
        "(tag (param i32))",
        "(memory 1 (pagesize 1))",
        "(func (param i64 i64 i64 i64) (result i64 i64)
            (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3)))",
    ] {
        let component = text(&format!("(component (core module {module}))"));
        assert_no_planner_because(&component, "it is a damaged or unsupported component: ");
    }
}
