//! From packed layers to the documents of the image: config, manifest, and what names them.

use layerwright_planner::{Layer, Plan};

use crate::destination::{Destination, ImageReference, IndexName};
use crate::layer::Blob;
use crate::oci::{self, Annotations, Descriptor, DockerManifest, History, Platform, canonical_json};
use crate::{Compression, Digest, ImageSettings};

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
    /// `created` is the settings' time in its one spelling; `layers` run parallel to those of the plan.
    pub(crate) fn new(
        plan: &Plan,
        settings: &ImageSettings,
        created: &str,
        compression: Compression,
        layers: &[Blob],
    ) -> Self {
        let ImageSettings { architecture, os, config, .. } = settings;
        let history = plan.layers().iter().map(|layer| history(plan, layer, created)).collect();
        let diff_ids = layers.iter().map(|layer| layer.diff_id).collect();
        let rootfs = oci::RootFs { r#type: "layers", diff_ids };
        let config = Document::new(canonical_json(&oci::Config { architecture, os, created, config, rootfs, history }));
        let manifest = oci::Manifest {
            schema_version: 2,
            media_type: oci::MANIFEST,
            config: config.descriptor(oci::CONFIG),
            layers: plan
                .layers()
                .iter()
                .zip(layers)
                .map(|(layer, blob)| describe_layer(layer, blob, compression))
                .collect(),
            annotations: manifest_annotations(plan, created, compression),
        };
        let manifest = Document::new(canonical_json(&manifest));
        let layers = layers.iter().map(|layer| layer.digest).collect();
        Self { config, manifest, layers, platform: Platform { architecture: architecture.clone(), os: os.clone() } }
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

fn describe_layer(layer: &Layer, blob: &Blob, compression: Compression) -> Descriptor {
    let mut annotations = Annotations::new();
    annotations.insert("org.layerwright.layer.nodes".into(), layer.nodes.len().to_string());
    if !layer.label.is_empty() {
        annotations.insert("org.layerwright.layer.label".into(), layer.label.clone());
    }
    let Blob { digest, blob_bytes: size, .. } = *blob;
    Descriptor { media_type: compression.media_type(), digest, size, annotations, platform: None }
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

fn history<'a>(plan: &Plan, layer: &Layer, created: &'a str) -> History<'a> {
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
    History { created, created_by: "layerwright", comment }
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
