//! What is known of a layer that was packed, as text.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

use crate::layer::Blob;
use crate::{DiffId, Digest};

/// Stands for everything that decides the bytes of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct LayerKey(Digest);

/// A layer that was packed before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) key: LayerKey,
    pub(crate) blob: Blob,
    /// When the blob was modified that was found to be whole. `None` where nobody has looked at one.
    pub(crate) intact: Option<Stamp>,
}

/// A time of modification, as the file system keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    seconds: i64,
    nanoseconds: i64,
}

/// A record's file.
#[derive(Serialize, Deserialize)]
struct Record {
    diff_id: DiffId,
    digest: Digest,
    tar_bytes: u64,
    blob_bytes: u64,
    modified: Option<Stamp>,
    /// Of all the others and the key. An image may be made of nothing but what is said here.
    checksum: Digest,
}

impl LayerKey {
    pub(crate) fn new(digest: Digest) -> Self {
        Self(digest)
    }

    /// The name of its record.
    pub(super) fn name(&self) -> String {
        self.0.hex()
    }

    /// What [`Self::name`] was.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        digest_of_name(name).map(Self)
    }
}

/// What a file is called that is named by a digest.
pub(super) fn digest_of_name(name: &str) -> Option<Digest> {
    format!("sha256:{name}").parse().ok()
}

impl Known {
    /// Reads a record. `None` where it is damaged, or that of another key.
    pub(super) fn parse(key: LayerKey, text: &[u8]) -> Option<Self> {
        let Record { diff_id, digest, tar_bytes, blob_bytes, modified, checksum } =
            serde_json::from_slice(text).ok()?;
        let known = Self { key, blob: Blob { diff_id, digest, tar_bytes, blob_bytes }, intact: modified };
        (known.checksum() == checksum).then_some(known)
    }

    pub(super) fn to_json(self) -> String {
        let Blob { diff_id, digest, tar_bytes, blob_bytes } = self.blob;
        let checksum = self.checksum();
        let record = Record { diff_id, digest, tar_bytes, blob_bytes, modified: self.intact, checksum };
        serde_json::to_string(&record).expect("records have string keys and no failing parts")
    }

    fn checksum(&self) -> Digest {
        let Blob { diff_id, digest, tar_bytes, blob_bytes } = self.blob;
        let Stamp { seconds, nanoseconds } = self.intact.unwrap_or(Stamp { seconds: 0, nanoseconds: -1 });
        let key = self.key.0;
        let all = format!("{key} {diff_id} {digest} {tar_bytes} {blob_bytes} {seconds} {nanoseconds}");
        Digest::of(all.as_bytes())
    }
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self { seconds: metadata.mtime(), nanoseconds: metadata.mtime_nsec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let (diff_id, digest) = (DiffId::of(b"tar"), Digest::of(b"blob"));
        Known {
            key: LayerKey::new(Digest::of(b"key")),
            blob: Blob { diff_id, digest, tar_bytes: 10_240, blob_bytes: 300 },
            intact: Some(Stamp { seconds: 1, nanoseconds: 2 }),
        }
    }

    #[test]
    fn text_and_back() {
        for intact in [known().intact, None] {
            let known = Known { intact, ..known() };
            let text = known.to_json();
            assert_eq!(Known::parse(known.key, text.as_bytes()), Some(known), "{text}");
        }
        assert_eq!(LayerKey::of_name(&known().key.name()), Some(known().key));
    }

    #[test]
    fn what_differs_from_what_was_written_is_refused() {
        let (key, text) = (known().key, known().to_json());
        for (from, to) in [
            ("10240", "10241"),
            ("300", "301"),
            (r#""seconds":1"#, r#""seconds":2"#),
            (r#""nanoseconds":2"#, r#""nanoseconds":-2"#),
            (&known().blob.digest.hex(), &Digest::of(b"other").hex()),
            (&known().blob.diff_id.hex(), &DiffId::of(b"other").hex()),
            (&text, "{}"),
            (&text, ""),
            (&text, &text[..text.len() / 2]),
        ] {
            let damaged = text.replacen(from, to, 1);
            assert!(damaged != text && Known::parse(key, damaged.as_bytes()).is_none(), "{damaged}");
        }
        assert_eq!(Known::parse(LayerKey::new(Digest::of(b"another")), text.as_bytes()), None);
    }
}
