//! What lies in a directory on this machine.
//!
//! A directory is opened by its path without symlinks, so that no link which somebody puts there meanwhile is followed,
//! and everything in it is looked at from there.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, Dir, FileType, OFlags, Stat, lgetxattr, llistxattr, llistxattr_query, major, minor, readlinkat, statat,
};
use rustix::io::Errno;

use super::error::CustomisationProblem as Problem;
use crate::entry::{EntryName, Seen, compare_names};
use crate::image_files::OverlayNote;
use crate::read;
use crate::walk::Root;

/// What was found in a directory.
pub(super) struct Found {
    pub(super) name: OsString,
    pub(super) kind: FoundKind,
    /// Permissions with set-id and sticky bits.
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
}

pub(super) enum FoundKind {
    Directory,
    File(Seen),
    Symlink(Vec<u8>),
    Fifo,
    CharDevice { major: u32, minor: u32 },
    BlockDevice { major: u32, minor: u32 },
    Socket,
}

impl FoundKind {
    pub(super) fn describe(&self) -> &'static str {
        match self {
            Self::Directory => "a directory",
            Self::File(_) => "a file",
            Self::Symlink(_) => "a symlink",
            Self::Fifo => "a FIFO",
            Self::CharDevice { .. } | Self::BlockDevice { .. } => "a device",
            Self::Socket => "a socket",
        }
    }
}

/// Lists the directory that has this name below a root, without symlinks, in the order of names.
pub(super) fn list(root: &Root<'_>, directory: &EntryName) -> Result<Vec<Found>, Problem> {
    let base = root.base(directory, 0);
    let failed = |name: &OsStr, error: Errno| {
        let path = if name.is_empty() { base.path.clone() } else { base.path.join(name) };
        Problem::Read(named(&path, error))
    };
    let itself = |error| failed(OsStr::new(""), error);
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = read::open(&base.path, base.links, flags).map_err(itself)?;
    let mut found = Vec::new();
    for entry in Dir::read_from(&file).map_err(itself)? {
        let name = OsString::from_vec(entry.map_err(itself)?.file_name().to_bytes().to_vec());
        if name != "." && name != ".." {
            found.push(look_at(file.as_fd(), name.clone()).map_err(|error| failed(&name, error))?);
        }
    }
    found.sort_unstable_by(|a, b| compare_names(a.name.as_bytes(), b.name.as_bytes()));
    Ok(found)
}

/// Looks at one file or directory, whose path holds no symlink.
pub(super) fn look(path: &Path) -> Result<Found, Problem> {
    look_at(rustix::fs::CWD, path.as_os_str().to_owned()).map_err(|error| Problem::Read(named(path, error)))
}

/// The path of what is in a directory.
pub(super) fn path_of(root: &Root<'_>, name: &EntryName) -> PathBuf {
    root.base(name, 0).path
}

/// What a file or directory is to overlayfs, whose upper directory this may be.
pub(super) fn overlay_note(path: &Path, kind: &FoundKind) -> Result<Option<OverlayNote>, Problem> {
    if let FoundKind::CharDevice { major, minor } = kind {
        return Ok(OverlayNote::of_device(*major, *minor));
    }
    if !matches!(kind, FoundKind::Directory | FoundKind::File(_)) {
        return Ok(None);
    }
    let names = attribute_names(path).map_err(|error| Problem::Read(named(path, error)))?;
    let notes = names.split(|byte| *byte == 0).filter_map(|name| {
        let mut value = [0];
        let known = lgetxattr(path, name, &mut value).unwrap_or(0);
        OverlayNote::of_attribute(name, &value[..known.min(1)])
    });
    Ok(notes.into_iter().next())
}

/// Each with a NUL behind it. Most files have none.
fn attribute_names(path: &Path) -> rustix::io::Result<Vec<u8>> {
    let length = match llistxattr_query(path) {
        Err(Errno::NOTSUP) => 0,
        length => length?,
    };
    let mut names = vec![0; length];
    if length > 0 {
        let filled = llistxattr(path, &mut names[..])?;
        names.truncate(filled);
    }
    Ok(names)
}

fn look_at(directory: BorrowedFd<'_>, name: OsString) -> rustix::io::Result<Found> {
    let stat = statat(directory, &name, AtFlags::SYMLINK_NOFOLLOW)?;
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => FoundKind::Directory,
        FileType::RegularFile => FoundKind::File(Seen::from(&stat)),
        FileType::Symlink => FoundKind::Symlink(readlinkat(directory, &name, Vec::new())?.into_bytes()),
        FileType::Fifo => FoundKind::Fifo,
        FileType::CharacterDevice => {
            let (major, minor) = device(&stat);
            FoundKind::CharDevice { major, minor }
        }
        FileType::BlockDevice => {
            let (major, minor) = device(&stat);
            FoundKind::BlockDevice { major, minor }
        }
        _ => FoundKind::Socket,
    };
    Ok(Found { name, kind, mode: stat.st_mode & 0o7777, uid: stat.st_uid, gid: stat.st_gid })
}

fn device(stat: &Stat) -> (u32, u32) {
    (major(stat.st_rdev), minor(stat.st_rdev))
}

pub(super) fn named(path: &Path, error: Errno) -> io::Error {
    io::Error::new(error.kind(), format!("failed to look at `{}`: {error}", path.display()))
}
