//! skopeo reads what we write.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::image::{column, skopeo};
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(copies_and_inspects_every_destination, Skopeo),
    case!(finds_the_digests_that_were_printed, Skopeo),
    case!(reads_zstd_layers_of_an_oci_layout, Skopeo),
];

/// Each form, in its spelling for us and for skopeo.
fn forms(folder: &Folder) -> [(String, String); 3] {
    let form = |name: &str, scheme: &str, tag: &str| {
        let image = format!("{scheme}:{}:{tag}", folder.path(name));
        (image.clone(), image)
    };
    [
        form("docker.tar", "docker-archive", "team/app:1.2"),
        form("oci.tar", "oci-archive", "1.2"),
        form("oci", "oci", "1.2"),
    ]
}

fn copies_and_inspects_every_destination() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    for (at, (ours, theirs)) in forms(&folder).iter().enumerate() {
        build(&store, ours, &[])?;
        let inspected = skopeo(&["inspect", theirs]).ok()?.json()?;
        ensure!(inspected["Architecture"] == "amd64" || cfg!(not(target_arch = "x86_64")), "{inspected}");
        ensure!(inspected["Layers"].as_array().context("layers")?.len() == 3, "{inspected}");
        for scheme in ["dir", "oci"] {
            let copy = format!("{scheme}:{}", folder.path(&format!("copy-{scheme}-{at}")));
            skopeo(&["copy", "--quiet", theirs, &copy]).ok()?;
        }
        // Taken for an archive of the other kind, the hybrid still works.
        if ours.starts_with("docker-archive") {
            skopeo(&["inspect", &format!("oci-archive:{}", folder.path("docker.tar:1.2"))]).ok()?;
        }
    }
    Ok(())
}

fn finds_the_digests_that_were_printed() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    for (at, (ours, theirs)) in forms(&folder).iter().enumerate() {
        let packed = build(&store, ours, &[])?;
        let copy = folder.path(&format!("copy-{at}"));
        skopeo(&["copy", "--quiet", "--preserve-digests", theirs, &format!("dir:{copy}")]).ok()?;
        let manifest: Value = serde_json::from_slice(&fs::read(format!("{copy}/manifest.json"))?)?;
        ensure!(manifest["config"]["digest"] == packed["image_id"], "{ours}: {manifest}");
        // skopeo unpacks the layers of a docker-archive, and counts them in plain.
        let printed = if ours.starts_with("docker-archive") { "diff_id" } else { "digest" };
        let digests = column(&manifest["layers"], "digest")?;
        ensure!(digests == column(&packed["layers"], printed)?, "{ours}: {manifest}");
    }
    Ok(())
}

fn reads_zstd_layers_of_an_oci_layout() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let image = format!("oci:{}:1", folder.path("oci"));
    let packed = build(&store, &image, &["--compression", "zstd"])?;
    let copy = folder.path("copy");
    skopeo(&["copy", "--quiet", &image, &format!("dir:{copy}")]).ok()?;
    let manifest: Value = serde_json::from_slice(&fs::read(format!("{copy}/manifest.json"))?)?;
    ensure!(column(&manifest["layers"], "digest")? == column(&packed["layers"], "digest")?);
    Ok(())
}

/// What `--json` prints.
fn build(store: &HandMade, to: &str, more: &[&str]) -> Result<Value> {
    let arguments = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", to, "--json"];
    layerwright(&arguments).args(more).ok()?.json()
}
