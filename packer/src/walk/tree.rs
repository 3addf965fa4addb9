//! Walks a store path: itself and everything below it.
//!
//! Hard links become files of their own, since whether a store has them depends on whether it was optimised.

use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::sync::Arc;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, fstat, openat, readlinkat, statat};
use rustix::io::Errno;

use super::resolve::{ResolveError, Root, components};
use super::{Room, WalkRequest};
use crate::Stamp;
use crate::entry::{Base, Content, Entry, EntryKind, EntryName, compare_names};
use crate::error::{FileChange, MissingFile, PackError};
use crate::layer::{Entries, Extent, Part};
use crate::progress::Observer;

/// So many files are looked at by one thread.
const FILES_AT_ONCE: usize = 64;

/// How deep directories stay open: a process may have a thousand files, and several threads walk.
const MAX_OPEN_DIRECTORIES: usize = 16;

/// A store path that is there.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    /// In the image.
    pub(crate) name: EntryName,
    node: String,
    base: Arc<Base>,
    /// Of its files in the image.
    stamp: Arc<Stamp>,
}

impl Tree {
    /// Finds a store path. Returns `None` where it is missing, and says so in `missing`.
    pub(crate) fn find(
        node: &str,
        path: &Path,
        root: &Root<'_>,
        stamp: &Arc<Stamp>,
        missing: &mut Vec<MissingFile>,
    ) -> Result<Option<Self>, PackError> {
        let (parent, last) = split_store_path(path).map_err(|reason| PackError::InvalidPath {
            node: node.to_owned(),
            path: path.to_owned(),
            reason,
        })?;
        let found = root.resolve(parent).and_then(|resolved| {
            let name = resolved.directory.child(&last);
            root.metadata(&name)?;
            Ok(root.base(&name, path.as_os_str().len()))
        });
        match found {
            Ok(base) => Ok(Some(Self {
                name: EntryName(path.as_os_str().as_bytes().to_vec()),
                node: node.to_owned(),
                base: base.into(),
                stamp: Arc::clone(stamp),
            })),
            Err(ResolveError::Missing) => {
                missing.push(MissingFile { node: node.to_owned(), path: root.named_path(path), listed: None });
                Ok(None)
            }
            Err(ResolveError::TooManyLinks) => {
                Err(PackError::TooManyLinks { node: node.to_owned(), path: root.named_path(path) })
            }
            Err(ResolveError::Io(error)) => Err(PackError::Read(error)),
        }
    }

    /// The entries under their absolute names, sorted by components. Looks at the disk as it goes.
    pub(crate) fn entries(&self) -> TreeEntries<'_> {
        TreeEntries { tree: self, begun: false, directories: Vec::new() }
    }

    /// Walks it in parallel on the current thread pool.
    pub(super) fn walk(self, request: WalkRequest<'_>) -> Result<Part, PackError> {
        let mut walked = Walked::default();
        let WalkRequest { room, observer, .. } = request;
        Branch { tree: &self, depth: 0, room, observer }.add(self.enter()?, &mut walked)?;
        let entries = walked.entries.map_or(Entries::OnDisk(self), Entries::Remembered);
        Ok(Part { extent: walked.extent, entries })
    }

    fn enter(&self) -> Result<Entered, PackError> {
        enter(self, (CWD, &self.base.path), self.name.clone(), FileType::Unknown)
    }

    fn entry(&self, name: EntryName, kind: EntryKind, mode: u32) -> Entry {
        Entry::new(name, kind, mode).of(&self.stamp)
    }

    /// Tells a file that was there a moment ago from one that cannot be read.
    fn failed(&self, what: &str, name: &EntryName, error: Errno) -> PackError {
        let path = self.base.path_of(name);
        match error {
            Errno::NOENT => PackError::FileChanged { path, change: FileChange::Vanished },
            Errno::NOTDIR | Errno::LOOP | Errno::INVAL => PackError::FileChanged { path, change: FileChange::Replaced },
            _ => {
                let message = format!("failed to {what} `{}`: {error}", path.display());
                PackError::Read(io::Error::new(error.kind(), message))
            }
        }
    }

    /// What to say when two walks of it find different things.
    pub(crate) fn changed(&self) -> PackError {
        PackError::FileChanged { path: self.base.path.clone(), change: FileChange::Changed }
    }
}

/// What was found so far.
struct Walked {
    extent: Extent,
    /// `None` where there is no room for all of them.
    entries: Option<Vec<Entry>>,
}

impl Default for Walked {
    fn default() -> Self {
        Self { extent: Extent::default(), entries: Some(Vec::new()) }
    }
}

impl Walked {
    fn push(&mut self, entry: Entry, stamp: &Stamp, room: &Room) -> Result<(), PackError> {
        self.extent.add(&entry, stamp)?;
        if let Some(entries) = &mut self.entries {
            if room.take() {
                entries.push(entry);
            } else {
                self.forget(room);
            }
        }
        Ok(())
    }

    fn append(&mut self, mut next: Self, directory: &EntryName, room: &Room) -> Result<(), PackError> {
        self.extent.join(&next.extent, || directory.as_path().to_owned())?;
        if let (Some(entries), Some(more)) = (&mut self.entries, &mut next.entries) {
            entries.append(more);
        } else {
            self.forget(room);
            next.forget(room);
        }
        Ok(())
    }

    fn forget(&mut self, room: &Room) {
        room.give_back(self.entries.take().map_or(0, |entries| entries.len()));
    }
}

/// Walks what is below a directory, several of its children at once.
#[derive(Clone, Copy)]
struct Branch<'a> {
    tree: &'a Tree,
    depth: usize,
    room: &'a Room,
    observer: &'a dyn Observer,
}

impl Branch<'_> {
    fn add(self, (entry, directory): Entered, walked: &mut Walked) -> Result<(), PackError> {
        if self.observer.cancelled() {
            return Err(PackError::Cancelled);
        }
        walked.push(entry, &self.tree.stamp, self.room)?;
        match directory {
            Some(directory) if self.depth < MAX_OPEN_DIRECTORIES => self.add_below(&directory, walked),
            Some(directory) => {
                let below = TreeEntries { tree: self.tree, begun: true, directories: vec![directory.closed()] };
                below.into_iter().try_for_each(|entry| self.add((entry?, None), walked))
            }
            None => Ok(()),
        }
    }

    fn add_below(self, directory: &OpenDirectory, walked: &mut Walked) -> Result<(), PackError> {
        let below = Self { depth: self.depth + 1, ..self };
        let names = &directory.children;
        // Behind a directory there may be much more than behind many files.
        let is_file = |place: &NamePlace| place.kind != FileType::Directory;
        let runs = names.places.chunk_by(|a, b| is_file(a) && is_file(b));
        let runs: Vec<&[NamePlace]> = runs.flat_map(|run| run.chunks(FILES_AT_ONCE)).collect();
        let add_run = |run: &[NamePlace], walked: &mut Walked| {
            run.iter().try_for_each(|place| {
                let entered = directory.enter(self.tree, names.name(place), place.kind)?;
                below.add(entered, walked)
            })
        };
        if let [run] = runs[..] {
            return add_run(run, walked);
        }
        let parts = runs.par_iter().map(|run| {
            let mut part = Walked::default();
            add_run(run, &mut part).map(|()| part)
        });
        // One after the other, so that of several errors it is always the first one.
        let parts: Vec<Result<Walked, PackError>> = parts.collect();
        parts.into_iter().try_for_each(|part| walked.append(part?, &directory.name, self.room))
    }
}

/// An entry, with the directory behind it if it is one.
type Entered = (Entry, Option<OpenDirectory>);

/// The entries of a [`Tree`]. Holds the directories that it is in, and nothing else.
pub(crate) struct TreeEntries<'a> {
    tree: &'a Tree,
    begun: bool,
    /// Outermost first. As many as the longest path that the kernel takes has.
    directories: Vec<OpenDirectory>,
}

struct OpenDirectory {
    name: EntryName,
    /// Names are looked up from here, which is twice as fast as from the root. Not where there are too many of these.
    file: Option<OwnedFd>,
    children: SortedNames,
}

impl Iterator for TreeEntries<'_> {
    type Item = Result<Entry, PackError>;

    fn next(&mut self) -> Option<Self::Item> {
        let entered = if self.begun {
            while self.directories.pop_if(|directory| directory.children.is_at_end()).is_some() {}
            let directory = self.directories.last_mut()?;
            let place = directory.children.advance();
            directory.enter(self.tree, directory.children.name(&place), place.kind)
        } else {
            self.begun = true;
            self.tree.enter()
        };
        Some(entered.map(|(entry, directory)| {
            let is_deep = self.directories.len() >= MAX_OPEN_DIRECTORIES;
            self.directories.extend(directory.map(|directory| if is_deep { directory.closed() } else { directory }));
            entry
        }))
    }
}

impl OpenDirectory {
    fn enter(&self, tree: &Tree, child: &OsStr, kind: FileType) -> Result<Entered, PackError> {
        let name = self.name.child(child);
        match &self.file {
            Some(file) => enter(tree, (file.as_fd(), Path::new(child)), name, kind),
            None => enter(tree, (CWD, &tree.base.path_of(&name)), name, kind),
        }
    }

    fn closed(self) -> Self {
        Self { file: None, ..self }
    }
}

/// Looks at what is at a place, as seen from some directory. `kind` is a guess.
fn enter(tree: &Tree, place: (BorrowedFd<'_>, &Path), name: EntryName, kind: FileType) -> Result<Entered, PackError> {
    if name.is_whiteout() {
        return Err(PackError::Whiteout { node: tree.node.clone(), path: tree.base.path_of(&name) });
    }
    match kind {
        FileType::Directory => directory(tree, place, name),
        // Symlinks have no mode, so these need not be looked at.
        FileType::Symlink => symlink(tree, place, name),
        _ => {
            let stat = statat(place.0, place.1, AtFlags::SYMLINK_NOFOLLOW);
            let stat = stat.map_err(|error| tree.failed("look at", &name, error))?;
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => directory(tree, place, name),
                FileType::Symlink => symlink(tree, place, name),
                FileType::RegularFile => {
                    let content = Content::new(&tree.base, &stat);
                    Ok((tree.entry(name, EntryKind::File(content), stat.st_mode & 0o7777), None))
                }
                kind => {
                    let (node, path) = (tree.node.clone(), tree.base.path_of(&name));
                    Err(PackError::UnsupportedFile { node, path, kind: describe(kind) })
                }
            }
        }
    }
}

fn symlink(tree: &Tree, (from, at): (BorrowedFd<'_>, &Path), name: EntryName) -> Result<Entered, PackError> {
    let target = readlinkat(from, at, Vec::new()).map_err(|error| tree.failed("read the link", &name, error))?;
    Ok((tree.entry(name, EntryKind::Symlink { target: target.into_bytes() }, 0o777), None))
}

fn directory(tree: &Tree, (from, at): (BorrowedFd<'_>, &Path), name: EntryName) -> Result<Entered, PackError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let failed = |error| tree.failed("read the directory", &name, error);
    let file = openat(from, at, flags, Mode::empty()).map_err(failed)?;
    let stat = fstat(&file).map_err(failed)?;
    let children = SortedNames::read(&file).map_err(failed)?;
    let entry = tree.entry(name.clone(), EntryKind::Directory, stat.st_mode & 0o7777);
    Ok((entry, Some(OpenDirectory { name, file: Some(file), children })))
}

/// Splits a path into its directory and last component, if it is spelled in the one way that a store path is.
fn split_store_path(path: &Path) -> Result<(&[u8], OsString), &'static str> {
    let bytes = path.as_os_str().as_bytes();
    let parts: Vec<Vec<u8>> = components(bytes).collect();
    if !bytes.starts_with(b"/") {
        return Err("is no absolute path");
    }
    let plain: usize = parts.iter().map(|part| part.len() + 1).sum();
    if plain != bytes.len() || parts.iter().any(|part| part == b"..") {
        return Err("has empty components, `.` or `..`");
    }
    let last = parts.last().ok_or("is the root, which cannot be a node")?.clone();
    Ok((&bytes[..bytes.len() - last.len()], OsString::from_vec(last)))
}

/// The names in a directory, which may be hundreds of thousands: so in one piece.
struct SortedNames {
    bytes: Vec<u8>,
    places: Vec<NamePlace>,
    /// Of the next one.
    at: usize,
}

/// Where a name begins and ends, and what it is a name of, if the file system tells.
#[derive(Clone, Copy)]
struct NamePlace {
    begin: u32,
    end: u32,
    kind: FileType,
}

impl SortedNames {
    fn read(directory: &OwnedFd) -> Result<Self, Errno> {
        let (mut bytes, mut places) = (Vec::new(), Vec::new());
        let mut buffer = [MaybeUninit::uninit(); 8 << 10];
        let mut entries = RawDir::new(directory, &mut buffer);
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name != b"." && name != b".." {
                let place = |at| u32::try_from(at).map_err(|_| Errno::OVERFLOW);
                let begin = place(bytes.len())?;
                bytes.extend_from_slice(name);
                places.push(NamePlace { begin, end: place(bytes.len())?, kind: entry.file_type() });
            }
        }
        let name = |place: &NamePlace| &bytes[place.begin as usize..place.end as usize];
        places.sort_unstable_by(|a, b| compare_names(name(a), name(b)));
        Ok(Self { bytes, places, at: 0 })
    }

    fn name(&self, place: &NamePlace) -> &OsStr {
        OsStr::from_bytes(&self.bytes[place.begin as usize..place.end as usize])
    }

    fn is_at_end(&self) -> bool {
        self.at == self.places.len()
    }

    /// Not at the end.
    fn advance(&mut self) -> NamePlace {
        self.at += 1;
        self.places[self.at - 1]
    }
}

fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
        _ => "device",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ffi::OsStr;
    use std::io::Read;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use crate::Compression;
    use crate::fixture::{Fixture, H, plan, write_layer};

    /// What is put into a store path, below a name.
    #[derive(Clone, Debug)]
    enum Node {
        File { mode: u32, content: Vec<u8> },
        Symlink(Vec<u8>),
        Directory(Vec<(Vec<u8>, Node)>),
    }

    fn name() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![8 => any::<u8>(), 2 => Just(b'-'), 2 => Just(b'.'), 1 => Just(0xc3), 1 => Just(0xa9)];
        vec(byte, 1..120).prop_map(|mut name| {
            // The reader that checks us splits pax records at newlines, wherever they are.
            name.iter_mut().filter(|byte| matches!(**byte, 0 | b'/' | b'\n')).for_each(|byte| *byte = b'x');
            // Neither `.` nor `..` nor a whiteout.
            name.insert(0, b'n');
            name
        })
    }

    fn node() -> impl Strategy<Value = Node> {
        let file = (0..8_u32, vec(any::<u8>(), 0..2000))
            .prop_map(|(mode, content)| Node::File { mode: 0o444 | mode << 3, content });
        let leaf = prop_oneof![file, name().prop_map(Node::Symlink)];
        leaf.prop_recursive(3, 20, 6, |inner| vec((name(), inner), 0..6).prop_map(Node::Directory))
    }

    /// What a tar should say about an entry: mode, and content or target.
    type Expected = BTreeMap<Vec<u8>, (u32, Option<Vec<u8>>)>;

    fn create(fixture: &Fixture, name: &[u8], node: &Node, expected: &mut Expected) {
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::{PermissionsExt, symlink};
        let path = fixture.root().join(OsStr::from_bytes(&name[1..]));
        let (mode, content) = match node {
            Node::File { mode, content } => {
                fs_err::write(&path, content).unwrap();
                fs_err::set_permissions(&path, PermissionsExt::from_mode(*mode)).unwrap();
                (*mode, Some(content.clone()))
            }
            Node::Symlink(target) => {
                symlink(OsStr::from_bytes(target), &path).unwrap();
                (0o777, Some(target.clone()))
            }
            Node::Directory(children) => {
                fs_err::create_dir(&path).unwrap();
                for (child, node) in children.iter().map(|(child, node)| ([name, b"/", child].concat(), node)) {
                    if !expected.contains_key(&child) {
                        create(fixture, &child, node, expected);
                    }
                }
                fs_err::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
                (0o755, None)
            }
        };
        expected.insert(name.to_vec(), (mode, content));
    }

    fn read_back(bytes: &[u8]) -> Expected {
        let mut archive = tar::Archive::new(bytes);
        let mut entries = Expected::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            assert_eq!((entry.header().uid().unwrap(), entry.header().mtime().unwrap()), (0, 1));
            let mut name = entry.path_bytes().into_owned();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let content = match entry.header().entry_type() {
                tar::EntryType::Directory => {
                    assert_eq!(name.pop(), Some(b'/'));
                    None
                }
                tar::EntryType::Symlink => entry.link_name_bytes().map(std::borrow::Cow::into_owned),
                _ => Some(content),
            };
            let twice = entries.insert(name, (entry.header().mode().unwrap(), content));
            assert_eq!(twice, None, "no name is there twice");
        }
        entries
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn any_tree_is_read_back_as_it_was(node in node()) {
            let fixture = Fixture::new();
            let mut expected = Expected::new();
            let name = format!("{H}-x");
            create(&fixture, name.as_bytes(), &node, &mut expected);
            for parent in ["/nix", "/nix/store"] {
                expected.insert(parent.into(), (0o755, None));
            }
            let layers = fixture.walk(&plan(&[&[&name]])).unwrap();
            let (_, bytes) = write_layer(&layers[0], Compression::None).unwrap();
            prop_assert_eq!(read_back(&bytes), expected);
        }
    }
}
