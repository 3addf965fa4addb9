//! Files that belong to no node, on top of all others.

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::image::{Layout, column};
use crate::invocation::tool;
use crate::podman::Podman;
use crate::run::{Folder, layerwright};
use crate::store::nix_store;

pub(super) const CASES: &[Case] = &[
    case!(operations_are_done_in_the_order_given, Python),
    case!(what_a_script_made_under_fakeroot_is_kept, Fakeroot, Python),
    case!(programs_are_linked_to_the_root, Nix, Busybox, Podman, Root),
    case!(conflicts_name_both_files),
    case!(store_paths_in_files_belong_to_the_closure, Nix, Busybox),
    case!(a_graph_that_lacks_a_reference_is_refused, Nix, Busybox),
    case!(a_base_keeps_its_links, Debian, Podman, Root),
    case!(nothing_of_a_failure_stays),
    case!(store_paths_can_be_left_out, Nix, Busybox),
    case!(a_nix_database_is_the_same_each_time, Nix, Busybox),
    case!(nix_in_the_image_knows_its_store, Nix, Busybox, Debian, Podman, Root),
];

/// Packs an image of nothing but these files. Returns its layers as Python lists them.
fn list(folder: &Folder, operations: &[&str]) -> Result<String> {
    let to = format!("oci:{}", folder.path("oci"));
    layerwright(&["pack", "--plan", "-", "--to", &to]).args(operations).stdin("[]").ok()?;
    layerwright(&["verify", &to]).ok()?;
    let tars = Layout::open(&folder.path("oci"), "latest")?.tars()?;
    let tar = tars.last().context("there is a layer")?.clone();
    let script = "import sys, tarfile\n\
        for m in tarfile.open(fileobj=sys.stdin.buffer, mode='r|'):\n    \
        kind = {b'5': '/', b'2': ' -> ' + m.linkname}.get(m.type, '')\n    \
        print(f'{m.mode:o} {m.uid}:{m.gid} {m.mtime} {m.name}{kind}')\n";
    Ok(tool("python3", &["-c", script]).stdin(tar).ok()?.text()?.to_owned())
}

fn operations_are_done_in_the_order_given() -> Result<()> {
    let folder = Folder::new()?;
    let (first, second) = (folder.write("first", "1")?, folder.write("second", "2")?);
    let [first, second] = [first, second].map(|file| format!("{file}:/etc/app/file"));
    let operations =
        ["--mkdir", "/var/app:750", "--add", &first, "--chown", "7:8:/etc/app", "--symlink", "app:/etc/link"];
    let listed = list(&folder, &[&operations[..], &["--mtime", "@5"]].concat())?;
    let expected = "755 0:0 5 etc/\n755 7:8 5 etc/app/\n644 7:8 5 etc/app/file\n777 0:0 5 etc/link -> app\n\
                    755 0:0 5 var/\n750 0:0 5 var/app/\n";
    ensure!(listed == expected, "{listed}");
    // What is added later is not given to anybody.
    let later = list(&folder, &["--add", &first, "--chown", "7:8:/etc/app/file", "--add", &second, "--uid", "3"])?;
    ensure!(later.contains("644 3:0 1 etc/app/file"), "{later}");
    let other = list(&folder, &["--add", &first, "--add", &second, "--chown", "7:8:/etc/app/file", "--uid", "3"])?;
    ensure!(other.contains("644 7:8 1 etc/app/file"), "{other}");
    Ok(())
}

fn what_a_script_made_under_fakeroot_is_kept() -> Result<()> {
    let folder = Folder::new()?;
    let tar = folder.path("made.tar");
    let script = format!(
        "cd {} && mkdir -p made/srv made/dev && echo x > made/srv/x && chmod 4711 made/srv/x && \
         chown 12345:54321 made/srv made/srv/x && mknod made/dev/null c 1 3 && tar -C made -cf {tar} .",
        folder.path(".")
    );
    tool("fakeroot", &["sh", "-euc", &script]).ok()?;
    let listed = list(&folder, &["--customisation", &tar])?;
    ensure!(listed.contains("12345:54321 1 srv/\n4711 12345:54321 1 srv/x\n"), "{listed}");
    ensure!(listed.contains("dev/null"), "{listed}");
    // The same again, compressed, is the same layer.
    let plain = fs::read(folder.path("oci/index.json"))?;
    tool("gzip", &["-k", &tar]).ok()?;
    list(&folder, &["--customisation", &format!("{tar}.gz")])?;
    ensure!(plain == fs::read(folder.path("oci/index.json"))?);
    Ok(())
}

fn programs_are_linked_to_the_root() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let app = store.built("result")?;
    let busybox = busybox()?;
    let archive = folder.path("app.tar");
    let build = ["build", "--from", &store.source(), "--root", &store.root(), "--cmd", "/bin/app"];
    let to = format!("docker-archive:{archive}:app:1");
    let links = ["--copy-to-root", &app, "--copy-to-root", &busybox, "--fake-nss", "--mkdir", "/tmp:1777"];
    store.layerwright(&build).args(links).args(["--to", &to]).ok()?;
    let podman = Podman::empty()?;
    let name = podman.load(Some(&archive), Vec::new())?;
    ensure!(podman.run(&name, &[])?.starts_with("app says:\n"));
    let look = "cat /etc/group; test -w /tmp; test -L /bin/app; test -d /bin; test ! -L /bin";
    let found = podman.run(&name, &["/bin/sh", "-euc", look])?;
    ensure!(found.starts_with("root:x:0:"), "{found}");
    Ok(())
}

fn conflicts_name_both_files() -> Result<()> {
    let mut store = HandMade::new()?;
    for name in ["a-1", "b-1"] {
        store.add(name, &[])?;
        store.file(&format!("{name}/bin/tool"), name)?;
        store.file(&format!("{name}/share/same"), "same")?;
    }
    let folder = Folder::new()?;
    let to = format!("oci:{}", folder.path("oci"));
    let copy = ["--copy-to-root", "/nix/store/a-1", "--copy-to-root", "/nix/store/b-1"];
    let pack = layerwright(&["pack", "--plan", "-", "--root", &store.root(), "--to", &to]).args(copy).stdin("[]");
    pack.exits(1)?.says(&["bin/tool", "/nix/store/a-1", "/nix/store/b-1"])?;
    ensure!(!fs::exists(folder.path("oci"))?);
    Ok(())
}

fn busybox() -> Result<String> {
    nix_store()?.closure()?.into_iter().find(|path| path.ends_with("busybox-1.35.0")).context("a busybox")
}

/// Nodes of the image, as the program says.
fn nodes(image: &Value) -> Result<u64> {
    let layers = image["layers"].as_array().context("there are layers")?;
    Ok(layers.iter().filter_map(|layer| layer["nodes"].as_u64()).sum())
}

fn store_paths_in_files_belong_to_the_closure() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let all = store.closure()?.len() as u64;
    let script =
        folder.write("script", format!("#!{}/bin/sh\nexec {}/bin/app\n", busybox()?, store.built("result")?))?;
    let from = format!("nix:{}{}", store.root(), busybox()?);
    let to = format!("oci:{}", folder.path("oci"));
    let build = ["build", "--from", &from, "--root", &store.root(), "--to", &to, "--json"];
    let alone = store.layerwright(&build).ok()?.json()?;
    let with = store.layerwright(&build).args(["--add", &format!("{script}:/bin/script")]).ok()?.json()?;
    ensure!((nodes(&alone)?, nodes(&with)?) == (1, all), "{with}");
    Ok(())
}

fn a_graph_that_lacks_a_reference_is_refused() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let app = store.built("result")?;
    let graph = json!([{"path": busybox()?, "narSize": 1, "references": []}]).to_string();
    let file = folder.write("app", format!("exec {app}/bin/app"))?;
    let to = format!("oci:{}", folder.path("oci"));
    let build = ["build", "--from", "graph:-", "--root", &store.root(), "--to", &to, "--add", &format!("{file}:/app")];
    layerwright(&build).stdin(graph.clone()).exits(1)?.says(&[&app, "not in the closure"])?;
    layerwright(&build).args(["--no-store-paths"]).stdin(graph).ok()?;
    Ok(())
}

/// Debian's `/bin` is a link to `/usr/bin`.
fn a_base_keeps_its_links() -> Result<()> {
    let folder = Folder::new()?;
    let base = format!("docker-archive:{}", folder.path("base.tar"));
    layerwright(&["build", "--from", "dpkg:dash,coreutils", "--max-layers", "5", "--to", &base]).ok()?;
    let tool = folder.write("tool", "#!/bin/sh\necho a tool\n")?;
    let archive = folder.path("top.tar");
    let pack = ["pack", "--plan", "-", "--from-image", &base, "--to", &format!("docker-archive:{archive}:top:1")];
    let add = ["--add", &format!("{tool}:/bin/tool"), "--chmod", "755:/bin/tool"];
    layerwright(&pack).args(add).stdin("[]").ok()?;
    let podman = Podman::empty()?;
    let name = podman.load(Some(&archive), Vec::new())?;
    let said = podman.run(&name, &["/bin/sh", "-euc", "/usr/bin/tool; test -L /bin; ls /bin/cat"])?;
    ensure!(said == "a tool\n/bin/cat\n", "{said}");
    Ok(())
}

fn nothing_of_a_failure_stays() -> Result<()> {
    let folder = Folder::new()?;
    let to = format!("oci:{}", folder.path("oci"));
    for (operation, value, says) in [
        ("--add", "/nonexistent:/x", "/nonexistent"),
        ("--chown", "1:1:/nothing", "/nothing"),
        ("--chmod", "755:/nothing", "/nothing"),
        ("--customisation", "/dev/null", "/dev/null"),
        ("--copy-to-root", "/nix/store/nothing-of-that-name", "nothing-of-that-name"),
    ] {
        let pack = ["pack", "--plan", "-", "--to", &to, operation, value];
        layerwright(&pack).stdin("[]").exits(1)?.says(&["making the customisation layer", says])?;
        ensure!(!fs::exists(folder.path("oci"))?);
    }
    for (operation, value) in [("--add", "x"), ("--mkdir", "x"), ("--chown", "root:/x"), ("--symlink", "x")] {
        layerwright(&["pack", "--plan", "-", "--to", &to, operation, value]).stdin("[]").exits(2)?.says(&["write "])?;
    }
    Ok(())
}

fn store_paths_can_be_left_out() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let to = format!("oci:{}", folder.path("oci"));
    let build = ["build", "--from", &store.source(), "--root", &store.root(), "--to", &to, "--json"];
    let without = ["--no-store-paths", "--copy-to-root", &store.built("result")?];
    let image = store.layerwright(&build).args(without).ok()?.json()?;
    ensure!(column(&image["layers"], "kind")? == ["customisation"], "{image}");
    Ok(())
}

fn a_nix_database_is_the_same_each_time() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let graph = format!("graph:{}/.attrs.json#closure", folder.path("."));
    fs::copy(format!("{}{}", store.root(), store.built("graph")?), folder.path(".attrs.json"))?;
    let mut images = Vec::new();
    for (number, from) in [store.source(), graph.clone(), graph].iter().enumerate() {
        let to = format!("oci:{}", folder.path(&number.to_string()));
        let build = ["build", "--from", from, "--root", &store.root(), "--to", &to, "--nix-db", "--json"];
        images.push(store.layerwright(&build).ok()?.json()?["layers"].take());
    }
    ensure!(images[1] == images[2] && column(&images[0], "digest")? == column(&images[1], "digest")?, "{images:?}");
    // An image with a database on one with another.
    let base = format!("oci:{}", folder.path("0"));
    let plan = json!([]).to_string();
    let to = format!("oci:{}", folder.path("joined"));
    let pack = ["pack", "--plan", "-", "--root", &store.root(), "--from-image", &base, "--to", &to];
    let add = ["--nix-db", &format!("nix:{}{}", store.root(), busybox()?)];
    store.layerwright(&pack).args(add).stdin(plan).ok()?;
    let unpacked = folder.path("unpacked");
    Layout::open(&folder.path("joined"), "latest")?.unpack(&unpacked)?;
    let queried =
        store.nix("nix-store", &["--store", &format!("local?root={unpacked}"), "-qR", &store.built("result")?]);
    let mut queried: Vec<String> = queried.ok()?.text()?.lines().map(str::to_owned).collect();
    let mut closure = store.closure()?;
    queried.sort();
    closure.sort();
    ensure!(queried == closure, "{queried:?}");
    let verify = ["--store", &format!("local?root={unpacked}"), "--verify", "--check-contents"];
    store.nix("nix-store", &verify).ok()?;
    Ok(())
}

/// Debian's Nix, in an image of its packages, on which there is an image with a store.
fn nix_in_the_image_knows_its_store() -> Result<()> {
    let (store, folder) = (nix_store()?, Folder::new()?);
    let base = format!("docker-archive:{}", folder.path("base.tar"));
    layerwright(&["build", "--from", "dpkg:nix-bin,dash,coreutils,base-files", "--max-layers", "9", "--to", &base])
        .ok()?;
    let archive = folder.path("top.tar");
    let build = ["build", "--from", &store.source(), "--root", &store.root(), "--from-image", &base, "--nix-db"];
    store.layerwright(&build).args(["--fake-nss", "--to", &format!("docker-archive:{archive}:nix:1")]).ok()?;
    let podman = Podman::empty()?;
    let name = podman.load(Some(&archive), Vec::new())?;
    let verified = podman.run(&name, &["nix-store", "--verify", "--check-contents"])?;
    let queried = podman.run(&name, &["nix-store", "--query", "--requisites", &store.built("result")?])?;
    ensure!(queried.lines().count() == store.closure()?.len(), "{verified}\n{queried}");
    Ok(())
}
