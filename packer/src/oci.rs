//! The documents of an image, as the OCI specifications define them.
//!
//! Written in one canonical form: keys sorted, no white space, so that the same image has the same digest everywhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DiffId, Digest, ImageConfig};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Of a descriptor in an index: the tag.
pub(crate) const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// Of a descriptor in an index: the whole reference, which containerd and Docker look for.
pub(crate) const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// The file that makes a directory an image layout, and its content.
pub(crate) const LAYOUT_FILE: &str = "oci-layout";
pub(crate) const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

pub(crate) const INDEX_FILE: &str = "index.json";
pub(crate) const DOCKER_MANIFEST_FILE: &str = "manifest.json";
pub(crate) const BLOBS: &str = "blobs/sha256";

pub(crate) type Annotations = BTreeMap<String, String>;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    pub(crate) media_type: &'static str,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) annotations: Annotations,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<Platform>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct Platform {
    pub(crate) architecture: String,
    pub(crate) os: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    pub(crate) schema_version: u8,
    pub(crate) media_type: &'static str,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) annotations: Annotations,
}

/// The image config: what the image ID is the digest of.
#[derive(Debug, Serialize)]
pub(crate) struct Config<'a> {
    pub(crate) architecture: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) variant: Option<&'a str>,
    pub(crate) os: &'a str,
    pub(crate) created: &'a str,
    pub(crate) config: &'a ImageConfig,
    pub(crate) rootfs: RootFs,
    pub(crate) history: Vec<HistoryEntry>,
}

#[derive(Debug, Serialize)]
pub(crate) struct RootFs {
    pub(crate) r#type: &'static str,
    pub(crate) diff_ids: Vec<DiffId>,
}

/// What an image says about how one of its layers, or a part of its config, came about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HistoryEntry {
    /// When, in RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
    /// By whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// By which command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_by: Option<String>,
    /// Anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Whether there is no layer of it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub empty_layer: bool,
}

/// One image of Docker's `manifest.json`, which is a list of these.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DockerManifest {
    pub(crate) config: String,
    pub(crate) repo_tags: Vec<String>,
    pub(crate) layers: Vec<String>,
}

/// The name of a blob in a layout.
pub(crate) fn blob_name(digest: &Digest) -> String {
    format!("{BLOBS}/{}", digest.hex())
}

/// Serialises with sorted keys and without white space.
///
/// Sorts by itself: the maps of `serde_json` do so only as long as no crate in the program asks for insertion order.
pub(crate) fn canonical_json(document: &impl Serialize) -> String {
    let value = serde_json::to_value(document).expect("documents have string keys and no failing parts");
    let mut out = String::new();
    append_canonical(&value, &mut out);
    out
}

fn append_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(object) => {
            let sorted: BTreeMap<&String, &Value> = object.iter().collect();
            append_list(out, ['{', '}'], sorted, |(key, value), out| {
                *out += &Value::from(key.as_str()).to_string();
                out.push(':');
                append_canonical(value, out);
            });
        }
        Value::Array(values) => append_list(out, ['[', ']'], values, append_canonical),
        scalar => *out += &scalar.to_string(),
    }
}

fn append_list<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: impl IntoIterator<Item = T>,
    append: impl Fn(T, &mut String),
) {
    out.push(open);
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        append(item, out);
    }
    out.push(close);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth() {
        let document = json!({"b": [{"z": 1, "a": null}], "a": {"é": "x\n\"", "e": true}, "": 1.5});
        assert_eq!(canonical_json(&document), r#"{"":1.5,"a":{"e":true,"é":"x\n\""},"b":[{"a":null,"z":1}]}"#);
    }

    #[test]
    fn layout_file_is_canonical() {
        assert_eq!(canonical_json(&json!({"imageLayoutVersion": "1.0.0"})).as_bytes(), LAYOUT);
    }
}
