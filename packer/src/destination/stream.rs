//! A docker-archive in one pass.
//!
//! ```text
//! layer-000.tar            bottom-most first
//! layer-001.tar
//! <config>.json
//! manifest.json
//! ```
//!
//! The size of a plain layer follows from metadata, and the names of members are free. So the layers can go out as they
//! are read, and what depends on their digests comes last.

use std::io::Write;

use super::archive::ArchiveWriter;
use crate::compress::{BlockEncoder, Compression};
use crate::error::PackError;
use crate::oci::{self, DockerManifest, canonical_json};
use crate::pack::{PackedImage, Work};

/// Writes everything.
pub(crate) fn write(work: &Work<'_>, out: &mut dyn Write) -> Result<PackedImage, PackError> {
    let mut archive = ArchiveWriter::new(out);
    let mut encoder = BlockEncoder::new(Compression::None)?;
    let progress = |bytes| {
        work.observer.packed(bytes);
        if work.observer.cancelled() { Err(PackError::Cancelled) } else { Ok(()) }
    };
    let mut blobs = Vec::new();
    for (index, layer) in work.layers.iter().enumerate() {
        archive.begin(&member(index), layer.tar_bytes())?;
        let blob = layer.write_blob(&mut encoder, &mut archive, &progress)?;
        work.observer.layer_done(index, &work.packed_layer(index, &blob));
        blobs.push(blob);
    }
    let documents = work.documents(&blobs);
    let config = format!("{}.json", documents.config.digest.hex());
    archive.file(&config, documents.config.text.as_bytes())?;
    let layers = (0..blobs.len()).map(member).collect();
    let manifest = canonical_json(&[DockerManifest { config, repo_tags: work.names.repo_tags(), layers }]);
    archive.file(oci::DOCKER_MANIFEST_FILE, manifest.as_bytes())?;
    archive.finish()?;
    Ok(work.packed(&blobs, &documents, None))
}

fn member(index: usize) -> String {
    format!("layer-{index:03}.tar")
}
