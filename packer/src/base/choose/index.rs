//! `index.json`: what is in layouts, and in archives of them.
//!
//! An image may be there for several platforms, as several manifests of one name or by an index within the index. The one
//! nearest to the platform that is wanted is taken, see [`mod@crate::base::platform`]; of several that are as near, the
//! first. What is listed for other platforms need not be there. Manifests that are no images but about one, as signatures
//! are, are passed over.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::{Chosen, NoImage, check_layer_count, check_media_type, first_shown, is_same_name, listed_layers, no_image};
use crate::base::Platform;
use crate::base::config::{BaseConfig, parse};
use crate::base::error::Problem;
use crate::base::place::Place;
use crate::base::platform::{Fit, Stated};
use crate::contents::CONTENTS;
use crate::image_files::{
    DOCKER_INDEX, Descriptor, Index, MAX_DEPTH, MAX_MANIFESTS, Manifest, Platform as DocumentPlatform, shown,
};
use crate::{Digest, ImageReference, Mismatch, oci};

pub(super) fn choose(place: &Place, text: &[u8], name: Option<&str>, platform: &Platform) -> Result<Chosen, NoImage> {
    let index: Index = parse(oci::INDEX_FILE, text)?;
    let images: Vec<&Descriptor> = index.manifests.iter().filter(|descriptor| !descriptor.is_about_another()).collect();
    let meant = match name {
        _ if images.is_empty() => return no_image("its index.json lists no image"),
        None => by_name(&images),
        Some(name) => vec![named(&images, name)],
    };
    if meant[0].is_empty() {
        return Err(NoImage::UnknownName { known: first_shown(images.iter().flat_map(|image| names(image))) });
    }
    let mut search = Search { place, platform, followed: 0, others: Vec::new(), problem: None, is_choice: true };
    // Signatures have names of their own, and are passed over until there is an image.
    for images in meant {
        search.is_choice = images.len() > 1;
        if let Some(chosen) = search.best(&images)? {
            return Ok(Chosen { name: base_name(images[0]), ..chosen });
        }
        if !search.others.is_empty() {
            return Err(NoImage::OtherPlatform { known: first_shown(search.others.iter().map(String::as_str)) });
        }
        search.problem.take().map_or(Ok(()), Err)?;
    }
    no_image("what its index.json lists are no images")
}

/// What is listed by its names, in the order of the list: one image for several platforms has the same ones.
fn by_name<'a>(images: &[&'a Descriptor]) -> Vec<Vec<&'a Descriptor>> {
    let mut places: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<&Descriptor>> = Vec::new();
    for image in images {
        let place = *places.entry(names(image).collect()).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.push(image),
            None => groups.push(vec![image]),
        }
    }
    groups
}

/// What an image that is built upon this one calls it.
fn base_name(descriptor: &Descriptor) -> Option<String> {
    let annotation = |name| descriptor.annotations.as_ref().and_then(|all| all.get(name));
    let name = annotation(oci::CONTAINERD_NAME).or_else(|| annotation(oci::REF_NAME))?;
    Some(ImageReference::from_ref_name(name).map_or_else(|| name.clone(), |reference| reference.canonical()))
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
    /// Platforms that images are for which are there, but not wanted.
    others: Vec<String>,
    /// The first thing that is listed for the platform and not there. A tool that saves an image for one platform may list
    /// it for all.
    problem: Option<Problem>,
    /// Whether there are several of a name. To one that is named and alone, its own config says what it is for: engines
    /// do not look at the variant that is listed beside it.
    is_choice: bool,
}

/// An image that runs on the platform, and how near it is.
type Found = Option<(Fit, Chosen)>;

impl Search<'_> {
    fn best(&mut self, descriptors: &[&Descriptor]) -> Result<Option<Chosen>, Problem> {
        let mut best = None;
        self.search(descriptors.iter().copied(), 0, &mut best)?;
        Ok(best.map(|(_, chosen)| chosen))
    }

    fn search<'d>(
        &mut self,
        descriptors: impl IntoIterator<Item = &'d Descriptor>,
        depth: usize,
        best: &mut Found,
    ) -> Result<(), Problem> {
        for descriptor in descriptors {
            self.followed += 1;
            if depth > MAX_DEPTH || self.followed > MAX_MANIFESTS {
                return Err(Problem::malformed(oci::INDEX_FILE, "it lists more than 1000 manifests, or too deep"));
            }
            let is_choice = self.is_choice || depth > 0;
            let listed_for = descriptor.platform.as_ref().map(|platform| stated(platform, is_choice));
            if descriptor.is_about_another() || !self.is_wanted(descriptor, listed_for) {
                continue;
            }
            match self.look(descriptor, listed_for, depth, best) {
                Err(problem @ Problem::Mismatch(Mismatch::Missing { .. })) => drop(self.problem.get_or_insert(problem)),
                looked => looked?,
            }
            // Of several that are as near, the first one is taken.
            if best.as_ref().is_some_and(|(fit, _)| *fit >= self.platform.best_fit()) {
                break;
            }
        }
        Ok(())
    }

    fn look(
        &mut self,
        descriptor: &Descriptor,
        listed_for: Option<Stated<'_>>,
        depth: usize,
        best: &mut Found,
    ) -> Result<(), Problem> {
        let (digest, document) = document(self.place, descriptor)?;
        let found = match document {
            Document::Index(index) => return self.search(&index.manifests, depth + 1, best),
            Document::Manifest(manifest) => self.image(digest, &manifest, listed_for)?,
        };
        match (&best, found) {
            (Some((fit, _)), Some(found)) if *fit >= found.0 => {}
            (_, Some(found)) => *best = Some(found),
            (_, None) => {}
        }
        Ok(())
    }

    /// By what the index says. Where it does not, the config will.
    fn is_wanted(&mut self, descriptor: &Descriptor, listed_for: Option<Stated<'_>>) -> bool {
        let Some(stated) = listed_for else { return true };
        let is_wanted = self.platform.fit(stated).is_some();
        if !is_wanted && self.place.listed(descriptor).is_ok() {
            self.others.push(stated.to_string());
        }
        is_wanted
    }

    fn image(
        &mut self,
        manifest_digest: Digest,
        manifest: &Manifest,
        listed_for: Option<Stated<'_>>,
    ) -> Result<Found, Problem> {
        if !manifest.is_image() {
            return Ok(None);
        }
        if manifest.schema_version != 2 {
            return Err(Problem::malformed(&manifest_digest.to_string(), "`schemaVersion` is not 2"));
        }
        check_layer_count(manifest.layers.len())?;
        let (config_digest, text) = self.place.listed_text(&manifest.config)?;
        let config_name = config_digest.to_string();
        let mut config = BaseConfig::parse(&config_name, &text)?;
        if config.variant.is_none() {
            config.variant = listed_for.and_then(|stated| stated.variant).map(str::to_owned);
        }
        let Some(fit) = self.platform.fit(config.stated()) else {
            self.others.push(config.stated().to_string());
            return Ok(None);
        };
        let mut layers = Vec::new();
        for layer in &manifest.layers {
            let label = shown(layer.digest.as_bytes());
            check_media_type(&label, layer.media_type.as_deref(), has_urls(layer))?;
            let (digest, blob) = self.place.listed_layer(layer)?;
            layers.push((label, Some(digest), blob));
        }
        let mut layers = listed_layers(&config, &config_name, layers)?;
        for (listed, layer) in layers.iter_mut().zip(&manifest.layers) {
            listed.annotations = layer.annotations.clone().unwrap_or_default();
            let annotation = layer.annotations.as_ref().and_then(|all| all.get(CONTENTS)).cloned();
            listed.contents = annotation.or(listed.contents.take());
        }
        Ok(Some((fit, Chosen { config, config_digest, layers, name: None, manifest: Some(manifest_digest) })))
    }
}

/// What an index says that something is for.
fn stated(platform: &DocumentPlatform, with_variant: bool) -> Stated<'_> {
    let [os, architecture, variant] = [&platform.os, &platform.architecture, &platform.variant]
        .map(|text| Some(text.as_str()).filter(|text| !text.is_empty()));
    Stated { os, architecture, variant: variant.filter(|_| with_variant) }
}

enum Document {
    Index(Index),
    Manifest(Box<Manifest>),
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
fn document(place: &Place, descriptor: &Descriptor) -> Result<(Digest, Document), Problem> {
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
        true => Ok((digest, Document::Index(parse(&name, &text)?))),
        false => Ok((digest, Document::Manifest(parse(&name, &text)?))),
    }
}

fn has_urls(descriptor: &Descriptor) -> bool {
    matches!(&descriptor.urls, Some(Value::Array(urls)) if !urls.is_empty())
}
