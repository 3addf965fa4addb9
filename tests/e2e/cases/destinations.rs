//! What is at the destination already, and what happens to it.

use std::thread;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::image::Layout;
use crate::invocation::{Invocation, tool};
use crate::run::{Folder, layerwright, program};
use crate::tree::{self, Kind};

pub(super) const CASES: &[Case] = &[
    case!(a_layout_gains_a_tag_and_keeps_the_others),
    case!(a_tag_moves_to_the_new_image),
    case!(builds_at_the_same_time_share_a_layout),
    case!(files_have_the_permissions_of_any_new_file),
    case!(an_empty_folder_becomes_a_layout),
    case!(a_folder_that_is_no_layout_is_refused_and_untouched),
    case!(an_archive_is_not_written_over_a_folder),
    case!(a_file_that_is_there_is_replaced_and_a_link_followed),
    case!(colons_end_paths_and_registries_are_explained),
    case!(compressed_streams_are_refused),
    case!(what_old_docker_cannot_read_is_warned_about),
];

fn build(store: &HandMade, to: &str, more: &[&str]) -> Result<Invocation> {
    let arguments = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", to];
    Ok(layerwright(&arguments).args(more))
}

fn a_layout_gains_a_tag_and_keeps_the_others() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let dir = folder.path("oci");
    build(&store, &format!("oci:{dir}:first"), &[])?.ok()?;
    let first = Layout::open(&dir, "first")?.manifest;
    store.file("a3-app-3.0/bin/more", "more")?;
    build(&store, &format!("oci:{dir}:second"), &[])?.ok()?;

    ensure!(Layout::open(&dir, "first")?.manifest == first);
    let second = Layout::open(&dir, "second")?.manifest;
    ensure!(second != first);
    for tag in [":first", ":second", ""] {
        layerwright(&["verify", &format!("oci:{dir}{tag}")]).ok()?;
    }
    let verified = layerwright(&["verify", &format!("oci:{dir}"), "--json"]).ok()?.json()?;
    ensure!(verified["images"] == 2, "{verified}");
    ensure!(folder.names()? == ["oci"], "{:?}", folder.names()?);
    layerwright(&["verify", &format!("oci:{dir}:third")]).exits(1)?.says(&["there is no image `third`"])
}

fn a_tag_moves_to_the_new_image() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let dir = folder.path("oci");
    build(&store, &format!("oci:{dir}:same"), &[])?.ok()?;
    build(&store, &format!("oci:{dir}:same"), &["--label", "a=b"])?.ok()?;
    ensure!(Layout::open(&dir, "same")?.config["config"]["Labels"]["a"] == "b");
    let index: Value = serde_json::from_slice(&fs::read(format!("{dir}/index.json"))?)?;
    ensure!(index["manifests"].as_array().context("manifests")?.len() == 1, "{index}");
    Ok(())
}

fn builds_at_the_same_time_share_a_layout() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let dir = folder.path("oci");
    let tags: Vec<String> = (0..8).map(|number| format!("tag-{number}")).collect();
    let source = store.source()?;
    thread::scope(|scope| {
        let build = |tag: &String| {
            let to = format!("oci:{dir}:{tag}");
            let arguments =
                ["build", "--from", &source, "--root", &store.root(), "--to", &to, "--env", &format!("T={tag}")];
            layerwright(&arguments).ok().map(drop)
        };
        let builds: Vec<_> = tags.iter().map(|tag| scope.spawn(move || build(tag))).collect();
        builds.into_iter().try_for_each(|build| build.join().expect("no build panics"))
    })?;
    for tag in &tags {
        ensure!(Layout::open(&dir, tag)?.config["config"]["Env"][0] == format!("T={tag}"));
    }
    let verified = layerwright(&["verify", &dir, "--json"]).ok()?.json()?;
    ensure!(verified["images"] == tags.len(), "{verified}");
    let mut names: Vec<String> = tree::read(&dir)?.into_keys().filter(|name| name.matches('/').count() == 1).collect();
    names.sort();
    ensure!(names == ["/blobs", "/index.json", "/oci-layout"], "{names:?}");
    Ok(())
}

fn files_have_the_permissions_of_any_new_file() -> Result<()> {
    let store = HandMade::sample()?;
    for (umask, file, dir) in [("022", 0o644, 0o755), ("077", 0o600, 0o700), ("002", 0o664, 0o775)] {
        let folder = Folder::new()?;
        for to in [format!("docker-archive:{}", folder.path("tar")), format!("oci:{}", folder.path("oci"))] {
            let script = format!("umask {umask}; exec {} \"$@\"", program());
            let build =
                ["-c", &script, "sh", "build", "--from", &store.source()?, "--root", &store.root(), "--to", &to];
            let plan = folder.path("plan.json");
            tool("sh", &build).args(["--save-plan", &plan]).ok()?;
        }
        for (name, found) in tree::read(&folder.path("."))? {
            let expected = if found.kind == Kind::Directory { dir } else { file };
            ensure!(found.mode == expected, "umask {umask}: {name} has the mode {:o}", found.mode);
        }
    }
    Ok(())
}

fn an_empty_folder_becomes_a_layout() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    fs::create_dir(folder.path("oci"))?;
    build(&store, &format!("oci:{}", folder.path("oci")), &[])?.ok()?;
    layerwright(&["verify", &folder.path("oci")]).ok()?;
    Ok(())
}

fn a_folder_that_is_no_layout_is_refused_and_untouched() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    fs::create_dir(folder.path("home"))?;
    folder.write("home/letter", "dear reader")?;
    let before = tree::read(&folder.path("home"))?;
    build(&store, &format!("oci:{}", folder.path("home")), &[])?.exits(2)?.says(&[&folder.path("home")])?;
    tree::expect_equal(&before, &tree::read(&folder.path("home"))?)
}

fn an_archive_is_not_written_over_a_folder() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    fs::create_dir(folder.path("there"))?;
    for scheme in ["docker-archive", "oci-archive"] {
        let refused = build(&store, &format!("{scheme}:{}", folder.path("there")), &[])?.exits(2)?;
        refused.says(&["is a directory"])?;
    }
    let file = folder.write("file", "a file")?;
    build(&store, &format!("oci:{file}"), &[])?.exits(2)?.says(&["is no directory", "oci-archive:"])?;
    ensure!(fs::read_to_string(file)? == "a file");
    Ok(())
}

fn a_file_that_is_there_is_replaced_and_a_link_followed() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    folder.write("image.tar", "something older")?;
    fs::os::unix::fs::symlink("image.tar", folder.path("link.tar"))?;
    build(&store, &format!("docker-archive:{}", folder.path("link.tar")), &[])?.ok()?;
    ensure!(fs::symlink_metadata(folder.path("link.tar"))?.is_symlink());
    layerwright(&["verify", &folder.path("image.tar")]).ok()?;
    ensure!(folder.names()? == ["image.tar", "link.tar"], "{:?}", folder.names()?);
    Ok(())
}

fn colons_end_paths_and_registries_are_explained() -> Result<()> {
    let store = HandMade::sample()?;
    for (to, part) in [
        ("image.tar", "docker-archive:FILE[:NAME:TAG]"),
        ("docker://registry.example/app:1", "skopeo copy"),
        ("docker-archive:x.tar:UPPER:1", "UPPER"),
        ("oci:", "names no directory"),
    ] {
        build(&store, to, &[])?.exits(2)?.says(&[part])?;
    }
    Ok(())
}

fn compressed_streams_are_refused() -> Result<()> {
    let store = HandMade::sample()?;
    let refused = build(&store, "-", &["--compression", "gzip"])?.exits(2)?;
    refused.says(&["cannot be compressed"])?;
    ensure!(refused.stdout.is_empty());
    build(&store, "-", &["--json"])?.exits(2)?.says(&["--json"])
}

fn what_old_docker_cannot_read_is_warned_about() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    let build = |scheme: &str, compression: &str| {
        let to = format!("{scheme}:{}", folder.path(scheme));
        build(&store, &to, &["--compression", compression])?.ok()
    };
    build("docker-archive", "zstd")?.says(&["warning:", "zstd", "Docker"])?;
    for (scheme, compression) in [("docker-archive", "gzip"), ("oci", "zstd"), ("oci-archive", "zstd")] {
        let built = build(scheme, compression)?;
        ensure!(!built.stderr.contains("warning:"), "{}", built.report());
    }
    Ok(())
}
