//! What Docker wrote before version 1.10: a directory for each layer, with the layer and a `json`.
//!
//! `repositories` says which layer is the top-most one of a name. Each `json` names its parent, and the config of the
//! image is that of the top-most one. There are no digests, so there is nothing that could be compared.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Chosen, Listed, NoImage, check_layer_count, first_shown, is_same_name};
use crate::HistoryEntry;
use crate::base::config::{BaseConfig, parse};
use crate::base::error::Problem;
use crate::base::place::Place;
use crate::image_files::{MAX_DOCUMENT_BYTES, shown};
use crate::oci::Annotations;
use crate::{Digest, ImageReference, Mismatch};

/// Says which layer is the top-most one of an image.
pub(crate) const REPOSITORIES: &str = "repositories";

/// From names to tags to the IDs of layers.
type Repositories = BTreeMap<String, BTreeMap<String, String>>;

/// The `json` of a layer, as far as it is not a config.
#[derive(Deserialize)]
struct LayerJson {
    parent: Option<String>,
    created: Option<String>,
    author: Option<String>,
    comment: Option<String>,
    container_config: Option<Container>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Container {
    cmd: Option<Vec<String>>,
}

/// Returns `None` where there are no such images.
pub(super) fn choose(place: &Place, reference: Option<&ImageReference>) -> Result<Option<Chosen>, NoImage> {
    let Some(text) = place.document(REPOSITORIES)? else { return Ok(None) };
    let repositories: Repositories = parse(REPOSITORIES, &text)?;
    let images = repositories.iter().flat_map(|(name, tags)| tags.iter().map(move |(tag, id)| (name, tag, id)));
    let mut images = images.map(|(name, tag, id)| (format!("{name}:{tag}"), id));
    let meant = match reference {
        None => images.next(),
        Some(reference) => images.find(|(name, _)| is_same_name(name, reference)),
    };
    match meant {
        Some((name, id)) => Ok(Some(Chosen { name: canonical(&name), ..read(place, id)? })),
        None => {
            let names: Vec<String> = repositories
                .iter()
                .flat_map(|(name, tags)| tags.keys().map(move |tag| format!("{name}:{tag}")))
                .collect();
            Err(NoImage::UnknownName { known: first_shown(names.iter().map(String::as_str)) })
        }
    }
}

fn read(place: &Place, top: &str) -> Result<Chosen, Problem> {
    let mut config = None;
    let mut layers = Vec::new();
    let mut history = Vec::new();
    let mut seen = BTreeSet::new();
    let mut bytes = 0;
    let mut next = Some(top.to_owned());
    while let Some(id) = next {
        if !seen.insert(id.clone()) {
            let reason = format!("layer `{}` is its own ancestor", shown(id.as_bytes()));
            return Err(Problem::malformed(REPOSITORIES, &reason));
        }
        check_layer_count(seen.len())?;
        let name = format!("{id}/json");
        let label = shown(name.as_bytes());
        let text = place.member(&name).ok_or_else(|| Problem::missing(label.clone()))?.text(&label)?;
        // Parts of all of them are kept.
        bytes += text.len() as u64;
        if bytes > MAX_DOCUMENT_BYTES {
            return Err(Problem::malformed(&label, "with those above it, it is longer than any such document"));
        }
        if config.is_none() {
            config = Some((BaseConfig::parse(&label, &text)?, Digest::of(&text)));
        }
        let json: LayerJson = parse(&label, &text)?;
        layers.push(layer(place, &id)?);
        next = json.parent.clone().filter(|parent| !parent.is_empty());
        history.push(json.into_history());
    }
    layers.reverse();
    history.reverse();
    let (config, config_digest) = config.ok_or_else(|| Problem::missing(shown(top.as_bytes())))?;
    let config = BaseConfig { history, diff_ids: None, ..config };
    Ok(Chosen { config, config_digest, layers, name: None, manifest: None })
}

fn canonical(name: &str) -> Option<String> {
    name.parse().ok().map(|name: ImageReference| name.canonical())
}

fn layer(place: &Place, id: &str) -> Result<Listed, Problem> {
    let name = format!("{id}/layer.tar");
    let label = shown(name.as_bytes());
    match place.member(&name) {
        Some(blob) => {
            Ok(Listed { label, blob, digest: None, diff_id: None, annotations: Annotations::new(), contents: None })
        }
        None => Err(Mismatch::Missing { blob: label }.into()),
    }
}

impl LayerJson {
    fn into_history(self) -> HistoryEntry {
        let command = self.container_config.and_then(|container| container.cmd).map(|words| words.join(" "));
        HistoryEntry {
            created: self.created,
            created_by: command.filter(|command| !command.is_empty()),
            author: self.author,
            comment: self.comment,
            empty_layer: false,
        }
    }
}
