//! Planners that mean harm: how the program ends, and that it leaves nothing. What each of them is told by is tested
//! beside the sandbox.

use anyhow::{Result, ensure};
use fs_err as fs;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::hostile::{doubling, one_layer, planner, quadratic_debug_information};
use crate::image::sha256;
use crate::invocation::tool;
use crate::run::{Folder, layerwright, program};
use crate::tree;

pub(super) const CASES: &[Case] = &[
    case!(a_loop_leaves_nothing),
    case!(a_memory_bomb_leaves_nothing),
    case!(a_flood_of_words_leaves_nothing),
    case!(a_refusal_leaves_nothing),
    case!(a_proposal_that_breaks_the_rules_leaves_nothing),
    case!(a_file_that_is_no_planner_leaves_nothing),
    case!(an_explosive_component_is_stopped),
    case!(a_component_nested_without_end_is_refused),
    case!(debug_information_does_not_fill_memory),
    case!(a_summary_does_not_command_a_build_server),
    case!(a_label_does_not_command_a_build_server),
];

/// Builds with this planner, into nothing and over what an earlier build wrote, and expects that nothing changes.
fn expect_nothing(component: &[u8], arguments: &[&str], code: i32, says: &[&str]) -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let bad = folder.write("bad.wasm", component)?;
    let temporary = folder.path("tmp");
    fs::create_dir(&temporary)?;
    let (source, root, to) = (store.source()?, store.root(), format!("oci:{}:app:1", folder.path("image")));
    let build = |planner: &str| {
        layerwright(&["build", "--from", &source, "--root", &root, "--to", &to, "--planner", planner])
            .env("TMPDIR", &temporary)
    };
    let fails = || -> Result<()> {
        let failed = build(&bad).args(arguments).exits(code)?;
        failed.says(says)?;
        failed.says(&["bad"])?;
        ensure!(failed.stdout.is_empty(), "{}", failed.report());
        if code != 3 {
            failed.says(&[&format!("note: the planner's digest is {}", sha256(component))])?;
        }
        Ok(())
    };
    fails()?;
    ensure!(folder.names()? == ["bad.wasm", "tmp"], "{:?}", folder.names()?);
    build("popularity").ok()?;
    let before = tree::files(tree::read(&folder.path("."))?);
    fails()?;
    tree::expect_equal(&before, &tree::files(tree::read(&folder.path("."))?))?;
    ensure!(folder.names()? == ["bad.wasm", "image", "tmp"], "{:?}", folder.names()?);
    ensure!(fs::read_dir(folder.path("image"))?.count() == 3, "something was left in the layout");
    ensure!(fs::read_dir(&temporary)?.next().is_none(), "something was left in the temporary folder");
    Ok(())
}

fn a_loop_leaves_nothing() -> Result<()> {
    let component = planner("", "(loop $l (br $l)) (unreachable)")?;
    let says = ["failed in `plan`: it used its whole budget of 1000000 instructions; --planner-fuel raises it"];
    expect_nothing(&component, &["--planner-fuel", "1000000"], 4, &says)?;
    let says = ["1.2.3 failed in `plan`: it took longer than 1 seconds", "--planner-timeout", "note: it said: so far"];
    expect_nothing(&component, &["--planner-timeout", "1", "--planner-fuel", "9000000000000"], 4, &says)
}

fn a_memory_bomb_leaves_nothing() -> Result<()> {
    let component = planner("", "(loop $l (drop (memory.grow (i32.const 1))) (br $l)) (unreachable)")?;
    let says = ["it wanted 17 MiB of memory, but at most 16 MiB are allowed", "--planner-memory", "it was in plan"];
    expect_nothing(&component, &["--planner-memory", "16"], 4, &says)
}

fn a_flood_of_words_leaves_nothing() -> Result<()> {
    let floods = "(loop $l (call $log (i32.const 2) (i32.const 0) (i32.const 3)) (br $l)) (unreachable)";
    let says = ["it logged more than 4 KiB, or too many lines", "--planner-log", "of which these are the last"];
    expect_nothing(&planner("", floods)?, &["--planner-log", "4"], 4, &says)
}

fn a_refusal_leaves_nothing() -> Result<()> {
    // A failure (1) of the last kind (2), whose text is ten bytes at 1024.
    let refusal = r#"(data (i32.const 32768) "\01\00\00\00\02\00\00\00\00\04\00\00\0a\00\00\00")"#;
    expect_nothing(&planner(refusal, "(i32.const 32768)")?, &[], 3, &["bad.wasm` 1.2.3 refused: Does harm."])
}

fn a_proposal_that_breaks_the_rules_leaves_nothing() -> Result<()> {
    let component = planner(&one_layer("\u{1b}[2Jxxxxxx"), "(i32.const 32768)")?;
    let says =
        ["planner `bad` 1.2.3 returned a proposal", "layer 0 has a label with the unprintable character '\\u{1b}'"];
    expect_nothing(&component, &[], 4, &says)
}

fn a_file_that_is_no_planner_leaves_nothing() -> Result<()> {
    expect_nothing(b"#!/bin/sh\n", &[], 5, &["it is not WebAssembly"])?;
    let component = planner("", "(unreachable)")?;
    expect_nothing(&component[..component.len() / 2], &[], 5, &["it is a damaged or unsupported component"])
}

fn an_explosive_component_is_stopped() -> Result<()> {
    let says = ["compiling it takes", "--planner-compile-"];
    let limits = ["--planner-compile-timeout", "2", "--planner-compile-memory", "256"];
    expect_nothing(&doubling(30)?, &limits, 5, &says)
}

fn a_component_nested_without_end_is_refused() -> Result<()> {
    // From the innermost outwards: what stands before each is the preamble, the section's kind and its length.
    let preamble = b"\0asm\x0d\0\x01\0";
    let (mut starts, mut length) = (Vec::new(), preamble.len());
    for _ in 0..100_000 {
        let digits = if length < 1 << 14 { 2 } else { 3 };
        let digit = |at: usize| u8::try_from(length >> (7 * at) & 0x7f).unwrap_or_default();
        let more = |at: usize| if at + 1 < digits { 0x80 } else { 0 };
        let mut start = preamble.to_vec();
        start.push(4);
        start.extend((0..digits).map(|at| digit(at) | more(at)));
        length += start.len();
        starts.push(start);
    }
    starts.reverse();
    let component = [starts.concat(), preamble.to_vec()].concat();
    expect_nothing(&component, &["--planner-compile-timeout", "20"], 5, &["bad.wasm` cannot be used: "])
}

/// In less memory than reading it takes.
fn debug_information_does_not_fill_memory() -> Result<()> {
    let folder = Folder::new()?;
    let bad = folder.write("bad.wasm", planner(&quadratic_debug_information(), "(unreachable)")?)?;
    let script = "ulimit -d 1500000 && exec \"$0\" planner run \"$1\" --shape chain --no-compile-cache";
    let failed = tool("bash", &["-c", script, program(), &bad]).exits(4)?;
    failed.says(&["bad.wasm` 1.2.3 failed in `plan`: it gave up", "it was in plan", "it said: so far"])
}

/// Expects that no line is a command.
fn expect_no_command(shown: &str) -> Result<()> {
    ensure!(shown.lines().all(|line| !line.trim_start().starts_with("::")), "{shown}");
    ensure!(!shown.contains("##["), "{shown}");
    Ok(())
}

fn a_summary_does_not_command_a_build_server() -> Result<()> {
    for (summary, shown) in [("::error::x", "\\u003a:error::x"), ("##[error]x", "#\\u0023[error]x")] {
        let folder = Folder::new()?;
        let items = format!("(data (i32.const 1024) \"{summary}\")");
        let bad = folder.write("bad.wasm", planner(&items, "(unreachable)")?)?;
        let inspected = layerwright(&["planner", "inspect", &bad]).ok()?;
        expect_no_command(inspected.text()?)?;
        ensure!(inspected.text()?.contains(shown), "{}", inspected.report());
        let profile = layerwright(&["planner", "inspect", &bad, "--json"]).ok()?;
        expect_no_command(profile.text()?)?;
        ensure!(profile.json()?["summary"] == summary, "{}", profile.report());
    }
    Ok(())
}

fn a_label_does_not_command_a_build_server() -> Result<()> {
    let store = HandMade::sample()?;
    for label in ["::error::x", "##[error]x"] {
        let folder = Folder::new()?;
        let bad = folder.write("bad.wasm", planner(&one_layer(label), "(i32.const 32768)")?)?;
        let plan = ["plan", "--from", &store.source()?, "--planner", &bad, "--format"];
        for format in ["table", "plan", "store-layers"] {
            expect_no_command(layerwright(&plan).args([format]).ok()?.text()?)?;
        }
        let planned = layerwright(&plan).args(["plan"]).ok()?.json()?;
        ensure!(planned["layers"][0]["label"] == label, "{planned}");
    }
    Ok(())
}
