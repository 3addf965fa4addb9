//! Files and folders that are being made, beside the place where they will be.
//!
//! Whoever makes one holds a lock on it. A process that is killed leaves it behind, and its lock is free: the next one that
//! makes something in the same directory removes what nobody holds. But not where everybody may rename what is there: then
//! somebody else could give the name to a folder of the user's that is dear to them.

use std::fs::Permissions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use fs_err as fs;
use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, fstat, openat, statat};
use rustix::process::geteuid;
use tempfile::{NamedTempFile, TempDir};

use crate::lock::try_hold;

/// How the names of what is being made begin. Letters and digits follow.
pub(crate) const PREFIX: &str = ".layerwright-new-";

/// So often what was just made may be taken for abandoned, before anybody can hold it.
const ATTEMPTS: u32 = 100;

/// A folder for what is being made. Removed when it is dropped.
#[derive(Debug)]
pub struct StagingFolder {
    folder: TempDir,
    _lock: fs::File,
}

impl StagingFolder {
    /// Makes a folder in `dir`, with the permissions of any new one. Removes there what others have abandoned.
    ///
    /// # Errors
    ///
    /// Where nothing can be made in `dir`.
    pub fn new_in(dir: &Path) -> io::Result<Self> {
        Self::with_mode(dir, 0o777)
    }

    /// The same, for the user alone.
    ///
    /// # Errors
    ///
    /// As for [`StagingFolder::new_in`].
    pub fn private_in(dir: &Path) -> io::Result<Self> {
        Self::with_mode(dir, 0o700)
    }

    fn with_mode(dir: &Path, mode: u32) -> io::Result<Self> {
        // Where it cannot be looked for, nothing can be done about it either.
        let _ = remove_abandoned(dir);
        for _ in 0..ATTEMPTS {
            let mut builder = tempfile::Builder::new();
            let folder = builder.prefix(PREFIX).permissions(Permissions::from_mode(mode)).tempdir_in(dir)?;
            match check_usable(folder.path()).and_then(|()| fs::File::open(folder.path())) {
                Ok(lock) if hold(lock.file(), folder.path()) => return Ok(Self { folder, _lock: lock }),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Err(taken_away())
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder where it is: it has another name by now, and belongs to somebody.
    pub fn keep(self) {
        let _ = self.folder.keep();
    }

    /// Removes the folder.
    ///
    /// # Errors
    ///
    /// What stays, and why.
    pub fn remove(self) -> io::Result<()> {
        let path = self.path().to_owned();
        self.folder.close().map_err(|error| stays(&path, &error))
    }
}

/// Makes a file in `dir`, with the permissions of any new one. Removes there what others have abandoned.
pub(crate) fn new_file_in(dir: &Path) -> io::Result<NamedTempFile> {
    let _ = remove_abandoned(dir);
    for _ in 0..ATTEMPTS {
        let mut builder = tempfile::Builder::new();
        // Less the umask, as for any new file.
        let file = builder.prefix(PREFIX).permissions(Permissions::from_mode(0o666)).tempfile_in(dir)?;
        if hold(file.as_file(), file.path()) {
            return Ok(file);
        }
    }
    Err(taken_away())
}

/// Something that nobody was making any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abandoned {
    /// Where it was, or where it is.
    pub path: PathBuf,
    /// How many bytes its files have.
    pub bytes: u64,
}

/// Lists what processes of this user were making in a directory when they were killed. Where the file system has no locks,
/// it cannot be known whether they were, and nothing is.
///
/// # Errors
///
/// Where the directory cannot be read.
pub fn abandoned_in(dir: &Path) -> io::Result<Vec<Abandoned>> {
    let found = abandoned(dir)?.into_iter();
    Ok(found.map(|(path, _)| Abandoned { bytes: size(&path), path }).collect())
}

/// Removes it. Returns what there was.
///
/// # Errors
///
/// Where the directory cannot be read, and the first thing that cannot be removed.
pub fn remove_abandoned(dir: &Path) -> io::Result<Vec<Abandoned>> {
    let mut removed = Vec::new();
    let mut failed = Ok(());
    for (path, _lock) in abandoned(dir)? {
        let bytes = size(&path);
        let gone = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match gone {
            Ok(()) => removed.push(Abandoned { path, bytes }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => failed = failed.and(Err(stays(&path, &error))),
        }
    }
    failed.map(|()| removed)
}

/// With a lock on each.
fn abandoned(dir: &Path) -> io::Result<Vec<(PathBuf, std::fs::File)>> {
    let mut abandoned = Vec::new();
    if may_be_renamed_by_all(dir)? {
        return Ok(abandoned);
    }
    for child in fs::read_dir(dir)? {
        let path = child?.path();
        if path.file_name().is_some_and(|name| is_staging(name.as_encoded_bytes())) {
            abandoned.extend(held_by_nobody(&path).map(|lock| (path, lock)));
        }
    }
    Ok(abandoned)
}

/// As in a directory that is open to all and lacks the bit that `/tmp` has.
fn may_be_renamed_by_all(dir: &Path) -> io::Result<bool> {
    Ok(fs::metadata(dir)?.mode() & 0o1002 == 0o0002)
}

/// Whether something is called like what is being made.
pub(crate) fn is_staging(name: &[u8]) -> bool {
    let rest = name.strip_prefix(PREFIX.as_bytes());
    rest.is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_alphanumeric))
}

/// Returns what keeps everybody else from it.
fn held_by_nobody(path: &Path) -> Option<std::fs::File> {
    // A FIFO, which is none of ours, must not be waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = std::fs::File::from(openat(CWD, path, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    let is_ours = metadata.uid() == geteuid().as_raw() && (metadata.is_dir() || metadata.is_file());
    let is_free = is_ours && try_hold(&file, FlockOperation::NonBlockingLockExclusive) == Ok(true);
    (is_free && is_at(&file, path)).then_some(file)
}

/// Takes the lock of what was just made. Returns whether it is still there: another process may have looked at it before
/// it was held. Where there are no locks, nobody else takes anything away.
fn hold(file: &std::fs::File, path: &Path) -> bool {
    !matches!(try_hold(file, FlockOperation::NonBlockingLockExclusive), Ok(false)) && is_at(file, path)
}

fn is_at(file: impl AsFd, path: &Path) -> bool {
    let same = fstat(file).and_then(|open| Ok((open, statat(CWD, path, AtFlags::SYMLINK_NOFOLLOW)?)));
    same.is_ok_and(|(open, there)| (open.st_dev, open.st_ino) == (there.st_dev, there.st_ino))
}

/// A umask that takes the user's own rights makes folders in which nothing can be made.
fn check_usable(folder: &Path) -> io::Result<()> {
    let mode = fs::metadata(folder)?.mode() & 0o777;
    match mode & 0o700 {
        0o700 => Ok(()),
        _ => Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("the umask takes your own rights from new folders, which get mode {mode:03o}"),
        )),
    }
}

fn size(path: &Path) -> u64 {
    let Ok(metadata) = fs::symlink_metadata(path) else { return 0 };
    if !metadata.is_dir() {
        return metadata.len();
    }
    let children = fs::read_dir(path).into_iter().flatten().flatten();
    children.map(|child| size(&child.path())).sum()
}

fn stays(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("`{}` cannot be removed, and stays: {error}", path.display()))
}

fn taken_away() -> io::Error {
    io::Error::other("each folder that was made was taken away at once")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::list;

    #[test]
    fn what_nobody_holds_is_removed_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at(".layerwright-new-aB3xYz")).unwrap();
        fs::write(at(".layerwright-new-aB3xYz/0.blob"), "123").unwrap();
        fs::write(at(".layerwright-new-0"), "12").unwrap();
        let theirs =
            [".layerwright-config", ".layerwright-new-", ".layerwright-new-a.b", "x.layerwright-new-a", "image"];
        theirs.iter().for_each(|name| fs::write(at(name), "").unwrap());
        std::os::unix::fs::symlink("image", at(".layerwright-new-link")).unwrap();
        let held = StagingFolder::new_in(&at(".")).unwrap();
        let mut expected: Vec<String> = theirs.iter().map(|name| (*name).to_owned()).collect();
        expected.push(".layerwright-new-link".into());
        expected.push(held.path().file_name().unwrap().to_str().unwrap().to_owned());
        expected.sort();
        assert_eq!(list(dir.path()), expected);
        let file = new_file_in(dir.path()).unwrap();
        assert!(remove_abandoned(dir.path()).unwrap().is_empty());
        assert!(held.path().is_dir() && file.path().is_file());
        held.remove().unwrap();
    }

    #[test]
    fn what_is_abandoned_is_told_with_its_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".layerwright-new-1");
        fs::create_dir_all(path.join("blobs")).unwrap();
        fs::write(path.join("blobs/x"), "12345").unwrap();
        let expected = [Abandoned { path, bytes: 5 }];
        assert_eq!(abandoned_in(dir.path()).unwrap(), expected);
        assert_eq!(remove_abandoned(dir.path()).unwrap(), expected);
        assert!(list(dir.path()).is_empty());
    }

    #[test]
    fn nothing_is_removed_where_others_give_names() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(".layerwright-new-1");
        fs::create_dir(&path).unwrap();
        for (mode, is_removed) in [(0o777, false), (0o707, false), (0o1777, true), (0o775, true), (0o755, true)] {
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            StagingFolder::new_in(dir.path()).unwrap().remove().unwrap();
            assert_eq!(!path.exists(), is_removed, "{mode:o}");
            fs::create_dir_all(&path).unwrap();
        }
    }

    #[test]
    fn folders_are_made_at_once() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let staging = StagingFolder::new_in(dir.path()).unwrap();
                        fs::write(staging.path().join("x"), "x").unwrap();
                        let file = new_file_in(dir.path()).unwrap();
                        assert!(file.path().exists() && staging.path().join("x").exists());
                    }
                });
            }
        });
        assert!(list(dir.path()).is_empty());
    }
}
