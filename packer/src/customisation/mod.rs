//! The customisation layer: files that belong to no node, on top of all layers of the plan.
//!
//! [`Operation`]s are done one after the other on a tree in memory. Contents stay where they are on disk, and are read
//! when the layer is packed; what has no place on disk, such as what was in a tar, is put aside first.
//!
//! Where the sources may come from anybody, nothing of theirs becomes a path of this machine: names are places in the
//! tree, links are followed within it, and contents put aside are numbered.

mod archive;
mod attributes;
mod copy;
mod disk;
mod error;
mod fake_nss;
mod join;
mod mode;
mod operation;
mod references;
mod scratch;
mod stage;
mod tree;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::mem;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::copy::Taken;
use self::disk::FoundKind;
pub use self::error::{CustomisationError, CustomisationProblem};
use self::error::{CustomisationProblem as Problem, shown, shown_bytes};
use self::join::Join;
pub use self::mode::{ModeChange, ModeChangeError};
pub use self::operation::{CopyMode, Operation, StagedAttributes};
use self::scratch::Scratch;
use self::tree::{FileTree, Node};
use crate::Stamp;
use crate::entry::{EntryKind, EntryName};
use crate::error::PackError;
use crate::layer::{LayerFiles, Part};
use crate::lower::LowerFiles;
use crate::progress::Observer;
use crate::walk::{LastLink, Root, locate};

/// The files of the customisation layer.
///
/// ```
/// use std::path::Path;
///
/// use layerwright_packer::{Customisation, LowerFiles, Operation};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let scratch = tempfile::tempdir()?;
/// let operations = [
///     Operation::FakeNss,
///     Operation::Mkdir { path: "/home/app".into(), mode: Some(0o750) },
///     Operation::Chown { uid: 1000, gid: 1000, path: "/home/app".into() },
/// ];
/// let (root, owner) = (Path::new("/"), (0, 0));
/// let customisation = Customisation::new(&operations, root, owner, scratch.path(), LowerFiles::default())?;
/// assert!(!customisation.is_empty());
/// assert!(customisation.references(Path::new("/nix/store"))?.is_empty());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Customisation {
    tree: FileTree,
    root: PathBuf,
}

impl Customisation {
    /// Does some operations, in order, on a layer without files.
    ///
    /// What is copied to the root is looked up below `root`. All files belong to `owner`, a user and a group, unless an
    /// operation says otherwise. Contents that are on no disk are put aside in the directory `scratch`, which must be
    /// there until the layer is packed, and empty. `lower` is what lies below this layer.
    ///
    /// # Errors
    ///
    /// The first operation that cannot be done, and why.
    pub fn new(
        operations: &[Operation],
        root: &Path,
        owner: (u32, u32),
        scratch: &Path,
        lower: LowerFiles,
    ) -> Result<Self, CustomisationError> {
        Self::build(FileTree::new(owner, lower), operations, root, scratch)
    }

    /// The same for [`Self::stage`]: everything is where those who brought it have put it, `bin/tool` also where the base
    /// image has a symlink `/bin`.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn for_scripts(
        operations: &[Operation],
        root: &Path,
        owner: (u32, u32),
        scratch: &Path,
        lower: LowerFiles,
    ) -> Result<Self, CustomisationError> {
        Self::build(FileTree::new(owner, lower).for_scripts(), operations, root, scratch)
    }

    fn build(
        tree: FileTree,
        operations: &[Operation],
        root: &Path,
        scratch: &Path,
    ) -> Result<Self, CustomisationError> {
        let mut building = Building { tree, root, scratch: Scratch::new(scratch) };
        for (at, operation) in operations.iter().enumerate() {
            building.apply(operation, &operations[..at]).map_err(|problem| failed(operation.clone(), problem))?;
        }
        Ok(Self { tree: building.tree, root: root.to_owned() })
    }

    /// Puts a file of this machine in place of any other that is there, whose mode and owner it gets. Where there is none,
    /// it belongs to whoever owns the directory; and so do directories that nobody has.
    ///
    /// # Errors
    ///
    /// As for [`Operation::Add`].
    pub fn put_file(&mut self, dest: &Path, mode: u32, source: &Path) -> Result<(), CustomisationError> {
        put_file(&mut self.tree, dest, mode, source)
            .map_err(|problem| failed(Operation::Add { source: source.to_owned(), dest: dest.to_owned() }, problem))
    }

    /// Makes a symlink that says `target`, for whoever owns the directory, unless there is something. Directories that nobody
    /// has are made as those above them.
    ///
    /// # Errors
    ///
    /// As for [`Operation::Symlink`].
    pub fn link_if_free(&mut self, target: &Path, link: &Path) -> Result<(), CustomisationError> {
        let (target, link) = (target.to_owned(), link.to_owned());
        link_if_free(&mut self.tree, target.as_os_str().as_bytes(), &link)
            .map_err(|problem| failed(Operation::Symlink { target, link }, problem))
    }

    /// Takes a file out of the layer, if it is there.
    pub fn remove_file(&mut self, path: &Path) {
        if let Ok(parts) = tree::split(path.as_os_str().as_bytes()) {
            self.tree.remove(&EntryName(parts.join(&b'/')));
        }
    }

    /// Returns a copy of a file that is in the layer, of at most so many bytes; `None` where there is no file.
    ///
    /// # Errors
    ///
    /// Where it cannot be read, or is longer.
    pub fn read_file(&self, path: &Path, limit: u64) -> Result<Option<Vec<u8>>, PackError> {
        stage::read_file(&self.tree, path.as_os_str().as_bytes(), limit)
    }

    /// Writes the files into a new folder, where scripts can work on them. [`Operation::Staged`] takes them back. The folder
    /// appears when it is complete. `observer` can stop it between two files.
    ///
    /// # Errors
    ///
    /// A folder that is there and not empty, a device, and whatever the system says.
    pub fn stage(&self, dir: &Path, observer: &dyn Observer) -> Result<(), PackError> {
        stage::write(&self.tree, dir, observer)
    }

    /// Writes a shell script for the folder into which [`Self::stage`] has written `written`, the same files for scripts: run
    /// in it under fakeroot, it gives each of them the owner and the mode that it has here.
    ///
    /// # Errors
    ///
    /// Whatever writing says.
    pub fn write_attributes(&self, written: &Self, out: &mut impl Write) -> io::Result<()> {
        attributes::write(&self.tree, &written.tree, out)
    }

    /// Whether there is nothing to be packed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tree.is_empty()
    }

    /// Whether there are regular files, which programs are.
    #[must_use]
    pub fn has_files(&self) -> bool {
        self.tree.entries().any(|entry| matches!(entry.kind, EntryKind::File(_)))
    }

    /// Whether something is at a path, where links are followed but for the last one.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        self.tree.find(path.as_os_str().as_bytes(), LastLink::Keep).is_ok()
    }

    /// Returns the paths of a store, such as `/nix/store`, that the files refer to and that exist below the root: as Nix
    /// finds them, by their hashes in contents, link targets and names.
    ///
    /// # Errors
    ///
    /// Where the store or a file cannot be read.
    pub fn references(&self, store: &Path) -> Result<BTreeSet<String>, PackError> {
        let Some(place) = locate(&self.root, store, LastLink::Follow).map_err(PackError::Read)? else {
            return Ok(BTreeSet::new());
        };
        let mut known = BTreeMap::new();
        for child in fs_err::read_dir(place).map_err(PackError::Read)? {
            let name = child.map_err(PackError::Read)?.file_name();
            if let Some(name) = name.to_str()
                && let Some(hash) = references::hash_of(name)
                && let Some(path) = store.join(name).to_str()
            {
                known.insert(hash.to_owned(), path.to_owned());
            }
        }
        self.references_among(&known)
    }

    /// Returns those of the known store paths that the files refer to. They are known by their hashes, the 32 characters
    /// before the first dash of their names.
    ///
    /// # Errors
    ///
    /// Where a file cannot be read.
    pub fn references_among(&self, known: &BTreeMap<String, String>) -> Result<BTreeSet<String>, PackError> {
        references::scan(&self.tree, known)
    }

    /// The files as a layer, under relative names, each directory before what is in it.
    pub(crate) fn layer(&self, stamp: &Arc<Stamp>) -> Result<LayerFiles, PackError> {
        LayerFiles::new(vec![Part::remembered(self.tree.entries().cloned().collect(), stamp)?], stamp)
    }
}

/// A layer that is not finished.
struct Building<'a> {
    tree: FileTree,
    root: &'a Path,
    scratch: Scratch<'a>,
}

impl Building<'_> {
    /// `before` are the operations that were done.
    fn apply(&mut self, operation: &Operation, before: &[Operation]) -> Result<(), Problem> {
        let tree = &mut self.tree;
        match operation {
            Operation::CopyToRoot { path, mode } => {
                Join { root: &Root::real(self.root)?, mode: *mode, tree }.path(path)
            }
            Operation::Add { source, dest } => {
                absolute(dest)?;
                copy::add(tree, source, dest)
            }
            Operation::Mkdir { path, mode } => make_directory(tree, path, *mode),
            Operation::Symlink { target, link } => make_symlink(tree, target.as_os_str().as_bytes(), link),
            Operation::Chown { uid, gid, path } => change_owner(tree, (*uid, *gid), path),
            Operation::Chmod { mode, path } => change_mode(tree, mode, path),
            Operation::Import(path) => self.import(path),
            Operation::Staged { path, attributes } => self.take_back(path, *attributes, before),
            Operation::FakeNss => fake_nss::add(tree, &mut self.scratch),
        }
    }

    fn take_back(&mut self, path: &Path, told: StagedAttributes, before: &[Operation]) -> Result<(), Problem> {
        let nothing = FileTree::new(self.tree.owner(), LowerFiles::default());
        let written = self.instead(self.tree.emptied().for_scripts(), |building| {
            let mut operations = before.iter().enumerate();
            operations.try_for_each(|(at, operation)| building.apply(operation, &before[..at]))
        })?;
        let after = self.instead(nothing, |building| building.import(path))?;
        self.tree = stage::take_back(&self.tree, &written, &after, told)?;
        Ok(())
    }

    /// Works on another tree, and returns it.
    fn instead(
        &mut self,
        tree: FileTree,
        work: impl FnOnce(&mut Self) -> Result<(), Problem>,
    ) -> Result<FileTree, Problem> {
        let aside = mem::replace(&mut self.tree, tree);
        let worked = work(self);
        let tree = mem::replace(&mut self.tree, aside);
        worked.map(|()| tree)
    }

    fn import(&mut self, path: &Path) -> Result<(), Problem> {
        let real = fs_err::canonicalize(path).map_err(|error| copy::unreadable(path, error))?;
        match disk::look(&real)?.kind {
            FoundKind::Directory => copy::copy(&mut self.tree, &real, b"", Taken::Everything),
            FoundKind::File(_) => archive::import(&mut self.tree, &real, &mut self.scratch),
            kind => {
                let reason = format!("is {}, and neither a tar nor a directory", kind.describe());
                Err(Problem::Source { path: path.to_owned(), reason })
            }
        }
    }
}

fn put_file(tree: &mut FileTree, dest: &Path, mode: u32, source: &Path) -> Result<(), Problem> {
    let dest = absolute(dest)?;
    let real = fs_err::canonicalize(source).map_err(|error| copy::unreadable(source, error))?;
    match disk::look(&real)?.kind {
        FoundKind::File(seen) => {
            let name = tree.place_as_above(dest)?;
            let there = tree.get(&name).filter(|node| matches!(node.entry.kind, EntryKind::File(_)));
            let there = there.map(|node| (node.entry.mode, (node.entry.uid, node.entry.gid)));
            let (mode, owner) = there.unwrap_or((mode & 0o7777, tree.owner()));
            let (uid, gid) = if owner == tree.owner() { tree.owner_above(&name) } else { owner };
            copy::add_file(tree, dest, mode, &real, seen)?;
            tree.get_mut(&name).into_iter().for_each(|entry| (entry.uid, entry.gid) = (uid, gid));
            Ok(())
        }
        kind => {
            Err(Problem::Source { path: source.to_owned(), reason: format!("is {}, and no file", kind.describe()) })
        }
    }
}

fn make_directory(tree: &mut FileTree, path: &Path, mode: Option<u32>) -> Result<(), Problem> {
    let name = tree.directory(absolute(path)?)?;
    match (mode, tree.get_mut(&name)) {
        (None, _) => Ok(()),
        (Some(mode), Some(entry)) => {
            entry.mode = mode & 0o7777;
            Ok(())
        }
        (Some(_), None) => Err(root_has_no_entry(path)),
    }
}

fn make_symlink(tree: &mut FileTree, target: &[u8], link: &Path) -> Result<(), Problem> {
    let path = absolute(link)?;
    let bad = |path: &[u8], reason| Err(Problem::InvalidName { path: shown_bytes(path), reason });
    if path.ends_with(b"/") {
        return bad(path, "ends with `/`; write the name of the link itself");
    }
    if target.is_empty() || target.contains(&0) || target.len() > tree::MAX_PATH_BYTES {
        return bad(target, "cannot be what a symlink says: it is empty, longer than any path, or has a NUL in it");
    }
    let name = tree.place(path)?;
    let kind = EntryKind::Symlink { target: target.to_vec() };
    match tree.get(&name) {
        Some(there) if there.entry.kind == kind => Ok(()),
        Some(there) => {
            let (first, second) = (there.describe(), format!("a symlink to `{}`", shown_bytes(target)));
            Err(Problem::Conflict { path: shown(&name), first, second })
        }
        None => {
            let entry = tree.entry(name, kind, 0o777);
            tree.put(Node::new(entry))
        }
    }
}

fn link_if_free(tree: &mut FileTree, target: &[u8], link: &Path) -> Result<(), Problem> {
    let name = tree.place_as_above(absolute(link)?)?;
    if tree.get(&name).is_some() {
        return Ok(());
    }
    make_symlink(tree, target, link)?;
    let (uid, gid) = tree.owner_above(&name);
    tree.get_mut(&name).into_iter().for_each(|entry| (entry.uid, entry.gid) = (uid, gid));
    Ok(())
}

fn change_owner(tree: &mut FileTree, (uid, gid): (u32, u32), path: &Path) -> Result<(), Problem> {
    let name = tree.find(absolute(path)?, LastLink::Keep)?;
    tree.with_all_below(&name).for_each(|entry| (entry.uid, entry.gid) = (uid, gid));
    Ok(())
}

fn change_mode(tree: &mut FileTree, mode: &ModeChange, path: &Path) -> Result<(), Problem> {
    let name = tree.find(absolute(path)?, LastLink::Follow)?;
    let entry = tree.get_mut(&name).ok_or_else(|| root_has_no_entry(path))?;
    entry.mode = mode.apply(entry.mode, entry.kind == EntryKind::Directory);
    Ok(())
}

fn absolute(path: &Path) -> Result<&[u8], Problem> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.starts_with(b"/") {
        Ok(bytes)
    } else {
        let reason = "is no absolute path; places in the image are named from `/`";
        Err(Problem::InvalidName { path: shown_bytes(bytes), reason })
    }
}

fn root_has_no_entry(path: &Path) -> Problem {
    let reason = "is the root of the image, which has no mode in a layer";
    Problem::InvalidName { path: shown_bytes(path.as_os_str().as_bytes()), reason }
}

fn failed(operation: Operation, problem: Problem) -> CustomisationError {
    CustomisationError { operation: Box::new(operation), problem }
}

#[cfg(test)]
mod tests;
