//! The bytes of an image, in a directory or in an archive.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use super::facts::{Facts, examine};
use super::mismatch::MAX_MISMATCHES;
use super::{ImageSource, Mismatch, Note, VerifyError};
use crate::image_files::{
    Held, ImageInput, MAX_DOCUMENT_BYTES, MemberKind, MemberMap, Members, MembersError, Watched, decompressed,
    open_regular, shown,
};
use crate::progress::Observer;
use crate::{Digest, oci};

/// All documents of an archive together: they are kept until the end.
const MAX_KEPT_BYTES: u64 = 64 << 20;

/// The bytes of an image.
pub(super) struct Store<'a> {
    place: Place,
    observer: &'a dyn Observer,
    read: AtomicU64,
    /// What was announced to the observer: blobs, and their bytes.
    planned: (usize, u64),
}

enum Place {
    Layout {
        dir: PathBuf,
        /// What was examined; `None` for what is not there.
        blobs: BTreeMap<Digest, Option<Facts>>,
    },
    Archive {
        members: MemberMap<(Facts, Text)>,
        /// What is wrong with the archive itself.
        mismatches: Vec<Mismatch>,
        /// What is unusual about it.
        notes: Vec<Note>,
    },
}

/// The bytes of a document.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Bytes(Arc<[u8]>),
    /// Longer than any document, or than one wants to keep.
    TooLong,
}

impl<'a> Store<'a> {
    pub(super) fn open(image: &ImageSource, observer: &'a dyn Observer) -> Result<Self, VerifyError> {
        let path = image.path();
        let wants_dir = match image {
            ImageSource::OciLayout { .. } => Some(true),
            ImageSource::DockerArchive { .. } | ImageSource::OciArchive { .. } => Some(false),
            ImageSource::Path(_) => None,
        };
        let input = ImageInput::open(path).map_err(VerifyError::Read)?;
        let fail = |reason| Err(VerifyError::NotAnImage { path: path.to_owned(), reason });
        let read = AtomicU64::new(0);
        let place = match (input, wants_dir) {
            (ImageInput::Directory, Some(false)) => return fail("it is a directory; verify oci:DIR"),
            (ImageInput::Directory, _) => Place::Layout { dir: path.to_owned(), blobs: BTreeMap::new() },
            (_, Some(true)) => return fail("it is no directory; verify oci-archive:FILE or docker-archive:FILE"),
            (ImageInput::File(file), _) => {
                observer.planned(0, file.metadata().map_err(VerifyError::Read)?.len());
                read_archive(path, file, &read, observer)?
            }
            // It is read once, from its first to its last byte.
            (ImageInput::Stream(stream), _) => read_archive(path, stream, &read, observer)?,
        };
        let store = Self { place, observer, read, planned: (0, 0) };
        if store.document(oci::INDEX_FILE)?.is_none() && store.document(oci::DOCKER_MANIFEST_FILE)?.is_none() {
            return fail("there is neither an index.json nor a manifest.json");
        }
        Ok(store)
    }

    /// Bytes read so far, as they are stored.
    pub(super) fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// What is wrong with the archive, and what is unusual.
    pub(super) fn take_findings(&mut self) -> (Vec<Mismatch>, Vec<Note>) {
        match &mut self.place {
            Place::Layout { .. } => (Vec::new(), Vec::new()),
            Place::Archive { mismatches, notes, .. } => (std::mem::take(mismatches), std::mem::take(notes)),
        }
    }

    /// Whether there are bytes under a digest.
    pub(super) fn has(&self, digest: &Digest) -> bool {
        let name = oci::blob_name(digest);
        match &self.place {
            Place::Layout { dir, .. } => dir.join(name).exists(),
            Place::Archive { .. } => self.member(name.as_bytes()).is_some(),
        }
    }

    /// A document with a fixed name. `manifest.json` is not looked for in a directory, where nothing reads it.
    pub(super) fn document(&self, name: &'static str) -> Result<Option<Text>, VerifyError> {
        match &self.place {
            Place::Layout { .. } if name == oci::DOCKER_MANIFEST_FILE => Ok(None),
            Place::Layout { dir, .. } => self.read_text(&dir.join(name)),
            Place::Archive { .. } => Ok(self.member(name.as_bytes()).map(|(_, text)| text.clone())),
        }
    }

    pub(super) fn blob_text(&self, digest: &Digest) -> Result<Option<Text>, VerifyError> {
        let name = oci::blob_name(digest);
        match &self.place {
            Place::Layout { dir, .. } => self.read_text(&dir.join(name)),
            Place::Archive { .. } => Ok(self.member(name.as_bytes()).map(|(_, text)| text.clone())),
        }
    }

    /// Examines blobs, in parallel, so that [`Store::blob`] has them.
    pub(super) fn prefetch(&mut self, digests: &[Digest]) -> Result<(), VerifyError> {
        let Place::Layout { dir, blobs } = &mut self.place else { return Ok(()) };
        let mut new: Vec<Digest> = digests.iter().filter(|digest| !blobs.contains_key(digest)).copied().collect();
        new.sort_unstable();
        new.dedup();
        let sizes = new.iter().filter_map(|digest| fs_err::metadata(dir.join(oci::blob_name(digest))).ok());
        self.planned = sizes.fold(self.planned, |(blobs, bytes), blob| (blobs + 1, bytes + blob.len()));
        self.observer.planned(self.planned.0, self.planned.1);
        let (read, observer) = (&self.read, self.observer);
        let examine_blob = |digest: &Digest| match open_regular(&dir.join(oci::blob_name(digest))) {
            Ok(file) => examine(Watched::new(file, read, observer)).map(|facts| (*digest, Some(facts))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok((*digest, None)),
            Err(error) => Err(error),
        };
        let examined: Vec<io::Result<_>> = new.par_iter().map(examine_blob).collect();
        for examined in examined {
            blobs.extend([examined.map_err(VerifyError::Read)?]);
        }
        Ok(())
    }

    /// What is stored under a digest.
    pub(super) fn blob(&mut self, digest: &Digest) -> Result<Option<Facts>, VerifyError> {
        self.prefetch(std::slice::from_ref(digest))?;
        Ok(match &self.place {
            Place::Layout { blobs, .. } => blobs.get(digest).cloned().flatten(),
            Place::Archive { .. } => self.member(oci::blob_name(digest).as_bytes()).map(|(facts, _)| facts.clone()),
        })
    }

    /// A member of an archive, by a name that the archive itself has given. There are none in a directory.
    pub(super) fn member(&self, name: &[u8]) -> Option<(&Facts, &Text)> {
        let Place::Archive { members, .. } = &self.place else { return None };
        members.get(name).map(|(facts, text)| (facts, text))
    }

    /// The name of the file that a member is or leads to.
    pub(super) fn resolve<'b>(&'b self, name: &'b [u8]) -> Option<&'b [u8]> {
        let Place::Archive { members, .. } = &self.place else { return None };
        members.resolve(name)
    }

    fn read_text(&self, path: &Path) -> Result<Option<Text>, VerifyError> {
        let file = match open_regular(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(VerifyError::Read)?,
        };
        read_text(file).map(Some).map_err(VerifyError::Read)
    }
}

fn read_text(from: impl Read) -> io::Result<Text> {
    let mut bytes = Vec::new();
    from.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(if bytes.len() as u64 > MAX_DOCUMENT_BYTES { Text::TooLong } else { Text::Bytes(bytes.into()) })
}

fn read_archive(
    path: &Path,
    archive: impl Read + Send,
    read: &AtomicU64,
    observer: &dyn Observer,
) -> Result<Place, VerifyError> {
    let result = decompressed(Watched::new(archive, read, observer)).map_err(MembersError::from).and_then(read_members);
    result.map_err(|error| match error {
        MembersError::Read(error) => VerifyError::Read(error),
        MembersError::Damaged(reason) => VerifyError::DamagedArchive { path: path.to_owned(), reason },
    })
}

fn read_members(archive: impl Read) -> Result<Place, MembersError> {
    let mut archive = Members::new(archive);
    let mut members = MemberMap::new();
    let (mut mismatches, mut notes) = (Vec::new(), Vec::new());
    let mut duplicates = BTreeSet::new();
    let mut may_keep = MAX_KEPT_BYTES;
    while let Some(member) = archive.next()? {
        members.count(&member)?;
        let held = match (member.target(), &member.kind) {
            (Some(target), _) => Held::Link(target),
            (None, MemberKind::File) => Held::File(hold(&mut archive, member.size, &mut may_keep)?),
            (None, _) => continue,
        };
        let new = of_held(&held);
        let Some(old) = members.insert(member.name.clone(), held) else { continue };
        let is_same = of_held(&old) == new;
        if duplicates.len() < MAX_MISMATCHES && duplicates.insert((member.name.clone(), is_same)) {
            let name = shown(&member.name);
            match is_same {
                true => notes.push(Note::DuplicateMember { name }),
                false => mismatches.push(Mismatch::DuplicateMember { name }),
            }
        }
    }
    match archive.trailing()? {
        0 => {}
        bytes => mismatches.push(Mismatch::TrailingGarbage { blob: "the archive".into(), bytes }),
    }
    Ok(Place::Archive { members, mismatches, notes })
}

/// What a member is, to be compared: a link by where it leads to.
fn of_held(held: &Held<(Facts, Text)>) -> (Option<Digest>, Option<Vec<u8>>) {
    match held {
        Held::File((facts, _)) => (Some(facts.digest), None),
        Held::Link(target) => (None, Some(target.clone())),
    }
}

/// Examines a member; keeps it as well if it may be a document.
fn hold<R: Read>(archive: &mut Members<R>, size: u64, may_keep: &mut u64) -> Result<(Facts, Text), MembersError> {
    if size > MAX_DOCUMENT_BYTES.min(*may_keep) {
        return Ok((examine(archive)?, Text::TooLong));
    }
    let mut bytes = Vec::new();
    archive.read_to_end(&mut bytes)?;
    let facts = examine(bytes.as_slice())?;
    let text = match bytes.trim_ascii_start().first() {
        Some(b'{' | b'[') => {
            *may_keep -= size;
            Text::Bytes(bytes.into())
        }
        // No document, and the text is only there to be reported as malformed.
        _ => Text::Bytes(bytes.into_iter().take(1).collect()),
    };
    Ok((facts, text))
}
