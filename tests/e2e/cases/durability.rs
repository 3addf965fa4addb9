//! What is there after a power failure, after a kill, on file systems without locks, and where nobody hears what is said.

use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::invocation::{Finished, Invocation, tool};
use crate::run::{Folder, layerwright, program};
use crate::staging;

pub(super) const CASES: &[Case] = &[
    case!(what_a_build_wrote_to_ext4_outlasts_a_power_failure, Root, Ext4, Python),
    case!(what_a_build_wrote_to_xfs_outlasts_a_power_failure, Root, Xfs, Python),
    case!(what_a_killed_build_leaves_goes_with_the_next_one),
    case!(a_destination_is_cleaned_without_a_build),
    case!(what_a_running_build_makes_stays),
    case!(locks_that_are_not_there_are_done_without, Python),
    case!(disks_that_fail_are_told, Python),
    case!(threads_that_are_not_there_are_told, Python),
    case!(a_complete_image_is_never_told_as_an_error),
    case!(nobody_has_to_hear_what_is_said),
    case!(an_index_of_nothing_is_told_as_that),
];

fn what_a_build_wrote_to_ext4_outlasts_a_power_failure() -> Result<()> {
    outlasts_a_power_failure("ext4", &["mkfs.ext4", "-q", "-F"])
}

fn what_a_build_wrote_to_xfs_outlasts_a_power_failure() -> Result<()> {
    outlasts_a_power_failure("xfs", &["mkfs.xfs", "-q", "-f"])
}

/// A file system in a file.
struct Disk {
    folder: Folder,
    kind: &'static str,
}

impl Disk {
    fn new(kind: &'static str, make: &[&str]) -> Result<Self> {
        let folder = Folder::new()?;
        let image = folder.write("disk", "")?;
        // The smallest that xfs is made on. A sparse file, which takes no room.
        fs::OpenOptions::new().write(true).open(&image)?.set_len(320 << 20)?;
        tool(make[0], &make[1..]).args([&image]).ok()?;
        fs::create_dir(folder.path("mounted"))?;
        let disk = Self { folder, kind };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<()> {
        let (disk, mounted) = (self.folder.path("disk"), self.folder.path("mounted"));
        tool("mount", &["-t", self.kind, "-o", "loop", &disk, &mounted]).ok().map(drop)
    }

    /// Where something on it is.
    fn at(&self, name: &str) -> String {
        self.folder.path(&format!("mounted/{name}"))
    }

    /// What was written and not synced is gone then.
    fn lose_power(&self, journal: &str) -> Result<()> {
        let cut = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/fixtures/cut_power.py");
        tool("python3", &[cut, &self.folder.path("mounted"), journal]).ok()?;
        tool("umount", &[&self.folder.path("mounted")]).ok()?;
        self.mount()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        tool("umount", &["-l", &self.folder.path("mounted")]).ok().ok();
    }
}

fn outlasts_a_power_failure(kind: &'static str, make: &[&str]) -> Result<()> {
    let (old, new) = (HandMade::sample()?, two_layers()?);
    let disk = Disk::new(kind, make)?;
    let oci = format!("oci:{}", disk.at("layout"));
    let archives = ["docker-archive", "oci-archive"].map(|scheme| format!("{scheme}:{}", disk.at(scheme)));
    let beside = |build: Invocation| {
        build.args(["--state", &disk.at("state"), "--save-plan", &disk.at("plan"), "--report", &disk.at("page")])
    };
    let write = |store: &HandMade, tag: &str, flags: &[&str]| -> Result<()> {
        beside(build(store, &format!("{oci}:{tag}"))?).args(flags).ok()?;
        archives.iter().try_for_each(|archive| build(store, archive)?.args(flags).ok().map(drop))
    };
    let check = || -> Result<()> {
        let verify = |image: &str| layerwright(&["verify", image]).ok().map(drop);
        verify(&oci)?;
        archives.iter().try_for_each(|archive| verify(archive))?;
        layerwright(&["explain", "--plan", &disk.at("plan"), "app"]).ok()?;
        ensure!(fs::read_to_string(disk.at("page"))?.ends_with("</html>\n"));
        let kept = layerwright(&["plan", "--from", &old.source()?, "--history", &disk.at("state")]).ok()?;
        ensure!(kept.stderr.is_empty(), "{}", kept.report());
        Ok(())
    };
    // What is made for the first time, and then what takes the place of it.
    for (store, tag, journal) in [
        (&old, "old", "without-journal"),
        (&new, "new", "with-journal"),
        (&old, "newer", "with-journal"),
        (&new, "newest", "without-journal"),
    ] {
        write(store, tag, &[])?;
        // A new one each time: ext4 brings to the disk what replaces something.
        let witness = disk.at(&format!("witness-{tag}"));
        fs::write(&witness, "not synced")?;
        disk.lose_power(journal)?;
        let witness = fs::read_to_string(witness);
        ensure!(witness.is_err() || witness?.is_empty(), "no power was lost");
        check()?;
    }
    // Without syncing, none of it is promised. ext4 knows renames over a file well enough to write its bytes first.
    write(&old, "unsynced", &["--no-sync"])?;
    disk.lose_power("with-journal")?;
    let found = layerwright(&["verify", &archives[0]]).finish()?;
    ensure!(found.code != Some(0) || kind != "xfs", "--no-sync synced: {}", found.report());
    Ok(())
}

fn two_layers() -> Result<HandMade> {
    let mut store = HandMade::sample()?;
    store.add("b5-more-1.0", &[])?;
    store.file("b5-more-1.0/data", "x".repeat(100_000))?;
    Ok(store)
}

fn build(store: &HandMade, to: &str) -> Result<Invocation> {
    Ok(layerwright(&["build", "--from", &store.source()?, "--root", &store.root(), "--to", to]))
}

/// Starts a build and waits until it is in the middle of it.
fn begin(store: &HandMade, to: &str, dir: &str) -> Result<Child> {
    let mut command = build(store, to)?.into_command();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    staging::wait_for(&mut child, dir).context(to.to_owned())?;
    Ok(child)
}

fn kill(mut child: Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

/// The places where something is staged: in a layout that is there, beside one that is not, and beside an archive.
fn places(folder: &Folder) -> Result<[(String, String); 3]> {
    let layout = folder.path("layout");
    build(&HandMade::sample()?, &format!("oci:{layout}:1"))?.ok()?;
    let place = |scheme: &str, name: &str| format!("{scheme}:{}", folder.path(name));
    Ok([
        (place("oci", "layout"), layout),
        (place("oci", "new"), folder.path(".")),
        (place("docker-archive", "file"), folder.path(".")),
    ])
}

fn what_a_killed_build_leaves_goes_with_the_next_one() -> Result<()> {
    let folder = Folder::new()?;
    let (large, small) = (HandMade::large()?, HandMade::sample()?);
    for (to, dir) in places(&folder)? {
        kill(begin(&large, &to, &dir)?)?;
        ensure!(!staging::names(&dir)?.is_empty(), "{to}: nothing was left, so that this shows nothing");
        build(&small, &to)?.ok()?;
        ensure!(staging::names(&dir)?.is_empty(), "{to}: {:?}", staging::names(&dir)?);
        layerwright(&["verify", &to]).ok()?;
    }
    Ok(())
}

fn a_destination_is_cleaned_without_a_build() -> Result<()> {
    let folder = Folder::new()?;
    let large = HandMade::large()?;
    for (to, dir) in places(&folder)? {
        kill(begin(&large, &to, &dir)?)?;
        let left = staging::names(&dir)?;
        layerwright(&["clean", "--dry-run", &to]).ok()?.says(&["would remove", &left[0]])?;
        ensure!(staging::names(&dir)? == left);
        let told = layerwright(&["clean", "--json", &to]).ok()?.json()?;
        ensure!(told["abandoned"].as_array().map(Vec::len) == Some(1), "{told}");
        ensure!(staging::names(&dir)?.is_empty());
        layerwright(&["clean", &to]).ok()?.says(&["nothing to remove"])?;
    }
    // A tag that goes to another image leaves blobs that nobody needs.
    let oci = format!("oci:{}", folder.path("layout"));
    build(&two_layers()?, &format!("{oci}:1"))?.ok()?;
    layerwright(&["clean", &oci]).ok()?.says(&["removed", "named by no tag"])?;
    layerwright(&["verify", &oci]).ok()?;
    layerwright(&["clean", &format!("{oci}:1")]).exits(2)?.says(&["leave its name out"])?;
    layerwright(&["clean", "-"]).exits(2).map(drop)
}

fn what_a_running_build_makes_stays() -> Result<()> {
    let folder = Folder::new()?;
    let (large, small) = (HandMade::large()?, HandMade::sample()?);
    for (to, dir) in places(&folder)? {
        let child = begin(&large, &to, &dir)?;
        build(&small, &to)?.ok()?;
        layerwright(&["clean", &to]).ok()?;
        ensure!(staging::names(&dir)?.len() == 1, "{to}: it was taken away");
        kill(child)?;
        layerwright(&["clean", &to]).ok()?;
        ensure!(staging::names(&dir)?.is_empty());
    }
    Ok(())
}

/// A program for which these system calls fail.
fn failing(calls: &str, arguments: &[&str]) -> Invocation {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/fixtures/failing_calls.py");
    tool("python3", &[script, calls, program()]).args(arguments)
}

fn failing_build(calls: &str, to: &str, flags: &[&str]) -> Result<Finished> {
    let store = HandMade::sample()?;
    let source = store.source()?;
    let build = ["build", "--from", &source, "--root", &store.root(), "--to", to];
    failing(calls, &[&build, flags].concat()).finish()
}

fn locks_that_are_not_there_are_done_without() -> Result<()> {
    let folder = Folder::new()?;
    let (to, state) = (format!("oci:{}:1", folder.path("image")), folder.path("state"));
    // NFS of directories, NFS without its daemon, old kernels, and Lustre without its option.
    for error in ["EBADF", "ENOLCK", "ENOSYS", "EOPNOTSUPP"] {
        let built = failing_build(&format!("flock={error}"), &to, &["--state", &state])?;
        ensure!(built.code == Some(0), "{}", built.report());
        built.says(&["without locks", "image", "state"])?;
        layerwright(&["verify", &to]).ok()?;
    }
    ensure!(folder.names()? == ["image", "state"] && staging::names(&folder.path("image"))?.is_empty());
    Ok(())
}

fn disks_that_fail_are_told() -> Result<()> {
    let folder = Folder::new()?;
    build(&two_layers()?, &format!("oci:{}:old", folder.path("oci")))?.ok()?;
    for scheme in ["oci", "docker-archive"] {
        let to = format!("{scheme}:{}", folder.path(scheme));
        let built = failing_build("fdatasync=EIO", &to, &[])?;
        ensure!(built.code == Some(1), "{}", built.report());
        built.says(&["to the disk"])?;
        let built = failing_build("fdatasync=EIO,fsync=EIO", &to, &["--no-sync"])?;
        ensure!(built.code == Some(0), "{}", built.report());
        layerwright(&["verify", &to]).ok()?;
    }
    ensure!(folder.names()? == ["docker-archive", "oci"], "{:?}", folder.names()?);
    Ok(())
}

/// It is the machine's fault, and nobody else's.
fn threads_that_are_not_there_are_told() -> Result<()> {
    let folder = Folder::new()?;
    let to = format!("oci:{}", folder.path("image"));
    for calls in ["clone3=EAGAIN,clone=EAGAIN", "clone3=ENOSYS,clone=EAGAIN"] {
        let built = failing_build(calls, &to, &[])?;
        ensure!(built.code == Some(1), "{}", built.report());
        built.says(&["thread"])?;
    }
    ensure!(folder.names()?.is_empty());
    Ok(())
}

fn a_complete_image_is_never_told_as_an_error() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let to = format!("oci:{}", folder.path("image"));
    for (flags, says) in [
        (&["--save-plan", "/dev/full"][..], "without its plan"),
        (&["--report", "/dev/full", "--quiet"], "without its report"),
        (&["--save-plan", "/dev/full", "--report", "/dev/full"], "without its report"),
    ] {
        let built = build(&store, &to)?.args(flags).exits(7)?;
        built.says(&["the image is complete", says])?;
        ensure!(!built.stderr.contains("error:"), "{}", built.report());
        layerwright(&["verify", &to]).ok()?;
    }
    let script = "\"$@\" --json > /dev/full";
    let source = store.source()?;
    let words = [program(), "build", "--from", &source, "--root", &store.root(), "--to", &to];
    tool("sh", &["-c", script, "sh"]).args(words).exits(7)?.says(&["--json"])
}

fn nobody_has_to_hear_what_is_said() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let image = folder.path("image");
    let source = store.source()?;
    let build = ["build", "--from", &source, "--root", &store.root(), "--to", &format!("oci:{image}")];
    let deaf = |words: &[&str]| tool("sh", &["-c", "exec \"$@\" 2> /dev/full", "sh", program()]).args(words);
    deaf(&build).ok()?;
    layerwright(&["verify", &image]).ok()?;
    let blobs = fs::read_dir(format!("{image}/blobs/sha256"))?.next().context("there are blobs")??.path();
    fs::write(blobs, "damaged")?;
    deaf(&["verify", &image]).exits(6)?;
    deaf(&["build", "--from", "rpm:x"]).exits(2)?;
    deaf(&["plan", "--from", "graph:/missing"]).exits(1)?;
    // What was asked for has to arrive.
    for words in [&["--help"][..], &["build", "--help"], &["--version"], &["completions", "bash"], &["planner", "list"]]
    {
        tool("sh", &["-c", "exec \"$@\" > /dev/full", "sh", program()]).args(words).exits(1)?;
    }
    Ok(())
}

fn an_index_of_nothing_is_told_as_that() -> Result<()> {
    let (store, folder) = (HandMade::sample()?, Folder::new()?);
    let to = format!("oci:{}:1", folder.path("image"));
    build(&store, &to)?.ok()?;
    let index = folder.write("image/index.json", "")?;
    build(&store, &to)?.exits(1)?.says(&[&index, "is empty, as a power failure", "remove it"])?;
    fs::remove_file(index)?;
    build(&store, &to)?.ok()?;
    layerwright(&["verify", &to]).ok().map(drop)
}
