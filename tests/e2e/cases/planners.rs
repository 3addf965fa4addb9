//! Planners: built in, from files, in chains, and files that are none.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::{HandMade, graph_of, noise};
use crate::image::{column, sha256, text};
use crate::invocation::{Invocation, tool};
use crate::run::{Folder, guest, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(the_list_and_the_profiles_agree),
    case!(a_bare_name_is_built_in_whatever_lies_there, Guest),
    case!(what_is_neither_says_how_it_is_written, Guest),
    case!(names_of_files_may_have_commas_and_more, Guest),
    case!(what_is_read_once_is_no_planner),
    case!(who_is_not_built_in_cannot_pass_for_it, Guest),
    case!(a_file_is_a_planner_like_any_other, Guest),
    case!(groups_come_first_and_popularity_takes_the_rest),
    case!(idle_patterns_are_warned_about),
    case!(settings_that_are_wrong_are_refused_with_the_group),
    case!(a_limit_that_cannot_be_kept_is_refused),
    case!(large_nodes_decide_what_shares_a_layer),
    case!(each_built_in_planner_that_needs_no_settings_plans),
    case!(nodes_stay_where_the_plan_before_had_them),
    case!(operations_of_nixpkgs_make_layers),
    case!(an_operation_that_goes_wrong_is_named),
    case!(a_pin_is_checked, Guest),
    case!(digests_are_printed_as_they_are_pinned, Guest),
    case!(locked_takes_what_is_built_in_or_pinned, Guest),
    case!(what_is_no_planner_is_refused, Guest),
    case!(a_planner_out_of_fuel_misbehaves),
    case!(unknown_planners_and_settings_are_named),
];

fn plan(planners: &[&str]) -> Result<Invocation> {
    let store = HandMade::sample()?;
    let graph = store.graph().to_string();
    let planners = planners.iter().flat_map(|planner| ["--planner", planner]);
    Ok(layerwright(&["plan", "--from", "graph:-"]).args(planners).stdin(graph))
}

fn the_list_and_the_profiles_agree() -> Result<()> {
    let list = layerwright(&["planner", "list", "--json"]).ok()?.json()?;
    for name in
        ["foresight", "groups", "pipeline", "auto-layer", "popularity", "dominators", "origin", "expected-bytes"]
    {
        ensure!(column(&list, "name")?.contains(&name));
        let profile = layerwright(&["planner", "inspect", name, "--json"]).ok()?.json()?;
        ensure!(list.as_array().is_some_and(|list| list.contains(&profile)), "{profile}");
        let shown = layerwright(&["planner", "inspect", name]).ok()?;
        ensure!(shown.text()?.contains(text(&profile["digest"])?), "{}", shown.report());
    }
    let shown = layerwright(&["planner", "list"]).ok()?;
    ensure!(shown.text()?.contains("popularity"), "{}", shown.report());
    Ok(())
}

/// Everywhere that a planner is named. In the folder lies another one of that name.
fn a_bare_name_is_built_in_whatever_lies_there() -> Result<()> {
    let folder = Folder::new()?;
    folder.write("popularity", fs::read(guest("groups"))?)?;
    let here = folder.path(".");
    let popularity = sha256(&fs::read(guest("popularity"))?);
    for spec in ["popularity".to_owned(), format!("popularity@{popularity}")] {
        let planned = plan(&[&spec])?.dir(&here).args(["--locked"]).ok()?.json()?;
        ensure!(planned["planners"][0]["source"] == "built-in", "{planned}");
        ensure!(planned["planners"][0]["digest"] == popularity.as_str(), "{planned}");
        for command in
            [&["inspect", &spec][..], &["run", &spec, "--shape", "chain"], &["check", &spec, "--shape", "chain"]]
        {
            let said = layerwright(&["planner"]).args(command).args(["--json"]).dir(&here).ok()?.json()?;
            let planner = if said["planner"].is_object() { &said["planner"] } else { &said };
            ensure!(planner["source"] == "built-in" && planner["digest"] == popularity.as_str(), "{said}");
        }
    }
    let digest = layerwright(&["planner", "digest", "popularity", "./popularity"]).dir(&here).ok()?;
    let groups = sha256(&fs::read(guest("groups"))?);
    ensure!(digest.text()? == format!("{popularity}  popularity\n{groups}  ./popularity\n"), "{}", digest.report());
    let planned = plan(&["./popularity,groups=[]"])?.dir(&here).ok()?.json()?;
    ensure!(planned["planners"][0]["digest"] == groups.as_str(), "{planned}");
    // Whoever pinned the file is told how it is written.
    let refused = plan(&[&format!("popularity@{groups}")])?.dir(&here).exits(5)?;
    refused.says(&["it is the built-in one; the file of this name is written ./popularity"])
}

fn what_is_neither_says_how_it_is_written() -> Result<()> {
    let folder = Folder::new()?;
    folder.write("mine", fs::read(guest("popularity"))?)?;
    let here = folder.path(".");
    plan(&["mine"])?
        .dir(&here)
        .exits(1)?
        .says(&["`mine` is not built in, and a file is written with a slash: ./mine"])?;
    plan(&["./mine"])?.dir(&here).ok()?;
    plan(&["other"])?.dir(&here).exits(1)?.says(&["has a slash in its name, or ends in .wasm", "foresight"])?;
    let missing = plan(&["popularity.wasm"])?.dir(&here).exits(1)?;
    missing.says(&["`popularity.wasm` does not exist; the built-in planner is written popularity"])?;
    plan(&["x/mine.wasm"])?.dir(&here).exits(1)?.says(&["planner `x/mine.wasm` does not exist\n"])
}

fn names_of_files_may_have_commas_and_more() -> Result<()> {
    let (folder, component) = (Folder::new()?, fs::read(guest("groups"))?);
    for (at, name) in ["a,b", "a@sha256:b", r"a\b", r"a\,b@x:y\", "a=b,c"].into_iter().enumerate() {
        let config = folder.write(&format!("settings,{at}@x.json"), r#"{"groups": []}"#)?;
        let file = folder.write(&format!("{name}.wasm"), &component)?;
        let pin = layerwright(&["planner", "digest", "--pin", &file]).ok()?;
        let spec = format!("{},config={}", pin.text()?.trim_end(), config.replace(',', r"\,"));
        let planned = plan(&[&spec])?.args(["--locked"]).ok()?.json()?;
        ensure!(planned["planners"][0]["digest"] == sha256(&component), "{planned}");
        let refused = plan(&[&format!("{}\\", file.replace('\\', r"\\").replace(',', r"\,").replace('@', r"\@"))])?;
        ensure!(refused.exits(1)?.stderr.contains(name), "{name}");
    }
    Ok(())
}

fn what_is_read_once_is_no_planner() -> Result<()> {
    let folder = Folder::new()?;
    let dir = folder.path("folder.wasm");
    fs::create_dir(&dir)?;
    let pipe = folder.path("pipe.wasm");
    tool("mkfifo", &[&pipe]).ok()?;
    for (planner, what) in [
        (dir.as_str(), "is a folder; name a regular file"),
        (&pipe, "is a pipe, which is there once; name a regular file"),
        ("/dev/null", "is a device; name a regular file"),
    ] {
        plan(&[planner])?.exits(5)?.says(&[what, planner])?;
        plan(&[planner])?.args(["--locked"]).exits(5)?.says(&[what, planner])?;
        layerwright(&["planner", "inspect", planner]).exits(5)?.says(&[what])?;
        layerwright(&["planner", "digest", planner]).exits(5)?.says(&[what])?;
    }
    Ok(())
}

/// A component that says it is one of ours, and is not.
fn who_is_not_built_in_cannot_pass_for_it() -> Result<()> {
    let (folder, store) = (Folder::new()?, HandMade::sample()?);
    let file = folder.write("theirs.wasm", fs::read(guest("popularity"))?)?;
    let digest = sha256(&fs::read(&file)?);
    let shown = format!("popularity (file {})", &digest["sha256:".len()..][..8]);
    let table = plan(&[&file])?.args(["--format", "table"]).ok()?;
    ensure!(table.text()?.lines().nth(1).is_some_and(|row| row.contains(&shown)), "{}", table.report());
    let (saved, page) = (folder.path("plan.json"), folder.path("page.html"));
    let to = format!("oci:{}", folder.path("oci"));
    let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to, "--planner", &file];
    layerwright(&build).args(["--save-plan", &saved, "--report", &page]).ok()?;
    ensure!(fs::read_to_string(&page)?.contains(&shown));
    ensure!(!fs::read_to_string(&page)?.contains("\"planner\":\"popularity\""));
    let explained = layerwright(&["explain", "--plan", &saved, "lib"]).ok()?;
    ensure!(explained.text()?.contains(&format!("placed by {shown}")), "{}", explained.report());
    let explained = layerwright(&["explain", "--plan", &saved, "lib", "--json"]).ok()?.json()?;
    ensure!(explained["layer"]["planner"] == shown.as_str(), "{explained}");
    let bench = layerwright(&["planner", "bench", &file, "--nodes", "10", "--samples", "1"]).ok()?;
    ensure!(bench.text()?.starts_with(&shown), "{}", bench.report());
    // What is built in is shown as it is called.
    let table = plan(&["popularity"])?.args(["--format", "table"]).ok()?;
    ensure!(table.text()?.contains(" popularity  "), "{}", table.report());
    Ok(())
}

fn a_file_is_a_planner_like_any_other() -> Result<()> {
    let folder = Folder::new()?;
    // Whatever its name was.
    fs::copy(guest("popularity"), folder.path("groups.wasm"))?;
    let planned = plan(&["groups.wasm"])?.dir(&folder.path(".")).ok()?.json()?;
    ensure!(planned["layers"] == plan(&["popularity"])?.ok()?.json()?["layers"], "{planned}");
    ensure!(planned["planners"][0]["source"] == "file", "{planned}");
    ensure!(planned["planners"][0]["digest"] == sha256(&fs::read(guest("popularity"))?), "{planned}");
    let inspected = layerwright(&["planner", "inspect", &folder.path("groups.wasm"), "--json"]).ok()?.json()?;
    ensure!(inspected["name"] == "popularity", "{inspected}");
    Ok(())
}

fn groups_come_first_and_popularity_takes_the_rest() -> Result<()> {
    let folder = Folder::new()?;
    let groups = json!({"groups": [{"label": "ours", "lineages": ["lib"], "names": ["*-app-*"]}]});
    let config = folder.write("groups.json", groups.to_string())?;
    let planned = plan(&[&format!("groups,config={config}"), "popularity"])?.ok()?.json()?;
    ensure!(column(&planned["planners"], "name")? == ["groups", "popularity"], "{planned}");
    ensure!(column(&planned["layers"], "label")?[0] == "ours", "{planned}");
    let ours = column(&planned["layers"][0]["nodes"], "name")?;
    ensure!(ours.contains(&"/nix/store/a3-app-3.0") && ours.contains(&"/nix/store/l2-lib-2.0"), "{planned}");
    let layers = planned["layers"].as_array().context("layers")?;
    let nodes: usize = layers.iter().filter_map(|layer| layer["nodes"].as_array()).map(Vec::len).sum();
    ensure!(nodes == 3, "{planned}");
    Ok(())
}

fn idle_patterns_are_warned_about() -> Result<()> {
    let folder = Folder::new()?;
    let groups = json!({"groups": [{"label": "ours", "names": ["*-app-*", "*-gone-*"]}]});
    let config = folder.write("groups.json", groups.to_string())?;
    let planned = plan(&[&format!("groups,config={config}"), "popularity"])?.ok()?;
    planned.says(&["warning:", "groups", "`*-gone-*` matches nothing"])
}

fn settings_that_are_wrong_are_refused_with_the_group() -> Result<()> {
    let folder = Folder::new()?;
    for (groups, part) in [
        (json!({"groups": [{"label": "broken", "names": ["a["]}]}), "group `broken`"),
        (json!({"groups": [{"label": "idle"}]}), "group `idle` has no pattern"),
        (json!({"groups": [{"label": "a", "names": ["a"]}, {"label": "a", "names": ["b"]}]}), "the label `a`"),
    ] {
        let config = folder.write("groups.json", groups.to_string())?;
        plan(&[&format!("groups,config={config}")])?.exits(3)?.says(&[part])?;
    }
    Ok(())
}

fn a_limit_that_cannot_be_kept_is_refused() -> Result<()> {
    let folder = Folder::new()?;
    let group = |name: &str| json!({"label": name, "names": [format!("*-{name}-*")]});
    let groups = json!({"groups": [group("app"), group("lib"), group("data")]});
    let config = folder.write("groups.json", groups.to_string())?;
    let planned = plan(&[&format!("groups,config={config}")])?.args(["--max-layers", "2"]).exits(3)?;
    planned.says(&["3 groups", "at most 2 are allowed"])
}

fn large_nodes_decide_what_shares_a_layer() -> Result<()> {
    let node =
        |name: &str, size: u64, references: &[&str]| json!({"path": name, "narSize": size, "references": references});
    let graph = json!([
        node("/nix/store/a-app", 10, &["/nix/store/b-liba", "/nix/store/c-libb"]),
        node("/nix/store/b-liba", 100, &["/nix/store/d-libc"]),
        node("/nix/store/c-libb", 80, &["/nix/store/d-libc"]),
        node("/nix/store/d-libc", 50, &[]),
    ]);
    let planned = |max_layers: &str| -> Result<Value> {
        let plan = layerwright(&["plan", "--from", "graph:-", "--planner", "auto-layer", "--format", "store-layers"]);
        plan.args(["--max-layers", max_layers]).stdin(graph.to_string()).ok()?.json()
    };
    let two = json!([["/nix/store/b-liba", "/nix/store/d-libc"], ["/nix/store/a-app", "/nix/store/c-libb"]]);
    ensure!(planned("2")? == two && planned("3")? == two, "{}", planned("3")?);
    let four = json!([["/nix/store/d-libc"], ["/nix/store/c-libb"], ["/nix/store/b-liba"], ["/nix/store/a-app"]]);
    ensure!(planned("4")? == four, "{}", planned("4")?);
    Ok(())
}

fn each_built_in_planner_that_needs_no_settings_plans() -> Result<()> {
    for name in ["popularity", "auto-layer", "dominators", "origin", "expected-bytes", "foresight"] {
        let plan = layerwright(&["plan", "--from", "graph:-", "--planner", name, "--max-layers", "7"]);
        let planned = plan.stdin(graph_of(40).to_string()).ok()?.json()?;
        ensure!(column(&planned["planners"], "name")? == [name], "{planned}");
        let layers = planned["layers"].as_array().context("layers")?;
        let nodes: usize = layers.iter().filter_map(|layer| layer["nodes"].as_array()).map(Vec::len).sum();
        ensure!(nodes == 40 && layers.len() <= 7, "{planned}");
    }
    Ok(())
}

/// An image with this version of `app`, and perhaps another path that is new.
fn image_of_app(version: u32, size: u64, new: Option<&str>) -> Value {
    let node =
        |path: &str, size: u64, references: &[&str]| json!({"path": path, "narSize": size, "references": references});
    let [base, data, lib, tool] = ["/nix/store/1-base", "/nix/store/1-data", "/nix/store/1-lib", "/nix/store/1-tool"];
    let mut nodes = vec![
        node(base, 11_000_000, &[]),
        node(data, 10_000_000, &[]),
        node(lib, 12_000_000, &[base]),
        node(tool, 13_000_000, &[]),
        node(&format!("/nix/store/{version}-app"), size, &[lib, data, tool]),
    ];
    nodes.extend(new.map(|name| node(&format!("/nix/store/1-{name}"), 9_000_000, &[])));
    nodes.into()
}

/// What comes after the store hash, layer by layer.
fn names_by_layer(plan: &Value) -> Result<Vec<String>> {
    let layers = plan["layers"].as_array().context("layers")?.iter();
    let name =
        |node: &Value| node["name"].as_str().and_then(|path| path.split_once('-')).map(|(_, name)| name.to_owned());
    let names = |layer: &Value| -> Option<String> {
        let mut names = layer["nodes"].as_array()?.iter().map(name).collect::<Option<Vec<_>>>()?;
        names.sort_unstable();
        Some(names.join(" "))
    };
    layers.map(names).collect::<Option<Vec<_>>>().context("layers have nodes with names")
}

fn nodes_stay_where_the_plan_before_had_them() -> Result<()> {
    let folder = Folder::new()?;
    let before = folder.path("before.json");
    let planned = |planner: &str, image: Value, more: &[&str]| -> Result<Value> {
        let plan = layerwright(&["plan", "--from", "graph:-", "--max-layers", "3", "--planner", planner]);
        plan.args(more).stdin(image.to_string()).ok()?.json()
    };
    let first = planned("expected-bytes", image_of_app(1, 9_000_000, None), &[])?;
    fs::write(&before, first.to_string())?;
    ensure!(names_by_layer(&first)? == ["app tool", "data lib", "base"], "{first}");

    // The larger `app` and the new path would have layers that nobody has.
    let next = image_of_app(2, 30_000_000, Some("new"));
    let anew = ["data new tool", "app", "base lib"];
    let kept = ["app tool", "data lib new", "base"];
    let history = ["--history", &before];
    for (planner, history, layers) in [
        ("expected-bytes", &[][..], anew),
        ("expected-bytes", &history, kept),
        ("expected-bytes,learn=1", &history, anew),
        ("expected-bytes,keep-previous=false", &history, anew),
    ] {
        let plan = planned(planner, next.clone(), history)?;
        ensure!(names_by_layer(&plan)? == layers, "{planner} {history:?}: {plan}");
    }

    // The newest of several decides, and a plan of another closure keeps nothing.
    let newest = folder.write("newest.json", planned("popularity", next.clone(), &[])?.to_string())?;
    let plan = planned("expected-bytes", next.clone(), &["--history", &newest, &before])?;
    ensure!(names_by_layer(&plan)? == kept, "{plan}");
    let plan = planned("expected-bytes", next.clone(), &["--history", &before, &newest])?;
    ensure!(names_by_layer(&plan)? == ["base", "data", "app lib new tool"], "{plan}");
    let other = folder.write("other.json", planned("popularity", graph_of(9), &[])?.to_string())?;
    let plan = planned("expected-bytes", next, &["--history", &other])?;
    ensure!(names_by_layer(&plan)? == anew, "{plan}");
    Ok(())
}

fn operations_of_nixpkgs_make_layers() -> Result<()> {
    let folder = Folder::new()?;
    let (app, lib, data) = ("/nix/store/a3-app-3.0", "/nix/store/l2-lib-2.0", "/nix/store/d1-data-1.0");
    let planned = |pipeline: Value| -> Result<Value> {
        let config = folder.write("pipeline.json", json!({"pipeline": pipeline}).to_string())?;
        plan(&[&format!("pipeline,config={config}")])?.args(["--format", "store-layers"]).ok()?.json()
    };
    let split = planned(json!([["split_paths", [lib]], ["reorder", ["common"]]]))?;
    ensure!(split == json!([[data], [lib], [app]]), "{split}");
    let limited = planned(json!([["popularity_contest"], ["limit_layers", 2]]))?;
    ensure!(limited == json!([[data], [app, lib]]), "{limited}");
    let once = plan(&["popularity,max-layers=2"])?.args(["--format", "store-layers"]).ok()?.json()?;
    ensure!(once == limited, "{once}");

    // What it removes is left to the next planner.
    let config = folder.write("pipeline.json", json!({"pipeline": [["remove_paths", data]]}).to_string())?;
    let planned = plan(&[&format!("pipeline,config={config}"), "popularity"])?.ok()?;
    planned.says(&["warning:", "leaves 1 node to the next planner", data])?;
    let planned = planned.json()?;
    ensure!(column(&planned["layers"], "label")? == ["app and 1 more", "data"], "{planned}");
    Ok(())
}

fn an_operation_that_goes_wrong_is_named() -> Result<()> {
    let folder = Folder::new()?;
    for (pipeline, code, part) in [
        (
            json!([["split_paths", []], ["popularity_contest"]]),
            3,
            "pipeline[1] (`popularity_contest`): it takes a graph",
        ),
        (
            json!([["map", ["limit_layers", 0]]]),
            3,
            "pipeline[0][1] (`limit_layers`): it takes a number from 1 on, not 0",
        ),
        (json!([["popularity_contest"]]), 3, "add [\"limit_layers\", 2] at its end"),
        (json!([["flaten"]]), 2, "pipeline[0][0]: is \"flaten\"; did you mean \"flatten\"?"),
    ] {
        let config = folder.write("pipeline.json", json!({"pipeline": pipeline}).to_string())?;
        plan(&[&format!("pipeline,config={config}")])?.args(["--max-layers", "2"]).exits(code)?.says(&[part])?;
    }
    Ok(())
}

fn a_pin_is_checked() -> Result<()> {
    let file = guest("popularity");
    let file = file.to_str().context("a readable name")?;
    let right = sha256(&fs::read(file)?);
    plan(&[&format!("{file}@{right}")])?.ok()?;
    let listed = layerwright(&["planner", "inspect", "popularity", "--json"]).ok()?.json()?;
    plan(&[&format!("popularity@{}", text(&listed["digest"])?)])?.ok()?;

    let wrong = sha256(b"another planner");
    for planner in [file, "popularity"] {
        let refused = plan(&[&format!("{planner}@{wrong}")])?.exits(5)?;
        refused.says(&[&format!("\n  pinned  {wrong}\n  found   {right}\n"), &format!("planner digest {planner}`")])?;
    }
    plan(&["popularity@sha256:00"])?.exits(2)?.says(&["64 hexadecimal digits"])
}

fn digests_are_printed_as_they_are_pinned() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.write("mine.wasm", fs::read(guest("popularity"))?)?;
    let digest = sha256(&fs::read(&file)?);
    let lines = layerwright(&["planner", "digest", &file, "popularity"]).ok()?;
    ensure!(lines.text()? == format!("{digest}  {file}\n{digest}  popularity\n"), "{}", lines.report());
    let pins = layerwright(&["planner", "digest", "--pin", &file, "popularity"]).ok()?;
    ensure!(pins.text()? == format!("{file}@{digest}\npopularity@{digest}\n"), "{}", pins.report());
    let list = layerwright(&["planner", "digest", "--json", &file, "popularity"]).ok()?.json()?;
    let entry = |planner: &str, source: &str| json!({"planner": planner, "digest": digest, "source": source});
    ensure!(list == json!([entry(&file, "file"), entry("popularity", "built-in")]), "{list}");

    layerwright(&["planner", "digest", "/missing.wasm"]).exits(1)?.says(&["/missing.wasm"])?;
    layerwright(&["planner", "digest"]).exits(2)?;
    let file = folder.write("a\u{202e}b.wasm", "x")?;
    layerwright(&["planner", "digest", &file]).ok()?;
    layerwright(&["planner", "digest", "--pin", &file]).exits(1)?.says(&["rename the file"])
}

fn locked_takes_what_is_built_in_or_pinned() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.write("mine.wasm", fs::read(guest("popularity"))?)?;
    let pinned = format!("{file}@{}", sha256(&fs::read(&file)?));
    plan(&["popularity"])?.args(["--locked"]).ok()?;
    plan(&[&pinned, "origin"])?.args(["--locked"]).ok()?;
    plan(&["popularity", &file])?.args(["--locked"]).exits(5)?.says(&["--locked", &format!("--planner {pinned}")])?;
    for (value, code) in [("1", 5), ("true", 5), ("yes", 5), ("0", 0), ("false", 0), ("", 0)] {
        plan(&[&file])?.env("LAYERWRIGHT_LOCKED", value).exits(code)?;
    }
    let to = format!("oci:{}", folder.path("oci"));
    let store = HandMade::sample()?;
    let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to, "--planner", &file];
    layerwright(&build).args(["--locked"]).exits(5)?;
    Ok(())
}

fn what_is_no_planner_is_refused() -> Result<()> {
    let folder = Folder::new()?;
    let right = fs::read(guest("popularity"))?;
    let mut damaged = right.clone();
    damaged[right.len() / 2..right.len() / 2 + 64].fill(0xff);
    let core_module = b"\0asm\x01\0\0\0".to_vec();
    let empty_component = b"\0asm\x0d\0\x01\0".to_vec();
    let store = HandMade::sample()?;
    for (name, bytes, part) in [
        ("text.wasm", b"(module)".to_vec(), "not WebAssembly: it is WebAssembly as text"),
        ("empty.wasm", Vec::new(), "not WebAssembly: it is empty"),
        ("page.wasm", b"<!DOCTYPE html>\n<html>".to_vec(), "it is a web page"),
        ("pointer.wasm", b"version https://git-lfs.github.com/spec/v1\n".to_vec(), "`git lfs pull`"),
        ("packed.wasm", b"\x1f\x8b\x08\0".to_vec(), "gunzip"),
        ("noise.wasm", noise(5000), "not WebAssembly"),
        ("cut.wasm", right[..right.len() / 2].to_vec(), "cut.wasm"),
        ("damaged.wasm", damaged, "damaged.wasm"),
        ("core.wasm", core_module, "core WebAssembly module"),
        ("component.wasm", empty_component, "does not export"),
    ] {
        let file = folder.write(name, bytes)?;
        let to = format!("oci:{}", folder.path("oci"));
        let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to, "--planner", &file];
        layerwright(&build).exits(5)?.says(&[part, &file])?;
        layerwright(&["planner", "inspect", &file]).exits(5)?;
    }
    ensure!(!folder.names()?.contains(&"oci".to_owned()));
    Ok(())
}

fn a_planner_out_of_fuel_misbehaves() -> Result<()> {
    for (fuel, phase) in [("1000", "`describe`"), ("10000000", "`plan`")] {
        let graph = graph_of(20_000).to_string();
        let plan = layerwright(&["plan", "--from", "graph:-", "--planner-fuel", fuel]).stdin(graph).exits(4)?;
        plan.says(&["--planner-fuel", phase, "foresight", "sha256:"])?;
    }
    let planned = plan(&["popularity"])?.args(["--verbose"]).ok()?;
    planned.says(&["planner `popularity` used", "instructions"])
}

fn unknown_planners_and_settings_are_named() -> Result<()> {
    plan(&["popularty"])?.exits(1)?.says(&["popularty"])?;
    plan(&["groups,config=/missing/file"])?.finish()?.says(&["/missing/file"])?;
    plan(&["popularity,max-layers=0"])?.exits(2)?.says(&["max-layers=0"])?;
    plan(&["popularity,x"])?.exits(2)?.says(&["KEY=VALUE"])?;
    let limited = plan(&["popularity,max-layers=1"])?.ok()?.json()?;
    ensure!(limited["layers"].as_array().map(Vec::len) == Some(1), "{limited}");
    ensure!(limited["planners"][0].get("settings").is_some_and(Value::is_object), "{limited}");
    Ok(())
}
