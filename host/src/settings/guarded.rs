//! Work on a stranger's text that must end, whatever the text is.

use std::sync::mpsc;
use std::time::Duration;

use thiserror::Error;

use crate::guard;

/// Native stack. `bounds` keeps the depth far below what this holds.
const STACK_BYTES: usize = 64 << 20;

/// A guard behind `bounds`, for whatever that does not count. What it lets through takes a second at most.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Work that came to no end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Stopped {
    /// It panicked.
    #[error("the validator failed on it")]
    Panicked,
    /// The system has no thread for it.
    #[error("the machine has no thread to check it: {0}")]
    NotStarted(std::io::ErrorKind),
    /// It took too long. It goes on until the program ends, which is soon.
    #[error("checking it takes more than {} seconds", TIMEOUT.as_secs())]
    TimedOut,
}

/// Does the work on a thread of its own.
pub(super) fn guarded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stopped> {
    within(TIMEOUT, work)
}

fn within<T: Send + 'static>(timeout: Duration, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stopped> {
    let (sender, receiver) = mpsc::channel();
    let run = move || {
        let result = guard::caught(work).map_err(|_| Stopped::Panicked);
        // Nobody listens any more where it took too long.
        let _ = sender.send(result);
    };
    guard::thread(STACK_BYTES).spawn(run).map_err(|error| Stopped::NotStarted(error.kind()))?;
    receiver.recv_timeout(timeout).unwrap_or(Err(Stopped::TimedOut))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn panics_and_endless_work_are_errors() {
        assert_eq!(guarded(|| 1), Ok(1));
        assert_eq!(guarded(|| -> u8 { panic!("on purpose") }), Err(Stopped::Panicked));
        let endless = || thread::sleep(Duration::from_secs(60));
        assert_eq!(within(Duration::from_millis(10), endless), Err(Stopped::TimedOut));
    }
}
