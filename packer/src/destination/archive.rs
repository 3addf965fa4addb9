//! An image in one file: `oci-archive`, and the `docker-archive` that every tool reads.
//!
//! ```text
//! oci-layout
//! index.json
//! manifest.json            docker-archive only
//! blobs/
//! blobs/sha256/
//! blobs/sha256/<config>
//! blobs/sha256/<manifest>
//! blobs/sha256/<layer>     each once, bottom-most first
//! ```
//!
//! and, if wanted, the files of [`super::legacy`].
//!
//! What readers look for first comes first.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use fs_err::File;

use super::FileInPlace;
use super::index::{docker_index, new_index};
use super::legacy::Legacy;
use crate::durability::Durability;
use crate::error::PackError;
use crate::image::{Documents, Names};
use crate::layer::Blob;
use crate::oci;
use crate::progress::Observer;
use crate::tar::{self, Header};
use crate::work::staged_blob;

/// How much is copied before one looks up.
const COPY_BYTES: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArchiveKind {
    /// With a `manifest.json`.
    Docker,
    Oci,
}

/// All that goes into an archive.
pub(crate) struct Contents<'a> {
    /// Where the blobs are.
    pub(crate) staging: &'a Path,
    pub(crate) blobs: &'a [Blob],
    pub(crate) documents: &'a Documents,
    pub(crate) names: &'a Names,
    pub(crate) durability: Durability,
    /// Where wanted.
    pub(crate) legacy: Option<Legacy<'a>>,
}

/// Puts the blobs together with the documents. Each blob is removed as soon as it is copied.
pub(crate) fn write(
    place: &FileInPlace,
    kind: ArchiveKind,
    contents: &Contents<'_>,
    observer: &dyn Observer,
) -> Result<(), PackError> {
    let Contents { staging, blobs, documents, names, durability, legacy } = contents;
    let mut file = place.create()?;
    let mut archive = ArchiveWriter::new(BufWriter::with_capacity(COPY_BYTES, file.as_file_mut()));
    archive.file(oci::LAYOUT_FILE, oci::LAYOUT)?;
    let index = match kind {
        ArchiveKind::Docker => docker_index(documents, names),
        ArchiveKind::Oci => new_index(documents, names),
    };
    archive.file(oci::INDEX_FILE, index.as_bytes())?;
    if kind == ArchiveKind::Docker {
        archive.file(oci::DOCKER_MANIFEST_FILE, documents.docker_manifest(names).as_bytes())?;
    }
    archive.directory("blobs/")?;
    archive.directory(&format!("{}/", oci::BLOBS))?;
    for document in [&documents.config, &documents.manifest] {
        archive.file(&oci::blob_name(&document.digest), document.text.as_bytes())?;
    }
    let mut written = BTreeSet::new();
    for (index, blob) in blobs.iter().enumerate().filter(|(_, blob)| written.insert(blob.digest)) {
        let path = staging.join(staged_blob(index));
        archive.begin(&oci::blob_name(&blob.digest), blob.blob_bytes)?;
        copy(&path, &mut archive, observer)?;
        archive.end(blob.blob_bytes)?;
        fs_err::remove_file(path).map_err(PackError::Write)?;
    }
    if let Some(legacy) = legacy {
        legacy.append_to(&mut archive, blobs, documents, names)?;
    }
    archive.finish()?;
    place.commit(file, *durability)
}

fn copy<W: Write>(path: &Path, archive: &mut ArchiveWriter<W>, observer: &dyn Observer) -> Result<(), PackError> {
    let mut file = File::open(path).map_err(PackError::Write)?;
    let mut buffer = vec![0; COPY_BYTES];
    loop {
        if observer.cancelled() {
            return Err(PackError::Cancelled);
        }
        match file.read(&mut buffer).map_err(PackError::Write)? {
            0 => return Ok(()),
            count => archive.content(&buffer[..count])?,
        }
    }
}

/// Writes a tar of regular files and directories, each owned by root and one second old.
pub(crate) struct ArchiveWriter<W> {
    out: W,
    length: u64,
}

impl<W: Write> ArchiveWriter<W> {
    pub(crate) fn new(out: W) -> Self {
        Self { out, length: 0 }
    }

    pub(crate) fn directory(&mut self, name: &str) -> Result<(), PackError> {
        self.header(&Header::directory(name.as_bytes()))
    }

    pub(crate) fn symlink(&mut self, name: &str, target: &str) -> Result<(), PackError> {
        self.header(&Header::symlink(name.as_bytes(), target.as_bytes()))
    }

    pub(crate) fn file(&mut self, name: &str, content: &[u8]) -> Result<(), PackError> {
        let size = content.len() as u64;
        self.begin(name, size)?;
        self.content(content)?;
        self.end(size)
    }

    /// Begins a file; exactly `size` bytes of content and [`ArchiveWriter::end`] have to follow.
    pub(crate) fn begin(&mut self, name: &str, size: u64) -> Result<(), PackError> {
        self.header(&Header::file(name.as_bytes(), size))
    }

    pub(crate) fn content(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        self.length += bytes.len() as u64;
        self.out.write_all(bytes).map_err(PackError::Write)
    }

    pub(crate) fn end(&mut self, size: u64) -> Result<(), PackError> {
        self.content(&vec![0; usize::from(tar::padding(size))])
    }

    pub(crate) fn finish(mut self) -> Result<(), PackError> {
        self.content(&vec![0; tar::trailer(self.length)])?;
        self.out.flush().map_err(PackError::Write)
    }

    fn header(&mut self, header: &Header<'_>) -> Result<(), PackError> {
        let mut bytes = Vec::new();
        header.append_to(&mut bytes);
        self.content(&bytes)
    }
}

/// So that a layer can be packed right into the archive.
impl<W: Write> Write for ArchiveWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.length += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
