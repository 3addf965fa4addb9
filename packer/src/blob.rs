//! From the tar of a layer to its blob: diff ID, compression, digest, output, in one go.
//!
//! A compressed layer goes through in blocks of [`BLOCK_BYTES`], which are compressed each for itself. As long as no
//! thread is idle, all that happens to a block happens here, one after the other. A block that is handed over to a
//! helper comes back through its [`Place`], and is hashed and written when all before it are. So the bytes never depend
//! on who did what, and the floor for one layer with any number of threads is to hash it.
//!
//! A plain layer goes through in pieces that stay in the processor's cache from reading to writing. Where somebody is
//! idle, it is the hashing that is handed over, see [`crate::lane`].

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::DiffId;
use crate::belt::{Buffer, Worker};
use crate::compress::{BLOCK_BYTES, EncoderError};
use crate::digest::Hashing;
use crate::error::PackError;
use crate::lane::{Lane, PIECE_BYTES};
use crate::layer::Blob;
use crate::layer_tar::LayerTar;
use crate::read::READ_BYTES;

/// So many pieces wait for each thread at most.
const WAITING_PIECES: usize = 16;

/// Is told of bytes of tar that are done, and can stop the work.
pub(crate) type Progress<'a> = &'a dyn Fn(u64) -> Result<(), PackError>;

/// Writes a compressed layer.
pub(crate) fn write_compressed(
    tar: &mut LayerTar<'_>,
    out: &mut dyn Write,
    worker: &mut Worker<'_>,
    progress: Progress<'_>,
) -> Result<Blob, PackError> {
    let mut plain = Sha256::new();
    let mut tar_bytes = 0;
    let mut blocks = InOrder { out: Hashing::new(out), begun: VecDeque::new() };
    loop {
        let mut block = worker.belt.take_buffer(BLOCK_BYTES);
        let filled = fill(tar, &mut block, &mut plain)?;
        tar_bytes += filled as u64;
        if filled == 0 {
            break;
        }
        blocks.push(block, filled, worker)?;
        progress(filled as u64)?;
    }
    blocks.wait_for_less_than(1, worker)?;
    let (digest, blob_bytes) = blocks.out.finish();
    Ok(Blob { diff_id: DiffId::finish(plain), digest, tar_bytes, blob_bytes })
}

/// Writes a plain layer. `fill` fills what it is given with the next bytes of the tar, and returns how many there are:
/// fewer than fit only at the end. [`Lane::blob`] then says what it is.
pub(crate) fn write_plain(
    mut fill: impl FnMut(&mut [u8]) -> Result<usize, PackError>,
    out: &mut dyn Write,
    worker: &mut Worker<'_>,
    progress: Progress<'_>,
) -> Result<Arc<Lane>, PackError> {
    let lane = Lane::new();
    loop {
        let mut piece = worker.belt.take_buffer(PIECE_BYTES);
        let filled = fill(&mut piece)?;
        if filled == 0 {
            lane.end(worker);
            return Ok(lane);
        }
        out.write_all(&piece[..filled]).map_err(PackError::Write)?;
        lane.hash(piece, filled, worker);
        progress(filled as u64)?;
        let (belt, most) = (worker.belt, WAITING_PIECES * worker.belt.threads);
        if belt.buffers_taken() >= most {
            // Not just one: it takes time to wake up.
            worker.help_until(|| belt.buffers_taken() <= most / 2);
        }
    }
}

/// Fills a block, and hashes it while it is in the cache.
fn fill(tar: &mut LayerTar<'_>, block: &mut [u8], hasher: &mut Sha256) -> Result<usize, PackError> {
    let mut filled = 0;
    for piece in block.chunks_mut(READ_BYTES) {
        let more = tar.fill(piece)?;
        hasher.update(&piece[..more]);
        filled += more;
        if more < piece.len() {
            break;
        }
    }
    Ok(filled)
}

/// Blocks on their way, written in order.
struct InOrder<'a> {
    out: Hashing<&'a mut dyn Write>,
    begun: VecDeque<Arc<Place>>,
}

/// Where a compressed block appears.
#[derive(Default)]
struct Place(Mutex<Option<Result<Vec<u8>, EncoderError>>>);

impl InOrder<'_> {
    fn push(&mut self, block: Buffer, filled: usize, worker: &mut Worker<'_>) -> Result<(), PackError> {
        // In a row behind one slow block, they would fill the memory. All layers together have two for each thread.
        self.wait_for_less_than(1 + worker.belt.threads / worker.belt.owners(), worker)?;
        if worker.belt.wants_jobs() {
            let place = Arc::new(Place::default());
            self.begun.push_back(Arc::clone(&place));
            worker.belt.hand_over(Box::new(move |worker| {
                place.set(worker.encode(&block[..filled]).map(<[u8]>::to_vec));
            }));
        } else {
            let encoded = worker.encode(&block[..filled])?;
            if self.begun.is_empty() {
                self.out.write_all(encoded).map_err(PackError::Write)?;
            } else {
                let place = Place(Mutex::new(Some(Ok(encoded.to_vec()))));
                self.begun.push_back(Arc::new(place));
            }
        }
        self.write_ready()
    }

    fn write_ready(&mut self) -> Result<(), PackError> {
        while let Some(encoded) = self.begun.front().and_then(|place| place.take()) {
            self.begun.pop_front();
            self.out.write_all(&encoded?).map_err(PackError::Write)?;
        }
        Ok(())
    }

    fn wait_for_less_than(&mut self, count: usize, worker: &mut Worker<'_>) -> Result<(), PackError> {
        while self.begun.len() >= count {
            let first = Arc::clone(&self.begun[0]);
            worker.help_until(|| first.is_ready());
            self.write_ready()?;
        }
        Ok(())
    }
}

impl Place {
    fn set(&self, encoded: Result<Vec<u8>, EncoderError>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(encoded);
    }

    fn take(&self) -> Option<Result<Vec<u8>, EncoderError>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_ready(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }
}
