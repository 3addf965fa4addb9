//! umoci unpacks what we write, and runc runs it.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::invocation::tool;
use crate::run::Folder;
use crate::store::{NixStore, nix_store};
use crate::tree;

pub(super) const CASES: &[Case] = &[
    case!(unpacks_the_tree_that_was_packed, Nix, Busybox, Umoci, Root),
    case!(the_unpacked_app_runs, Nix, Busybox, Umoci, Runc, Root),
];

fn unpacks_the_tree_that_was_packed() -> Result<()> {
    let store = nix_store()?;
    for max_layers in ["100", "3"] {
        let folder = Folder::new()?;
        let bundle = unpack(store, &folder, max_layers)?;
        let found = tree::read(&format!("{bundle}/rootfs/nix/store"))?;

        let mut expected = tree::as_packed(tree::read(&format!("{}/nix/store", store.root()))?);
        let closure: Vec<String> = store.closure()?.iter().map(|path| path.replacen("/nix/store", "", 1)).collect();
        expected.retain(|name, _| closure.iter().any(|path| name == path || name.starts_with(&format!("{path}/"))));
        ensure!(expected.len() > 30, "the closure has {} files", expected.len());
        tree::expect_equal(&expected, &found)?;
    }
    Ok(())
}

fn the_unpacked_app_runs() -> Result<()> {
    let store = nix_store()?;
    let folder = Folder::new()?;
    let bundle = unpack(store, &folder, "100")?;
    adjust(&format!("{bundle}/config.json"))?;
    let state = folder.path("state");
    let name = format!("layerwright-e2e-{}", std::process::id());
    let run = tool("runc", &["--root", &state, "run", "--bundle", &bundle, &name]).ok()?;
    ensure!(run.text()? == "app says:\ntext from data\ntext from single\ntext from data\n", "{}", run.report());
    Ok(())
}

fn unpack(store: &NixStore, folder: &Folder, max_layers: &str) -> Result<String> {
    let image = format!("{}:app", folder.path("oci"));
    let program = format!("{}/bin/app", store.built("result")?);
    let arguments = ["build", "--from", &store.source(), "--root", &store.root(), "--to", &format!("oci:{image}")];
    store.layerwright(&arguments).args(["--max-layers", max_layers, "--cmd", &program]).ok()?;
    let bundle = folder.path("bundle");
    tool("umoci", &["unpack", "--image", &image, &bundle]).ok()?;
    Ok(bundle)
}

/// No terminal, and no namespace that old kernels lack.
fn adjust(file: &str) -> Result<()> {
    let mut config: Value = serde_json::from_slice(&fs::read(file)?)?;
    config["process"]["terminal"] = json!(false);
    if let Some(process) = config["process"].as_object_mut() {
        process.remove("rlimits");
    }
    let namespaces = config["linux"]["namespaces"].as_array_mut().context("a bundle has namespaces")?;
    namespaces.retain(|namespace| namespace["type"] != "cgroup");
    Ok(fs::write(file, config.to_string())?)
}
