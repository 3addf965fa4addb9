//! What is in the cache, and whether it is what it is called.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;

use super::LayerCache;
use crate::Digest;
use crate::progress::Observer;

/// What is in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheInfo {
    /// Where it is. An image layout without images.
    pub path: PathBuf,
    /// Layers that are known. Those of an image that was a stream have no blob.
    pub layers: usize,
    /// Blobs that are kept.
    pub blobs: usize,
    /// How long the blobs and the records are.
    pub bytes: u64,
    /// When the layer was used that has waited longest. `None` where there is none.
    pub oldest_use: Option<SystemTime>,
    /// When a layer was used for the last time. `None` where there is none.
    pub newest_use: Option<SystemTime>,
}

/// What was verified, and what was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CacheReport {
    /// How many blobs were hashed.
    pub checked: usize,
    /// How long they are together.
    pub bytes: u64,
    /// Blobs that were not what their names say, in ascending order. They are removed.
    pub damaged: Vec<Digest>,
}

impl LayerCache {
    /// Looks at what is there.
    ///
    /// # Errors
    ///
    /// Where the cache cannot be read.
    pub fn info(&self) -> io::Result<CacheInfo> {
        let blobs = self.blobs.list()?;
        let records = self.records()?;
        let files = blobs.iter().map(|(_, entry)| entry).chain(records.iter().map(|(entry, _)| entry));
        let uses = || records.iter().filter(|(_, known)| known.is_some()).map(|(entry, _)| entry.modified);
        Ok(CacheInfo {
            path: self.path.clone(),
            layers: uses().count(),
            blobs: blobs.len(),
            bytes: files.map(|entry| entry.bytes).sum(),
            oldest_use: uses().min(),
            newest_use: uses().max(),
        })
    }

    /// Hashes every blob, in parallel, and removes those that are not what their names say.
    ///
    /// # Errors
    ///
    /// Where the cache cannot be read, a damaged blob not be removed, or [`Observer::cancelled`] said so, which is
    /// [`io::ErrorKind::Interrupted`].
    pub fn verify(&self, observer: &dyn Observer) -> io::Result<CacheReport> {
        let blobs = self.blobs.list()?;
        observer.planned(blobs.len(), blobs.iter().map(|(_, entry)| entry.bytes).sum());
        let checked = blobs.into_par_iter().map(|(digest, _)| self.verify_blob(digest, observer));
        let mut report = checked.try_reduce(CacheReport::default, |a, b| Ok(a.and(b)))?;
        report.damaged.sort();
        Ok(report)
    }

    fn verify_blob(&self, digest: Digest, observer: &dyn Observer) -> io::Result<CacheReport> {
        // Another run may have removed it.
        let Some(blob) = self.blobs.open(digest) else { return Ok(CacheReport::default()) };
        let progress = |bytes| {
            observer.packed(bytes);
            !observer.cancelled()
        };
        let cancelled = || io::Error::new(io::ErrorKind::Interrupted, "cancelled");
        let is_damaged = blob.is_damaged(&progress).ok_or_else(cancelled)?;
        if is_damaged {
            blob.discard()?;
        }
        let damaged = if is_damaged { vec![digest] } else { Vec::new() };
        Ok(CacheReport { checked: 1, bytes: blob.bytes(), damaged })
    }
}

impl CacheReport {
    fn and(mut self, other: Self) -> Self {
        self.checked += other.checked;
        self.bytes += other.bytes;
        self.damaged.extend(other.damaged);
        self
    }
}
