//! A docker-archive in one pass.
//!
//! ```text
//! layer-000.tar            bottom-most first
//! layer-001.tar
//! <config>.json
//! manifest.json
//! ```
//!
//! The size of a plain layer follows from metadata, and the names of members are free. So the layers can go out as they
//! are read, and what depends on their digests comes last.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use super::archive::ArchiveWriter;
use crate::belt::{Belt, Worker};
use crate::blob::write_plain;
use crate::compress::Compression;
use crate::error::PackError;
use crate::layer::{Blob, LayerFiles};
use crate::oci::{self, DockerManifest, canonical_json};
use crate::pack::{PackedImage, Work};

/// Writes everything.
pub(crate) fn write(work: &Work<'_>, out: &mut (dyn Write + Send)) -> Result<PackedImage, PackError> {
    let layers = &work.walk_all()?;
    let mut archive = ArchiveWriter::new(out);
    let blobs = Mutex::new(Err(PackError::Cancelled));
    let writer = Mutex::new(&mut archive);
    // One thread reads and writes, the others hash.
    Belt::run(Compression::None, work.threads, 1, &|_, worker| {
        let mut archive = writer.lock().unwrap_or_else(PoisonError::into_inner);
        *blobs.lock().unwrap_or_else(PoisonError::into_inner) = write_layers(work, layers, &mut archive, worker);
    })?;
    let blobs = blobs.into_inner().unwrap_or_else(PoisonError::into_inner)?;
    let documents = work.documents(&blobs);
    let config = format!("{}.json", documents.config.digest.hex());
    archive.file(&config, documents.config.text.as_bytes())?;
    let layers = (0..blobs.len()).map(member).collect();
    let manifest = canonical_json(&[DockerManifest { config, repo_tags: work.names.repo_tags(), layers }]);
    archive.file(oci::DOCKER_MANIFEST_FILE, manifest.as_bytes())?;
    archive.finish()?;
    Ok(work.end(&blobs, &documents, None))
}

fn write_layers<W: Write>(
    work: &Work<'_>,
    layers: &[LayerFiles],
    archive: &mut ArchiveWriter<W>,
    worker: &mut Worker<'_>,
) -> Result<Vec<Blob>, PackError> {
    let progress = |bytes| {
        work.observer.packed(bytes);
        if work.observer.cancelled() { Err(PackError::Cancelled) } else { Ok(()) }
    };
    let mut blobs = Vec::new();
    let mut lanes = VecDeque::new();
    let mut next = None;
    for (index, layer) in layers.iter().enumerate() {
        let mut tar = next.take().unwrap_or_else(|| layer.tar(work.files_ahead()));
        next = layers.get(index + 1).map(|layer| layer.tar(work.files_ahead()));
        if let Some(next) = &mut next {
            next.look_ahead();
        }
        archive.begin(&member(index), layer.tar_bytes())?;
        lanes.push_back(write_plain(&mut tar, archive, worker, &progress)?);
        // Hashes lag behind what is written, over the ends of layers.
        while let Some(lane) = lanes.pop_front_if(|lane| lane.is_done() || index + 1 == layers.len()) {
            let blob = lane.blob(worker);
            work.observer.layer_done(blobs.len(), &work.packed_layer(blobs.len(), &blob));
            blobs.push(blob);
        }
    }
    Ok(blobs)
}

fn member(index: usize) -> String {
    format!("layer-{index:03}.tar")
}
