//! Files of the layer in a folder of this machine, where scripts work on them, and what has become of them there.
//!
//! The folder is written without any rights. So it does not tell who owns what, nor of set-id bits and capabilities; and the
//! owner of the folder may always write to its directories. None of this is meant by anybody:
//!
//! 1. A mode that is as it was written, and an owner that is root or the default one, stay what they are here. Others were
//!    meant, and are taken ([`StagedAttributes::Changed`]). Where everything had been given what it is to have before
//!    scripts came, by what [`super::attributes`] writes, all that is there is meant ([`StagedAttributes::All`]).
//! 2. What is gone is gone, and what is new is in the layer.
//! 3. A new directory that is as `mkdir` makes it leaves one of the base image as it is, whoever called that.
//!
//! Symlinks of lower layers are not there either, which would lead scripts out of the folder: what contents have in `bin/` is
//! in `bin/`. It goes where the base image's link leads when it is taken back.

use std::io::{self, Write};
use std::path::Path;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::archive::moved;
use super::error::CustomisationProblem as Problem;
use super::operation::StagedAttributes;
use super::tree::{FileTree, Node, split};
use crate::destination::DirectoryInPlace;
use crate::durability::Durability;
use crate::entry::{Content, Entry, EntryKind, EntryName};
use crate::error::PackError;
use crate::progress::Observer;
use crate::read::{Opener, READ_BYTES};

/// Whom everything belongs to that is made under fakeroot.
const ROOT: (u32, u32) = (0, 0);

/// Writes the files into a new folder, which appears when it is complete.
pub(super) fn write(tree: &FileTree, dir: &Path, observer: &dyn Observer) -> Result<(), PackError> {
    let place = DirectoryInPlace::new(dir)?;
    fill(tree, place.staging(), observer)?;
    place.commit(Durability::Unsynced)
}

fn fill(tree: &FileTree, dir: &Path, observer: &dyn Observer) -> Result<(), PackError> {
    set_mode(dir, 0o755)?;
    let mut opener = Opener::default();
    // Directories come before what is in them, and nothing is behind a symlink.
    for entry in tree.entries() {
        if observer.cancelled() {
            return Err(PackError::Cancelled);
        }
        let path = dir.join(entry.name.as_path());
        match &entry.kind {
            EntryKind::Directory => fs::create_dir(&path).map_err(PackError::Write)?,
            EntryKind::File(content) => write_file(&mut opener, &entry.name, content, &path)?,
            EntryKind::Symlink { target } => {
                rustix::fs::symlinkat(target.as_slice(), CWD, &path).map_err(|error| refused(&path, error.into()))?;
                continue;
            }
            EntryKind::Fifo => {
                mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).map_err(|error| refused(&path, error.into()))?;
            }
            EntryKind::CharDevice { .. } | EntryKind::BlockDevice { .. } => {
                let reason = io::Error::other("is a device, which no folder for scripts can hold");
                return Err(refused(&path, reason));
            }
        }
        set_mode(&path, written_mode(entry))?;
    }
    Ok(())
}

/// Returns what is in the layer after scripts have worked on what was `written`. `would_be` is what is in the layer without
/// them: the same files, where they belong.
pub(super) fn take_back(
    would_be: &FileTree,
    written: &FileTree,
    after: &FileTree,
    told: StagedAttributes,
) -> Result<FileTree, Problem> {
    let mut tree = would_be.emptied();
    let default_owner = tree.owner();
    for Node { entry, .. } in after.nodes() {
        let written = written.get(&entry.name).map(|node| &node.entry);
        if entry.kind == EntryKind::Directory {
            let name = tree.directory(&entry.name.0)?;
            let would_be = would_be.get(&name).map(|node| &node.entry);
            let before = would_be.zip(written);
            let kept = before.map(|(would_be, written)| with_kept(entry, would_be, written, default_owner, told));
            take_directory(&mut tree, &name, entry, kept);
        } else {
            let name = tree.place(&entry.name.0)?;
            let would_be = would_be.get(&name);
            let before = would_be.zip(written).filter(|(_, written)| is_same_kind(&written.kind, &entry.kind));
            let entry = Entry { kind: moved_kind(entry, &name), ..entry.clone() };
            let (entry, origin) = match before {
                Some((node, written)) => {
                    (with_kept(&entry, &node.entry, written, default_owner, told), node.origin.clone())
                }
                None => (entry, None),
            };
            tree.put_over_links(Node { origin, ..Node::new(Entry { name, ..entry }) })?;
        }
    }
    Ok(tree)
}

/// Takes over what is said of a directory that is in the tree now. `kept` is that with what stays of it, where it was there
/// before.
fn take_directory(tree: &mut FileTree, name: &EntryName, now: &Entry, kept: Option<Entry>) {
    let is_as_made = now.mode == 0o755 && [tree.owner(), ROOT].contains(&(now.uid, now.gid));
    let taken = match kept {
        Some(kept) => kept,
        // As `mkdir` makes it. Where there is one already, it makes nothing.
        None if tree.is_lower_directory(name) && is_as_made => return,
        None => now.clone(),
    };
    let Entry { mode, uid, gid, .. } = taken;
    if let Some(entry) = tree.get_mut(name) {
        *entry = Entry { mode, uid, gid, ..entry.clone() };
    }
}

/// Reads a file of the layer.
pub(super) fn read_file(tree: &FileTree, path: &[u8], limit: u64) -> Result<Option<Vec<u8>>, PackError> {
    let parts = split(path).map_err(|problem| PackError::Read(io::Error::other(problem.to_string())))?;
    let name = EntryName(parts.join(&b'/'));
    let Some(EntryKind::File(content)) = tree.get(&name).map(|node| &node.entry.kind) else { return Ok(None) };
    if content.size > limit {
        let reason = format!("it has {} bytes, and at most {limit} are read", content.size);
        return Err(PackError::Read(io::Error::other(reason)));
    }
    let mut bytes = Vec::new();
    copy(&mut Opener::default(), &name, content, &mut bytes)?;
    Ok(Some(bytes))
}

/// The entry as it is `now`, with what nobody has changed since it was written as it would be.
fn with_kept(
    now: &Entry,
    would_be: &Entry,
    written: &Entry,
    default_owner: (u32, u32),
    told: StagedAttributes,
) -> Entry {
    let mut entry = now.clone();
    let is_all_meant = told == StagedAttributes::All;
    let is_owner_meant = is_all_meant || ![default_owner, ROOT].contains(&(now.uid, now.gid));
    let is_mode_meant = is_all_meant || now.mode != written_mode(written);
    if !is_mode_meant || matches!(now.kind, EntryKind::Symlink { .. }) {
        entry.mode = would_be.mode;
    }
    if !is_owner_meant {
        (entry.uid, entry.gid) = (would_be.uid, would_be.gid);
    }
    if (entry.mode, entry.uid, entry.gid) == (would_be.mode, would_be.uid, would_be.gid) {
        entry.capability = entry.capability.or_else(|| would_be.capability.clone());
    }
    entry
}

/// Whether something may be the same as before. Files may have another content.
fn is_same_kind(written: &EntryKind, now: &EntryKind) -> bool {
    matches!((written, now), (EntryKind::File(_), EntryKind::File(_))) || written == now
}

fn moved_kind(entry: &Entry, name: &EntryName) -> EntryKind {
    match &entry.kind {
        EntryKind::File(content) => EntryKind::File(moved(content, &entry.name, name)),
        other => other.clone(),
    }
}

/// The mode that a file has in the folder, whoever writes it.
pub(super) fn written_mode(entry: &Entry) -> u32 {
    let needed = if entry.kind == EntryKind::Directory { 0o700 } else { 0o400 };
    entry.mode & 0o1777 | needed
}

fn write_file(opener: &mut Opener, name: &EntryName, content: &Content, path: &Path) -> Result<(), PackError> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path).map_err(PackError::Write)?;
    copy(opener, name, content, &mut file)
}

fn copy(opener: &mut Opener, name: &EntryName, content: &Content, out: &mut impl Write) -> Result<(), PackError> {
    let mut file = opener.open(name, content, 2 * READ_BYTES as u64)?;
    let mut buffer = vec![0; READ_BYTES.min(usize::try_from(content.size).unwrap_or(READ_BYTES)).max(1)];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(()),
            count => out.write_all(&buffer[..count]).map_err(PackError::Write)?,
        }
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), PackError> {
    rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(mode), rustix::fs::AtFlags::empty())
        .map_err(|error| refused(path, error.into()))
}

fn refused(path: &Path, error: io::Error) -> PackError {
    PackError::Write(io::Error::new(error.kind(), format!("`{}`: {error}", path.display())))
}

#[cfg(test)]
mod tests;
