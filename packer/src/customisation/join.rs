//! Joins directories, most often store paths, at the root of the image.
//!
//! Each file of a directory becomes a link to it, or a copy. Where something is there already:
//!
//! 1. A directory meets a directory: what is in them is joined.
//! 2. A symlink to a directory meets a directory, or another such link: what it leads to is joined with the other one, in
//!    a real directory. So `lib64 -> lib` of one package does not keep out what another one has in its `lib64`.
//! 3. A symlink to a directory at the root of the image is such a directory from the start, so that layers above, ours or
//!    anybody's, can have a directory of that name as well. But what is copied with its links keeps those that lead to
//!    another part of the copy, such as `bin -> usr/bin`.
//! 4. A symlink of lower layers gives way to any other symlink, and what that leads to is known to who made the package. It
//!    may be in another layer: where a link leads nowhere in its own directory, it says the same at the root.
//! 5. Else they have to be the same: one file, reached in two ways; or two files of the same content and mode.
//!
//! Two links that lead to their own directories could be joined for ever. So no more links are followed on the way down
//! than Linux would, and the number of files is limited.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::CopyMode;
use super::disk::{Found, FoundKind, list, look, path_of};
use super::error::{CustomisationProblem as Problem, shown, shown_bytes};
use super::tree::{FileTree, MAX_LINKS, Node, split};
use crate::entry::{Base, Content, EntryKind, EntryName};
use crate::lower::parts_of;
use crate::read::{OpenFile, Opener};
use crate::walk::{LastLink, ResolveError, Root};

/// What each package has for itself, by how its name ends: notes for builds that use it, and lists of what one package
/// installed. Two of them cannot be joined, and no program looks for one at the root.
const LEFT_OUT: [&[u8]; 3] = [b"/nix-support", b"/share/info/dir", b"/perllocal.pod"];

/// What to do with a file, as a hint.
const IN_A_DIRECTORY: &str =
    "put the file into one, by the name that it is to have at the root, and name that directory";

/// How much of two files is compared at once.
const COMPARED_BYTES: usize = 64 << 10;

pub(super) struct Join<'a> {
    pub(super) root: &'a Root<'a>,
    pub(super) mode: CopyMode,
    pub(super) tree: &'a mut FileTree,
}

/// A directory below the root of the request.
struct Place {
    /// Without symlinks, to be read from.
    disk: EntryName,
    /// As a process in the image reaches it.
    image: EntryName,
    /// How many links to directories were followed for it.
    links: u32,
    /// What becomes of the files in it.
    mode: CopyMode,
}

/// What one meets where a file is to be.
struct Leaf {
    image: EntryName,
    found: Found,
    base: Arc<Base>,
    mode: CopyMode,
}

impl Join<'_> {
    pub(super) fn path(mut self, path: &Path) -> Result<(), Problem> {
        let bytes = path.as_os_str().as_bytes();
        let refuse = |reason: String| Err(Problem::Source { path: path.to_owned(), reason });
        if !bytes.starts_with(b"/") {
            return refuse("is no absolute path; write it as it is in the image".into());
        }
        let image = EntryName(split(bytes)?.join(&b'/'));
        let disk = match self.root.locate(bytes, LastLink::Keep) {
            Ok(name) => name,
            Err(error) => return Err(unresolved(path, error)),
        };
        let mode = self.mode;
        let from = match look(&path_of(self.root, &disk))?.kind {
            FoundKind::Directory => Place { disk, image, links: 0, mode },
            FoundKind::Symlink(target) => match self.leads_to_directory(&image, 0, mode)? {
                Some(place) => place,
                None => {
                    let target = shown_bytes(&target);
                    return refuse(format!("is a symlink to `{target}`, and that is no directory; {IN_A_DIRECTORY}"));
                }
            },
            kind => return refuse(format!("is {}, and no directory; {IN_A_DIRECTORY}", kind.describe())),
        };
        self.fill(&from, &EntryName(Vec::new()))
    }

    /// Joins what is in a directory with what is in one of the layer.
    fn fill(&mut self, from: &Place, into: &EntryName) -> Result<(), Problem> {
        let base = Arc::new(self.root.base(&from.disk, into.0.len()));
        for found in list(self.root, &from.disk)? {
            let (image, name) = (from.image.child(&found.name), into.child(&found.name));
            let with_slash = [b"/", image.0.as_slice()].concat();
            if LEFT_OUT.iter().any(|end| with_slash.ends_with(end)) {
                continue;
            }
            match found.kind {
                FoundKind::Directory => {
                    let disk = from.disk.child(&found.name);
                    self.directory(&Place { disk, image, links: from.links, mode: from.mode }, name)?;
                }
                FoundKind::Symlink(ref target) if into.0.is_empty() => match self.at_the_root(from, &image, target)? {
                    Some(place) => self.directory(&place, name)?,
                    None => {
                        let leaf = Leaf { image, found, base: Arc::clone(&base), mode: from.mode };
                        self.leaf(leaf, name, from.links)?;
                    }
                },
                FoundKind::File(_) | FoundKind::Symlink(_) => {
                    let leaf = Leaf { image, found, base: Arc::clone(&base), mode: from.mode };
                    self.leaf(leaf, name, from.links)?;
                }
                kind => {
                    let path = path_of(self.root, &from.disk.child(&found.name));
                    let reason = format!("is {}, which cannot be copied to the root", kind.describe());
                    return Err(Problem::Source { path, reason });
                }
            }
        }
        Ok(())
    }

    /// Joins a directory with what is at a name.
    fn directory(&mut self, from: &Place, name: EntryName) -> Result<(), Problem> {
        if let Some(there) = self.tree.get(&name)
            && let Some(origin) = there.origin.clone()
        {
            let Some(place) = self.leads_to_directory(&origin, from.links, from.mode)? else {
                return Err(conflict(&name, there.describe(), format!("the directory `{}`", shown(&from.image))));
            };
            self.tree.remove(&name);
            self.tree.directory(&name.0)?;
            self.fill(&place, &name)?;
        }
        let into = self.tree.directory(&name.0)?;
        self.fill(from, &into)
    }

    /// Joins a file or a symlink with what is at a name.
    fn leaf(&mut self, leaf: Leaf, name: EntryName, links: u32) -> Result<(), Problem> {
        let is_free = self.tree.get(&name).is_none() && !self.tree.may_be_directory(&name);
        if is_free {
            let node = self.node(leaf, name)?;
            return self.tree.put(node);
        }
        if let Some(there) = self.tree.get(&name)
            && self.is_same(there, &leaf, &name)?
        {
            return Ok(());
        }
        let is_link = matches!(leaf.found.kind, FoundKind::Symlink(_));
        let directory = if is_link { self.leads_to_directory(&leaf.image, links, leaf.mode)? } else { None };
        match (directory, self.tree.get(&name)) {
            (Some(place), _) => self.directory(&place, name),
            // A link of a lower layer, which a file replaces as it would any other file, if it leads to one.
            (None, None) => {
                let node = self.node(leaf, name)?;
                if is_link { self.tree.put_over_links(node) } else { self.tree.put(node) }
            }
            (None, Some(there)) => Err(conflict(&name, there.describe(), format!("`{}`", shown(&leaf.image)))),
        }
    }

    fn node(&self, leaf: Leaf, name: EntryName) -> Result<Node, Problem> {
        let kind = self.kind(&leaf, &name)?;
        let mode = if matches!(kind, EntryKind::Symlink { .. }) { 0o777 } else { leaf.found.mode };
        Ok(Node { origin: Some(leaf.image), ..Node::new(self.tree.entry(name, kind, mode)) })
    }

    /// What becomes of a leaf.
    fn kind(&self, leaf: &Leaf, name: &EntryName) -> Result<EntryKind, Problem> {
        Ok(match (leaf.mode, &leaf.found.kind) {
            (CopyMode::Links, FoundKind::Symlink(target))
                if stays_below(name, target) && self.follow(&leaf.image)?.is_none() =>
            {
                EntryKind::Symlink { target: target.clone() }
            }
            (CopyMode::Links, _) => EntryKind::Symlink { target: [b"/", leaf.image.0.as_slice()].concat() },
            (CopyMode::Files, FoundKind::File(seen)) => EntryKind::File(Content::new(&leaf.base, *seen)),
            (CopyMode::Files, FoundKind::Symlink(target)) => EntryKind::Symlink { target: target.clone() },
            (CopyMode::Files, _) => unreachable!("only files and symlinks are leaves"),
        })
    }

    /// Whether it makes no difference which of them is there.
    fn is_same(&self, there: &Node, leaf: &Leaf, name: &EntryName) -> Result<bool, Problem> {
        let is_link = matches!(there.entry.kind, EntryKind::Symlink { .. });
        if is_link && there.entry.kind == self.kind(leaf, name)? {
            return Ok(true);
        }
        let Some(end) = self.follow(&leaf.image)? else { return Ok(false) };
        let there = match (&there.origin, &there.entry.kind) {
            (Some(origin), _) => match self.follow(origin)? {
                Some(name) if name == end => return Ok(true),
                Some(name) => self.file(name)?,
                None => None,
            },
            (None, EntryKind::File(content)) => {
                Some(End { name: name.clone(), content: content.clone(), mode: there.entry.mode })
            }
            _ => None,
        };
        match (there, self.file(end)?) {
            (Some(a), Some(b)) => Ok(a.mode == b.mode && same_content(&a, &b)?),
            _ => Ok(false),
        }
    }

    /// The file that has this name below the root, without symlinks, if it is one.
    fn file(&self, name: EntryName) -> Result<Option<End>, Problem> {
        let found = look(&path_of(self.root, &name))?;
        let FoundKind::File(seen) = found.kind else { return Ok(None) };
        let content = Content::new(&Arc::new(self.root.base(&name, name.0.len())), seen);
        Ok(Some(End { name, content, mode: found.mode }))
    }

    /// The directory that a link becomes at the root of the image, unless it stays a link.
    fn at_the_root(&self, from: &Place, image: &EntryName, target: &[u8]) -> Result<Option<Place>, Problem> {
        let Some(place) = self.leads_to_directory(image, from.links, CopyMode::Links)? else { return Ok(None) };
        if from.mode == CopyMode::Links {
            return Ok(Some(place));
        }
        if place.disk.as_path().starts_with(from.disk.as_path()) {
            return Ok(None);
        }
        // As the link says it: the copy need not be in the image under any other name.
        let parts: Vec<&[u8]> = parts_of(target).collect();
        let is_plain = target.starts_with(b"/") && !parts.contains(&&b".."[..]);
        let image = if is_plain { EntryName(parts.join(&b'/')) } else { place.disk.clone() };
        Ok(Some(Place { image, ..place }))
    }

    fn leads_to_directory(&self, image: &EntryName, links: u32, mode: CopyMode) -> Result<Option<Place>, Problem> {
        let Some(disk) = self.follow(image)? else { return Ok(None) };
        if !matches!(look(&path_of(self.root, &disk))?.kind, FoundKind::Directory) {
            return Ok(None);
        }
        if links >= MAX_LINKS {
            return Err(Problem::TooManyLinks { path: shown(image) });
        }
        Ok(Some(Place { disk, image: image.clone(), links: links + 1, mode }))
    }

    /// `None` for what leads nowhere, or round in a circle: such links may be in packages.
    fn follow(&self, image: &EntryName) -> Result<Option<EntryName>, Problem> {
        match self.root.locate(&image.0, LastLink::Follow) {
            Ok(name) => Ok(Some(name)),
            Err(ResolveError::Missing | ResolveError::TooManyLinks) => Ok(None),
            Err(ResolveError::Io(error)) => Err(Problem::Read(error)),
        }
    }
}

/// Whether a link cannot lead out of the directory in which its name begins.
fn stays_below(name: &EntryName, target: &[u8]) -> bool {
    let depth = parts_of(&name.0).count().saturating_sub(1);
    !target.starts_with(b"/") && parts_of(target).filter(|part| *part == b"..").count() <= depth
}

/// A file to be compared.
struct End {
    name: EntryName,
    content: Content,
    mode: u32,
}

fn same_content(a: &End, b: &End) -> Result<bool, Problem> {
    if a.content.size != b.content.size {
        return Ok(false);
    }
    let open = |end: &End| Opener::default().open(&end.name, &end.content, COMPARED_BYTES as u64);
    let (mut a, mut b) = (open(a)?, open(b)?);
    let (mut left, mut right) = (vec![0; COMPARED_BYTES], vec![0; COMPARED_BYTES]);
    loop {
        let (read, also) = (fill(&mut a, &mut left)?, fill(&mut b, &mut right)?);
        if left[..read] != right[..also] {
            return Ok(false);
        }
        if read == 0 {
            return Ok(true);
        }
    }
}

fn fill(file: &mut OpenFile, out: &mut [u8]) -> Result<usize, Problem> {
    let mut filled = 0;
    while filled < out.len() {
        match file.read(&mut out[filled..])? {
            0 => break,
            more => filled += more,
        }
    }
    Ok(filled)
}

fn conflict(name: &EntryName, first: String, second: String) -> Problem {
    Problem::Conflict { path: shown(name), first, second }
}

fn unresolved(path: &Path, error: ResolveError) -> Problem {
    match error {
        ResolveError::Missing => {
            let reason = "does not exist below the root, or not as a directory".to_owned();
            Problem::Source { path: path.to_owned(), reason }
        }
        ResolveError::TooManyLinks => Problem::TooManyLinks { path: path.display().to_string() },
        ResolveError::Io(error) => Problem::Read(error),
    }
}

#[cfg(test)]
mod tests;
