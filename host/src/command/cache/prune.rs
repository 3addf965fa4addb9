//! `layerwright cache prune`

use std::env::temp_dir;
use std::io;
use std::time::Duration;

use anyhow::{Context, Result};
use indicatif::BinaryBytes;
use layerwright_packer::{LayerCache, Pruned, remove_abandoned};
use serde::Serialize;

use crate::arguments::CachePruneArguments;
use crate::caches::Caches;
use crate::command::output::{counted, print_json};
use crate::console::Console;

/// What `--json` prints.
#[derive(Serialize)]
struct Removed {
    layers: usize,
    blobs: usize,
    bytes: u64,
    left_bytes: u64,
    planners: usize,
    planner_bytes: u64,
    /// Of temporary files that killed runs left.
    abandoned_bytes: u64,
}

pub(super) fn run(arguments: &CachePruneArguments, console: &Console) -> Result<()> {
    let caches = Caches::open(&arguments.common)?;
    let unused_for = arguments.unused_for.map(|days| Duration::from_secs(u64::from(days) * 24 * 3600));
    let prune = |layers: &LayerCache| Ok((layers.prune(arguments.max_size.bytes, unused_for)?, layers.info()?.bytes));
    let pruned = caches.layers.as_ref().map(prune).transpose();
    let context = || format!("making room in the cache {}", caches.place.display());
    let (pruned, left_bytes) = pruned.map_err(|error: std::io::Error| error).with_context(context)?.unwrap_or_default();
    let (planners, planner_bytes) = prune_planners(&caches, unused_for).with_context(context)?;
    let abandoned = remove_abandoned(&temp_dir()).context("removing temporary files of killed runs")?;
    let abandoned_bytes = abandoned.iter().map(|rest| rest.bytes).sum();
    if arguments.common.json {
        let Pruned { records, blobs, bytes } = pruned;
        let removed = Removed { layers: records, blobs, bytes, left_bytes, planners, planner_bytes, abandoned_bytes };
        return print_json(&removed);
    }
    let planners = match planners {
        0 => String::new(),
        planners => format!(", and {}, {}", counted(planners, "compiled planner"), BinaryBytes(planner_bytes)),
    };
    console.say(&format!("removed {}{planners}; {} are left", what_went(pruned), BinaryBytes(left_bytes)));
    if !abandoned.is_empty() {
        let (runs, bytes) = (counted(abandoned.len(), "killed run"), BinaryBytes(abandoned_bytes));
        console.say(&format!("removed temporary files of {runs}, {bytes}"));
    }
    Ok(())
}

/// Those that were not used for long, and those that nobody looks for any more.
fn prune_planners(caches: &Caches, unused_for: Option<Duration>) -> io::Result<(usize, u64)> {
    let (unsealed, unsealed_bytes) = caches.remove_unsealed()?;
    let unused = caches.planners.as_ref().zip(unused_for).map(|(planners, unused_for)| planners.prune(unused_for));
    let (unused, unused_bytes) = unused.transpose()?.unwrap_or_default();
    Ok((unused + unsealed, unused_bytes + unsealed_bytes))
}

/// `12 layers, 10 blobs, 1.20 GiB`
pub(super) fn what_went(pruned: Pruned) -> String {
    let Pruned { records, blobs, bytes } = pruned;
    format!("{}, {}, {}", counted(records, "layer"), counted(blobs, "blob"), BinaryBytes(bytes))
}
