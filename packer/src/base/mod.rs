//! Opens an image that another one is to be built upon.
//!
//! 1. The image's archive becomes one plain file, or is one, see [`place`].
//! 2. The image that is meant is looked for in its documents, by name and platform, see [`choose`].
//! 3. Each layer is read once, all in parallel: its size, digest and diff ID are compared with what the documents say,
//!    and what it does to the store is noted, see [`scan`].
//! 4. The layers' notes are laid upon each other: what is left are the store paths that one sees, see [`store_paths`].
//!
//! Layers stay where they are. Whoever reads one again gets the bytes that were verified, or an error. The image may
//! come from anybody. So nothing of it is ever unpacked by its name, and all that could be too much has a limit: the
//! constants here, in [`place`] and in [`crate::image_files`].

mod choose;
mod config;
mod error;
mod inherit;
mod lookup;
mod lower;
mod outline;
mod place;
mod platform;
mod removal;
mod scan;
mod store_contents;
mod store_paths;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

pub use error::{BaseError, Excess};
pub use inherit::{Inherit, InheritError, inherit};
pub use outline::{ImageOutline, OutlineLayer, WantedPlatform};
pub use platform::Platform;

use crate::image_files::{Encoding, decompressed};
use crate::lower::LowerFiles;
use crate::progress::Observer;
use crate::{DiffId, Digest, HistoryEntry, ImageConfig, ImageSource};
use choose::{Chosen, Listed};
use lower::LowerRoom;
use place::{Allowance, Blob, Place};
use scan::{Limits, Scan};
use store_paths::Heads;

/// More layers than these no engine mounts: Docker 125, podman 128, containerd a few hundred.
pub const MAX_BASE_LAYERS: usize = 500;

/// More entries than these no history has: there is one for each line of a Dockerfile.
const MAX_HISTORY: usize = 5000;

/// The store paths of all layers together. A large store has so many.
const MAX_STORE_PATHS: usize = 500_000;

/// The directories and symlinks of all layers together, without those in store paths.
const MAX_LOWER_FILES: usize = 500_000;

/// The names of all other files together. Those of a million files have room. Where there are more, none are known.
const MAX_OTHER_NAME_BYTES: u64 = 256 << 20;

/// An image that another one is built upon. Each of its layers is what the image says.
#[derive(Debug)]
pub struct BaseImage {
    path: PathBuf,
    platform: Platform,
    name: Option<String>,
    manifest: Option<Digest>,
    config: ImageConfig,
    history: Vec<HistoryEntry>,
    layers: Vec<BaseLayer>,
    store_paths: BTreeSet<String>,
    lower_files: LowerFiles,
}

/// A layer of a base image.
#[derive(Clone, Debug)]
pub struct BaseLayer {
    /// Of the plain tar.
    pub diff_id: DiffId,
    /// Of the blob.
    pub digest: Digest,
    /// Size of the plain tar.
    pub tar_bytes: u64,
    /// Size of the blob.
    pub blob_bytes: u64,
    /// How the blob is compressed.
    pub encoding: Encoding,
    /// Of its descriptor, where it has one: such as say how parts of the blob are found.
    pub annotations: BTreeMap<String, String>,
    blob: Blob,
    heads: Arc<Heads>,
}

impl BaseImage {
    /// Opens an image and verifies all of it.
    ///
    /// Where there are several images and the source names none, it is the first one; where one image is there for
    /// several platforms, the one nearest to `platform` of those that run there. Any other image is refused.
    /// `scratch` is a directory in which an archive that is compressed as a whole is unpacked; nothing is left there.
    ///
    /// # Errors
    ///
    /// Anything in [`BaseError`]: also an image that is not what it says, or that asks for more than any image needs.
    pub fn open(
        source: &ImageSource,
        platform: &Platform,
        scratch: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, BaseError> {
        Self::open_within(source, platform, None, scratch, observer)
    }

    /// The same, where the user says how much the image may unpack to. Nothing else is too large then.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn open_within(
        source: &ImageSource,
        platform: &Platform,
        max_bytes: Option<u64>,
        scratch: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, BaseError> {
        match Self::open_unless_cancelled(source, platform, max_bytes, scratch, observer) {
            Err(_) if observer.cancelled() => Err(BaseError::Cancelled),
            result => result,
        }
    }

    fn open_unless_cancelled(
        source: &ImageSource,
        platform: &Platform,
        max_bytes: Option<u64>,
        scratch: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, BaseError> {
        let path = source.path().to_owned();
        let place = Place::open(&path, max_bytes, scratch, observer)?;
        let chosen = choose::choose(source, &place, platform)?;
        chosen.check_whole().map_err(|problem| problem.of(&path))?;
        let Chosen { config, layers, name, manifest, .. } = chosen;
        let (layers, scans, lower_files) = read_layers(&path, layers, max_bytes, observer)?;
        Ok(Self {
            store_paths: store_paths::visible(&scans),
            lower_files,
            platform: Platform {
                os: config.os.unwrap_or_else(|| platform.os.clone()),
                architecture: config.architecture.unwrap_or_else(|| platform.architecture.clone()),
                variant: config.variant,
            },
            name,
            manifest,
            config: config.config,
            history: config.history,
            layers,
            path,
        })
    }

    /// The file or directory that it was opened from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bottom-most first. A layer that the image has twice is there twice.
    #[must_use]
    pub fn layers(&self) -> &[BaseLayer] {
        &self.layers
    }

    /// What its containers run, and how. Fields that are not known are left out.
    #[must_use]
    pub fn config(&self) -> &ImageConfig {
        &self.config
    }

    /// What it is for. What was asked for where the image does not say.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// In Go's words: `linux`. What was asked for where the image does not say.
    #[must_use]
    pub fn os(&self) -> &str {
        &self.platform.os
    }

    /// In Go's words: `amd64`. What was asked for where the image does not say.
    #[must_use]
    pub fn architecture(&self) -> &str {
        &self.platform.architecture
    }

    /// Of the architecture: `v7`.
    #[must_use]
    pub fn variant(&self) -> Option<&str> {
        self.platform.variant.as_deref()
    }

    /// What it is called: a reference to a registry, where it has one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The digest of its manifest. An archive for docker alone has none.
    #[must_use]
    pub fn manifest(&self) -> Option<Digest> {
        self.manifest
    }

    /// How it came to be, the oldest first. Entries without [`HistoryEntry::empty_layer`] should be as many as layers,
    /// but may be fewer or more.
    #[must_use]
    pub fn history(&self) -> &[HistoryEntry] {
        &self.history
    }

    /// The complete store paths that one sees in the image, as `/nix/store/...`: those that no layer hides, of which no
    /// layer hides a part, and to which no other layer adds anything.
    #[must_use]
    pub fn store_paths(&self) -> &BTreeSet<String> {
        &self.store_paths
    }

    /// The files that one sees in the image. Where they are more than a million, only directories and symlinks, without
    /// those in store paths.
    #[must_use]
    pub fn lower_files(&self) -> &LowerFiles {
        &self.lower_files
    }

    /// Returns the content of a regular file as one sees it in the image. `None` where there is none at that path.
    ///
    /// Symlinks are followed, and do not lead out of the image. The layers that may have something to say are read,
    /// from the top-most down to the one with the file.
    ///
    /// # Errors
    ///
    /// A file longer than `limit` bytes, a circle of links, or a layer that cannot be read or is no longer the same.
    pub fn read_file(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, BaseError> {
        lookup::read_file(self, path, limit)
    }
}

impl BaseLayer {
    /// The bytes as they are stored. Fails at their end if they are no longer those that were verified.
    pub(crate) fn blob(&self) -> io::Result<impl Read + Send + use<>> {
        self.blob.open_again(self.digest)
    }

    /// The plain tar.
    pub(crate) fn tar(&self) -> io::Result<impl Read + Send + use<>> {
        decompressed(self.blob()?)
    }
}

/// The layers of an image, what was noted of each of them, and what one sees of all.
type ReadLayers = (Vec<BaseLayer>, Vec<Arc<Scan>>, LowerFiles);

/// Reads all layers, those that are there several times once.
fn read_layers(
    path: &Path,
    listed: Vec<Listed>,
    max_bytes: Option<u64>,
    observer: &dyn Observer,
) -> Result<ReadLayers, BaseError> {
    let different: BTreeMap<_, &Listed> = listed.iter().rev().map(|layer| (layer.blob.key(), layer)).collect();
    let stored = different.values().map(|layer| layer.blob.size()).fold(0, u64::saturating_add);
    observer.planned(different.len(), stored);
    let limits = Limits {
        bytes: Allowance::new(stored, max_bytes, observer),
        store_paths: AtomicU64::new(MAX_STORE_PATHS as u64),
        lower_files: LowerRoom::new(MAX_LOWER_FILES, MAX_OTHER_NAME_BYTES),
    };
    let read = |(key, layer): (_, &&Listed)| Ok((key, Arc::new(scan::scan(layer, &limits, observer)?)));
    // In one order, so that of several errors the same one is told each time.
    let different: Vec<_> = different.iter().collect();
    let scans: Vec<Result<_, error::Problem>> = different.par_iter().copied().map(read).collect();
    let scans: BTreeMap<_, Arc<Scan>> = scans.into_iter().collect::<Result<_, _>>().map_err(|p| p.of(path))?;
    let mut layers = Vec::new();
    let mut in_order = Vec::new();
    for layer in &listed {
        let scan = &scans[&layer.blob.key()];
        scan.check(layer).map_err(|problem| problem.of(path))?;
        layers.push(scan.layer(layer));
        in_order.push(Arc::clone(scan));
    }
    let lower_files = lower::visible(in_order.iter().map(Arc::as_ref), limits.lower_files.sufficed());
    Ok((layers, in_order, lower_files))
}

#[cfg(test)]
mod tests;
