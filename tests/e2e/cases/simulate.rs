//! Histories: replayed by `simulate`, and known to planners of `plan` and `build`.

use std::io::Write;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::hostile::planner;
use crate::invocation::Invocation;
use crate::run::{Folder, built_guest, layerwright, listening};

pub(super) const CASES: &[Case] = &[
    case!(what_updates_cost_is_known),
    case!(combinations_come_in_the_order_of_the_command_line),
    case!(figures_are_the_same_each_time),
    case!(a_table_is_for_people),
    case!(packed_histories_are_unpacked),
    case!(planners_know_what_they_planned),
    case!(plan_and_build_tell_planners_of_earlier_images),
    case!(mistakes_have_the_exit_codes_of_other_commands),
    case!(hostile_histories_are_refused_with_their_line),
    case!(an_interrupt_ends_it),
];

/// Sizes of what the images hold. `data` never changes.
const APP: u64 = 1_000;
const LIB: u64 = 20_000;
const DATA: u64 = 300_000;

/// Images of three nodes: `app` changes at each step, and `lib` at every fourth.
fn images(steps: u64) -> Vec<Value> {
    let path = |hash: u64, name: &str| format!("/nix/store/{hash}-{name}");
    let node =
        |path: &str, size: u64, references: &[&str]| json!({"path": path, "narSize": size, "references": references});
    let image = |step: u64| {
        let (app, lib, data) =
            (path(step, &format!("app-{step}")), path(step / 4, &format!("lib-{}", step / 4)), path(0, "data-1"));
        let closure = [node(&app, APP, &[&lib, &data]), node(&lib, LIB, &[&data]), node(&data, DATA, &[])];
        json!({"date": format!("2026-01-{:02}", step + 1), "closure": closure})
    };
    (0..steps).map(image).collect()
}

pub(super) fn history(steps: u64) -> String {
    images(steps).iter().map(|image| format!("{image}\n")).collect()
}

fn simulate(history: &str, more: &[&str]) -> Invocation {
    layerwright(&["simulate", "--history", "-"]).args(more).stdin(history)
}

fn results(history: &str, more: &[&str]) -> Result<Vec<Value>> {
    let found = simulate(history, more).args(["--json"]).ok()?.json()?;
    found["results"].as_array().cloned().context("results")
}

fn without_times(mut results: Vec<Value>) -> Vec<Value> {
    for result in results.iter_mut().filter_map(Value::as_object_mut) {
        result.retain(|key, _| !key.ends_with("_us"));
    }
    results
}

fn what_updates_cost_is_known() -> Result<()> {
    let results = without_times(results(&history(9), &["--planner", "popularity", "--max-layers", "1", "3"])?);
    let (updates, all) = (8, APP + LIB + DATA);
    let common = json!({
        "history": "-", "planner": "popularity", "with_history": true, "updates": updates,
        "single_layer_bytes": updates * all, "floor_bytes": updates * APP + 2 * LIB,
    });
    let expect = |more: Value| {
        let pairs = |value: &Value| value.as_object().cloned().unwrap_or_default();
        Value::from_iter(pairs(&common).into_iter().chain(pairs(&more)))
    };
    let one = json!({
        "max_layers": 1, "pulled_bytes": updates * all, "p50_bytes": all, "p95_bytes": all, "max_bytes": all,
        "layers_used": 1, "largest_layer_permille": 1000, "pulled_bytes_by_update": vec![all; 8],
    });
    let by_update = [APP, APP, APP, APP + LIB, APP, APP, APP, APP + LIB];
    let three = json!({
        "max_layers": 3, "pulled_bytes": updates * APP + 2 * LIB, "p50_bytes": APP, "p95_bytes": APP + LIB,
        "max_bytes": APP + LIB, "layers_used": 3, "largest_layer_permille": 935, "pulled_bytes_by_update": by_update,
    });
    ensure!(results == [expect(one), expect(three)], "{results:#?}");
    Ok(())
}

fn combinations_come_in_the_order_of_the_command_line() -> Result<()> {
    let folder = Folder::new()?;
    let short = folder.write("short.jsonl", history(2))?;
    let long = folder.write("long.jsonl", history(5))?;
    let more = ["--planner", "popularity", "popularity,max-layers=1", "--max-layers", "3", "--max-layers", "2"];
    let found = layerwright(&["simulate", "--history", &long, &short]).args(more).args(["--json"]).ok()?.json()?;
    let results = found["results"].as_array().context("results")?;
    let of = |key: &str| results.iter().map(|result| result[key].to_string()).collect::<Vec<_>>();
    ensure!(of("updates") == ["4", "4", "4", "4", "1", "1", "1", "1"], "{found}");
    ensure!(of("max_layers") == ["3", "3", "2", "2", "3", "3", "2", "2"], "{found}");
    let planners = ["\"popularity\"", "\"popularity,max-layers=1\""].repeat(4);
    ensure!(of("planner") == planners && of("layers_used")[..4] == ["3", "1", "2", "1"], "{found}");
    Ok(())
}

fn figures_are_the_same_each_time() -> Result<()> {
    let more = ["--max-layers", "1", "2", "3", "100"];
    let first = without_times(results(&history(12), &more)?);
    for _ in 0..3 {
        ensure!(without_times(results(&history(12), &more)?) == first);
    }
    Ok(())
}

fn a_table_is_for_people() -> Result<()> {
    let shown = simulate(&history(9), &["--max-layers", "3"]).ok()?;
    let lines: Vec<&str> = shown.text()?.lines().collect();
    let heading = "-: 8 updates, 2026-01-01 to 2026-01-09; 2.45 MiB as a single layer, at least 46.88 KiB";
    ensure!(lines[0] == heading && lines[1].contains("OF FLOOR"), "{}", shown.report());
    let row: Vec<&str> = lines[2].split_whitespace().collect();
    ensure!(row[..9] == ["foresight", "3", "3", "46.88", "KiB", "1.9", "%", "1.00", "x"], "{}", shown.report());
    ensure!(lines.len() == 3 && shown.stderr.is_empty(), "{}", shown.report());
    Ok(())
}

fn packed_histories_are_unpacked() -> Result<()> {
    let folder = Folder::new()?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(history(3).as_bytes())?;
    let file = folder.write("history.jsonl.gz", encoder.finish()?)?;
    let packed = layerwright(&["simulate", "--history", &file, "--json"]).ok()?.json()?;
    ensure!(packed["results"][0]["pulled_bytes"] == results(&history(3), &[])?[0]["pulled_bytes"], "{packed}");
    Ok(())
}

fn planners_know_what_they_planned() -> Result<()> {
    let planner = built_guest("contract-0-1-0")?;
    let known = |more: &[&str]| -> Result<Vec<usize>> {
        let found = simulate(&history(4), &["-v", "--planner", &planner]).args(more).ok()?;
        let after = |line: &str| line.split_once(" layers, after ")?.1.split(' ').next()?.parse().ok();
        Ok(found.stderr.lines().filter_map(after).collect())
    };
    ensure!(known(&[])? == [0, 1, 2, 3]);
    ensure!(known(&["--no-history"])? == [0, 0, 0, 0]);
    // What is said again and again is said to those who want to know.
    let quiet = simulate(&history(4), &["--planner", &planner]).ok()?;
    ensure!(quiet.stderr.is_empty(), "{}", quiet.report());
    Ok(())
}

fn plan_and_build_tell_planners_of_earlier_images() -> Result<()> {
    let (store, folder, planner) = (HandMade::sample()?, Folder::new()?, built_guest("contract-0-1-0")?);
    let (source, root) = (store.source()?, store.root());
    let plan = folder.path("plan.json");
    let jsonl = folder.write("history.jsonl", history(3))?;
    let from = ["--from", &source, "--root", &root, "--planner", &planner];
    layerwright(&["plan", "-o", &plan]).args(from).ok()?.says(&["after 0 images"])?;
    layerwright(&["plan"]).args(from).args(["--history", &plan]).ok()?.says(&["after 1 images"])?;
    let to = format!("oci:{}", folder.path("oci"));
    let build = layerwright(&["build", "--to", &to]).args(from).args(["--history", &jsonl, &plan]);
    build.ok()?.says(&["after 4 images"])?;

    layerwright(&["plan"])
        .args(from)
        .args(["--history", "/missing/plan.json"])
        .exits(1)?
        .says(&["/missing/plan.json"])?;
    let other = folder.write("other.json", json!({"format": "layerwright.plan/9"}).to_string())?;
    layerwright(&["plan"]).args(from).args(["--history", &other]).exits(1)?.says(&["other.json", "layerwright.plan/9"])
}

fn mistakes_have_the_exit_codes_of_other_commands() -> Result<()> {
    let (folder, contract) = (Folder::new()?, built_guest("contract-0-1-0")?);
    let fine = history(3);
    simulate(&fine, &["--max-layers", "0"]).exits(2)?;
    simulate(&fine, &["--planner", "groups"]).exits(2)?.says(&["needs settings"])?;
    layerwright(&["simulate"]).exits(2)?.says(&["--history"])?;
    layerwright(&["simulate", "--history", "/missing/file"]).exits(1)?.says(&["/missing/file"])?;
    simulate(&history(1), &[]).exits(1)?.says(&["an update takes two"])?;
    simulate("", &[]).exits(1)?.says(&["it tells of no image"])?;
    let plan = layerwright(&["plan", "--from", "graph:-"]).stdin(images(1)[0]["closure"].to_string()).ok()?;
    simulate(plan.text()?, &[]).exits(1)?.says(&["it is a plan"])?;
    let place = folder.path("");
    layerwright(&["simulate", "--history", &place])
        .exits(1)?
        .says(&["it is a folder, and a simulation takes a file"])?;
    layerwright(&["simulate", "--history", "oci:x"]).exits(1)?.says(&["it is an image, and a simulation"])?;

    let refuses = format!("{contract},refuse=limit");
    let refused = simulate(&fine, &["--planner", "popularity", &refuses]).exits(3)?;
    refused.says(&["planning step 1 of -, 2026-01-01", "cannot be done: asked for"])?;
    ensure!(refused.stdout.is_empty(), "{}", refused.report());
    let hostile = folder.write("bad.wasm", planner("", "(unreachable)")?)?;
    simulate(&fine, &["--planner", &hostile]).exits(4)?.says(&["planning step 1", "it gave up"])?;
    // The first of the command line decides.
    for _ in 0..5 {
        simulate(&fine, &["--planner", &refuses, &hostile, "--max-layers", "9", "8"]).exits(3)?;
    }
    let text = folder.write("text.wasm", "(module)")?;
    simulate(&fine, &["--planner", &text]).exits(5)?.says(&["not WebAssembly"])?;
    simulate(&fine, &["--planner", &contract, "--locked"]).exits(5)?.says(&["without a pin"])
}

fn hostile_histories_are_refused_with_their_line() -> Result<()> {
    let dangling = json!({"date": "x", "closure": [{"path": "/a", "narSize": 1, "references": ["/b"]}]}).to_string();
    let commands = json!({"date": "\u{1b}[2J", "closure": []}).to_string();
    let nested = format!("{{\"date\": \"x\", \"closure\": {}", "[".repeat(1_000_000));
    for (line, part) in [
        (dangling.as_str(), "line 3, the image of x: node `/a` refers to `/b`"),
        (&commands, "line 3 has a date that is"),
        (&nested, "line 3 is no image"),
        ("{\"date\": \"x\"", "line 3 is no image"),
        ("7", "line 3 is no image"),
    ] {
        let refused = simulate(&(history(2) + line), &[]).exits(1)?;
        refused.says(&["reading the history -: ", part])?;
        ensure!(refused.stdout.is_empty() && !refused.stderr.contains('\u{1b}'), "{}", refused.report());
    }
    Ok(())
}

fn an_interrupt_ends_it() -> Result<()> {
    let folder = Folder::new()?;
    let endless = folder.write("endless.wasm", planner("", "(loop $l (br $l)) (unreachable)")?)?;
    let file = folder.write("history.jsonl", history(3))?;
    let arguments = ["simulate", "-v", "--history", &file, "--planner", &endless, "--planner-fuel", "1000000000000"];
    // The code is kept from here on.
    layerwright(&["planner", "inspect", &endless]).ok()?;
    let mut command = listening(&arguments).into_command();
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    sleep(Duration::from_millis(500));
    let start = Instant::now();
    kill_process(Pid::from_raw(i32::try_from(child.id())?).context("a process has a number")?, Signal::INT)?;
    let status = child.wait()?;
    ensure!(status.code() == Some(130) && start.elapsed() < Duration::from_secs(5), "{status:?}");
    Ok(())
}
