//! From a plan to an image.
//!
//! 1. What can be refused without reading a file is refused, and the destination is prepared.
//! 2. Layers that were packed before are taken from the cache, see [`crate::reuse`].
//! 3. The nodes of all others are walked, in parallel. From here on the size of every tar is known.
//! 4. Layers become blobs in a temporary directory beside the destination, in parallel, the largest first: the last
//!    layer to be begun is then a small one. Who finds no layer any more helps with those that are left, see
//!    [`crate::belt`]. While a layer is packed, the first files of one that comes later are announced to the kernel.
//! 5. Digests and diff IDs make the config and the manifest.
//! 6. The destination takes blobs and documents, and appears by a rename.
//!
//! An image on standard output has no second and no fourth step: [`crate::destination::stream`] writes the layers as it reads them.

use std::cmp::Reverse;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::SystemTime;

use fs_err::File;
use layerwright_planner::Plan;
use rayon::ThreadPool;
use rustix::fs::{FallocateFlags, fallocate};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;

use crate::belt::{Belt, Worker};
use crate::blob::{write_compressed, write_plain};
use crate::cache::LayerKey;
use crate::destination::archive::{self, ArchiveKind};
use crate::destination::layout::LayoutInPlace;
use crate::destination::{Destination, FileInPlace, ImageReference, MAX_DOCKER_LAYERS, staging_beside, stream};
use crate::error::PackError;
use crate::files::NodeFiles;
use crate::image::{Documents, Names};
use crate::layer::{Blob, LayerFiles};
use crate::layer_tar::LayerTar;
use crate::progress::Observer;
use crate::reuse::Reuse;
use crate::walk::{Room, WalkRequest};
use crate::{Compression, DiffId, Digest, ImageSettings, LayerReuse};

/// So many entries are remembered until they are packed, over all layers.
const MAX_REMEMBERED: usize = 1 << 16;

/// More files than these are not open before their turn: a disk does no more at once.
const MAX_FILES_AHEAD: usize = 32;

/// So many open files are left to everybody else in the process.
const RESERVED_FILES: u64 = 128;

/// All that an image is made of.
#[derive(Clone, Copy)]
pub struct PackRequest<'a> {
    /// Which node goes into which layer.
    pub plan: &'a Plan,
    /// Where the files of a node are, by its name. Asked more than once for each node, and from several threads.
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
    /// Where layers that were packed before may be found, and are kept. A stream has no use for it. Changes no byte.
    pub reuse: Option<LayerReuse<'a>>,
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
    /// Whether it was packed before, and none of its files was opened.
    pub reused: bool,
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
    let blobs = work.blobs(staging.path())?;
    let documents = work.documents(&blobs);
    archive::write(&place, kind, staging.path(), &blobs, &documents, &work.names, observer)?;
    Ok(work.packed(&blobs, &documents, Some(documents.manifest.digest)))
}

fn pack_layout(request: &PackRequest<'_>, dir: &Path, observer: &dyn Observer) -> Result<PackedImage, PackError> {
    let place = LayoutInPlace::new(dir)?;
    let work = Work::begin(request, request.compression.unwrap_or_default(), observer)?;
    let blobs = work.blobs(place.staging())?;
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

/// A request that is being done.
pub(crate) struct Work<'a> {
    pub(crate) request: &'a PackRequest<'a>,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) names: Names,
    pub(crate) threads: usize,
    compression: Compression,
    created: String,
    pool: ThreadPool,
    room: Room,
    reuse: Option<Reuse<'a>>,
    /// Which layers were not packed now.
    reused: Vec<AtomicBool>,
}

/// A layer that has to be packed.
struct Unpacked {
    index: usize,
    files: LayerFiles,
    /// Under which it is to be kept.
    key: Option<LayerKey>,
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
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| PackError::Threads(io::Error::other(error)))?;
        let names = Names::new(request.destination, request.tags);
        let reuse = request.reuse.map(|reuse| Reuse::new(reuse, request.plan, compression, observer));
        let room = Room::new(MAX_REMEMBERED);
        let reused = request.plan.layers().iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self { request, observer, names, threads, compression, created, pool, room, reuse, reused })
    }

    /// Walks some layers, in order.
    fn walk(&self, layers: &[usize]) -> Result<Vec<LayerFiles>, PackError> {
        self.pool.install(|| self.walk_request().layers(layers))
    }

    /// Walks one layer. What it remembers is counted until [`Self::forget`].
    pub(crate) fn walk_next(&self, layer: usize) -> Result<LayerFiles, PackError> {
        Ok(self.walk(&[layer])?.remove(0))
    }

    /// Refuses what can be refused before all is walked.
    pub(crate) fn check(&self) -> Result<(), PackError> {
        self.pool.install(|| self.walk_request().check())
    }

    /// Says that a layer is done with, and no longer remembered.
    pub(crate) fn forget(&self, layer: LayerFiles) {
        self.room.give_back(layer.remembered());
    }

    fn walk_request(&self) -> WalkRequest<'_> {
        let PackRequest { plan, files, root, .. } = *self.request;
        WalkRequest { plan, files, root, room: &self.room, observer: self.observer }
    }

    /// Brings the blob of every layer to a file of its own in `dir`, see [`staged_blob`].
    fn blobs(&self, dir: &Path) -> Result<Vec<Blob>, PackError> {
        let mut blobs: Vec<Option<Blob>> = vec![None; self.request.plan.layers().len()];
        let unpacked = self.take_known(&mut blobs, dir)?;
        let known = blobs.iter().flatten().map(|blob| blob.tar_bytes).fold(0, u64::saturating_add);
        let unknown = unpacked.iter().map(|layer| layer.files.tar_bytes());
        self.observer.planned(blobs.len(), unknown.fold(known, u64::saturating_add));
        self.observer.packed(known);
        for (index, blob) in blobs.iter().enumerate() {
            if let Some(blob) = blob {
                self.reused[index].store(true, Ordering::Relaxed);
                self.observer.layer_done(index, &self.packed_layer(index, blob));
            }
        }
        for (layer, blob) in unpacked.iter().zip(self.pack_blobs(&unpacked, dir)?) {
            blobs[layer.index] = Some(blob);
        }
        Ok(blobs.into_iter().map(|blob| blob.expect("it was taken or packed")).collect())
    }

    /// Takes layers from the cache, first those that are known without looking at their files. Returns the others.
    fn take_known(&self, blobs: &mut [Option<Blob>], dir: &Path) -> Result<Vec<Unpacked>, PackError> {
        let take = |index, key: Option<LayerKey>| match (&self.reuse, key) {
            (Some(reuse), Some(key)) => reuse.take(&key, &dir.join(staged_blob(index))),
            _ => Ok(None),
        };
        let layers = self.request.plan.layers();
        let of_content = |layer| self.reuse.as_ref().and_then(|reuse| reuse.key_of_content(layer));
        let keys: Vec<Option<LayerKey>> = layers.iter().map(of_content).collect();
        for (index, key) in keys.iter().enumerate() {
            blobs[index] = take(index, *key)?;
        }
        let unknown: Vec<usize> = (0..blobs.len()).filter(|index| blobs[*index].is_none()).collect();
        let before = SystemTime::now();
        let mut unpacked = Vec::new();
        let walked = self.walk(&unknown)?;
        self.walk_request().check_not_nested()?;
        for (index, files) in unknown.iter().copied().zip(walked) {
            let of_files = || self.reuse.as_ref()?.key_of_files(files.fingerprint(), before);
            let key = keys[index].or_else(of_files);
            if keys[index].is_none() {
                blobs[index] = take(index, key)?;
            }
            if blobs[index].is_none() {
                unpacked.push(Unpacked { index, files, key });
            }
        }
        Ok(unpacked)
    }

    /// Packs layers. Returns their blobs in the same order.
    fn pack_blobs(&self, layers: &[Unpacked], dir: &Path) -> Result<Vec<Blob>, PackError> {
        let mut order: Vec<usize> = (0..layers.len()).collect();
        order.sort_by_key(|at| Reverse(layers[*at].files.tar_bytes()));
        let order: Vec<(usize, &Unpacked)> = order.into_iter().map(|at| (at, &layers[at])).collect();
        let results: Vec<OnceLock<Result<Blob, PackError>>> = order.iter().map(|_| OnceLock::new()).collect();
        let begun: Vec<Mutex<Begun<'_>>> = order.iter().map(|_| Mutex::default()).collect();
        let ahead = self.files_ahead();
        let first_failed = AtomicUsize::new(usize::MAX);
        Belt::run(self.compression, self.threads, order.len(), &|position, worker| {
            let (at, layer) = order[position];
            let slot = |position: usize| begun[position].lock().unwrap_or_else(PoisonError::into_inner);
            let own = match std::mem::replace(&mut *slot(position), Begun::Packing) {
                Begun::Ahead(tar) => *tar,
                _ => layer.files.tar(ahead),
            };
            if let Some((_, later)) = order.get(position + self.threads) {
                let mut slot = slot(position + self.threads);
                // It may be that others were faster than we are.
                if matches!(*slot, Begun::Nothing) {
                    let mut tar = later.files.tar(ahead);
                    tar.look_ahead();
                    *slot = Begun::Ahead(Box::new(tar));
                }
            }
            let blob = self.pack_blob(layer, own, dir, &first_failed, worker);
            if blob.is_err() {
                first_failed.fetch_min(layer.index, Ordering::Relaxed);
            }
            results[at].set(blob).expect("each layer is packed once");
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
        layer: &Unpacked,
        mut tar: LayerTar<'_>,
        dir: &Path,
        first_failed: &AtomicUsize,
        worker: &mut Worker<'_>,
    ) -> Result<Blob, PackError> {
        let index = layer.index;
        let progress = |bytes| {
            self.observer.packed(bytes);
            match self.observer.cancelled() || first_failed.load(Ordering::Relaxed) < index {
                true => Err(PackError::Cancelled),
                false => Ok(()),
            }
        };
        progress(0)?;
        let path = dir.join(staged_blob(index));
        let mut file = File::create_new(&path).map_err(PackError::Write)?;
        let blob = match self.compression {
            Compression::None => {
                // All at once, the file system finds room faster. Not every one can. The size is not told ahead: after a
                // power failure, a file that is cut shall look like one.
                fallocate(&file, FallocateFlags::KEEP_SIZE, 0, layer.files.tar_bytes()).ok();
                let lane = write_plain(&mut tar, &mut file, worker, &progress)?;
                lane.blob(worker)
            }
            _ => write_compressed(&mut tar, &mut file, worker, &progress)?,
        };
        drop(file);
        if let (Some(reuse), Some(key)) = (&self.reuse, &layer.key)
            && tar.read_what_was_walked()
            && self.is_as_it_was(layer)
        {
            reuse.keep(key, &blob, &path);
        }
        self.observer.layer_done(index, &self.packed_layer(index, &blob));
        Ok(blob)
    }

    /// Whether what was walked a second time for packing is still what it was the first time. It always is where all was
    /// remembered.
    fn is_as_it_was(&self, layer: &Unpacked) -> bool {
        let walk_again = || {
            let again = self.walk_next(layer.index).ok()?;
            let digest = again.fingerprint().digest();
            self.forget(again);
            Some(digest)
        };
        !layer.files.is_walked_again() || walk_again() == Some(layer.files.fingerprint().digest())
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
        let (label, nodes, reused) =
            (layer.label.clone(), layer.nodes.len(), self.reused[index].load(Ordering::Relaxed));
        PackedLayer { label, nodes, diff_id, digest, tar_bytes, blob_bytes, reused }
    }
}

/// What was done of a layer before it is packed.
#[derive(Default)]
enum Begun<'a> {
    #[default]
    Nothing,
    /// Its first files are open.
    Ahead(Box<LayerTar<'a>>),
    Packing,
}

/// The name of a layer's blob while its digest is not known.
pub(crate) fn staged_blob(index: usize) -> String {
    format!("layer-{index}")
}

#[cfg(test)]
mod tests;
