//! What is told of plans and images: why a node is where it is, and what two of them share.

use std::io::Write;

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use serde_json::json;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::image::skopeo;
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(a_node_is_explained),
    case!(a_package_takes_no_other_along, Debian, Git),
    case!(what_is_no_node_is_told),
    case!(lists_of_layers_tell_too_little),
    case!(plans_are_opened_the_same_everywhere),
    case!(plans_are_compared),
    case!(images_are_compared),
    case!(images_are_compared_without_being_read, Skopeo),
    case!(a_plan_is_compared_with_an_image_that_tells),
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
        "it shares the layer with nothing",
        "here because of /nix/store/a3-app-3.0\n  -> /nix/store/d1-data-1.0",
        "2 nodes refer to it, 2 directly",
        "re-sends 3 layers",
    ] {
        ensure!(text.contains(part), "{text}");
    }
    let told = explain("lib").args(["--json"]).ok()?.json()?;
    ensure!(told["node"] == "/nix/store/l2-lib-2.0" && told["update"]["nodes"] == 2, "{told}");
    ensure!(told["path"] == json!(["/nix/store/a3-app-3.0", "/nix/store/l2-lib-2.0"]), "{told}");

    layerwright(&["plan", "--from", &store.source()?, "--max-layers", "1", "-o", &plan]).ok()?;
    let told = explain("lib").ok()?;
    let text = told.text()?;
    ensure!(text.contains("it shares the layer with 2 other nodes: 1 needed by it, 1 built upon it\n"), "{text}");
    let told = explain("lib").args(["--json"]).ok()?.json()?;
    let mates = told["shares_layer_with"].as_array().context("there are mates")?;
    let app = mates.iter().find(|mate| mate["node"] == "/nix/store/a3-app-3.0").context("the app is one")?;
    ensure!(mates.len() == 2 && app["needs_it"] == true && app["is_needed_by_it"] == false, "{told}");
    Ok(())
}

fn lists_of_layers_tell_too_little() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let (lists, plan) = (folder.path("lists.json"), folder.path("plan.json"));
    let from = ["plan", "--from", &store.source()?];
    layerwright(&from).args(["--format", "store-layers", "-o", &lists]).ok()?;
    layerwright(&from).args(["-o", &plan]).ok()?;
    let refused = layerwright(&["explain", "--plan", &lists, "lib"]).exits(1)?;
    refused.says(&["lists.json is a list of layers", "neither sizes nor references; give the plan"])?;
    let compared = layerwright(&["compare", &plan, &lists]).ok()?;
    ensure!(compared.text()?.contains("kept:    3 layers, 0 B"), "{}", compared.report());
    compared.says(&["warning: ", "lists.json is a list of layers, which tells no sizes"])?;
    let history = layerwright(&from).args(["--history", &lists]).exits(1)?;
    history.says(&["reading the history ", "it is a list of layers, which tells no sizes; give the plan"])
}

fn plans_are_opened_the_same_everywhere() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let plan = layerwright(&["plan", "--from", &store.source()?]).ok()?.stdout;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&plan)?;
    let file = folder.write("plan.json.gz", encoder.finish()?)?;
    let same = |command: &[&str]| -> Result<()> {
        let compared = layerwright(command).stdin(plan.clone()).ok()?;
        ensure!(compared.text()?.contains("to pull: 0 layers"), "{}", compared.report());
        Ok(())
    };
    same(&["compare", &file, &file])?;
    same(&["compare", "-", &file])?;
    same(&["compare", &file, "/dev/stdin"])?;
    layerwright(&["compare", "-", "-"]).exits(2)?.says(&["only one of the two can be standard input"])?;
    layerwright(&["explain", "--plan", &file, "lib"]).ok()?;
    let to = format!("oci:{}", folder.path("oci"));
    layerwright(&["pack", "--plan", &file, "--root", &store.root(), "--to", &to]).ok()?;
    layerwright(&["plan", "--from", &store.source()?, "--history", &file]).ok()?.says(&[])
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
    ensure!(said.text()?.contains("\nadded:   new 4.0\n"), "{}", said.text()?);
    ensure!(other["changes"]["added"][0]["new"][0]["name"] == "/nix/store/n4-new-4.0", "{other}");
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

/// Of whichever platform: what is pulled is for another machine more often than not.
fn images_are_compared_without_being_read() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let image = |name: &str| format!("oci:{}:{name}", folder.path("oci"));
    let build = |name: &str, architecture: &str, max_layers: &str| {
        let from = ["build", "--from", &store.source()?, "--root", &store.root(), "--max-layers", max_layers];
        layerwright(&from).args(["--to", &image(name), "--architecture", architecture]).ok()
    };
    build("old", "s390x", "3")?;
    build("new", "s390x", "2")?;
    let docker = |name: &str| format!("docker-archive:{}:app:1", folder.path(name));
    for name in ["old", "new"] {
        skopeo(&["--override-arch", "s390x", "copy", &image(name), &docker(name)]).ok()?;
    }
    let compared = |old: &str, new: &str| layerwright(&["compare", old, new, "--json"]).ok()?.json();
    let by_digest = compared(&image("old"), &image("new"))?;
    ensure!(by_digest["kept_layers"] == 1 && by_digest["nodes"]["sent_again"] == 2, "{by_digest}");
    let by_diff_id = compared(&docker("old"), &docker("new"))?;
    ensure!(by_diff_id["kept_layers"] == 1 && by_diff_id["nodes"] == by_digest["nodes"], "{by_diff_id}");
    for blob in fs::read_dir(folder.path("oci/blobs/sha256"))? {
        let path = blob?.path();
        if fs::read(&path)?.starts_with(&[0x1f, 0x8b]) {
            fs::remove_file(&path)?;
        }
    }
    ensure!(compared(&image("old"), &image("new"))? == by_digest);
    let refused = layerwright(&["compare", &image("old"), &image("new"), "--architecture", "riscv64"]).exits(1)?;
    refused.says(&["is for `linux/s390x`, and not for linux/riscv64"])
}

fn a_plan_is_compared_with_an_image_that_tells() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let (plan, image) = (folder.path("plan.json"), format!("oci:{}", folder.path("oci")));
    let from = ["build", "--from", &store.source()?, "--root", &store.root(), "--mkdir", "/tmp:1777"];
    layerwright(&from).args(["--to", &image, "--save-plan", &plan]).ok()?;
    for (old, new) in [(&plan, &image), (&image, &plan)] {
        let compared = layerwright(&["compare", old, new, "--json"]).ok()?.json()?;
        ensure!(compared["kept_layers"] == 3 && compared["new_layers"] == json!([]), "{compared}");
    }
    let other = folder.path("other.json");
    layerwright(&["plan", "--from", &store.source()?, "--max-layers", "2", "-o", &other]).ok()?;
    let compared = layerwright(&["compare", &other, &image, "--json"]).ok()?.json()?;
    ensure!(compared["kept_layers"] == 1 && compared["new_layers"] == json!([1, 2]), "{compared}");
    ensure!(
        compared["nodes"] == json!({"new": 0, "new_bytes": 0, "sent_again": 2, "sent_again_bytes": 2020}),
        "{compared}"
    );

    let says_nothing = format!("oci:{}", folder.path("nothing"));
    let lists = r#"[["/nix/store/d1-data-1.0"]]"#;
    layerwright(&["pack", "--plan", "-", "--root", &store.root(), "--to", &says_nothing]).stdin(lists).ok()?;
    layerwright(&["compare", &plan, &says_nothing])
        .exits(1)?
        .says(&["does not say what is in its layers", "two images"])
}
