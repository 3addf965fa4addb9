//! Copies files of this machine into the layer: `Add`, and `Import` of a directory.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::disk::{Found, FoundKind, list, look, overlay_note, path_of};
use super::error::CustomisationProblem as Problem;
use super::tree::{FileTree, Node, Permissions};
use crate::entry::{Base, Content, Entry, EntryKind, EntryName, LinksBefore, Seen};
use crate::walk::{Root, read_capability};

/// What is taken over from the disk besides content and mode.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// Nothing: owners are those of whoever unpacked the source, and there is no device in anybody's source.
    Modes,
    /// Owners, devices, FIFOs and capabilities.
    Everything,
}

/// Where the content of a file is that is called otherwise in the layer.
pub(super) fn content_at(path: &Path, links: LinksBefore, name: &EntryName, seen: Seen) -> Content {
    let base = Base { path: path.to_owned(), prefix: name.0.len(), links };
    Content::new(&Arc::new(base), seen)
}

/// `source` with a slash at its end means what is in it; `dest` with one, a place in it.
pub(super) fn add(tree: &mut FileTree, source: &Path, dest: &Path) -> Result<(), Problem> {
    let (from, into) = (source.as_os_str().as_bytes(), dest.as_os_str().as_bytes());
    let means_content = from.ends_with(b"/") || from.ends_with(b"/.") || from == b".";
    let keeps_name = into.ends_with(b"/") && !means_content;
    let name = match source.file_name() {
        Some(name) if keeps_name => name,
        None if keeps_name => {
            return Err(bad_source(source, "has no name of its own; write DEST without `/` at its end"));
        }
        _ => OsStr::new(""),
    };
    let dest = [into, b"/", name.as_bytes()].concat();
    let real = fs_err::canonicalize(source).map_err(|error| unreadable(source, error))?;
    let Found { kind, mode, .. } = look(&real)?;
    match kind {
        FoundKind::Directory if means_content => tree.directory(&dest).map(drop)?,
        FoundKind::Directory => {
            let permissions = tree.permissions(mode);
            tree.put_directory(&dest, permissions)?;
        }
        FoundKind::File(_) if means_content => {
            return Err(bad_source(source, "is a file; write it without `/` at its end"));
        }
        FoundKind::File(seen) => return add_file(tree, &dest, mode, &real, seen),
        kind => return Err(refused(source, &kind)),
    }
    copy(tree, source, &dest, Taken::Modes)
}

/// Copies one file. `source` leads through no symlink.
pub(super) fn add_file(tree: &mut FileTree, dest: &[u8], mode: u32, source: &Path, seen: Seen) -> Result<(), Problem> {
    let name = tree.place(dest)?;
    let content = content_at(source, LinksBefore::Never, &name, seen);
    let entry = tree.entry(name, EntryKind::File(content), mode);
    tree.put(Node::new(entry))
}

/// Copies what is in a directory into one of the layer.
pub(super) fn copy(tree: &mut FileTree, source: &Path, dest: &[u8], taken: Taken) -> Result<(), Problem> {
    let root = Root::real(source)?;
    let mut copy = Copy { tree, root: &root, taken };
    let into = copy.tree.directory(dest)?;
    let mut directories = vec![(EntryName(Vec::new()), into)];
    while let Some((from, into)) = directories.pop() {
        let begun = directories.len();
        copy.directory(&from, &into, &mut directories)?;
        // In order, so that of several errors it is always the first one.
        directories[begun..].reverse();
    }
    Ok(())
}

struct Copy<'a> {
    tree: &'a mut FileTree,
    root: &'a Root<'a>,
    taken: Taken,
}

impl Copy<'_> {
    /// Copies what is in one directory. Directories in it are made, and left to be copied.
    fn directory(
        &mut self,
        from: &EntryName,
        into: &EntryName,
        more: &mut Vec<(EntryName, EntryName)>,
    ) -> Result<(), Problem> {
        let base = Arc::new(self.root.base(from, into.0.len()));
        for found in list(self.root, from)? {
            let source = from.child(&found.name);
            if let Some(note) = overlay_note(&path_of(self.root, &source), &found.kind)? {
                return Err(bad_source(&path_of(self.root, &source), note.refusal()));
            }
            let permissions = match self.taken {
                Taken::Modes => self.tree.permissions(found.mode),
                Taken::Everything => Permissions { mode: found.mode, uid: found.uid, gid: found.gid },
            };
            let name = into.child(&found.name);
            if matches!(found.kind, FoundKind::Directory) {
                more.push((source, self.tree.put_directory(&name.0, permissions)?));
            } else {
                self.file(&source, &name, found, permissions, &base)?;
            }
        }
        Ok(())
    }

    fn file(
        &mut self,
        source: &EntryName,
        name: &EntryName,
        found: Found,
        permissions: Permissions,
        base: &Arc<Base>,
    ) -> Result<(), Problem> {
        // Which is what `into` and the name make, since `into` has no symlink in it.
        let name = self.tree.place(&name.0)?;
        let mut capability = None;
        let kind = match found.kind {
            FoundKind::File(seen) => {
                if self.taken == Taken::Everything {
                    capability = read_capability(&path_of(self.root, source))?;
                }
                EntryKind::File(Content::new(base, seen))
            }
            FoundKind::Symlink(target) => EntryKind::Symlink { target },
            FoundKind::Fifo if self.taken == Taken::Everything => EntryKind::Fifo,
            FoundKind::CharDevice { major, minor } if self.taken == Taken::Everything => {
                EntryKind::CharDevice { major, minor }
            }
            FoundKind::BlockDevice { major, minor } if self.taken == Taken::Everything => {
                EntryKind::BlockDevice { major, minor }
            }
            kind => return Err(refused(&path_of(self.root, source), &kind)),
        };
        let Permissions { mode, uid, gid } = permissions;
        let mode = if matches!(kind, EntryKind::Symlink { .. }) { 0o777 } else { mode };
        self.tree.put(Node::new(Entry { name, kind, mode, uid, gid, capability }))
    }
}

fn refused(path: &Path, kind: &FoundKind) -> Problem {
    let hint = match kind {
        FoundKind::Socket => "which no layer can hold",
        _ => "which only an import can bring",
    };
    bad_source(path, &format!("is {}, {hint}", kind.describe()))
}

fn bad_source(path: &Path, reason: &str) -> Problem {
    Problem::Source { path: path.to_owned(), reason: reason.to_owned() }
}

/// What to say where there is nothing, and what the system says elsewhere.
pub(super) fn unreadable(path: &Path, error: io::Error) -> Problem {
    match error.kind() {
        io::ErrorKind::NotFound => bad_source(path, "does not exist"),
        _ => Problem::Read(error),
    }
}
