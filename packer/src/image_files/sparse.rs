//! Files of which an archive holds the parts that are not zeros.
//!
//! There are four ways to say where these are. GNU tar has written all of them: in a header of its own type, and in pax
//! headers three versions of the same. libarchive, and with it Bazel, writes the last one wherever a file has holes.

use super::members::{decimal, number};

/// More parts than these no file has that an engine would unpack.
const MAX_PARTS: usize = 1 << 17;

/// As long as a map may be that lies before the content.
const MAX_MAP_BYTES: usize = 1 << 20;

/// A block of an archive.
const BLOCK: usize = 512;

/// What pax headers say of a sparse file.
#[derive(Default)]
pub(super) struct SparseRecords {
    major: Option<Vec<u8>>,
    minor: Option<Vec<u8>>,
    name: Option<Vec<u8>>,
    size: Option<Vec<u8>>,
    /// Places and lengths in turn, separated by commas.
    map: Vec<u8>,
}

/// Where the map of a file is that pax headers tell of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum MapPlace {
    Headers,
    Content,
}

impl SparseRecords {
    /// Takes a record whose key begins with `GNU.sparse.`.
    pub(super) fn add(&mut self, key: &[u8], value: &[u8]) {
        match key {
            b"major" => self.major = Some(value.to_vec()),
            b"minor" => self.minor = Some(value.to_vec()),
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = Some(value.to_vec()),
            b"map" => self.map = value.to_vec(),
            b"offset" | b"numbytes" => {
                if !self.map.is_empty() {
                    self.map.push(b',');
                }
                self.map.extend_from_slice(value);
            }
            _ => {}
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.size.is_none() && self.map.is_empty() && self.major.is_none() && self.name.is_none()
    }

    /// `None` where the file is none, or is sparse in a way that nobody knows: then it is its bytes, as for others.
    pub(super) fn place(&self) -> Option<MapPlace> {
        match (self.major.as_deref(), self.minor.as_deref()) {
            (Some(b"1"), Some(b"0")) => Some(MapPlace::Content),
            (None, None) | (Some(b"0"), Some(b"0" | b"1")) if !self.map.is_empty() => Some(MapPlace::Headers),
            _ => None,
        }
    }

    /// What the file is called: its header has another name, for those who do not know sparse files.
    pub(super) fn take_name(&mut self) -> Option<Vec<u8>> {
        self.name.take()
    }

    /// How the file is made of what is stored, where `map` is what was read of its content.
    pub(super) fn sparse(&self, content_map: Option<&[u64]>) -> Result<Sparse, &'static str> {
        let size = self.size.as_deref().and_then(decimal).ok_or("has no size")?;
        if let Some(numbers) = content_map {
            return Sparse::new(size, numbers);
        }
        let numbers: Option<Vec<u64>> = self.map.split(|byte| *byte == b',').map(decimal).collect();
        Sparse::new(size, &numbers.ok_or("has a map that is none")?)
    }
}

/// The map that lies before a content, read block by block.
#[derive(Default)]
pub(super) struct ContentMap {
    text: Vec<u8>,
    numbers: Vec<u64>,
}

impl ContentMap {
    /// Takes the next block. Returns whether the map ends in it.
    pub(super) fn add(&mut self, block: &[u8; BLOCK]) -> Result<bool, &'static str> {
        if self.numbers.len() > 2 * MAX_PARTS || self.text.len() > MAX_MAP_BYTES {
            return Err("has too long a map");
        }
        self.text.extend_from_slice(block);
        while let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
            self.numbers.push(decimal(&self.text[..end]).ok_or("has a map that is none")?);
            self.text.drain(..=end);
            if self.is_whole() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The first number says how many pairs follow.
    fn is_whole(&self) -> bool {
        let Some((count, pairs)) = self.numbers.split_first() else { return false };
        count.checked_mul(2).is_some_and(|numbers| pairs.len() as u64 == numbers)
    }

    pub(super) fn numbers(&self) -> &[u64] {
        &self.numbers[1..]
    }
}

/// The map in headers of GNU's own type.
#[derive(Default)]
pub(super) struct HeaderMap {
    numbers: Vec<u64>,
    is_wrong: bool,
}

impl HeaderMap {
    /// Takes what is in a header or in a block after it. Returns whether another block follows.
    pub(super) fn add(&mut self, pairs: &[u8], more: u8) -> bool {
        for pair in pairs.chunks_exact(24) {
            // Those that are not used are empty.
            match (number(&pair[..12]), number(&pair[12..])) {
                _ if pair.iter().all(|byte| *byte == 0) => {}
                (Some(start), Some(length)) if self.numbers.len() < 2 * MAX_PARTS => {
                    self.numbers.extend([start, length]);
                }
                _ => self.is_wrong = true,
            }
        }
        more != 0
    }

    pub(super) fn sparse(&self, size: Option<u64>) -> Result<Sparse, &'static str> {
        match size {
            Some(size) if !self.is_wrong => Sparse::new(size, &self.numbers),
            _ => Err("has a map that is none"),
        }
    }
}

/// How a file is made of what is stored of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sparse {
    size: u64,
    /// Where each part begins and how long it is, the last one first.
    parts: Vec<(u64, u64)>,
    /// How much of the file was read.
    at: u64,
}

/// What comes next of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Zeros(u64),
    /// So much of what is stored.
    Stored(u64),
    End,
}

impl Sparse {
    fn new(size: u64, numbers: &[u64]) -> Result<Self, &'static str> {
        if !numbers.len().is_multiple_of(2) || numbers.len() > 2 * MAX_PARTS {
            return Err("has a map that is none");
        }
        let mut parts: Vec<(u64, u64)> = numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        let mut end = 0;
        for (start, length) in &parts {
            match start.checked_add(*length) {
                Some(part_end) if *start >= end && part_end <= size => end = part_end,
                _ => return Err("has a map whose parts do not follow each other"),
            }
        }
        parts.retain(|(_, length)| *length > 0);
        parts.reverse();
        Ok(Self { size, parts, at: 0 })
    }

    /// Of the whole file.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn next(&self) -> Next {
        match self.parts.last() {
            Some((start, length)) if *start <= self.at => Next::Stored(start + length - self.at),
            Some((start, _)) => Next::Zeros(start - self.at),
            None if self.at < self.size => Next::Zeros(self.size - self.at),
            None => Next::End,
        }
    }

    /// Goes on behind bytes that were read.
    pub(super) fn advance(&mut self, count: u64) {
        self.at += count;
        if self.parts.last().is_some_and(|(start, length)| start + length <= self.at) {
            self.parts.pop();
        }
    }
}
