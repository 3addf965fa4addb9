//! Strategies that were built against each released version of the contract.

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::case::{Case, case};
use crate::image::column;
use crate::run::{built_guest, layerwright};

pub(super) const CASES: &[Case] =
    &[case!(version_0_1_0_is_understood_in_all_its_parts), case!(refusals_of_version_0_1_0_are_told_apart)];

/// Two roots over one library.
fn graph() -> String {
    let path = |name: &str, references: &[&str]| json!({"path": name, "narSize": 10, "references": references});
    let (a, b, lib) = ("/nix/store/a1-app-1.0", "/nix/store/b2-bin-2.0", "/nix/store/c3-lib-3.0");
    json!([path(a, &[lib]), path(b, &[lib]), path(lib, &[])]).to_string()
}

fn version_0_1_0_is_understood_in_all_its_parts() -> Result<()> {
    let planner = built_guest("contract-0-1-0")?;
    let inspected = layerwright(&["planner", "inspect", &planner, "--json"]).ok()?.json()?;
    ensure!(inspected["contract"] == "layerwright:planner@0.1.0", "{inspected}");
    let plan = ["plan", "-vv", "--from", "graph:-", "--planner", &planner, "--max-layers", "7"];
    let planned = layerwright(&plan).stdin(graph()).ok()?;
    planned.says(&[
        ": 3 nodes, 2 references, 30 bytes",
        ": lineages: app bin lib",
        "warning: planner `",
        ": at most 7 layers, after 0 images",
    ])?;
    let planned = planned.json()?;
    let layers = planned["layers"].as_array().context("layers")?;
    ensure!(column(&planned["layers"], "label")? == ["/nix/store/a1-app-1.0", "/nix/store/b2-bin-2.0", "rest"]);
    ensure!(column(&layers[2]["nodes"], "name")? == ["/nix/store/c3-lib-3.0"], "{planned}");
    Ok(())
}

fn refusals_of_version_0_1_0_are_told_apart() -> Result<()> {
    let planner = built_guest("contract-0-1-0")?;
    for (refusal, words) in [
        ("config", "refused: invalid settings: asked for"),
        ("limit", "refused: cannot be done: asked for"),
        ("other", "refused: asked for"),
    ] {
        let spec = format!("{planner},refuse={refusal}");
        let refused = layerwright(&["plan", "--from", "graph:-", "--planner", &spec]).stdin(graph()).exits(3)?;
        refused.says(&[words])?;
    }
    Ok(())
}
