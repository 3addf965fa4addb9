//! How bytes are compressed, and what is in them.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;

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

/// The plain bytes of what may be compressed, of all members or frames.
pub(crate) fn decompressed<'a>(bytes: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let mut bytes = Peek::new(bytes);
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
