//! One entry of a layer, as it was on disk when the files were walked.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::Stat;

use crate::Stamp;

/// Everything about an entry but its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The name in the tar, without the `/` at the end of a directory.
    pub(crate) name: EntryName,
    pub(crate) kind: EntryKind,
    /// Permissions with set-id and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// The extended attribute `security.capability`.
    pub(crate) capability: Option<Vec<u8>>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EntryKind {
    Directory,
    File(Content),
    Symlink { target: Vec<u8> },
    Fifo,
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
}

/// Where the content of a file is, and by what to see that it is still the same.
///
/// While we read, the time of the inode's change and the number of hard links are not looked at on purpose: a store that
/// is optimised meanwhile changes these, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    /// Of the name of the entry.
    pub(crate) base: Arc<Base>,
    pub(crate) size: u64,
    pub(crate) modified: Modified,
    pub(crate) inode: Inode,
}

/// Where entries are on this machine. Many have the same one, which takes less room than paths.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Base {
    pub(crate) path: PathBuf,
    /// So much of a name is the way to `path`.
    pub(crate) prefix: usize,
    pub(crate) links: LinksBefore,
}

impl Base {
    pub(crate) fn path_of(&self, name: &EntryName) -> PathBuf {
        let mut below = &name.0[self.prefix..];
        while let [b'/', rest @ ..] = below {
            below = rest;
        }
        // To join nothing would add a slash.
        if below.is_empty() { self.path.clone() } else { self.path.join(OsStr::from_bytes(below)) }
    }
}

impl Content {
    pub(crate) fn new(base: &Arc<Base>, seen: impl Into<Seen>) -> Self {
        let Seen { size, modified, inode } = seen.into();
        Self { base: Arc::clone(base), size, modified, inode }
    }
}

/// What a look at a file told.
#[derive(Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) size: u64,
    pub(crate) modified: Modified,
    pub(crate) inode: Inode,
}

impl From<&Metadata> for Seen {
    fn from(metadata: &Metadata) -> Self {
        let modified = Modified { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() };
        let changed = (metadata.ctime(), metadata.ctime_nsec());
        Self {
            size: metadata.len(),
            modified,
            inode: Inode { device: metadata.dev(), number: metadata.ino(), changed },
        }
    }
}

impl From<&Stat> for Seen {
    fn from(stat: &Stat) -> Self {
        let modified = Modified { seconds: stat.st_mtime, nanoseconds: stat.st_mtime_nsec.cast_signed() };
        let changed = (stat.st_ctime, stat.st_ctime_nsec.cast_signed());
        let inode = Inode { device: stat.st_dev, number: stat.st_ino, changed };
        Self { size: stat.st_size.cast_unsigned(), modified, inode }
    }
}

/// By what to see, another day, that nobody has written to a file: whoever does changes the inode's time, which cannot
/// be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Inode {
    pub(crate) device: u64,
    pub(crate) number: u64,
    /// Seconds and nanoseconds.
    pub(crate) changed: (i64, i64),
}

/// Whether a path leads through symlinks before its last component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinksBefore {
    /// It did not when the files were walked, so that any there is has replaced a directory.
    Never,
    /// It may: the root is one that has no path without links, such as `/proc/1/root`.
    Maybe,
}

/// A time of modification, to the nanosecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Modified {
    pub(crate) seconds: i64,
    pub(crate) nanoseconds: i64,
}

impl Entry {
    /// A directory of root that everybody may read, or an entry to be given other owners.
    pub(crate) fn new(name: EntryName, kind: EntryKind, mode: u32) -> Self {
        Self { name, kind, mode, uid: 0, gid: 0, capability: None }
    }

    /// The same entry with the owner of the stamp.
    pub(crate) fn of(self, stamp: &Stamp) -> Self {
        Self { uid: stamp.uid, gid: stamp.gid, ..self }
    }

    /// Bytes of content that follow the header.
    pub(crate) fn size(&self) -> u64 {
        match &self.kind {
            EntryKind::File(content) => content.size,
            _ => 0,
        }
    }
}

/// The name of an entry. Names are bytes; they need not be text.
///
/// Ordered by components, and within a component as Python orders file names, since the layers of dockerTools are sorted
/// by Python: by code points, where a byte that is not UTF-8 counts as the surrogate U+DC00 plus the byte.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct EntryName(pub(crate) Vec<u8>);

impl EntryName {
    pub(crate) fn child(&self, component: &OsStr) -> Self {
        let mut name = Vec::with_capacity(self.0.len() + component.len() + 1);
        name.extend_from_slice(&self.0);
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(component.as_bytes());
        Self(name)
    }

    pub(crate) fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// Whether unpacking the entry would remove a file instead of making one.
    pub(crate) fn is_whiteout(&self) -> bool {
        self.0.rsplit(|byte| *byte == b'/').next().is_some_and(|last| last.starts_with(b".wh."))
    }
}

impl Ord for EntryName {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_names(&self.0, &other.0)
    }
}

impl PartialOrd for EntryName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

pub(crate) fn compare_names(a: &[u8], b: &[u8]) -> Ordering {
    // The separator sorts before everything else a name can hold: `a`, `a/z`, `a b`, `a-b`.
    let rank = |byte: u8| if byte == b'/' { 0 } else { byte };
    match a.iter().zip(b).find(|(a, b)| a != b) {
        None => a.len().cmp(&b.len()),
        Some((x, y)) if x.is_ascii() && y.is_ascii() => rank(*x).cmp(&rank(*y)),
        Some(_) => code_points(a).cmp(code_points(b)),
    }
}

fn code_points(name: &[u8]) -> impl Iterator<Item = u32> {
    let points = name.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(u32::from);
        valid.chain(chunk.invalid().iter().map(|byte| 0xdc00 + u32::from(*byte)))
    });
    points.map(|point| if point == u32::from(b'/') { 0 } else { point })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_sort_before_what_continues_them() {
        let sorted: [&[u8]; 8] = [b"a", b"a/z", b"a b", b"a-b", b"a.b", b"b", "é".as_bytes(), b"\x80"];
        let mut names: Vec<EntryName> = sorted.iter().rev().map(|name| EntryName(name.to_vec())).collect();
        names.sort();
        assert_eq!(names.iter().map(|name| name.0.as_slice()).collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn bytes_that_are_no_text_sort_as_in_python() {
        // U+E000 comes after all surrogates, U+D7FF before them.
        let sorted: [&[u8]; 4] = ["\u{d7ff}".as_bytes(), b"\x80", b"\xff", "\u{e000}".as_bytes()];
        assert!(sorted.windows(2).all(|pair| compare_names(pair[0], pair[1]).is_lt()));
    }

    #[test]
    fn whiteouts_are_known_by_their_last_component() {
        let is_whiteout = |name: &[u8]| EntryName(name.to_vec()).is_whiteout();
        assert!(is_whiteout(b"usr/.wh.x") && is_whiteout(b".wh..wh..opq"));
        assert!(!is_whiteout(b"usr/x.wh.") && !is_whiteout(b".wh/x"));
    }
}
