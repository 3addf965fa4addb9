//! Ctrl-C and its relatives.
//!
//! While a destination is being written, a signal asks the packer to stop, which removes what it has begun. That takes
//! well below a second; a signal that comes later than [`PATIENCE`] ends the program at once, and so does any signal at
//! another time, when there is nothing to clean up but temporary folders.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// As shells report a program that SIGINT ended.
pub(crate) const EXIT_CODE: u8 = 130;

static WRITING: AtomicBool = AtomicBool::new(false);
/// When the first signal came.
static ASKED: OnceLock<Instant> = OnceLock::new();

/// How long the packer has for cleaning up.
const PATIENCE: Duration = Duration::from_secs(3);

/// Starts listening.
pub(crate) fn listen() -> Result<(), ctrlc::Error> {
    let handler = || {
        let is_writing = WRITING.load(Ordering::SeqCst);
        if !is_writing || ASKED.get_or_init(Instant::now).elapsed() > PATIENCE {
            // Held to the end: who misses a folder waits here, and neither says so nor makes another one.
            let folders = temporary_folders();
            for folder in folders.iter() {
                // Whoever is making something in it does not find it any more.
                let gone = folder.with_extension("gone");
                let gone = if fs_err::rename(folder, &gone).is_ok() { &gone } else { folder };
                let _ = fs_err::remove_dir_all(gone);
            }
            std::process::exit(EXIT_CODE.into());
        }
    };
    ctrlc::set_handler(handler)
}

/// Whether a signal asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.get().is_some()
}

/// A folder for what is made on the way. Gone with it, and when a signal ends the program.
pub(crate) struct TemporaryFolder(TempDir);

impl TemporaryFolder {
    pub(crate) fn new() -> io::Result<Self> {
        // Not made before a signal could find it.
        let mut folders = temporary_folders();
        let folder = TempDir::new()?;
        folders.push(folder.path().to_owned());
        Ok(Self(folder))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        temporary_folders().retain(|folder| folder != self.0.path());
    }
}

fn temporary_folders() -> MutexGuard<'static, Vec<PathBuf>> {
    static FOLDERS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
    FOLDERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Says that files are being written, as long as it lives.
pub(crate) struct Writing(());

impl Writing {
    pub(crate) fn start() -> Self {
        WRITING.store(true, Ordering::SeqCst);
        Self(())
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        WRITING.store(false, Ordering::SeqCst);
    }
}
