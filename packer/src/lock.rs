//! Locks on files and directories, between processes.
//!
//! The kernel gives a lock back when its holder ends, however that comes about: who holds one is alive. Some network file
//! systems have no locks, or none on directories. What has to be done there is done without, and the user is told.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use fs_err::File;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A lock on a file or directory. Given back when it is dropped.
#[derive(Debug)]
pub struct Lock {
    /// `None` where the file system has no locks.
    _held: Option<File>,
}

impl Lock {
    /// Waits until nobody else holds the lock. Where the file system has none, nobody waits for anybody, see
    /// [`are_there_locks`].
    ///
    /// # Errors
    ///
    /// Where it cannot be opened.
    pub fn wait_for(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        match flock(file.file(), FlockOperation::LockExclusive) {
            Ok(()) => Ok(Self { _held: Some(file) }),
            Err(error) if is_unsupported(error) => Ok(Self { _held: None }),
            Err(error) => Err(failed(path, error)),
        }
    }
}

/// Whether the file system that holds a file or directory has locks for it.
///
/// # Errors
///
/// Where it cannot be opened.
pub fn are_there_locks(path: &Path) -> io::Result<bool> {
    match try_hold(File::open(path)?.file(), FlockOperation::NonBlockingLockShared) {
        Ok(_) => Ok(true),
        Err(error) if is_unsupported(error) => Ok(false),
        Err(error) => Err(failed(path, error)),
    }
}

/// Takes a lock, as long as the file is open. Returns whether nobody else has it.
pub(crate) fn try_hold(file: impl AsFd, operation: FlockOperation) -> rustix::io::Result<bool> {
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What systems say that have no locks: NFS of a directory, Lustre without its option, FUSE, and old kernels.
fn is_unsupported(error: Errno) -> bool {
    matches!(error, Errno::BADF | Errno::NOLCK | Errno::NOSYS | Errno::OPNOTSUPP | Errno::INVAL)
}

fn failed(path: &Path, error: Errno) -> io::Error {
    let error = io::Error::from(error);
    io::Error::new(error.kind(), format!("failed to lock `{}`: {error}", path.display()))
}
