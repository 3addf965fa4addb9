//! The files of the layer, in memory.
//!
//! Names in it lead through no symlink: where somebody names a place behind one, the link is followed first, as a
//! process would whose root the image is. What the layer does not have is looked for in [`LowerFiles`].
//!
//! 1. A directory that does not exist is made, if its name was spelled out.
//! 2. One that only a symlink leads to is not: nobody has asked for it, and it may well be that a link of a stranger is
//!    meant to lead elsewhere.
//! 3. Nothing is put into a store path of lower layers. Where a link of theirs leads there, such as `/bin` to that of a
//!    package, a directory takes its place, with links to all that is there: what it led to is found as before. Where the
//!    store path is not in the image, there is nothing to link to.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::error::{CustomisationProblem as Problem, shown, shown_bytes};
use crate::entry::{Entry, EntryKind, EntryName};
use crate::lower::{LowerFile, LowerFiles, parts_of};
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

/// Where lower layers have store paths.
const STORE: &[u8] = b"nix/store/";

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
    /// Whether it is a link to what a lower layer shows at this name: that layer's file, so to say.
    pub(super) is_lower: bool,
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

/// Where a path leads.
struct Followed {
    /// Without symlinks.
    name: EntryName,
    /// The link that leads into a store path of lower layers, if the path does not name that itself.
    into_store: Option<EntryName>,
}

/// A component of a path that is being followed.
#[derive(Clone)]
struct Step {
    component: Vec<u8>,
    /// The link that it belongs to and what that says, if not to the path itself.
    link: Option<(EntryName, Vec<u8>)>,
    /// The same, but for links in store paths, which others lead to.
    outer: Option<EntryName>,
}

/// What becomes of a directory that does not exist.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    IsMade,
    IsRefused,
}

/// Whose a new directory is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Default,
    AsAbove,
}

impl Node {
    pub(super) fn new(entry: Entry) -> Self {
        Self { entry, origin: None, is_lower: false }
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

    /// Without what only says again what lower layers have.
    pub(super) fn own_entries(&self) -> impl Iterator<Item = &Entry> {
        self.nodes.values().filter(|node| !node.is_lower).map(|node| &node.entry)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// What the layer has of its own.
    pub(super) fn get(&self, name: &EntryName) -> Option<&Node> {
        self.nodes.get(name).filter(|node| !node.is_lower)
    }

    /// Whether lower layers have a file at a name, or a link, and the layer itself nothing.
    pub(super) fn is_lower_file(&self, name: &EntryName) -> bool {
        let is_there = matches!(self.standing(name), Standing::Other(_) | Standing::Symlink(_));
        self.get(name).is_none() && (is_there || matches!(self.lower.get(name), Some(LowerFile::Symlink(_))))
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
            Standing::Symlink(_) => self.get(name).is_none(),
            // Where links of lower layers are not followed, they are links nevertheless.
            Standing::Nothing => matches!(self.lower.get(name), Some(LowerFile::Symlink(_))),
            Standing::Other(_) => false,
        }
    }

    /// Makes a directory and those above it, as far as they do not exist. Returns its name without symlinks, empty for
    /// the root.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<EntryName, Problem> {
        self.directory_for(path, Owner::Default)
    }

    fn directory_for(&mut self, path: &[u8], owner: Owner) -> Result<EntryName, Problem> {
        let parts = split(path)?;
        let name = loop {
            let Followed { name, into_store } = self.follow(&parts, path, Missing::IsMade)?;
            if let Standing::Other(kind) = self.standing(&name) {
                return Err(Problem::NotADirectory { path: shown(&name), kind });
            }
            match into_store {
                Some(link) => self.unfold(&link)?,
                None => break name,
            }
        };
        let ends = name.0.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let ends: Vec<usize> = ends.chain((!name.0.is_empty()).then_some(name.0.len())).collect();
        for end in ends {
            self.make_directory(EntryName(name.0[..end].to_vec()), owner)?;
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
        self.place_for(path, Owner::Default)
    }

    /// The same, but directories that nobody has are made for whoever owns the one above them.
    pub(super) fn place_as_above(&mut self, path: &[u8]) -> Result<EntryName, Problem> {
        self.place_for(path, Owner::AsAbove)
    }

    fn place_for(&mut self, path: &[u8], owner: Owner) -> Result<EntryName, Problem> {
        let mut parts = split(path)?;
        let Some(last) = parts.pop() else {
            return Err(invalid(path, "is the root of the image, which is a directory"));
        };
        let directory = self.directory_for(&parts.join(&b'/'), owner)?;
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
            LastLink::Follow => self.follow(&parts, path, Missing::IsRefused)?.name,
            LastLink::Keep => match parts.pop() {
                None => EntryName(Vec::new()),
                Some(last) => self.follow(&parts, path, Missing::IsRefused)?.name.child(OsStr::from_bytes(&last)),
            },
        };
        if name.0.is_empty() || self.get(&name).is_some() {
            Ok(name)
        } else {
            Err(Problem::NotThere { path: shown_bytes(path) })
        }
    }

    /// Puts a file where [`Self::place`] said. Replaces any other that is there, but for a link of lower layers to a
    /// directory.
    pub(super) fn put(&mut self, node: Node) -> Result<(), Problem> {
        let name = &node.entry.name;
        match self.standing(name) {
            Standing::Directory => return Err(Problem::IsDirectory { path: shown(name) }),
            Standing::Symlink(_) if self.get(name).is_none() => self.check_hides_nothing(&node.entry)?,
            _ => {}
        }
        self.insert(node)
    }

    /// The same, but a symlink replaces any other: whoever has made it there means it to lead elsewhere.
    pub(super) fn put_over_links(&mut self, node: Node) -> Result<(), Problem> {
        let is_link = matches!(node.entry.kind, EntryKind::Symlink { .. });
        let is_over_link = matches!(self.standing(&node.entry.name), Standing::Symlink(_));
        if is_link && is_over_link { self.insert(node) } else { self.put(node) }
    }

    /// Refuses what would take the place of a lower layer's link to a directory, unless it is a link to the same one.
    fn check_hides_nothing(&self, entry: &Entry) -> Result<(), Problem> {
        let parts: Vec<Vec<u8>> = parts_of(&entry.name.0).map(<[u8]>::to_vec).collect();
        let Some(directory) = self.leads_to_directory(&parts) else { return Ok(()) };
        if let (EntryKind::Symlink { target }, Some((_, above))) = (&entry.kind, parts.split_last()) {
            let above = if target.starts_with(b"/") { &[] } else { above };
            let parts: Vec<Vec<u8>> = above.iter().cloned().chain(parts_of(target).map(<[u8]>::to_vec)).collect();
            if self.leads_to_directory(&parts).as_ref() == Some(&directory) {
                return Ok(());
            }
        }
        Err(Problem::HidesDirectory { path: shown(&entry.name), directory: shown(&directory) })
    }

    fn leads_to_directory(&self, parts: &[Vec<u8>]) -> Option<EntryName> {
        let name = self.follow(parts, b"", Missing::IsRefused).ok()?.name;
        matches!(self.standing(&name), Standing::Directory).then_some(name)
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
            (None, Some(LowerFile::File)) => Standing::Other("a file of a layer below"),
            (None, None) => Standing::Nothing,
        }
    }

    /// Follows every symlink of a path, the last component included, to something that is no symlink.
    fn follow(&self, parts: &[Vec<u8>], path: &[u8], missing: Missing) -> Result<Followed, Problem> {
        let step = |part: &Vec<u8>| Step { component: part.clone(), link: None, outer: None };
        let mut ahead: VecDeque<Step> = parts.iter().map(step).collect();
        let mut here = EntryName(Vec::new());
        let (mut into_store, mut links) = (None, 0);
        while let Some(Step { component, link, outer }) = ahead.pop_front() {
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
                    let outer = if self.is_in_lower_store(&name) { outer } else { Some(name.clone()) };
                    let link = Some((name, target.to_vec()));
                    for part in parts_of(target).rev() {
                        ahead.push_front(Step { component: part.to_vec(), link: link.clone(), outer: outer.clone() });
                    }
                    continue;
                }
                Standing::Other(_) if ahead.is_empty() => here = name,
                Standing::Other(kind) => return Err(Problem::NotADirectory { path: shown(&name), kind }),
                Standing::Nothing => match (link, missing) {
                    (Some(_), Missing::IsMade)
                        if self.is_lower_link(outer.as_ref()) && is_in_store(&name, ahead.iter()) =>
                    {
                        return Ok(Followed { name, into_store: outer });
                    }
                    (Some((link, target)), _) => return Err(self.leads_out(&link, &target, &name)),
                    (None, Missing::IsMade) => here = name,
                    (None, Missing::IsRefused) => return Err(Problem::NotThere { path: shown_bytes(path) }),
                },
            }
            into_store = if self.is_in_lower_store(&here) { outer.or(into_store) } else { None };
        }
        Ok(Followed { name: here, into_store })
    }

    /// Whether a name is that of a store path which lower layers have, or below one.
    fn is_in_lower_store(&self, name: &EntryName) -> bool {
        let Some(below) = name.0.strip_prefix(STORE) else { return false };
        let end = below.iter().position(|byte| *byte == b'/').unwrap_or(below.len());
        self.lower.get(&EntryName(name.0[..STORE.len() + end].to_vec())).is_some()
    }

    /// Whether only lower layers have a link.
    fn is_lower_link(&self, link: Option<&EntryName>) -> bool {
        link.is_some_and(|link| self.get(link).is_none())
    }

    /// Makes a directory where lower layers have a link to one in a store path, with links to what is in that.
    fn unfold(&mut self, link: &EntryName) -> Result<(), Problem> {
        if let Some(own) = self.get(link) {
            let target =
                if let EntryKind::Symlink { target } = &own.entry.kind { shown_bytes(target) } else { String::new() };
            return Err(Problem::LeadsIntoStore { link: shown(link), target });
        }
        let parts: Vec<Vec<u8>> = parts_of(&link.0).map(<[u8]>::to_vec).collect();
        let place = self.follow(&parts, &link.0, Missing::IsRefused).map(|followed| followed.name);
        self.nodes.remove(link);
        for (end, _) in link.0.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            self.make_directory(EntryName(link.0[..end].to_vec()), Owner::Default)?;
        }
        self.make_directory(link.clone(), Owner::Default)?;
        let children: Vec<EntryName> = match place {
            Ok(place) => self.lower.children(&place).cloned().collect(),
            // Of an image without its store paths.
            Err(_) => Vec::new(),
        };
        for child in children {
            let component = child.as_path().file_name().unwrap_or_default();
            let kind = EntryKind::Symlink { target: [b"/", child.0.as_slice()].concat() };
            let entry = self.entry(link.child(component), kind, 0o777);
            self.insert(Node { entry, origin: None, is_lower: true })?;
        }
        Ok(())
    }

    /// What to say of a link that leads to nothing one knows.
    fn leads_out(&self, link: &EntryName, target: &[u8], missing: &EntryName) -> Problem {
        let is_copied = self.nodes.get(link).is_some_and(|node| node.origin.is_some());
        let (link, target, missing) = (shown(link), shown_bytes(target), shown(missing));
        if is_copied { Problem::LeadsIntoStore { link, target } } else { Problem::LeadsOut { link, target, missing } }
    }

    fn make_directory(&mut self, name: EntryName, owner: Owner) -> Result<(), Problem> {
        if self.nodes.contains_key(&name) {
            return Ok(());
        }
        let Permissions { mode, uid, gid } = match self.lower.get(&name) {
            Some(LowerFile::Directory { mode, uid, gid }) => Permissions { mode: *mode, uid: *uid, gid: *gid },
            _ => {
                let usual = USUAL_MODES.iter().find(|(usual, _)| *usual == name.0.as_slice());
                let (uid, gid) = if owner == Owner::AsAbove { self.owner_above(&name) } else { self.owner };
                Permissions { mode: usual.map_or(0o755, |(_, mode)| *mode), uid, gid }
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

/// Whether a name with what follows it is in a store path.
fn is_in_store<'a>(name: &EntryName, ahead: impl Iterator<Item = &'a Step>) -> bool {
    let ahead = ahead.map(|step| step.component.as_slice());
    let path: Vec<&[u8]> = parts_of(&name.0).chain(ahead).take(3).collect();
    matches!(path[..], [b"nix", b"store", path] if path != b"..")
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
        return Err(invalid(path, WHITEOUT));
    }
    if path.len() > MAX_PATH_BYTES || parts.iter().any(|part| part.len() > MAX_COMPONENT_BYTES) {
        return Err(invalid(path, "is longer than any path can be, or has a name in it that is"));
    }
    Ok(parts)
}

fn invalid(path: &[u8], reason: &'static str) -> Problem {
    Problem::InvalidName { path: shown_bytes(path), reason }
}
