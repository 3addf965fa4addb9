//! The files of the layer, in memory.
//!
//! Names in it lead through no symlink: where somebody names a place behind one, the link is followed first, as a
//! process would whose root the image is. What the layer does not have is looked for in [`LowerFiles`].
//!
//! 1. A directory that does not exist is made, if its name was spelled out.
//! 2. One that only a symlink leads to is not: nobody has asked for it, and it may well be that a link of a stranger is
//!    meant to lead elsewhere.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::error::{CustomisationProblem as Problem, shown, shown_bytes};
use super::lower::{LowerFile, LowerFiles};
use crate::entry::{Entry, EntryKind, EntryName};
use crate::walk::LastLink;

/// As many symlinks as Linux follows.
pub(super) const MAX_LINKS: u32 = 40;

/// As long as paths may be for Linux, and each component of them.
pub(super) const MAX_PATH_BYTES: usize = 4096;
const MAX_COMPONENT_BYTES: usize = 255;

/// All of it is in memory. More than this are the files of packages, which have layers of their own.
pub(super) const MAX_ENTRIES: usize = 1 << 20;

/// All names and link targets together.
const MAX_TEXT_BYTES: usize = 256 << 20;

/// As a reason.
const WHITEOUT: &str = "has a name in it that begins with `.wh.`, which removes files instead of making one";

/// Directories that are not 0755 where nobody says anything else.
const USUAL_MODES: [(&[u8], u32); 3] = [(b"tmp", 0o1777), (b"var/tmp", 0o1777), (b"root", 0o700)];

/// The files of the layer.
#[derive(Clone, Debug)]
pub(super) struct FileTree {
    nodes: BTreeMap<EntryName, Node>,
    lower: LowerFiles,
    owner: (u32, u32),
    text_bytes: usize,
    /// Whether everything is to be where it is put, also where a lower layer has a symlink to a directory.
    is_for_scripts: bool,
}

/// An entry, with where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) entry: Entry,
    /// What was copied to the root, by its name below the root of the request.
    pub(super) origin: Option<EntryName>,
}

/// Whose a file is, and what one may do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Permissions {
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

/// What is known to be at a name.
enum Standing<'a> {
    Nothing,
    Directory,
    Symlink(&'a [u8]),
    Other(&'static str),
}

/// What becomes of a directory that does not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    IsMade,
    IsRefused,
}

impl Node {
    pub(super) fn new(entry: Entry) -> Self {
        Self { entry, origin: None }
    }

    /// What it is, for a message.
    pub(super) fn describe(&self) -> String {
        match (&self.origin, &self.entry.kind) {
            (Some(origin), _) => format!("`{}`", shown(origin)),
            (None, EntryKind::Directory) => "a directory".into(),
            (None, EntryKind::Symlink { target }) => format!("a symlink to `{}`", shown_bytes(target)),
            (None, EntryKind::File(_)) => "a file that was put there before".into(),
            (None, _) => "a device or FIFO that was put there before".into(),
        }
    }
}

impl FileTree {
    pub(super) fn new(owner: (u32, u32), lower: LowerFiles) -> Self {
        Self { nodes: BTreeMap::new(), lower, owner, text_bytes: 0, is_for_scripts: false }
    }

    /// The same, but symlinks of lower layers are not followed: what is put behind them stays where it was put.
    pub(super) fn for_scripts(self) -> Self {
        Self { is_for_scripts: true, ..self }
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.nodes.values().map(|node| &node.entry)
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The default owner, a user and a group.
    pub(super) fn owner(&self) -> (u32, u32) {
        self.owner
    }

    /// A tree without files upon the same lower layers.
    pub(super) fn emptied(&self) -> Self {
        Self::new(self.owner, self.lower.clone())
    }

    /// Who owns the directory that this is in: the default owner, where it has no entry.
    pub(super) fn owner_above(&self, name: &EntryName) -> (u32, u32) {
        let end = name.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        self.nodes.get(&EntryName(name.0[..end].to_vec())).map_or(self.owner, |node| (node.entry.uid, node.entry.gid))
    }

    /// Whether a lower layer has a directory with this name, which leads through no symlink.
    pub(super) fn is_lower_directory(&self, name: &EntryName) -> bool {
        matches!(self.lower.get(name), Some(LowerFile::Directory { .. }))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    pub(super) fn get(&self, name: &EntryName) -> Option<&Node> {
        self.nodes.get(name)
    }

    /// With the default owner.
    pub(super) fn permissions(&self, mode: u32) -> Permissions {
        Permissions { mode, uid: self.owner.0, gid: self.owner.1 }
    }

    /// An entry of the default owner.
    pub(super) fn entry(&self, name: EntryName, kind: EntryKind, mode: u32) -> Entry {
        let (uid, gid) = self.owner;
        Entry { uid, gid, ..Entry::new(name, kind, mode) }
    }

    /// Whether there is a directory at a name, or a lower layer has one or a symlink there.
    pub(super) fn may_be_directory(&self, name: &EntryName) -> bool {
        match self.standing(name) {
            Standing::Directory => true,
            _ => !self.nodes.contains_key(name) && matches!(self.lower.get(name), Some(LowerFile::Symlink(_))),
        }
    }

    /// Makes a directory and those above it, as far as they do not exist. Returns its name without symlinks, empty for
    /// the root.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<EntryName, Problem> {
        let name = self.follow(&split(path)?, path, Missing::IsMade)?;
        if let Standing::Other(kind) = self.standing(&name) {
            return Err(Problem::NotADirectory { path: shown(&name), kind });
        }
        let ends = name.0.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let ends: Vec<usize> = ends.chain((!name.0.is_empty()).then_some(name.0.len())).collect();
        for end in ends {
            self.make_directory(EntryName(name.0[..end].to_vec()))?;
        }
        Ok(name)
    }

    /// Makes a directory that is like this, or makes one like this that is there. Returns its name without symlinks.
    pub(super) fn put_directory(&mut self, path: &[u8], permissions: Permissions) -> Result<EntryName, Problem> {
        let name = self.directory(path)?;
        // The root has no entry: its metadata is the container tool's.
        if let Some(node) = self.nodes.get_mut(&name) {
            let Permissions { mode, uid, gid } = permissions;
            node.entry = Entry { mode, uid, gid, ..node.entry.clone() };
        }
        Ok(name)
    }

    /// The name that a file will have: symlinks before the last component are followed. Its directory is made.
    pub(super) fn place(&mut self, path: &[u8]) -> Result<EntryName, Problem> {
        let mut parts = split(path)?;
        let Some(last) = parts.pop() else {
            return Err(invalid(path, "is the root of the image, which is a directory"));
        };
        let directory = self.directory(&parts.join(&b'/'))?;
        let name = directory.child(OsStr::from_bytes(&last));
        if name.0.len() > MAX_PATH_BYTES {
            return Err(invalid(&name.0, "is longer than any path can be"));
        }
        Ok(name)
    }

    /// Finds what is in the layer.
    pub(super) fn find(&self, path: &[u8], last: LastLink) -> Result<EntryName, Problem> {
        let mut parts = split(path)?;
        let name = match last {
            LastLink::Follow => self.follow(&parts, path, Missing::IsRefused)?,
            LastLink::Keep => match parts.pop() {
                None => EntryName(Vec::new()),
                Some(last) => self.follow(&parts, path, Missing::IsRefused)?.child(OsStr::from_bytes(&last)),
            },
        };
        if name.0.is_empty() || self.nodes.contains_key(&name) {
            Ok(name)
        } else {
            Err(Problem::NotThere { path: shown_bytes(path) })
        }
    }

    /// Puts a file where [`Self::place`] said. Replaces any other that is there.
    pub(super) fn put(&mut self, node: Node) -> Result<(), Problem> {
        if let Standing::Directory = self.standing(&node.entry.name) {
            return Err(Problem::IsDirectory { path: shown(&node.entry.name) });
        }
        self.insert(node)
    }

    pub(super) fn remove(&mut self, name: &EntryName) {
        self.nodes.remove(name);
    }

    /// What is at a name, and everything below it. The root has no entry, but all is below it.
    pub(super) fn with_all_below(&mut self, name: &EntryName) -> impl Iterator<Item = &mut Entry> {
        let is_below = |other: &EntryName| {
            let rest = other.0.strip_prefix(name.0.as_slice());
            rest.is_some_and(|rest| name.0.is_empty() || matches!(rest, [] | [b'/', ..]))
        };
        let nodes = self.nodes.range_mut(name.clone()..).take_while(move |(other, _)| is_below(other));
        nodes.map(|(_, node)| &mut node.entry)
    }

    pub(super) fn get_mut(&mut self, name: &EntryName) -> Option<&mut Entry> {
        self.nodes.get_mut(name).map(|node| &mut node.entry)
    }

    fn standing(&self, name: &EntryName) -> Standing<'_> {
        if name.0.is_empty() {
            return Standing::Directory;
        }
        match (self.nodes.get(name), self.lower.get(name)) {
            (Some(node), _) => match &node.entry.kind {
                EntryKind::Directory => Standing::Directory,
                EntryKind::Symlink { target } => Standing::Symlink(target),
                EntryKind::File(_) => Standing::Other("a file"),
                EntryKind::Fifo => Standing::Other("a FIFO"),
                EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } => Standing::Other("a device"),
            },
            (None, Some(LowerFile::Directory { .. })) => Standing::Directory,
            (None, Some(LowerFile::Symlink(_))) if self.is_for_scripts => Standing::Nothing,
            (None, Some(LowerFile::Symlink(target))) => Standing::Symlink(target),
            (None, None) => Standing::Nothing,
        }
    }

    /// Follows every symlink of a path, the last component included, to something that is no symlink.
    fn follow(&self, parts: &[Vec<u8>], path: &[u8], missing: Missing) -> Result<EntryName, Problem> {
        /// A component, with the link that it belongs to, if not to the path itself.
        type Step = (Vec<u8>, Option<(EntryName, Vec<u8>)>);
        let mut ahead: VecDeque<Step> = parts.iter().map(|part| (part.clone(), None)).collect();
        let mut here = EntryName(Vec::new());
        let mut links = 0;
        while let Some((component, link)) = ahead.pop_front() {
            if component == b".." {
                here.0.truncate(here.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
                continue;
            }
            let name = here.child(OsStr::from_bytes(&component));
            if name.0.len() > MAX_PATH_BYTES {
                return Err(invalid(path, "leads to a longer path than any can be"));
            }
            match self.standing(&name) {
                Standing::Directory => here = name,
                Standing::Symlink(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Problem::TooManyLinks { path: shown_bytes(path) });
                    }
                    if target.starts_with(b"/") {
                        here.0.clear();
                    }
                    let link = (name, target.to_vec());
                    for part in parts_of(target).rev() {
                        ahead.push_front((part.to_vec(), Some(link.clone())));
                    }
                }
                Standing::Other(_) if ahead.is_empty() => here = name,
                Standing::Other(kind) => return Err(Problem::NotADirectory { path: shown(&name), kind }),
                Standing::Nothing => match (link, missing) {
                    (Some((link, target)), _) => return Err(self.leads_out(&link, &target, &name)),
                    (None, Missing::IsMade) => here = name,
                    (None, Missing::IsRefused) => return Err(Problem::NotThere { path: shown_bytes(path) }),
                },
            }
        }
        Ok(here)
    }

    /// What to say of a link that leads to nothing one knows.
    fn leads_out(&self, link: &EntryName, target: &[u8], missing: &EntryName) -> Problem {
        let is_copied = self.nodes.get(link).is_some_and(|node| node.origin.is_some());
        let (link, target, missing) = (shown(link), shown_bytes(target), shown(missing));
        if is_copied { Problem::LeadsIntoStore { link, target } } else { Problem::LeadsOut { link, target, missing } }
    }

    fn make_directory(&mut self, name: EntryName) -> Result<(), Problem> {
        if self.nodes.contains_key(&name) {
            return Ok(());
        }
        let Permissions { mode, uid, gid } = match self.lower.get(&name) {
            Some(LowerFile::Directory { mode, uid, gid }) => Permissions { mode: *mode, uid: *uid, gid: *gid },
            _ => {
                let usual = USUAL_MODES.iter().find(|(usual, _)| *usual == name.0.as_slice());
                self.permissions(usual.map_or(0o755, |(_, mode)| *mode))
            }
        };
        self.insert(Node::new(Entry { uid, gid, ..Entry::new(name, EntryKind::Directory, mode) }))
    }

    fn insert(&mut self, node: Node) -> Result<(), Problem> {
        if node.entry.name.is_whiteout() {
            return Err(invalid(&node.entry.name.0, WHITEOUT));
        }
        let target = if let EntryKind::Symlink { target } = &node.entry.kind { target.len() } else { 0 };
        self.text_bytes += node.entry.name.0.len() + target;
        if self.nodes.len() >= MAX_ENTRIES {
            return Err(Problem::TooMuch("a million files"));
        }
        if self.text_bytes > MAX_TEXT_BYTES {
            return Err(Problem::TooMuch("256 MiB of names"));
        }
        self.nodes.insert(node.entry.name.clone(), node);
        Ok(())
    }
}

/// The components of a path in the image, from the root, as it was given or as an archive names it.
pub(super) fn split(path: &[u8]) -> Result<Vec<Vec<u8>>, Problem> {
    let parts: Vec<Vec<u8>> = parts_of(path).map(<[u8]>::to_vec).collect();
    if parts.iter().any(|part| part == b"..") {
        return Err(invalid(path, "has `..` in it, which may lead anywhere"));
    }
    if path.contains(&0) {
        return Err(invalid(path, "has a NUL in it"));
    }
    if parts.iter().any(|part| part.starts_with(b".wh.")) {
        return Err(invalid(
            path,
            "has a name in it that begins with `.wh.`, which removes files instead of making one",
        ));
    }
    if path.len() > MAX_PATH_BYTES || parts.iter().any(|part| part.len() > MAX_COMPONENT_BYTES) {
        return Err(invalid(path, "is longer than any path can be, or has a name in it that is"));
    }
    Ok(parts)
}

/// Empty components and `.` say nothing.
fn parts_of(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."))
}

fn invalid(path: &[u8], reason: &'static str) -> Problem {
    Problem::InvalidName { path: shown_bytes(path), reason }
}
