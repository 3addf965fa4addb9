//! Layers that were packed before, kept from run to run.
//!
//! ```text
//! layers/known/<hex>         what became of the layer with this key: a record
//! layers/blobs/sha256/<hex>  the blobs themselves
//! layers/oci-layout
//! layers/index.json          without images: so that tools for image layouts can open the folder
//! ```
//!
//! A [`LayerKey`] stands for everything that decides a layer's bytes. Whoever has one asks in this order:
//!
//! 1. [`LayerCache::find`] reads the record. It holds the layer's two names and sizes, which is all that an image's
//!    documents say of a layer, and a checksum over them and the key. The time of the file is that of its last use.
//! 2. [`LayerCache::place`] brings the blob to where it is needed, as a second name of the same file where that can be.
//! 3. Where either fails, the layer is packed, and [`LayerCache::keep`] takes the finished blob, and then the record.
//!
//! A blob may have a name in somebody's image layout as well, and be written to there. So a record tells the time of
//! modification that the blob had when it was whole. A blob of another time is hashed before it is used: either it is
//! what its name says, and the record is renewed, or it goes. Bytes that change without the time are found by
//! [`LayerCache::verify`] only.
//!
//! Two runs may work in the folder, and each may end at any moment. Files appear whole, by renaming, and the blob before
//! its record; what disappears is packed again. Nothing waits for the disk: after a power failure a file may be cut,
//! which its size or the checksum tells.
//!
//! How room is made is told in `prune`.

mod blobs;
mod check;
mod prune;
mod record;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use self::blobs::Blobs;
pub use self::check::{CacheInfo, CacheReport};
pub use self::prune::Pruned;
pub(crate) use self::record::{Known, LayerKey};
use crate::cache_dir::{CacheDir, CacheDirError};
use crate::error::PackError;
use crate::layer::Blob;
use crate::oci;

/// An index without images.
const INDEX: &[u8] = br#"{"manifests":[],"mediaType":"application/vnd.oci.image.index.v1+json","schemaVersion":2}"#;

/// No record is longer.
const MAX_RECORD_BYTES: u64 = 4 << 10;

/// Layers that were packed before.
#[derive(Debug)]
pub struct LayerCache {
    path: PathBuf,
    limit_bytes: u64,
    known: CacheDir,
    blobs: Blobs,
}

/// Asked now and then, during what may take long.
pub(crate) type GoesOn<'a> = &'a dyn Fn() -> bool;

/// What the cache says of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Known(Known),
    Absent,
    /// There was a record, and nobody could have written it like this.
    Damaged,
}

impl Found {
    pub(crate) fn known(self) -> Option<Known> {
        if let Self::Known(known) = self { Some(known) } else { None }
    }
}

/// What became of bringing a blob to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Placed {
    /// It is where it was wanted.
    There,
    /// It is not kept, or not any more.
    Absent,
    /// It was not what its name says, and is kept no more.
    Damaged,
}

impl LayerCache {
    /// Opens the cache in the folder `layers` of the user's cache folder, after making it where there is none. At most
    /// `limit_bytes` are to be kept, see [`Self::trim`].
    ///
    /// # Errors
    ///
    /// As for [`CacheDir::open`].
    pub fn open(dir: &CacheDir, limit_bytes: u64) -> Result<Self, CacheDirError> {
        let layers = dir.folder("layers")?;
        let known = layers.folder("known")?;
        let blobs = Blobs::new(layers.folder("blobs")?.folder("sha256")?);
        for (name, text) in [(oci::LAYOUT_FILE, oci::LAYOUT), (oci::INDEX_FILE, INDEX)] {
            if layers.read(name).is_none() {
                // They are for others. A cache that cannot be written to can still be read.
                layers.write(name, text).ok();
            }
        }
        Ok(Self { path: layers.path().to_owned(), limit_bytes, known, blobs })
    }

    /// Returns what is known of a layer, and remembers that it was asked for. A record that is damaged is removed.
    pub(crate) fn find(&self, key: &LayerKey) -> Found {
        match self.read(key) {
            None => Found::Absent,
            Some((file, Some(known))) => {
                CacheDir::touch(&file);
                Found::Known(known)
            }
            Some((file, None)) => {
                self.known.remove_file(&key.name(), &file).ok();
                Found::Damaged
            }
        }
    }

    /// Brings the blob of a layer to `to`, where nothing is yet. There it looks like a file that was just made.
    ///
    /// # Errors
    ///
    /// Where `to` cannot be written, and when `goes_on` no longer. What is wrong in the cache is no error.
    pub(crate) fn place(&self, known: &Known, to: &Path, goes_on: GoesOn<'_>) -> Result<Placed, PackError> {
        let Some(blob) = self.blobs.open(known.blob.digest) else { return Ok(Placed::Absent) };
        let checked = blob.check(known, goes_on);
        if !goes_on() {
            return Err(PackError::Cancelled);
        }
        let Some(intact) = checked else {
            blob.discard().ok();
            return Ok(Placed::Damaged);
        };
        if known.intact != Some(intact) {
            // Without it, the blob is only hashed again the next time.
            self.record(&Known { intact: Some(intact), ..*known }).ok();
        }
        blob.place(to, goes_on)
    }

    /// Keeps what became of a layer, and its blob, if there is a file with it. The file is finished: nobody writes to it
    /// any more, since it may become the one in the cache. A blob that is larger than everything that may be kept is not.
    ///
    /// # Errors
    ///
    /// Where nothing can be written, or the file is not as long as the blob. The message says where the cache is. There may
    /// be a blob without a record then, which does no harm.
    pub(crate) fn keep(&self, key: &LayerKey, blob: &Blob, file: Option<&Path>, goes_on: GoesOn<'_>) -> io::Result<()> {
        let in_cache = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display()));
        self.keep_both(key, blob, file, goes_on).map_err(in_cache)
    }

    fn keep_both(&self, key: &LayerKey, blob: &Blob, file: Option<&Path>, goes_on: GoesOn<'_>) -> io::Result<()> {
        let before = self.find(key).known().filter(|known| known.blob == *blob);
        let file =
            file.filter(|_| blob.blob_bytes <= self.limit_bytes && !before.is_some_and(|known| self.has(&known)));
        let intact = match file {
            // Whatever is there under its name, this one is whole.
            Some(file) => Some(self.blobs.keep(blob, file, goes_on)?),
            None => before.and_then(|known| known.intact),
        };
        self.record(&Known { key: *key, blob: *blob, intact })
    }

    /// Whether the blob is there, as far as one can tell without reading it.
    fn has(&self, known: &Known) -> bool {
        self.blobs.open(known.blob.digest).is_some_and(|blob| blob.looks_intact(known))
    }

    /// Opens and reads a record. `None` in it where it is damaged.
    fn read(&self, key: &LayerKey) -> Option<(File, Option<Known>)> {
        let file = self.known.read(&key.name())?;
        let mut text = Vec::new();
        (&file).take(MAX_RECORD_BYTES).read_to_end(&mut text).ok()?;
        Some((file, Known::parse(*key, &text)))
    }

    fn record(&self, known: &Known) -> io::Result<()> {
        self.known.write(&known.key.name(), known.to_json().as_bytes())
    }
}
