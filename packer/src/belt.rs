//! The threads that pack.
//!
//! Each takes one task after the other, which is to pack a layer, and needs no word to anybody for it. When all tasks are
//! taken, whoever has none left helps: those who still pack hand over parts of their work as [`Job`]s, as many as there
//! are helpers to do them and one more for each, so that none waits for the next. So a layer is shared just when there
//! are fewer layers than threads, in the end or because there is only one.
//!
//! A task that has to wait for its own jobs does jobs meanwhile, whosever they are.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::Compression;
use crate::compress::{BlockEncoder, EncoderError};
use crate::error::PackError;

/// Part of a task that any thread can do.
pub(crate) type Job = Box<dyn FnOnce(&mut Worker<'_>) + Send>;

/// What the threads share.
pub(crate) struct Belt {
    compression: Compression,
    /// How many threads there are at most.
    pub(crate) threads: usize,
    shared: Arc<Shared>,
    /// Threads without a task of their own.
    helpers: AtomicUsize,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    /// Something in the state is new, or a job is done.
    changed: Condvar,
}

/// Bytes, of which there are as many as each buffer of a belt has. What is in them is not known at first.
pub(crate) struct Buffer {
    bytes: Vec<u8>,
    belt: Arc<Shared>,
}

impl Deref for Buffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    /// Whoever fails gives its buffers back, too: others may be waiting for them.
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        self.belt.change(|state| {
            state.taken -= 1;
            state.buffers.push(bytes);
        });
    }
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Tasks that are not done.
    unfinished: usize,
    /// A job panicked, and nobody need wait for what it should have done.
    has_panicked: bool,
    /// How often something changed that somebody may be waiting for.
    changes: u64,
    /// Buffers that nobody uses.
    buffers: Vec<Vec<u8>>,
    /// Buffers that are in use.
    taken: usize,
}

/// A thread, with what it needs for compressing.
pub(crate) struct Worker<'a> {
    pub(crate) belt: &'a Belt,
    encoder: BlockEncoder,
    /// Of the encoder.
    encoded: Vec<u8>,
}

impl Belt {
    /// Does `task` for each number below `tasks`, in about that order, with so many threads, of which this is one. Fewer
    /// where the machine does not give as many.
    pub(crate) fn run(
        compression: Compression,
        threads: usize,
        tasks: usize,
        task: &(dyn Fn(usize, &mut Worker<'_>) + Sync),
    ) -> Result<(), PackError> {
        let belt = Self { compression, threads, shared: Arc::default(), helpers: AtomicUsize::new(0) };
        belt.shared.change(|state| state.unfinished = tasks);
        let next = AtomicUsize::new(0);
        let mut own = Worker::new(&belt)?;
        thread::scope(|scope| {
            for _ in 1..threads {
                let Ok(mut worker) = Worker::new(&belt) else { break };
                let next = &next;
                let begun = thread::Builder::new().spawn_scoped(scope, move || worker.work(next, tasks, task));
                if begun.is_err() {
                    break;
                }
            }
            own.work(&next, tasks, task);
        });
        Ok(())
    }

    /// Whether a job that is handed over now will be done by somebody else, and soon.
    pub(crate) fn wants_jobs(&self) -> bool {
        let helpers = self.helpers.load(Ordering::Relaxed);
        helpers > 0 && self.shared.lock().jobs.len() < helpers
    }

    pub(crate) fn has_helpers(&self) -> bool {
        self.helpers.load(Ordering::Relaxed) > 0
    }

    /// How many threads have a task of their own.
    pub(crate) fn owners(&self) -> usize {
        self.threads.saturating_sub(self.helpers.load(Ordering::Relaxed)).max(1)
    }

    pub(crate) fn hand_over(&self, job: Job) {
        self.shared.change(|state| state.jobs.push_back(job));
    }

    /// A buffer of `size` bytes with anything in it. All have one size.
    pub(crate) fn take_buffer(&self, size: usize) -> Buffer {
        let mut state = self.shared.lock();
        state.taken += 1;
        let bytes = state.buffers.pop();
        drop(state);
        Buffer { bytes: bytes.unwrap_or_else(|| vec![0; size]), belt: Arc::clone(&self.shared) }
    }

    /// How many buffers are in use.
    pub(crate) fn buffers_taken(&self) -> usize {
        self.shared.lock().taken
    }
}

impl Shared {
    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        state.changes += 1;
        drop(state);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic happens under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'a> Worker<'a> {
    fn new(belt: &'a Belt) -> Result<Self, EncoderError> {
        Ok(Self { belt, encoder: BlockEncoder::new(belt.compression)?, encoded: Vec::new() })
    }

    /// Compresses a block.
    pub(crate) fn encode<'b>(&'b mut self, block: &'b [u8]) -> Result<&'b [u8], EncoderError> {
        self.encoder.encode(block, &mut self.encoded)
    }

    /// Does jobs, and waits for some, until `is_done`, which has to become true by a job.
    pub(crate) fn help_until(&mut self, is_done: impl Fn() -> bool) {
        loop {
            let (seen, has_panicked) = {
                let state = self.belt.shared.lock();
                (state.changes, state.has_panicked)
            };
            if is_done() {
                return;
            }
            assert!(!has_panicked, "a job panicked");
            let mut state = self.belt.shared.lock();
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                self.complete(job);
            } else if state.changes == seen {
                drop(self.belt.shared.changed.wait(state));
            }
        }
    }

    fn work(&mut self, next: &AtomicUsize, tasks: usize, task: &(dyn Fn(usize, &mut Worker<'_>) + Sync)) {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= tasks {
                break;
            }
            let _finished = Finished(self.belt);
            task(index, self);
        }
        self.belt.helpers.fetch_add(1, Ordering::Relaxed);
        let mut state = self.belt.shared.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                self.complete(job);
                state = self.belt.shared.lock();
            } else if state.unfinished == 0 {
                return;
            } else {
                state = self.belt.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn complete(&mut self, job: Job) {
        let _completed = Completed(self.belt);
        job(self);
    }
}

/// Says that a job is done, or will never be.
struct Completed<'a>(&'a Belt);

impl Drop for Completed<'_> {
    fn drop(&mut self) {
        self.0.shared.change(|state| state.has_panicked |= thread::panicking());
    }
}

/// Says that a task is done, even if it panicked: the others would wait for it.
struct Finished<'a>(&'a Belt);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.shared.change(|state| state.unfinished -= 1);
    }
}
