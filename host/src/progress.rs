//! What is seen of reading, packing and verifying while it goes on.

use std::io::Read;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use layerwright_packer::{Observer, PackedLayer};

use crate::console::{Console, shown};
use crate::interrupt;

/// How often a spinner moves.
const TICK: Duration = Duration::from_millis(100);

/// A bar on a terminal, and nothing elsewhere. Removed when it is dropped.
pub(crate) struct Progress<'c> {
    console: &'c Console,
    bar: ProgressBar,
    layers: AtomicUsize,
    done: AtomicUsize,
    what: &'static str,
}

impl<'c> Progress<'c> {
    /// `what` is what the counted things are called: `layers`.
    pub(crate) fn new(console: &'c Console, what: &'static str) -> Self {
        let bar = if console.shows_progress() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let template = "{bar:24} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec}, {msg}, {eta} left";
        bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
        Self { console, bar, layers: AtomicUsize::new(0), done: AtomicUsize::new(0), what }
    }
}

/// A line that says what takes long.
pub(crate) struct Spinner {
    line: ProgressBar,
    /// Gone with it, and then whatever moves it ends.
    _moving: Option<Sender<()>>,
}

impl Deref for Spinner {
    type Target = ProgressBar;

    fn deref(&self) -> &ProgressBar {
        &self.line
    }
}

/// A line that says what takes long, on a terminal only.
pub(crate) fn spinner(console: &Console, what: &str) -> Spinner {
    let target = if console.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let spinner = ProgressBar::with_draw_target(None, target);
    // The default is a bar, which has no place for a message.
    let spinner = spinner.with_style(ProgressStyle::default_spinner()).with_message(what.to_owned());
    let moving = console.shows_progress().then(|| moved(spinner.clone())).flatten();
    Spinner { line: spinner, _moving: moving }
}

/// Moves a spinner until what is returned is gone. Where no thread can be had for that, it stands still; the library's own
/// way would panic.
fn moved(spinner: ProgressBar) -> Option<Sender<()>> {
    let (moving, is_over) = channel();
    let tick = move || {
        while is_over.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
            spinner.tick();
        }
    };
    thread::Builder::new().spawn(tick).ok().map(|_| moving)
}

/// Tells on a terminal how much of a file has been read, unpacked. Gone when it is dropped.
pub(crate) fn reading<R: Read>(console: &Console, file: &Path, open: R) -> impl Read + use<R> {
    let bar = if console.shows_progress() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let template = "{spinner} reading {msg}: {binary_bytes}, {binary_bytes_per_sec}";
    bar.set_style(ProgressStyle::with_template(template).expect("the template is valid"));
    bar.with_finish(ProgressFinish::AndClear).with_message(shown(&file.display().to_string())).wrap_read(open)
}

/// A bar for so many things that are done one by one, on a terminal only.
pub(crate) fn counter(console: &Console, count: u64, what: &str) -> ProgressBar {
    let bar = if console.shows_progress() { ProgressBar::new(count) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} {msg}, {eta} left").expect("the template is valid");
    bar.with_style(style).with_message(what.to_owned())
}

impl Observer for Progress<'_> {
    fn planned(&self, layers: usize, bytes: u64) {
        self.layers.store(layers, Ordering::Relaxed);
        self.bar.set_length(bytes);
        self.bar.set_message(format!("0 of {layers} {}", self.what));
    }

    fn packed(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    fn layer_done(&self, _: usize, _: &PackedLayer) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        self.bar.set_message(format!("{done} of {} {}", self.layers.load(Ordering::Relaxed), self.what));
    }

    fn warn(&self, message: &str) {
        self.bar.suspend(|| self.console.warn(message));
    }

    fn cancelled(&self) -> bool {
        interrupt::asked()
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
