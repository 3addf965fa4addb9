//! Ctrl-C and its relatives.
//!
//! While a destination is being written, a signal asks the packer to stop, which removes what it has begun. That takes
//! well below a second; a signal that comes later than [`PATIENCE`] ends the program at once, and so does any signal at
//! another time, when there is nothing to clean up.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

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
            std::process::exit(EXIT_CODE.into());
        }
    };
    ctrlc::set_handler(handler)
}

/// Whether a signal asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.get().is_some()
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
