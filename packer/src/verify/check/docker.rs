//! `manifest.json`: what tools for docker read, in archives by `docker save` and beside the index of ours.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::{Check, Image};
use crate::image_files::{Config, DockerImage, MAX_MANIFESTS, blob_digest, shown, stated_digest};
use crate::verify::facts::Facts;
use crate::verify::store::Text;
use crate::verify::{Mismatch, VerifyError};
use crate::{Digest, oci};

/// A member of an archive that `manifest.json` names.
struct Named {
    /// By its digest where it is a blob, as it is called when the index refers to it.
    label: String,
    /// What its name says, or else what it is.
    digest: Digest,
    facts: Facts,
    text: Text,
}

impl Check<'_> {
    /// Returns whether there is a `manifest.json` that can be read. Images that the index lists are counted there already.
    pub(super) fn check_docker(&mut self, reference: Option<&str>, has_index: bool) -> Result<bool, VerifyError> {
        let Some(text) = self.store.document(oci::DOCKER_MANIFEST_FILE)? else {
            return match reference {
                Some(name) => Err(VerifyError::UnknownName { name: name.into() }),
                None => Ok(false),
            };
        };
        let Some(images) = self.parse::<Vec<DockerImage>>(oci::DOCKER_MANIFEST_FILE, text) else { return Ok(false) };
        let is_named =
            |image: &&DockerImage| reference.is_none_or(|name| image.repo_tags.iter().flatten().any(|tag| tag == name));
        let images: Vec<&DockerImage> = images.iter().filter(is_named).collect();
        if let (Some(name), true) = (reference, images.is_empty()) {
            return Err(VerifyError::UnknownName { name: name.into() });
        }
        let is_whole = images.len() <= MAX_MANIFESTS;
        if !is_whole {
            let reason = "it lists more than 1000 images, of which the others are not checked";
            self.malformed(oci::DOCKER_MANIFEST_FILE, reason);
        }
        for image in images.into_iter().take(MAX_MANIFESTS) {
            self.check_docker_image(image, has_index);
        }
        Ok(is_whole)
    }

    fn check_docker_image(&mut self, image: &DockerImage, has_index: bool) {
        let names = image.layers.as_deref().unwrap_or_default();
        if !has_index {
            self.report.images += 1;
            self.report.layers += names.len();
        }
        if !self.may_check(oci::DOCKER_MANIFEST_FILE, names.len()) {
            return;
        }
        let config = self.check_member(&image.config);
        let parsed = config.as_ref().and_then(|config| self.docker_config(config));
        if let (Some(config), Some(parsed)) = (&config, &parsed) {
            self.check_config(&config.label, parsed, names.len(), None);
        }
        let diff_ids = parsed.as_ref().and_then(|parsed| parsed.rootfs.diff_ids.as_ref());
        let mut layers = Vec::new();
        for (at, name) in names.iter().enumerate() {
            let Some(layer) = self.check_member(name) else {
                layers.extend(stated_digest(name.as_bytes()));
                continue;
            };
            let multi_member_layers = self.report.multi_member_layers;
            self.check_layer(&layer.label, &layer.facts, diff_ids.and_then(|diff_ids| diff_ids.get(at)));
            if has_index {
                self.report.multi_member_layers = multi_member_layers;
            }
            layers.push(layer.digest);
        }
        let config = config.map(|config| config.digest).or_else(|| stated_digest(image.config.as_bytes()));
        self.docker.extend(config.map(|config| Image::new(config, &layers)));
    }

    fn docker_config(&mut self, config: &Named) -> Option<Rc<Config>> {
        if let Some(known) = self.configs.get(&config.facts.digest) {
            return known.clone();
        }
        let parsed = self.parse(&config.label, config.text.clone()).map(Rc::new);
        self.configs.insert(config.facts.digest, parsed.clone());
        parsed
    }

    /// A member that is named for its digest must have it: a blob of a layout, or a config as docker writes it.
    fn check_member(&mut self, name: &str) -> Option<Named> {
        let resolved = self.store.resolve(name.as_bytes()).unwrap_or(name.as_bytes());
        let stated = stated_digest(resolved);
        let label = blob_digest(resolved).map_or_else(|| shown(name.as_bytes()), |digest| digest.to_string());
        let Some((facts, text)) = self.store.member(name.as_bytes()) else {
            self.found(Mismatch::Missing { blob: label });
            return None;
        };
        let (facts, text) = (facts.clone(), text.clone());
        if stated.is_some_and(|stated| stated != facts.digest) {
            self.found(Mismatch::Digest { blob: label.clone(), actual: facts.digest });
        }
        Some(Named { label, digest: stated.unwrap_or(facts.digest), facts, text })
    }

    /// Says where the two lists of images differ, as far as both were read whole.
    pub(super) fn compare(&mut self, index_is_whole: bool, docker_is_whole: bool) {
        let (index, docker) = (oci::INDEX_FILE, oci::DOCKER_MANIFEST_FILE);
        let missing = |from: &[Image], to: &[Image]| -> Vec<Digest> {
            let to: BTreeSet<&Image> = to.iter().collect();
            from.iter().filter(|image| !to.contains(image)).map(|image| image.config).collect()
        };
        if index_is_whole {
            for config in missing(&self.docker, &[self.listed.as_slice(), &self.nested].concat()) {
                self.found(Mismatch::Disagreement { document: docker, config, other: index });
            }
        }
        if docker_is_whole {
            for config in missing(&self.listed, &self.docker) {
                self.found(Mismatch::Disagreement { document: index, config, other: docker });
            }
        }
    }
}
