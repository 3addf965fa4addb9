//! What lower layers have where others come to lie upon them.
//!
//! A layer hides what it has another kind of file for: a directory upon a symlink hides all that the link leads to, and a
//! symlink or a file upon a directory all that is in it. So whoever makes a layer has to know what is below: the
//! customisation layer does, and layers of packages do.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use crate::entry::{Entry, EntryKind, EntryName};

/// As many symlinks as Linux follows.
const MAX_LINKS: u32 = 40;

/// The files of lower layers, most often those of a base image.
///
/// A file at `/bin/tool` is put into `/usr/bin` where the base image has a link at `/bin`: a real directory there would
/// hide everything that the link leads to. And a directory that is needed only for what lies in it keeps the mode and
/// the owner that it has below.
#[derive(Clone, Debug, Default)]
pub struct LowerFiles {
    files: Arc<BTreeMap<EntryName, LowerFile>>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LowerFile {
    /// A directory.
    Directory {
        /// Permissions with set-id and sticky bits.
        mode: u32,
        /// The owner's user.
        uid: u32,
        /// The owner's group.
        gid: u32,
    },
    /// A symlink, with what it says.
    Symlink(Vec<u8>),
    /// A regular file, a device or a FIFO.
    File,
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum LeadsTo {
    /// To a directory of this name, without symlinks.
    Directory(EntryName),
    /// To a file of this name.
    File(EntryName),
    /// To nothing, which would have this name.
    Nothing(EntryName),
    /// Through a file, or round in a circle.
    Nowhere,
}

impl LowerFiles {
    /// Says what the topmost of the lower layers has at a path, which leads through no symlink: so all above it are
    /// directories, of root and with mode 0755 unless something else is said.
    pub fn insert(&mut self, path: &Path, file: LowerFile) {
        let files = Arc::make_mut(&mut self.files);
        let parts: Vec<&[u8]> = parts_of(path.as_os_str().as_bytes()).collect();
        for end in 1..parts.len() {
            let above = LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 };
            files.entry(EntryName(parts[..end].join(&b'/'))).or_insert(above);
        }
        files.insert(EntryName(parts.join(&b'/')), file);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    pub(crate) fn get(&self, name: &EntryName) -> Option<&LowerFile> {
        self.files.get(name)
    }

    /// The whole names of what is in a directory.
    pub(crate) fn children(&self, directory: &EntryName) -> impl Iterator<Item = &EntryName> + use<'_> {
        let start = [directory.0.as_slice(), b"/"].concat();
        let below = self.files.range(EntryName(start.clone())..).map(|(name, _)| name);
        let below = below.map(move |name| (name, name.0.strip_prefix(start.as_slice())));
        let below = below.map_while(|(name, rest)| Some((name, rest?)));
        below.filter(|(_, rest)| !rest.contains(&b'/')).map(|(name, _)| name)
    }

    /// Follows every symlink of a path that begins in a directory, the last component included.
    pub(crate) fn follow(&self, from: &EntryName, path: &[u8]) -> LeadsTo {
        follow(from, path, |name| self.get(name).map(LowerFile::kind))
    }
}

impl LowerFile {
    pub(crate) fn of(entry: &Entry) -> Self {
        match &entry.kind {
            EntryKind::Directory => Self::Directory { mode: entry.mode, uid: entry.uid, gid: entry.gid },
            EntryKind::Symlink { target } => Self::Symlink(target.clone()),
            _ => Self::File,
        }
    }

    fn kind(&self) -> Kind<'_> {
        match self {
            Self::Directory { .. } => Kind::Directory,
            Self::Symlink(target) => Kind::Symlink(target),
            Self::File => Kind::File,
        }
    }
}

/// What is at a name.
#[derive(Clone, Copy)]
pub(crate) enum Kind<'a> {
    Directory,
    Symlink(&'a [u8]),
    File,
}

/// Follows every symlink of a path, as a process would whose root holds what `at` says. Where nothing is, more may come
/// to be.
pub(crate) fn follow<'a>(from: &EntryName, path: &[u8], at: impl Fn(&EntryName) -> Option<Kind<'a>>) -> LeadsTo {
    let mut here = if path.starts_with(b"/") { EntryName(Vec::new()) } else { from.clone() };
    let mut ahead: VecDeque<Vec<u8>> = parts_of(path).map(<[u8]>::to_vec).collect();
    let (mut links, mut exists) = (0, true);
    while let Some(component) = ahead.pop_front() {
        if component == b".." {
            here.0.truncate(here.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0));
            continue;
        }
        let name = here.child(OsStr::from_bytes(&component));
        match at(&name) {
            Some(Kind::File) if ahead.is_empty() => return LeadsTo::File(name),
            Some(Kind::File) => return LeadsTo::Nowhere,
            Some(Kind::Symlink(target)) => {
                links += 1;
                if links > MAX_LINKS {
                    return LeadsTo::Nowhere;
                }
                if target.starts_with(b"/") {
                    here.0.clear();
                }
                for part in parts_of(target).rev() {
                    ahead.push_front(part.to_vec());
                }
            }
            found => {
                exists = found.is_some();
                here = name;
            }
        }
    }
    if exists || here.0.is_empty() { LeadsTo::Directory(here) } else { LeadsTo::Nothing(here) }
}

/// Empty components and `.` say nothing.
pub(crate) fn parts_of(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECTORY: LowerFile = LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 };

    fn lower() -> LowerFiles {
        let mut lower = LowerFiles::default();
        let link = |target: &str| LowerFile::Symlink(target.into());
        for (path, file) in [
            ("/usr/lib", DIRECTORY),
            ("/usr/lib/x", LowerFile::File),
            ("/usr/lib-more", LowerFile::File),
            ("/lib", link("usr/lib")),
            ("/lib64", link("/lib")),
            ("/var/run", link("../run")),
            ("/etc/up", link("..")),
            ("/a", link("b")),
            ("/b", link("a")),
        ] {
            lower.insert(Path::new(path), file);
        }
        lower
    }

    #[test]
    fn paths_are_followed_through_all_links() {
        let name = |name: &str| EntryName(name.into());
        for (path, expected) in [
            ("/lib", LeadsTo::Directory(name("usr/lib"))),
            ("lib64/x", LeadsTo::File(name("usr/lib/x"))),
            ("/lib64/x/y", LeadsTo::Nowhere),
            ("/var/run/sub", LeadsTo::Nothing(name("run/sub"))),
            ("/etc/up/lib", LeadsTo::Directory(name("usr/lib"))),
            ("/../..", LeadsTo::Directory(name(""))),
            ("/a", LeadsTo::Nowhere),
        ] {
            assert_eq!(lower().follow(&name(""), path.as_bytes()), expected, "{path}");
        }
        assert_eq!(lower().follow(&name("usr/lib"), b"../x"), LeadsTo::Nothing(name("usr/x")));
    }

    #[test]
    fn children_are_what_is_in_a_directory_and_nowhere_else() {
        let lower = lower();
        let children = |name: &str| {
            let children = lower.children(&EntryName(name.into()));
            children.map(|name| String::from_utf8(name.0.clone()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(children("usr"), ["usr/lib", "usr/lib-more"]);
        assert_eq!(children("usr/lib"), ["usr/lib/x"]);
        assert_eq!(children("usr/l"), [""; 0]);
    }
}
