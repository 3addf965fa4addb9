//! The user's own folders for what can be made again: packed layers, which may travel from machine to machine, and
//! compiled planners, which may not.
//!
//! What lies there is trusted. So a folder has to belong to the user who runs the program and nobody else may write
//! there, or it is not used at all. Everything goes by way of the open folder, so that
//! nobody can put another in its place, and files appear whole, by renaming.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use rustix::fs::{AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;
use thiserror::Error;

use crate::lock::try_hold;

/// How a file begins that is not whole yet.
const TEMPORARY: &str = ".new-";

/// No run takes longer: what it began and is older was left by one that has ended. For file systems without locks.
const LONGEST_RUN: Duration = Duration::from_secs(24 * 3600);

/// What was begun just now may not be held yet.
const SHORTEST_RUN: Duration = Duration::from_secs(1);

/// How much is copied at once.
const COPY_BYTES: usize = 256 << 10;

/// So many runs with the same process number may have begun a file and not finished it, until all are a day old.
const MAX_BEGUN: u32 = 1000;

/// Why a cache folder is not used.
#[derive(Debug, Error)]
pub enum CacheDirError {
    /// It cannot be made or opened.
    #[error("{}: {source}", path.display())]
    Unusable {
        /// Where it is, or should be.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Whoever owns it could put anything there.
    #[error("{} belongs to user {owner} and not to user {user}, who runs this", path.display())]
    Foreign {
        /// Where it is.
        path: PathBuf,
        /// Whose it is.
        owner: u32,
        /// Who we are.
        user: u32,
    },
    /// Others could have put anything there.
    #[error("others may write to {0}; remove it, and it is made again for you alone", path.display())]
    Shared {
        /// Where it is.
        path: PathBuf,
    },
}

/// An open folder that is the user's alone.
#[derive(Debug)]
pub struct CacheDir {
    path: PathBuf,
    dir: OwnedFd,
}

/// A file in it.
#[derive(Clone, Debug)]
pub struct CacheEntry {
    /// In the folder.
    pub name: String,
    /// How long it is.
    pub bytes: u64,
    /// When it was written, or used for the last time, see [`CacheDir::touch`].
    pub modified: SystemTime,
    /// When anything about it changed for the last time, also that it came to this folder. Nobody can set it.
    pub changed: SystemTime,
}

/// Which files that were begun are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhichBegun {
    Abandoned,
    All,
}

/// A file that has no name yet under which it is looked for. Removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Begun<'d> {
    dir: &'d CacheDir,
    temporary: String,
    file: File,
}

impl CacheDir {
    /// Returns where the user keeps such things, as the XDG base directory specification says; `None` for a user without
    /// a home.
    #[must_use]
    pub fn default_place() -> Option<PathBuf> {
        user_folder("XDG_CACHE_HOME", ".cache")
    }

    /// Returns where the user keeps what belongs to this machine alone: caches are saved and restored by build servers,
    /// and the state of programs is not. By the same specification.
    #[must_use]
    pub fn default_place_of_this_machine() -> Option<PathBuf> {
        user_folder("XDG_STATE_HOME", ".local/state")
    }

    /// Opens the folder, after making it where there is none.
    ///
    /// # Errors
    ///
    /// Where it cannot be made or opened, or is not the user's alone.
    pub fn open(path: &Path) -> Result<Self, CacheDirError> {
        let unusable = |source| CacheDirError::Unusable { path: path.to_owned(), source };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        if !path.is_dir() {
            path.parent().map_or(Ok(()), fs::create_dir_all).map_err(unusable)?;
            match rustix::fs::mkdir(path, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(unusable(error.into())),
            }
        }
        let dir = rustix::fs::open(path, flags, Mode::empty()).map_err(|error| unusable(error.into()))?;
        let dir = Self { path: path.to_owned(), dir };
        dir.check()?;
        Ok(dir)
    }

    /// Opens a folder in this one, see [`Self::open`].
    ///
    /// # Errors
    ///
    /// As for [`Self::open`], and where it is a symlink.
    pub fn folder(&self, name: &str) -> Result<Self, CacheDirError> {
        let path = self.path.join(name);
        let unusable = |error: Errno| CacheDirError::Unusable { path: path.clone(), source: error.into() };
        match rustix::fs::mkdirat(&self.dir, name, Mode::RWXU) {
            // A cache that cannot be written to can still be read.
            Ok(()) | Err(Errno::EXIST | Errno::ROFS) => {}
            Err(error) => return Err(unusable(error)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(&self.dir, name, flags, Mode::empty()).map_err(unusable)?;
        let dir = Self { path, dir };
        dir.check()?;
        Ok(dir)
    }

    /// Where it is, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn check(&self) -> Result<(), CacheDirError> {
        let unusable = |source| CacheDirError::Unusable { path: self.path.clone(), source };
        let found = rustix::fs::fstat(&self.dir).map_err(|error| unusable(error.into()))?;
        let user = geteuid().as_raw();
        if found.st_uid != user {
            return Err(CacheDirError::Foreign { path: self.path.clone(), owner: found.st_uid, user });
        }
        let mode = Mode::from_raw_mode(found.st_mode);
        if mode.intersects(Mode::WGRP | Mode::WOTH) {
            return Err(CacheDirError::Shared { path: self.path.clone() });
        }
        // That others may read is left as it is: nothing here is secret, and the folder may be the user's for more.
        Ok(())
    }

    /// Opens a file for reading; `None` where there is none that is the user's own.
    #[must_use]
    pub fn read(&self, name: &str) -> Option<File> {
        // A FIFO, which is none of ours, must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.dir, name, flags, Mode::empty()).ok()?);
        let found = file.metadata().ok()?;
        (found.is_file() && found.uid() == geteuid().as_raw()).then_some(file)
    }

    /// Writes a file, which appears whole or not at all.
    ///
    /// # Errors
    ///
    /// Where it cannot be written. What was begun is removed.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut begun = self.create(Mode::RUSR | Mode::WUSR)?;
        begun.file.write_all(bytes)?;
        begun.place(name)
    }

    /// The same, where there is no file of that name yet. What is there already stays.
    ///
    /// # Errors
    ///
    /// As for [`Self::write`].
    pub fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut begun = self.create(Mode::RUSR | Mode::WUSR)?;
        begun.file.write_all(bytes)?;
        match rustix::fs::renameat_with(&self.dir, &begun.temporary, &self.dir, name, RenameFlags::NOREPLACE) {
            // In the second case somebody was faster. What was begun is removed.
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            // Some file systems know no such rename. Of two that come at the same moment, the last one stays.
            Err(_) => begun.place(name),
        }
    }

    /// Begins a file with the content of another, which nobody writes to any more: the same file under a second name
    /// where that can be, and a copy with the permissions of a new file otherwise.
    pub(crate) fn begin_with(&self, file: &Path, goes_on: &dyn Fn() -> bool) -> io::Result<Begun<'_>> {
        let linked = self.begin(|temporary| rustix::fs::linkat(CWD, file, &self.dir, temporary, AtFlags::empty()));
        match linked {
            Ok((temporary, ())) => match self.read(&temporary) {
                Some(file) => Ok(Begun::hold(self, temporary, file)),
                None => {
                    self.remove(&temporary);
                    Err(io::Error::other("the file to be kept is no regular file of this user"))
                }
            },
            // Another file system, one without links, a file with too many: there are many reasons and one way out.
            Err(_) => {
                let begun = self.create(Mode::from_raw_mode(0o666))?;
                match copy(fs::File::open(file)?.file(), &begun.file, goes_on) {
                    Ok(_) => Ok(begun),
                    Err(CopyError::Read(error) | CopyError::Write(error)) => Err(error),
                    Err(CopyError::Cancelled) => Err(io::ErrorKind::Interrupted.into()),
                }
            }
        }
    }

    fn create(&self, mode: Mode) -> io::Result<Begun<'_>> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (temporary, file) = self.begin(|temporary| rustix::fs::openat(&self.dir, temporary, flags, mode))?;
        Ok(Begun::hold(self, temporary, file.into()))
    }

    /// Makes something under a name that no other run has: containers that share the folder may share process numbers.
    fn begin<T>(&self, make: impl Fn(&str) -> rustix::io::Result<T>) -> io::Result<(String, T)> {
        static BEGUN: AtomicU32 = AtomicU32::new(0);
        let process = std::process::id();
        for _ in 0..MAX_BEGUN {
            let temporary = format!("{TEMPORARY}{process}-{}", BEGUN.fetch_add(1, Ordering::Relaxed));
            match make(&temporary) {
                Ok(made) => return Ok((temporary, made)),
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("too many files there were begun and not finished"))
    }

    /// Gives a file that was opened here a second name outside. Returns whether that can be: the file may lie on another
    /// file system, or have another name or none by now.
    pub(crate) fn link_out(&self, name: &str, file: &File, to: &Path) -> bool {
        if rustix::fs::linkat(&self.dir, name, CWD, to, AtFlags::empty()).is_err() {
            return false;
        }
        let is_same = fs::symlink_metadata(to).is_ok_and(|linked| is_same_file(file, linked.dev(), linked.ino()));
        if !is_same {
            fs::remove_file(to).ok();
        }
        is_same
    }

    /// Removes a file, if it is there and can be removed.
    pub fn remove(&self, name: &str) {
        self.try_remove(name).ok();
    }

    /// Removes a file. Returns whether it was there.
    pub(crate) fn try_remove(&self, name: &str) -> io::Result<bool> {
        match rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => {
                Err(io::Error::new(error.kind(), format!("removing {}: {error}", self.path.join(name).display())))
            }
        }
    }

    /// Removes a file that was opened here, unless another has its name by now.
    pub(crate) fn remove_file(&self, name: &str, file: &File) -> io::Result<()> {
        if self.stat(name).is_ok_and(|found| is_same_file(file, found.st_dev, found.st_ino)) {
            self.try_remove(name)?;
        }
        Ok(())
    }

    /// Removes what runs of the program began and did not finish: all of it, or what no run can be working at any more.
    pub(crate) fn remove_begun(&self, begun: WhichBegun) -> io::Result<()> {
        for entry in self.all_entries()?.into_iter().filter(|entry| entry.name.starts_with(TEMPORARY)) {
            if begun == WhichBegun::All || self.is_abandoned(&entry) {
                self.try_remove(&entry.name)?;
            }
        }
        Ok(())
    }

    /// Whether the run that began a file has ended: nobody holds it any more, or it is too old for anybody to be alive.
    fn is_abandoned(&self, entry: &CacheEntry) -> bool {
        let is_free = |file| try_hold(file, FlockOperation::NonBlockingLockExclusive) == Ok(true);
        is_older(entry.changed, LONGEST_RUN)
            || is_older(entry.changed, SHORTEST_RUN) && self.read(&entry.name).is_some_and(is_free)
    }

    /// Remembers that a file was used.
    pub fn touch(file: &File) {
        file.set_modified(SystemTime::now()).ok();
    }

    /// Lists the files that are whole, in no particular order.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read.
    pub fn entries(&self) -> io::Result<Vec<CacheEntry>> {
        Ok(self.all_entries()?.into_iter().filter(|entry| !entry.name.starts_with(TEMPORARY)).collect())
    }

    /// Removes what has been used least lately until at most `limit` bytes are left, and what other runs of the program
    /// began and did not finish. Files that are not `ours`, by their name, are somebody's.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be read.
    pub fn prune(&self, limit: u64, ours: impl Fn(&str) -> bool) -> io::Result<()> {
        self.remove_begun(WhichBegun::Abandoned)?;
        let mut whole: Vec<CacheEntry> = self.entries()?.into_iter().filter(|entry| ours(&entry.name)).collect();
        whole.sort_by_key(|entry| entry.modified);
        let mut total: u64 = whole.iter().map(|entry| entry.bytes).sum();
        for entry in whole {
            if total <= limit {
                break;
            }
            self.remove(&entry.name);
            total -= entry.bytes;
        }
        Ok(())
    }

    /// Regular files of the user's own.
    fn all_entries(&self) -> io::Result<Vec<CacheEntry>> {
        let mut entries = Vec::new();
        for found in Dir::read_from(&self.dir)? {
            let Ok(name) = found?.file_name().to_str().map(str::to_owned) else { continue };
            // Another run may have removed it.
            let Ok(found) = self.stat(&name) else { continue };
            let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
            if is_file && found.st_uid == geteuid().as_raw() {
                let modified = time(found.st_mtime, found.st_mtime_nsec);
                let changed = time(found.st_ctime, found.st_ctime_nsec);
                entries.push(CacheEntry { name, bytes: found.st_size.unsigned_abs(), modified, changed });
            }
        }
        Ok(entries)
    }

    fn stat(&self, name: &str) -> rustix::io::Result<Stat> {
        rustix::fs::statat(&self.dir, name, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// A path to an open file, for those who take nothing else.
    #[must_use]
    pub fn path_of(file: &File) -> PathBuf {
        format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()).into()
    }
}

impl<'d> Begun<'d> {
    /// Shows others that somebody is at work. A file with several names may be held by several.
    fn hold(dir: &'d CacheDir, temporary: String, file: File) -> Self {
        // Where there are no locks, only the time tells.
        let _ = try_hold(&file, FlockOperation::NonBlockingLockShared);
        Self { dir, temporary, file }
    }

    /// The file as it is.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name. Another file of that name is replaced.
    pub(crate) fn place(self, name: &str) -> io::Result<()> {
        // To rename a file to another name that it has does nothing, and then the drop removes the first one.
        Ok(rustix::fs::renameat(&self.dir.dir, &self.temporary, &self.dir.dir, name)?)
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.dir.remove_file(&self.temporary, &self.file).ok();
    }
}

/// Whether so much time has passed. What lies in the future is not old.
pub(crate) fn is_older(time: SystemTime, age: Duration) -> bool {
    time.elapsed().is_ok_and(|elapsed| elapsed >= age)
}

/// Which of two files cannot be copied.
#[derive(Debug)]
pub(crate) enum CopyError {
    Read(io::Error),
    Write(io::Error),
    Cancelled,
}

/// Copies a file, from its beginning, into an empty one, or lets the file system share the bytes of both until one is
/// written to. Returns how many bytes there are.
pub(crate) fn copy(mut from: &File, mut to: &File, goes_on: &dyn Fn() -> bool) -> Result<u64, CopyError> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(to.metadata().map_err(CopyError::Write)?.len());
    }
    from.rewind().map_err(CopyError::Read)?;
    let (mut copied, mut buffer) = (0, vec![0; COPY_BYTES]);
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(copied),
            Ok(_) if !goes_on() => return Err(CopyError::Cancelled),
            Ok(count) => {
                to.write_all(&buffer[..count]).map_err(CopyError::Write)?;
                copied += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyError::Read(error)),
        }
    }
}

fn is_same_file(file: &File, dev: u64, ino: u64) -> bool {
    file.metadata().is_ok_and(|metadata| (metadata.dev(), metadata.ino()) == (dev, ino))
}

/// The program's own in the folder that this variable names, or in this one at the user's home.
fn user_folder(variable: &str, at_home: &str) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let named = std::env::var_os(variable).map(PathBuf::from).filter(absolute);
    let folder = named.or_else(|| Some(std::env::home_dir().filter(absolute)?.join(at_home)))?;
    Some(folder.join("layerwright"))
}

fn time(seconds: i64, nanoseconds: u64) -> SystemTime {
    let since = Duration::new(seconds.max(0).unsigned_abs(), u32::try_from(nanoseconds).unwrap_or(0));
    SystemTime::UNIX_EPOCH + since
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::time::Duration;

    use super::*;

    fn names(dir: &CacheDir) -> Vec<String> {
        let mut names: Vec<String> = dir.entries().unwrap().into_iter().map(|entry| entry.name).collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_made_for_the_user_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b");
        let dir = CacheDir::open(&path).unwrap().folder("planners").unwrap();
        for path in [path.join("planners"), path] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        dir.write("x", b"1").unwrap();
        dir.write("x", b"22").unwrap();
        assert_eq!(dir.read("x").unwrap().metadata().unwrap().len(), 2);
        assert_eq!(names(&dir), ["x"]);
    }

    #[test]
    fn what_is_there_is_not_replaced_by_something_new() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = CacheDir::open(temporary.path()).unwrap();
        dir.write_new("x", b"first").unwrap();
        dir.write_new("x", b"second").unwrap();
        assert_eq!(fs::read(temporary.path().join("x")).unwrap(), b"first");
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_others_began_is_not_written_to() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = CacheDir::open(temporary.path()).unwrap();
        let next = dir.create(Mode::RUSR | Mode::WUSR).unwrap().temporary.clone();
        let (start, count) = next.rsplit_once('-').unwrap();
        let count: u32 = count.parse().unwrap();
        // Other tests of the same process count as well.
        let begun: Vec<PathBuf> =
            (count..count + 100).map(|count| temporary.path().join(format!("{start}-{count}"))).collect();
        begun.iter().for_each(|path| fs::write(path, b"begun").unwrap());
        dir.write("x", b"1").unwrap();
        assert!(begun.iter().all(|path| fs::read(path).unwrap() == b"begun"));
    }

    #[test]
    fn folders_of_others_and_links_are_not_used() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("cache");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
        // What is the user's own for more than this stays as it is.
        CacheDir::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o755);
        for mode in [0o770, 0o707, 0o777] {
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            assert!(matches!(CacheDir::open(&path), Err(CacheDirError::Shared { .. })));
        }
        fs::set_permissions(&path, PermissionsExt::from_mode(0o700)).unwrap();
        let dir = CacheDir::open(&path).unwrap();
        fs::create_dir(temporary.path().join("elsewhere")).unwrap();
        symlink("../elsewhere", path.join("planners")).unwrap();
        assert!(matches!(dir.folder("planners"), Err(CacheDirError::Unusable { .. })));
        symlink("../elsewhere", path.join("file")).unwrap();
        assert!(dir.read("file").is_none());
        if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1), None).unwrap();
            assert!(matches!(CacheDir::open(&path), Err(CacheDirError::Foreign { owner: 1, .. })));
        }
    }

    #[test]
    fn what_was_used_least_lately_goes_first() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = CacheDir::open(temporary.path()).unwrap();
        for (age, name) in ["old", "new", "older"].iter().zip([20, 10, 30]).map(|(name, age)| (age, name)) {
            dir.write(name, &[0; 10]).unwrap();
            let file = fs::OpenOptions::new().append(true).open(temporary.path().join(name)).unwrap();
            file.file().set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        }
        fs::write(temporary.path().join(".new-1-1"), b"begun").unwrap();
        let ours = |name: &str| name != "somebody's";
        dir.write("somebody's", &[0; 1000]).unwrap();
        dir.prune(25, ours).unwrap();
        assert_eq!(names(&dir), ["new", "old", "somebody's"]);
        dir.prune(0, ours).unwrap();
        assert_eq!(names(&dir), ["somebody's"]);
        assert!(temporary.path().join(".new-1-1").exists());
    }
}
