//! How the bytes of a layer are compressed.
//!
//! A layer's tar is cut into blocks of [`BLOCK_BYTES`], and each block is compressed for itself: into a gzip member, or
//! into a zstd frame. A layer of up to one block is thus a single member. Since no block knows of another, the bytes
//! depend on the input and on the [packing profile](Compression::profile) alone, and several threads may share a layer
//! without changing it.

use std::fmt;
use std::str::FromStr;

use libdeflater::{CompressionLvl, Compressor};
use thiserror::Error;
use zstd::bulk;
use zstd::zstd_safe;

use crate::image_files::Encoding;

/// How much tar goes into one gzip member or zstd frame.
pub(crate) const BLOCK_BYTES: usize = 4 << 20;

/// The dialect that [`crate::tar`] writes. Another number means other bytes for the same files.
const TAR_DIALECT: &str = "tar=pax-cpython/1";

/// What does the deflating: the crate, whose version is that of the C library it contains.
const LIBDEFLATER: &str = "libdeflater-1.26.1";

/// The crate that calls libzstd.
const ZSTD: &str = "zstd-0.14.3";

/// The compression of layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Plain tars.
    None,
    /// What every container tool reads.
    Gzip {
        /// 1 to 12. The default is 6.
        level: u8,
    },
    /// Smaller and three times as fast, but Docker cannot read it before version 23.
    Zstd {
        /// 1 to 22. The default is 3.
        level: u8,
    },
}

/// Why a text names no compression.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompressionError {
    /// Not one of the three.
    #[error("`{0}` is no compression: write `none`, `gzip`, `gzip:LEVEL` (1 to 12), `zstd` or `zstd:LEVEL` (1 to 22)")]
    Unknown(String),
    /// The encoder has no such level.
    #[error("`{level}` is no level of {encoder}: write a number from 1 to {highest}")]
    Level {
        /// `gzip` or `zstd`.
        encoder: &'static str,
        /// What was given.
        level: String,
        /// The highest level.
        highest: u8,
    },
}

impl Compression {
    /// Names everything that the bytes of a layer depend on besides its files: the dialect of tar, the encoder with its
    /// exact version, the level, the size of a member or frame.
    ///
    /// The same files packed under the same profile are the same blob. So the profile belongs into every cache key.
    #[must_use]
    pub fn profile(&self) -> String {
        match self {
            Self::None => format!("{TAR_DIALECT}; plain"),
            Self::Gzip { level } => format!("{TAR_DIALECT}; gzip={LIBDEFLATER}; level={level}; member={BLOCK_BYTES}"),
            Self::Zstd { level } => {
                let library = zstd_safe::version_string();
                format!("{TAR_DIALECT}; zstd={ZSTD}+libzstd-{library}; level={level}; frame={BLOCK_BYTES}")
            }
        }
    }

    /// The media type of a layer compressed like this.
    #[must_use]
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::None => Encoding::Plain.media_type(),
            Self::Gzip { .. } => Encoding::Gzip.media_type(),
            Self::Zstd { .. } => Encoding::Zstd.media_type(),
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::Gzip { level: 6 }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Gzip { level } => write!(f, "gzip:{level}"),
            Self::Zstd { level } => write!(f, "zstd:{level}"),
        }
    }
}

impl FromStr for Compression {
    type Err = CompressionError;

    fn from_str(text: &str) -> Result<Self, CompressionError> {
        let (encoder, level) = text.split_once(':').map_or((text, None), |(encoder, level)| (encoder, Some(level)));
        match (encoder, level) {
            ("none", None) => Ok(Self::None),
            ("gzip", None) => Ok(Self::default()),
            ("zstd", None) => Ok(Self::Zstd { level: 3 }),
            ("gzip", Some(level)) => parse_level("gzip", level, 12).map(|level| Self::Gzip { level }),
            ("zstd", Some(level)) => parse_level("zstd", level, 22).map(|level| Self::Zstd { level }),
            _ => Err(CompressionError::Unknown(text.into())),
        }
    }
}

/// Compresses block after block. Keeps nothing of one block for the next.
pub(crate) enum BlockEncoder {
    Plain,
    Gzip(Compressor),
    Zstd(bulk::Compressor<'static>),
}

/// The encoder did not take a level or a block. Cannot happen with levels that were parsed.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct EncoderError(String);

impl BlockEncoder {
    pub(crate) fn new(compression: Compression) -> Result<Self, EncoderError> {
        match compression {
            Compression::None => Ok(Self::Plain),
            Compression::Gzip { level } => CompressionLvl::new(i32::from(level))
                .map(|level| Self::Gzip(Compressor::new(level)))
                .map_err(|error| EncoderError(format!("gzip has no level {level}: {error:?}"))),
            Compression::Zstd { level } => bulk::Compressor::new(i32::from(level))
                .map(Self::Zstd)
                .map_err(|error| EncoderError(format!("zstd has no level {level}: {error}"))),
        }
    }

    /// Returns the compressed block: `block` itself or what is then in `buffer`, whose old content is lost.
    pub(crate) fn encode<'a>(&mut self, block: &'a [u8], buffer: &'a mut Vec<u8>) -> Result<&'a [u8], EncoderError> {
        match self {
            Self::Plain => return Ok(block),
            Self::Gzip(compressor) => {
                buffer.resize(compressor.gzip_compress_bound(block.len()), 0);
                let length = compressor
                    .gzip_compress(block, buffer)
                    .map_err(|error| EncoderError(format!("libdeflate failed: {error}")))?;
                buffer.truncate(length);
            }
            Self::Zstd(compressor) => {
                buffer.clear();
                buffer.reserve(zstd_safe::compress_bound(block.len()));
                compressor
                    .compress_to_buffer(block, buffer)
                    .map_err(|error| EncoderError(format!("libzstd failed: {error}")))?;
            }
        }
        Ok(buffer)
    }
}

fn parse_level(encoder: &'static str, text: &str, highest: u8) -> Result<u8, CompressionError> {
    text.parse().ok().filter(|level| (1..=highest).contains(level)).ok_or_else(|| CompressionError::Level {
        encoder,
        level: text.into(),
        highest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;
    use crate::fixture::pseudo_random;

    #[test]
    fn text_and_back() {
        for (text, expected) in [("gzip", "gzip:6"), ("zstd", "zstd:3"), ("none", "none"), ("gzip:12", "gzip:12")] {
            assert_eq!(text.parse::<Compression>().unwrap().to_string(), expected);
        }
        assert_eq!("gzip:6".parse::<Compression>().unwrap(), Compression::default());
    }

    #[test]
    fn errors_teach_the_spelling() {
        for (text, message) in [
            ("gzip:13", "`13` is no level of gzip: write a number from 1 to 12"),
            ("zstd:0", "`0` is no level of zstd: write a number from 1 to 22"),
            (
                "xz",
                "`xz` is no compression: write `none`, `gzip`, `gzip:LEVEL` (1 to 12), `zstd` or `zstd:LEVEL` (1 to 22)",
            ),
        ] {
            assert_eq!(text.parse::<Compression>().unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn every_level_compresses() {
        let mut buffer = Vec::new();
        for level in 1..=22 {
            for compression in [Compression::Gzip { level: level.min(12) }, Compression::Zstd { level }] {
                let mut encoder = BlockEncoder::new(compression).unwrap();
                assert!(!encoder.encode(b"some bytes", &mut buffer).unwrap().is_empty());
            }
        }
    }

    /// The profile names the versions; this keeps it true when the lock file moves.
    #[test]
    fn profile_names_the_locked_encoders() {
        let lock = fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock")).unwrap();
        for named in [LIBDEFLATER, ZSTD] {
            let (name, version) = named.split_once('-').unwrap();
            assert!(lock.contains(&format!("name = \"{name}\"\nversion = \"{version}\"\n")), "{named}");
        }
    }

    /// Registries, caches and other people's images hold these bytes: a change here is a change of the profile.
    #[test]
    fn compressed_bytes_are_pinned() {
        let block = pseudo_random(1 << 20);
        let mut buffer = Vec::new();
        for (compression, pinned) in [
            (Compression::default(), "a312d8ac9e6a497f53d84d79c30e34276f1bbe664971dde54887d7b4d35a2fc0"),
            (Compression::Zstd { level: 3 }, "31a358163080045df2351a7bb35d20cb2e0211abac21be98bbf3d1e76587cc64"),
        ] {
            let mut encoder = BlockEncoder::new(compression).unwrap();
            for _ in 0..2 {
                let encoded = encoder.encode(&block, &mut buffer).unwrap();
                assert_eq!(Digest::of(encoded).hex(), pinned, "{compression}");
            }
        }
    }
}
