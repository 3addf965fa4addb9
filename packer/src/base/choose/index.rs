//! `index.json`: what is in layouts, and in archives of them.
//!
//! An image may be there for several platforms, as several manifests of one name or by an index within the index. The
//! first one for the platform that is wanted is taken. Manifests that are no images but about one, as signatures are,
//! are passed over.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Chosen, NoImage, check_layer_count, check_media_type, first_shown, is_same_name, listed_layers, no_image};
use crate::base::Platform;
use crate::base::config::{BaseConfig, parse};
use crate::base::error::Problem;
use crate::base::place::Place;
use crate::contents::CONTENTS;
use crate::image_files::{
    DOCKER_CONFIG, DOCKER_INDEX, DOCKER_REFERENCE_TYPE, Descriptor, Index, MAX_DEPTH, MAX_MANIFESTS, Manifest, shown,
};
use crate::{ImageReference, oci};

pub(super) fn choose(place: &Place, text: &[u8], name: Option<&str>, platform: &Platform) -> Result<Chosen, NoImage> {
    let index: Index = parse(oci::INDEX_FILE, text)?;
    let images: Vec<&Descriptor> = index.manifests.iter().filter(|descriptor| !is_about_another(descriptor)).collect();
    let meant = match (name, images.first()) {
        (_, None) => return no_image("its index.json lists no image"),
        (None, Some(first)) => images.iter().filter(|image| names(image).eq(names(first))).copied().collect(),
        (Some(name), _) => named(&images, name),
    };
    if meant.is_empty() {
        return Err(NoImage::UnknownName { known: first_shown(images.iter().flat_map(|image| names(image))) });
    }
    let mut search = Search { place, platform, followed: 0, others: Vec::new() };
    match search.first(&meant, 0)? {
        Some(chosen) => Ok(chosen),
        None if search.others.is_empty() => no_image("what its index.json lists are no images"),
        None => Err(NoImage::OtherPlatform { known: first_shown(search.others.iter().map(String::as_str)) }),
    }
}

/// The names of an image in an index.
fn names(descriptor: &Descriptor) -> impl Iterator<Item = &str> {
    let annotation = |name| descriptor.annotations.as_ref().and_then(|all| all.get(name));
    [oci::REF_NAME, oci::CONTAINERD_NAME].into_iter().filter_map(annotation).map(String::as_str)
}

/// The images that are called so; where there are none, those that are by another spelling.
fn named<'a>(images: &[&'a Descriptor], name: &str) -> Vec<&'a Descriptor> {
    let called = |is: &dyn Fn(&str) -> bool| -> Vec<&'a Descriptor> {
        images.iter().filter(|image| names(image).any(is)).copied().collect()
    };
    let exact = called(&|known| known == name);
    match (exact.is_empty(), ImageReference::from_ref_name(name)) {
        (true, Some(reference)) => called(&|known| is_same_name(known, &reference)),
        _ => exact,
    }
}

struct Search<'a> {
    place: &'a Place,
    platform: &'a Platform,
    followed: usize,
    /// Platforms that images are for which are not wanted.
    others: Vec<String>,
}

impl Search<'_> {
    fn first(&mut self, descriptors: &[&Descriptor], depth: usize) -> Result<Option<Chosen>, Problem> {
        for descriptor in descriptors {
            self.followed += 1;
            if depth > MAX_DEPTH || self.followed > MAX_MANIFESTS {
                return Err(Problem::malformed(oci::INDEX_FILE, "it lists more than 1000 manifests, or too deep"));
            }
            if is_about_another(descriptor) || !self.is_wanted(descriptor) {
                continue;
            }
            let chosen = match document(self.place, descriptor)? {
                Document::Index(index) => self.first(&index.manifests.iter().collect::<Vec<_>>(), depth + 1)?,
                Document::Manifest(name, manifest) => self.image(&name, &manifest)?,
            };
            if chosen.is_some() {
                return Ok(chosen);
            }
        }
        Ok(None)
    }

    /// By what the index says. Where it does not, the config will.
    fn is_wanted(&mut self, descriptor: &Descriptor) -> bool {
        let Some(platform) = &descriptor.platform else { return true };
        let is_wanted = self.platform.admits(Some(&platform.os), Some(&platform.architecture));
        if !is_wanted {
            self.others.push(format!("{}/{}", platform.os, platform.architecture));
        }
        is_wanted
    }

    fn image(&mut self, name: &str, manifest: &Manifest) -> Result<Option<Chosen>, Problem> {
        if !matches!(manifest.config.media_type.as_deref(), None | Some("" | oci::CONFIG | DOCKER_CONFIG)) {
            return Ok(None);
        }
        if manifest.schema_version != 2 {
            return Err(Problem::malformed(name, "`schemaVersion` is not 2"));
        }
        check_layer_count(manifest.layers.len())?;
        let (config_digest, text) = self.place.listed_text(&manifest.config)?;
        let config_name = config_digest.to_string();
        let config = BaseConfig::parse(&config_name, &text)?;
        if !self.platform.admits(config.os.as_deref(), config.architecture.as_deref()) {
            self.others.push(super::shown_platform(&config));
            return Ok(None);
        }
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            let label = shown(layer.digest.as_bytes());
            check_media_type(&label, layer.media_type.as_deref(), has_urls(layer))?;
            let (digest, blob) = self.place.listed(layer)?;
            layers.push((label, Some(digest), blob));
        }
        let mut layers = listed_layers(&config, &config_name, layers)?;
        for (listed, layer) in layers.iter_mut().zip(&manifest.layers) {
            listed.contents = layer.annotations.as_ref().and_then(|all| all.get(CONTENTS)).cloned();
        }
        Ok(Some(Chosen { config, layers }))
    }
}

enum Document {
    Index(Index),
    Manifest(String, Box<Manifest>),
}

/// What a document is by what is in it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
    config: Option<IgnoredAny>,
    layers: Option<IgnoredAny>,
}

/// Of a document that could be both an index and a manifest, tools differ in what they take it for.
fn document(place: &Place, descriptor: &Descriptor) -> Result<Document, Problem> {
    let (digest, text) = place.listed_text(descriptor)?;
    let name = digest.to_string();
    let shape: Shape = parse(&name, &text)?;
    let is_index = shape.manifests.is_some();
    if is_index && (shape.layers.is_some() || shape.config.is_some()) {
        return Err(Problem::malformed(&name, "it is both an index and a manifest"));
    }
    for stated in [&descriptor.media_type, &shape.media_type].into_iter().flatten() {
        let says_index = matches!(stated.as_str(), oci::INDEX | DOCKER_INDEX);
        if says_index != is_index && !stated.is_empty() {
            let stated = shown(stated.as_bytes());
            return Err(Problem::malformed(&name, &format!("it is something else than `{stated}`")));
        }
    }
    match is_index {
        true => Ok(Document::Index(parse(&name, &text)?)),
        false => {
            let manifest = parse(&name, &text)?;
            Ok(Document::Manifest(name, manifest))
        }
    }
}

fn is_about_another(descriptor: &Descriptor) -> bool {
    let has_type = descriptor.annotations.as_ref().is_some_and(|all| all.contains_key(DOCKER_REFERENCE_TYPE));
    has_type || matches!(descriptor.artifact_type, Some(Value::String(_)))
}

fn has_urls(descriptor: &Descriptor) -> bool {
    matches!(&descriptor.urls, Some(Value::Array(urls)) if !urls.is_empty())
}
