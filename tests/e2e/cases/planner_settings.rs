//! Settings of planners: how they are written, what is said of mistakes, and where they are recorded.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::hostile::with_schema;
use crate::image::{Layout, members, sha256, text};
use crate::invocation::{Invocation, tool};
use crate::run::{Folder, guest, layerwright, program};

pub(super) const CASES: &[Case] = &[
    case!(toml_and_json_mean_the_same),
    case!(a_file_that_is_malformed_is_told_with_line_and_column),
    case!(every_mistake_is_told_before_the_planner_runs),
    case!(a_planner_without_settings_says_so),
    case!(a_schema_that_cannot_be_used_is_the_planners_fault, Guest),
    case!(a_small_schema_that_is_very_much_is_the_planners_fault),
    case!(settings_for_a_file_are_checked_as_those_for_a_built_in_planner, Guest),
    case!(settings_are_recorded_in_plans_and_images),
];

const TOML: &str = "[[groups]]\nlabel = \"ours\"\nnames = [\"*-app-*\"]\nwith-dependencies = true\n";

fn groups() -> Value {
    json!({"groups": [{"label": "ours", "names": ["*-app-*"], "with-dependencies": true}]})
}

fn plan(planner: &str) -> Result<Invocation> {
    let graph = HandMade::sample()?.graph().to_string();
    Ok(layerwright(&["plan", "--from", "graph:-", "--planner", planner]).stdin(graph))
}

fn toml_and_json_mean_the_same() -> Result<()> {
    let folder = Folder::new()?;
    let toml = folder.write("groups.toml", TOML)?;
    let json = folder.write("groups.json", groups().to_string())?;
    let planned = plan(&format!("groups,config={toml}"))?.ok()?;
    ensure!(planned.stdout == plan(&format!("groups,config={json}"))?.ok()?.stdout, "{}", planned.report());
    ensure!(planned.json()?["planners"][0]["settings"] == groups(), "{}", planned.report());
    Ok(())
}

fn a_file_that_is_malformed_is_told_with_line_and_column() -> Result<()> {
    let folder = Folder::new()?;
    for (name, content, part) in [
        ("a.toml", "x = 1\ny = = 2\n", "line 2, column 5"),
        ("b.json", "{\n  \"groups\": [}\n", "line 2, column 14"),
        ("c.json", "[]", "settings are a JSON object"),
        ("d.toml", "x = inf", "`x` is infinite"),
    ] {
        let file = folder.write(name, content)?;
        plan(&format!("groups,config={file}"))?.exits(1)?.says(&[&file, part])?;
    }
    Ok(())
}

fn every_mistake_is_told_before_the_planner_runs() -> Result<()> {
    let folder = Folder::new()?;
    let wrong = json!({"groups": [{"label": 3, "lineage": ["a"]}, {"names": []}], "gruops": 1});
    let file = folder.write("groups.json", wrong.to_string())?;
    let refused = plan(&format!("groups,config={file},x=1"))?.exits(2)?;
    refused.says(&[
        "planner `groups`",
        &format!("{file}: groups[0].label: wants a text, not 3"),
        &format!("{file}: groups[0].lineage: there is no such setting; did you mean `lineages`?"),
        &format!("{file}: groups[1].label: is missing"),
        &format!("{file}: gruops: there is no such setting"),
        "command line: x: there is no such setting",
    ])?;
    ensure!(!refused.stderr.contains("refused"), "{}", refused.report());
    plan("groups")?.exits(2)?.says(&["planner `groups` needs settings", "groups: is missing"])?;
    plan("groups,groups=1")?.exits(2)?.says(&["command line: groups: wants a list, not 1"])
}

fn a_planner_without_settings_says_so() -> Result<()> {
    plan("popularity,x=1")?.exits(2)?.says(&["command line: x: there is no such setting; none is taken here"])
}

/// The built-in planner with a schema of the same length, which `groups` without any settings would fit.
fn a_schema_that_cannot_be_used_is_the_planners_fault() -> Result<()> {
    let folder = Folder::new()?;
    let (usual, length) = (b"\"required\": [\"groups\"],", b"\"required\": [\"groups\"],".len());
    for (schema, part) in [
        ("\"$ref\": \"#\",", "in a loop"),
        ("\"type\": \"text\",", "not a valid JSON Schema: type"),
        ("\"$ref\": \"file:///x\",", "`file:///x` leads nowhere"),
    ] {
        let mut component = fs::read(guest("groups"))?;
        let at = component.windows(length).position(|window| window == usual).context("the schema is in the file")?;
        component[at..at + length].copy_from_slice(format!("{schema:length$}").as_bytes());
        let file = folder.write("strange.wasm", component)?;
        let refused = plan(&file)?.exits(4)?;
        refused.says(&["`config-schema`", "strange.wasm", part])?;
        ensure!(refused.stdout.is_empty(), "{}", refused.report());
    }
    Ok(())
}

/// A part for each level, in which the next one is reached twice, and a keyword that has all of them copied.
fn a_small_schema_that_is_very_much_is_the_planners_fault() -> Result<()> {
    let folder = Folder::new()?;
    let level = |at: u32| {
        let next = json!({"$ref": format!("#/$defs/{}", at + 1)});
        (at.to_string(), json!({"if": next, "allOf": [next]}))
    };
    let mut parts: serde_json::Map<String, Value> = (0..22).map(level).collect();
    parts.insert("22".into(), json!({"type": "object"}));
    for unevaluated in ["unevaluatedProperties", "unevaluatedItems"] {
        let schema = json!({"$defs": parts, "$ref": "#/$defs/0", unevaluated: false}).to_string();
        let file = folder.write("strange.wasm", with_schema(&schema)?)?;
        // In less memory than it would take to copy them.
        let graph = HandMade::sample()?.graph().to_string();
        let script = "ulimit -d 700000 && exec \"$0\" plan --from graph:- --planner \"$1\"";
        let refused = tool("bash", &["-c", script, program(), &file]).stdin(graph).exits(4)?;
        refused.says(&["gives a `config-schema` that cannot be used", "comes to more than 20000 parts"])?;
    }
    Ok(())
}

/// The one in a process of its own, the other in the program.
fn settings_for_a_file_are_checked_as_those_for_a_built_in_planner() -> Result<()> {
    let folder = Folder::new()?;
    let file = guest("groups");
    let file = file.to_str().context("builds lie in folders with readable names")?;
    // As deep as settings may be, and as wrong.
    let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
    for settings in [
        json!({"groups": [{"label": 3, "lineage": ["a"]}], "gruops": 1}).to_string(),
        format!("{{\"groups\": {deep}}}"),
        groups().to_string(),
    ] {
        let config = folder.write("settings.json", settings)?;
        let [ours, theirs] = ["groups", file].map(|planner| plan(&format!("{planner},config={config},x=\u{e9}")));
        let (ours, theirs) = (ours?.exits(2)?, theirs?.exits(2)?);
        ensure!(ours.stderr == theirs.stderr.replace(file, "groups"), "{}\n{}", ours.report(), theirs.report());
    }
    Ok(())
}

fn settings_are_recorded_in_plans_and_images() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let file = folder.write("groups.toml", TOML)?;
    let (oci, archive) = (folder.path("oci"), folder.path("image.tar"));
    for to in [format!("oci:{oci}:app"), format!("docker-archive:{archive}:app:1")] {
        let build = layerwright(&["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to]);
        build.args(["--planner", &format!("groups,config={file}"), "--planner", "popularity"]).ok()?;
    }
    let profile = |name: &str| layerwright(&["planner", "inspect", name, "--json"]).ok()?.json();
    let record = |name: &str, settings: Value| -> Result<Value> {
        let known = profile(name)?;
        let (version, digest) = (&known["version"], &known["digest"]);
        Ok(json!({"name": name, "version": version, "source": "built-in", "digest": digest, "settings": settings}))
    };
    let expected = json!([record("groups", groups())?, record("popularity", json!({}))?]);
    let recorded = |manifest: &Value| -> Result<Value> {
        Ok(serde_json::from_str(text(&manifest["annotations"]["org.layerwright.planners"])?)?)
    };
    ensure!(recorded(&Layout::open(&oci, "app")?.manifest)? == expected, "{expected}");

    let tar = fs::read(archive)?;
    let members = members(&tar)?;
    let content = |name: &str| -> Result<&[u8]> {
        let found = members.iter().find(|(member, _)| member == name).with_context(|| format!("no {name}"))?;
        Ok(&tar[found.1.clone()])
    };
    let index: Value = serde_json::from_slice(content("index.json")?)?;
    let digest = text(&index["manifests"][0]["digest"])?;
    let manifest = content(&format!("blobs/{}", digest.replace(':', "/")))?;
    ensure!(sha256(manifest) == digest, "{digest}");
    ensure!(recorded(&serde_json::from_slice(manifest)?)? == expected, "{expected}");
    Ok(())
}
