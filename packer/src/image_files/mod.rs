//! What can be said about the files of an image by whoever reads one: its archive, its documents, how its blobs are
//! compressed. [`mod@crate::verify`] and [`crate::base`] do.
//!
//! The image may come from anybody. So everything is limited in size, texts are escaped before they are shown, and
//! names in an archive or a document are bytes to be compared, never paths.

mod documents;
mod encoding;
mod go_json;
mod member_map;
mod members;
mod overlay;
mod sparse;

use std::io::{self, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err::os::unix::fs::OpenOptionsExt;
use fs_err::{File, OpenOptions};
use rustix::fs::OFlags;

pub(crate) use documents::{
    Config, Descriptor, DockerImage, Index, LayerSource, Layout, Manifest, Platform, RootFs, blob_digest, stated_digest,
};
pub use encoding::Encoding;
pub(crate) use encoding::{OtherEncoding, Peek, READ_BYTES, decompressed};
pub use go_json::Respelling;
pub(crate) use go_json::{Unknown, is_field, read, read_document};
pub(crate) use member_map::{Held, MemberMap};
pub(crate) use members::{Attributes, Member, MemberKind, Members, MembersError};
pub(crate) use overlay::OverlayNote;

use crate::progress::Observer;

/// Registries take no longer documents either.
pub(crate) const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// An index of indexes is as deep as anybody goes.
pub(crate) const MAX_DEPTH: usize = 4;

/// How many manifests are followed, and how many images of `manifest.json`; a list of more is made to keep us busy.
pub(crate) const MAX_MANIFESTS: usize = 1000;

pub(crate) const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// Says that a manifest is no image but about one.
pub(crate) const DOCKER_REFERENCE_TYPE: &str = "vnd.docker.reference.type";

/// Longer texts from an image are cut off in messages.
const MAX_SHOWN: usize = 200;

/// Makes bytes from an image fit to be shown.
pub(crate) fn shown(bytes: &[u8]) -> String {
    let cut = &bytes[..bytes.len().min(MAX_SHOWN)];
    let dots = if cut.len() < bytes.len() { "..." } else { "" };
    format!("{}{dots}", cut.escape_ascii())
}

/// Where an image is.
pub(crate) enum ImageInput {
    Directory,
    File(File),
    /// Standard input, or another pipe: it goes by once.
    Stream(Box<dyn Read + Send>),
}

impl ImageInput {
    /// Opens what the user names. `-` is standard input.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Stream(Box::new(io::stdin())));
        }
        let metadata = fs_err::metadata(path)?;
        Ok(match () {
            () if metadata.is_dir() => Self::Directory,
            () if metadata.file_type().is_fifo() => Self::Stream(Box::new(open_pipe(path)?)),
            () => Self::File(open_regular(path)?),
        })
    }
}

/// Opens a pipe that somebody writes to. Where nobody does, it is empty, and does not make us wait.
fn open_pipe(path: &Path) -> io::Result<File> {
    let pipe = open_at_once(path)?;
    rustix::fs::fcntl_setfl(&pipe, OFlags::empty())?;
    Ok(pipe)
}

fn open_at_once(path: &Path) -> io::Result<File> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("the flags of open are an int");
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Opens what must be a regular file; a FIFO in its place must not make us wait.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let file = open_at_once(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other(format!("`{}` is no regular file", path.display()))),
    }
}

/// Counts what is read, and stops when the observer says so.
pub(crate) struct Watched<'a, R> {
    inner: R,
    read: &'a AtomicU64,
    observer: &'a dyn Observer,
}

impl<'a, R> Watched<'a, R> {
    pub(crate) fn new(inner: R, read: &'a AtomicU64, observer: &'a dyn Observer) -> Self {
        Self { inner, read, observer }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.observer.cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        let count = self.inner.read(buffer)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        self.observer.packed(count as u64);
        Ok(count)
    }
}
