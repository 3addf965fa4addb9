//! Compiling planners: what is kept, where, and what happens to a component that is costly on purpose.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::hostile::planner;
use crate::image::sha256;
use crate::invocation::{Invocation, tool};
use crate::run::{Folder, guest, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(a_planner_is_compiled_once),
    case!(nothing_is_kept_where_that_is_not_wanted),
    case!(damaged_entries_are_compiled_again),
    case!(native_code_of_another_planner_does_not_run_under_a_pin, Guest),
    case!(native_code_that_was_changed_does_not_run),
    case!(native_code_from_another_machine_is_not_used),
    case!(no_native_code_is_in_the_folder_that_travels),
    case!(folders_that_others_can_write_to_are_not_used),
    case!(folders_of_others_are_not_used, Root),
    case!(a_folder_that_cannot_be_made_is_done_without),
    case!(several_at_once_do_not_disturb_each_other),
    case!(a_component_that_takes_too_long_is_stopped),
    case!(a_component_that_takes_too_much_memory_is_stopped),
    case!(files_that_are_too_large_are_not_read),
];

fn inspect(planner: &str, cache: &str) -> Invocation {
    layerwright(&["planner", "inspect", planner, "--json"]).env("LAYERWRIGHT_COMPILED_DIR", cache)
}

/// The files in a cache's folder for planners.
fn entries(cache: &str) -> Result<Vec<fs::DirEntry>> {
    Ok(fs::read_dir(format!("{cache}/planners"))?.collect::<Result<Vec<_>, _>>()?)
}

fn a_planner_is_compiled_once() -> Result<()> {
    let folder = Folder::new()?;
    let cache = folder.path("new/cache");
    let first = inspect("popularity", &cache).ok()?.json()?;
    for dir in [&cache, &format!("{cache}/planners")] {
        ensure!(fs::metadata(dir)?.permissions().mode() & 0o777 == 0o700, "{dir}");
    }
    let kept = entries(&cache)?;
    ensure!(kept.len() == 1, "{kept:?}");
    let inode = kept[0].metadata()?.ino();
    ensure!(inspect("popularity", &cache).ok()?.json()? == first);
    let kept = entries(&cache)?;
    ensure!(kept.len() == 1 && kept[0].metadata()?.ino() == inode, "{kept:?}");
    inspect("groups", &cache).ok()?;
    ensure!(entries(&cache)?.len() == 2);
    Ok(())
}

fn nothing_is_kept_where_that_is_not_wanted() -> Result<()> {
    let folder = Folder::new()?;
    inspect("popularity", &folder.path("cache")).args(["--no-compile-cache"]).ok()?;
    ensure!(folder.names()?.is_empty(), "{:?}", folder.names()?);
    Ok(())
}

fn damaged_entries_are_compiled_again() -> Result<()> {
    let folder = Folder::new()?;
    let cache = folder.path("cache");
    let first = inspect("popularity", &cache).ok()?.json()?;
    let damages: [fn(&mut Vec<u8>); 3] = [
        |code| code.truncate(code.len() / 2),
        |code| {
            let middle = code.len() / 2;
            code[middle] ^= 4;
        },
        Vec::clear,
    ];
    for damage in damages {
        let entry = entries(&cache)?.pop().context("an entry")?.path();
        let mut code = fs::read(&entry)?;
        damage(&mut code);
        fs::write(&entry, code)?;
        let again = inspect("popularity", &cache).ok()?;
        again.says(&["warning: a compiled planner was damaged, or not compiled here; it is compiled again"])?;
        ensure!(again.json()? == first);
        let mended = inspect("popularity", &cache).ok()?;
        ensure!(!mended.report().contains("damaged"), "{}", mended.report());
    }
    Ok(())
}

/// Puts the entry of one planner in the place of another's, in each of the ways that the name allows.
fn native_code_of_another_planner_does_not_run_under_a_pin() -> Result<()> {
    let folder = Folder::new()?;
    let component = fs::read(guest("popularity"))?;
    let good = folder.write("good.wasm", &component)?;
    let evil = folder.write("evil.wasm", planner("", "(unreachable)")?)?;
    let pinned = format!("{good}@{}", sha256(&component));
    for takes_tag_along in [true, false] {
        let cache = folder.path(&format!("cache-{takes_tag_along}"));
        inspect(&evil, &cache).ok()?;
        let other = entries(&cache)?.pop().context("an entry")?;
        inspect(&good, &cache).ok()?;
        let kept = entries(&cache)?.into_iter().find(|entry| entry.file_name() != other.file_name());
        let right = kept.context("another entry")?.path();
        let name = |path: &Path| path.to_str().map(str::to_owned).context("names are readable");
        let (right_name, other_name) = (name(&right)?, name(&other.path())?);
        let (key, tag) = right_name.rsplit_once('-').context("a tag")?;
        let tag = if takes_tag_along { other_name.rsplit_once('-').context("a tag")?.1 } else { tag };
        fs::remove_file(&right)?;
        fs::copy(other.path(), format!("{key}-{tag}"))?;
        let graph = HandMade::sample()?.graph().to_string();
        let plan = ["plan", "--from", "graph:-", "--locked", "--planner", &pinned];
        let planned = layerwright(&plan).env("LAYERWRIGHT_COMPILED_DIR", &cache).stdin(graph).ok()?;
        planned.says(&["warning: a compiled planner was damaged, or not compiled here; it is compiled again"])?;
        ensure!(planned.json()?["planners"][0]["name"] == "popularity", "{}", planned.report());
    }
    Ok(())
}

/// Each byte of the code a little, and a checksum is not what it has to fit.
fn native_code_that_was_changed_does_not_run() -> Result<()> {
    let folder = Folder::new()?;
    let cache = folder.path("cache");
    inspect("popularity", &cache).ok()?;
    let entry = entries(&cache)?.pop().context("an entry")?.path();
    let mut code = fs::read(&entry)?;
    // Of the machine's instructions there are many in the middle half.
    let (from, to) = (code.len() / 4, code.len() / 4 * 3);
    code[from..to].iter_mut().for_each(|byte| *byte ^= 1);
    fs::write(&entry, code)?;
    let verified = layerwright(&["cache", "verify"]).env("LAYERWRIGHT_COMPILED_DIR", &cache).exits(6)?;
    verified.says(&["error: the native code of planner sha256:", "damaged, or not compiled here; it is removed"])?;
    ensure!(entries(&cache)?.is_empty());
    layerwright(&["cache", "verify"]).env("LAYERWRIGHT_COMPILED_DIR", &cache).ok().map(drop)
}

/// As a build server restores a folder, its key included, with times and permissions as they were.
fn native_code_from_another_machine_is_not_used() -> Result<()> {
    let folder = Folder::new()?;
    let (here, there) = (folder.path("here"), folder.path("there"));
    inspect("popularity", &here).ok()?;
    tool("cp", &["--archive", &here, &there]).ok()?;
    inspect("popularity", &there).ok()?.says(&["not compiled here"])?;
    let again = inspect("popularity", &there).ok()?;
    ensure!(!again.stderr.contains("not compiled here"), "{}", again.report());
    // To copy it has changed nothing here.
    let again = inspect("popularity", &here).ok()?;
    ensure!(!again.stderr.contains("not compiled here"), "{}", again.report());
    Ok(())
}

fn no_native_code_is_in_the_folder_that_travels() -> Result<()> {
    let (folder, store) = (Folder::new()?, HandMade::sample()?);
    let (cache, state) = (folder.path("home/.cache/layerwright"), folder.path("home/.local/state/layerwright"));
    let (source, root, to) = (store.source()?, store.root(), format!("oci:{}", folder.path("image")));
    // What earlier versions kept there is looked at by nobody, and goes when room is made.
    let old = format!("{cache}/planners/{}-{}-1f-{}", "a".repeat(64), "b".repeat(32), "c".repeat(8));
    fs::create_dir_all(format!("{cache}/planners"))?;
    for dir in [&cache, &format!("{cache}/planners")] {
        fs::set_permissions(dir, PermissionsExt::from_mode(0o700))?;
    }
    fs::write(&old, "native code")?;
    let home = |invocation: Invocation| {
        let invocation = invocation.env("HOME", folder.path("home")).env("LAYERWRIGHT_NO_CACHE", "0");
        let without = ["LAYERWRIGHT_CACHE_DIR", "LAYERWRIGHT_COMPILED_DIR", "XDG_CACHE_HOME", "XDG_STATE_HOME"];
        without.into_iter().fold(invocation, Invocation::without)
    };
    home(layerwright(&["build", "--from", &source, "--root", &root, "--to", &to])).ok()?;
    ensure!(entries(&state)?.len() == 1, "{:?}", entries(&state)?);
    ensure!(fs::read_dir(format!("{cache}/layers/blobs/sha256"))?.next().is_some());
    home(layerwright(&["cache", "prune"])).ok()?.says(&["and 1 compiled planner"])?;
    ensure!(entries(&cache)?.is_empty() && entries(&state)?.len() == 1);
    Ok(())
}

fn folders_that_others_can_write_to_are_not_used() -> Result<()> {
    let folder = Folder::new()?;
    let cache = folder.path("cache");
    fs::create_dir(&cache)?;
    fs::set_permissions(&cache, PermissionsExt::from_mode(0o1777))?;
    let inspected = inspect("popularity", &cache).ok()?;
    inspected.says(&["warning: compiled planners are not kept: others may write to", &cache])?;
    ensure!(fs::read_dir(&cache)?.next().is_none());
    Ok(())
}

fn folders_of_others_are_not_used() -> Result<()> {
    let folder = Folder::new()?;
    let cache = folder.path("cache");
    fs::create_dir(&cache)?;
    chown(&cache, Some(65534), None)?;
    let inspected = inspect("popularity", &cache).ok()?;
    inspected.says(&["warning: compiled planners are not kept:", "belongs to user 65534 and not to user 0"])?;
    ensure!(fs::read_dir(&cache)?.next().is_none());
    Ok(())
}

fn a_folder_that_cannot_be_made_is_done_without() -> Result<()> {
    let folder = Folder::new()?;
    let file = folder.write("file", "no folder")?;
    inspect("popularity", &format!("{file}/cache")).ok()?.says(&["warning: compiled planners are not kept"])
}

fn several_at_once_do_not_disturb_each_other() -> Result<()> {
    let folder = Folder::new()?;
    let cache = folder.path("cache");
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..6).map(|_| scope.spawn(|| inspect("popularity", &cache).ok().map(drop))).collect();
        runs.into_iter().try_for_each(|run| run.join().expect("the thread does not panic"))
    })?;
    ensure!(entries(&cache)?.len() == 1, "{:?}", entries(&cache)?);
    Ok(())
}

fn a_component_that_takes_too_long_is_stopped() -> Result<()> {
    let folder = Folder::new()?;
    let planner = folder.write("bomb.wasm", bomb(60_000))?;
    let start = Instant::now();
    let stopped = inspect(&planner, &folder.path("cache")).args(["--planner-compile-timeout", "1"]).exits(5)?;
    ensure!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    stopped.says(&[
        "note: compiling planner `",
        "bomb.wasm` cannot be used: compiling it takes more than 1 seconds of processor time; --planner-compile-timeout raises the limit",
        "note: the planner's digest is sha256:",
    ])?;
    ensure!(entries(&folder.path("cache"))?.is_empty());
    no_image_is_written(&folder, &planner, &["--planner-compile-timeout", "1"])
}

fn a_component_that_takes_too_much_memory_is_stopped() -> Result<()> {
    let folder = Folder::new()?;
    let planner = folder.write("bomb.wasm", bomb(60_000))?;
    let stopped = inspect(&planner, &folder.path("cache")).args(["--planner-compile-memory", "64"]).exits(5)?;
    stopped.says(&["compiling it takes more than 64 MiB of memory; --planner-compile-memory raises the limit"])?;
    no_image_is_written(&folder, &planner, &["--planner-compile-memory", "64"])
}

fn no_image_is_written(folder: &Folder, planner: &str, limit: &[&str]) -> Result<()> {
    let store = HandMade::sample()?;
    let image = folder.path("image");
    let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--planner", planner];
    layerwright(&build).args(["--to", &format!("oci:{image}")]).args(limit).exits(5)?;
    ensure!(!fs::exists(&image)?);
    Ok(())
}

fn files_that_are_too_large_are_not_read() -> Result<()> {
    let folder = Folder::new()?;
    let planner = folder.write("large.wasm", "")?;
    fs::OpenOptions::new().write(true).open(&planner)?.set_len(1 << 40)?;
    let refused = inspect(&planner, &folder.path("cache")).exits(5)?;
    refused.says(&["it has 1099511627776 bytes, but at most 67108864 are allowed; --planner-size raises the limit"])?;
    fs::write(&planner, vec![0; 2 << 20])?;
    inspect(&planner, &folder.path("cache"))
        .args(["--planner-size", "1"])
        .exits(5)?
        .says(&["at most 1048576 are allowed"])
}

/// A component with one function that compilers find hard: `branches` branches over a thousand variables, each of
/// which may have been set in any of those before it.
fn bomb(branches: u32) -> Vec<u8> {
    const VARIABLES: u32 = 1000;
    let mut body = [leb(1), leb(VARIABLES), vec![I32]].concat();
    for branch in 0..branches {
        let (tested, set) = (leb(branch * 79 % VARIABLES), leb((branch * 47 + 1) % VARIABLES));
        body.extend([&[LOCAL_GET], &tested[..], &[IF, VOID, LOCAL_GET], &set, &[I32_CONST, 1, I32_ADD]].concat());
        body.extend([&[LOCAL_SET], &set[..], &[END]].concat());
    }
    body.push(END);
    let code = [leb(1), sized(&body)].concat();
    let types = section(1, &[1, FUNCTION, 0, 0]);
    let module = [b"\0asm\x01\0\0\0".to_vec(), types, section(3, &[1, 0]), section(10, &code)].concat();
    [b"\0asm\x0d\0\x01\0".to_vec(), section(1, &module)].concat()
}

// The encoding of WebAssembly, as far as it is needed.
const I32: u8 = 0x7f;
const FUNCTION: u8 = 0x60;
const VOID: u8 = 0x40;
const IF: u8 = 0x04;
const END: u8 = 0x0b;
const LOCAL_GET: u8 = 0x20;
const LOCAL_SET: u8 = 0x21;
const I32_CONST: u8 = 0x41;
const I32_ADD: u8 = 0x6a;

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [vec![id], sized(content)].concat()
}

fn sized(content: &[u8]) -> Vec<u8> {
    [leb(u32::try_from(content.len()).expect("it is small")), content.to_vec()].concat()
}

/// LEB128, unsigned.
fn leb(mut value: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 0x7f {
        bytes.push(0x80 | value.to_le_bytes()[0]);
        value >>= 7;
    }
    bytes.push(value.to_le_bytes()[0]);
    bytes
}
