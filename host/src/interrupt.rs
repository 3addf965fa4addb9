//! Ctrl-C and its relatives.
//!
//! While a destination is being written, the first signal asks the packer to stop, which removes what it has begun.
//! At any other time, or at the second signal, the program ends at once: there is nothing to clean up.

use std::sync::atomic::{AtomicBool, Ordering};

/// As shells report a program that SIGINT ended.
pub(crate) const EXIT_CODE: u8 = 130;

static WRITING: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicBool = AtomicBool::new(false);

/// Starts listening.
pub(crate) fn listen() {
    let handler = || {
        if !WRITING.load(Ordering::SeqCst) || ASKED.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_CODE.into());
        }
    };
    ctrlc::set_handler(handler).expect("nothing else has set a handler");
}

/// Whether a signal asked to stop.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::SeqCst)
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
