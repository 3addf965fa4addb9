//! What a docker-archive had in the days when every layer was an image with a parent, for tools that read nothing else.
//!
//! ```text
//! <id>/VERSION             1.0
//! <id>/json                the ID, that of the parent, and for the topmost layer the config
//! <id>/layer.tar           a symlink to the blob
//! repositories             {"name": {"tag": id of the topmost layer}}
//! ```
//!
//! The format is that of Docker's image specification 1.0. An ID stands for a layer with all below it, so it is the
//! digest of both.

use std::collections::BTreeMap;
use std::io::Write;

use serde::Serialize;

use super::archive::ArchiveWriter;
use crate::error::PackError;
use crate::image::{Documents, Name, Names};
use crate::layer::Blob;
use crate::oci::{self, canonical_json};
use crate::{Digest, ImageConfig, ImageSettings};

/// The file that names the images.
const REPOSITORIES_FILE: &str = "repositories";

#[derive(Serialize)]
struct LegacyImage<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a str>,
    created: &'a str,
    os: &'a str,
    architecture: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<&'a ImageConfig>,
}

/// What these files say besides.
pub(crate) struct Legacy<'a> {
    pub(crate) settings: &'a ImageSettings,
    /// In its one spelling.
    pub(crate) created: &'a str,
}

impl Legacy<'_> {
    /// Appends the files of all layers, whose blobs are in the archive.
    pub(crate) fn append_to<W: Write>(
        &self,
        archive: &mut ArchiveWriter<W>,
        blobs: &[Blob],
        documents: &Documents,
        names: &Names,
    ) -> Result<(), PackError> {
        let mut parent: Option<String> = None;
        for (index, blob) in blobs.iter().enumerate() {
            let top = (index + 1 == blobs.len()).then_some(documents);
            parent = Some(self.append_layer(archive, parent.as_deref(), blob, top)?);
        }
        let top = parent.unwrap_or_default();
        let mut repositories: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for reference in names.iter().filter_map(Name::reference) {
            repositories.entry(reference.name()).or_default().insert(reference.tag(), &top);
        }
        archive.file(REPOSITORIES_FILE, canonical_json(&repositories).as_bytes())
    }

    /// Returns the ID.
    fn append_layer<W: Write>(
        &self,
        archive: &mut ArchiveWriter<W>,
        parent: Option<&str>,
        blob: &Blob,
        top: Option<&Documents>,
    ) -> Result<String, PackError> {
        let config = top.map_or_else(String::new, |documents| documents.config.digest.hex());
        let id = format!("{}\n{}\n{config}", parent.unwrap_or_default(), blob.diff_id);
        let id = Digest::of(id.as_bytes()).hex();
        let ImageSettings { os, architecture, config, .. } = self.settings;
        let config = top.map(|_| config);
        let image = LegacyImage { id: &id, parent, created: self.created, os, architecture, config };
        archive.directory(&format!("{id}/"))?;
        archive.file(&format!("{id}/VERSION"), b"1.0")?;
        archive.file(&format!("{id}/json"), canonical_json(&image).as_bytes())?;
        archive.symlink(&format!("{id}/layer.tar"), &format!("../{}", oci::blob_name(&blob.digest)))?;
        Ok(id)
    }
}
