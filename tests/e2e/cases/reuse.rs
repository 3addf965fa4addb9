//! Layers that were packed before: taken from the cache, and never wrongly.

use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::invocation::{Invocation, tool};
use crate::opened::Opened;
use crate::run::{Folder, layerwright, program};
use crate::store::NixStore;

pub(super) const CASES: &[Case] = &[
    case!(unchanged_closure_is_not_opened),
    case!(unchanged_nix_closure_is_not_even_looked_at, Nix, Busybox),
    case!(packages_are_known_again, Debian),
    case!(changed_file_is_packed_again),
    case!(damaged_blob_is_reported_and_packed_again),
    case!(builds_without_the_cache_neither_read_nor_fill_it),
    case!(cache_is_trimmed_after_a_build),
    case!(builds_at_once_share_the_cache),
    case!(cache_survives_being_killed_at_any_moment),
    case!(full_cache_does_not_fail_a_build, Root),
    case!(read_only_cache_is_read, Root),
    case!(cache_on_another_file_system_is_copied_from, Root),
];

/// Builds with a cache of one's own.
struct Building {
    folder: Folder,
    store: HandMade,
    /// Written once: builds at once read the graph.
    source: String,
}

impl Building {
    fn new() -> Result<Self> {
        let store = HandMade::sample()?;
        let building = Self { folder: Folder::new()?, source: store.source()?, store };
        // What was written just now could be written to again without a later time.
        sleep(Duration::from_millis(50));
        Ok(building)
    }

    fn arguments(&self, to: &str) -> Vec<String> {
        let to = to.replace('@', &self.folder.path("image"));
        ["build", "--from", &self.source, "--root", &self.store.root(), "--to", &to, "--json"].map(str::to_owned).into()
    }

    fn build(&self, to: &str) -> Invocation {
        with_cache(layerwright(&[]).args(self.arguments(to)), &self.cache())
    }

    fn cache(&self) -> String {
        self.folder.path("cache")
    }

    fn verify(&self, image: &str) -> Result<()> {
        layerwright(&["verify", &image.replace('@', &self.folder.path("image"))]).ok()?;
        let cache = layerwright(&["cache", "verify"]).env("LAYERWRIGHT_CACHE_DIR", self.cache());
        cache.ok().map(drop)
    }
}

fn with_cache(invocation: Invocation, cache: &str) -> Invocation {
    invocation.env("LAYERWRIGHT_CACHE_DIR", cache).env("LAYERWRIGHT_NO_CACHE", "0")
}

/// How many layers of a build there are, and how many were in the cache.
fn reused(invocation: Invocation) -> Result<(usize, usize)> {
    let packed = invocation.ok()?.json()?;
    let layers = packed["layers"].as_array().context("layers")?;
    Ok((layers.len(), layers.iter().filter(|layer| layer["reused"] == Value::Bool(true)).count()))
}

fn unchanged_closure_is_not_opened() -> Result<()> {
    let building = Building::new()?;
    let opened = Opened::below(&building.store.root(), false)?;
    let (layers, taken) = reused(building.build("oci:@:app"))?;
    ensure!((layers, taken) == (3, 0), "{taken} of {layers}");
    ensure!(opened.count()? == opened.watched, "each file is opened once");
    for to in ["oci:@:app", "oci:@:other", "oci-archive:@.oci", "docker-archive:@.tar:app:1"] {
        ensure!(reused(building.build(to))? == (3, 3), "{to}");
        ensure!(opened.count()? == 0, "{to}");
        building.verify(to)?;
    }
    let said = with_cache(layerwright(&[]), &building.cache()).args(&building.arguments("oci:@:app")[..7]).ok()?;
    said.says(&["3 layers, ", "3 of them packed before, "])
}

fn unchanged_nix_closure_is_not_even_looked_at() -> Result<()> {
    let (store, folder) = (NixStore::build()?, Folder::new()?);
    let (to, cache) = (format!("oci:{}", folder.path("image")), folder.path("cache"));
    let root = store.root();
    let build = || {
        let arguments = ["build", "--from", &store.source(), "--root", &root, "--to", &to, "--json"];
        reused(with_cache(store.layerwright(&arguments), &cache))
    };
    let (layers, taken) = build()?;
    ensure!(layers > 0 && taken == 0);
    // Whatever becomes of the files' times: a store path is what its hash says.
    for path in store.closure()? {
        let path = format!("{root}{path}");
        tool("touch", &["--no-dereference", &path]).ok()?;
    }
    let opened = Opened::below(&format!("{root}/nix/store"), true)?;
    ensure!(build()? == (layers, layers));
    ensure!(opened.count()? <= 1, "Nix may look at the store's folder");
    layerwright(&["verify", &to]).ok().map(drop)
}

fn packages_are_known_again() -> Result<()> {
    let folder = Folder::new()?;
    let to = format!("oci:{}", folder.path("image"));
    let build = || {
        let arguments = ["build", "--from", "dpkg:libc6", "--to", &to, "--json", "--compression", "gzip:1"];
        reused(with_cache(layerwright(&arguments), &folder.path("cache")))
    };
    let (layers, taken) = build()?;
    ensure!(layers > 0 && taken == 0);
    ensure!(build()? == (layers, layers));
    layerwright(&["verify", &to]).ok().map(drop)
}

fn changed_file_is_packed_again() -> Result<()> {
    let building = Building::new()?;
    reused(building.build("oci:@:app"))?;
    // As long as before, and of the same time.
    let text = building.store.file_path("d1-data-1.0/text");
    let modified = fs::metadata(&text)?.modified()?;
    fs::write(&text, "TEXT FROM DATA\n")?;
    fs::File::options().write(true).open(&text)?.into_file().set_modified(modified)?;
    sleep(Duration::from_millis(50));
    ensure!(reused(building.build("oci:@:app"))? == (3, 2));
    building.verify("oci:@:app")?;
    let fresh = layerwright(&building.arguments("oci:@-fresh:app").iter().map(String::as_str).collect::<Vec<_>>());
    let (fresh, cached) = (fresh.ok()?.json()?, building.build("oci:@:app").ok()?.json()?);
    ensure!(fresh["manifest"] == cached["manifest"], "{fresh}\n{cached}");
    Ok(())
}

fn damaged_blob_is_reported_and_packed_again() -> Result<()> {
    let building = Building::new()?;
    reused(building.build("oci-archive:@.oci"))?;
    let blobs = format!("{}/layers/blobs/sha256", building.cache());
    for blob in fs::read_dir(blobs)? {
        let path = blob?.path();
        let mut bytes = fs::read(&path)?;
        bytes[20] ^= 1;
        fs::write(path, bytes)?;
    }
    let built = building.build("oci:@:app").ok()?;
    built.says(&["in the cache was damaged; its layer is packed again"])?;
    building.verify("oci:@:app")?;
    ensure!(reused(building.build("oci:@:app"))? == (3, 3));
    Ok(())
}

fn builds_without_the_cache_neither_read_nor_fill_it() -> Result<()> {
    let building = Building::new()?;
    for (name, value) in [("LAYERWRIGHT_NO_CACHE", "1"), ("LAYERWRIGHT_NO_CACHE", "yes")] {
        ensure!(reused(building.build("oci:@:app").env(name, value))? == (3, 0));
    }
    ensure!(!fs::exists(format!("{}/layers", building.cache()))?);
    reused(building.build("oci:@:app"))?;
    ensure!(reused(building.build("oci:@:app").args(["--no-cache"]))? == (3, 0));
    ensure!(reused(building.build("oci:@:app"))? == (3, 3));
    Ok(())
}

fn cache_is_trimmed_after_a_build() -> Result<()> {
    let building = Building::new()?;
    building.build("oci:@:app").args(["--cache-size", "1KiB"]).ok()?;
    let info = layerwright(&["cache", "info", "--json"]).env("LAYERWRIGHT_CACHE_DIR", building.cache()).ok()?.json()?;
    ensure!(info["layers"]["bytes"].as_u64() <= Some(1024), "{info}");
    building.verify("oci:@:app")
}

fn builds_at_once_share_the_cache() -> Result<()> {
    let building = Building::new()?;
    let mut builds = Vec::new();
    for number in 0..6 {
        let mut command = building.build(&format!("oci:@{number}:app")).into_command();
        builds.push(command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?);
    }
    for build in builds {
        let output = build.wait_with_output()?;
        let said = output.stderr.escape_ascii().to_string();
        ensure!(output.status.success() && !said.contains("warning"), "{said}");
    }
    for number in 0..6 {
        building.verify(&format!("oci:@{number}:app"))?;
    }
    ensure!(reused(building.build("oci:@:app"))? == (3, 3));
    Ok(())
}

fn cache_survives_being_killed_at_any_moment() -> Result<()> {
    let mut building = Building::new()?;
    for number in 0..8 {
        let name = format!("big{number}-1");
        building.store.add(&name, &[])?;
        building.store.file(&format!("{name}/file"), vec![number; 3_000_000])?;
    }
    building.source = building.store.source()?;
    sleep(Duration::from_millis(50));
    for milliseconds in (0..100).step_by(6) {
        let mut command: Command = building.build("oci:@:app").into_command();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        sleep(Duration::from_millis(20 + milliseconds));
        child.kill()?;
        child.wait()?;
    }
    building.build("oci:@:app").ok()?;
    building.verify("oci:@:app")?;
    ensure!(reused(building.build("oci:@:app"))? == (11, 11));
    Ok(())
}

/// Runs the build in a mount namespace of its own, where `script` mounts something.
fn build_with_mount(building: &Building, script: &str, cache: &str) -> Invocation {
    let script = format!("set -e; {script}; exec {} \"$@\"", program());
    let shell = tool("unshare", &["--mount", "sh", "-c", &script, "sh"]);
    with_cache(shell.args(building.arguments("oci:@:app")), cache)
}

fn full_cache_does_not_fail_a_build() -> Result<()> {
    let building = Building::new()?;
    fs::create_dir(building.folder.path("small"))?;
    let small = building.folder.path("small");
    let mount = format!("mount -t tmpfs -o size=64k,mode=700 tmpfs {small}");
    let built = build_with_mount(&building, &mount, &small).ok()?;
    built.says(&["layers cannot be kept for the next time: "])?;
    building.verify("oci:@:app")
}

fn read_only_cache_is_read() -> Result<()> {
    let building = Building::new()?;
    reused(building.build("oci:@:app"))?;
    let cache = building.cache();
    let mount = format!("mount --bind {cache} {cache}; mount -o remount,bind,ro {cache}");
    ensure!(reused(build_with_mount(&building, &mount, &cache))? == (3, 3));
    // What is new cannot be kept, and is packed all the same.
    building.store.file("d1-data-1.0/text", "something new")?;
    sleep(Duration::from_millis(50));
    let built = build_with_mount(&building, &mount, &cache).ok()?;
    built.says(&["layers cannot be kept for the next time: "])?;
    building.verify("oci:@:app")
}

fn cache_on_another_file_system_is_copied_from() -> Result<()> {
    let building = Building::new()?;
    let other = building.folder.path("other");
    fs::create_dir(&other)?;
    let twice = format!(
        "mount -t tmpfs -o size=64m,mode=700 tmpfs {other}; {program} \"$@\"; rm -r {image}; {program} \"$@\" >&2",
        program = program(),
        image = building.folder.path("image"),
    );
    // The third time the blobs are at the destination.
    let built = build_with_mount(&building, &twice, &other);
    let finished = built.ok()?;
    let last = finished.text()?.split_inclusive("\n}\n").last().context("three builds")?.to_owned();
    let last: Value = serde_json::from_str(&last)?;
    let layers = last["layers"].as_array().context("layers")?;
    ensure!(layers.iter().all(|layer| layer["reused"] == Value::Bool(true)), "{last}");
    ensure!(finished.stderr.matches("\"reused\": true").count() == 3, "{}", finished.report());
    layerwright(&["verify", &format!("oci:{}:app", building.folder.path("image"))]).ok().map(drop)
}
