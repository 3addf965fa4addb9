//! How bytes are compressed, and what is in them.

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;

/// How much is read at once.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// How bytes are compressed, by how they begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Plain,
    /// Members of gzip, one or several.
    Gzip,
    /// Frames of zstd, one or several.
    Zstd,
}

impl Encoding {
    /// What the first bytes belong to.
    pub(crate) fn of(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // A frame, or one that is to be skipped.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// The media type of a layer compressed like this.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Plain => "application/vnd.oci.image.layer.v1.tar",
            Self::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
            Self::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
        }
    }

    /// How messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }
}

/// In which other way than a layer's an archive is compressed, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OtherEncoding {
    Xz,
    Bzip2,
}

impl OtherEncoding {
    /// So many bytes tell it: a name in an archive may begin as bzip2 does.
    pub(crate) const MAGIC_BYTES: usize = 10;

    pub(crate) fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Some(Self::Xz),
            // The first block, or the end where there is none.
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', b'&', b'S', b'Y', ..]
            | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, b'r', b'E', b'8', b'P', 0x90, ..] => Some(Self::Bzip2),
            _ => None,
        }
    }

    /// How messages call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// How much memory reading xz may take: that of `xz -9` four times.
const MAX_XZ_KIB: u32 = 256 << 10;

/// The plain bytes of what may be compressed, of all members or frames.
pub(crate) fn decompressed<'a>(bytes: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut bytes = Peek::new(bytes);
    match OtherEncoding::of(bytes.peek(OtherEncoding::MAGIC_BYTES)?) {
        Some(OtherEncoding::Xz) => return Ok(Box::new(XzReader::new_mem_limit(bytes, true, MAX_XZ_KIB))),
        Some(OtherEncoding::Bzip2) => return Ok(Box::new(MultiBzDecoder::new(bytes))),
        None => {}
    }
    Ok(match Encoding::of(bytes.peek(4)?) {
        Encoding::Plain => Box::new(bytes),
        Encoding::Gzip => Box::new(MultiGzDecoder::new(bytes)),
        Encoding::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?),
    })
}

/// A buffered reader that can look ahead.
pub(crate) struct Peek<R> {
    inner: R,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl<R: Read> Peek<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, buffer: vec![0; READ_BYTES], start: 0, end: 0 }
    }

    /// Returns at least `count` bytes of what comes next, unless it ends before.
    pub(crate) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        if self.end - self.start < count {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        while self.end < count {
            match self.inner.read(&mut self.buffer[self.end..]) {
                Ok(0) => break,
                Ok(more) => self.end += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(&self.buffer[self.start..self.end])
    }

    pub(crate) fn into_inner(self) -> R {
        self.inner
    }
}

impl<R: Read> Read for Peek<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(out)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Peek<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.peek(1)
    }

    fn consume(&mut self, count: usize) {
        self.start += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compress::BlockEncoder;

    /// As `xz` and `bzip2` wrote them: a thousand times `a`, twice one after the other.
    #[test]
    fn other_encodings_are_read() {
        for (name, hex) in [("xz", XZ), ("bzip2", BZIP2)] {
            let bytes = bytes_of(hex);
            let mut plain = Vec::new();
            decompressed([bytes.as_slice(), &bytes].concat().as_slice()).unwrap().read_to_end(&mut plain).unwrap();
            assert_eq!(plain, [b'a'; 2000], "{name}");
            for cut in [11, bytes.len() / 2, bytes.len() - 1] {
                let read = decompressed(&bytes[..cut]).and_then(|mut plain| plain.read_to_end(&mut Vec::new()));
                assert!(read.is_err(), "{name} cut at {cut}");
            }
            assert_eq!(OtherEncoding::of(&bytes).map(OtherEncoding::name), Some(name));
        }
        assert_eq!(OtherEncoding::of(b"BZh9.txt\0\0\0"), None, "a name in an archive");
    }

    const XZ: &str = "fd377a585a000004e6d6b4460200210116000000742fe5a3e003e7000b5d0030effbbffea3b0b9a6560000006cd9e88beaee1076000127e807000000f4558f5cb1c467fb020000000004595a";
    const BZIP2: &str = "425a683931415926535949dc4f630000018101a00000800008200020aa6d4198ba83c5dc914e1424127713d8c0";

    fn bytes_of(hex: &str) -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    /// Whoever asks for more memory than anybody needs is refused, and gets none of it.
    #[test]
    fn xz_has_a_limit_of_memory() {
        let bytes = bytes_of(LARGE_XZ);
        let error = decompressed(bytes.as_slice()).unwrap().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::OutOfMemory, "{error}");
    }

    /// With a dictionary of a gigabyte and a half.
    const LARGE_XZ: &str = "fd377a585a000004e6d6b44602002101250000003b787b41e003e7000b5d0030effbbffea3b0b9a6560000006cd9e88beaee1076000127e807000000f4558f5cb1c467fb020000000004595a";

    /// An archive of them is a few megabytes, and must not take hours.
    #[test]
    fn a_great_many_tiny_members_and_frames_are_decoded() {
        for compression in ["gzip", "zstd"] {
            let mut encoder = BlockEncoder::new(compression.parse().unwrap()).unwrap();
            let mut buffer = Vec::new();
            let empty = encoder.encode(b"", &mut buffer).unwrap().to_vec();
            let last = encoder.encode(b"last", &mut buffer).unwrap().to_vec();
            let bytes = [empty.repeat((8 << 20) / empty.len()), last].concat();
            let mut plain = Vec::new();
            decompressed(bytes.as_slice()).unwrap().read_to_end(&mut plain).unwrap();
            assert_eq!(plain, b"last", "{compression}");
        }
    }
}
