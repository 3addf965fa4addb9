//! Layers that were packed one by one, maybe on other machines, to be put into an image later.
//!
//! ```text
//! DIR/blob
//! DIR/layer.json           which nodes, packed how; and the digests and sizes
//! ```
//!
//! A directory that holds neither stands for a layer that the plan does not have: whoever builds layers one by one has to
//! know in advance how many there are at most.
//!
//! An image takes such a layer where it has one of the same nodes, packed the same way. The digest of the blob is checked
//! on the way. Everything else that `layer.json` says is believed as that of our own cache is.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use fs_err::File;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::base_blobs::copy_known;
use crate::error::PackError;
use crate::layer::Blob;
use crate::progress::Observer;
use crate::{DiffId, Digest};

const FORMAT: &str = "layerwright.layer/1";
const RECORD_FILE: &str = "layer.json";
const BLOB_FILE: &str = "blob";

/// The files of a layer in a directory.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    vec![dir.join(BLOB_FILE), dir.join(RECORD_FILE)]
}

/// No record is longer: a few hundred bytes for each of a hundred thousand store paths.
const MAX_RECORD_BYTES: u64 = 64 << 20;

/// A layer that was packed by itself.
#[derive(Clone, Debug)]
pub struct ReadyLayer {
    blob: PathBuf,
    record: Record,
}

/// Why a directory holds no layer.
#[derive(Debug, Error)]
pub enum ReadyLayerError {
    /// It cannot be read. The message names it.
    #[error("reading: {0}")]
    Read(std::io::Error),
    /// Not one of ours.
    #[error("`{}` is no layer that `layerwright layer` wrote: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: String,
    /// In the order of the layer.
    nodes: Vec<String>,
    /// How it was packed: all that decides its bytes besides the files.
    profile: String,
    diff_id: DiffId,
    digest: Digest,
    tar_bytes: u64,
    blob_bytes: u64,
}

impl ReadyLayer {
    /// Opens a directory. `None` for one of a layer that the plan does not have.
    ///
    /// # Errors
    ///
    /// Where there is anything else.
    pub fn open(dir: &Path) -> Result<Option<Self>, ReadyLayerError> {
        let path = dir.join(RECORD_FILE);
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound && is_empty(dir) => return Ok(None),
            file => file.map_err(ReadyLayerError::Read)?,
        };
        let mut text = Vec::new();
        file.take(MAX_RECORD_BYTES + 1).read_to_end(&mut text).map_err(ReadyLayerError::Read)?;
        let malformed = |reason: String| ReadyLayerError::Malformed { path: path.clone(), reason };
        if text.len() as u64 > MAX_RECORD_BYTES {
            return Err(malformed(format!("longer than {} MiB", MAX_RECORD_BYTES >> 20)));
        }
        let record: Record = serde_json::from_slice(&text).map_err(|error| malformed(error.to_string()))?;
        if record.format != FORMAT {
            return Err(malformed(format!("its format is `{}`, and ours `{FORMAT}`", record.format)));
        }
        Ok(Some(Self { blob: dir.join(BLOB_FILE), record }))
    }

    /// Whether it is the layer of these nodes, packed in this way.
    pub(crate) fn is<'n>(&self, nodes: impl Iterator<Item = &'n str>, profile: &str) -> bool {
        self.record.profile == profile && self.record.nodes.iter().map(String::as_str).eq(nodes)
    }

    /// Copies the blob to a new file.
    pub(crate) fn place(&self, to: &Path, observer: &dyn Observer) -> Result<Blob, PackError> {
        let Record { diff_id, digest, tar_bytes, blob_bytes, .. } = self.record;
        let blob = Blob { diff_id, digest, tar_bytes, blob_bytes };
        match copy_known(File::open(&self.blob).map_err(PackError::Read)?, &blob, to, observer)? {
            true => Ok(blob),
            false => Err(PackError::DamagedLayer { path: self.blob.clone(), digest }),
        }
    }
}

/// Where the blob of a layer goes that is packed by itself.
pub(crate) fn blob_file(dir: &Path) -> PathBuf {
    dir.join(BLOB_FILE)
}

/// Says what the blob in a directory is.
pub(crate) fn write_record(dir: &Path, nodes: Vec<String>, profile: &str, blob: &Blob) -> Result<(), PackError> {
    let Blob { diff_id, digest, tar_bytes, blob_bytes } = *blob;
    let (format, profile) = (FORMAT.to_owned(), profile.to_owned());
    let record = Record { format, nodes, profile, diff_id, digest, tar_bytes, blob_bytes };
    fs_err::write(dir.join(RECORD_FILE), crate::oci::canonical_json(&record)).map_err(PackError::Write)
}

fn is_empty(dir: &Path) -> bool {
    fs_err::read_dir(dir).is_ok_and(|mut children| children.next().is_none())
}
