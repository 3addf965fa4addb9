//! Lays the files of packages upon what lower layers have.
//!
//! Packages come from one machine and a base image from another, and the two may differ in what is a directory and what
//! a symlink: `/bin` and `/lib` are directories in one, and links into `/usr` in the other. A layer with the packages'
//! own would hide all that the base has there, its shell and its C library. So, as if they were installed there:
//!
//! 1. What lies in a directory that lower layers have a link to another one for goes to where the link leads.
//! 2. A link is left out where lower layers have a directory, or a link that leads elsewhere. Programs have `/bin/sh` and
//!    `/lib64/ld-linux...` built in: so, for a link at the root, what is found through it becomes links in the directory
//!    that is there.
//! 3. A directory that lower layers have keeps its mode and its owner.
//! 4. What would hide a directory, or needs one where a file is, is refused.
//!
//! Files replace files, as in any layer. Where the base is like the machine, all stays as it is.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

use crate::entry::{Base, Content, Entry, EntryKind, EntryName};
use crate::error::PackError;
use crate::image_files::shown;
use crate::lower::{Kind, LeadsTo, LowerFile, LowerFiles, follow, parts_of};

/// The entries of packages in one layer, each with whose it is.
pub(super) type Listed<'a> = BTreeMap<EntryName, (&'a str, Entry)>;

/// Where store paths are: nobody installs packages into one.
const STORE: &[u8] = b"nix/store/";

/// Returns the entries that are to be packed, and whether these are others.
pub(super) fn upon(lower: &LowerFiles, listed: Listed<'_>) -> Result<(BTreeMap<EntryName, Entry>, bool), PackError> {
    let entries = |listed: Listed<'_>| listed.into_iter().map(|(name, (_, entry))| (name, entry)).collect();
    if lower.is_empty() {
        return Ok((entries(listed), false));
    }
    let mut upon = Upon { lower, listed: &listed, places: HashMap::new(), left_out: Vec::new(), laid: BTreeMap::new() };
    for (name, (node, entry)) in &listed {
        upon.lay(name, node, entry)?;
    }
    for (link, place) in std::mem::take(&mut upon.left_out) {
        upon.mirror(&link, &place)?;
    }
    let laid = upon.laid.into_iter().map(|(name, laid)| (name, laid.entry)).collect::<BTreeMap<_, _>>();
    let is_same = laid.len() == listed.len() && laid.values().eq(listed.values().map(|(_, entry)| entry));
    Ok((laid, !is_same))
}

struct Upon<'a> {
    lower: &'a LowerFiles,
    listed: &'a Listed<'a>,
    /// Of directories, by the names that the packages have for them.
    places: HashMap<&'a EntryName, EntryName>,
    /// Links at the root, and the directories that are there.
    left_out: Vec<(EntryName, EntryName)>,
    laid: BTreeMap<EntryName, Laid<'a>>,
}

/// An entry that has a place.
struct Laid<'a> {
    entry: Entry,
    /// Under which name a package has it.
    name: &'a EntryName,
}

/// What lower layers have at a name, at the end of all links.
enum Below {
    Nothing,
    Directory(EntryName),
    /// A link that leads to nothing yet, but could to a directory of that name.
    NoDirectory(EntryName),
    /// A file, a link to one, or one that leads nowhere.
    File,
}

impl<'a> Upon<'a> {
    fn lay(&mut self, name: &'a EntryName, node: &str, entry: &Entry) -> Result<(), PackError> {
        let here = self.place_of(name);
        match (&entry.kind, self.below(&here)) {
            (EntryKind::Directory, Below::Nothing) => self.directory(name, here, entry, node),
            (EntryKind::Directory, Below::Directory(there) | Below::NoDirectory(there)) => {
                if there.0.starts_with(STORE) && !name.0.starts_with(STORE) {
                    return Err(refused(node, name, "a directory", "a link into a store path"));
                }
                self.directory(name, there, entry, node)
            }
            (EntryKind::Directory, Below::File) => Err(refused(node, name, "a directory", "no directory")),
            (EntryKind::Symlink { target }, Below::Directory(there)) => {
                self.link(name, here, target, entry, there);
                Ok(())
            }
            (_, Below::Directory(_)) => Err(refused(node, name, "no directory", "a directory")),
            (EntryKind::Symlink { target }, _) if self.leads_to_itself(name, &here, target) => Ok(()),
            _ => self.put(name, here, entry, node),
        }
    }

    /// Where a file of the packages comes to lie, by where its directory does.
    fn place_of(&self, name: &EntryName) -> EntryName {
        let Some(slash) = name.0.iter().rposition(|byte| *byte == b'/') else { return name.clone() };
        let above = EntryName(name.0[..slash].to_vec());
        let place = self.places.get(&above).cloned().unwrap_or(above);
        place.child(OsStr::from_bytes(&name.0[slash + 1..]))
    }

    fn below(&self, name: &EntryName) -> Below {
        match self.lower.get(name) {
            None => Below::Nothing,
            Some(LowerFile::Directory { .. }) => Below::Directory(name.clone()),
            Some(LowerFile::File) => Below::File,
            Some(LowerFile::Symlink(_)) => match self.lower.follow(&EntryName(Vec::new()), &name.0) {
                LeadsTo::Directory(there) => Below::Directory(there),
                LeadsTo::Nothing(there) => Below::NoDirectory(there),
                LeadsTo::File(_) | LeadsTo::Nowhere => Below::File,
            },
        }
    }

    fn directory(&mut self, name: &'a EntryName, place: EntryName, entry: &Entry, node: &str) -> Result<(), PackError> {
        self.places.insert(name, place.clone());
        self.make_above(name, &place);
        match self.laid.get(&place) {
            _ if place.0.is_empty() => {}
            Some(there) if there.entry.kind != EntryKind::Directory => {
                return Err(one_place(node, there.name, name, &place));
            }
            Some(_) => {}
            None => {
                let entry = self.like_below(Entry { name: place.clone(), ..entry.clone() });
                self.laid.insert(place, Laid { entry, name });
            }
        }
        Ok(())
    }

    /// Every directory is in the layer before what is in it.
    fn make_above(&mut self, name: &'a EntryName, place: &EntryName) {
        for (end, _) in place.0.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let above = EntryName(place.0[..end].to_vec());
            if !self.laid.contains_key(&above) {
                let entry = self.like_below(Entry::new(above.clone(), EntryKind::Directory, 0o755));
                self.laid.insert(above, Laid { entry, name });
            }
        }
    }

    /// A directory, with the mode and the owner that it has in lower layers.
    fn like_below(&self, entry: Entry) -> Entry {
        match self.lower.get(&entry.name) {
            Some(LowerFile::Directory { mode, uid, gid }) => Entry { mode: *mode, uid: *uid, gid: *gid, ..entry },
            _ => entry,
        }
    }

    /// A symlink where lower layers have a directory, or a link that leads to one.
    fn link(&mut self, name: &'a EntryName, here: EntryName, target: &[u8], entry: &Entry, there: EntryName) {
        if matches!(self.lower.get(&here), Some(LowerFile::Symlink(same)) if same == target) {
            let entry = Entry { name: here.clone(), ..entry.clone() };
            self.laid.entry(here).or_insert(Laid { entry, name });
            return;
        }
        if !name.0.contains(&b'/') {
            self.left_out.push((name.clone(), there));
        }
    }

    /// Whether a link is to a file that comes to lie in its place, as `/usr/bin/touch` is to `/bin/touch` where both
    /// directories become one.
    fn leads_to_itself(&self, name: &EntryName, here: &EntryName, target: &[u8]) -> bool {
        let nothing = |_: &EntryName| None;
        let leads_to = |from: &EntryName, follow: &dyn Fn(&EntryName) -> LeadsTo| match follow(&above(from)) {
            LeadsTo::Directory(there) | LeadsTo::File(there) | LeadsTo::Nothing(there) => there == *from,
            LeadsTo::Nowhere => false,
        };
        let by_names = leads_to(name, &|from| follow(from, target, nothing));
        !by_names && leads_to(here, &|from| self.follow_directories(from, &target_from(here, name, target)))
    }

    /// Follows the links of lower layers, but for the last one.
    fn follow_directories(&self, from: &EntryName, target: &[u8]) -> LeadsTo {
        let Some(last) = target.iter().rposition(|byte| *byte == b'/') else {
            return LeadsTo::File(from.child(OsStr::from_bytes(target)));
        };
        match self.lower.follow(from, &target[..=last]) {
            LeadsTo::Directory(there) | LeadsTo::Nothing(there) => {
                LeadsTo::File(there.child(OsStr::from_bytes(&target[last + 1..])))
            }
            other => other,
        }
    }

    fn put(&mut self, name: &'a EntryName, here: EntryName, entry: &Entry, node: &str) -> Result<(), PackError> {
        self.make_above(name, &here);
        let entry = moved(entry, &here);
        match self.laid.get(&here) {
            Some(there) if !is_same(&there.entry, &entry) => Err(one_place(node, there.name, name, &here)),
            Some(_) => Ok(()),
            None => {
                self.laid.insert(here, Laid { entry, name });
                Ok(())
            }
        }
    }

    /// Links what the packages have behind a link of theirs into the directory that lower layers have in its place.
    fn mirror(&mut self, link: &EntryName, place: &EntryName) -> Result<(), PackError> {
        let Some(source) = self.source_of(link) else { return Ok(()) };
        // Where each directory of theirs is mirrored that is one below, too.
        let mut mirrors = HashMap::from([(source.clone(), place.clone())]);
        let start = [source.0.as_slice(), b"/"].concat();
        let listed = self.listed;
        let below = listed.range(EntryName(start.clone())..).take_while(|(name, _)| name.0.starts_with(&start));
        for (name, (node, entry)) in below {
            let (Some(mirror), Some(last)) = (mirrors.get(&above(name)), name.as_path().file_name()) else { continue };
            let (mirror, target) = (mirror.child(last), self.place_of(name));
            let is_directory = entry.kind == EntryKind::Directory;
            match self.below(&mirror) {
                Below::Directory(there) if is_directory => {
                    if self.places.get(name) != Some(&there) {
                        mirrors.insert(name.clone(), there);
                    }
                }
                Below::Directory(_) => return Err(refused(node, &mirror, "no directory", "a directory")),
                Below::File if is_directory => return Err(refused(node, &mirror, "a directory", "no directory")),
                _ if self.is_there_already(&mirror, &target) => {}
                _ => self.mirror_one(name, mirror, &target),
            }
        }
        Ok(())
    }

    /// The directory that a link at the root leads to among the packages, unless the link itself is in it.
    fn source_of(&self, link: &EntryName) -> Option<EntryName> {
        let kind = |name: &EntryName| {
            self.listed.get(name).map(|(_, entry)| match &entry.kind {
                EntryKind::Directory => Kind::Directory,
                EntryKind::Symlink { target } => Kind::Symlink(target),
                _ => Kind::File,
            })
        };
        match follow(&EntryName(Vec::new()), &link.0, kind) {
            LeadsTo::Directory(source) if !source.0.is_empty() => Some(source),
            _ => None,
        }
    }

    /// Whether one finds a file by another name already, or the other name is its own.
    fn is_there_already(&self, mirror: &EntryName, target: &EntryName) -> bool {
        let is_target = matches!(
            self.follow_directories(&EntryName(Vec::new()), &mirror.0),
            LeadsTo::File(there) if there == *target
        );
        let leads_there = match self.lower.get(mirror) {
            Some(LowerFile::Symlink(says)) => {
                matches!(self.follow_directories(&above(mirror), says), LeadsTo::File(there) if there == *target)
            }
            _ => false,
        };
        is_target || leads_there || self.laid.contains_key(mirror)
    }

    fn mirror_one(&mut self, name: &'a EntryName, mirror: EntryName, target: &EntryName) {
        self.make_above(name, &mirror);
        let kind = EntryKind::Symlink { target: [b"/", target.0.as_slice()].concat() };
        let entry = Entry::new(mirror.clone(), kind, 0o777);
        self.laid.insert(mirror, Laid { entry, name });
    }
}

fn above(name: &EntryName) -> EntryName {
    EntryName(name.0[..name.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0)].to_vec())
}

/// The same entry at another place. Its content stays where it is on this machine, and a link leads to where it did.
fn moved(entry: &Entry, to: &EntryName) -> Entry {
    let mut moved = entry.clone();
    match &mut moved.kind {
        _ if entry.name == *to => {}
        EntryKind::File(content) => {
            let base = Base { path: content.base.path_of(&entry.name), prefix: to.0.len(), links: content.base.links };
            *content = Content { base: Arc::new(base), ..content.clone() };
        }
        EntryKind::Symlink { target } => *target = target_from(to, &entry.name, target),
        _ => {}
    }
    moved.name = to.clone();
    moved
}

/// What a link says at a place, which said `target` under its own name. What is beside it has moved with it, but not what
/// is above.
fn target_from(place: &EntryName, name: &EntryName, target: &[u8]) -> Vec<u8> {
    let leads_up = !target.starts_with(b"/") && parts_of(target).any(|part| part == b"..");
    if !leads_up || above(place) == above(name) {
        return target.to_vec();
    }
    match follow(&above(name), target, |_| None) {
        LeadsTo::Directory(there) | LeadsTo::File(there) | LeadsTo::Nothing(there) => {
            [b"/", there.0.as_slice()].concat()
        }
        LeadsTo::Nowhere => target.to_vec(),
    }
}

/// Whether it makes no difference which of them is there.
fn is_same(a: &Entry, b: &Entry) -> bool {
    let is_same_kind = match (&a.kind, &b.kind) {
        // Names of one file on this machine.
        (EntryKind::File(a), EntryKind::File(b)) => a.inode == b.inode,
        (a, b) => a == b,
    };
    is_same_kind && (a.mode, a.uid, a.gid, &a.capability) == (b.mode, b.uid, b.gid, &b.capability)
}

fn refused(node: &str, name: &EntryName, is: &'static str, below: &'static str) -> PackError {
    PackError::UponOther { node: node.to_owned(), path: path(name), is, below }
}

fn one_place(node: &str, first: &EntryName, second: &EntryName, place: &EntryName) -> PackError {
    PackError::OnePlace { node: node.to_owned(), first: path(first), second: path(second), place: path(place) }
}

fn path(name: &EntryName) -> String {
    format!("/{}", shown(&name.0))
}

#[cfg(test)]
mod tests;
