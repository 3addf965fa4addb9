//! The hash of a plain layer, computed behind the thread that reads and writes it.
//!
//! Hashing is two thirds of the work on a plain layer, and goes in order. So each layer has a lane of pieces that wait for
//! it. Any thread can take the first of them, and while a lane is worked on, others work on the lanes of other layers.
//! Without anybody to help, a piece is hashed at once, while it is in the cache.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::belt::{Buffer, Worker};
use crate::layer::Blob;
use crate::{DiffId, Digest};

/// How much is handed on at once. Two of them fit into a core's own cache.
pub(crate) const PIECE_BYTES: usize = 512 << 10;

/// So many pieces wait until somebody is woken up for them, which takes as long as hashing one.
const BUNCH: usize = 4;

/// So many pieces of a lane are hashed until others have their turn.
const TURN: usize = 8;

/// A hash that is on its way.
#[derive(Default)]
pub(crate) struct Lane(Mutex<State>);

#[derive(Default)]
struct State {
    /// Not there while somebody works with it.
    hasher: Option<Sha256>,
    waiting: VecDeque<(Buffer, usize)>,
    bytes: u64,
}

impl Lane {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { hasher: Some(Sha256::new()), ..State::default() })))
    }

    /// Sees to it that the first `filled` bytes of the piece are hashed, now or later.
    pub(crate) fn hash(self: &Arc<Self>, piece: Buffer, filled: usize, worker: &Worker<'_>) {
        let mut state = self.lock();
        state.bytes += filled as u64;
        let is_first = state.waiting.is_empty() && !worker.belt.has_helpers();
        if let Some(hasher) = state.hasher.as_mut().filter(|_| is_first) {
            hasher.update(&piece[..filled]);
        } else {
            state.waiting.push_back((piece, filled));
            if state.waiting.len() >= BUNCH {
                self.hand_over(state, worker);
            }
        }
    }

    /// Says that no piece will follow.
    pub(crate) fn end(self: &Arc<Self>, worker: &Worker<'_>) {
        let state = self.lock();
        if !state.waiting.is_empty() {
            self.hand_over(state, worker);
        }
    }

    /// Whether nothing waits any more.
    pub(crate) fn is_done(&self) -> bool {
        self.lock().hasher.is_some()
    }

    /// Waits for the last piece, and returns the blob of the layer, whose two hashes are of the same bytes. After
    /// [`Self::end`].
    pub(crate) fn blob(&self, worker: &mut Worker<'_>) -> Blob {
        worker.help_until(|| self.is_done());
        let state = self.lock();
        let hasher = state.hasher.clone().expect("it is there");
        let (digest, bytes) = (Digest::finish(hasher.clone()), state.bytes);
        Blob { diff_id: DiffId::finish(hasher), digest, tar_bytes: bytes, blob_bytes: bytes }
    }

    /// Has somebody work on the lane, unless somebody does.
    fn hand_over(self: &Arc<Self>, mut state: MutexGuard<'_, State>, worker: &Worker<'_>) {
        let Some(hasher) = state.hasher.take() else { return };
        drop(state);
        let lane = Arc::clone(self);
        worker.belt.hand_over(Box::new(move |worker| lane.work(hasher, worker)));
    }

    fn work(self: &Arc<Self>, mut hasher: Sha256, worker: &Worker<'_>) {
        for _ in 0..TURN {
            let mut state = self.lock();
            let Some((piece, filled)) = state.waiting.pop_front() else {
                state.hasher = Some(hasher);
                return;
            };
            drop(state);
            hasher.update(&piece[..filled]);
        }
        let mut state = self.lock();
        state.hasher = Some(hasher);
        if !state.waiting.is_empty() {
            self.hand_over(state, worker);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
