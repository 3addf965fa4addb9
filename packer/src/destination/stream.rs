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
//! are read, and what depends on their digests comes last. Writing begins as soon as the first layer is walked.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::archive::ArchiveWriter;
use crate::base::BaseLayer;
use crate::base_blobs::{PlainTar, check_written};
use crate::belt::{Belt, Worker};
use crate::blob::{Progress, write_plain};
use crate::compress::Compression;
use crate::error::PackError;
use crate::image_layers::ImageLayer;
use crate::lane::Lane;
use crate::layer::{Blob, LayerFiles};
use crate::oci::{self, DockerManifest, canonical_json};
use crate::pack::PackedImage;
use crate::work::Work;

/// Writes everything.
pub(crate) fn write(work: &Work<'_>, out: &mut (dyn Write + Send)) -> Result<PackedImage, PackError> {
    work.check()?;
    let mut archive = ArchiveWriter::new(out);
    let blobs = write_all_layers(work, &mut archive)?;
    let documents = work.documents(&blobs);
    let config = format!("{}.json", documents.config.digest.hex());
    archive.file(&config, documents.config.text.as_bytes())?;
    let layers = (0..blobs.len()).map(member).collect();
    let manifest = canonical_json(&[DockerManifest { config, repo_tags: work.names.repo_tags(), layers }]);
    archive.file(oci::DOCKER_MANIFEST_FILE, manifest.as_bytes())?;
    archive.finish()?;
    Ok(work.packed(&blobs, &documents, None))
}

/// One thread walks, as far ahead as it can, one reads and writes, and the others hash.
fn write_all_layers<W: Write + Send>(work: &Work<'_>, archive: &mut ArchiveWriter<W>) -> Result<Vec<Blob>, PackError> {
    let count = work.layers.len();
    let (walked, coming) = channel();
    let blobs = Mutex::new(Err(PackError::Cancelled));
    thread::scope(|scope| {
        // Goes with this closure, so that the walker is not left waiting.
        let writer = Mutex::new(Some((archive, coming)));
        // Where nobody listens any more, it has failed.
        let walk = move || (0..count).try_for_each(|layer| walked.send(work.walk_next(layer)).ok());
        let walker = thread::Builder::new().spawn_scoped(scope, walk);
        walker.map_err(PackError::Threads)?;
        Belt::run(Compression::None, work.threads, 1, &|_, worker| {
            let taken = writer.lock().unwrap_or_else(PoisonError::into_inner).take();
            let (archive, coming) = taken.expect("there is one task");
            *blobs.lock().unwrap_or_else(PoisonError::into_inner) = write_layers(work, &coming, archive, worker);
        })
    })?;
    blobs.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn write_layers<W: Write>(
    work: &Work<'_>,
    coming: &Receiver<Result<Option<LayerFiles>, PackError>>,
    archive: &mut ArchiveWriter<W>,
    worker: &mut Worker<'_>,
) -> Result<Vec<Blob>, PackError> {
    let count = work.layers.len();
    let progress = |bytes| {
        work.observer.packed(bytes);
        if work.observer.cancelled() { Err(PackError::Cancelled) } else { Ok(()) }
    };
    let mut blobs = Vec::new();
    let mut lanes = VecDeque::new();
    let mut known_bytes = 0;
    for index in 0..count {
        let layer = Coming::new(&work.layers[index], coming.recv().unwrap_or(Err(PackError::Cancelled))?);
        known_bytes = layer.tar_bytes().saturating_add(known_bytes);
        work.observer.planned(count, known_bytes);
        archive.begin(&member(index), layer.tar_bytes())?;
        lanes.push_back(layer.write(work, archive, worker, &progress)?);
        // Hashes lag behind what is written, over the ends of layers.
        while let Some(lane) = lanes.pop_front_if(|lane| lane.is_done() || index + 1 == count) {
            let blob = lane.blob(worker);
            if let ImageLayer::Base(layer) = work.layers[blobs.len()] {
                check_written(layer, &blob)?;
            }
            work.observer.layer_done(blobs.len(), &work.packed_layer(blobs.len(), &blob));
            blobs.push(blob);
        }
    }
    Ok(blobs)
}

/// A layer whose turn it is.
enum Coming<'a> {
    Base(&'a BaseLayer),
    Files(LayerFiles),
}

impl<'a> Coming<'a> {
    fn new(layer: &ImageLayer<'a>, files: Option<LayerFiles>) -> Self {
        match (layer, files) {
            (ImageLayer::Base(layer), _) => Self::Base(layer),
            (_, files) => Self::Files(files.expect("all other layers are walked")),
        }
    }

    fn tar_bytes(&self) -> u64 {
        match self {
            Self::Base(layer) => layer.tar_bytes,
            Self::Files(files) => files.tar_bytes(),
        }
    }

    fn write<W: Write>(
        self,
        work: &Work<'_>,
        archive: &mut ArchiveWriter<W>,
        worker: &mut Worker<'_>,
        progress: Progress<'_>,
    ) -> Result<Arc<Lane>, PackError> {
        match self {
            Self::Base(layer) => {
                let mut tar = PlainTar::new(layer)?;
                write_plain(|out| tar.fill(out), archive, worker, progress)
            }
            Self::Files(files) => {
                let mut tar = files.tar(work.files_ahead());
                let lane = write_plain(|out| tar.fill(out), archive, worker, progress)?;
                drop(tar);
                work.forget(files);
                Ok(lane)
            }
        }
    }
}

fn member(index: usize) -> String {
    format!("layer-{index:03}.tar")
}
