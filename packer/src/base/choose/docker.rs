//! `manifest.json`: what `docker save`, nixpkgs and this program write.

use std::collections::BTreeMap;

use super::{Chosen, NoImage, check_layer_count, check_media_type, first_shown, is_same_name, listed_layers, no_image};
use crate::base::config::{BaseConfig, parse};
use crate::base::error::Problem;
use crate::base::place::{Blob, Place, check_digest};
use crate::image_files::{DockerImage, LayerSource, MAX_MANIFESTS, shown, stated_digest};
use crate::{Digest, ImageReference, oci};

pub(super) fn choose(place: &Place, text: &[u8], reference: Option<&ImageReference>) -> Result<Chosen, NoImage> {
    let images: Vec<DockerImage> = parse(oci::DOCKER_MANIFEST_FILE, text)?;
    if images.len() > MAX_MANIFESTS {
        return Err(Problem::malformed(oci::DOCKER_MANIFEST_FILE, "it lists more than 1000 images").into());
    }
    let Some(reference) = reference else {
        return match images.first() {
            Some(image) => Ok(read(place, image)?),
            None => no_image("its manifest.json lists no image"),
        };
    };
    let has = |image: &&DockerImage, is: &dyn Fn(&String) -> bool| image.repo_tags.iter().flatten().any(is);
    let exact = reference.to_string();
    let named = images.iter().find(|image| has(image, &|tag| *tag == exact));
    let named = named.or_else(|| images.iter().find(|image| has(image, &|tag| is_same_name(tag, reference))));
    match named {
        Some(image) => Ok(read(place, image)?),
        None => {
            let known = images.iter().flat_map(|image| image.repo_tags.iter().flatten());
            Err(NoImage::UnknownName { known: first_shown(known.map(String::as_str)) })
        }
    }
}

fn read(place: &Place, image: &DockerImage) -> Result<Chosen, Problem> {
    let names = image.layers.as_deref().unwrap_or_default();
    check_layer_count(names.len())?;
    check_sources(image.layer_sources.as_ref())?;
    let (config_label, digest, blob) = member(place, &image.config)?;
    let text = blob.text(&config_label)?;
    let config_digest = Digest::of(&text);
    digest.map_or(Ok(()), |digest| check_digest(&config_label, digest, config_digest))?;
    let config = BaseConfig::parse(&config_label, &text)?;
    let layers = names.iter().map(|name| member(place, name)).collect::<Result<Vec<_>, _>>()?;
    let layers = listed_layers(&config, &config_label, layers)?;
    let name = image.repo_tags.iter().flatten().next();
    let name = name.map(|tag| tag.parse().map_or_else(|_| tag.clone(), |tag: ImageReference| tag.canonical()));
    Ok(Chosen { config, config_digest, layers, name, manifest: None })
}

/// What is there under a name, and the digest that the name says it has.
fn member(place: &Place, name: &str) -> Result<(String, Option<Digest>, Blob), Problem> {
    let label = shown(name.as_bytes());
    match place.member(name) {
        Some(blob) => Ok((label, stated_digest(name.trim_start_matches("./").as_bytes()), blob)),
        None => Err(Problem::missing(label)),
    }
}

/// Docker says here of layers that it has from elsewhere, and leaves them out of the archive.
fn check_sources(sources: Option<&BTreeMap<String, LayerSource>>) -> Result<(), Problem> {
    sources.into_iter().flatten().try_for_each(|(diff_id, LayerSource { media_type, urls })| {
        check_media_type(&shown(diff_id.as_bytes()), Some(media_type), !urls.is_empty())
    })
}
