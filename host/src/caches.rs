//! What is kept from run to run: packed layers, which a build server may carry from machine to machine, and compiled
//! planners, which are native code, belong to one machine and have a place of their own.
//!
//! Whoever builds can do without, and is warned. Whoever asks for them gets an error.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use layerwright_packer::{CacheDir, CacheDirError, LayerCache};

use crate::arguments::{CacheArguments, CacheDirArguments, CacheInfoArguments};
use crate::console::Console;
use crate::exit::Usage;
use crate::sandbox::{CompiledCache, remove_unsealed};

/// The folder in the cache.
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
    let opened = CacheDir::open(place).and_then(|place| CompiledCache::open(&place));
    opened.map_err(|error| console.warn(&format!("compiled planners are not kept: {error}"))).ok()
}

/// What there is of both, for those who look after it. To look makes nothing.
pub(crate) struct Caches {
    /// Of packed layers.
    pub(crate) place: PathBuf,
    cache: Option<CacheDir>,
    pub(crate) layers: Option<LayerCache>,
    /// Of compiled planners; `None` for a user without a home, who names nothing.
    pub(crate) compiled_place: Option<PathBuf>,
    pub(crate) planners: Option<CompiledCache>,
}

impl Caches {
    pub(crate) fn open(arguments: &CacheInfoArguments) -> Result<Self> {
        let nowhere = || Usage(anyhow!("you have no home folder, so name the folder of the cache: --cache-dir DIR"));
        let place = arguments.dir.place().ok_or_else(nowhere)?;
        let compiled_place = arguments.compiled_dir.place();
        let (cache, layers) = layers_at(&place).with_context(|| {
            format!("opening the cache {}; --cache-dir, or $LAYERWRIGHT_CACHE_DIR, names another", place.display())
        })?;
        let planners = compiled_place.as_deref().map(|place| {
            planners_at(place).with_context(|| {
                let place = place.display();
                format!("opening {place}; --compiled-dir, or $LAYERWRIGHT_COMPILED_DIR, names another folder")
            })
        });
        Ok(Self { place, cache, layers, compiled_place, planners: planners.transpose()?.flatten() })
    }

    /// Removes compiled planners that earlier versions of the program kept among the packed layers. Returns how many there
    /// were, and their bytes.
    pub(crate) fn remove_unsealed(&self) -> io::Result<(usize, u64)> {
        self.cache.as_ref().map_or(Ok((0, 0)), remove_unsealed)
    }
}

fn layers_at(place: &Path) -> Result<(Option<CacheDir>, Option<LayerCache>), CacheDirError> {
    if !is_there(place) {
        return Ok((None, None));
    }
    let dir = CacheDir::open(place)?;
    // No limit: nothing is kept here.
    let layers = is_there(&place.join(LAYERS)).then(|| LayerCache::open(&dir, u64::MAX)).transpose()?;
    Ok((Some(dir), layers))
}

fn planners_at(place: &Path) -> Result<Option<CompiledCache>, CacheDirError> {
    if !is_there(place) {
        return Ok(None);
    }
    let dir = CacheDir::open(place)?;
    is_there(&place.join(CompiledCache::FOLDER)).then(|| CompiledCache::open(&dir)).transpose()
}

fn is_there(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
