//! From a plan to an image.
//!
//! 1. What can be refused without reading a file is refused, and the destination is prepared.
//! 2. All nodes are walked, in parallel. From here on the size of every tar is known.
//! 3. Layers become blobs in a temporary directory beside the destination, in parallel, the largest first: the last
//!    layer to be begun is then a small one. Who finds no layer any more helps with those that are left, see
//!    [`crate::belt`]. While a layer is packed, the first files of one that comes later are announced to the kernel.
//! 4. Digests and diff IDs make the config and the manifest.
//! 5. The destination takes blobs and documents, and appears by a rename.
//!
//! An image on standard output has no third step: [`crate::destination::stream`] writes the layers as it reads them.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

use fs_err::File;
use layerwright_planner::Plan;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use crate::belt::{Belt, Worker};
use crate::blob::{write_compressed, write_plain};
use crate::destination::archive::{self, ArchiveKind};
use crate::destination::layout::LayoutInPlace;
use crate::destination::{Destination, FileInPlace, ImageReference, MAX_DOCKER_LAYERS, staging_beside, stream};
use crate::error::PackError;
use crate::files::NodeFiles;
use crate::image::{Documents, Names};
use crate::layer::{Blob, LayerFiles, LayerTar};
use crate::progress::Observer;
use crate::walk::walk_layers;
use crate::{Compression, DiffId, Digest, ImageSettings};

/// More files than these are not open before their turn: a disk does no more at once.
const MAX_FILES_AHEAD: usize = 32;

/// So many open files are left to everybody else in the process.
const RESERVED_FILES: u64 = 128;

/// All that an image is made of.
#[derive(Clone, Copy)]
pub struct PackRequest<'a> {
    /// Which node goes into which layer.
    pub plan: &'a Plan,
    /// Where the files of a node are, by its name. Asked once for every node, from several threads.
    pub files: &'a (dyn Fn(&str) -> NodeFiles + Sync),
    /// `/`, or a directory that stands for it: every path is read below it, and symlinks do not lead out of it.
    pub root: &'a Path,
    /// What the image says about itself.
    pub settings: &'a ImageSettings,
    /// `None` for what suits the destination: gzip for files, and plain for the stream, which takes nothing else.
    pub compression: Option<Compression>,
    /// Where the image goes.
    pub destination: &'a Destination,
    /// Names besides the one in the destination.
    pub tags: &'a [ImageReference],
    /// How many threads pack. As many as there are processors where it is `None`. Changes no byte.
    pub threads: Option<NonZeroUsize>,
}

/// What was packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackedImage {
    /// The digest of the config: what Docker and podman show as the image's ID.
    pub image_id: Digest,
    /// What registries know the image by. `None` for a stream, which has no manifest in that sense.
    pub manifest: Option<Digest>,
    /// The names it got: whole references where they are known, tags otherwise.
    pub references: Vec<String>,
    /// As [`Compression::profile`].
    pub profile: String,
    /// Bottom-most first.
    pub layers: Vec<PackedLayer>,
}

/// A layer that was packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackedLayer {
    /// As in the plan. May be empty.
    pub label: String,
    /// How many nodes it holds.
    pub nodes: usize,
    /// Of the plain tar.
    pub diff_id: DiffId,
    /// Of the blob.
    pub digest: Digest,
    /// Size of the plain tar.
    pub tar_bytes: u64,
    /// Size of the blob.
    pub blob_bytes: u64,
}

/// Packs an image.
///
/// # Errors
///
/// Anything in [`PackError`]. Whatever it is, and also when cancelled, nothing new is left at the destination.
pub fn pack(request: &PackRequest<'_>, observer: &dyn Observer) -> Result<PackedImage, PackError> {
    match request.destination {
        Destination::Stdout => {
            // Not through the standard library's buffer, which looks for the last line end in everything.
            let stdout = io::stdout().as_fd().try_clone_to_owned().map_err(PackError::Write)?;
            pack_stream(request, &mut File::from_parts(stdout.into(), "standard output"), observer)
        }
        Destination::DockerArchive { file, .. } => pack_archive(request, file, ArchiveKind::Docker, observer),
        Destination::OciArchive { file, .. } => pack_archive(request, file, ArchiveKind::Oci, observer),
        Destination::OciLayout { dir, .. } => pack_layout(request, dir, observer),
    }
}

/// Packs an image as a docker-archive into a writer, in one pass and without a temporary file. What
/// [`PackRequest::destination`] says about the place is ignored.
///
/// # Errors
///
/// Anything in [`PackError`]. What was written until then is no image.
pub fn pack_stream(
    request: &PackRequest<'_>,
    out: &mut (dyn Write + Send),
    observer: &dyn Observer,
) -> Result<PackedImage, PackError> {
    if !matches!(request.compression, None | Some(Compression::None)) {
        return Err(PackError::CompressedStream);
    }
    check_layer_count(request.plan)?;
    let work = Work::begin(request, Compression::None, observer)?;
    stream::write(&work, out)
}

fn pack_archive(
    request: &PackRequest<'_>,
    file: &Path,
    kind: ArchiveKind,
    observer: &dyn Observer,
) -> Result<PackedImage, PackError> {
    let compression = request.compression.unwrap_or_default();
    if kind == ArchiveKind::Docker {
        check_layer_count(request.plan)?;
        if matches!(compression, Compression::Zstd { .. }) {
            observer.warn("Docker before version 23 cannot read layers compressed with zstd");
        }
    }
    let place = FileInPlace::new(file)?;
    let staging = staging_beside(place.path())?;
    let work = Work::begin(request, compression, observer)?;
    let blobs = work.pack_blobs(staging.path())?;
    let documents = work.documents(&blobs);
    archive::write(&place, kind, staging.path(), &blobs, &documents, &work.names, observer)?;
    Ok(work.packed(&blobs, &documents, Some(documents.manifest.digest)))
}

fn pack_layout(request: &PackRequest<'_>, dir: &Path, observer: &dyn Observer) -> Result<PackedImage, PackError> {
    let place = LayoutInPlace::new(dir)?;
    let work = Work::begin(request, request.compression.unwrap_or_default(), observer)?;
    let blobs = work.pack_blobs(place.staging())?;
    let documents = work.documents(&blobs);
    place.commit(&blobs, &documents, &work.names)?;
    Ok(work.packed(&blobs, &documents, Some(documents.manifest.digest)))
}

fn check_layer_count(plan: &Plan) -> Result<(), PackError> {
    match plan.layers().len() {
        count if count > MAX_DOCKER_LAYERS => Err(PackError::TooManyLayers { count }),
        _ => Ok(()),
    }
}

/// A request whose files are walked.
pub(crate) struct Work<'a> {
    pub(crate) request: &'a PackRequest<'a>,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) layers: Vec<LayerFiles>,
    pub(crate) names: Names,
    compression: Compression,
    created: String,
    pub(crate) threads: usize,
}

impl<'a> Work<'a> {
    fn begin(
        request: &'a PackRequest<'a>,
        compression: Compression,
        observer: &'a dyn Observer,
    ) -> Result<Self, PackError> {
        let created = request.settings.created_utc()?;
        let available = || available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = request.threads.map_or_else(available, NonZeroUsize::get);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        let all: Vec<usize> = (0..request.plan.layers().len()).collect();
        let layers = pool.install(|| walk_layers(request.plan, &all, request.files, request.root, observer))?;
        observer.planned(layers.len(), layers.iter().map(LayerFiles::tar_bytes).fold(0, u64::saturating_add));
        let names = Names::new(request.destination, request.tags);
        Ok(Self { request, observer, layers, names, compression, created, threads })
    }

    /// Packs every layer into a file of its own in `dir`, see [`staged_blob`].
    fn pack_blobs(&self, dir: &Path) -> Result<Vec<Blob>, PackError> {
        let mut order: Vec<usize> = (0..self.layers.len()).collect();
        order.sort_by_key(|index| Reverse(self.layers[*index].tar_bytes()));
        let results: Vec<OnceLock<Result<Blob, PackError>>> = order.iter().map(|_| OnceLock::new()).collect();
        let begun: Vec<Mutex<Option<LayerTar<'_>>>> = order.iter().map(|_| Mutex::default()).collect();
        let first_failed = AtomicUsize::new(usize::MAX);
        Belt::run(self.compression, self.threads, order.len(), &|position, worker| {
            let index = order[position];
            let tar = begun[position].lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(later) = order.get(position + self.threads) {
                let mut tar = self.layers[*later].tar(self.files_ahead());
                tar.look_ahead();
                *begun[position + self.threads].lock().unwrap_or_else(PoisonError::into_inner) = Some(tar);
            }
            let tar = tar.unwrap_or_else(|| self.layers[index].tar(self.files_ahead()));
            let blob = self.pack_blob(index, tar, dir, &first_failed, worker);
            if blob.is_err() {
                first_failed.fetch_min(index, Ordering::Relaxed);
            }
            results[index].set(blob).expect("each layer is packed once");
        })?;
        if self.observer.cancelled() {
            return Err(PackError::Cancelled);
        }
        results.into_iter().map(|result| result.into_inner().expect("all tasks are done")).collect()
    }

    /// Gives up where a lower layer has failed. Where a higher one has, it goes on, so that of several errors it is
    /// always that of the lowest layer which is reported.
    fn pack_blob(
        &self,
        index: usize,
        mut tar: LayerTar<'_>,
        dir: &Path,
        first_failed: &AtomicUsize,
        worker: &mut Worker<'_>,
    ) -> Result<Blob, PackError> {
        let progress = |bytes| {
            self.observer.packed(bytes);
            match self.observer.cancelled() || first_failed.load(Ordering::Relaxed) < index {
                true => Err(PackError::Cancelled),
                false => Ok(()),
            }
        };
        progress(0)?;
        let mut file = File::create_new(dir.join(staged_blob(index))).map_err(PackError::Write)?;
        let blob = match self.compression {
            Compression::None => {
                // All at once, the file system finds room faster. Not every one can.
                fallocate(&file, FallocateFlags::empty(), 0, self.layers[index].tar_bytes()).ok();
                let lane = write_plain(&mut tar, &mut file, worker, &progress)?;
                lane.blob(worker)
            }
            _ => write_compressed(&mut tar, &mut file, worker, &progress)?,
        };
        self.observer.layer_done(index, &self.packed_layer(index, &blob));
        Ok(blob)
    }

    /// How many files of a layer may be open at once. Every thread has two layers in hand.
    pub(crate) fn files_ahead(&self) -> usize {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let each = limit.saturating_sub(RESERVED_FILES) / (2 * self.threads as u64);
        usize::try_from(each).unwrap_or(usize::MAX).clamp(1, MAX_FILES_AHEAD)
    }

    pub(crate) fn documents(&self, blobs: &[Blob]) -> Documents {
        Documents::new(self.request.plan, self.request.settings, &self.created, self.compression, blobs)
    }

    pub(crate) fn packed(&self, blobs: &[Blob], documents: &Documents, manifest: Option<Digest>) -> PackedImage {
        PackedImage {
            image_id: documents.config.digest,
            manifest,
            references: self.names.shown(),
            profile: self.compression.profile(),
            layers: blobs.iter().enumerate().map(|(index, blob)| self.packed_layer(index, blob)).collect(),
        }
    }

    pub(crate) fn packed_layer(&self, index: usize, blob: &Blob) -> PackedLayer {
        let layer = &self.request.plan.layers()[index];
        let Blob { diff_id, digest, tar_bytes, blob_bytes } = *blob;
        PackedLayer { label: layer.label.clone(), nodes: layer.nodes.len(), diff_id, digest, tar_bytes, blob_bytes }
    }
}

/// The name of a layer's blob while its digest is not known.
pub(crate) fn staged_blob(index: usize) -> String {
    format!("layer-{index}")
}

#[cfg(test)]
mod tests;
