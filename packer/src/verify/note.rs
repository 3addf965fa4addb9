//! What is unusual about an image, but not wrong.

use serde::Serialize;
use thiserror::Error;

/// A statement of an image that engines take as it is meant, or do not look at.
///
/// Texts that come from the image are escaped and cut off, so that they can be printed.
#[derive(Clone, Debug, Error, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "note", rename_all = "kebab-case")]
pub enum Note {
    /// An index lists images for several platforms, of which only some are here: whoever saves one of them leaves the list as
    /// it is.
    #[error("{manifest}, listed for `{platform}`, is not here")]
    NotHere {
        /// The manifest's digest.
        manifest: String,
        /// By the index.
        platform: String,
    },
    /// Beside images there is what is none: an attestation, a signature, or anything else that a registry can hold.
    #[error("{manifest} is no image{}", kind.as_ref().map_or_else(String::new, |kind| format!(", but `{kind}`")))]
    NoImage {
        /// The manifest's digest.
        manifest: String,
        /// What it says that it is.
        kind: Option<String>,
    },
    /// The history tells of another number of layers than there are, which is not said to be wrong, but some tools refuse it.
    #[error("the manifest lists {layers} layers, but the history in config {config} tells of {entries}")]
    HistoryCount {
        /// The config's digest or name.
        config: String,
        /// In the manifest.
        layers: usize,
        /// Entries of the history without `empty_layer`.
        entries: usize,
    },
    /// A field that engines find whatever its case.
    #[error("{document} calls a field `{written}`, which is read as `{field}`")]
    Spelling {
        /// A digest or name.
        document: String,
        /// As it is written.
        written: String,
        /// As it is called.
        field: &'static str,
    },
    /// Two members of one name and content.
    #[error("the archive holds {name} twice")]
    DuplicateMember {
        /// The name.
        name: String,
    },
}
