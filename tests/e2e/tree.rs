//! What is below a folder, in a form that can be compared.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;

use crate::image::sha256;

/// By path below the folder, escaped so that it can be shown.
pub(crate) type Tree = BTreeMap<String, Found>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) kind: Kind,
    pub(crate) mode: u32,
    pub(crate) owner: (u32, u32),
    /// Seconds.
    pub(crate) modified: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File { bytes: u64, digest: String },
    Symlink { target: String },
    Fifo,
    Device { number: u64 },
}

/// Reads a tree. The folder itself is not part of it.
pub(crate) fn read(folder: &str) -> Result<Tree> {
    let mut tree = Tree::new();
    add(Path::new(folder), "", &mut tree)?;
    Ok(tree)
}

fn add(folder: &Path, name: &str, tree: &mut Tree) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{name}/{}", entry.file_name().as_bytes().escape_ascii());
        if entry.file_type()?.is_dir() {
            add(&entry.path(), &name, tree)?;
        }
        tree.insert(name, Found::at(&entry.path())?);
    }
    Ok(())
}

impl Found {
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let metadata = fs::symlink_metadata(path)?;
        let file_type = metadata.file_type();
        let kind = if file_type.is_dir() {
            Kind::Directory
        } else if file_type.is_file() {
            Kind::File { bytes: metadata.len(), digest: sha256(&fs::read(path)?) }
        } else if file_type.is_symlink() {
            Kind::Symlink { target: fs::read_link(path)?.as_os_str().as_bytes().escape_ascii().to_string() }
        } else if file_type.is_fifo() {
            Kind::Fifo
        } else if file_type.is_char_device() {
            Kind::Device { number: metadata.rdev() }
        } else {
            bail!("{} is a kind of file that no test makes", path.display());
        };
        let owner = (metadata.uid(), metadata.gid());
        Ok(Self { kind, mode: metadata.mode() & 0o7777, owner, modified: metadata.mtime() })
    }
}

/// As a layer for a store holds it: owned by root, one second old.
pub(crate) fn as_packed(mut tree: Tree) -> Tree {
    for found in tree.values_mut() {
        found.owner = (0, 0);
        found.modified = 1;
    }
    tree
}

/// Without folders, of which the time changes when something is staged in them, and gone again.
pub(crate) fn files(mut tree: Tree) -> Tree {
    tree.retain(|_, found| found.kind != Kind::Directory);
    tree
}

/// Expects two trees to be equal, and names what differs.
pub(crate) fn expect_equal(expected: &Tree, found: &Tree) -> Result<()> {
    let names: std::collections::BTreeSet<&String> = expected.keys().chain(found.keys()).collect();
    let differing: Vec<String> = names
        .into_iter()
        .filter(|name| expected.get(*name) != found.get(*name))
        .map(|name| format!("{name}\n  expected {:?}\n  found    {:?}", expected.get(name), found.get(name)))
        .collect();
    match differing.as_slice() {
        [] => Ok(()),
        [..] => bail!(
            "{} of {} differ:\n{}",
            differing.len(),
            expected.len(),
            differing[..differing.len().min(10)].join("\n")
        ),
    }
}
