//! What is kept in the user's cache folder: compiled planners and packed layers.
//!
//! Whoever builds can do without, and is warned. Whoever asks for the cache itself gets an error.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use layerwright_packer::{CacheDir, CacheDirError, LayerCache};

use crate::arguments::{CacheArguments, CacheDirArguments};
use crate::console::Console;
use crate::exit::Usage;
use crate::sandbox::CompiledCache;

/// The folders in it.
const PLANNERS: &str = "planners";
const LAYERS: &str = "layers";

/// Opens the packed layers for a build; `None` where they are not wanted, or cannot be had.
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

/// What there is of both, for those who look after it. To look makes nothing.
pub(crate) struct Caches {
    pub(crate) place: PathBuf,
    pub(crate) layers: Option<LayerCache>,
    pub(crate) planners: Option<CompiledCache>,
}

impl Caches {
    pub(crate) fn open(dir: &CacheDirArguments) -> Result<Self> {
        let nowhere = || Usage(anyhow!("you have no home folder, so name the folder of the cache: --cache-dir DIR"));
        let place = dir.place().ok_or_else(nowhere)?;
        let opened = Self::open_at(&place);
        let (layers, planners) = opened.with_context(|| {
            format!("opening the cache {}; --cache-dir, or $LAYERWRIGHT_CACHE_DIR, names another", place.display())
        })?;
        Ok(Self { place, layers, planners })
    }

    fn open_at(place: &Path) -> Result<(Option<LayerCache>, Option<CompiledCache>), CacheDirError> {
        if place.symlink_metadata().is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return Ok((None, None));
        }
        let dir = CacheDir::open(place)?;
        let is_there = |name: &str| place.join(name).symlink_metadata().is_ok();
        // No limit: nothing is kept here.
        let layers = is_there(LAYERS).then(|| LayerCache::open(&dir, u64::MAX)).transpose()?;
        let planners = is_there(PLANNERS).then(|| dir.folder(PLANNERS)).transpose()?;
        Ok((layers, planners.map(CompiledCache::new)))
    }
}
