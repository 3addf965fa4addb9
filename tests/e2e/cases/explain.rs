//! What is told of plans and images: why a node is where it is, and what two of them share.

use anyhow::{Result, ensure};
use fs_err as fs;
use serde_json::json;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(a_node_is_explained),
    case!(a_package_takes_no_other_along, Debian, Git),
    case!(what_is_no_node_is_told),
    case!(plans_are_compared),
    case!(images_are_compared),
    case!(a_plan_is_not_compared_with_an_image),
];

fn a_node_is_explained() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let plan = folder.path("plan.json");
    layerwright(&["plan", "--from", &store.source()?, "-o", &plan]).ok()?;
    let explain = |node: &str| layerwright(&["explain", "--plan", &plan, node]);
    let told = explain("d1-data-1.0").ok()?;
    let text = told.text()?;
    for part in [
        "/nix/store/d1-data-1.0, ",
        "placed by foresight",
        "here because of /nix/store/a3-app-3.0\n  -> /nix/store/d1-data-1.0",
        "2 nodes refer to it, 2 directly",
        "re-sends 3 layers",
    ] {
        ensure!(text.contains(part), "{text}");
    }
    let told = explain("lib").args(["--json"]).ok()?.json()?;
    ensure!(told["node"] == "/nix/store/l2-lib-2.0" && told["update"]["nodes"] == 2, "{told}");
    ensure!(told["path"] == json!(["/nix/store/a3-app-3.0", "/nix/store/l2-lib-2.0"]), "{told}");
    Ok(())
}

fn a_package_takes_no_other_along() -> Result<()> {
    let folder = Folder::new()?;
    let plan = folder.path("plan.json");
    layerwright(&["plan", "--from", "dpkg:git", "--max-layers", "9", "-o", &plan]).ok()?;
    let told = layerwright(&["explain", "--plan", &plan, "libc6", "--json"]).ok()?.json()?;
    ensure!(told["update"]["nodes"] == 1 && told["all_referrers"].as_u64() > Some(10), "{told}");
    Ok(())
}

fn what_is_no_node_is_told() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let plan = folder.path("plan.json");
    layerwright(&["plan", "--from", &store.source()?, "-o", &plan]).ok()?;
    layerwright(&["explain", "--plan", &plan, "nothing"]).exits(1)?.says(&["`nothing`", "store-layers"])
}

fn plans_are_compared() -> Result<()> {
    let (mut store, folder) = (HandMade::sample()?, Folder::new()?);
    let (old, new) = (folder.path("old.json"), folder.path("new.json"));
    layerwright(&["plan", "--from", &store.source()?, "-o", &old]).ok()?;
    store.add("n4-new-4.0", &["d1-data-1.0"])?;
    store.file("n4-new-4.0/file", "new")?;
    layerwright(&["plan", "--from", &store.source()?, "-o", &new]).ok()?;
    let same = layerwright(&["compare", &old, &old, "--json"]).ok()?.json()?;
    ensure!(same["new_bytes"] == 0 && same["kept_layers"] == 3, "{same}");
    let other = layerwright(&["compare", &old, &new, "--json"]).ok()?.json()?;
    ensure!(other["nodes"]["new"] == 1 && other["nodes"]["sent_again"] == 0, "{other}");
    let said = layerwright(&["compare", &old, &new]).ok()?;
    ensure!(said.text()?.contains("to pull: 1 layer, "), "{}", said.text()?);
    Ok(())
}

fn images_are_compared() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let [one, two] = ["1", "2"].map(|tag| format!("oci:{}:{tag}", folder.path("oci")));
    let build = |to: &str, layers: &str| {
        layerwright(&["pack", "--plan", "-", "--root", &store.root(), "--to", to, "--json"]).stdin(layers).ok()?.json()
    };
    build(&one, r#"[["/nix/store/d1-data-1.0"], ["/nix/store/l2-lib-2.0"]]"#)?;
    let second = build(&two, r#"[["/nix/store/d1-data-1.0"], ["/nix/store/a3-app-3.0"]]"#)?;
    let compared = layerwright(&["compare", &one, &two, "--json"]).ok()?.json()?;
    ensure!(compared["kept_layers"] == 1 && compared["new_layers"] == json!([1]), "{compared}");
    ensure!(compared["new_bytes"] == second["layers"][1]["blob_bytes"], "{compared}");
    Ok(())
}

fn a_plan_is_not_compared_with_an_image() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let (plan, image) = (folder.path("plan.json"), format!("oci:{}", folder.path("oci")));
    layerwright(&["build", "--from", &store.source()?, "--root", &store.root(), "--to", &image, "--save-plan", &plan])
        .ok()?;
    layerwright(&["compare", &plan, &image]).exits(1)?.says(&["two plans, or two images"])?;
    ensure!(fs::exists(&plan)?);
    Ok(())
}
