//! The user's own folder for what can be made again.
//!
//! What lies there is trusted: compiled planners are native code. So the folder has to belong to the user who runs the
//! program and nobody else may write there, or it is not used at all. Everything goes by way of the open folder, so that
//! nobody can put another in its place, and files appear whole, by renaming.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use fs_err as fs;
use rustix::fs::{AtFlags, Dir, Mode, OFlags};
use rustix::process::geteuid;
use thiserror::Error;

/// How a file begins that is not whole yet.
const TEMPORARY: &str = ".new-";

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
}

impl CacheDir {
    /// Returns where the user keeps such things, as the XDG base directory specification says; `None` for a user without
    /// a home.
    #[must_use]
    pub fn default_place() -> Option<PathBuf> {
        let absolute = |path: &PathBuf| path.is_absolute();
        let xdg = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(absolute);
        let caches = xdg.or_else(|| Some(std::env::home_dir().filter(absolute)?.join(".cache")))?;
        Some(caches.join("layerwright"))
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
                Ok(()) | Err(rustix::io::Errno::EXIST) => {}
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
        let unusable = |error: rustix::io::Errno| CacheDirError::Unusable { path: path.clone(), source: error.into() };
        match rustix::fs::mkdirat(&self.dir, name, Mode::RWXU) {
            // A cache that cannot be written to can still be read.
            Ok(()) | Err(rustix::io::Errno::EXIST | rustix::io::Errno::ROFS) => {}
            Err(error) => return Err(unusable(error)),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(&self.dir, name, flags, Mode::empty()).map_err(unusable)?;
        let dir = Self { path, dir };
        dir.check()?;
        Ok(dir)
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
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
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
        let (temporary, file) = self.create()?;
        let written = File::from(file).write_all(bytes);
        let placed = written.and_then(|()| Ok(rustix::fs::renameat(&self.dir, &temporary, &self.dir, name)?));
        if placed.is_err() {
            self.remove(&temporary);
        }
        placed
    }

    /// A new file, under a name that no other run has: containers that share the folder may share process numbers.
    fn create(&self) -> io::Result<(String, OwnedFd)> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let process = std::process::id();
        for count in 0..MAX_BEGUN {
            let temporary = format!("{TEMPORARY}{process}-{count}");
            match rustix::fs::openat(&self.dir, &temporary, flags, Mode::RUSR | Mode::WUSR) {
                Ok(file) => return Ok((temporary, file)),
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(io::Error::other("too many files there were begun and not finished"))
    }

    /// Removes a file, if it is there and can be removed.
    pub fn remove(&self, name: &str) {
        rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()).ok();
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
        let (begun, whole): (Vec<_>, Vec<_>) =
            self.all_entries()?.into_iter().partition(|entry| entry.name.starts_with(TEMPORARY));
        let mut whole: Vec<CacheEntry> = whole.into_iter().filter(|entry| ours(&entry.name)).collect();
        let is_old = |entry: &&CacheEntry| entry.modified.elapsed().is_ok_and(|age| age.as_secs() > 24 * 3600);
        begun.iter().filter(is_old).for_each(|entry| self.remove(&entry.name));
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

    fn all_entries(&self) -> io::Result<Vec<CacheEntry>> {
        let mut entries = Vec::new();
        for found in Dir::read_from(&self.dir)? {
            let Ok(name) = found?.file_name().to_str().map(str::to_owned) else { continue };
            let Some(file) = self.read(&name) else { continue };
            let metadata = file.metadata()?;
            entries.push(CacheEntry { name, bytes: metadata.len(), modified: metadata.modified()? });
        }
        Ok(entries)
    }

    /// A path to an open file, for those who take nothing else.
    #[must_use]
    pub fn path_of(file: &File) -> PathBuf {
        format!("/proc/self/fd/{}", file.as_fd().as_raw_fd()).into()
    }
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
    fn what_others_began_is_not_written_to() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = CacheDir::open(temporary.path()).unwrap();
        let (name, _) = dir.create().unwrap();
        fs::write(temporary.path().join(&name), b"begun").unwrap();
        dir.write("x", b"1").unwrap();
        assert_eq!(fs::read(temporary.path().join(name)).unwrap(), b"begun");
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
