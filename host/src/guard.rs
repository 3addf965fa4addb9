//! Threads for work on strangers' bytes: what panics there is an error, and neither ends the program nor prints anything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread;

/// By their name they are known to the panic hook.
const NAME: &str = "guarded";

/// The work panicked, which is a bug of whoever does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

/// A thread with this much stack, to be started with [`caught`] work.
pub(crate) fn thread(stack_bytes: usize) -> thread::Builder {
    silence_panics();
    thread::Builder::new().name(NAME.to_owned()).stack_size(stack_bytes)
}

/// Does the work, and catches what panics in it.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|_| Panicked)
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
