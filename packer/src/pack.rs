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

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::fd::AsFd;
use std::path::Path;

use fs_err::File;
use layerwright_planner::Plan;
use serde::Serialize;

use crate::base::BaseImage;
use crate::customisation::Customisation;
use crate::destination::archive::{self, ArchiveKind, Contents};
use crate::destination::layout::{Added, LayoutInPlace};
use crate::destination::legacy::Legacy;
use crate::destination::{
    Destination, DirectoryInPlace, FileInPlace, ImageReference, MAX_DOCKER_LAYERS, staging_beside, stream, tell_of_rest,
};
use crate::durability::Durability;
use crate::error::PackError;
use crate::files::NodeFiles;
use crate::image_layers::{ImageLayer, LayerKind};
use crate::progress::Observer;
use crate::ready::{self, ReadyLayer};
use crate::work::Work;
use crate::{Compression, DiffId, Digest, ImageSettings, LayerReuse, Stamp};

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
    /// The image that this one is built on. Its layers lie below all others, as they are.
    pub base: Option<&'a BaseImage>,
    /// Files that belong to no node. They lie above all others.
    pub customisation: Option<&'a Customisation>,
    /// Layers of the plan that were packed one by one. A stream has no use for them. Changes no byte.
    pub ready: &'a [ReadyLayer],
    /// Whether a docker-archive also has the files of the days when every layer was an image with a parent.
    pub legacy_parents: bool,
    /// How many threads pack. As many as there are processors where it is `None`. Changes no byte.
    pub threads: Option<NonZeroUsize>,
    /// Where layers that were packed before may be found, and are kept. A stream has no use for it. Changes no byte.
    pub reuse: Option<LayerReuse<'a>>,
    /// Whether the image outlasts a power failure as soon as it is there. A stream is the reader's. Changes no byte.
    pub durability: Durability,
}

/// One layer of a plan, to be packed by itself.
#[derive(Clone, Copy)]
pub struct LayerRequest<'a> {
    /// As [`PackRequest::plan`].
    pub plan: &'a Plan,
    /// Which one, from 0.
    pub layer: usize,
    /// As [`PackRequest::files`].
    pub files: &'a (dyn Fn(&str) -> NodeFiles + Sync),
    /// As [`PackRequest::root`].
    pub root: &'a Path,
    /// How the blob is compressed: as in the image that it is for.
    pub compression: Compression,
    /// As in the image that it is for.
    pub stamp: &'a Stamp,
    /// As [`PackRequest::threads`].
    pub threads: Option<NonZeroUsize>,
    /// As [`PackRequest::durability`].
    pub durability: Durability,
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
    /// Where it comes from.
    pub kind: LayerKind,
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
    let compression = Destination::Stdout.compression(request.compression, request.legacy_parents)?;
    let work = Work::begin(request, compression, observer)?;
    check_layer_count(&work.layers)?;
    stream::write(&work, out)
}

fn pack_archive(
    request: &PackRequest<'_>,
    file: &Path,
    kind: ArchiveKind,
    observer: &dyn Observer,
) -> Result<PackedImage, PackError> {
    let compression = request.destination.compression(request.compression, request.legacy_parents)?;
    if kind == ArchiveKind::Docker {
        check_layer_count(&ImageLayer::of(request))?;
        if matches!(compression, Compression::Zstd { .. }) {
            observer.warn("Docker before version 23 cannot read layers compressed with zstd");
        }
    }
    let place = FileInPlace::new(file)?;
    let staging = staging_beside(place.path())?;
    let work = Work::begin(request, compression, observer)?;
    let blobs = work.blobs(staging.path())?;
    let documents = work.documents(&blobs);
    let legacy = Legacy { settings: request.settings, created: &work.created };
    let legacy = request.legacy_parents.then_some(legacy);
    let (dir, names) = (staging.path(), &work.names);
    let durability = request.durability;
    let contents = Contents { staging: dir, blobs: &blobs, documents: &documents, names, durability, legacy };
    archive::write(&place, kind, &contents, observer)?;
    tell_of_rest(staging.remove(), observer);
    Ok(work.packed(&blobs, &documents, Some(documents.manifest.digest)))
}

fn pack_layout(request: &PackRequest<'_>, dir: &Path, observer: &dyn Observer) -> Result<PackedImage, PackError> {
    let compression = request.destination.compression(request.compression, request.legacy_parents)?;
    let place = LayoutInPlace::new(dir)?;
    if !place.has_locks()? {
        let dir = dir.display();
        observer.warn(&format!("{dir} is on a file system without locks: let no two builds write to it at once"));
    }
    let work = Work::begin(request, compression, observer)?;
    let blobs = work.blobs(place.staging())?;
    let documents = work.documents(&blobs);
    let (names, durability) = (&work.names, request.durability);
    work.install(|| place.commit(&blobs, &Added { documents: &documents, names, durability, observer }))?;
    Ok(work.packed(&blobs, &documents, Some(documents.manifest.digest)))
}

/// Packs one layer of a plan by itself, for [`PackRequest::ready`], into a new directory. It stays empty where the plan
/// has no such layer: whoever packs layers one by one has to know in advance how many there are at most.
///
/// # Errors
///
/// Anything in [`PackError`]. There is no new directory then.
pub fn pack_layer(
    request: &LayerRequest<'_>,
    dir: &Path,
    observer: &dyn Observer,
) -> Result<Option<PackedLayer>, PackError> {
    let LayerRequest { plan, layer, files, root, compression, stamp, threads, durability } = *request;
    let place = DirectoryInPlace::new(dir)?;
    let settings = ImageSettings { stamp: stamp.clone(), ..ImageSettings::default() };
    let request = PackRequest {
        plan,
        files,
        root,
        settings: &settings,
        compression: Some(compression),
        destination: &Destination::OciLayout { dir: dir.to_owned(), tag: None },
        tags: &[],
        threads,
        base: None,
        customisation: None,
        ready: &[],
        legacy_parents: false,
        reuse: None,
        durability,
    };
    let (mut packed, mut written) = (None, Vec::new());
    if let Some(planned) = plan.layers().get(layer) {
        let work = Work::begin(&request, compression, observer)?;
        let blob = work.blob(layer, &ready::blob_file(place.staging()))?;
        let nodes = plan.names(planned).map(str::to_owned).collect();
        ready::write_record(place.staging(), nodes, &work.profile, &blob)?;
        written = ready::files(place.staging());
        packed = Some(work.packed_layer(layer, &blob));
    }
    durability.sync_files(&written, observer)?;
    place.commit(durability)?;
    Ok(packed)
}

fn check_layer_count(layers: &[ImageLayer<'_>]) -> Result<(), PackError> {
    match layers.len() {
        count if count > MAX_DOCKER_LAYERS => Err(PackError::TooManyLayers { count }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
