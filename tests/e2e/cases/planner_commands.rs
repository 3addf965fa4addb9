//! The commands for strategy authors: `planner wit`, `run`, `check` and `bench`.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::{HandMade, graph_of};
use crate::image::column;
use crate::invocation::tool;
use crate::run::{Folder, guest, layerwright, program};

pub(super) const CASES: &[Case] = &[
    case!(the_contract_is_printed_and_written),
    case!(one_planner_is_asked_and_all_it_says_is_shown),
    case!(an_answer_as_json_has_everything),
    case!(a_closure_is_named_once),
    case!(a_refusal_and_a_limit_keep_their_exit_codes),
    case!(built_in_planners_keep_the_contract),
    case!(own_closures_are_checked_too),
    case!(a_failure_is_repeated_by_its_command, Bash),
    case!(settings_that_are_missing_are_asked_for),
    case!(a_file_that_is_no_planner_is_not_checked),
    case!(times_are_measured_on_every_size, Guest),
];

fn the_contract_is_printed_and_written() -> Result<()> {
    let folder = Folder::new()?;
    let printed = layerwright(&["planner", "wit"]).ok()?;
    ensure!(printed.text()?.contains("package layerwright:planner@"), "{}", printed.report());
    let file = folder.path("planner.wit");
    let written = layerwright(&["planner", "wit", "-o", &file]).ok()?;
    ensure!(written.stdout.is_empty() && fs::read(&file)? == printed.stdout, "{}", written.report());
    layerwright(&["planner", "wit", "-o", &folder.path("missing/planner.wit")]).exits(2)?.says(&["missing"])
}

/// A group that takes some of what a chain has, and one that takes nothing, which is logged.
fn groups(folder: &Folder) -> Result<String> {
    let groups = json!({"groups": [
        {"label": "ours", "names": ["*-node0*"]},
        {"label": "idle", "names": ["nothing"]},
    ]});
    Ok(format!("groups,config={}", folder.write("groups.json", groups.to_string())?))
}

fn one_planner_is_asked_and_all_it_says_is_shown() -> Result<()> {
    let folder = Folder::new()?;
    let run = ["planner", "run", &groups(&folder)?, "--shape", "chain"];
    let shown = layerwright(&run).ok()?;
    shown.says(&["warn: group `idle`", "instructions", "of memory"])?;
    let lines: Vec<&str> = shown.text()?.lines().collect();
    ensure!(lines[1].contains(" ours ") && lines[2].contains(" (unplaced) "), "{}", shown.report());
    let totals = "20 nodes, 75.20 KiB, in 1 layer of at most 100; 10 nodes unplaced";
    ensure!(lines[3..] == [totals], "{}", shown.report());
    let quiet = layerwright(&run).args(["--quiet"]).ok()?;
    ensure!(quiet.stderr.is_empty() && quiet.stdout == shown.stdout, "{}", quiet.report());
    Ok(())
}

fn an_answer_as_json_has_everything() -> Result<()> {
    let folder = Folder::new()?;
    let run = ["planner", "run", &groups(&folder)?, "--shape", "chain", "--max-layers", "2", "--json"];
    let answer = layerwright(&run).ok()?;
    // Whoever reads the log from the answer does not want it a second time.
    ensure!(!answer.stderr.contains("idle"), "{}", answer.report());
    let json = answer.json()?;
    ensure!(json["planner"]["name"] == "groups" && json["planner"]["digest"].is_string(), "{json}");
    ensure!(json["closure"] == json!({"nodes": 20, "bytes": 77000}) && json["max_layers"] == 2, "{json}");
    let sizes = |list: &Value| list.as_array().map(Vec::len);
    ensure!(column(&json["layers"], "label")? == ["ours"] && json["layers"][0]["bytes"] == 34000, "{json}");
    ensure!(sizes(&json["layers"][0]["members"]) == Some(10) && sizes(&json["unplaced"]) == Some(10), "{json}");
    ensure!(json["log"][0]["level"] == "warn" && json["breach"].is_null(), "{json}");
    ensure!(json["usage"]["fuel"].as_u64() > Some(0) && json["usage"]["memory_bytes"].as_u64() > Some(0), "{json}");
    ensure!(layerwright(&run).ok()?.stdout == answer.stdout, "the same question has the same answer");
    Ok(())
}

fn a_closure_is_named_once() -> Result<()> {
    layerwright(&["planner", "run", "popularity"]).exits(2)?.says(&["--from", "--shape"])?;
    let both = ["planner", "run", "popularity", "--shape", "chain", "--from", "dpkg:git"];
    layerwright(&both).exits(2)?.says(&["--from", "--shape"])?;
    layerwright(&["planner", "run", "popularity", "--shape", "round"])
        .exits(2)?
        .says(&["`round`", "stacked-diamonds"])?;
    layerwright(&["planner", "run", "popularity", "--shape", "nix-like:0"]).exits(2)?.says(&["from 1 to"])?;
    let store = HandMade::sample()?;
    let shown = layerwright(&["planner", "run", "popularity", "--from", &store.source()?]).ok()?;
    ensure!(shown.text()?.contains("app-3.0") && shown.text()?.contains("3 nodes, "), "{}", shown.report());
    Ok(())
}

fn a_refusal_and_a_limit_keep_their_exit_codes() -> Result<()> {
    let folder = Folder::new()?;
    let groups = groups(&folder)?;
    let run = |words: &[&str]| layerwright(&["planner", "run"]).args(words);
    run(&[&groups, "--shape", "chain", "--max-layers", "1"]).exits(3)?.says(&["at most 1 are allowed"])?;
    run(&["popularity", "--shape", "nix-like", "--planner-fuel", "100000"]).exits(4)?.says(&["--planner-fuel"])?;
    let own_limit = run(&["popularity,max-layers=2", "--shape", "chain"]).ok()?;
    ensure!(own_limit.text()?.contains("2 layers of at most 2"), "{}", own_limit.report());
    Ok(())
}

fn built_in_planners_keep_the_contract() -> Result<()> {
    let folder = Folder::new()?;
    let found = layerwright(&["planner", "check", "popularity"]).ok()?;
    ensure!(found.text()?.ends_with(" runs on 15 closures: everything held\n"), "{}", found.report());
    ensure!(found.text()?.lines().filter(|line| line.ends_with(" ok")).count() == 15, "{}", found.report());

    let report = layerwright(&["planner", "check", &groups(&folder)?, "--json"]).ok()?.json()?;
    ensure!(report["held"] == true && report["failures"] == json!([]), "{report}");
    let closures = report["closures"].as_array().context("closures")?;
    ensure!(closures.iter().all(|closure| closure["faults"] == json!([])), "{report}");
    // A limit of one layer does not suffice for some nodes in a group and some in none.
    ensure!(closures.iter().any(|closure| closure["refused"].as_u64() > Some(0)), "{report}");
    ensure!(
        report["refusals"][0]["repeat"].as_str().is_some_and(|repeat| repeat.contains("--max-layers 1")),
        "{report}"
    );
    Ok(())
}

fn own_closures_are_checked_too() -> Result<()> {
    let store = HandMade::sample()?;
    let source = store.source()?;
    let check = ["planner", "check", "popularity", "--shape", "empty", "--from", &source, "--json"];
    let report = layerwright(&check).ok()?.json()?;
    ensure!(column(&report["closures"], "closure")? == ["empty", &source], "{report}");
    ensure!(report["closures"][1]["nodes"] == 3 && report["closures"][1]["layers_max"] == 3, "{report}");
    layerwright(&["planner", "check", "popularity", "--from", "graph:/missing"]).exits(1)?.says(&["/missing"])
}

fn a_failure_is_repeated_by_its_command() -> Result<()> {
    let folder = Folder::new()?;
    let graph = folder.write("a graph.json", graph_of(2000).to_string())?;
    let from = format!("graph:{graph}");
    let check = ["planner", "check", "popularity", "--shape", "chain", "--from", &from, "--planner-fuel", "400000"];
    let found = layerwright(&check).exits(4)?;
    // The one failure ends neither the check nor the other closure.
    ensure!(found.text()?.ends_with("\n17 runs on 2 closures: 1 failure\n"), "{}", found.report());
    let report = layerwright(&check).args(["--json"]).exits(4)?.json()?;
    let failure = &report["failures"][0];
    ensure!(failure["kind"] == "misbehaved" && failure["closure"] == from, "{report}");
    let repeat = failure["repeat"].as_str().context("a command")?;
    ensure!(found.text()?.contains(repeat), "{}", found.report());
    let script = repeat.replacen("layerwright", "\"$0\"", 1);
    tool("bash", &["-c", &script, program()]).exits(4)?.says(&["--planner-fuel"])
}

fn settings_that_are_missing_are_asked_for() -> Result<()> {
    let says =
        ["planner `groups` needs settings", "groups: is missing", "write groups,KEY=VALUE or groups,config=FILE"];
    for command in ["run", "check", "bench"] {
        let asked = layerwright(&["planner", command, "groups", "--shape", "chain"]).exits(2)?;
        asked.says(&says)?;
        ensure!(asked.stdout.is_empty(), "{}", asked.report());
    }
    Ok(())
}

fn a_file_that_is_no_planner_is_not_checked() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.write("text.wasm", "(module)")?;
    for command in ["check", "bench"] {
        layerwright(&["planner", command, &file]).exits(5)?.says(&["not WebAssembly"])?;
    }
    layerwright(&["planner", "run", &file, "--shape", "chain"]).exits(5)?;
    Ok(())
}

fn times_are_measured_on_every_size() -> Result<()> {
    let file = guest("popularity");
    let file = file.to_str().context("a readable name")?;
    let bench = ["planner", "bench", file, "--nodes", "10,500", "--shape", "chain", "--samples", "2"];
    let report = layerwright(&bench).args(["--json"]).ok()?.json()?;
    ensure!(column(&report["plans"], "closure")? == ["chain", "nix-like:10", "nix-like:500"], "{report}");
    for time in [&report["compile_us"], &report["load_us"], &report["start_us"], &report["plans"][2]["plan_us"]] {
        ensure!(time.as_u64() > Some(0), "{report}");
    }
    ensure!(report["samples"] == 2 && report["plans"][2]["layers"] == 100, "{report}");
    let again = layerwright(&bench).args(["--json"]).ok()?.json()?;
    ensure!(again["plans"][2]["fuel"] == report["plans"][2]["fuel"], "fuel is the same each time");
    ensure!(report["load_us"].as_u64() < report["compile_us"].as_u64(), "{report}");
    let shown = layerwright(&bench).args(["--no-compile-cache"]).ok()?;
    ensure!(shown.text()?.contains("median of 2 samples"), "{}", shown.report());
    ensure!(shown.text()?.contains("load            -"), "{}", shown.report());
    layerwright(&["planner", "bench", file, "--nodes", "0"]).exits(2)?;
    Ok(())
}
