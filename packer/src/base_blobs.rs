//! Layers of a base image on their way into ours: as they are stored, or for a stream as plain tars.
//!
//! They were verified when the base image was opened. What is written must still be that, so it is hashed again.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use fs_err::File;

use crate::base::BaseLayer;
use crate::digest::Hashing;
use crate::error::PackError;
use crate::layer::Blob;
use crate::progress::Observer;

/// How much is copied before one looks up.
const COPY_BYTES: usize = 1 << 20;

/// Copies the blob of a layer to a new file.
pub(crate) fn copy(layer: &BaseLayer, to: &Path, observer: &dyn Observer) -> Result<Blob, PackError> {
    let BaseLayer { diff_id, digest, tar_bytes, blob_bytes, .. } = *layer;
    let blob = Blob { diff_id, digest, tar_bytes, blob_bytes };
    match copy_known(layer.blob().map_err(PackError::Read)?, &blob, to, observer)? {
        true => Ok(blob),
        false => Err(changed(layer)),
    }
}

/// Copies a blob to a new file. Returns whether it was the one that is known.
pub(crate) fn copy_known(
    bytes: impl Read,
    known: &Blob,
    to: &Path,
    observer: &dyn Observer,
) -> Result<bool, PackError> {
    // One byte more, to see whether there is one.
    let mut bytes = bytes.take(known.blob_bytes.saturating_add(1));
    let mut file = Hashing::new(File::create_new(to).map_err(PackError::Write)?);
    let mut buffer = vec![0; COPY_BYTES];
    while !observer.cancelled() {
        match bytes.read(&mut buffer) {
            Ok(0) => return Ok(file.finish() == (known.digest, known.blob_bytes)),
            Ok(count) => file.write_all(&buffer[..count]).map_err(PackError::Write)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(PackError::Read(error)),
        }
    }
    Err(PackError::Cancelled)
}

/// The tar of a layer, of which there is exactly as much as the layer has said.
pub(crate) struct PlainTar<'a> {
    layer: &'a BaseLayer,
    tar: Box<dyn Read + Send + 'a>,
    left: u64,
}

impl<'a> PlainTar<'a> {
    pub(crate) fn new(layer: &'a BaseLayer) -> Result<Self, PackError> {
        Ok(Self { layer, tar: Box::new(layer.tar().map_err(PackError::Read)?), left: layer.tar_bytes })
    }

    /// As [`crate::layer_tar::LayerTar::fill`].
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<usize, PackError> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        self.tar.read_exact(&mut out[..wanted]).map_err(|_| changed(self.layer))?;
        self.left -= wanted as u64;
        Ok(wanted)
    }
}

/// Refuses a layer that was written if it is not the one that was opened.
pub(crate) fn check_written(layer: &BaseLayer, blob: &Blob) -> Result<(), PackError> {
    if blob.diff_id == layer.diff_id { Ok(()) } else { Err(changed(layer)) }
}

fn changed(layer: &BaseLayer) -> PackError {
    PackError::BaseChanged { digest: layer.digest }
}
