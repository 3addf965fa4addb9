//! Images upon bases whose directories and links are others than those of what comes upon them.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::invocation::{Invocation, tool};
use crate::podman::Podman;
use crate::run::{Folder, layerwright};
use crate::store::nix_store;

pub(super) const CASES: &[Case] = &[
    case!(packages_and_bases_of_two_kinds_are_one_image, Root, Umoci),
    case!(layers_packed_one_by_one_are_packed_again_where_the_base_is_of_another_kind, Root),
    case!(files_of_ones_own_lie_upon_the_links_of_packages, Root, Umoci),
    case!(programs_of_base_and_image_run_where_the_base_links_into_its_store, Nix, Busybox, Podman, Root),
];

/// A root with one package. Where it is merged, `/bin` and `/lib` are links into `/usr`.
fn root(package: &str, files: &[&str], is_merged: bool) -> Result<Folder> {
    let root = Folder::new()?;
    for link in ["bin", "lib"].into_iter().filter(|_| is_merged) {
        fs::create_dir_all(root.path(&format!("usr/{link}")))?;
        fs::os::unix::fs::symlink(format!("usr/{link}"), root.path(link))?;
    }
    for file in files {
        if let Some((above, _)) = file.rsplit_once('/') {
            fs::create_dir_all(root.path(above))?;
        }
        root.write(file, format!("{file} of {package}"))?;
    }
    fs::create_dir_all(root.path("var/lib/dpkg/info"))?;
    let status = format!("Package: {package}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n");
    root.write("var/lib/dpkg/status", status)?;
    root.write("var/lib/dpkg/arch", "amd64\n")?;
    let list: String = files.iter().map(|file| format!("/{file}\n")).collect();
    root.write(&format!("var/lib/dpkg/info/{package}.list"), list)?;
    Ok(root)
}

fn merged() -> Result<Folder> {
    root("libc", &["usr/bin/sh", "usr/lib/libc.so", "usr/lib/sub/deep"], true)
}

fn unmerged() -> Result<Folder> {
    root("driver", &["bin/driver", "lib/driver.so", "lib/sub/more"], false)
}

fn build(root: &Folder, package: &str, to: &str) -> Invocation {
    let from = format!("dpkg:{package}");
    layerwright(&["build", "--from", &from, "--root", &root.path("."), "--to", &format!("oci:{to}:t")])
}

/// Unpacks an image as engines do, other than GNU tar: what hides something hides it. Returns its root.
fn unpack(folder: &Folder, image: &str) -> Result<String> {
    let bundle = folder.path(&format!("{image}-bundle"));
    tool("umoci", &["unpack", "--image", &format!("{}:t", folder.path(image)), &bundle]).ok()?;
    Ok(format!("{bundle}/rootfs"))
}

/// Expects that each file is found by the name it has in an image, and is whose it is said to be.
fn expect_files(root: &str, files: &[(&str, &str)]) -> Result<()> {
    for (name, content) in files {
        // Links at the root are relative, but those to files are absolute.
        let mut path = format!("{root}/{name}");
        if let Ok(target) = fs::read_link(&path) {
            path = Path::new(&path).parent().context("a parent")?.join(&target).display().to_string();
            if target.is_absolute() {
                path = format!("{root}{}", target.display());
            }
        }
        let found = fs::read_to_string(&path)?;
        ensure!(found == *content, "{name} is `{found}`");
    }
    Ok(())
}

fn packages_and_bases_of_two_kinds_are_one_image() -> Result<()> {
    let (merged, unmerged, folder) = (merged()?, unmerged()?, Folder::new()?);
    let path = |name: &str| folder.path(name);
    let on = |base: &str| format!("oci:{}:t", path(base));
    build(&merged, "libc", &path("merged")).ok()?;
    build(&unmerged, "driver", &path("unmerged")).ok()?;
    let libc = [
        ("usr/bin/sh", "usr/bin/sh of libc"),
        ("bin/sh", "usr/bin/sh of libc"),
        ("lib/libc.so", "usr/lib/libc.so of libc"),
        ("lib/sub/deep", "usr/lib/sub/deep of libc"),
    ];
    let driver = [
        ("bin/driver", "bin/driver of driver"),
        ("lib/driver.so", "lib/driver.so of driver"),
        ("lib/sub/more", "lib/sub/more of driver"),
    ];
    build(&unmerged, "driver", &path("one")).args(["--from-image", &on("merged")]).ok()?;
    let root = unpack(&folder, "one")?;
    ensure!(fs::read_link(format!("{root}/lib"))? == Path::new("usr/lib"));
    expect_files(&root, &[&libc[..], &driver].concat())?;
    build(&merged, "libc", &path("other")).args(["--from-image", &on("unmerged")]).ok()?;
    let root = unpack(&folder, "other")?;
    ensure!(Path::new(&format!("{root}/lib")).symlink_metadata()?.is_dir());
    expect_files(&root, &[&libc[..], &driver].concat())?;

    // What cannot be both is refused, as it is with a stream, of which nothing was written by then.
    let odd = self::root("odd", &["lib/driver.so/x"], false)?;
    let base = on("unmerged");
    let refused = build(&odd, "odd", &path("odd")).args(["--from-image", &base]).exits(1)?;
    refused.says(&["/lib/driver.so", "odd_1_amd64", "is a directory, and no directory in the layers below"])?;
    let stream = ["build", "--from", "dpkg:odd", "--root", &odd.path("."), "--from-image", &base, "--to", "-"];
    ensure!(layerwright(&stream).exits(1)?.stdout.is_empty());
    for (add, says) in [("lib", "is a directory already"), ("bin/driver/", "is a file of a layer below")] {
        let file = folder.write("mine", "mine")?;
        let build = build(&unmerged, "driver", &path("odd")).args(["--from-image", &base]);
        build.args(["--add", &format!("{file}:/{add}")]).exits(1)?.says(&[says])?;
    }
    Ok(())
}

fn layers_packed_one_by_one_are_packed_again_where_the_base_is_of_another_kind() -> Result<()> {
    let (merged, unmerged, folder) = (merged()?, unmerged()?, Folder::new()?);
    let path = |name: &str| folder.path(name);
    build(&merged, "libc", &path("merged")).ok()?;
    build(&unmerged, "driver", &path("alike")).ok()?;
    let (plan, root) = (path("plan.json"), unmerged.path("."));
    layerwright(&["plan", "--from", "dpkg:driver", "--root", &root, "-o", &plan]).ok()?;
    let layer = ["layer", "--plan", &plan, "--root", &root, "--index", "0", "--output", &path("layer")];
    layerwright(&layer).ok()?;
    let pack = |base: &str, to: &str, flags: &[&str]| -> Result<Value> {
        let (base, to) = (format!("oci:{}:t", path(base)), format!("oci:{}", path(to)));
        let pack = ["pack", "--plan", &plan, "--root", &root, "--from-image", &base, "--to", &to, "--json"];
        let packed = layerwright(&pack).args(["--no-cache"]).args(flags).ok()?.json()?;
        Ok(packed["layers"].as_array().and_then(|layers| layers.last()).context("a layer")?.clone())
    };
    let layers = ["--layers", &path("layer")];
    for (base, is_reused) in [("merged", false), ("alike", true)] {
        let (with, without) = (pack(base, "with", &layers)?, pack(base, "without", &[])?);
        ensure!(with["reused"] == json!(is_reused), "{base}: {with}");
        ensure!(with["digest"] == without["digest"], "{base}: {with} {without}");
    }
    Ok(())
}

fn files_of_ones_own_lie_upon_the_links_of_packages() -> Result<()> {
    let (merged, folder) = (merged()?, Folder::new()?);
    let mine = folder.write("mine", "mine")?;
    let add = ["--add", &format!("{mine}:/lib/mine"), "--add", &format!("{mine}:/bin/")];
    build(&merged, "libc", &folder.path("image")).args(add).ok()?;
    let root = unpack(&folder, "image")?;
    ensure!(fs::read_link(format!("{root}/bin"))? == Path::new("usr/bin"));
    let all = [("lib/mine", "mine"), ("bin/mine", "mine"), ("lib/libc.so", "usr/lib/libc.so of libc")];
    expect_files(&root, &all)?;
    let refused = build(&merged, "libc", &folder.path("odd")).args(["--add", &format!("{mine}:/lib")]).exits(1)?;
    refused.says(&["`/lib` is a symlink of a layer below to the directory `/usr/lib`"])?;
    Ok(())
}

/// As images are that have one environment of one package at their root.
fn programs_of_base_and_image_run_where_the_base_links_into_its_store() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let busybox = store.closure()?.into_iter().find(|path| path.ends_with("busybox-1.35.0")).context("a busybox")?;
    let base = format!("oci:{}:base", folder.path("base"));
    let pack = ["pack", "--plan", "-", "--root", &store.root(), "--to", &base];
    let link = ["--symlink", &format!("{busybox}/bin:/bin")];
    layerwright(&pack).args(link).stdin(json!([[busybox]]).to_string()).ok()?;
    let archive = folder.path("top.tar");
    let build = ["build", "--from", &store.source(), "--root", &store.root(), "--from-image", &base];
    let app = store.built("result")?;
    let to = format!("docker-archive:{archive}:top:1");
    store.layerwright(&build).args(["--copy-to-root", &app, "--to", &to]).ok()?;
    let podman = Podman::empty()?;
    let name = podman.load(Some(&archive), Vec::new())?;
    let said = podman.run(&name, &["/bin/sh", "-euc", "/bin/app; test ! -L /bin; /bin/readlink -f /bin/sh"])?;
    ensure!(said.starts_with("app says:\n") && said.ends_with("/bin/busybox\n"), "{said}");
    Ok(())
}
