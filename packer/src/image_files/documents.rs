//! The documents of an image as anybody may have written them: what is not needed is not looked at. They are read by
//! [`read_document`](super::read_document).

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::{DOCKER_CONFIG, DOCKER_REFERENCE_TYPE};
use crate::{Digest, oci};

/// A manifest of what is no image, which nobody writes any more.
const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layout {
    pub(crate) image_layout_version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) media_type: Option<String>,
    #[serde(deserialize_with = "without_nulls")]
    pub(crate) manifests: Vec<Descriptor>,
}

/// To engines, `null` in a list is an image of no platform and no digest, which they never choose.
fn without_nulls<'de, D: Deserializer<'de>>(list: D) -> Result<Vec<Descriptor>, D::Error> {
    Ok(Vec::<Option<Descriptor>>::deserialize(list)?.into_iter().flatten().collect())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u64,
    pub(crate) media_type: Option<String>,
    /// Of what is no image.
    pub(crate) artifact_type: Option<String>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: Option<String>,
    pub(crate) digest: String,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    pub(crate) platform: Option<Platform>,
    /// Where else the bytes are: a list of texts. Only whether there are any has ever mattered.
    pub(crate) urls: Option<Value>,
    /// Of what is no image.
    pub(crate) artifact_type: Option<String>,
}

/// What is not said is an empty text.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Platform {
    pub(crate) architecture: String,
    pub(crate) os: String,
    pub(crate) variant: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Config {
    pub(crate) architecture: Option<String>,
    pub(crate) os: Option<String>,
    pub(crate) rootfs: RootFs,
    pub(crate) history: Option<Vec<History>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct RootFs {
    /// Go writes an empty list as `null`.
    pub(crate) diff_ids: Option<Vec<String>>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct History {
    #[serde(default)]
    pub(crate) empty_layer: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DockerImage {
    pub(crate) config: String,
    pub(crate) repo_tags: Option<Vec<String>>,
    pub(crate) layers: Option<Vec<String>>,
    /// Descriptors of layers by diff ID.
    pub(crate) layer_sources: Option<BTreeMap<String, LayerSource>>,
}

/// What a descriptor says of a layer that is elsewhere.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LayerSource {
    pub(crate) media_type: String,
    pub(crate) urls: Vec<String>,
}

impl Descriptor {
    /// Whether it says itself that this is no image but about one, as an attestation or a signature is.
    pub(crate) fn is_about_another(&self) -> bool {
        let is_unknown = |platform: &Platform| [&platform.os, &platform.architecture].iter().all(|p| *p == "unknown");
        self.annotations.as_ref().is_some_and(|all| all.contains_key(DOCKER_REFERENCE_TYPE))
            || self.artifact_type.as_ref().is_some_and(|kind| !kind.is_empty())
            || self.platform.as_ref().is_some_and(is_unknown)
            || self.media_type.as_deref() == Some(ARTIFACT)
    }

    /// Whether its media type can be that of a layer, which a signature's or a document's is not.
    fn may_be_layer(&self) -> bool {
        let media_type = self.media_type.as_deref().unwrap_or_default();
        media_type.is_empty() || media_type.contains(".tar") || media_type.contains("layer")
    }
}

impl Manifest {
    /// Whether it is of an image: of files, and a config to run them by.
    pub(crate) fn is_image(&self) -> bool {
        let has_config = matches!(self.config.media_type.as_deref(), None | Some("" | oci::CONFIG | DOCKER_CONFIG));
        let has_type = self.artifact_type.as_ref().is_some_and(|kind| !kind.is_empty());
        has_config && !has_type && (self.layers.is_empty() || self.layers.iter().any(Descriptor::may_be_layer))
    }
}

/// What the name of a member says about its content.
pub(crate) fn stated_digest(name: &[u8]) -> Option<Digest> {
    blob_digest(name).or_else(|| digest_of_hex(name.strip_suffix(b".json")?))
}

/// What the name of a blob of a layout says about it.
pub(crate) fn blob_digest(name: &[u8]) -> Option<Digest> {
    digest_of_hex(name.strip_prefix(b"blobs/sha256/")?)
}

fn digest_of_hex(hex: &[u8]) -> Option<Digest> {
    format!("sha256:{}", std::str::from_utf8(hex).ok()?).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nulls_in_a_list_of_images_are_no_images() {
        let text = r#"{"manifests": [null, {"digest": "d", "size": 1}, null]}"#;
        let index: Index = serde_json::from_str(text).unwrap();
        assert_eq!(index.manifests.len(), 1);
        for wrong in [r#"{"manifests": [1]}"#, r#"{"manifests": [{}]}"#, r#"{"manifests": null}"#] {
            assert!(serde_json::from_str::<Index>(wrong).is_err(), "{wrong}");
        }
    }
}
