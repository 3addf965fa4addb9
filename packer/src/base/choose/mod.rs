//! Which image is meant, and what its documents say about it.
//!
//! There are three ways to list images, one file for each: `index.json` of layouts, Docker's `manifest.json`, and what
//! Docker wrote before there was one. In all of them, what is named is looked for by name, and otherwise the first one
//! is taken. Documents are believed as far as they have the digests that they go by.

mod docker;
mod index;
mod legacy;

use super::config::BaseConfig;
use super::error::{BaseError, Problem, first_shown};
use super::place::{Blob, Place};
use super::{MAX_BASE_LAYERS, Platform};
use crate::contents::of_created_by;
use crate::image_files::shown;
use crate::oci::Annotations;
use crate::{DiffId, Digest, HistoryEntry, ImageReference, ImageSource, Mismatch, oci};

pub(super) use legacy::REPOSITORIES;

/// An image by its documents. Nothing is known about its layers yet.
pub(super) struct Chosen {
    pub(super) config: BaseConfig,
    /// Of the config as it is stored.
    config_digest: Digest,
    /// Bottom-most first.
    pub(super) layers: Vec<Listed>,
    /// What it is called.
    pub(super) name: Option<String>,
    /// Its manifest, where it has one.
    pub(super) manifest: Option<Digest>,
}

/// A layer as the documents list it.
pub(super) struct Listed {
    /// Its digest or name, fit to be shown.
    pub(super) label: String,
    pub(super) blob: Blob,
    /// What they say about it.
    pub(super) digest: Option<Digest>,
    pub(super) diff_id: Option<DiffId>,
    /// Of its descriptor in a manifest.
    pub(super) annotations: Annotations,
    /// What a manifest's annotation or the config says is in it, see [`mod@crate::contents`].
    pub(super) contents: Option<String>,
}

impl Chosen {
    /// Refuses an image that does not hold all that it lists.
    pub(super) fn check_whole(&self) -> Result<(), Problem> {
        match self.layers.iter().find(|layer| layer.blob.is_missing()) {
            Some(missing) => Err(Problem::missing(missing.label.clone())),
            None => Ok(()),
        }
    }
}

/// Why there is no image to be taken.
enum NoImage {
    Problem(Problem),
    UnknownName { known: Vec<String> },
    OtherPlatform { known: Vec<String> },
}

impl<P: Into<Problem>> From<P> for NoImage {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

/// Finds the image that is meant. Of an archive with both lists, what only a manifest says is known as well.
pub(super) fn choose(source: &ImageSource, place: &Place, platform: &Platform) -> Result<Chosen, BaseError> {
    let chosen = choose_listed(source, place, platform)?;
    let is_archive = chosen.manifest.is_none() && matches!(place, Place::Archive { .. });
    Ok(match is_archive.then(|| choose_by_index(source, place, platform)).flatten() {
        Some(same) if same.has_blobs_of(&chosen) => Chosen { name: chosen.name.or(same.name), ..same },
        _ => chosen,
    })
}

impl Chosen {
    fn has_blobs_of(&self, other: &Self) -> bool {
        let keys = |chosen: &Self| chosen.layers.iter().map(|layer| layer.blob.key()).collect::<Vec<_>>();
        self.config_digest == other.config_digest && keys(self) == keys(other)
    }
}

/// Finds the image that is meant in the list that is looked at first.
fn choose_listed(source: &ImageSource, place: &Place, platform: &Platform) -> Result<Chosen, BaseError> {
    let chosen = match (source, place) {
        (ImageSource::DockerArchive { .. } | ImageSource::OciArchive { .. }, Place::Layout(_)) => {
            no_image("it is a directory; write oci:DIR")
        }
        (ImageSource::OciLayout { .. }, Place::Archive { .. }) => {
            no_image("it is no directory; write oci-archive:FILE or docker-archive:FILE")
        }
        (ImageSource::DockerArchive { reference, .. }, _) => from_docker_archive(place, reference.as_ref()),
        (ImageSource::OciArchive { tag, .. } | ImageSource::OciLayout { tag, .. }, _) => {
            from_layout(place, tag.as_deref(), platform)
        }
        (ImageSource::Path(_), _) => from_anything(place, platform),
    };
    let path = source.path();
    let chosen = chosen.and_then(|chosen| check(chosen, platform));
    chosen.map_err(|error| match error {
        NoImage::Problem(problem) => problem.of(path),
        NoImage::UnknownName { known } => {
            let name = name_of(source);
            BaseError::UnknownName { path: path.to_owned(), name, known }
        }
        NoImage::OtherPlatform { known } => {
            BaseError::Platform { path: path.to_owned(), wanted: platform.to_string(), known }
        }
    })
}

/// Finds the image that is meant, as [`choose()`]; but of an archive with both lists that of layouts is taken, by which
/// there are annotations.
pub(super) fn choose_annotated(source: &ImageSource, place: &Place, platform: &Platform) -> Result<Chosen, BaseError> {
    choose_by_index(source, place, platform).map_or_else(|| choose_listed(source, place, platform), Ok)
}

/// Finds the image in the index of an archive that is read by another list.
fn choose_by_index(source: &ImageSource, place: &Place, platform: &Platform) -> Option<Chosen> {
    let name = match (source, place) {
        (ImageSource::DockerArchive { reference, .. }, Place::Archive { .. }) => {
            reference.as_ref().map(ToString::to_string)
        }
        (ImageSource::Path(_), Place::Archive { .. }) => None,
        _ => return None,
    };
    let text = place.document(oci::INDEX_FILE).ok().flatten()?;
    index::choose(place, &text, name.as_deref(), platform).ok()
}

fn name_of(source: &ImageSource) -> String {
    match source {
        ImageSource::DockerArchive { reference, .. } => reference.as_ref().map(ToString::to_string),
        ImageSource::OciArchive { tag, .. } | ImageSource::OciLayout { tag, .. } => tag.clone(),
        ImageSource::Path(_) => None,
    }
    .unwrap_or_default()
}

fn from_docker_archive(place: &Place, reference: Option<&ImageReference>) -> Result<Chosen, NoImage> {
    match place.document(oci::DOCKER_MANIFEST_FILE)? {
        Some(text) => docker::choose(place, &text, reference),
        None => match legacy::choose(place, reference)? {
            Some(chosen) => Ok(chosen),
            None if place.document(oci::INDEX_FILE)?.is_some() => {
                no_image("there is an index.json, but no manifest.json; write oci-archive:FILE")
            }
            None => no_image("there is neither a manifest.json nor a `repositories`"),
        },
    }
}

fn from_layout(place: &Place, tag: Option<&str>, platform: &Platform) -> Result<Chosen, NoImage> {
    match place.document(oci::INDEX_FILE)? {
        Some(text) => index::choose(place, &text, tag, platform),
        None if place.document(oci::DOCKER_MANIFEST_FILE)?.is_some() => {
            no_image("there is a manifest.json, but no index.json; write docker-archive:FILE")
        }
        None => no_image("there is no index.json"),
    }
}

/// Where both lists are, that of Docker is taken, which dockerTools reads.
fn from_anything(place: &Place, platform: &Platform) -> Result<Chosen, NoImage> {
    let is_docker = matches!(place, Place::Archive { .. }) && place.document(oci::DOCKER_MANIFEST_FILE)?.is_some();
    match place.document(oci::INDEX_FILE)? {
        Some(text) if !is_docker => index::choose(place, &text, None, platform),
        _ => match from_docker_archive(place, None) {
            Err(NoImage::Problem(Problem::NotAnImage(_))) => {
                no_image("there is no index.json, no manifest.json and no `repositories`")
            }
            chosen => chosen,
        },
    }
}

fn check(chosen: Chosen, platform: &Platform) -> Result<Chosen, NoImage> {
    match platform.fit(chosen.config.stated()) {
        Some(_) => Ok(chosen),
        None => Err(NoImage::OtherPlatform { known: first_shown([chosen.config.stated().to_string().as_str()]) }),
    }
}

/// The layers of an image by what a manifest and a config say. Each of `layers` is a label, a digest and a blob.
fn listed_layers(
    config: &BaseConfig,
    config_name: &str,
    layers: Vec<(String, Option<Digest>, Blob)>,
) -> Result<Vec<Listed>, Problem> {
    let Some(diff_ids) = &config.diff_ids else {
        return Err(Problem::malformed(config_name, "it lists no diff IDs of layers"));
    };
    if diff_ids.len() != layers.len() {
        let (layers, diff_ids) = (layers.len(), diff_ids.len());
        return Err(Mismatch::DiffIdCount { config: config_name.into(), layers, diff_ids }.into());
    }
    let mut contents = told_by_history(&config.history, layers.len()).into_iter();
    let listed = |((label, digest, blob), diff_id): ((String, Option<Digest>, Blob), &DiffId)| {
        let contents = contents.next().flatten();
        Listed { label, blob, digest, diff_id: Some(*diff_id), annotations: Annotations::new(), contents }
    };
    Ok(layers.into_iter().zip(diff_ids).map(listed).collect())
}

/// What a history says is in each of so many layers. One of other layers says nothing.
fn told_by_history(history: &[HistoryEntry], layers: usize) -> Vec<Option<String>> {
    let of_layers = || history.iter().filter(|entry| !entry.empty_layer);
    match of_layers().count() == layers {
        true => of_layers().map(|entry| of_created_by(entry.created_by.as_deref()?)).collect(),
        false => Vec::new(),
    }
}

fn check_layer_count(count: usize) -> Result<(), Problem> {
    match count > MAX_BASE_LAYERS {
        true => Err(Problem::TooMuch(super::Excess::Layers)),
        false => Ok(()),
    }
}

/// A layer that lies in a registry elsewhere, or that only somebody with a key can read.
fn check_media_type(label: &str, media_type: Option<&str>, has_urls: bool) -> Result<(), Problem> {
    let Some(text) = media_type.filter(|text| !text.is_empty()) else { return check_urls(label, has_urls) };
    let refuse = |reason: String| Err(Problem::UnusableLayer { layer: label.into(), reason });
    if text.contains("+encrypted") {
        return refuse("is encrypted; decrypt the image first".into());
    }
    check_urls(label, has_urls || text.contains("nondistributable") || text.contains(".foreign."))?;
    match [".tar", ".tar+gzip", ".tar.gzip", ".tar+zstd", ".tar.zstd"].iter().any(|end| text.ends_with(end)) {
        true => Ok(()),
        false => refuse(format!("has the media type `{}`, which is none of a layer", shown(text.as_bytes()))),
    }
}

fn check_urls(label: &str, is_elsewhere: bool) -> Result<(), Problem> {
    match is_elsewhere {
        true => Err(Problem::UnusableLayer {
            layer: label.into(),
            reason: "is a foreign one, which is fetched from elsewhere and may not be part of an image".into(),
        }),
        false => Ok(()),
    }
}

/// Whether two names are for one image: `debian:12` is `docker.io/library/debian:12`.
fn is_same_name(known: &str, wanted: &ImageReference) -> bool {
    known.parse().is_ok_and(|known: ImageReference| known.canonical() == wanted.canonical())
}

fn no_image<T>(reason: &str) -> Result<T, NoImage> {
    Err(NoImage::Problem(Problem::NotAnImage(reason.into())))
}
