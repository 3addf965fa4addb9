//! Graphs that someone wrote down.

use std::io::Write;

use anyhow::{Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::{HandMade, graph_of};
use crate::invocation::Invocation;
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(every_shape_gives_the_same_plan),
    case!(a_packed_graph_is_unpacked),
    case!(text_tells_the_same_as_json),
    case!(a_missing_file_is_named),
    case!(what_is_wrong_is_named_with_its_place),
    case!(what_is_outside_of_a_store_is_not_packed),
    case!(a_graph_with_ten_thousand_nodes_is_planned),
];

fn plan(text: &str, key: &str) -> Invocation {
    layerwright(&["plan", "--from", &format!("graph:-{key}")]).stdin(text)
}

fn every_shape_gives_the_same_plan() -> Result<()> {
    let list = HandMade::sample()?.graph();
    let expected = plan(&list.to_string(), "").ok()?.json()?;
    let nodes: Vec<&Value> = list.as_array().into_iter().flatten().collect();
    let name = |node: &Value| node["path"].as_str().unwrap_or_default().to_owned();
    let without_path = |node: &Value| json!({"narSize": node["narSize"], "references": node["references"]});
    let by_path: serde_json::Map<String, Value> = nodes.iter().map(|node| (name(node), without_path(node))).collect();
    let base = |path: &str| path.trim_start_matches("/nix/store/").to_owned();
    let short = |node: &Value| {
        let references = node["references"].as_array().into_iter().flatten().filter_map(Value::as_str);
        json!({"narSize": node["narSize"], "references": references.map(base).collect::<Vec<_>>()})
    };
    let by_base: serde_json::Map<String, Value> = nodes.iter().map(|node| (base(&name(node)), short(node))).collect();
    let wrapped = json!({"version": 2, "storeDir": "/nix/store", "info": by_base});
    let attributes = json!({"builder": "sh", "closure": list, "name": "x"});
    for (text, key) in [(Value::from(by_path), ""), (wrapped, ""), (attributes, "#closure")] {
        ensure!(plan(&text.to_string(), key).ok()?.json()? == expected, "{text}");
    }
    Ok(())
}

fn a_packed_graph_is_unpacked() -> Result<()> {
    let folder = Folder::new()?;
    let text = HandMade::sample()?.graph().to_string();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes())?;
    let file = folder.write("graph.json.gz", encoder.finish()?)?;
    let unpacked = layerwright(&["plan", "--from", &format!("graph:{file}")]).ok()?.json()?;
    ensure!(unpacked == plan(&text, "").ok()?.json()?);
    Ok(())
}

/// What Nix wrote before it wrote JSON: the text of a database, and that of a graph, which leaves sizes to be measured.
fn text_tells_the_same_as_json() -> Result<()> {
    let store = HandMade::sample()?;
    let graph = store.graph();
    let (mut registration, mut references) = (String::new(), String::new());
    for node in graph.as_array().into_iter().flatten() {
        let named = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let listed: Vec<String> = node["references"].as_array().into_iter().flatten().map(named).collect();
        let tail = [vec![String::new(), listed.len().to_string()], listed].concat().join("\n");
        let path = named(&node["path"]);
        registration += &format!("{path}\n{}\n{}\n{tail}\n", "0a".repeat(32), node["narSize"]);
        references += &format!("{path}\n{tail}\n");
    }
    let expected = plan(&graph.to_string(), "").ok()?.json()?;
    ensure!(plan(&registration, "").ok()?.json()? == expected);
    ensure!(plan(&registration.replace('\n', "\r\n"), "").ok()?.json()? == expected);
    let measured = plan(&references, "").args(["--root", &store.root()]).ok()?.json()?;
    let sizes = |planned: &Value| planned.to_string().matches("\"size\":").count();
    ensure!(sizes(&measured) == sizes(&expected) && !measured.to_string().contains("\"size\":0"), "{measured}");
    plan(&references, "").exits(1)?.says(&["exportReferencesGraph", "closureInfo", "does not exist"])?;
    plan(&registration, "#key").exits(1)?.says(&["has no key `key`"])?;
    plan("/nix/store/a-1\n/nix/store/b-1\n", "").exits(1)?.says(&["list of store paths", "nix path-info --json"])?;

    let folder = Folder::new()?;
    let file = folder.write("registration", &registration)?;
    let packed = ["build", "--from", &format!("graph:{file}"), "--nix-db", "--root", &store.root(), "--to"];
    layerwright(&packed).args([format!("oci:{}", folder.path("oci"))]).ok()?;
    Ok(())
}

fn a_missing_file_is_named() -> Result<()> {
    layerwright(&["plan", "--from", "graph:/missing/graph.json"]).exits(1)?.says(&["/missing/graph.json"])
}

fn what_is_wrong_is_named_with_its_place() -> Result<()> {
    let node = |name: &str, size: Value, references: &[&str]| json!({"path": format!("/nix/store/{name}"), "narSize": size, "references": references});
    let fine = || node("a-1", json!(1), &[]);
    for (graph, key, parts) in [
        (json!([node("a-1", json!(1), &["/nix/store/b-1"])]), "", vec!["/nix/store/a-1", "/nix/store/b-1"]),
        (json!([fine(), fine()]), "", vec!["/nix/store/a-1", "twice"]),
        (json!([fine(), node("b-1", json!("12"), &[])]), "", vec!["entry 1", "/nix/store/b-1", "\"12\""]),
        (json!([node("a-1", json!(-5), &[])]), "", vec!["entry 0", "-5"]),
        (json!([node("a-1", json!(1.5), &[])]), "", vec!["1.5"]),
        (json!([node("a-1", json!(1e30), &[])]), "", vec!["narSize", "1e"]),
        (json!([node("a-1", Value::Null, &[])]), "", vec!["entry 0", "narSize"]),
        (json!([{"narSize": 1}]), "", vec!["entry 0", "path"]),
        (json!({"/nix/store/a-1": null}), "", vec!["/nix/store/a-1", "not valid in the store"]),
        (json!({"graph": [fine()]}), "#closure", vec!["no key `closure`", "graph"]),
        (json!({"graph": [fine()]}), "", vec!["graph:FILE#KEY"]),
        (json!([node("a-\u{1b}[31m", json!(1), &[])]), "", vec!["not printable"]),
        (json!("text"), "", vec!["not JSON of a known shape"]),
    ] {
        let found = plan(&graph.to_string(), key).exits(1)?;
        found.says(&parts)?;
        ensure!(found.stdout.is_empty(), "{}", found.report());
        ensure!(!found.stderr.contains('\u{1b}'), "{:?}", found.stderr);
    }
    Ok(())
}

fn what_is_outside_of_a_store_is_not_packed() -> Result<()> {
    let folder = Folder::new()?;
    for name in ["/etc", "/root", "/nix/store/..", "/nix/store/a/../../../etc", "/nix/store/a/b", "name-1"] {
        let graph = json!([{"path": name, "narSize": 1, "references": []}]);
        let to = format!("oci:{}", folder.path("oci"));
        layerwright(&["build", "--from", "graph:-", "--to", &to]).stdin(graph.to_string()).exits(1)?.says(&[name])?;
    }
    ensure!(folder.names()?.is_empty());
    Ok(())
}

fn a_graph_with_ten_thousand_nodes_is_planned() -> Result<()> {
    let planned = plan(&graph_of(10_000).to_string(), "").args(["--format", "store-layers"]).ok()?.json()?;
    let counts: Vec<usize> =
        planned.as_array().into_iter().flatten().filter_map(Value::as_array).map(Vec::len).collect();
    ensure!((90..=100).contains(&counts.len()) && counts.iter().sum::<usize>() == 10_000, "{counts:?}");
    Ok(())
}
