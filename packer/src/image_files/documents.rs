//! The documents of an image as anybody may have written them: what is not needed is not looked at.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::Digest;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Layout {
    pub(crate) image_layout_version: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Index {
    pub(crate) media_type: Option<String>,
    pub(crate) manifests: Vec<Descriptor>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u64,
    pub(crate) media_type: Option<String>,
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
    pub(crate) artifact_type: Option<Value>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Platform {
    pub(crate) architecture: String,
    pub(crate) os: String,
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
    pub(crate) layer_sources: Option<Value>,
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
