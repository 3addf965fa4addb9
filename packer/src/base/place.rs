//! Where the bytes of a base image are.
//!
//! Of an archive only the headers are read to begin with. It is one file all the time, and its members are sections of
//! that file. An archive that is compressed as a whole is unpacked to a temporary file first, which nobody else can see
//! and which is gone with the program. How long that may become is limited, see [`Allowance`].

use std::fs::File as StdFile;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fs_err::File;
use fs_err::os::unix::fs::FileExt;

use super::error::{BaseError, Excess, Problem};
use crate::digest::Hashing;
use crate::image_files::{
    Descriptor, Encoding, Held, ImageInput, MAX_DOCUMENT_BYTES, MemberKind, MemberMap, Members, OtherEncoding,
    READ_BYTES, Watched, decompressed, open_regular, shown,
};
use crate::progress::Observer;
use crate::{Digest, Mismatch, oci};

/// How much anything may unpack to, however short it is.
const FREE_BYTES: u64 = 1 << 30;

/// How much longer than what is stored may be what unpacks from it. Images of programs compress to a third, and
/// even text to no less than a twentieth. Only long runs of zeros are shorter, see [`FREE_ZEROS`].
const MAX_RATIO: u64 = 200;

/// How many zeros are free: logs by number of user, empty disks and databases are nothing else, and hardly take room. They
/// take time, less than a minute.
const FREE_ZEROS: u64 = 64 << 30;

/// How much anything may unpack to, however long it is.
const MAX_BYTES: u64 = 1 << 40;

/// The same for a temporary file, which needs a place on the disk.
const MAX_SCRATCH_BYTES: u64 = 256 << 30;

/// What to do with a program.
const PROGRAM: &str = "it is a program, as a stream is, which writes an image when it is run; take a file, as buildLayeredImage \
    makes, or pipe what the program writes, and name it `-`";

/// The documents by which an image is found.
const DOCUMENTS: [&str; 3] = [oci::INDEX_FILE, oci::DOCKER_MANIFEST_FILE, super::choose::REPOSITORIES];

/// Where the bytes of a base image are.
pub(super) enum Place {
    Layout(PathBuf),
    Archive { file: Arc<File>, members: MemberMap<(u64, u64)> },
}

impl Place {
    /// `max_bytes` is how much a compressed archive may unpack to, where the user says it.
    pub(super) fn open(
        path: &Path,
        max_bytes: Option<u64>,
        scratch: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, BaseError> {
        let mut file = match ImageInput::open(path).map_err(BaseError::Read)? {
            ImageInput::Directory => return Ok(Self::Layout(path.to_owned())),
            ImageInput::File(file) => Arc::new(file),
            ImageInput::Stream(stream) => Arc::new(spool(path, stream, scratch, observer)?),
        };
        let stored = file.metadata().map_err(BaseError::Read)?.len();
        let whole = Section { file: Arc::clone(&file), position: 0, end: stored };
        if is_program(whole.clone()).map_err(BaseError::Read)? {
            return Err(BaseError::NotAnImage { path: path.to_owned(), reason: PROGRAM.to_owned() });
        }
        let (encoding, other) = encoding_of(whole.clone()).map_err(BaseError::Read)?;
        if encoding != Encoding::Plain || other.is_some() {
            observer.planned(0, stored);
            let allowance = Allowance::up_to(stored, max_bytes, MAX_SCRATCH_BYTES, observer);
            file = Arc::new(unpack(path, whole, &allowance, scratch)?);
        }
        let end = file.metadata().map_err(BaseError::Read)?.len();
        let members = read_members(Section { file: Arc::clone(&file), position: 0, end });
        Ok(Self::Archive { file, members: members.map_err(|problem| problem.of(path))? })
    }

    /// A document with a fixed name.
    pub(super) fn document(&self, name: &'static str) -> Result<Option<Vec<u8>>, Problem> {
        let blob = match self {
            Self::Layout(dir) => Blob::of_file(dir.join(name))?,
            Self::Archive { .. } => self.member(name),
        };
        blob.map(|blob| blob.text(name)).transpose()
    }

    /// What an archive holds under a name that the archive itself has given. There is nothing in a directory.
    pub(super) fn member(&self, name: &str) -> Option<Blob> {
        let Self::Archive { file, members } = self else { return None };
        // As names of members are kept.
        let parts: Vec<&str> = name.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        let (start, size) = *members.get(parts.join("/").as_bytes())?;
        Some(Blob { file: BlobFile::Open(Arc::clone(file)), start, size })
    }

    /// What is stored under the digest of a descriptor, which has the size that this says.
    pub(super) fn listed(&self, descriptor: &Descriptor) -> Result<(Digest, Blob), Problem> {
        let (digest, blob) = self.listed_layer(descriptor)?;
        if blob.is_missing() { Err(Problem::missing(digest.to_string())) } else { Ok((digest, blob)) }
    }

    /// The same of a layer, which may not be there: who only asks what the documents say of it needs no more.
    pub(super) fn listed_layer(&self, descriptor: &Descriptor) -> Result<(Digest, Blob), Problem> {
        let digest: Digest = descriptor
            .digest
            .parse()
            .map_err(|_| Mismatch::UnknownDigest { digest: shown(descriptor.digest.as_bytes()) })?;
        let name = oci::blob_name(&digest);
        let blob = match self {
            Self::Layout(dir) => Blob::of_file(dir.join(name))?,
            Self::Archive { .. } => self.member(&name),
        };
        let blob = blob.unwrap_or(Blob { file: BlobFile::Missing, start: 0, size: descriptor.size });
        if blob.size != descriptor.size {
            let (stated, actual) = (descriptor.size, blob.size);
            return Err(Mismatch::Size { blob: digest.to_string(), stated, actual }.into());
        }
        Ok((digest, blob))
    }

    /// The document of a descriptor.
    pub(super) fn listed_text(&self, descriptor: &Descriptor) -> Result<(Digest, Vec<u8>), Problem> {
        let (digest, blob) = self.listed(descriptor)?;
        let text = blob.text(&digest.to_string())?;
        check_digest(&digest.to_string(), digest, Digest::of(&text))?;
        Ok((digest, text))
    }
}

/// Bytes of an image.
#[derive(Clone, Debug)]
pub(super) struct Blob {
    file: BlobFile,
    start: u64,
    size: u64,
}

#[derive(Clone, Debug)]
enum BlobFile {
    /// Opened when it is read: a layout may have more blobs than a process may have open files.
    Named(Arc<Path>),
    Open(Arc<File>),
    /// The image lists it, and does not hold it.
    Missing,
}

impl Blob {
    fn of_file(path: PathBuf) -> Result<Option<Self>, Problem> {
        match open_regular(&path).and_then(|file| file.metadata()) {
            Ok(metadata) => Ok(Some(Self { file: BlobFile::Named(path.into()), start: 0, size: metadata.len() })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Problem::Read(error)),
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn is_missing(&self) -> bool {
        matches!(self.file, BlobFile::Missing)
    }

    /// The same for the same bytes of one image.
    pub(super) fn key(&self) -> (Option<Arc<Path>>, u64) {
        match &self.file {
            BlobFile::Named(path) => (Some(Arc::clone(path)), self.start),
            BlobFile::Open(_) | BlobFile::Missing => (None, self.start),
        }
    }

    pub(super) fn open(&self) -> io::Result<Section> {
        let file = match &self.file {
            BlobFile::Named(path) => Arc::new(open_regular(path)?),
            BlobFile::Open(file) => Arc::clone(file),
            BlobFile::Missing => return Err(io::ErrorKind::NotFound.into()),
        };
        Ok(Section { file, position: self.start, end: self.start + self.size })
    }

    /// Opens bytes that were read before, and which must still be the same when they have been read again.
    pub(super) fn open_again(&self, digest: Digest) -> io::Result<Again> {
        Ok(Again { bytes: Some(Hashing::new(self.open()?)), digest })
    }

    pub(super) fn text(&self, name: &str) -> Result<Vec<u8>, Problem> {
        if self.size > MAX_DOCUMENT_BYTES {
            return Err(Problem::malformed(name, "it is longer than any such document"));
        }
        let mut text = Vec::new();
        self.open()?.read_to_end(&mut text)?;
        Ok(text)
    }
}

/// A part of a file. Reading needs no place in it, so that several threads can read one file.
#[derive(Clone)]
pub(super) struct Section {
    file: Arc<File>,
    position: u64,
    end: u64,
}

impl Section {
    fn skip(&mut self, count: u64) -> io::Result<u64> {
        let count = count.min(self.end - self.position);
        self.position += count;
        Ok(count)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.position).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        match self.file.read_at(&mut buffer[..wanted], self.position)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.position += count as u64;
                Ok(count)
            }
        }
    }
}

/// Bytes that are no longer believed: the file is somebody else's, and may have been written since.
pub(super) struct Again {
    /// `None` when all were read.
    bytes: Option<Hashing<Section>>,
    digest: Digest,
}

impl Read for Again {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(bytes) = &mut self.bytes else { return Ok(0) };
        let count = bytes.read(buffer)?;
        if count == 0
            && !buffer.is_empty()
            && let Some(bytes) = self.bytes.take()
            && bytes.finish().0 != self.digest
        {
            let digest = self.digest;
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("{digest} has changed since it was verified"),
            ));
        }
        Ok(count)
    }
}

/// How much may be unpacked, for all who unpack together.
///
/// At most [`MAX_RATIO`] times what is stored, where this is more than [`FREE_BYTES`], and never more than a maximum; and
/// besides, so many zeros. Or what the user says, for whatever it is.
pub(super) struct Allowance<'a> {
    stored: u64,
    allowed: u64,
    used: AtomicU64,
    /// How many more zeros.
    zeros: AtomicU64,
    observer: &'a dyn Observer,
}

impl<'a> Allowance<'a> {
    pub(super) fn new(stored: u64, given: Option<u64>, observer: &'a dyn Observer) -> Self {
        Self::up_to(stored, given, MAX_BYTES, observer)
    }

    fn up_to(stored: u64, given: Option<u64>, maximum: u64, observer: &'a dyn Observer) -> Self {
        let usual = stored.saturating_mul(MAX_RATIO).max(FREE_BYTES).min(maximum);
        let zeros = given.map_or(FREE_ZEROS, |_| 0);
        Self { stored, allowed: given.unwrap_or(usual), used: AtomicU64::new(0), zeros: zeros.into(), observer }
    }

    /// Whether these bytes are nothing but zeros, of which some are left.
    fn are_free(&self, bytes: &[u8]) -> bool {
        let take = |left: u64| left.checked_sub(bytes.len() as u64);
        bytes.iter().all(|byte| *byte == 0)
            && self.zeros.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
    }

    pub(super) fn meter<R>(&self, inner: R) -> Metered<'_, R> {
        Metered { inner, allowance: self }
    }
}

/// Counts what is unpacked, and fails when it becomes too much, or when the observer says so: a great deal may unpack
/// from what was read at once.
pub(super) struct Metered<'a, R> {
    inner: R,
    allowance: &'a Allowance<'a>,
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        let Allowance { stored, allowed, used, observer, .. } = self.allowance;
        if observer.cancelled() {
            return Err(io::Error::other("cancelled"));
        }
        if self.allowance.are_free(&buffer[..count]) {
            return Ok(count);
        }
        if used.fetch_add(count as u64, Ordering::Relaxed) + count as u64 > *allowed {
            return Err(Excess::Bytes { stored: *stored, allowed: *allowed }.into_io());
        }
        Ok(count)
    }
}

pub(super) fn check_digest(blob: &str, stated: Digest, actual: Digest) -> Result<(), Problem> {
    match stated == actual {
        true => Ok(()),
        false => Err(Mismatch::Digest { blob: blob.into(), actual }.into()),
    }
}

/// Whether somebody named what writes an image, and not the image.
fn is_program(bytes: Section) -> io::Result<bool> {
    let mut magic = Vec::new();
    bytes.take(4).read_to_end(&mut magic)?;
    Ok(magic.starts_with(b"#!") || magic == b"\x7fELF")
}

/// How bytes are compressed; or, where it is in a way that no layer may have, its name.
pub(super) fn encoding_of(bytes: Section) -> io::Result<(Encoding, Option<OtherEncoding>)> {
    let mut magic = Vec::new();
    bytes.take(OtherEncoding::MAGIC_BYTES as u64).read_to_end(&mut magic)?;
    Ok((Encoding::of(&magic), OtherEncoding::of(&magic)))
}

/// Whether it is the machine that failed, and not the bytes that are wrong. Decoders know no other kinds than these.
pub(super) fn is_of_machine(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, Other, UnexpectedEof};
    error.raw_os_error().is_some() || !matches!(error.kind(), InvalidData | InvalidInput | Other | UnexpectedEof)
}

/// Unpacks an archive that is compressed as a whole, as nixpkgs writes them.
fn unpack(path: &Path, archive: Section, allowance: &Allowance<'_>, scratch: &Path) -> Result<File, BaseError> {
    let read = AtomicU64::new(0);
    let broken = |error: io::Error| match Excess::within(&error) {
        None if !is_of_machine(&error) => {
            let reason = format!("it cannot be decompressed: {}", shown(error.to_string().as_bytes()));
            Problem::Damaged(reason).of(path)
        }
        _ => Problem::from(error).of(path),
    };
    let plain = decompressed(Watched::new(archive, &read, allowance.observer)).map_err(broken)?;
    put_aside(path, allowance.meter(plain), scratch, broken)
}

/// Keeps an archive that comes from a pipe, and is read more than once.
fn spool(path: &Path, stream: impl Read, scratch: &Path, observer: &dyn Observer) -> Result<File, BaseError> {
    let read = AtomicU64::new(0);
    let stream = Watched::new(stream.take(MAX_SCRATCH_BYTES), &read, observer);
    put_aside(path, stream, scratch, |error| Problem::from(error).of(path))
}

/// Writes bytes to a file that only this process sees. Zeros take no room in it.
fn put_aside(
    path: &Path,
    mut bytes: impl Read,
    scratch: &Path,
    broken: impl Fn(io::Error) -> BaseError,
) -> Result<File, BaseError> {
    let fail = |source| BaseError::Scratch { path: path.to_owned(), scratch: scratch.to_owned(), source };
    let mut out: StdFile = tempfile::tempfile_in(scratch).map_err(fail)?;
    let mut buffer = vec![0; READ_BYTES];
    let mut length = 0;
    loop {
        match bytes.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                length += count as u64;
                match buffer[..count].iter().all(|byte| *byte == 0) {
                    true => out.seek(SeekFrom::Start(length)).map(drop),
                    false => out.write_all(&buffer[..count]),
                }
                .map_err(fail)?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(broken(error)),
        }
    }
    out.set_len(length).map_err(fail)?;
    Ok(File::from_parts(out, format!("{}, unpacked", path.display())))
}

/// Notes where the files of an archive are.
///
/// Of several of one name the last one stands: what they are is known by digests and diff IDs, and images with repeated
/// layers are written like this. Of several lists of images that are not the same, it would not be known which is meant.
fn read_members(archive: Section) -> Result<MemberMap<(u64, u64)>, Problem> {
    let mut archive = Members::skipping(archive, Section::skip);
    let mut members = MemberMap::new();
    while let Some(member) = archive.next()? {
        members.count(&member)?;
        let held = match (member.target(), &member.kind) {
            (Some(target), _) => Held::Link(target),
            (None, MemberKind::File) => Held::File((archive.reader().position, member.size)),
            (None, _) => continue,
        };
        let is_document = DOCUMENTS.iter().any(|document| document.as_bytes() == member.name);
        let new = match held {
            Held::File(section) => Some(section),
            Held::Link(_) => None,
        };
        let Some(old) = members.insert(member.name.clone(), held).filter(|_| is_document) else { continue };
        match (old, new) {
            (Held::File(old), Some(new)) if is_same(archive.reader(), old, new)? => {}
            _ => return Err(Mismatch::DuplicateMember { name: shown(&member.name) }.into()),
        }
    }
    Ok(members)
}

/// Whether two documents of an archive have the same bytes.
fn is_same(archive: &Section, old: (u64, u64), new: (u64, u64)) -> io::Result<bool> {
    let text = |(start, size): (u64, u64)| -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut section = Section { position: start, end: start + size, ..archive.clone() };
        section.read_to_end(&mut bytes).map(|_| bytes)
    };
    Ok(old.1 == new.1 && new.1 <= MAX_DOCUMENT_BYTES && text(old)? == text(new)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Unobserved;

    #[test]
    fn what_may_be_unpacked_grows_with_what_is_stored() {
        for (stored, allowed) in [(0, FREE_BYTES), (1 << 20, FREE_BYTES), (10 << 20, 2000 << 20), (1 << 40, MAX_BYTES)]
        {
            assert_eq!(Allowance::new(stored, None, &Unobserved).allowed, allowed, "{stored}");
            assert_eq!(Allowance::new(stored, Some(7), &Unobserved).allowed, 7);
        }
        assert_eq!(Allowance::up_to(u64::MAX, None, MAX_SCRATCH_BYTES, &Unobserved).allowed, MAX_SCRATCH_BYTES);
    }

    #[test]
    fn zeros_are_free_up_to_a_limit() {
        let read = |bytes: &[u8], zeros: u64| {
            let (used, zeros) = (AtomicU64::new(0), AtomicU64::new(zeros));
            let allowance = Allowance { stored: 1, allowed: 10, used, zeros, observer: &Unobserved };
            allowance.meter(bytes).read_to_end(&mut Vec::new())
        };
        assert_eq!(read(&[0; 1000], 1000).unwrap(), 1000);
        assert!(read(&[0; 1100], 1000).is_err());
        assert!(read(&[1; 11], 1000).is_err());
        assert!(read(&[0; 1000], 0).is_err(), "whoever sets a limit means all");
    }

    #[test]
    fn whoever_unpacks_too_much_together_is_stopped() {
        let (used, zeros) = (AtomicU64::new(0), AtomicU64::new(0));
        let allowance = Allowance { stored: 1, allowed: 10, used, zeros, observer: &Unobserved };
        let mut sink = Vec::new();
        allowance.meter(&[7; 6][..]).read_to_end(&mut sink).unwrap();
        allowance.meter(&[7; 4][..]).read_to_end(&mut sink).unwrap();
        let error = allowance.meter(&[7; 1][..]).read_to_end(&mut sink).unwrap_err();
        assert_eq!(Excess::within(&error), Some(Excess::Bytes { stored: 1, allowed: 10 }));
        assert_eq!(Excess::within(&io::Error::other(error)), Some(Excess::Bytes { stored: 1, allowed: 10 }));
    }
}
