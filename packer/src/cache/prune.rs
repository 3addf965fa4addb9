//! Making room.
//!
//! 1. What earlier runs began and did not finish goes.
//! 2. Records that are damaged go, and blobs that no record names; but not young ones, since a run that is going on keeps
//!    the blob first and then writes its record.
//! 3. Records that were not used for too long go. Then those that were used least lately, until what is left fits. With
//!    the last record that names it, a blob goes too.
//!
//! Files whose names are not ours are somebody's and are neither counted nor touched.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use serde::Serialize;

use super::record::LayerKey;
use super::{Known, LayerCache};
use crate::Digest;
use crate::cache_dir::{CacheEntry, WhichBegun, is_older};

/// Nobody takes longer between a blob and its record.
const YOUNG: Duration = Duration::from_secs(3600);

/// What was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pruned {
    /// Layers that are no longer known.
    pub records: usize,
    /// Their blobs, and those of nobody.
    pub blobs: usize,
    /// How long all these files were.
    pub bytes: u64,
}

/// What is in the cache, while some of it is removed.
struct Stock<'c> {
    cache: &'c LayerCache,
    records: Vec<(CacheEntry, Option<Known>)>,
    blobs: BTreeMap<Digest, CacheEntry>,
    /// How many records name a blob.
    uses: BTreeMap<Digest, usize>,
    bytes: u64,
    pruned: Pruned,
}

impl LayerCache {
    /// Removes what was used least lately until it fits the size the cache was opened with.
    ///
    /// # Errors
    ///
    /// As for [`Self::prune`].
    pub fn trim(&self) -> io::Result<Pruned> {
        self.prune(self.limit_bytes, None)
    }

    /// Removes what was used least lately until at most `limit_bytes` are left, and what was not used for so long.
    ///
    /// # Errors
    ///
    /// Where the cache cannot be read, or something in it not be removed.
    pub fn prune(&self, limit_bytes: u64, unused_for: Option<Duration>) -> io::Result<Pruned> {
        for dir in [&self.known, self.blobs.dir()] {
            dir.remove_begun(WhichBegun::Abandoned)?;
        }
        let mut stock = Stock::take(self)?;
        stock.remove_unnamed(|blob| is_older(blob.changed, YOUNG))?;
        stock.remove_unused(limit_bytes, unused_for)?;
        Ok(stock.pruned)
    }

    /// Removes everything.
    ///
    /// # Errors
    ///
    /// Where the cache cannot be read, or something in it not be removed.
    pub fn clear(&self) -> io::Result<Pruned> {
        for dir in [&self.known, self.blobs.dir()] {
            dir.remove_begun(WhichBegun::All)?;
        }
        let mut stock = Stock::take(self)?;
        stock.remove_unnamed(|_| true)?;
        stock.remove_unused(0, None)?;
        Ok(stock.pruned)
    }

    /// Records, as far as they can be read, with when they were used.
    pub(super) fn records(&self) -> io::Result<Vec<(CacheEntry, Option<Known>)>> {
        let mut records = Vec::new();
        for entry in self.known.entries()? {
            if let Some(key) = LayerKey::of_name(&entry.name) {
                let known = self.read(&key).and_then(|(_, known)| known);
                records.push((entry, known));
            }
        }
        Ok(records)
    }
}

impl<'c> Stock<'c> {
    /// Blobs first: what comes while we look has its record then, or is young.
    fn take(cache: &'c LayerCache) -> io::Result<Self> {
        let blobs: BTreeMap<Digest, CacheEntry> = cache.blobs.list()?.into_iter().collect();
        let mut records = cache.records()?;
        records.sort_by(|(a, _), (b, _)| (b.modified, &b.name).cmp(&(a.modified, &a.name)));
        let mut uses = BTreeMap::new();
        for known in records.iter().filter_map(|(_, known)| known.as_ref()) {
            *uses.entry(known.blob.digest).or_default() += 1;
        }
        let bytes = blobs.values().chain(records.iter().map(|(entry, _)| entry)).map(|entry| entry.bytes).sum();
        Ok(Self { cache, records, blobs, uses, bytes, pruned: Pruned::default() })
    }

    /// Removes damaged records, and such blobs as no record names.
    fn remove_unnamed(&mut self, which: impl Fn(&CacheEntry) -> bool) -> io::Result<()> {
        let damaged: Vec<_> = self.records.extract_if(.., |(_, known)| known.is_none()).collect();
        damaged.iter().try_for_each(|(entry, _)| self.remove_record(entry))?;
        let is_unnamed = |(digest, entry): &(&Digest, &CacheEntry)| !self.uses.contains_key(digest) && which(entry);
        let unnamed: Vec<Digest> = self.blobs.iter().filter(is_unnamed).map(|(digest, _)| *digest).collect();
        unnamed.iter().try_for_each(|digest| self.remove_blob(digest))
    }

    /// The records at the end were used least lately.
    fn remove_unused(&mut self, limit_bytes: u64, unused_for: Option<Duration>) -> io::Result<()> {
        while let Some((entry, known)) = self.records.pop() {
            let is_unused = unused_for.is_some_and(|age| is_older(entry.modified, age));
            if self.bytes <= limit_bytes && !is_unused {
                break;
            }
            // Were the run to end here, the blob would be one that no record names.
            self.remove_record(&entry)?;
            let Some(digest) = known.map(|known| known.blob.digest) else { continue };
            let uses = self.uses.entry(digest).or_default();
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                self.remove_blob(&digest)?;
            }
        }
        Ok(())
    }

    fn remove_record(&mut self, entry: &CacheEntry) -> io::Result<()> {
        self.bytes -= entry.bytes;
        if self.cache.known.try_remove(&entry.name)? {
            self.pruned.records += 1;
            self.pruned.bytes += entry.bytes;
        }
        Ok(())
    }

    fn remove_blob(&mut self, digest: &Digest) -> io::Result<()> {
        let Some(entry) = self.blobs.remove(digest) else { return Ok(()) };
        self.bytes -= entry.bytes;
        if self.cache.blobs.dir().try_remove(&entry.name)? {
            self.pruned.blobs += 1;
            self.pruned.bytes += entry.bytes;
        }
        Ok(())
    }
}
