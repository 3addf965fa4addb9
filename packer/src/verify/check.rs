//! Follows the documents of an image and compares what they say with what is there. `manifest.json`, which only archives
//! for docker have, is in a file of its own.

mod docker;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::rc::Rc;

use serde::de::DeserializeOwned;

use super::facts::Facts;
use super::mismatch::MAX_MISMATCHES;
use super::store::{Store, Text};
use super::{ImageSource, Mismatch, Note, VerifyError, VerifyReport};
use crate::image_files::{
    Config, DOCKER_CONFIG, DOCKER_INDEX, DOCKER_REFERENCE_TYPE, Descriptor, Encoding, Index, Layout, MAX_DEPTH,
    MAX_MANIFESTS, Manifest, Platform, Respelling, read_document, shown,
};
use crate::{Digest, oci};

/// How many layers all manifests may list together. What is known of each is kept.
const MAX_LAYERS: usize = 100_000;

pub(super) struct Check<'a> {
    store: Store<'a>,
    report: VerifyReport,
    /// What is in the report.
    known: HashSet<Mismatch>,
    noted: HashSet<Note>,
    /// Configs that `manifest.json` names, by what their bytes are: all its images may have the same.
    configs: BTreeMap<Digest, Option<Rc<Config>>>,
    checked: BTreeSet<Digest>,
    /// What `index.json` lists itself.
    listed: Vec<Image>,
    /// What it lists by indexes, for several platforms: `manifest.json` need not have all of them.
    nested: Vec<Image>,
    /// Whether that is all: what a damaged manifest lists is not known.
    is_listed_whole: bool,
    /// What `manifest.json` lists.
    docker: Vec<Image>,
    /// Of all images so far.
    seen_layers: usize,
}

/// An image as tools tell it from others, by what the documents say and not by what is there: a damaged layer is still
/// the one that they both mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Image {
    config: Digest,
    /// Of the list of the layers' digests.
    layers: Digest,
}

impl Image {
    fn new(config: Digest, layers: &[Digest]) -> Self {
        let names: Vec<String> = layers.iter().map(ToString::to_string).collect();
        Self { config, layers: Digest::of(names.join("\n").as_bytes()) }
    }
}

impl<'a> Check<'a> {
    pub(super) fn new(mut store: Store<'a>) -> Self {
        let (mismatches, notes) = store.take_findings();
        let report = VerifyReport { mismatches, notes, ..VerifyReport::default() };
        let (listed, nested, docker) = (Vec::new(), Vec::new(), Vec::new());
        let known = report.mismatches.iter().cloned().collect();
        let noted = report.notes.iter().cloned().collect();
        let (configs, checked) = (BTreeMap::new(), BTreeSet::new());
        Self {
            store,
            report,
            known,
            noted,
            configs,
            checked,
            listed,
            nested,
            is_listed_whole: true,
            docker,
            seen_layers: 0,
        }
    }

    pub(super) fn run(mut self, image: &ImageSource) -> Result<VerifyReport, VerifyError> {
        let (tag, reference) = match image {
            ImageSource::OciLayout { tag, .. } | ImageSource::OciArchive { tag, .. } => (tag.clone(), None),
            ImageSource::DockerArchive { reference, .. } => (None, reference.clone()),
            ImageSource::Path(_) => (None, None),
        };
        let has_index = self.check_index(tag.as_deref())?;
        let reference = reference.map(|reference| reference.to_string());
        let has_docker = self.check_docker(reference.as_deref(), has_index)?;
        if has_index && has_docker && self.is_listed_whole {
            self.compare(tag.is_none(), reference.is_none());
        }
        self.report.bytes = self.store.bytes_read();
        Ok(self.report)
    }

    /// Returns whether there is an index that can be read.
    fn check_index(&mut self, tag: Option<&str>) -> Result<bool, VerifyError> {
        let Some(text) = self.store.document(oci::INDEX_FILE)? else {
            return match tag {
                Some(_) => Err(VerifyError::UnknownName { name: tag.unwrap_or_default().into() }),
                None => Ok(false),
            };
        };
        match self.store.document(oci::LAYOUT_FILE)? {
            None => self.found(Mismatch::Missing { blob: oci::LAYOUT_FILE.into() }),
            Some(layout) => {
                let layout: Option<Layout> = self.parse(oci::LAYOUT_FILE, layout);
                if layout.is_some_and(|layout| layout.image_layout_version != "1.0.0") {
                    self.malformed(oci::LAYOUT_FILE, "the version of the layout is not 1.0.0");
                }
            }
        }
        let Some(index) = self.parse::<Index>(oci::INDEX_FILE, text) else { return Ok(false) };
        let has_tag = |descriptor: &&Descriptor| match tag {
            None => true,
            Some(tag) => {
                descriptor.annotations.as_ref().and_then(|all| all.get(oci::REF_NAME)).is_some_and(|n| n == tag)
            }
        };
        let manifests: Vec<&Descriptor> = index.manifests.iter().filter(has_tag).collect();
        if let (Some(tag), true) = (tag, manifests.is_empty()) {
            return Err(VerifyError::UnknownName { name: tag.into() });
        }
        for descriptor in manifests {
            self.check_manifest_or_index(descriptor, 0)?;
        }
        Ok(true)
    }

    fn check_manifest_or_index(&mut self, descriptor: &Descriptor, depth: usize) -> Result<(), VerifyError> {
        let is_known = descriptor.digest.parse().is_ok_and(|digest| self.checked.contains(&digest));
        if !is_known && (depth > MAX_DEPTH || self.checked.len() >= MAX_MANIFESTS) {
            self.is_listed_whole = false;
            self.malformed(
                oci::INDEX_FILE,
                "it lists more than 1000 manifests, which are not all checked, or too deep",
            );
            return Ok(());
        }
        let Some((digest, facts)) = self.check_blob(descriptor)? else {
            self.is_listed_whole = false;
            return Ok(());
        };
        self.is_listed_whole &= facts.digest == digest;
        if !self.checked.insert(digest) {
            return Ok(());
        }
        let name = digest.to_string();
        if matches!(descriptor.media_type.as_deref(), Some(oci::INDEX | DOCKER_INDEX)) {
            let Some(index) = self.read_listed::<Index>(&digest)? else { return Ok(()) };
            self.check_own_media_type(&name, descriptor, index.media_type.as_deref());
            return self.check_nested(&index, depth + 1);
        }
        if descriptor.is_about_another() && !self.is_manifest(&digest)? {
            self.note_no_image(&digest, descriptor, None);
            return Ok(());
        }
        let Some(manifest) = self.read_listed::<Manifest>(&digest)? else { return Ok(()) };
        self.check_own_media_type(&name, descriptor, manifest.media_type.as_deref());
        if manifest.schema_version != 2 {
            self.malformed(&name, "`schemaVersion` is not 2");
        }
        self.check_manifest(&name, descriptor, &manifest, depth)
    }

    /// What an index lists for other platforms need not be there, as long as one image is.
    fn check_nested(&mut self, index: &Index, depth: usize) -> Result<(), VerifyError> {
        let here: Vec<bool> = index.manifests.iter().map(|inner| self.is_here(inner)).collect::<Result<_, _>>()?;
        let has_image = index.manifests.iter().zip(&here).any(|(inner, is_here)| *is_here && !inner.is_about_another());
        for (inner, is_here) in index.manifests.iter().zip(here) {
            match is_here || !has_image {
                true => self.check_manifest_or_index(inner, depth)?,
                false => {
                    let platform = inner.platform.as_ref();
                    let platform = platform.map_or_else(|| "any platform".to_owned(), listed_for);
                    self.note(Note::NotHere { manifest: shown(inner.digest.as_bytes()), platform });
                }
            }
        }
        Ok(())
    }

    /// Whether a manifest is there, and anything that it lists. What cannot be read is.
    fn is_here(&mut self, descriptor: &Descriptor) -> Result<bool, VerifyError> {
        let Ok(digest) = descriptor.digest.parse() else { return Ok(true) };
        if !self.store.has(&digest) {
            return Ok(false);
        }
        let Some(Text::Bytes(text)) = self.store.blob_text(&digest)? else { return Ok(true) };
        let Ok((manifest, _)) = read_document::<Manifest>(&text) else { return Ok(true) };
        let listed = [&manifest.config].into_iter().chain(&manifest.layers);
        Ok(listed.filter_map(|listed| listed.digest.parse().ok()).any(|digest| self.store.has(&digest)))
    }

    /// Whether a document has the parts of a manifest, which not everything about an image has.
    fn is_manifest(&mut self, digest: &Digest) -> Result<bool, VerifyError> {
        Ok(match self.store.blob_text(digest)? {
            Some(Text::Bytes(text)) => read_document::<Manifest>(&text).is_ok(),
            _ => true,
        })
    }

    fn note_no_image(&mut self, digest: &Digest, descriptor: &Descriptor, manifest: Option<&Manifest>) {
        let by_annotation = descriptor.annotations.as_ref().and_then(|all| all.get(DOCKER_REFERENCE_TYPE));
        let by_type = descriptor.artifact_type.as_ref().or_else(|| manifest?.artifact_type.as_ref());
        let of_layer = || manifest?.layers.first()?.media_type.as_ref();
        let kind = by_annotation.or(by_type).or_else(of_layer).filter(|kind| !kind.is_empty());
        let kind = kind.map(|kind| shown(kind.as_bytes()));
        self.note(Note::NoImage { manifest: digest.to_string(), kind });
    }

    fn read_listed<T: DeserializeOwned>(&mut self, digest: &Digest) -> Result<Option<T>, VerifyError> {
        let text = self.store.blob_text(digest)?;
        let document = text.and_then(|text| self.parse(&digest.to_string(), text));
        self.is_listed_whole &= document.is_some();
        Ok(document)
    }

    fn check_manifest(
        &mut self,
        name: &str,
        descriptor: &Descriptor,
        manifest: &Manifest,
        depth: usize,
    ) -> Result<(), VerifyError> {
        let is_image = manifest.is_image() && !descriptor.is_about_another();
        match (is_image, descriptor.digest.parse()) {
            (false, Ok(digest)) => self.note_no_image(&digest, descriptor, Some(manifest)),
            _ => self.report.images += 1,
        }
        if !self.may_check(name, manifest.layers.len()) {
            return Ok(());
        }
        let config = self.check_blob(&manifest.config)?;
        let digests: Vec<Digest> = manifest.layers.iter().filter_map(|layer| layer.digest.parse().ok()).collect();
        self.store.prefetch(&digests)?;
        let has_config = matches!(manifest.config.media_type.as_deref(), None | Some("" | oci::CONFIG | DOCKER_CONFIG));
        let diff_ids = match config {
            Some((digest, _)) if has_config && (is_image || descriptor.is_about_another()) => {
                let text = self.store.blob_text(&digest)?;
                let platform = descriptor.platform.as_ref().map(|platform| (name, platform));
                let name = digest.to_string();
                let config: Option<Config> = text.and_then(|text| self.parse(&name, text));
                config.map(|config| {
                    self.check_config(&name, &config, manifest.layers.len(), platform);
                    config.rootfs.diff_ids.unwrap_or_default()
                })
            }
            _ => None,
        };
        for (at, layer) in manifest.layers.iter().enumerate() {
            self.report.layers += usize::from(is_image);
            if let Some((digest, facts)) = self.check_blob(layer)? {
                let stated = diff_ids.as_ref().and_then(|diff_ids| diff_ids.get(at));
                self.check_layer(&digest.to_string(), &facts, stated);
                self.check_encoding(layer, &facts);
            }
        }
        if let (Ok(config), true) = (manifest.config.digest.parse(), is_image) {
            let list = if depth == 0 { &mut self.listed } else { &mut self.nested };
            list.push(Image::new(config, &digests));
        }
        Ok(())
    }

    /// Returns the blob's digest by its name, and what is there.
    fn check_blob(&mut self, descriptor: &Descriptor) -> Result<Option<(Digest, Facts)>, VerifyError> {
        let Ok(digest) = descriptor.digest.parse::<Digest>() else {
            self.found(Mismatch::UnknownDigest { digest: shown(descriptor.digest.as_bytes()) });
            return Ok(None);
        };
        let blob = digest.to_string();
        let Some(facts) = self.store.blob(&digest)? else {
            self.found(Mismatch::Missing { blob });
            return Ok(None);
        };
        if facts.size != descriptor.size {
            self.found(Mismatch::Size { blob: blob.clone(), stated: descriptor.size, actual: facts.size });
        }
        if facts.digest != digest {
            self.found(Mismatch::Digest { blob, actual: facts.digest });
        }
        Ok(Some((digest, facts)))
    }

    /// Counts the layers of an image. Returns whether they are not too many.
    fn may_check(&mut self, document: &str, layers: usize) -> bool {
        self.seen_layers = self.seen_layers.saturating_add(layers);
        let may = self.seen_layers <= MAX_LAYERS;
        if !may {
            self.is_listed_whole = false;
            self.malformed(document, "it lists more layers than any image, which are not checked");
        }
        may
    }

    fn check_config(&mut self, name: &str, config: &Config, layers: usize, stated: Option<(&str, &Platform)>) {
        let diff_ids = config.rootfs.diff_ids.as_ref().map_or(0, Vec::len);
        if diff_ids != layers {
            self.found(Mismatch::DiffIdCount { config: name.into(), layers, diff_ids });
        }
        if let Some(history) = &config.history {
            let entries = history.iter().filter(|entry| !entry.empty_layer).count();
            if entries != layers {
                self.note(Note::HistoryCount { config: name.into(), layers, entries });
            }
        }
        if let Some((manifest, platform)) = stated {
            let own = |text: &Option<String>| text.clone().unwrap_or_default();
            let parts = [(&platform.os, own(&config.os)), (&platform.architecture, own(&config.architecture))];
            // What one of them does not say is no contradiction; an attestation is for an unknown platform.
            let differ = |(stated, own): &(&String, String)| {
                !stated.is_empty() && !own.is_empty() && *stated != own && *stated != "unknown"
            };
            if parts.iter().any(differ) {
                let [stated, actual] = [listed_for(platform), shown_platform(&parts[0].1, &parts[1].1)];
                self.found(Mismatch::Platform { manifest: manifest.into(), stated, actual });
            }
        }
    }

    fn check_layer(&mut self, layer: &str, facts: &Facts, stated: Option<&String>) {
        let layer = layer.to_owned();
        if facts.encoding == Encoding::Gzip && facts.members > 1 {
            self.report.multi_member_layers += 1;
        }
        if facts.trailing > 0 {
            self.found(Mismatch::TrailingGarbage { blob: layer.clone(), bytes: facts.trailing });
        }
        match (&facts.diff_id, stated) {
            (Err(reason), _) => self.found(Mismatch::Undecodable { layer, reason: reason.clone() }),
            (Ok(actual), Some(stated)) if actual.to_string() != *stated => {
                self.found(Mismatch::DiffId { layer, stated: shown(stated.as_bytes()), actual: *actual });
            }
            _ => {}
        }
    }

    /// A media type that is no layer's says nothing about compression.
    fn check_encoding(&mut self, layer: &Descriptor, facts: &Facts) {
        let Some(stated) = &layer.media_type else { return };
        let expected = match stated.as_str() {
            text if text.ends_with(".tar+gzip") || text.ends_with(".tar.gzip") => Encoding::Gzip,
            text if text.ends_with(".tar+zstd") => Encoding::Zstd,
            text if text.ends_with(".tar") => Encoding::Plain,
            _ => return,
        };
        if facts.encoding != expected {
            let blob = shown(layer.digest.as_bytes());
            let actual = facts.encoding.name().into();
            self.found(Mismatch::MediaType { blob, stated: shown(stated.as_bytes()), actual });
        }
    }

    fn check_own_media_type(&mut self, name: &str, descriptor: &Descriptor, own: Option<&str>) {
        if let (Some(stated), Some(own)) = (descriptor.media_type.as_deref(), own)
            && stated != own
        {
            let actual = format!("by its own word `{}`", shown(own.as_bytes()));
            self.found(Mismatch::MediaType { blob: name.into(), stated: shown(stated.as_bytes()), actual });
        }
    }

    fn parse<T: DeserializeOwned>(&mut self, name: &str, text: Text) -> Option<T> {
        let reason = match text {
            Text::TooLong => "it is longer than any such document".to_owned(),
            Text::Bytes(bytes) => match read_document(&bytes) {
                Ok((document, respelt)) => {
                    for Respelling { written, field } in respelt {
                        self.note(Note::Spelling { document: name.into(), written: shown(written.as_bytes()), field });
                    }
                    return Some(document);
                }
                Err(error) => shown(error.to_string().as_bytes()),
            },
        };
        self.malformed(name, &reason);
        None
    }

    fn malformed(&mut self, document: &str, reason: &str) {
        self.found(Mismatch::Malformed { document: document.into(), reason: reason.into() });
    }

    fn note(&mut self, note: Note) {
        if self.report.notes.len() < MAX_MISMATCHES && self.noted.insert(note.clone()) {
            self.report.notes.push(note);
        }
    }

    /// What several documents refer to is reported once.
    fn found(&mut self, mismatch: Mismatch) {
        if self.report.mismatches.len() < MAX_MISMATCHES && self.known.insert(mismatch.clone()) {
            self.report.mismatches.push(mismatch);
        }
    }
}

fn listed_for(platform: &Platform) -> String {
    shown_platform(&platform.os, &platform.architecture)
}

fn shown_platform(os: &str, architecture: &str) -> String {
    format!("{}/{}", shown(os.as_bytes()), shown(architecture.as_bytes()))
}
