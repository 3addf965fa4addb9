//! What can be said about bytes without asking what they should be.

use std::io::{self, Read};

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use zstd::zstd_safe::DCtx;

use crate::digest::Hashing;
use crate::image_files::{Encoding, Peek, READ_BYTES, shown};
use crate::{DiffId, Digest};

/// What was found out about a blob or a member of an archive.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) size: u64,
    pub(super) digest: Digest,
    pub(super) encoding: Encoding,
    /// Of the bytes within; an error where they cannot be decompressed.
    pub(super) diff_id: Result<DiffId, String>,
    /// How many gzip members or zstd frames there are.
    pub(super) members: u64,
    /// Bytes after the last of them.
    pub(super) trailing: u64,
}

/// Reads everything, once, in constant memory.
pub(super) fn examine(bytes: impl Read) -> io::Result<Facts> {
    let mut raw = Peek::new(Hashing::new(bytes));
    let encoding = Encoding::of(raw.peek(4)?);
    let mut members = 0;
    let mut trailing = 0;
    let mut decoded = match encoding {
        Encoding::Plain => None,
        _ => Some(Ok(Sha256::new())),
    };
    let mut decoder = MemberDecoder::default();
    while let Some(Ok(hasher)) = &mut decoded {
        let magic = raw.peek(4)?;
        if magic.is_empty() {
            break;
        }
        if Encoding::of(magic) != encoding {
            trailing = io::copy(&mut raw, &mut io::sink())?;
            break;
        }
        members += 1;
        if let Err(error) = decoder.decode(encoding, &mut raw, hasher) {
            decoded = Some(Err(shown(error.to_string().as_bytes())));
        }
    }
    // After an error the rest still counts for the digest.
    io::copy(&mut raw, &mut io::sink())?;
    let raw = raw.into_inner();
    let plain = raw.diff_id();
    let (digest, size) = raw.finish();
    let diff_id = decoded.map_or(Ok(plain), |decoded| decoded.map(DiffId::finish));
    Ok(Facts { size, digest, encoding, diff_id, members, trailing })
}

/// Decodes one member or frame after the other. A frame can be 9 bytes long, and to get memory for each would take far
/// longer than to decode it; so what can be used again is.
#[derive(Default)]
struct MemberDecoder {
    buffer: Vec<u8>,
    zstd: Option<DCtx<'static>>,
}

impl MemberDecoder {
    fn decode<R: Read>(&mut self, encoding: Encoding, raw: &mut Peek<R>, hasher: &mut Sha256) -> io::Result<()> {
        self.buffer.resize(READ_BYTES, 0);
        match encoding {
            Encoding::Zstd => {
                // What comes after a whole frame begins anew, and after a broken one nothing is decoded.
                let context = self.zstd.get_or_insert_with(DCtx::create);
                let mut frame = zstd::stream::read::Decoder::with_context(raw, context).single_frame();
                hash_all(&mut frame, &mut self.buffer, hasher)
            }
            _ => hash_all(&mut GzDecoder::new(raw), &mut self.buffer, hasher),
        }
    }
}

fn hash_all(from: &mut impl Read, buffer: &mut [u8], hasher: &mut Sha256) -> io::Result<()> {
    loop {
        match from.read(buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Compression;
    use crate::compress::BlockEncoder;

    /// Gives one byte at a time, as a slow pipe may.
    struct Trickle<'a>(&'a [u8]);

    impl Read for Trickle<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = out.len().min(1);
            self.0.read(&mut out[..count])
        }
    }

    fn encode(compression: &str, parts: &[&[u8]]) -> Vec<u8> {
        let mut encoder = BlockEncoder::new(compression.parse::<Compression>().unwrap()).unwrap();
        let mut buffer = Vec::new();
        parts.iter().flat_map(|part| encoder.encode(part, &mut buffer).unwrap().to_vec()).collect()
    }

    #[test]
    fn members_and_frames_are_one_layer() {
        for (compression, encoding) in [("gzip", Encoding::Gzip), ("zstd", Encoding::Zstd)] {
            let bytes = encode(compression, &[b"one ", b"two ", b"three"]);
            for facts in [examine(bytes.as_slice()).unwrap(), examine(Trickle(&bytes)).unwrap()] {
                assert_eq!((facts.encoding, facts.members, facts.trailing), (encoding, 3, 0));
                assert_eq!(facts.diff_id.unwrap(), DiffId::of(b"one two three"));
                assert_eq!((facts.digest, facts.size), (Digest::of(&bytes), bytes.len() as u64));
            }
        }
        let plain = examine(&b"plain"[..]).unwrap();
        assert_eq!((plain.diff_id.unwrap(), plain.digest), (DiffId::of(b"plain"), Digest::of(b"plain")));
    }

    /// With new memory for each frame this takes a hundred times as long.
    #[test]
    fn a_great_many_tiny_frames_are_decoded() {
        for compression in ["gzip", "zstd"] {
            let one = encode(compression, &[b""]);
            let bytes = one.repeat((8 << 20) / one.len());
            let facts = examine(bytes.as_slice()).unwrap();
            assert_eq!(facts.members, (bytes.len() / one.len()) as u64);
            assert_eq!(facts.diff_id.unwrap(), DiffId::of(b""));
        }
    }

    #[test]
    fn skippable_frames_hold_nothing() {
        let mut bytes = encode("zstd", &[b"content"]);
        bytes.extend_from_slice(b"\x5e\x2a\x4d\x18\x03\0\0\0abc");
        let facts = examine(bytes.as_slice()).unwrap();
        assert_eq!((facts.diff_id.unwrap(), facts.trailing), (DiffId::of(b"content"), 0));
    }

    #[test]
    fn garbage_after_the_end_is_counted() {
        for compression in ["gzip", "zstd"] {
            let mut bytes = encode(compression, &[b"content"]);
            bytes.extend_from_slice(b"garbage");
            let facts = examine(bytes.as_slice()).unwrap();
            assert_eq!((facts.diff_id.unwrap(), facts.trailing), (DiffId::of(b"content"), 7));
            assert_eq!(facts.digest, Digest::of(&bytes));
        }
    }

    #[test]
    fn broken_members_are_told_and_still_hashed() {
        for compression in ["gzip", "zstd"] {
            let bytes = encode(compression, &[&[7; 1000], &[8; 1000]]);
            for cut in [5, bytes.len() / 2 - 1, bytes.len() - 1] {
                let facts = examine(&bytes[..cut]).unwrap();
                assert!(facts.diff_id.is_err(), "{compression} {cut}");
                assert_eq!(facts.digest, Digest::of(&bytes[..cut]));
            }
        }
    }
}
