//! From the files of a layer to its blob, reading each file once.
//!
//! The tar is produced in blocks of fixed size, and each block goes through all stages before the next one is begun:
//! hash of the plain bytes (the diff ID), compression, hash of the compressed bytes (the digest), output. So a layer in
//! flight takes the memory of two blocks, whatever its size.

use std::io::Write;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::compress::{BLOCK_BYTES, BlockEncoder};
use crate::digest::Hashing;
use crate::entry::{Entry, EntryKind};
use crate::error::PackError;
use crate::read::copy_content;
use crate::{DiffId, Digest, tar};

/// The entries of a layer, in order, each name once.
#[derive(Debug)]
pub(crate) struct LayerFiles {
    entries: Vec<Entry>,
    /// Of the zeros after the last entry.
    trailer: usize,
    tar_bytes: u64,
}

/// A layer that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) diff_id: DiffId,
    pub(crate) digest: Digest,
    pub(crate) tar_bytes: u64,
    pub(crate) blob_bytes: u64,
}

impl LayerFiles {
    pub(crate) fn new(entries: Vec<Entry>) -> Result<Self, PackError> {
        let mut length = 0_u64;
        for entry in &entries {
            let longer = tar::entry_length(entry).and_then(|more| length.checked_add(more));
            // More than half of what a number can say is nothing but the holes of sparse files.
            length = longer
                .filter(|length| i64::try_from(*length).is_ok())
                .ok_or_else(|| PackError::LayerTooLong { path: Path::new("/").join(entry.name.as_path()) })?;
        }
        let trailer = tar::trailer(length);
        Ok(Self { entries, trailer, tar_bytes: length + trailer as u64 })
    }

    /// The size of the tar, known before any file is read.
    pub(crate) fn tar_bytes(&self) -> u64 {
        self.tar_bytes
    }

    #[cfg(test)]
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Writes the layer's blob. `progress` is told of each block of tar, and can stop the work.
    pub(crate) fn write_blob(
        &self,
        encoder: &mut BlockEncoder,
        out: &mut dyn Write,
        progress: &dyn Fn(u64) -> Result<(), PackError>,
    ) -> Result<Blob, PackError> {
        let is_plain = matches!(encoder, BlockEncoder::Plain);
        let mut plain = Sha256::new();
        let mut out = Hashing::new(out);
        let mut buffer = Vec::new();
        self.write_tar(&mut |block| {
            plain.update(block);
            let encoded = encoder.encode(block, &mut buffer)?;
            match is_plain {
                // The two hashes are of the same bytes.
                true => out.write_unhashed(encoded),
                false => out.write_all(encoded),
            }
            .map_err(PackError::Write)?;
            progress(block.len() as u64)
        })?;
        let tar_bytes = self.tar_bytes;
        let (digest, blob_bytes) = if is_plain { (Digest::finish(plain.clone()), tar_bytes) } else { out.finish() };
        Ok(Blob { diff_id: DiffId::finish(plain), digest, tar_bytes, blob_bytes })
    }

    /// Hands out the tar block by block.
    pub(crate) fn write_tar(&self, consume: Consume<'_>) -> Result<(), PackError> {
        let mut blocks = Blocks::new(usize::try_from(self.tar_bytes).unwrap_or(usize::MAX).min(BLOCK_BYTES), consume);
        let mut header = Vec::new();
        for entry in &self.entries {
            header.clear();
            tar::append_header(entry, &mut header);
            blocks.append(&header)?;
            if let EntryKind::File(content) = &entry.kind {
                copy_content(content, &mut blocks)?;
                blocks.append(&[0; tar::BLOCK][..usize::from(tar::padding(content.size))])?;
            }
        }
        blocks.append(&vec![0; self.trailer])?;
        let written = blocks.finish()?;
        debug_assert_eq!(written, self.tar_bytes, "each file had the size of the walk");
        Ok(())
    }
}

/// What is done with a block.
pub(crate) type Consume<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), PackError>;

/// Collects bytes into blocks of one size; only the last one is smaller, and none is empty.
pub(crate) struct Blocks<'a> {
    block: Vec<u8>,
    filled: usize,
    emitted: u64,
    consume: Consume<'a>,
}

impl<'a> Blocks<'a> {
    pub(crate) fn new(size: usize, consume: Consume<'a>) -> Self {
        Self { block: vec![0; size], filled: 0, emitted: 0, consume }
    }

    /// Where the next bytes go. Never empty.
    pub(crate) fn space(&mut self) -> &mut [u8] {
        &mut self.block[self.filled..]
    }

    /// Says that the first `count` bytes of [`Blocks::space`] are there.
    pub(crate) fn advance(&mut self, count: usize) -> Result<(), PackError> {
        self.filled += count;
        if self.filled == self.block.len() { self.emit() } else { Ok(()) }
    }

    pub(crate) fn append(&mut self, mut bytes: &[u8]) -> Result<(), PackError> {
        while !bytes.is_empty() {
            let space = self.space();
            let (now, later) = bytes.split_at(bytes.len().min(space.len()));
            space[..now.len()].copy_from_slice(now);
            self.advance(now.len())?;
            bytes = later;
        }
        Ok(())
    }

    /// Returns how many bytes there were.
    pub(crate) fn finish(mut self) -> Result<u64, PackError> {
        if self.filled > 0 {
            self.emit()?;
        }
        Ok(self.emitted)
    }

    fn emit(&mut self) -> Result<(), PackError> {
        (self.consume)(&self.block[..self.filled])?;
        self.emitted += self.filled as u64;
        self.filled = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Compression;
    use crate::entry::{Content, EntryName, LinksBefore, Modified};
    use crate::fixture::{Fixture, H, plan, pseudo_random, write_layer};

    fn layer_of(content: &[u8]) -> (Fixture, LayerFiles) {
        let fixture = Fixture::new();
        fixture.file(&format!("{H}-a"), 0o444, content);
        let layer = fixture.walk(&plan(&[&[&format!("{H}-a")]])).unwrap().remove(0);
        (fixture, layer)
    }

    /// Three blocks of tar. A change here is a change of the packing profile.
    #[test]
    fn blobs_of_several_blocks_are_pinned() {
        let (_fixture, layer) = layer_of(&pseudo_random(9 << 20));
        for (compression, members, digest) in [
            (Compression::None, 1, "30d652f4d117a72ca911cc5786b3d137e7b36494423ec4775c3aad4af7b7e0d3"),
            (Compression::default(), 3, "6ef31285861f3465c54d2d5b4a343afc7c2ea4e95b058ebf400d2649ad735d7d"),
            (Compression::Zstd { level: 3 }, 3, "bc69ba182585a8c8e2ac9cef434da4b871f1c0ecda6e89ae2a3e7b10eea2452c"),
        ] {
            let (blob, bytes) = write_layer(&layer, compression).unwrap();
            assert_eq!(blob.digest.hex(), digest, "{compression}");
            assert_eq!((blob.digest, blob.blob_bytes), (Digest::of(&bytes), bytes.len() as u64));
            let facts = crate::verify::examine(&bytes);
            assert_eq!((facts.0.unwrap(), facts.1.max(1)), (blob.diff_id, members));
        }
    }

    #[test]
    fn size_is_known_before_reading() {
        for length in [0, 1, 511, 512, 513, 9_216 - 3 * 512, 10_240, BLOCK_BYTES - 2048, BLOCK_BYTES] {
            let (_fixture, layer) = layer_of(&vec![7; length]);
            let (blob, bytes) = write_layer(&layer, Compression::None).unwrap();
            assert_eq!((layer.tar_bytes(), blob.blob_bytes), (bytes.len() as u64, bytes.len() as u64));
            assert_eq!(bytes.len() % 10_240, 0);
        }
    }

    #[test]
    fn sparse_files_are_packed_as_their_bytes() {
        let fixture = Fixture::new();
        let name = format!("{H}-a");
        fs_err::File::create(fixture.at(&name)).unwrap().set_len(3 << 20).unwrap();
        fixture.chmod(&name, 0o444);
        let sparse = fixture.walk(&plan(&[&[&name]])).unwrap().remove(0);
        let (_fixture, plain) = layer_of(&vec![0; 3 << 20]);
        let digest = |layer| write_layer(layer, Compression::None).unwrap().0.digest;
        assert_eq!(digest(&sparse), digest(&plain));
    }

    #[test]
    fn sparse_files_longer_than_any_tar_are_an_error() {
        let content = || Content {
            path: "/x".into(),
            links: LinksBefore::Never,
            size: i64::MAX.unsigned_abs(),
            modified: Modified::of(&fs_err::metadata("/").unwrap()),
        };
        let entry = |name: &[u8]| Entry::new(EntryName(name.to_vec()), EntryKind::File(content()), 0o644);
        for entries in [vec![entry(b"a/b")], vec![entry(b"a/b"), entry(b"c"), entry(b"d")]] {
            let message = LayerFiles::new(entries).unwrap_err().to_string();
            assert_eq!(message, "with `/a/b` a layer is longer than 8 EiB");
        }
    }

    #[test]
    fn file_that_changes_after_the_walk_is_an_error() {
        let (fixture, layer) = layer_of(b"before");
        fixture.file(&format!("{H}-a"), 0o444, b"after the walk");
        assert!(matches!(write_layer(&layer, Compression::None), Err(PackError::FileChanged { .. })));
    }

    #[test]
    fn layer_stops_where_progress_fails() {
        let (_fixture, layer) = layer_of(&pseudo_random(9 << 20));
        let mut out = Vec::new();
        let stop = |_| Err(PackError::Cancelled);
        let stopped = layer.write_blob(&mut BlockEncoder::Plain, &mut out, &stop);
        assert!(matches!(stopped, Err(PackError::Cancelled)));
        assert_eq!(out.len(), BLOCK_BYTES);
    }
}
