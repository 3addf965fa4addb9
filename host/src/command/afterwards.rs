//! What comes after an image is complete: telling of it, and keeping a plan, a report or a state beside it.
//!
//! The image is there by then, whatever fails. So nothing that fails is an error as if it were not: the user is told what is
//! missing, all the rest is done nevertheless, and the exit code says that something is.

use std::process::ExitCode;

use anyhow::Result;

use crate::console::Console;
use crate::exit::{CLOSED_PIPE, INCOMPLETE, chain_of_causes, is_broken_pipe};

pub(super) struct Afterwards<'c> {
    console: &'c Console,
    code: u8,
}

impl<'c> Afterwards<'c> {
    pub(super) fn new(console: &'c Console) -> Self {
        Self { console, code: 0 }
    }

    /// Takes what became of one of these things. `what` it is follows on "without".
    pub(super) fn done(&mut self, what: &str, done: Result<()>) {
        let Err(error) = done else { return };
        // Whoever closed the pipe has seen enough.
        if is_broken_pipe(&error) {
            self.code = self.code.max(CLOSED_PIPE);
            return;
        }
        self.code = self.code.max(INCOMPLETE);
        let error = chain_of_causes(&error);
        self.console.warn_always(&format!("the image is complete, but without {what}: {error}"));
    }

    pub(super) fn code(&self) -> ExitCode {
        self.code.into()
    }
}
