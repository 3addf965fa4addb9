//! Which store paths one sees in an image.
//!
//! 1. Of each layer is noted what it does to the store: which store paths it has something of, which ones it removes,
//!    and whether it hides all that is below.
//! 2. The notes are laid upon each other, bottom-most first.
//!
//! A store path that is not the same as in a store must not be used as if it were. Its content is not known, but
//! whoever changes one in an image does so in a later layer. So a path counts as long as all layers that have something
//! of it have the same of it: the same names, kinds, lengths and links, in the same order. Directories that are only
//! named again say nothing. A path that another layer removes a part of, or adds something to, is not counted, and is
//! packed again.
//!
//! What removes something is told in [`removal`](super::removal). What is no directory hides what is below a directory
//! of that name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::error::Excess;
use super::removal::{META, OPAQUE, WHITEOUT};
use super::scan::Scan;
use crate::Digest;
use crate::image_files::{Member, MemberKind};

/// Names of store paths have at most so many bytes.
const MAX_NAME_BYTES: usize = 255;

/// So many heads of a layer are noted, of at most so many bytes. More only make [`Heads::may_say`] say yes.
const MAX_HEADS: usize = 1024;
const MAX_HEAD_BYTES: usize = 128;

/// What a layer does to the store.
#[derive(Debug, Default)]
pub(super) struct StoreNotes {
    hides_all: bool,
    removed: BTreeSet<Vec<u8>>,
    touched: BTreeMap<Vec<u8>, Touch>,
}

/// What a layer has of a store path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Touch {
    is_directory: bool,
    /// Whether there is anything but the path itself.
    has_more: bool,
    /// Whether it replaces what the layers below have.
    is_opaque: bool,
    /// Whether it removes a part of what they have.
    removes: bool,
    /// Of all that there is, in order.
    print: Digest,
}

impl StoreNotes {
    /// Notes a member of a layer, which has these parts in its name. `room` is how many paths may still be noted.
    pub(super) fn note(&mut self, parts: &[&[u8]], member: &Member, room: &AtomicU64) -> Result<(), Excess> {
        let is_directory = member.kind == MemberKind::Directory;
        match parts {
            [OPAQUE | b".wh.nix"] | [b"nix", OPAQUE | b".wh.store"] | [b"nix", b"store", OPAQUE] => {
                self.hides_all = true;
            }
            [b"nix"] | [b"nix", b"store"] if !is_directory => {
                self.hides_all = true;
                self.touched.clear();
            }
            [b"nix", b"store", name] if name.starts_with(META) => {}
            [b"nix", b"store", name] if name.starts_with(WHITEOUT) => {
                let name = &name[WHITEOUT.len()..];
                if is_store_name(name) && self.removed.insert(name.to_vec()) {
                    take(room, Excess::StorePaths)?;
                }
            }
            [b"nix", b"store", name, below @ ..] if is_store_name(name) => {
                if !self.touched.contains_key(*name) {
                    take(room, Excess::StorePaths)?;
                    self.touched.insert(name.to_vec(), Touch::new());
                }
                let touch = self.touched.get_mut(*name).expect("it was inserted if it was not there");
                touch.note(below, member);
            }
            _ => {}
        }
        Ok(())
    }
}

impl Touch {
    fn new() -> Self {
        Self { is_directory: true, has_more: false, is_opaque: false, removes: false, print: Digest::of(b"") }
    }

    fn note(&mut self, below: &[&[u8]], member: &Member) {
        match below {
            [] => {
                let is_directory = member.kind == MemberKind::Directory;
                if !is_directory || !self.is_directory {
                    // The last one of a name stands, and nothing is left of what was below.
                    *self = Self { is_directory, is_opaque: self.is_opaque, ..Self::new() };
                }
                if is_directory {
                    return;
                }
            }
            [OPAQUE] => return self.is_opaque = true,
            [.., last] if last.starts_with(META) && *last != OPAQUE => return,
            [.., last] if last.starts_with(WHITEOUT) => return self.removes = true,
            _ => self.has_more = true,
        }
        self.print = print(self.print, member);
    }

    /// Lays this upon what the layers below have.
    fn upon(&self, below: Option<&Shown>) -> Shown {
        let whole = || Shown { touch: self.clone(), is_whole: true };
        let Some(below) = below else { return whole() };
        if self.is_opaque || !self.is_directory || !below.touch.is_directory {
            return whole();
        }
        let says_nothing = !self.has_more && !self.removes;
        let is_same = self.has_more && !self.removes && self.print == below.touch.print;
        Shown { touch: below.touch.clone(), is_whole: below.is_whole && (says_nothing || is_same) }
    }
}

/// A store path as one sees it so far.
struct Shown {
    touch: Touch,
    is_whole: bool,
}

/// The store paths that one sees when all layers lie upon each other, bottom-most first.
pub(super) fn visible(layers: &[Arc<Scan>]) -> BTreeSet<String> {
    let mut shown: BTreeMap<&[u8], Shown> = BTreeMap::new();
    for StoreNotes { hides_all, removed, touched } in layers.iter().map(|layer| &layer.store) {
        if *hides_all {
            shown.clear();
        }
        for name in removed {
            shown.remove(name.as_slice());
        }
        for (name, touch) in touched {
            let upon = touch.upon(shown.get(name.as_slice()));
            shown.insert(name, upon);
        }
    }
    let whole = shown.iter().filter(|(_, shown)| shown.is_whole);
    whole.filter_map(|(name, _)| Some(format!("/nix/store/{}", std::str::from_utf8(name).ok()?))).collect()
}

fn print(before: Digest, member: &Member) -> Digest {
    let (kind, link): (u8, &[u8]) = match &member.kind {
        MemberKind::File => (0, b""),
        MemberKind::Directory => (1, b""),
        MemberKind::HardLink(link) => (2, link),
        MemberKind::Symlink(link) => (3, link),
        MemberKind::Other => (4, b""),
    };
    let lengths = [member.name.len() as u64, link.len() as u64, member.size].map(u64::to_le_bytes).concat();
    Digest::of(&[before.hex().as_bytes(), &[kind], &lengths, &member.name, link].concat())
}

/// Takes room for one more, of what there may be `too_much`.
pub(super) fn take(room: &AtomicU64, too_much: Excess) -> Result<(), Excess> {
    let taken = room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| room.checked_sub(1));
    taken.map(drop).map_err(|_| too_much)
}

/// As Nix takes them: neither `.links`, nor locks of temporary names, nor what cannot be printed.
pub(super) fn is_store_name(name: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(byte);
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && name[0] != b'.' && name.iter().all(is_part)
}

/// Of a layer's names, the first two parts: enough to know of most layers that they have nothing to say about a file.
#[derive(Debug, Default)]
pub(super) struct Heads {
    heads: BTreeSet<Vec<u8>>,
    /// Whether there are more than were noted, or some that hide others.
    says_more: bool,
}

impl Heads {
    pub(super) fn note(&mut self, parts: &[&[u8]], kind: &MemberKind) {
        let head = match parts {
            [] => return,
            // As what is within.
            [name] if *kind == MemberKind::Directory => [name, &b""[..]].join(&b'/'),
            [name] => name.to_vec(),
            [first, second, ..] => [*first, *second].join(&b'/'),
        };
        self.says_more |= parts.iter().take(2).any(|part| part.starts_with(WHITEOUT));
        if self.heads.contains(&head) {
            return;
        }
        match self.heads.len() < MAX_HEADS && head.len() <= MAX_HEAD_BYTES {
            true => drop(self.heads.insert(head)),
            false => self.says_more = true,
        }
    }

    /// Whether a layer may have, or hide, what has these parts in its name.
    pub(super) fn may_say(&self, parts: &[Vec<u8>]) -> bool {
        match parts {
            _ if self.says_more => true,
            [] => false,
            [first] => self.heads.contains(first) || self.has_directory(first),
            [first, second, ..] => {
                self.heads.contains(first) || self.heads.contains(&[first.as_slice(), second].join(&b'/'))
            }
        }
    }

    /// Whether there is a directory of that name at the top.
    pub(super) fn has_directory(&self, name: &[u8]) -> bool {
        let start = [name, b""].join(&b'/');
        self.heads.range(start.clone()..).next().is_some_and(|head| head.starts_with(&start))
    }
}
