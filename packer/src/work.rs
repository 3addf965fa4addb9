//! An image that is being made: from layers to blobs.

use std::cmp::Reverse;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;
use std::time::SystemTime;

use fs_err::File;
use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};
use rustix::fs::{FallocateFlags, fallocate};
use rustix::process::{Resource, getrlimit};

use crate::base::BaseImage;
use crate::base_blobs;
use crate::belt::{Belt, Worker};
use crate::blob::{write_compressed, write_plain};
use crate::cache::LayerKey;
use crate::error::PackError;
use crate::image::{Documents, Names};
use crate::image_layers::{ImageLayer, LayerKind};
use crate::layer::{Blob, LayerFiles};
use crate::layer_tar::LayerTar;
use crate::lower::LowerFiles;
use crate::pack::{PackRequest, PackedImage, PackedLayer};
use crate::progress::Observer;
use crate::reuse::{Reuse, whole_profile};
use crate::walk::{Room, WalkRequest};
use crate::{Compression, Digest, Stamp};

/// So many entries are remembered until they are packed, over all layers.
const MAX_REMEMBERED: usize = 1 << 16;

/// More files than these are not open before their turn: a disk does no more at once.
const MAX_FILES_AHEAD: usize = 32;

/// So many open files are left to everybody else in the process.
const RESERVED_FILES: u64 = 128;

/// A request that is being done.
pub(crate) struct Work<'a> {
    pub(crate) request: &'a PackRequest<'a>,
    pub(crate) observer: &'a dyn Observer,
    pub(crate) names: Names,
    pub(crate) layers: Vec<ImageLayer<'a>>,
    pub(crate) threads: usize,
    compression: Compression,
    /// As [`whole_profile`].
    pub(crate) profile: String,
    pub(crate) created: String,
    pool: ThreadPool,
    room: Room,
    stamp: Arc<Stamp>,
    /// Of an image without a base.
    no_lower: LowerFiles,
    reuse: Option<Reuse<'a>>,
    /// Which layers were packed before.
    reused: Vec<AtomicBool>,
}

/// A layer that has to be packed.
struct Unpacked {
    /// Among all of the image.
    index: usize,
    files: LayerFiles,
    /// Where its blob goes.
    to: PathBuf,
    /// Under which it is to be kept.
    key: Option<LayerKey>,
}

impl<'a> Work<'a> {
    pub(crate) fn begin(
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
        let stamp = Arc::new(request.settings.stamp.clone());
        let profile = whole_profile(compression, &stamp);
        let reuse = request.reuse.map(|reuse| Reuse::new(reuse, request.plan, profile.clone(), observer));
        let room = Room::new(MAX_REMEMBERED);
        let layers = ImageLayer::of(request);
        let reused = layers.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(Self {
            request,
            observer,
            names,
            layers,
            threads,
            compression,
            profile,
            created,
            pool,
            room,
            stamp,
            no_lower: LowerFiles::default(),
            reuse,
            reused,
        })
    }

    /// Walks some layers of the plan, in order.
    fn walk(&self, planned: &[usize]) -> Result<Vec<LayerFiles>, PackError> {
        self.pool.install(|| self.walk_request().layers(planned))
    }

    /// Walks a layer of the image. What it remembers is counted until [`Self::forget`]. `None` for one of the base.
    pub(crate) fn walk_next(&self, layer: usize) -> Result<Option<LayerFiles>, PackError> {
        match self.layers[layer] {
            ImageLayer::Base(_) => Ok(None),
            ImageLayer::Planned(planned, _) => Ok(self.walk(&[planned])?.pop()),
            ImageLayer::Customisation(customisation) => customisation.layer(&self.stamp).map(Some),
        }
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
        let PackRequest { plan, files, root, base, .. } = *self.request;
        let lower = base.map_or(&self.no_lower, BaseImage::lower_files);
        WalkRequest { plan, files, root, lower, room: &self.room, stamp: &self.stamp, observer: self.observer }
    }

    /// Brings the blob of every layer to a file of its own in `dir`, see [`staged_blob`].
    pub(crate) fn blobs(&self, dir: &Path) -> Result<Vec<Blob>, PackError> {
        let mut blobs = self.pool.install(|| self.take_base(dir))?;
        let unpacked = self.take_known(&mut blobs, dir)?;
        let known = blobs.iter().flatten().map(|blob| blob.tar_bytes).fold(0, u64::saturating_add);
        let unknown = unpacked.iter().map(|layer| layer.files.tar_bytes());
        self.observer.planned(blobs.len(), unknown.fold(known, u64::saturating_add));
        self.observer.packed(known);
        for (index, blob) in blobs.iter().enumerate() {
            if let Some(blob) = blob {
                let is_of_base = self.layers[index].kind() == LayerKind::Base;
                self.reused[index].store(!is_of_base, Ordering::Relaxed);
                self.observer.layer_done(index, &self.packed_layer(index, blob));
            }
        }
        for (layer, blob) in unpacked.iter().zip(self.pack_blobs(&unpacked)?) {
            blobs[layer.index] = Some(blob);
        }
        Ok(blobs.into_iter().map(|blob| blob.expect("it was taken or packed")).collect())
    }

    /// Does something on the threads that pack.
    pub(crate) fn install<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.pool.install(work)
    }

    /// Packs a layer of the plan, which is the whole image, to a new file.
    pub(crate) fn blob(&self, layer: usize, to: &Path) -> Result<Blob, PackError> {
        let files = self.walk(&[layer])?.remove(0);
        self.observer.planned(1, files.tar_bytes());
        let unpacked = Unpacked { index: layer, files, to: to.to_owned(), key: None };
        Ok(self.pack_blobs(&[unpacked])?.remove(0))
    }

    /// Copies the blobs of the base image. In parallel on the current thread pool.
    fn take_base(&self, dir: &Path) -> Result<Vec<Option<Blob>>, PackError> {
        let take = |(index, layer): (usize, &ImageLayer<'_>)| match layer {
            ImageLayer::Base(layer) => base_blobs::copy(layer, &dir.join(staged_blob(index)), self.observer).map(Some),
            ImageLayer::Planned(..) | ImageLayer::Customisation(_) => Ok(None),
        };
        let taken: Vec<_> = self.layers.par_iter().enumerate().map(take).collect();
        taken.into_iter().collect()
    }

    /// Takes layers from the cache, first those that are known without looking at their files. Returns the others.
    fn take_known(&self, blobs: &mut [Option<Blob>], dir: &Path) -> Result<Vec<Unpacked>, PackError> {
        let take = |index, key: Option<LayerKey>| match (&self.reuse, key) {
            (Some(reuse), Some(key)) => reuse.take(&key, &dir.join(staged_blob(index))),
            _ => Ok(None),
        };
        let of_content = |layer: &ImageLayer<'_>| match layer {
            ImageLayer::Planned(_, layer) => self.reuse.as_ref()?.key_of_content(layer),
            ImageLayer::Base(_) | ImageLayer::Customisation(_) => None,
        };
        let keys: Vec<Option<LayerKey>> = self.layers.iter().map(of_content).collect();
        for (index, key) in keys.iter().enumerate().filter(|(_, key)| key.is_some()) {
            blobs[index] = take(index, *key)?;
        }
        for index in 0..blobs.len() {
            self.take_ready(index, None, blobs, dir)?;
        }
        let before = SystemTime::now();
        let mut unpacked = Vec::new();
        for (index, files) in self.walk_unknown(blobs)? {
            self.take_ready(index, Some(&files), blobs, dir)?;
            if blobs[index].is_some() {
                continue;
            }
            let of_files = || self.reuse.as_ref()?.key_of_files(files.fingerprint(), before);
            let key = keys[index].or_else(of_files);
            if keys[index].is_none() {
                blobs[index] = take(index, key)?;
            }
            if blobs[index].is_none() {
                unpacked.push(Unpacked { index, files, to: dir.join(staged_blob(index)), key });
            }
        }
        Ok(unpacked)
    }

    /// Takes a layer that was packed by itself. Whoever packed it knew of no base image, so where that may make other files
    /// of it, it has to be walked first.
    fn take_ready(
        &self,
        index: usize,
        walked: Option<&LayerFiles>,
        blobs: &mut [Option<Blob>],
        dir: &Path,
    ) -> Result<(), PackError> {
        let PackRequest { plan, ready, .. } = *self.request;
        let (None, ImageLayer::Planned(_, layer)) = (blobs[index], self.layers[index]) else { return Ok(()) };
        let Some(ready) = ready.iter().find(|ready| ready.is(plan.names(layer), &self.profile)) else { return Ok(()) };
        let is_same = match walked {
            Some(files) => !files.is_adapted,
            None => !self.walk_request().depends_on_lower(layer),
        };
        if is_same {
            blobs[index] = Some(ready.place(&dir.join(staged_blob(index)), self.observer)?);
        }
        Ok(())
    }

    /// Walks layers that have no blob yet. Returns them with their places in the image.
    fn walk_unknown(&self, blobs: &[Option<Blob>]) -> Result<Vec<(usize, LayerFiles)>, PackError> {
        let unknown = || self.layers.iter().enumerate().filter(|(index, _)| blobs[*index].is_none());
        let planned = unknown().filter_map(|(index, layer)| match layer {
            ImageLayer::Planned(planned, _) => Some((index, *planned)),
            ImageLayer::Base(_) | ImageLayer::Customisation(_) => None,
        });
        let (places, planned): (Vec<usize>, Vec<usize>) = planned.unzip();
        let walked = self.walk(&planned)?;
        self.walk_request().check_not_nested()?;
        let mut walked: Vec<(usize, LayerFiles)> = places.into_iter().zip(walked).collect();
        for (index, layer) in unknown() {
            if let ImageLayer::Customisation(customisation) = layer {
                walked.push((index, customisation.layer(&self.stamp)?));
            }
        }
        Ok(walked)
    }

    /// Packs layers. Returns their blobs in the same order.
    fn pack_blobs(&self, layers: &[Unpacked]) -> Result<Vec<Blob>, PackError> {
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
            let blob = self.pack_blob(layer, own, &first_failed, worker);
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
        let mut file = File::create_new(&layer.to).map_err(PackError::Write)?;
        let blob = match self.compression {
            Compression::None => {
                // All at once, the file system finds room faster. Not every one can. The size is not told ahead: after a
                // power failure, a file that is cut shall look like one.
                fallocate(&file, FallocateFlags::KEEP_SIZE, 0, layer.files.tar_bytes()).ok();
                let lane = write_plain(|out| tar.fill(out), &mut file, worker, &progress)?;
                lane.blob(worker)
            }
            _ => write_compressed(&mut tar, &mut file, worker, &progress)?,
        };
        drop(file);
        if let (Some(reuse), Some(key)) = (&self.reuse, &layer.key)
            && tar.read_what_was_walked()
            && self.is_as_it_was(layer)
        {
            reuse.keep(key, &blob, &layer.to);
        }
        self.observer.layer_done(index, &self.packed_layer(index, &blob));
        Ok(blob)
    }

    /// Whether what was walked a second time for packing is still what it was the first time. It always is where all was
    /// remembered.
    fn is_as_it_was(&self, layer: &Unpacked) -> bool {
        let walk_again = || {
            let again = self.walk_next(layer.index).ok()??;
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
        Documents::new(self.request, &self.created, self.compression, &self.layers, blobs)
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
        let layer = &self.layers[index];
        let Blob { diff_id, digest, tar_bytes, blob_bytes } = *blob;
        let (kind, label, nodes) = (layer.kind(), layer.label().to_owned(), layer.nodes());
        let reused = self.reused[index].load(Ordering::Relaxed);
        PackedLayer { kind, label, nodes, diff_id, digest, tar_bytes, blob_bytes, reused }
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
