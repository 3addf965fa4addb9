//! `layerwright cache clear`

use anyhow::{Context, Result};
use indicatif::BinaryBytes;
use layerwright_packer::{LayerCache, Pruned};
use serde::Serialize;

use super::prune::what_went;
use crate::arguments::CacheInfoArguments;
use crate::caches::Caches;
use crate::command::output::{counted, print_json};
use crate::console::Console;
use crate::sandbox::CompiledCache;

/// What `--json` prints.
#[derive(Serialize)]
struct Cleared {
    layers: usize,
    blobs: usize,
    planners: usize,
    bytes: u64,
}

pub(super) fn run(arguments: &CacheInfoArguments, console: &Console) -> Result<()> {
    let caches = Caches::open(arguments)?;
    let context = || format!("clearing the cache {}", caches.place.display());
    let layers = caches.layers.as_ref().map(LayerCache::clear).transpose().with_context(context)?.unwrap_or_default();
    let planners = caches.planners.as_ref().map(CompiledCache::clear).transpose().with_context(context)?;
    let (planners, planner_bytes) = planners.unwrap_or_default();
    let (unsealed, unsealed_bytes) = caches.remove_unsealed().with_context(context)?;
    let (planners, planner_bytes) = (planners + unsealed, planner_bytes + unsealed_bytes);
    if arguments.json {
        let Pruned { records, blobs, bytes } = layers;
        return print_json(&Cleared { layers: records, blobs, planners, bytes: bytes + planner_bytes });
    }
    let planners = counted(planners, "compiled planner");
    console.say(&format!("removed {}, and {planners}, {}", what_went(layers), BinaryBytes(planner_bytes)));
    Ok(())
}
