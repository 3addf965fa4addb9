//! Reads a layer once, and finds out all that has to be known of it.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::BaseLayer;
use super::choose::Listed;
use super::error::{Excess, Problem};
use super::lower::{LowerNotes, LowerRoom};
use super::place::{Allowance, Section, check_digest, encoding_of, is_of_machine};
use super::removal::spelled;
use super::store_paths::{Heads, StoreNotes};
use crate::digest::Hashing;
use crate::image_files::{
    Attributes, Encoding, Member, Members, MembersError, OtherEncoding, Watched, decompressed, shown,
};
use crate::progress::Observer;
use crate::{DiffId, Digest, Mismatch};

/// Layers of such images can be read, but an image of ours could not hold them as they are.
pub(super) fn other_encoding(encoding: OtherEncoding) -> String {
    let name = encoding.name();
    format!("is compressed with {name}, which layers of OCI images cannot be; convert the image with `skopeo copy`")
}

/// What all layers of an image may have together.
pub(super) struct Limits<'a> {
    pub(super) bytes: Allowance<'a>,
    /// How many more store paths.
    pub(super) store_paths: AtomicU64,
    /// How many more files.
    pub(super) lower_files: LowerRoom,
}

/// What was found out about a layer.
#[derive(Debug)]
pub(super) struct Scan {
    digest: Digest,
    diff_id: DiffId,
    blob_bytes: u64,
    tar_bytes: u64,
    encoding: Encoding,
    pub(super) store: StoreNotes,
    pub(super) lower: LowerNotes,
    heads: Arc<Heads>,
}

/// Reads a layer. Of what the documents say only the digest is looked at here, see [`Scan::check`].
pub(super) fn scan(layer: &Listed, limits: &Limits<'_>, observer: &dyn Observer) -> Result<Scan, Problem> {
    let (encoding, other) = encoding_of(layer.blob.open()?)?;
    if let Some(other) = other {
        let reason = other_encoding(other);
        return Err(Problem::UnusableLayer { layer: layer.label.clone(), reason });
    }
    let count = AtomicU64::new(0);
    let mut raw = Hashing::new(Watched::new(layer.blob.open()?, &count, observer));
    let mut notes = Notes::default();
    let outcome = match encoding {
        Encoding::Plain => notes.read(&mut limits.bytes.meter(&mut raw), limits).map(|()| None),
        _ => read_compressed(&mut raw, &mut notes, limits).map(Some),
    };
    if let Err(fatal @ (Failure::Excess(_) | Failure::Machine(_))) = outcome {
        return Err(fatal.of(layer));
    }
    // Bytes that are others than the documents say are told before what is wrong with them.
    io::copy(&mut raw, &mut io::sink())?;
    let plain = raw.diff_id();
    let (digest, blob_bytes) = raw.finish();
    layer.digest.map_or(Ok(()), |stated| check_digest(&layer.label, stated, digest))?;
    let (diff_id, tar_bytes) = outcome.map_err(|failure| failure.of(layer))?.unwrap_or((plain, blob_bytes));
    let Notes { store, lower, heads } = notes;
    Ok(Scan { digest, diff_id, blob_bytes, tar_bytes, encoding, store, lower, heads: heads.into() })
}

impl Scan {
    /// Compares what was found with what the documents say.
    pub(super) fn check(&self, layer: &Listed) -> Result<(), Problem> {
        let label = || layer.label.clone();
        layer.digest.map_or(Ok(()), |stated| check_digest(&layer.label, stated, self.digest))?;
        match layer.diff_id {
            Some(stated) if stated != self.diff_id => {
                Err(Mismatch::DiffId { layer: label(), stated: stated.to_string(), actual: self.diff_id }.into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn layer(&self, listed: &Listed) -> BaseLayer {
        BaseLayer {
            diff_id: self.diff_id,
            digest: self.digest,
            tar_bytes: self.tar_bytes,
            blob_bytes: self.blob_bytes,
            encoding: self.encoding,
            annotations: listed.annotations.clone(),
            blob: listed.blob.clone(),
            heads: Arc::clone(&self.heads),
        }
    }
}

#[derive(Default)]
struct Notes {
    store: StoreNotes,
    lower: LowerNotes,
    heads: Heads,
}

/// Why the tar of a layer cannot be read to its end.
enum Failure {
    Excess(Excess),
    Machine(io::Error),
    Undecodable(String),
    Unusable(String),
}

impl Failure {
    fn of(self, layer: &Listed) -> Problem {
        let layer = layer.label.clone();
        match self {
            Self::Excess(excess) => Problem::TooMuch(excess),
            Self::Machine(error) => Problem::Read(error),
            Self::Undecodable(reason) => Mismatch::Undecodable { layer, reason }.into(),
            Self::Unusable(reason) => Problem::UnusableLayer { layer, reason },
        }
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match Excess::within(&error) {
            Some(excess) => Self::Excess(excess),
            None if is_of_machine(&error) => Self::Machine(error),
            None => Self::Undecodable(shown(error.to_string().as_bytes())),
        }
    }
}

impl From<MembersError> for Failure {
    fn from(error: MembersError) -> Self {
        match error {
            MembersError::Read(error) => error.into(),
            MembersError::Damaged(reason) => Self::Unusable(format!("is no archive that can be read: {reason}")),
        }
    }
}

type Raw<'a> = Hashing<Watched<'a, Section>>;

fn read_compressed(raw: &mut Raw<'_>, notes: &mut Notes, limits: &Limits<'_>) -> Result<(DiffId, u64), Failure> {
    let mut tar = Hashing::new(limits.bytes.meter(decompressed(raw)?));
    notes.read(&mut tar, limits)?;
    let diff_id = tar.diff_id();
    Ok((diff_id, tar.finish().1))
}

impl Notes {
    /// Reads a tar to the end of its bytes.
    fn read(&mut self, tar: &mut impl Read, limits: &Limits<'_>) -> Result<(), Failure> {
        let mut members = Members::new(tar);
        while let Some(member) = members.next()? {
            let attributes = members.attributes().ok();
            let (member, removal) = spelled(member, attributes.as_ref());
            self.member(&member, attributes.as_ref(), limits)?;
            removal.map_or(Ok(()), |removal| self.member(&removal, None, limits))?;
        }
        // What follows the end of the archive belongs to the layer as well.
        members.trailing()?;
        Ok(())
    }

    fn member(&mut self, member: &Member, attributes: Option<&Attributes>, limits: &Limits<'_>) -> Result<(), Failure> {
        let leads_out = || {
            let name = shown(&member.name);
            Failure::Unusable(format!("holds `{name}`, which leads out of the image"))
        };
        let parts = parts(&member.name).ok_or_else(leads_out)?;
        self.heads.note(&parts, &member.kind);
        self.store.note(&parts, member, &limits.store_paths).map_err(Failure::Excess)?;
        self.lower.note(&parts, member, attributes, &limits.lower_files).map_err(Failure::Excess)
    }
}

/// The parts of a path by names alone, as engines clean it. `None` for one that leads out of the image, which no engine
/// unpacks.
fn parts(name: &[u8]) -> Option<Vec<&[u8]>> {
    let mut parts = Vec::new();
    for part in name.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts)
}
