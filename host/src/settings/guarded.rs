//! Work on a stranger's text that must end, whatever the text is.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Once, mpsc};
use std::thread;
use std::time::Duration;

use thiserror::Error;

/// Native stack. `bounds` keeps the depth far below what this holds.
const STACK_BYTES: usize = 64 << 20;

/// A guard behind `bounds`, for whatever that does not count. What it lets through takes a second at most.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The threads that are guarded. What panics on them is told as an error and not printed.
const NAME: &str = "settings";

/// Work that came to no end of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Stopped {
    /// It panicked.
    #[error("the validator failed on it")]
    Panicked,
    /// It took too long. It goes on until the program ends, which is soon.
    #[error("checking it takes more than {} seconds", TIMEOUT.as_secs())]
    TimedOut,
}

/// Does the work on a thread of its own.
pub(super) fn guarded<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stopped> {
    within(TIMEOUT, work)
}

fn within<T: Send + 'static>(timeout: Duration, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Stopped> {
    silence_panics();
    let (sender, receiver) = mpsc::channel();
    let run = move || {
        let result = catch_unwind(AssertUnwindSafe(work)).map_err(|_| Stopped::Panicked);
        // Nobody listens any more where it took too long.
        let _ = sender.send(result);
    };
    let thread = thread::Builder::new().name(NAME.to_owned()).stack_size(STACK_BYTES);
    thread.spawn(run).expect("the system starts a thread");
    receiver.recv_timeout(timeout).unwrap_or(Err(Stopped::TimedOut))
}

fn silence_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if thread::current().name() != Some(NAME) {
                print(panic);
            }
        }));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_and_endless_work_are_errors() {
        assert_eq!(guarded(|| 1), Ok(1));
        assert_eq!(guarded(|| -> u8 { panic!("on purpose") }), Err(Stopped::Panicked));
        let endless = || thread::sleep(Duration::from_secs(60));
        assert_eq!(within(Duration::from_millis(10), endless), Err(Stopped::TimedOut));
    }
}
