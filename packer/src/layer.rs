//! The files of a layer. How long their tar is, is known from the walk; [`LayerTar`] makes it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::entry::{Entry, EntryKind};
use crate::error::PackError;
use crate::layer_tar::LayerTar;
use crate::walk::{Tree, TreeEntries};
use crate::{DiffId, Digest, Stamp, tar};

/// The entries of a layer, in order, each name once.
#[derive(Debug)]
pub(crate) struct LayerFiles {
    parts: Vec<Part>,
    extent: Extent,
    /// Of the zeros after the last entry.
    trailer: usize,
    tar_bytes: u64,
    stamp: Arc<Stamp>,
    /// Whether the files are others than without the layers below.
    pub(crate) is_adapted: bool,
}

/// A stretch of entries.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) extent: Extent,
    pub(crate) entries: Entries,
}

#[derive(Debug)]
pub(crate) enum Entries {
    Remembered(Vec<Entry>),
    /// Too many to be remembered.
    OnDisk(Tree),
}

/// What was learnt of entries by walking them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extent {
    /// Of their part of the tar.
    length: u64,
    fingerprint: Fingerprint,
}

/// Tells files from what they are when somebody has written to them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fingerprint {
    /// Of entries, and of the inodes behind them.
    seen: Sha256,
    /// The last change of any of the files: seconds and nanoseconds since the epoch.
    pub(crate) last_change: (i64, i64),
}

/// A layer that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) diff_id: DiffId,
    pub(crate) digest: Digest,
    pub(crate) tar_bytes: u64,
    pub(crate) blob_bytes: u64,
}

impl Part {
    pub(crate) fn remembered(entries: Vec<Entry>, stamp: &Stamp) -> Result<Self, PackError> {
        let mut extent = Extent::default();
        entries.iter().try_for_each(|entry| extent.add(entry, stamp))?;
        Ok(Self { extent, entries: Entries::Remembered(entries) })
    }
}

impl Extent {
    pub(crate) fn add(&mut self, entry: &Entry, stamp: &Stamp) -> Result<(), PackError> {
        self.grow(tar::entry_length(entry, stamp), || Path::new("/").join(entry.name.as_path()))?;
        self.fingerprint.add(entry);
        Ok(())
    }

    /// Goes on with what comes behind these entries, of which `last` is the last place.
    pub(crate) fn join(&mut self, next: &Self, last: impl FnOnce() -> PathBuf) -> Result<(), PackError> {
        self.grow(Some(next.length), last)?;
        self.fingerprint.join(&next.fingerprint);
        Ok(())
    }

    /// More than half of what a number can say is nothing but the holes of sparse files.
    fn grow(&mut self, more: Option<u64>, last: impl FnOnce() -> PathBuf) -> Result<(), PackError> {
        self.length = more
            .and_then(|more| self.length.checked_add(more))
            .filter(|length| i64::try_from(*length).is_ok())
            .ok_or_else(|| PackError::LayerTooLong { path: last() })?;
        Ok(())
    }
}

impl Fingerprint {
    fn add(&mut self, entry: &Entry) {
        let Entry { name, kind, mode, uid, gid, capability } = entry;
        let mut bytes = Vec::with_capacity(256);
        bytes.push(0);
        let mut push = |numbers: &[i64]| numbers.iter().for_each(|number| bytes.extend(number.to_be_bytes()));
        push(&[*mode, *uid, *gid].map(i64::from));
        let (flag, target): (u8, &[u8]) = match kind {
            EntryKind::Directory => (b'd', b""),
            EntryKind::File(content) => {
                let (inode, modified) = (content.inode, content.modified);
                push(&[content.size, inode.device, inode.number].map(u64::cast_signed));
                push(&[inode.changed.0, inode.changed.1, modified.seconds, modified.nanoseconds]);
                self.last_change = self.last_change.max(inode.changed);
                (b'f', b"")
            }
            EntryKind::Symlink { target } => (b'l', target),
            EntryKind::Fifo => (b'p', b""),
            EntryKind::CharDevice { major, minor } | EntryKind::BlockDevice { major, minor } => {
                push(&[*major, *minor].map(i64::from));
                (if matches!(kind, EntryKind::CharDevice { .. }) { b'c' } else { b'b' }, b"")
            }
        };
        // Each text with its length, and as many numbers as the kind has: so no two lists of entries are the same bytes.
        for text in [&name.0, target, capability.as_deref().unwrap_or_default()] {
            bytes.extend((text.len() as u64).to_be_bytes());
            bytes.extend(text);
        }
        bytes[0] = flag;
        self.seen.update(&bytes);
    }

    fn join(&mut self, other: &Self) {
        self.seen.update(other.seen.clone().finalize());
        self.last_change = self.last_change.max(other.last_change);
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::finish(self.seen.clone())
    }
}

impl LayerFiles {
    pub(crate) fn new(parts: Vec<Part>, stamp: &Arc<Stamp>) -> Result<Self, PackError> {
        let mut extent = Extent::default();
        for part in &parts {
            extent.join(&part.extent, || part.entries.place())?;
        }
        let trailer = tar::trailer(extent.length);
        let tar_bytes = extent.length + trailer as u64;
        Ok(Self { parts, extent, trailer, tar_bytes, stamp: Arc::clone(stamp), is_adapted: false })
    }

    #[cfg(test)]
    pub(crate) fn of_entries(entries: Vec<Entry>) -> Result<Self, PackError> {
        let stamp = Arc::default();
        Self::new(vec![Part::remembered(entries, &stamp)?], &stamp)
    }

    /// The size of the tar, known before any file is read.
    pub(crate) fn tar_bytes(&self) -> u64 {
        self.tar_bytes
    }

    /// Whether not all entries are in memory.
    pub(crate) fn is_walked_again(&self) -> bool {
        self.parts.iter().any(|part| matches!(part.entries, Entries::OnDisk(_)))
    }

    /// How many entries are in memory.
    pub(crate) fn remembered(&self) -> usize {
        let count = |part: &Part| if let Entries::Remembered(entries) = &part.entries { entries.len() } else { 0 };
        self.parts.iter().map(count).sum()
    }

    pub(crate) fn fingerprint(&self) -> &Fingerprint {
        &self.extent.fingerprint
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Result<Cow<'_, Entry>, PackError>> {
        self.parts.iter().flat_map(|part| match &part.entries {
            Entries::Remembered(entries) => PartEntries::Remembered(entries.iter()),
            Entries::OnDisk(tree) => {
                let (entries, left) = (tree.entries(), Some(part.extent.length));
                PartEntries::OnDisk(WalkedAgain { tree, entries, left, stamp: &self.stamp })
            }
        })
    }

    /// The tar, of which nothing is read yet. So many files are `ahead`: open before it is their turn.
    pub(crate) fn tar(&self, ahead: usize) -> LayerTar<'_> {
        LayerTar::new(Box::new(self.entries()), ahead, self.trailer, &self.stamp)
    }
}

impl Entries {
    /// Where they are, roughly.
    fn place(&self) -> PathBuf {
        let name = match self {
            Self::Remembered(entries) => entries.last().map(|entry| &entry.name),
            Self::OnDisk(tree) => Some(&tree.name),
        };
        name.map_or_else(|| "/".into(), |name| Path::new("/").join(name.as_path()))
    }
}

enum PartEntries<'a> {
    Remembered(std::slice::Iter<'a, Entry>),
    OnDisk(WalkedAgain<'a>),
}

impl<'a> Iterator for PartEntries<'a> {
    type Item = Result<Cow<'a, Entry>, PackError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Remembered(entries) => entries.next().map(Cow::Borrowed).map(Ok),
            Self::OnDisk(entries) => entries.next().map(|entry| entry.map(Cow::Owned)),
        }
    }
}

/// The second walk of a tree, which must be as long as the first one was: the tar's length is written already.
struct WalkedAgain<'a> {
    tree: &'a Tree,
    entries: TreeEntries<'a>,
    /// `None` once the end is known.
    left: Option<u64>,
    stamp: &'a Stamp,
}

impl Iterator for WalkedAgain<'_> {
    type Item = Result<Entry, PackError>;

    fn next(&mut self) -> Option<Self::Item> {
        let left = self.left?;
        let Some(entry) = self.entries.next() else {
            self.left = None;
            return (left > 0).then(|| Err(self.tree.changed()));
        };
        let checked = entry.and_then(|entry| {
            let left = tar::entry_length(&entry, self.stamp)
                .and_then(|length| left.checked_sub(length))
                .ok_or_else(|| self.tree.changed())?;
            Ok((entry, left))
        });
        self.left = checked.as_ref().ok().map(|(_, left)| *left);
        Some(checked.map(|(entry, _)| entry))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::Compression;
    use crate::compress::BLOCK_BYTES;
    use crate::entry::{Base, Content, EntryName, LinksBefore};
    use crate::fixture::{Fixture, H, plan, pseudo_random, store_plan, write_layer, write_layer_with};
    use crate::lane::PIECE_BYTES;
    use crate::walk::Root;

    fn layer_of(content: &[u8]) -> (Fixture, LayerFiles) {
        let fixture = Fixture::new();
        fixture.file(&format!("{H}-a"), 0o444, content);
        let layer = fixture.walk(&plan(&[&[&format!("{H}-a")]])).unwrap().remove(0);
        (fixture, layer)
    }

    /// Three blocks of tar. A change here is a change of the packing profile.
    #[test]
    fn blobs_of_several_blocks_are_pinned() {
        let (_fixture, layer) = layer_of(&pseudo_random(9 << 20));
        for (compression, members, digest) in [
            (Compression::None, 1, "30d652f4d117a72ca911cc5786b3d137e7b36494423ec4775c3aad4af7b7e0d3"),
            (Compression::default(), 3, "6ef31285861f3465c54d2d5b4a343afc7c2ea4e95b058ebf400d2649ad735d7d"),
            (Compression::Zstd { level: 3 }, 3, "bc69ba182585a8c8e2ac9cef434da4b871f1c0ecda6e89ae2a3e7b10eea2452c"),
        ] {
            let (blob, bytes) = write_layer(&layer, compression).unwrap();
            assert_eq!(blob.digest.hex(), digest, "{compression}");
            assert_eq!((blob.digest, blob.blob_bytes), (Digest::of(&bytes), bytes.len() as u64));
            let facts = crate::verify::examine(&bytes);
            assert_eq!((facts.0.unwrap(), facts.1.max(1)), (blob.diff_id, members));
        }
    }

    #[test]
    fn size_is_known_before_reading() {
        for length in [0, 1, 511, 512, 513, 9_216 - 3 * 512, 10_240, BLOCK_BYTES - 2048, BLOCK_BYTES] {
            let (_fixture, layer) = layer_of(&vec![7; length]);
            let (blob, bytes) = write_layer(&layer, Compression::None).unwrap();
            assert_eq!((layer.tar_bytes(), blob.blob_bytes), (bytes.len() as u64, bytes.len() as u64));
            assert_eq!(bytes.len() % 10_240, 0);
        }
    }

    #[test]
    fn sparse_files_are_packed_as_their_bytes() {
        let fixture = Fixture::new();
        let name = format!("{H}-a");
        fs_err::File::create(fixture.at(&name)).unwrap().set_len(3 << 20).unwrap();
        fixture.chmod(&name, 0o444);
        let sparse = fixture.walk(&plan(&[&[&name]])).unwrap().remove(0);
        let (_fixture, plain) = layer_of(&vec![0; 3 << 20]);
        let digest = |layer| write_layer(layer, Compression::None).unwrap().0.digest;
        assert_eq!(digest(&sparse), digest(&plain));
    }

    #[test]
    fn sparse_files_longer_than_any_tar_are_an_error() {
        let stat = rustix::fs::stat("/").unwrap();
        let base = Arc::new(Base { path: "/x".into(), prefix: 0, links: LinksBefore::Never });
        let content = || Content { size: i64::MAX.unsigned_abs(), ..Content::new(&base, &stat) };
        let entry = |name: &[u8]| Entry::new(EntryName(name.to_vec()), EntryKind::File(content()), 0o644);
        for entries in [vec![entry(b"a/b")], vec![entry(b"a/b"), entry(b"c"), entry(b"d")]] {
            let message = LayerFiles::of_entries(entries).unwrap_err().to_string();
            assert_eq!(message, "with `/a/b` a layer is longer than 8 EiB");
        }
    }

    #[test]
    fn file_that_changes_after_the_walk_is_an_error() {
        let (fixture, layer) = layer_of(b"before");
        fixture.file(&format!("{H}-a"), 0o444, b"after the walk");
        assert!(matches!(write_layer(&layer, Compression::None), Err(PackError::FileChanged { .. })));
    }

    #[test]
    fn layer_stops_where_progress_fails() {
        let (_fixture, layer) = layer_of(&pseudo_random(9 << 20));
        for threads in [1, 3] {
            for (compression, block) in [(Compression::None, PIECE_BYTES), (Compression::default(), BLOCK_BYTES)] {
                let told = AtomicU64::new(0);
                let stop = |bytes| {
                    told.fetch_add(bytes, Ordering::Relaxed);
                    Err(PackError::Cancelled)
                };
                let stopped = write_layer_with(&layer, compression, threads, &stop);
                assert!(matches!(stopped, Err(PackError::Cancelled)));
                assert_eq!(told.into_inner(), block as u64);
            }
        }
    }

    #[test]
    fn threads_share_a_layer_without_changing_it() {
        let (_fixture, layer) = layer_of(&pseudo_random(41 << 20));
        for compression in ["none", "gzip:1", "zstd:1"].map(|text| text.parse().unwrap()) {
            let alone = write_layer(&layer, compression).unwrap();
            for threads in [2, 3, 7] {
                assert!(write_layer_with(&layer, compression, threads, &|_| Ok(())).unwrap() == alone, "{compression}");
            }
        }
    }

    /// A tree, as it is when it has too many entries to be remembered.
    fn on_disk(fixture: &Fixture, name: &str) -> (LayerFiles, LayerFiles) {
        let walk = || fixture.walk(&plan(&[&[name]])).unwrap().remove(0);
        let (mut layer, remembered) = (walk(), walk());
        let root = Root::real(fixture.root()).unwrap();
        let tree = Tree::find(name, Path::new(name), &root, &Arc::default(), &mut Vec::new()).unwrap().unwrap();
        layer.parts[1].entries = Entries::OnDisk(tree);
        (layer, remembered)
    }

    #[test]
    fn walking_again_gives_the_same_layer() {
        let fixture = Fixture::store();
        let (again, remembered) = on_disk(&fixture, &format!("{H}-a"));
        assert_eq!(again.entries().count(), 5);
        let written = |layer| write_layer(layer, Compression::None).unwrap();
        assert!(written(&again) == written(&remembered));
    }

    #[test]
    fn tree_that_is_longer_or_shorter_when_walked_again_is_an_error() {
        for change in [
            (|fixture: &Fixture| fixture.file(&format!("{H}-a/more"), 0o444, b"")) as fn(&Fixture),
            |fixture| fixture.file(&format!("{H}-a/hello"), 0o444, &[0; 5000]),
            |fixture| fs_err::remove_file(fixture.at(&format!("{H}-a/link"))).unwrap(),
        ] {
            let fixture = Fixture::store();
            let (layer, _) = on_disk(&fixture, &format!("{H}-a"));
            change(&fixture);
            let message = write_layer(&layer, Compression::None).unwrap_err().to_string();
            assert!(message.ends_with("-a` changed while it was read"), "{message}");
        }
    }

    #[test]
    fn fingerprint_tells_what_was_written_to() {
        let fixture = Fixture::store();
        let seen = || fixture.walk(&store_plan()).unwrap()[0].fingerprint().digest();
        let before = seen();
        assert_eq!(seen(), before);
        // The same size, and the same time of modification.
        let hello = fixture.at(&format!("{H}-a/hello"));
        let modified = fs_err::metadata(&hello).unwrap().modified().unwrap();
        fixture.chmod(&format!("{H}-a/hello"), 0o755);
        fs_err::write(&hello, b"#!/bin/xx\n").unwrap();
        fs_err::File::options().write(true).open(&hello).unwrap().into_file().set_modified(modified).unwrap();
        fixture.chmod(&format!("{H}-a/hello"), 0o555);
        assert_ne!(seen(), before);
    }
}
