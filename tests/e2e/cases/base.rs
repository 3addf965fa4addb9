//! Images that are built on others.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::docker::Docker;
use crate::hand_made::HandMade;
use crate::image::{Layout, column, skopeo};
use crate::invocation::tool;
use crate::podman::Podman;
use crate::run::{Folder, layerwright};
use crate::store::nix_store;

pub(super) const CASES: &[Case] = &[
    case!(layers_of_the_base_lie_below_as_they_are),
    case!(store_paths_of_the_base_are_not_packed_again),
    case!(every_form_of_a_base_is_read, Skopeo, Python, Zstd),
    case!(what_docker_saves_is_a_base, Nix, Busybox, Docker, Root),
    case!(images_run_on_bases_of_other_images, Nix, Busybox, Podman, Root),
    case!(bases_for_any_variant_in_another_spelling_are_read, Skopeo),
    case!(the_base_says_how_it_runs),
    case!(layers_of_the_base_count),
    case!(another_architecture_is_refused),
    case!(a_base_that_is_not_what_it_says_is_refused),
    case!(an_unknown_name_is_told_from_those_there_are),
    case!(parents_are_told_to_old_tools, Python),
];

/// Packs `nodes` of the sample to a destination; with `flags`, onto something.
fn pack(store: &HandMade, nodes: &[&str], to: &str, flags: &[&str]) -> Result<Value> {
    let nodes: Vec<String> = nodes.iter().map(|node| format!("/nix/store/{node}")).collect();
    let plan = json!([nodes]).to_string();
    let pack = ["pack", "--plan", "-", "--root", &store.root(), "--to", to, "--json"];
    layerwright(&pack).args(flags).stdin(plan).ok()?.json()
}

fn layers_of_the_base_lie_below_as_they_are() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let (base, top) = (folder.path("base"), folder.path("top"));
    let below = pack(&store, &["d1-data-1.0"], &format!("oci:{base}"), &["--compression", "zstd"])?;
    for to in [format!("oci:{top}"), format!("docker-archive:{top}.tar:a:1"), format!("oci-archive:{top}.oci")] {
        let image = pack(&store, &["a3-app-3.0"], &to, &["--from-image", &format!("oci:{base}")])?;
        ensure!(column(&image["layers"], "kind")? == ["base", "planned"], "{image}");
        for field in ["digest", "diff_id", "blob_bytes", "tar_bytes"] {
            ensure!(image["layers"][0][field] == below["layers"][0][field], "{image}");
        }
        layerwright(&["verify", &to]).ok()?;
    }
    let layers = Layout::open(&top, "latest")?.manifest["layers"].take();
    let types = column(&layers, "mediaType")?;
    ensure!(types[0].ends_with("tar+zstd") && types[1].ends_with("tar+gzip"), "{layers}");
    Ok(())
}

fn store_paths_of_the_base_are_not_packed_again() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let base = format!("docker-archive:{}", folder.path("base.tar"));
    pack(&store, &["d1-data-1.0", "l2-lib-2.0"], &base, &[])?;
    let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--from-image", &base, "--json"];
    let plan = folder.path("plan.json");
    let image = layerwright(&build).args(["--to", &format!("oci:{}", folder.path("top")), "--save-plan", &plan]);
    let image = image.ok()?.json()?;
    ensure!(column(&image["layers"], "kind")? == ["base", "planned"], "{image}");
    ensure!(image["layers"][1]["nodes"] == 1, "{image}");
    let plan = fs::read_to_string(plan)?;
    ensure!(plan.contains("a3-app-3.0") && !plan.contains("l2-lib-2.0\","), "{plan}");
    // All is there already.
    pack(&store, &["d1-data-1.0", "l2-lib-2.0", "a3-app-3.0"], &base, &[])?;
    let image = layerwright(&build).args(["--to", &format!("oci:{}", folder.path("same"))]).ok()?.json()?;
    ensure!(column(&image["layers"], "kind")? == ["base"], "{image}");
    Ok(())
}

fn every_form_of_a_base_is_read() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let path = |name: &str| folder.path(name);
    let below =
        pack(&store, &["d1-data-1.0"], &format!("docker-archive:{}:b:1", path("hybrid")), &["--legacy-parents"])?;
    let hybrid = format!("docker-archive:{}:b:1", path("hybrid"));
    for to in ["docker-archive:saved:b:1", "oci:layout:b", "oci-archive:archive:b"] {
        let (scheme, rest) = to.split_once(':').context("a scheme")?;
        skopeo(&["copy", &hybrid, &format!("{scheme}:{}", path(rest))]).ok()?;
    }
    let compress = |with: &[&str], from: &str, to: &str| -> Result<()> {
        Ok(fs::write(path(to), tool(with[0], &with[1..]).stdin(fs::read(path(from))?).ok()?.stdout)?)
    };
    compress(&["gzip", "-c"], "saved", "saved.gz")?;
    compress(&["zstd", "-c"], "saved", "saved.zst")?;
    // Only what the days knew when layers had parents.
    let keep = "import sys, tarfile\n\
        with tarfile.open(sys.argv[1]) as old, tarfile.open(sys.argv[2], 'w') as new:\n    \
        for m in old:\n        \
        if m.name not in ('manifest.json', 'index.json', 'oci-layout'):\n            \
        new.addfile(m, old.extractfile(m) if m.isreg() else None)\n";
    tool("python3", &["-c", keep, &path("hybrid"), &path("legacy")]).ok()?;
    for base in ["hybrid", "saved", "saved.gz", "saved.zst", "layout", "archive", "legacy"] {
        let to = format!("oci:{}", path(&format!("on-{base}")));
        let image = pack(&store, &["a3-app-3.0"], &to, &["--from-image", &path(base)])?;
        ensure!(image["layers"][0]["diff_id"] == below["layers"][0]["diff_id"], "{base}: {image}");
        layerwright(&["verify", &to]).ok()?;
        let stream = ["--from-image", &path(base), "--to", "-"];
        let streamed = layerwright(&["pack", "--plan", "-", "--root", &store.root()]).args(stream);
        let streamed = streamed.stdin(r#"[["/nix/store/a3-app-3.0"]]"#).ok()?;
        let file = path("streamed");
        fs::write(&file, &streamed.stdout)?;
        layerwright(&["verify", &format!("docker-archive:{file}")]).ok()?;
    }
    Ok(())
}

/// An index for two variants, from a pipe too, whose configs are spelt as engines alone understand them; with what skopeo
/// makes of the result.
fn bases_for_any_variant_in_another_spelling_are_read() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let base = folder.path("base");
    for variant in ["v6", "v7"] {
        let config = folder.write(variant, json!({"Labels": {"is": variant}}).to_string())?;
        let flags = ["--architecture", "arm", "--variant", variant, "--image-config", &config];
        pack(&store, &["d1-data-1.0"], &format!("oci:{base}:{variant}"), &flags)?;
    }
    let mut index: Value = serde_json::from_slice(&fs::read(format!("{base}/index.json"))?)?;
    for manifest in index["manifests"].as_array_mut().context("manifests")? {
        manifest["annotations"] = json!({"org.opencontainers.image.ref.name": "both"});
    }
    let text = index.to_string().replace("\"platform\"", "\"Platform\"");
    fs::write(format!("{base}/index.json"), text)?;
    layerwright(&["verify", &format!("oci:{base}")]).ok()?.says(&["note: index.json calls a field `Platform`"])?;
    let plan = folder.write("plan.json", r#"[["/nix/store/a3-app-3.0"]]"#)?;
    let tar = tool("tar", &["-C", &base, "-cf", "-", "oci-layout", "index.json", "blobs"]).ok()?.stdout;
    for (wanted, expected) in [("v6", "v6"), ("v8", "v7")] {
        for from in [format!("oci:{base}:both"), "oci-archive:-:both".into()] {
            let to = format!("oci:{}", folder.path(&format!("{wanted}-{}", from.len())));
            let pack = ["pack", "--plan", &plan, "--root", &store.root(), "--to", &to, "--architecture", "arm"];
            layerwright(&pack).args(["--variant", wanted, "--from-image", &from]).stdin(tar.clone()).ok()?;
            let config = skopeo(&["inspect", "--config", "--raw", &to]).ok()?.json()?;
            ensure!(config["config"]["Labels"]["is"] == expected && config["variant"] == wanted, "{config}");
        }
    }
    let pack = ["pack", "--plan", &plan, "--to", "oci:x", "--architecture", "arm", "--variant", "v5"];
    let refused = layerwright(&pack).args(["--from-image", &format!("oci:{base}:both")]);
    refused.exits(1)?.says(&["is for `linux/arm/v6`, `linux/arm/v7`, and an image for linux/arm/v5"])?;
    let pack = ["pack", "--plan", "-", "--to", "oci:x", "--from-image", "docker-archive:-"];
    layerwright(&pack).stdin("[]").exits(2)?.says(&["both read standard input"])
}

fn what_docker_saves_is_a_base() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let saved = folder.path("saved.tar");
    let busybox = store.closure()?.into_iter().find(|path| path.ends_with("busybox-1.35.0")).context("a busybox")?;
    let base = ["pack", "--plan", "-", "--root", &store.root(), "--to", "-", "--tag", "base:1"];
    let stream = layerwright(&base).stdin(json!([[busybox]]).to_string()).ok()?.stdout;
    let docker = Docker::empty()?;
    docker.client(&["load"]).stdin(stream).ok()?;
    docker.client(&["save", "--output", &saved, "base:1"]).ok()?;
    let program = format!("{}/bin/app", store.built("result")?);
    let top = ["build", "--from", &store.source(), "--root", &store.root(), "--to", "-", "--tag", "top:1"];
    let top = store.layerwright(&top).args(["--from-image", &saved, "--cmd", &program]).ok()?.stdout;
    docker.client(&["load"]).stdin(top).ok()?;
    let said = docker.run("top:1", &[])?;
    ensure!(said.starts_with("app says:\ntext from data"), "{said}");
    Ok(())
}

/// A chain of three images, each on the one before.
fn images_run_on_bases_of_other_images() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let busybox = store.closure()?.into_iter().find(|path| path.ends_with("busybox-1.35.0")).context("a busybox")?;
    let mut below: Option<String> = None;
    for (number, word) in ["a", "b", "c"].into_iter().enumerate() {
        let file = folder.write(&format!("file-{word}"), word)?;
        let archive = format!("docker-archive:{}:chain:{number}", folder.path(word));
        let plan = if number == 0 { json!([[busybox]]) } else { json!([]) };
        let pack = ["pack", "--plan", "-", "--root", &store.root(), "--to", &archive];
        let add = ["--add", &format!("{file}:/{word}"), "--add", &format!("{file}:/last")];
        let base = below.iter().flat_map(|base| ["--from-image", base.as_str()]);
        layerwright(&pack).args(add).args(base).stdin(plan.to_string()).ok()?;
        below = Some(archive);
    }
    let podman = Podman::empty()?;
    let name = podman.load(Some(&folder.path("c")), Vec::new())?;
    let shell = format!("{busybox}/bin/cat");
    let said = podman.run(&name, &[&shell, "/a", "/b", "/c", "/last"])?;
    ensure!(said == "abcc", "{said}");
    Ok(())
}

fn the_base_says_how_it_runs() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let base = format!("oci:{}", folder.path("base"));
    let of_base = ["--env", "PARENT=true", "--env", "LAST=parent", "--user", "7", "--cmd", "parent", "--expose", "80"];
    pack(&store, &["d1-data-1.0"], &base, &of_base)?;
    for (inherit, user, env) in [
        ("all", json!("7"), json!(["PARENT=true", "LAST=child", "CHILD=true"])),
        ("env", Value::Null, json!(["PARENT=true", "LAST=child", "CHILD=true"])),
        ("none", Value::Null, json!(["LAST=child", "CHILD=true"])),
    ] {
        let top = folder.path(inherit);
        let flags = ["--from-image", &base, "--inherit", inherit, "--env", "LAST=child", "--env", "CHILD=true"];
        pack(&store, &["a3-app-3.0"], &format!("oci:{top}"), &flags)?;
        let image = Layout::open(&top, "latest")?.config;
        let config = &image["config"];
        ensure!(config["User"] == user && config["Env"] == env, "{inherit}: {config}");
        ensure!(config["ExposedPorts"].is_null() == (inherit != "all"), "{inherit}: {config}");
        ensure!(image["history"].as_array().context("a history")?.len() == 2, "{image}");
    }
    Ok(())
}

fn layers_of_the_base_count() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let base = format!("oci:{}", folder.path("base"));
    pack(&store, &["d1-data-1.0"], &base, &[])?;
    let file = folder.write("file", "x")?;
    let build = |max_layers: &str| -> Result<_> {
        let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--max-layers", max_layers];
        let on = ["--from-image", &base, "--add", &format!("{file}:/file"), "--json"];
        Ok(layerwright(&build).args(on).args(["--to", &format!("oci:{}", folder.path("top"))]))
    };
    build("2")?
        .exits(2)?
        .says(&["of --max-layers 2, the base image has 1 and the customisation 1", "--max-layers 3"])?;
    let image = build("3")?.ok()?.json()?;
    ensure!(column(&image["layers"], "kind")? == ["base", "planned", "customisation"], "{image}");
    Ok(())
}

fn another_architecture_is_refused() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let base = format!("oci:{}", folder.path("base"));
    pack(&store, &["d1-data-1.0"], &base, &["--architecture", "s390x"])?;
    let top = folder.path("top");
    let flags = ["--from-image", &base, "--to", &format!("oci:{top}")];
    let plan = r#"[["/nix/store/a3-app-3.0"]]"#;
    let refused = layerwright(&["pack", "--plan", "-", "--root", &store.root()]).args(flags).stdin(plan);
    refused.exits(1)?.says(&["s390x"])?;
    ensure!(!fs::exists(top)?);
    pack(
        &store,
        &["a3-app-3.0"],
        &format!("oci:{}", folder.path("same")),
        &["--from-image", &base, "--architecture", "s390x"],
    )?;
    Ok(())
}

fn a_base_that_is_not_what_it_says_is_refused() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let base = folder.path("base");
    let packed = pack(&store, &["d1-data-1.0"], &format!("oci:{base}"), &[])?;
    let digest = column(&packed["layers"], "digest")?[0].replace(':', "/");
    let blob = format!("{base}/blobs/{digest}");
    let bytes = fs::read(&blob)?;
    let mut longer = bytes.clone();
    longer.push(0);
    let mut other = bytes.clone();
    other[bytes.len() / 2] ^= 1;
    for (damaged, what) in [(longer, "sha256:"), (other, "sha256:"), (Vec::new(), "sha256:")] {
        fs::write(&blob, damaged)?;
        let flags = ["--from-image", &base, "--to", &format!("oci:{}", folder.path("top"))];
        let plan = r#"[["/nix/store/a3-app-3.0"]]"#;
        let refused = layerwright(&["pack", "--plan", "-", "--root", &store.root()]).args(flags).stdin(plan);
        refused.exits(1)?.says(&["--from-image", what])?;
    }
    ensure!(!fs::exists(folder.path("top"))?);
    Ok(())
}

fn an_unknown_name_is_told_from_those_there_are() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let base = folder.path("base");
    pack(&store, &["d1-data-1.0"], &format!("oci:{base}:one"), &[])?;
    let flags = ["--from-image", &format!("oci:{base}:two"), "--to", &format!("oci:{}", folder.path("top"))];
    let refused = layerwright(&["pack", "--plan", "-"]).args(flags).stdin("[]");
    refused.exits(1)?.says(&["two", "one"])
}

fn parents_are_told_to_old_tools() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let archive = folder.path("legacy.tar");
    let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--legacy-parents", "--json"];
    let image = layerwright(&build).args(["--to", &format!("docker-archive:{archive}:team/app:1")]).ok()?.json()?;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/fixtures/legacy_parents.py");
    let read = tool("python3", &[script, &archive, "team/app", "1"]).ok()?;
    let found: Vec<&str> = read.text()?.lines().collect();
    ensure!(found == column(&image["layers"], "diff_id")?, "{found:?} {image}");
    layerwright(&["verify", &archive]).ok()?;
    for to in [format!("oci:{}", folder.path("oci")), format!("oci-archive:{}", folder.path("archive"))] {
        layerwright(&build[..6]).args(["--to", &to]).exits(2)?.says(&["docker-archive:FILE"])?;
    }
    Ok(())
}
