//! What is on the disk before a name leads to it.
//!
//! A rename takes effect at once, and the bytes of the file may reach the disk half a minute later. After a power failure in
//! between, the name leads to an empty file, and what it led to before is gone as well. So three things come in this order:
//!
//! 1. Files are synced under the names that they have while they are made.
//! 2. They are renamed, and whatever names them last.
//! 3. The directories are synced, from the inside out.

use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use fs_err::File;
use rustix::fs::{fdatasync, fsync};
use rustix::io::Errno;

use crate::error::PackError;
use crate::progress::Observer;

/// A file system writes out what several ask for at once, in one go.
const SYNCING_THREADS: usize = 16;

/// Whether what is written has to outlast a power failure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// It is on the disk when it is done.
    #[default]
    Synced,
    /// It is left to the system when it reaches the disk: for what is thrown away after use.
    Unsynced,
}

impl Durability {
    /// Brings the bytes of an open file to the disk. `path` is what the user calls it.
    pub(crate) fn sync(self, file: impl AsFd, path: &Path) -> io::Result<()> {
        match self {
            Self::Synced => fdatasync(file).map_err(|error| named(path, &error.into())),
            Self::Unsynced => Ok(()),
        }
    }

    /// The same for files that are closed. Stops between two of them where the observer says so.
    pub(crate) fn sync_files(self, files: &[PathBuf], observer: &dyn Observer) -> Result<(), PackError> {
        if self == Self::Unsynced {
            return Ok(());
        }
        let (next, failed) = (AtomicUsize::new(0), Mutex::new(Ok(())));
        let sync = |file: &PathBuf| match observer.cancelled() {
            true => Err(PackError::Cancelled),
            false => self.open_and_sync(file).map_err(PackError::Write),
        };
        let work = || {
            while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = sync(file) {
                    *failed.lock().unwrap_or_else(PoisonError::into_inner) = Err(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 1..SYNCING_THREADS.min(files.len()) {
                // Where there are no more threads, those that there are do it.
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            work();
        });
        failed.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_and_sync(self, path: &Path) -> io::Result<()> {
        self.sync(File::open(path)?.file(), path)
    }

    /// Brings the names in a directory to the disk. File systems that cannot say so are left to it.
    pub(crate) fn sync_directory(self, dir: &Path) -> io::Result<()> {
        if self == Self::Unsynced {
            return Ok(());
        }
        match fsync(File::open(dir)?.file()) {
            Err(Errno::INVAL | Errno::BADF | Errno::NOSYS | Errno::OPNOTSUPP) => Ok(()),
            synced => synced.map_err(|error| named(dir, &error.into())),
        }
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("failed to bring `{}` to the disk: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Unobserved;

    struct Stopped;

    impl Observer for Stopped {
        fn cancelled(&self) -> bool {
            true
        }
    }

    #[test]
    fn files_that_cannot_be_synced_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let files: Vec<PathBuf> = (0..40).map(|number| dir.path().join(number.to_string())).collect();
        files.iter().for_each(|file| fs_err::write(file, "x").unwrap());
        Durability::Synced.sync_files(&files, &Unobserved).unwrap();
        Durability::Synced.sync_directory(dir.path()).unwrap();
        fs_err::remove_file(&files[17]).unwrap();
        let message = Durability::Synced.sync_files(&files, &Unobserved).unwrap_err().to_string();
        assert!(message.contains("/17"), "{message}");
        assert!(matches!(Durability::Synced.sync_files(&files, &Stopped), Err(PackError::Cancelled)));
        Durability::Unsynced.sync_files(&files, &Unobserved).unwrap();
        Durability::Unsynced.sync_directory(&files[17]).unwrap();
    }
}
