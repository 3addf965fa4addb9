//! From packed layers to the documents of the image: config, manifest, and what names them.

use layerwright_planner::{Layer, Plan};

use crate::base::BaseImage;
use crate::contents::{CONTENTS, contents, created_by, of_created_by};
use crate::destination::{Destination, ImageReference, IndexName};
use crate::image_layers::{ImageLayer, LayerKind};
use crate::layer::Blob;
use crate::oci::{self, Annotations, Descriptor, DockerManifest, HistoryEntry, Platform, canonical_json};
use crate::{Compression, Digest, ImageSettings, PackRequest};

/// By these, tools find out whether there is a newer base to build upon.
const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// How much of a history entry is names of nodes.
const MAX_COMMENT_BYTES: usize = 1024;

/// An image without its layers.
#[derive(Debug)]
pub(crate) struct Documents {
    pub(crate) config: Document,
    pub(crate) manifest: Document,
    layers: Vec<Digest>,
    platform: Platform,
}

#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) text: String,
    pub(crate) digest: Digest,
}

impl Document {
    fn new(text: String) -> Self {
        Self { digest: Digest::of(text.as_bytes()), text }
    }
}

impl Documents {
    /// `created` is the settings' time in its one spelling; `blobs` run parallel to `layers`.
    pub(crate) fn new(
        request: &PackRequest<'_>,
        created: &str,
        compression: Compression,
        layers: &[ImageLayer<'_>],
        blobs: &[Blob],
    ) -> Self {
        let PackRequest { plan, base, .. } = *request;
        let ImageSettings { architecture, variant, os, config, .. } = request.settings;
        let contents = contents(plan);
        let history = history(plan, base, layers, &contents, created);
        let diff_ids = blobs.iter().map(|blob| blob.diff_id).collect();
        let rootfs = oci::RootFs { r#type: "layers", diff_ids };
        let variant = variant.as_deref();
        let document = oci::Config { architecture, variant, os, created, config, rootfs, history };
        let config = Document::new(canonical_json(&document));
        let described = layers.iter().zip(blobs).map(|(layer, blob)| {
            let contents = layer.place_in_plan().and_then(|place| contents.get(place));
            describe_layer(layer, blob, compression, contents)
        });
        let manifest = oci::Manifest {
            schema_version: 2,
            media_type: oci::MANIFEST,
            config: config.descriptor(oci::CONFIG),
            layers: described.collect(),
            annotations: manifest_annotations(plan, base, created, compression),
        };
        let manifest = Document::new(canonical_json(&manifest));
        let layers = blobs.iter().map(|blob| blob.digest).collect();
        let ImageSettings { architecture, variant, os, .. } = request.settings.clone();
        Self { config, manifest, layers, platform: Platform { architecture, os, variant } }
    }

    /// Descriptors for an index: one for each name, or one without name.
    pub(crate) fn manifests(&self, names: &[IndexName]) -> Vec<Descriptor> {
        let descriptor =
            Descriptor { platform: Some(self.platform.clone()), ..self.manifest.descriptor(oci::MANIFEST) };
        let named: Vec<_> =
            names.iter().map(|name| Descriptor { annotations: name.annotations(), ..descriptor.clone() }).collect();
        if named.is_empty() { vec![descriptor] } else { named }
    }

    /// `manifest.json` for layers and config that are blobs of a layout.
    pub(crate) fn docker_manifest(&self, names: &Names) -> String {
        canonical_json(&[DockerManifest {
            config: oci::blob_name(&self.config.digest),
            repo_tags: names.repo_tags(),
            layers: self.layers.iter().map(oci::blob_name).collect(),
        }])
    }
}

impl Document {
    fn descriptor(&self, media_type: &'static str) -> Descriptor {
        let size = self.text.len() as u64;
        Descriptor { media_type, digest: self.digest, size, annotations: Annotations::new(), platform: None }
    }
}

fn describe_layer(
    layer: &ImageLayer<'_>,
    blob: &Blob,
    compression: Compression,
    contents: Option<&String>,
) -> Descriptor {
    // Those of a base's layers say how parts of the blob are found, which is the same here. What they hold is left out, as
    // in the history.
    let mut annotations = match layer {
        ImageLayer::Base(layer) => layer.annotations.clone(),
        _ => Annotations::new(),
    };
    annotations.remove(CONTENTS);
    annotations.extend(contents.map(|contents| (CONTENTS.into(), contents.clone())));
    if layer.kind() == LayerKind::Planned {
        annotations.insert("org.layerwright.layer.nodes".into(), layer.nodes().to_string());
    }
    if !layer.label().is_empty() {
        annotations.insert("org.layerwright.layer.label".into(), layer.label().to_owned());
    }
    let Blob { digest, blob_bytes: size, .. } = *blob;
    Descriptor { media_type: layer.media_type(compression), digest, size, annotations, platform: None }
}

fn manifest_annotations(plan: &Plan, base: Option<&BaseImage>, created: &str, compression: Compression) -> Annotations {
    let mut annotations = Annotations::new();
    annotations.insert("org.layerwright.packing-profile".into(), compression.profile());
    annotations.insert("org.opencontainers.image.created".into(), created.into());
    let base = base.map(|base| (base.name(), base.manifest()));
    annotations.extend(base.and_then(|(name, _)| Some((BASE_NAME.into(), name?.into()))));
    annotations.extend(base.and_then(|(_, digest)| Some((BASE_DIGEST.into(), digest?.to_string()))));
    if !plan.planners().is_empty() {
        annotations.insert("org.layerwright.planners".into(), canonical_json(&plan.planners()));
    }
    annotations
}

/// What a base image tells, and one entry for each of our layers. Tools refuse an image where the layers and the entries
/// that are not empty differ in number.
fn history(
    plan: &Plan,
    base: Option<&BaseImage>,
    layers: &[ImageLayer<'_>],
    contents: &[String],
    created: &str,
) -> Vec<HistoryEntry> {
    let entry = |contents: Option<&str>, comment: String| HistoryEntry {
        created: Some(created.to_owned()),
        created_by: Some(created_by(contents)),
        comment: Some(comment),
        ..HistoryEntry::default()
    };
    let told = base.map_or(Vec::new(), |base| {
        repaired(base.history(), base.layers().len(), || entry(None, "layer of the base image".to_owned()))
    });
    let ours = layers.iter().filter_map(|layer| match layer {
        ImageLayer::Base(_) => None,
        ImageLayer::Planned(place, layer) => {
            Some(entry(contents.get(*place).map(String::as_str), comment(plan, layer)))
        }
        ImageLayer::Customisation(_) => Some(entry(None, "customisation".to_owned())),
    });
    told.iter().map(of_base_image).chain(ours).collect()
}

/// Returns a history with as many entries that are not empty as there are layers. Of which layers those tell that there are
/// is not known where they are others, so that they are taken for the lower ones; what is too much is of no layer.
fn repaired(told: &[HistoryEntry], layers: usize, other: impl Fn() -> HistoryEntry) -> Vec<HistoryEntry> {
    let mut left = layers;
    let mut history: Vec<HistoryEntry> = told.to_vec();
    for entry in history.iter_mut().filter(|entry| !entry.empty_layer) {
        match left.checked_sub(1) {
            Some(less) => left = less,
            None => entry.empty_layer = true,
        }
    }
    history.extend(std::iter::repeat_with(other).take(left));
    history
}

/// An entry of the base image's history. What a layer of ours holds is not said again: this image's plan has none of it,
/// and planners would be told of nodes that they cannot place.
fn of_base_image(entry: &HistoryEntry) -> HistoryEntry {
    let says_contents = entry.created_by.as_deref().is_some_and(|text| of_created_by(text).is_some());
    let created_by = if says_contents { Some(created_by(None)) } else { entry.created_by.clone() };
    HistoryEntry { created_by, ..entry.clone() }
}

fn comment(plan: &Plan, layer: &Layer) -> String {
    let label = if layer.label.is_empty() { String::new() } else { format!("{}: ", layer.label) };
    let count = layer.nodes.len();
    let plural = if count == 1 { "node" } else { "nodes" };
    let mut comment = format!("{label}{count} {plural}: ");
    let limit = comment.len() + MAX_COMMENT_BYTES;
    for (at, name) in plan.names(layer).enumerate() {
        let separator = if at > 0 { ", " } else { "" };
        // The first one is always named, so that no layer is anonymous.
        if at > 0 && comment.len() + separator.len() + name.len() > limit {
            comment += &format!(" and {} more", count - at);
            break;
        }
        comment += separator;
        comment += name;
    }
    comment
}

/// The names that an image gets, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(Vec<Name>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// What it is to be called in an index. A whole reference, as skopeo takes it, gives the image its name.
    Given { ref_name: String, reference: Option<ImageReference> },
    /// What it is called in an index depends on what else is there.
    Reference(ImageReference),
}

impl Names {
    pub(crate) fn new(destination: &Destination, tags: &[ImageReference]) -> Self {
        let mut names = Self::default();
        let is_layout = match destination {
            Destination::DockerArchive { reference, .. } => {
                reference.iter().for_each(|reference| names.add(reference));
                false
            }
            Destination::OciLayout { tag, .. } | Destination::OciArchive { tag, .. } => {
                names.0.extend(tag.iter().map(|tag| Name::from_tag(tag)));
                true
            }
            Destination::Stdout => false,
        };
        tags.iter().for_each(|reference| names.add(reference));
        if is_layout && names.0.is_empty() {
            names.0.push(Name::from_tag("latest"));
        }
        names
    }

    fn add(&mut self, reference: &ImageReference) {
        let canonical = reference.canonical();
        if !self.iter().any(|name| name.reference().is_some_and(|known| known.canonical() == canonical)) {
            self.0.push(Name::Reference(reference.clone()));
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Name> {
        self.0.iter()
    }

    /// As in `manifest.json`.
    pub(crate) fn repo_tags(&self) -> Vec<String> {
        self.iter().filter_map(Name::reference).map(ToString::to_string).collect()
    }

    /// As a user would write them.
    pub(crate) fn shown(&self) -> Vec<String> {
        let shown = |name: &Name| match name {
            Name::Given { ref_name, reference: None } => ref_name.clone(),
            Name::Given { reference: Some(reference), .. } | Name::Reference(reference) => reference.to_string(),
        };
        self.iter().map(shown).collect()
    }
}

impl Name {
    fn from_tag(tag: &str) -> Self {
        Self::Given { ref_name: tag.to_owned(), reference: ImageReference::from_ref_name(tag) }
    }

    /// What the user wants it to be called in an index.
    pub(crate) fn given(&self) -> Option<&str> {
        match self {
            Self::Given { ref_name, .. } => Some(ref_name),
            Self::Reference(_) => None,
        }
    }

    /// Where more than the tag is known.
    pub(crate) fn reference(&self) -> Option<&ImageReference> {
        match self {
            Self::Given { reference, .. } => reference.as_ref(),
            Self::Reference(reference) => Some(reference),
        }
    }
}
