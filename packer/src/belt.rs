//! The threads that pack.
//!
//! Each takes one task after the other, which is to pack a layer, and needs no word to anybody for it. When all tasks are
//! taken, whoever has none left helps: those who still pack hand over parts of their work as [`Job`]s, as many as there
//! are helpers to do them and one more for each, so that none waits for the next. So a layer is shared just when there
//! are fewer layers than threads, in the end or because there is only one.
//!
//! A task that has to wait for its own jobs does jobs meanwhile, so nobody waits while there is something to do.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
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
    state: Mutex<State>,
    /// Something in the state is new, or a job is done.
    changed: Condvar,
    /// Threads without a task of their own.
    helpers: AtomicUsize,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// Tasks that are not done.
    unfinished: usize,
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
        let state = Mutex::new(State { unfinished: tasks, ..State::default() });
        let belt = Self { compression, threads, state, changed: Condvar::new(), helpers: AtomicUsize::new(0) };
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
        helpers > 0 && self.lock().jobs.len() < helpers
    }

    pub(crate) fn has_helpers(&self) -> bool {
        self.helpers.load(Ordering::Relaxed) > 0
    }

    pub(crate) fn hand_over(&self, job: Job) {
        self.change(|state| state.jobs.push_back(job));
    }

    /// A buffer of `size` bytes with anything in it. All have one size.
    pub(crate) fn take_buffer(&self, size: usize) -> Vec<u8> {
        let mut state = self.lock();
        state.taken += 1;
        let buffer = state.buffers.pop();
        drop(state);
        buffer.unwrap_or_else(|| vec![0; size])
    }

    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        let mut state = self.lock();
        state.taken -= 1;
        state.buffers.push(buffer);
    }

    /// How many buffers are in use.
    pub(crate) fn buffers_taken(&self) -> usize {
        self.lock().taken
    }

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
            let seen = self.belt.lock().changes;
            if is_done() {
                return;
            }
            let mut state = self.belt.lock();
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                self.complete(job);
            } else if state.changes == seen {
                drop(self.belt.changed.wait(state));
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
        let mut state = self.belt.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                self.complete(job);
                state = self.belt.lock();
            } else if state.unfinished == 0 {
                return;
            } else {
                state = self.belt.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn complete(&mut self, job: Job) {
        job(self);
        self.belt.change(|_| ());
    }
}

/// Says that a task is done, even if it panicked: the others would wait for it.
struct Finished<'a>(&'a Belt);

impl Drop for Finished<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.unfinished -= 1);
    }
}
