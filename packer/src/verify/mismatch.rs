//! What can be wrong with an image.

use serde::Serialize;
use thiserror::Error;

use crate::{DiffId, Digest};

/// Nobody reads on after so many.
pub(super) const MAX_MISMATCHES: usize = 10_000;

/// A statement of an image that does not hold.
///
/// Texts that come from the image are escaped and cut off, so that they can be printed.
#[derive(Clone, Debug, Error, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "mismatch", rename_all = "kebab-case")]
pub enum Mismatch {
    /// Something refers to bytes that are not there.
    #[error("{blob} is missing")]
    Missing {
        /// A digest, or the name of an archive's member.
        blob: String,
    },
    /// The bytes are others than the name says.
    #[error("the content of {blob} has the digest {actual}")]
    Digest {
        /// The digest or name that it goes by.
        blob: String,
        /// Of what is there.
        actual: Digest,
    },
    /// There are more or fewer bytes than stated.
    #[error("{blob} has {actual} bytes, but its descriptor says {stated}")]
    Size {
        /// The digest that it goes by.
        blob: String,
        /// By the descriptor.
        stated: u64,
        /// Of what is there.
        actual: u64,
    },
    /// A layer is compressed in another way than its media type says.
    #[error("{blob} is {actual}, but its media type is `{stated}`")]
    MediaType {
        /// The digest that it goes by.
        blob: String,
        /// The media type.
        stated: String,
        /// `gzip`, `zstd`, `plain`, or what kind of document it is.
        actual: String,
    },
    /// The plain tar of a layer is another than the config says.
    #[error("{layer} has the diff ID {actual}, but the config says `{stated}`")]
    DiffId {
        /// The layer's digest or name.
        layer: String,
        /// By the config.
        stated: String,
        /// Of what is there.
        actual: DiffId,
    },
    /// A layer cannot be decompressed.
    #[error("{layer} cannot be decompressed: {reason}")]
    Undecodable {
        /// The layer's digest or name.
        layer: String,
        /// The decoder's words.
        reason: String,
    },
    /// Bytes after the end of what is compressed, or of the archive. Some tools fail at them, others do not see them.
    #[error("{blob} is followed by {bytes} bytes that belong to nothing")]
    TrailingGarbage {
        /// The layer's digest or name, or `the archive`.
        blob: String,
        /// How many.
        bytes: u64,
    },
    /// The config knows another number of layers than the manifest.
    #[error("the manifest lists {layers} layers, but config {config} lists {diff_ids} diff IDs")]
    DiffIdCount {
        /// The config's digest or name.
        config: String,
        /// In the manifest.
        layers: usize,
        /// In the config.
        diff_ids: usize,
    },
    /// The descriptor of a manifest is for another machine than its config.
    #[error("manifest {manifest} is listed for `{stated}`, but its config is for `{actual}`")]
    Platform {
        /// The manifest's digest.
        manifest: String,
        /// By the index, OS and architecture.
        stated: String,
        /// By the config.
        actual: String,
    },
    /// A document that is no JSON, or says something that it cannot say.
    #[error("{document} is malformed: {reason}")]
    Malformed {
        /// A digest or name.
        document: String,
        /// What is wrong.
        reason: String,
    },
    /// A digest of another algorithm, or none at all.
    #[error("`{digest}` cannot be verified: only sha256 is known")]
    UnknownDigest {
        /// As written.
        digest: String,
    },
    /// A tool that reads `manifest.json` would get another image than one that reads `index.json`.
    #[error("{document} lists an image with config {config}, which {other} does not list with the same layers")]
    Disagreement {
        /// `manifest.json` or `index.json`.
        document: &'static str,
        /// The config's digest.
        config: Digest,
        /// The other one.
        other: &'static str,
    },
    /// Two members of one name, and with other bytes: tools differ in which one they take.
    #[error("the archive holds {name} twice, with different content")]
    DuplicateMember {
        /// The name.
        name: String,
    },
}
