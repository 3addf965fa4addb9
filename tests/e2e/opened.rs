//! Counts how often files are opened, by anybody.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};

/// Watches everything below a folder from when it was made.
pub(crate) struct Opened {
    watcher: OwnedFd,
    /// How many files and folders are watched.
    pub(crate) watched: usize,
}

impl Opened {
    /// Watches regular files, and folders only if asked to.
    pub(crate) fn below(folder: &str, with_folders: bool) -> Result<Self> {
        let watcher = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).context("inotify")?;
        let mut opened = Self { watcher, watched: 0 };
        opened.watch(Path::new(folder), with_folders)?;
        // To look for what is to be watched opens folders.
        opened.count()?;
        Ok(opened)
    }

    fn watch(&mut self, path: &Path, with_folders: bool) -> Result<()> {
        let metadata = fs::symlink_metadata(path)?;
        if metadata.is_file() || metadata.is_dir() && with_folders {
            inotify::add_watch(&self.watcher, path, WatchFlags::OPEN).context("inotify")?;
            self.watched += 1;
        }
        if metadata.is_dir() {
            for child in fs::read_dir(path)? {
                self.watch(&child?.path(), with_folders)?;
            }
        }
        Ok(())
    }

    /// How often since the last time, or since the beginning.
    pub(crate) fn count(&self) -> Result<usize> {
        let mut buffer = [MaybeUninit::uninit(); 1 << 16];
        let mut events = inotify::Reader::new(&self.watcher, &mut buffer);
        let mut count = 0;
        loop {
            match events.next() {
                // Of what lies in a watched folder one is told twice.
                Ok(event) => count += usize::from(event.file_name().is_none()),
                Err(rustix::io::Errno::AGAIN) => return Ok(count),
                Err(error) => return Err(error).context("inotify"),
            }
        }
    }
}
