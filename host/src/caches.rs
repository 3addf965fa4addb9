//! What is kept in the user's cache folder: compiled planners and packed layers.
//!
//! Whoever builds can do without, and is warned.

use std::path::Path;

use layerwright_packer::{CacheDir, LayerCache};

use crate::arguments::{CacheArguments, CacheDirArguments};
use crate::console::Console;
use crate::sandbox::CompiledCache;

/// The folder in it for compiled planners.
const PLANNERS: &str = "planners";

/// Opens the packed layers for a build; `None` where they are not wanted, or cannot be had.
#[expect(dead_code, reason = "packing does not ask for it yet")]
pub(crate) fn open_layer_cache(
    dir: &CacheDirArguments,
    arguments: &CacheArguments,
    console: &Console,
) -> Option<LayerCache> {
    let place = dir.place().filter(|_| !arguments.no_cache)?;
    let opened = CacheDir::open(&place).and_then(|dir| LayerCache::open(&dir, arguments.cache_size.bytes));
    opened.map_err(|error| console.warn(&format!("packed layers are not kept: {error}"))).ok()
}

/// Opens the compiled planners for whoever needs a sandbox; `None` where they cannot be had.
pub(crate) fn open_compiled_cache(place: &Path, console: &Console) -> Option<CompiledCache> {
    let opened = CacheDir::open(place).and_then(|dir| dir.folder(PLANNERS)).map(CompiledCache::new);
    opened.map_err(|error| console.warn(&format!("compiled planners are not kept: {error}"))).ok()
}
