//! The blobs of kept layers, each named by its digest.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use fs_err as fs;

use super::record::{Known, Stamp, digest_of_name};
use super::{GoesOn, Placed};
use crate::Digest;
use crate::cache_dir::{CacheDir, CacheEntry, CopyError, copy};
use crate::digest::Hashing;
use crate::error::PackError;
use crate::layer::Blob;

/// The folder with the blobs.
#[derive(Debug)]
pub(super) struct Blobs {
    dir: CacheDir,
}

/// A blob that is open: whatever becomes of its name, these are the bytes.
pub(super) struct OpenBlob<'c> {
    dir: &'c CacheDir,
    digest: Digest,
    file: File,
    metadata: Metadata,
}

impl Blobs {
    pub(super) fn new(dir: CacheDir) -> Self {
        Self { dir }
    }

    pub(super) fn dir(&self) -> &CacheDir {
        &self.dir
    }

    /// All that are called like blobs.
    pub(super) fn list(&self) -> io::Result<Vec<(Digest, CacheEntry)>> {
        let named = |entry: CacheEntry| Some((digest_of_name(&entry.name)?, entry));
        Ok(self.dir.entries()?.into_iter().filter_map(named).collect())
    }

    pub(super) fn open(&self, digest: Digest) -> Option<OpenBlob<'_>> {
        let file = self.dir.read(&digest.hex())?;
        let metadata = file.metadata().ok()?;
        Some(OpenBlob { dir: &self.dir, digest, file, metadata })
    }

    /// Keeps a finished blob, in place of one that may be there.
    pub(super) fn keep(&self, blob: &Blob, file: &Path, goes_on: GoesOn<'_>) -> io::Result<Stamp> {
        let begun = self.dir.begin_with(file, goes_on)?;
        let metadata = begun.file().metadata()?;
        if metadata.len() != blob.blob_bytes {
            let what = format!("{} has {} bytes and not {}", file.display(), metadata.len(), blob.blob_bytes);
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        begun.place(&blob.digest.hex())?;
        Ok(Stamp::of(&metadata))
    }
}

impl OpenBlob<'_> {
    pub(super) fn bytes(&self) -> u64 {
        self.metadata.len()
    }

    /// Whether size and time are those of a blob that was whole.
    pub(super) fn looks_intact(&self, known: &Known) -> bool {
        self.bytes() == known.blob.blob_bytes && known.intact == Some(Stamp::of(&self.metadata))
    }

    /// Returns when the blob was modified, if it is what its name says.
    pub(super) fn check(&self, known: &Known, goes_on: GoesOn<'_>) -> Option<Stamp> {
        let is_intact = || self.bytes() == known.blob.blob_bytes && self.is_intact(goes_on);
        (self.looks_intact(known) || is_intact()).then(|| Stamp::of(&self.metadata))
    }

    /// Hashes the blob. One that somebody writes to meanwhile is not intact.
    fn is_intact(&self, goes_on: GoesOn<'_>) -> bool {
        let hashed = hash(&self.file, &|_| goes_on()).is_ok_and(|found| found == Some(self.digest));
        hashed && self.file.metadata().is_ok_and(|after| Stamp::of(&after) == Stamp::of(&self.metadata))
    }

    /// Hashes the blob, whatever its size and its time. `None` where `progress` did not want to go on. A blob that cannot
    /// be read is not what its name says.
    pub(super) fn is_damaged(&self, progress: &dyn Fn(u64) -> bool) -> Option<bool> {
        match hash(&self.file, progress) {
            Ok(found) => found.map(|digest| digest != self.digest),
            Err(_) => Some(true),
        }
    }

    /// Removes the blob from the cache.
    pub(super) fn discard(&self) -> io::Result<()> {
        self.dir.remove_file(&self.digest.hex(), &self.file)
    }

    /// Brings the blob to a place where nothing is yet.
    ///
    /// A file is made there in any case: what it looks like depends on the umask, and on the folder. Where the cached one
    /// looks the same, it can take its place.
    pub(super) fn place(&self, to: &Path, goes_on: GoesOn<'_>) -> Result<Placed, PackError> {
        let new = fs::File::create_new(to).map_err(PackError::Write)?;
        if looks_like(&new.metadata().map_err(PackError::Write)?, &self.metadata) {
            fs::remove_file(to).map_err(PackError::Write)?;
            if self.dir.link_out(&self.digest.hex(), &self.file, to) {
                return Ok(Placed::There);
            }
            self.copy(to, &fs::File::create_new(to).map_err(PackError::Write)?, goes_on)
        } else {
            self.copy(to, &new, goes_on)
        }
    }

    fn copy(&self, to: &Path, new: &fs::File, goes_on: GoesOn<'_>) -> Result<Placed, PackError> {
        let failed = match copy(&self.file, new.file(), goes_on) {
            Ok(copied) if copied == self.bytes() => return Ok(Placed::There),
            Ok(_) | Err(CopyError::Read(_)) => {
                self.discard().ok();
                None
            }
            Err(CopyError::Cancelled) => Some(PackError::Cancelled),
            Err(CopyError::Write(error)) => {
                let message = format!("failed to write to file `{}`: {error}", to.display());
                Some(PackError::Write(io::Error::new(error.kind(), message)))
            }
        };
        fs::remove_file(to).ok();
        failed.map_or(Ok(Placed::Damaged), Err)
    }
}

/// Whether two files are the same to everybody who does not read them.
fn looks_like(one: &Metadata, other: &Metadata) -> bool {
    (one.mode(), one.uid(), one.gid()) == (other.mode(), other.uid(), other.gid())
}

/// Hashes a file from its beginning. `None` where `progress`, which is told of each piece, did not want to go on.
fn hash(file: &File, progress: &dyn Fn(u64) -> bool) -> io::Result<Option<Digest>> {
    let mut hashing = Hashing::new(file);
    let mut buffer = vec![0; 256 << 10];
    loop {
        match hashing.read(&mut buffer) {
            Ok(0) => return Ok(Some(hashing.finish().0)),
            Ok(count) if !progress(count as u64) => return Ok(None),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
