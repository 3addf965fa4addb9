//! Which directories and symlinks one sees in an image, so that a layer above can put more beside and behind them.
//!
//! As for store paths, each layer's doings are noted, and laid upon each other. The inside of the store is left out:
//! nothing is put there. So are files: that one replaces a directory of a lower layer happens in no image that works.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::AtomicU64;

use super::error::Excess;
use super::scan::Scan;
use super::store_paths::{META, OPAQUE, WHITEOUT, take};
use crate::customisation::{LowerFile, LowerFiles};
use crate::image_files::{Attributes, Member, MemberKind};

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
    /// Notes a member of a layer, which has these parts in its name. `room` is how much may still be noted.
    pub(super) fn note(
        &mut self,
        parts: &[&[u8]],
        member: &Member,
        attributes: Option<&Attributes>,
        room: &AtomicU64,
    ) -> Result<(), Excess> {
        let Some((last, above)) = parts.split_last() else { return Ok(()) };
        if let [b"nix", b"store", ..] = above {
            return Ok(());
        }
        let name = || parts.join(&b'/');
        let is_new = match (&member.kind, attributes) {
            _ if *last == OPAQUE => self.emptied.insert(above.join(&b'/')),
            _ if last.starts_with(META) => false,
            _ if last.starts_with(WHITEOUT) => {
                self.removed.insert([above, &[&last[WHITEOUT.len()..]]].concat().join(&b'/'))
            }
            (MemberKind::Directory, Some(Attributes { mode, uid, gid, .. })) => {
                let directory = LowerFile::Directory { mode: *mode, uid: *uid, gid: *gid };
                self.files.insert(name(), directory).is_none()
            }
            (MemberKind::Symlink(target), _) => self.files.insert(name(), LowerFile::Symlink(target.clone())).is_none(),
            // The last one of a name stands.
            _ => {
                self.files.remove(&name());
                false
            }
        };
        if is_new { take(room, Excess::LowerFiles) } else { Ok(()) }
    }
}

/// What one sees with all layers, bottom-most first.
pub(super) fn visible<'a>(scans: impl Iterator<Item = &'a Scan>) -> LowerFiles {
    let mut seen: BTreeMap<&[u8], &LowerFile> = BTreeMap::new();
    for LowerNotes { files, removed, emptied } in scans.map(|scan| &scan.lower) {
        emptied.iter().for_each(|name| remove_below(&mut seen, name));
        for name in removed {
            seen.remove(name.as_slice());
            remove_below(&mut seen, name);
        }
        for (name, file) in files {
            if matches!(file, LowerFile::Symlink(_)) {
                remove_below(&mut seen, name);
            }
            seen.insert(name, file);
        }
    }
    let mut lower = LowerFiles::default();
    for (name, file) in seen {
        lower.insert(Path::new(OsStr::from_bytes(name)), file.clone());
    }
    lower
}

fn remove_below(seen: &mut BTreeMap<&[u8], &LowerFile>, name: &[u8]) {
    // Of the root, there is all below.
    let prefix = if name.is_empty() { Vec::new() } else { [name, b"/"].concat() };
    let from_there = seen.range(prefix.as_slice()..).map(|(name, _)| *name);
    let below: Vec<&[u8]> = from_there.take_while(|name| name.starts_with(&prefix)).collect();
    for name in below {
        seen.remove(name);
    }
}
