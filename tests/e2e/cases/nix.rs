//! Closures from the real Nix.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;
use serde_json::Value;

use crate::case::{Case, case};
use crate::image::{Layout, members, sha256, text};
use crate::run::Folder;
use crate::store::{NixStore, nix_store};

pub(super) const CASES: &[Case] = &[
    case!(a_result_is_packed_for_every_destination, Nix, Busybox),
    case!(the_closure_is_the_one_that_nix_tells, Nix, Busybox),
    case!(a_graph_that_nix_wrote_gives_the_same_plan, Nix, Busybox),
    case!(path_info_on_standard_input_gives_the_same_plan, Nix, Busybox),
    case!(nix_store_answers_where_nix_does_not, Nix, Busybox),
    case!(optimising_the_store_changes_no_byte, Nix, Busybox),
    case!(several_results_make_one_closure, Nix, Busybox),
    case!(a_path_outside_of_the_store_is_refused, Nix, Busybox),
];

fn a_result_is_packed_for_every_destination() -> Result<()> {
    let store = nix_store()?;
    let folder = Folder::new()?;
    let build = |to: &str, compression: &str| {
        let arguments = ["build", "--from", &store.source(), "--root", &store.root(), "--tag", "app:1"];
        store.layerwright(&arguments).args(["--to", to, "--compression", compression]).ok()
    };
    build(&format!("docker-archive:{}", folder.path("docker.tar")), "none")?;
    build(&format!("oci-archive:{}", folder.path("oci.tar")), "none")?;
    build(&format!("oci:{}:app:1", folder.path("oci")), "none")?;
    let stream = build("-", "none")?.stdout;
    let layout = Layout::open(&folder.path("oci"), "app:1")?;
    let diff_ids = layout.config["rootfs"]["diff_ids"].as_array().context("the config lists diff IDs")?;
    ensure!(diff_ids.len() == store.closure()?.len(), "{} layers", diff_ids.len());

    // Plain layers are in all of them, under whatever name.
    for archive in [fs::read(folder.path("docker.tar"))?, fs::read(folder.path("oci.tar"))?, stream] {
        let digests: Vec<String> = members(&archive)?.into_iter().map(|(_, range)| sha256(&archive[range])).collect();
        for diff_id in diff_ids {
            ensure!(digests.contains(&text(diff_id)?.to_owned()), "layer {diff_id} is not in an archive");
        }
    }
    Ok(())
}

fn the_closure_is_the_one_that_nix_tells() -> Result<()> {
    let store = nix_store()?;
    let plan = plan(store, &store.source())?;
    ensure!(plan["roots"] == Value::from(vec![store.built("result")?]));

    let told = entries(path_info(store)?)?;
    let sizes = |list: Vec<&Value>, name: &str, size: &str| -> Result<BTreeMap<String, u64>> {
        let pair = |node: &Value| Ok((text(&node[name])?.to_owned(), node[size].as_u64().context("a size")?));
        list.into_iter().map(pair).collect()
    };
    let layers = plan["layers"].as_array().context("a plan has layers")?;
    let nodes = layers.iter().flat_map(|layer| layer["nodes"].as_array().into_iter().flatten()).collect();
    let planned = sizes(nodes, "name", "size")?;
    ensure!(planned == sizes(told.iter().collect(), "path", "narSize")?, "{planned:?}");
    Ok(())
}

fn a_graph_that_nix_wrote_gives_the_same_plan() -> Result<()> {
    let store = nix_store()?;
    let attributes = format!("{}{}", store.root(), store.built("graph")?);
    ensure!(plan(store, &format!("graph:{attributes}#closure"))? == plan(store, &store.source())?);
    let refused = ["plan", "--from", &format!("graph:{attributes}")];
    store.layerwright(&refused).exits(1)?.says(&["name the key", "graph:FILE#KEY", "there are closure"])
}

fn path_info_on_standard_input_gives_the_same_plan() -> Result<()> {
    let store = nix_store()?;
    let told = path_info(store)?.to_string();
    let piped = store.layerwright(&["plan", "--from", "graph:-"]).stdin(told).ok()?;
    ensure!(piped.json()? == plan(store, &store.source())?);
    Ok(())
}

fn nix_store_answers_where_nix_does_not() -> Result<()> {
    let store = nix_store()?;
    let expected = plan(store, &store.source())?;
    let bin = Folder::new()?;
    let fake = bin.write("nix", "#!/bin/sh\necho \"error: 'path-info' is not a recognised command\" >&2\nexit 1\n")?;
    fs::set_permissions(fake, PermissionsExt::from_mode(0o755))?;
    let path = format!("{}:{}", bin.path("."), store.path());
    let arguments = ["plan", "--from", &store.source(), "--root", &store.root()];
    let answered = store.layerwright(&arguments).env("PATH", path).ok()?;
    ensure!(answered.json()? == expected);

    // With neither, both are told.
    let nothing = store.layerwright(&arguments).env("PATH", "/nonexistent").exits(1)?;
    nothing.says(&["nix path-info", "nix-store", "is Nix installed?"])
}

fn optimising_the_store_changes_no_byte() -> Result<()> {
    let store = NixStore::build()?;
    let folder = Folder::new()?;
    let build = |name: &str| -> Result<Vec<u8>> {
        let to = format!("docker-archive:{}:app:1", folder.path(name));
        store.layerwright(&["build", "--from", &store.source(), "--root", &store.root(), "--to", &to]).ok()?;
        Ok(fs::read(folder.path(name))?)
    };
    let before = build("before.tar")?;
    store.nix("nix-store", &["--store", &store.root(), "--optimise"]).ok()?;
    let links = fs::read_dir(format!("{}/nix/store/.links", store.root()))?.count();
    ensure!(links > 0, "Nix has optimised nothing");
    ensure!(build("after.tar")? == before);
    Ok(())
}

fn several_results_make_one_closure() -> Result<()> {
    let store = nix_store()?;
    let graph = store.built("graph")?;
    let planned = plan(store, &format!("{},{graph}", store.source()))?;
    let mut roots = [store.built("result")?, graph];
    roots.sort();
    ensure!(planned["roots"] == Value::from(roots.to_vec()), "{planned}");
    Ok(())
}

fn a_path_outside_of_the_store_is_refused() -> Result<()> {
    let store = nix_store()?;
    let refused = store.layerwright(&["plan", "--from", "nix:/etc/passwd", "--root", &store.root()]).exits(1)?;
    refused.says(&["/etc/passwd", "not in a Nix store"])
}

fn plan(store: &NixStore, source: &str) -> Result<Value> {
    store.layerwright(&["plan", "--from", source, "--root", &store.root()]).ok()?.json()
}

fn path_info(store: &NixStore) -> Result<Value> {
    let arguments = ["path-info", "--store", &store.root(), "--json", "--recursive", &store.built("result")?];
    store.nix("nix", &arguments).ok()?.json()
}

/// Nix 2.8 prints a list; since 2.19, paths are the keys of an object.
fn entries(told: Value) -> Result<Vec<Value>> {
    let with_path = |(path, mut entry): (String, Value)| {
        entry["path"] = Value::from(path);
        entry
    };
    match told {
        Value::Array(list) => Ok(list),
        Value::Object(paths) => Ok(paths.into_iter().map(with_path).collect()),
        other => bail!("neither a list nor an object: {other}"),
    }
}
