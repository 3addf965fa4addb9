//! From packed layers to the documents of the image: config, manifest, and what names them.

use layerwright_planner::{Layer, Plan};

use crate::base::BaseImage;
use crate::contents::{CONTENTS, contents};
use crate::destination::{Destination, ImageReference, IndexName};
use crate::image_layers::{ImageLayer, LayerKind};
use crate::layer::Blob;
use crate::oci::{self, Annotations, Descriptor, DockerManifest, HistoryEntry, Platform, canonical_json};
use crate::{Compression, Digest, ImageSettings, PackRequest};

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
        let history = history(plan, base, layers, created);
        let diff_ids = blobs.iter().map(|blob| blob.diff_id).collect();
        let rootfs = oci::RootFs { r#type: "layers", diff_ids };
        let variant = variant.as_deref();
        let document = oci::Config { architecture, variant, os, created, config, rootfs, history };
        let config = Document::new(canonical_json(&document));
        let contents = contents(plan);
        let described = layers.iter().zip(blobs).map(|(layer, blob)| {
            let contents = layer.place_in_plan().and_then(|place| contents.get(place));
            describe_layer(layer, blob, compression, contents)
        });
        let manifest = oci::Manifest {
            schema_version: 2,
            media_type: oci::MANIFEST,
            config: config.descriptor(oci::CONFIG),
            layers: described.collect(),
            annotations: manifest_annotations(plan, created, compression),
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
    let mut annotations = Annotations::new();
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

fn manifest_annotations(plan: &Plan, created: &str, compression: Compression) -> Annotations {
    let mut annotations = Annotations::new();
    annotations.insert("org.layerwright.packing-profile".into(), compression.profile());
    annotations.insert("org.opencontainers.image.created".into(), created.into());
    if !plan.planners().is_empty() {
        annotations.insert("org.layerwright.planners".into(), canonical_json(&plan.planners()));
    }
    annotations
}

/// One entry for each layer, and what a base image tells besides. Tools refuse an image where the numbers differ, so of
/// a base image that does not tell about all its layers, nothing is believed.
fn history(plan: &Plan, base: Option<&BaseImage>, layers: &[ImageLayer<'_>], created: &str) -> Vec<HistoryEntry> {
    let of_base = base.map(|base| (base.layers().len(), base.history()));
    let told = of_base.filter(|(count, told)| told.iter().filter(|entry| !entry.empty_layer).count() == *count);
    let ours = layers.iter().filter(|layer| told.is_none() || layer.kind() != LayerKind::Base);
    let ours = ours.map(|layer| HistoryEntry {
        created: Some(created.to_owned()),
        created_by: Some("layerwright".to_owned()),
        comment: Some(match layer {
            ImageLayer::Base(_) => "layer of the base image".to_owned(),
            ImageLayer::Planned(_, layer) => comment(plan, layer),
            ImageLayer::Customisation(_) => "customisation".to_owned(),
        }),
        ..HistoryEntry::default()
    });
    told.map_or(&[][..], |(_, told)| told).iter().cloned().chain(ours).collect()
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
