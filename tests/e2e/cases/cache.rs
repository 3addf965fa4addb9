//! Looking after the cache: what is there, and how it goes.

use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use fs_err as fs;
use serde_json::json;

use crate::case::{Case, case};
use crate::invocation::Invocation;
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[
    case!(looking_at_no_cache_makes_none),
    case!(info_counts_compiled_planners),
    case!(clear_removes_what_is_ours_alone),
    case!(damaged_blobs_are_named_and_removed),
    case!(prune_makes_room),
    case!(folders_that_others_can_write_to_are_an_error),
    case!(the_folder_is_an_option_or_a_variable),
    case!(sizes_that_are_none_are_usage_errors),
];

/// The digest of `content`, and of nothing else.
const DIGEST: &str = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";

fn cache(command: &[&str], dir: &str) -> Invocation {
    layerwright(&["cache"]).args(command).env("LAYERWRIGHT_CACHE_DIR", dir).env("LAYERWRIGHT_COMPILED_DIR", dir)
}

/// A cache with blobs of these names, each with the content `content`.
fn with_blobs(names: &[&str]) -> Result<(Folder, String)> {
    let folder = Folder::new()?;
    let dir = folder.path("cache");
    let blobs = format!("{dir}/layers/blobs/sha256");
    fs::create_dir_all(&blobs)?;
    for name in names {
        fs::write(format!("{blobs}/{name}"), "content")?;
    }
    // Whatever the umask is.
    for part in ["", "/layers", "/layers/blobs", "/layers/blobs/sha256"] {
        fs::set_permissions(format!("{dir}{part}"), PermissionsExt::from_mode(0o700))?;
    }
    Ok((folder, dir))
}

fn looking_at_no_cache_makes_none() -> Result<()> {
    let folder = Folder::new()?;
    let dir = folder.path("none");
    let info = cache(&["info", "--json"], &dir).ok()?.json()?;
    let nothing = json!({"known": 0, "blobs": 0, "bytes": 0, "oldest_use": null, "newest_use": null});
    ensure!(
        info == json!({"path": dir, "layers": nothing, "planners": {"path": dir, "compiled": 0, "bytes": 0}}),
        "{info}"
    );
    for command in ["info", "prune", "verify", "clear"] {
        cache(&[command], &dir).ok()?;
    }
    ensure!(folder.names()?.is_empty(), "{:?}", folder.names()?);
    Ok(())
}

fn info_counts_compiled_planners() -> Result<()> {
    let folder = Folder::new()?;
    let dir = folder.path("cache");
    layerwright(&["planner", "inspect", "popularity"]).env("LAYERWRIGHT_COMPILED_DIR", &dir).ok()?;
    let info = cache(&["info"], &dir).ok()?;
    let text = info.text()?;
    ensure!(text.starts_with(&format!("{dir}\n")), "{}", info.report());
    ensure!(text.contains("0 layers known, 0 blobs") && text.contains("1 compiled planner,"), "{}", info.report());
    let info = cache(&["info", "--json"], &dir).ok()?.json()?;
    ensure!(info["planners"]["compiled"] == 1 && info["planners"]["bytes"].as_u64() > Some(0), "{info}");
    Ok(())
}

fn clear_removes_what_is_ours_alone() -> Result<()> {
    let (_folder, dir) = with_blobs(&[DIGEST, "notes"])?;
    layerwright(&["planner", "inspect", "popularity"]).env("LAYERWRIGHT_COMPILED_DIR", &dir).ok()?;
    fs::write(format!("{dir}/planners/notes"), "somebody's")?;
    cache(&["clear"], &dir).ok()?.says(&["removed 0 layers, 1 blob, 7 B, and 1 compiled planner"])?;
    let info = cache(&["info", "--json"], &dir).ok()?.json()?;
    ensure!(info["layers"]["bytes"] == 0 && info["planners"]["bytes"] == 0, "{info}");
    for kept in ["planners/notes", "layers/blobs/sha256/notes"] {
        ensure!(fs::metadata(format!("{dir}/{kept}"))?.is_file(), "{kept}");
    }
    Ok(())
}

fn damaged_blobs_are_named_and_removed() -> Result<()> {
    let damaged = DIGEST.replace('e', "f");
    let (_folder, dir) = with_blobs(&[DIGEST, &damaged])?;
    let found = cache(&["verify"], &dir).exits(6)?;
    found.says(&[&format!("error: blob sha256:{damaged} was damaged; it is removed")])?;
    ensure!(found.text()? == "2 blobs, 14 B read: 1 damaged and removed\n", "{}", found.report());
    let clean = cache(&["verify", "--json"], &dir).ok()?.json()?;
    ensure!(
        clean
            == json!({"checked": 1, "bytes": 7, "damaged": [], "planners": {"checked": 0, "bytes": 0, "damaged": []}}),
        "{clean}"
    );
    Ok(())
}

fn prune_makes_room() -> Result<()> {
    let (_folder, dir) = with_blobs(&[DIGEST])?;
    let pruned = cache(&["prune", "--max-size", "1KiB", "--unused-for", "1", "--json"], &dir).ok()?.json()?;
    // The blob is young, and a build may be about to write its record.
    // What others left in the temporary folder is not known here.
    let numbers = ["left_bytes", "layers", "blobs", "bytes", "planners", "planner_bytes"].map(|name| &pruned[name]);
    ensure!(numbers.iter().eq([7, 0, 0, 0, 0, 0].iter()), "{pruned}");
    cache(&["prune"], &dir).ok()?.says(&["removed 0 layers, 0 blobs, 0 B; 7 B are left"])
}

fn folders_that_others_can_write_to_are_an_error() -> Result<()> {
    let (_folder, dir) = with_blobs(&[])?;
    fs::set_permissions(&dir, PermissionsExt::from_mode(0o777))?;
    for command in ["info", "prune", "verify", "clear"] {
        let refused = cache(&[command], &dir).exits(1)?;
        refused.says(&["error: opening the cache", &dir, "others may write to", "--cache-dir"])?;
    }
    Ok(())
}

fn the_folder_is_an_option_or_a_variable() -> Result<()> {
    let (_folder, dir) = with_blobs(&[DIGEST])?;
    let info = cache(&["info", "--json", "--cache-dir", &dir], "/nowhere").ok()?.json()?;
    ensure!(info["path"] == dir && info["layers"]["blobs"] == 1, "{info}");
    Ok(())
}

fn sizes_that_are_none_are_usage_errors() -> Result<()> {
    let folder = Folder::new()?;
    let dir = folder.path("none");
    cache(&["prune", "--max-size", "5 apples"], &dir).exits(2)?.says(&["--max-size", "5GiB or 500MB"])?;
    cache(&["prune"], &dir).env("LAYERWRIGHT_CACHE_SIZE", "much").exits(2)?.says(&["much", "5GiB or 500MB"])?;
    cache(&["prune"], &dir).env("LAYERWRIGHT_CACHE_SIZE", "1GiB").ok()?;
    Ok(())
}
