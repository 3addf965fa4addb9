//! Ctrl-C and its relatives.
//!
//! While a destination is being written, a signal asks the packer to stop, which removes what it has begun. That takes
//! well below a second; a signal that comes later than [`PATIENCE`] ends the program at once, and so does any signal at
//! another time, when there is nothing to clean up but temporary folders.
//!
//! A signal that whoever started the program has it ignore stays ignored: `nohup` does that with SIGHUP, and shells with
//! SIGINT for what they run in the background.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use layerwright_packer::StagingFolder;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Those that ask a program to end.
const SIGNALS: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

static WRITING: AtomicBool = AtomicBool::new(false);
/// Which signal was the first one, and when it came.
static ASKED: OnceLock<(i32, Instant)> = OnceLock::new();

/// How long the packer has for cleaning up.
const PATIENCE: Duration = Duration::from_secs(3);

/// How often it is tried to remove a folder.
const ATTEMPTS: u32 = 100;

/// Starts listening.
pub(crate) fn listen() -> io::Result<()> {
    let ignored = ignored();
    let mut signals = Signals::new(SIGNALS.iter().filter(|signal| ignored >> (**signal - 1) & 1 == 0))?;
    let listen = move || signals.forever().for_each(came);
    std::thread::Builder::new().spawn(listen).map(drop)
}

/// Which signals are ignored, as a set of bits, of which the lowest stands for signal 1.
fn ignored() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok()).unwrap_or(0)
}

fn came(signal: i32) {
    let is_writing = WRITING.load(Ordering::SeqCst);
    let (_, asked) = ASKED.get_or_init(|| (signal, Instant::now()));
    if is_writing && asked.elapsed() <= PATIENCE {
        return;
    }
    // Held to the end: who misses a folder waits here, and neither says so nor makes another one.
    let folders = temporary_folders();
    for folder in folders.iter() {
        // Whoever is making something in it does not find it any more.
        let mut gone = folder.clone().into_os_string();
        gone.push("gone");
        let gone = if fs_err::rename(folder, &gone).is_ok() { gone } else { folder.clone().into() };
        remove(Path::new(&gone));
    }
    std::process::exit(exit_code().into());
}

/// Removes a folder in which somebody may just be making one last thing.
fn remove(folder: &Path) {
    for _ in 0..ATTEMPTS {
        let removed = fs_err::remove_dir_all(folder);
        if removed.is_ok() || removed.is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Whether a signal asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.get().is_some()
}

/// As shells report a program that this signal ended.
pub(crate) fn exit_code() -> u8 {
    let (signal, _) = ASKED.get().copied().unwrap_or((SIGINT, Instant::now()));
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}

/// A folder for what is made on the way. Gone with it, and when a signal ends the program.
pub(crate) struct TemporaryFolder(StagingFolder);

impl TemporaryFolder {
    pub(crate) fn new() -> io::Result<Self> {
        // Not made before a signal could find it.
        let mut folders = temporary_folders();
        let folder = StagingFolder::private_in(&std::env::temp_dir())?;
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
