//! The projects of `planner new`, built and tested as their READMEs tell, from the registries that they name.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::image::text;
use crate::invocation::{Finished, Invocation};
use crate::need::has_wasip2;
use crate::run::{Folder, layerwright};
use crate::template::Template;

pub(super) const CASES: &[Case] = &[
    case!(rust_builds_and_plans_and_says_where_it_panics, RustGuest),
    case!(python_builds_and_plans_and_says_where_it_raises, Python, PythonVenv),
    case!(js_builds_and_plans_and_says_where_it_throws, Npm),
    case!(c_builds_and_plans_and_says_where_it_asserts, WasmClang, WitBindgen),
    case!(a_project_is_whole_or_not_there),
    case!(names_and_languages_are_checked),
];

fn rust_builds_and_plans_and_says_where_it_panics() -> Result<()> {
    let template = Template::new("rust")?;
    works(&template, "test result: ok")?;
    let place = template.inject("src/largest.rs", "let size = ", "    panic!(\"a bug in Rust\");")?;
    let failed = fails(&template, "src/settings.rs", "\"minimum\": 0,")?;
    // Without WASI a panic is mute, but the trap still knows its place.
    if has_wasip2() { failed.says(&["a bug in Rust", &place]) } else { failed.says(&[&place]) }
}

fn python_builds_and_plans_and_says_where_it_raises() -> Result<()> {
    let template = Template::new("python")?;
    works(&template, "OK")?;
    let place = template.inject("largest.py", "candidates = ", "    raise RuntimeError('a bug in Python')")?;
    let (file, line) = place.split_once(':').context("a place has a line")?;
    fails(&template, "largest.py", "\"minimum\": 0,")?
        .says(&["RuntimeError: a bug in Python", &format!("{file}\", line {line}, in largest_first")])
}

fn js_builds_and_plans_and_says_where_it_throws() -> Result<()> {
    let template = Template::new("js")?;
    works(&template, "pass 6")?;
    let place =
        template.inject("src/largest.js", "const candidates = ", "  throw new Error(\"a bug in JavaScript\");")?;
    fails(&template, "src/largest.js", "minimum: 0,")?.says(&["a bug in JavaScript", place.trim_start_matches("src")])
}

fn c_builds_and_plans_and_says_where_it_asserts() -> Result<()> {
    let template = Template::new("c")?;
    works(&template, "all tests passed")?;
    template.inject("src/largest.c", "#include <stdlib.h>", "#include <assert.h>")?;
    let place =
        template.inject("src/largest.c", "bool everything_fits", "    assert(alone == 1000 && \"a bug in C\");")?;
    let (file, line) = place.split_once(':').context("a place has a line")?;
    fails(&template, "src/settings.h", "\\\"minimum\\\": 0, ")?
        .says(&["a bug in C", &format!("{file}: largest_first: {line}")])
}

/// Builds and tests a project, and puts its component through everything. `passed` is what its tests say.
fn works(template: &Template, passed: &str) -> Result<()> {
    template.build()?;
    let tested = template.test()?;
    ensure!(tested.report().contains(passed), "{}", tested.report());

    let profile = layerwright(&["planner", "inspect", &template.component()?, "--json"]).ok()?.json()?;
    ensure!(text(&profile["name"])?.starts_with("largest-"), "{profile}");
    let setting = &profile["config_schema"]["properties"]["min-size"];
    ensure!(setting["type"] == "integer" && setting["minimum"] == 0 && setting["default"] == 1_048_576, "{profile}");
    ensure!(profile["config_schema"]["additionalProperties"] == false, "{profile}");

    plans_as_expected(template)?;
    layerwright(&["planner", "check", &template.component()?]).ok().map(drop)
}

/// The same for every language: that is what the constants are for.
fn plans_as_expected(template: &Template) -> Result<()> {
    let planned = plan(template, ",min-size=10,max-layers=4")?.ok()?;
    planned.says(&["3 of 6 nodes get a layer of their own"])?;
    let planned = planned.json()?;
    let layers = planned["layers"].as_array().context("a plan has layers")?;
    let names = |layer: &Value| -> Vec<Value> {
        layer["nodes"].as_array().into_iter().flatten().map(|node| node["name"].clone()).collect()
    };
    let found: Vec<Value> = layers.iter().map(|layer| json!([layer["label"], names(layer)])).collect();
    let huge = huge();
    let expected = json!([
        [huge[..200], [format!("/nix/store/d-{huge}-1.0")]],
        ["tie", ["/nix/store/a-tie-1.0"]],
        ["tie", ["/nix/store/b-tie-2.0"]],
        ["rest", ["/nix/store/f-app-1.0", "/nix/store/c-small-1.0", "/nix/store/e-tie-3.0"]],
    ]);
    ensure!(Value::from(found) == expected, "{planned:#}");
    Ok(())
}

/// A lineage of 204 bytes.
fn huge() -> String {
    format!("{}huge-long", "long-".repeat(39))
}

/// Sizes beyond 32 bits, ties, a lineage that is too long for a label, and nodes below the least size.
fn graph() -> Value {
    let huge = format!("/nix/store/d-{}-1.0", huge());
    let node =
        |path: &str, size: u64, references: &[&str]| json!({"path": path, "narSize": size, "references": references});
    json!([
        node("/nix/store/a-tie-1.0", 5000, &[]),
        node("/nix/store/b-tie-2.0", 5000, &["/nix/store/a-tie-1.0"]),
        node("/nix/store/c-small-1.0", 9, &[]),
        node(&huge, 5_000_000_000, &["/nix/store/c-small-1.0"]),
        node("/nix/store/e-tie-3.0", 5000, &[]),
        node("/nix/store/f-app-1.0", 10, &["/nix/store/b-tie-2.0", &huge, "/nix/store/e-tie-3.0"]),
    ])
}

fn plan(template: &Template, settings: &str) -> Result<Invocation> {
    let planner = template.component()? + settings;
    let graph = graph().to_string();
    Ok(layerwright(&["plan", "--from", "graph:-", "--verbose", "--planner", &planner]).stdin(graph))
}

/// Builds what has a bug by now, and returns what its user sees.
///
/// Its schema, in the file `schema`, loses the bound of the setting, so that a wrong one comes as far as the strategy.
fn fails(template: &Template, schema: &str, bound: &str) -> Result<Finished> {
    template.remove(schema, bound)?;
    template.build()?;
    plan(template, ",min-size=-1")?
        .exits(3)?
        .says(&["invalid settings: `min-size` must be an integer of at least 0"])?;
    plan(template, "")?.exits(4)
}

fn a_project_is_whole_or_not_there() -> Result<()> {
    let folder = Folder::new()?;
    let new = |dir: &str| layerwright(&["planner", "new", "mine", "--lang", "c", "--dir", dir]).dir(&folder.path("."));
    new("deep/mine").ok()?.says(&["cd deep/mine", "make test"])?;
    new("deep/mine").exits(1)?.says(&["deep/mine is not empty", "--dir"])?;
    fs::create_dir(folder.path("here"))?;
    let here = layerwright(&["planner", "new", "mine", "--lang", "c", "--dir", "."]).dir(&folder.path("here")).ok()?;
    ensure!(!here.stderr.contains("cd "), "{}", here.report());
    ensure!(fs::read(folder.path("here/Makefile"))? == fs::read(folder.path("deep/mine/Makefile"))?);
    ensure!(folder.names()? == ["deep", "here"], "{:?}", folder.names()?);
    Ok(())
}

fn names_and_languages_are_checked() -> Result<()> {
    let folder = Folder::new()?;
    for (name, lang, says) in [
        ("Mine", "c", "lower-case letters"),
        ("../mine", "rust", "lower-case letters"),
        ("lambda", "rust", "`lambda-strategy` would do"),
        ("mine", "cobol", "rust, python, js, c"),
    ] {
        layerwright(&["planner", "new", name, "--lang", lang]).dir(&folder.path(".")).exits(2)?.says(&[says])?;
    }
    ensure!(folder.names()?.is_empty(), "{:?}", folder.names()?);
    Ok(())
}
