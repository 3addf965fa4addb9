//! Recomputes from the bytes of an image everything that the image says about them.
//!
//! 1. An archive is read once, from its first to its last byte: of each member, the size, the digest and the diff ID are
//!    noted, and small JSON documents are kept. Of a layout, the same is done for each blob that is asked for.
//! 2. The documents are followed from `index.json` (and nested indexes) over manifests to configs and layers, and from
//!    `manifest.json` to the same. Each statement on the way is compared with what was noted.
//! 3. Every mismatch is reported, not only the first one. What engines read as it is meant is none, but noted.
//!
//! The image may come from anybody. So documents are limited in size, layers are decompressed without being kept, names
//! of members are never used as paths, and nothing is unpacked.

mod check;
mod facts;
mod mismatch;
mod note;
mod source;
mod store;

use std::io;
use std::path::PathBuf;

use serde::Serialize;
use thiserror::Error;

use crate::progress::Observer;
use check::Check;
pub use mismatch::Mismatch;
pub use note::Note;
pub use source::{ImageSource, SourceError};
use store::Store;

/// What was verified, and what was wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    /// How many images were checked. An image with two names counts once.
    pub images: usize,
    /// How many layers they have.
    pub layers: usize,
    /// Bytes that were read, as they are stored.
    pub bytes: u64,
    /// Layers of several gzip members. That is allowed, but some simple tools read the first one only.
    pub multi_member_layers: usize,
    /// Empty for an image that is what it says. Each once, in the order in which they were found.
    pub mismatches: Vec<Mismatch>,
    /// What is unusual, but not wrong: engines read it as it is meant, and so do we. In the same order.
    pub notes: Vec<Note>,
}

/// Why an image cannot be verified at all.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// Nothing that could be checked.
    #[error("`{}` is no image: {reason}", path.display())]
    NotAnImage {
        /// The file or directory.
        path: PathBuf,
        /// What is missing.
        reason: &'static str,
    },
    /// The archive around the image is broken, so what follows cannot be found.
    #[error("`{}` is damaged: {reason}", path.display())]
    DamagedArchive {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// No image of the name that was asked for.
    #[error("there is no image `{name}`")]
    UnknownName {
        /// What was asked for.
        name: String,
    },
    /// A file cannot be read. The message names it.
    #[error("reading: {0}")]
    Read(io::Error),
    /// [`Observer::cancelled`] said so.
    #[error("cancelled")]
    Cancelled,
}

/// Verifies an image, or every image that is there where the source names none.
///
/// # Errors
///
/// Where there is nothing to verify, or it cannot be read. An image that is not what it says is no error but a report
/// with mismatches.
pub fn verify(image: &ImageSource, observer: &dyn Observer) -> Result<VerifyReport, VerifyError> {
    let result = Store::open(image, observer).and_then(|store| Check::new(store).run(image));
    match result {
        Err(_) if observer.cancelled() => Err(VerifyError::Cancelled),
        result => result,
    }
}

/// For tests elsewhere: the diff ID, and how many members or frames there are.
#[cfg(test)]
pub(crate) fn examine(bytes: &[u8]) -> (Result<crate::DiffId, String>, u64) {
    let facts = facts::examine(bytes).unwrap();
    (facts.diff_id, facts.members)
}

#[cfg(test)]
mod tests;
