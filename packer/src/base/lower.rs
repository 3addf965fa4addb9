//! Which files one sees in an image, so that a layer above can put more beside and behind them.
//!
//! As for store paths, each layer's doings are noted, and laid upon each other. Directories and symlinks outside of
//! store paths are few, and what leads into others hangs on them. All else, regular files and what is in store paths, is
//! known as long as all of it finds room, or else nothing of it: what is known must not depend on which layer was read
//! first.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::error::Excess;
use super::removal::{META, OPAQUE, WHITEOUT};
use super::scan::Scan;
use super::store_paths::take;
use crate::image_files::{Attributes, Member, MemberKind};
use crate::lower::{LowerFile, LowerFiles};

/// What a name takes in memory besides its bytes, roughly.
const BYTES_OF_NAME: u64 = 64;

/// A directory of which nothing is said.
const USUAL_DIRECTORY: LowerFile = LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 };

/// What may be noted of all layers of an image together.
pub(super) struct LowerRoom {
    /// How many more directories and symlinks.
    files: AtomicU64,
    /// How many more bytes of all other names.
    bytes: AtomicU64,
    /// Whether these did not suffice.
    is_exceeded: AtomicBool,
}

impl LowerRoom {
    pub(super) fn new(files: usize, bytes: u64) -> Self {
        Self { files: AtomicU64::new(files as u64), bytes: AtomicU64::new(bytes), is_exceeded: AtomicBool::new(false) }
    }

    /// Whether all there is was noted, and not only directories and symlinks.
    pub(super) fn sufficed(&self) -> bool {
        !self.is_exceeded.load(Ordering::Relaxed)
    }

    fn take_bytes(&self, name: &[u8]) -> bool {
        let wanted = name.len() as u64 + BYTES_OF_NAME;
        let take = |room: u64| room.checked_sub(wanted);
        let has_room = self.sufficed() && self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok();
        if !has_room {
            self.is_exceeded.store(true, Ordering::Relaxed);
        }
        has_room
    }
}

/// What a layer has, by names from the root.
#[derive(Debug, Default)]
pub(super) struct LowerNotes {
    files: BTreeMap<Vec<u8>, LowerFile>,
    /// What it removes from the layers below; of a directory, also all that is below it.
    removed: BTreeSet<Vec<u8>>,
    /// Directories of which it removes all that the layers below have in them.
    emptied: BTreeSet<Vec<u8>>,
}

impl LowerNotes {
    /// Notes a member of a layer, which has these parts in its name.
    pub(super) fn note(
        &mut self,
        parts: &[&[u8]],
        member: &Member,
        attributes: Option<&Attributes>,
        room: &LowerRoom,
    ) -> Result<(), Excess> {
        let Some((last, above)) = parts.split_last() else { return Ok(()) };
        let is_removal = match *last {
            OPAQUE => self.emptied.insert(above.join(&b'/')),
            last if last.starts_with(META) => return Ok(()),
            last if last.starts_with(WHITEOUT) => {
                self.removed.insert([above, &[&last[WHITEOUT.len()..]]].concat().join(&b'/'))
            }
            _ => return self.note_file(parts.join(&b'/'), member, attributes, room),
        };
        if is_removal { take(&room.files, Excess::LowerFiles) } else { Ok(()) }
    }

    fn note_file(
        &mut self,
        name: Vec<u8>,
        member: &Member,
        attributes: Option<&Attributes>,
        room: &LowerRoom,
    ) -> Result<(), Excess> {
        let file = match (&member.kind, attributes) {
            (MemberKind::Directory, Some(Attributes { mode, uid, gid, .. })) => {
                LowerFile::Directory { mode: *mode, uid: *uid, gid: *gid }
            }
            (MemberKind::Directory, None) => USUAL_DIRECTORY,
            (MemberKind::Symlink(target), _) => LowerFile::Symlink(target.clone()),
            (MemberKind::File | MemberKind::HardLink(_) | MemberKind::Other, _) => LowerFile::File,
        };
        let is_counted = !is_optional(&name, &file);
        // The last one of a name stands, also where there is no room for it.
        let is_new = match self.files.get(&name) {
            Some(before) => is_counted && is_optional(&name, before),
            None => true,
        };
        if !is_new || is_counted || room.take_bytes(&name) {
            self.files.insert(name, file);
        }
        if is_new && is_counted { take(&room.files, Excess::LowerFiles) } else { Ok(()) }
    }
}

/// Whether it is known only where there is room for all like it.
fn is_optional(name: &[u8], file: &LowerFile) -> bool {
    *file == LowerFile::File || name.starts_with(b"nix/store/")
}

/// What one sees with all layers, bottom-most first. Where `all` were noted, also what is optional.
pub(super) fn visible<'a>(scans: impl Iterator<Item = &'a Scan>, all: bool) -> LowerFiles {
    let mut seen = Seen::default();
    for LowerNotes { files, removed, emptied } in scans.map(|scan| &scan.lower) {
        emptied.iter().for_each(|name| seen.remove_below(name));
        for name in removed {
            seen.files.remove(name.as_slice());
            seen.remove_below(name);
        }
        let is_known = |(name, file): &(&Vec<u8>, &LowerFile)| all || !is_optional(name, file);
        let known = || files.iter().filter(is_known);
        let hiding = known().filter(|(_, file)| !matches!(file, LowerFile::Directory { .. }));
        hiding.for_each(|(name, _)| seen.remove_below(name));
        for (name, file) in known() {
            seen.imply_above(name, |above| files.contains_key(above));
            seen.files.insert(name, file);
        }
    }
    let mut lower = LowerFiles::default();
    for (name, file) in seen.files {
        lower.insert(Path::new(OsStr::from_bytes(name)), file.clone());
    }
    lower
}

#[derive(Default)]
struct Seen<'a> {
    files: BTreeMap<&'a [u8], &'a LowerFile>,
    /// Which is known to be one.
    directory: &'a [u8],
}

impl<'a> Seen<'a> {
    fn remove_below(&mut self, name: &[u8]) {
        // Of the root, there is all below.
        let prefix = if name.is_empty() { Vec::new() } else { [name, b"/"].concat() };
        let from_there = self.files.range(prefix.as_slice()..).map(|(name, _)| *name);
        let below: Vec<&[u8]> = from_there.take_while(|name| name.starts_with(&prefix)).collect();
        for name in below {
            self.files.remove(name);
        }
        self.directory = b"";
    }

    /// A layer need not name the directories that a file is in. They replace what is no directory, but for what is
    /// `named` in the same layer.
    fn imply_above(&mut self, name: &'a [u8], named: impl Fn(&[u8]) -> bool) {
        let Some(end) = name.iter().rposition(|byte| *byte == b'/') else { return };
        if name[..end] == *self.directory {
            return;
        }
        for (at, _) in name[..=end].iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let above = &name[..at];
            let is_other = |file: &&LowerFile| !matches!(file, LowerFile::Directory { .. });
            if self.files.get(above).is_some_and(is_other) && !named(above) {
                self.files.insert(above, &USUAL_DIRECTORY);
            }
        }
        self.directory = &name[..end];
    }
}
