//! A history of closures: one image a line, oldest first.

use std::io::{BufRead, BufReader, Read};

use layerwright_planner::{Closure, is_printable};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::HistoryError;
use crate::nar_hash::NarHash;
use crate::source::store_json::{self, StorePath};

/// Most images over all files: one for each day of 27 years.
pub(super) const MAX_IMAGES: usize = 10_000;

/// Most nodes over all images: a weekly image of 38,000 nodes for a year. Each takes about 200 bytes as long as it is
/// known, and as much again while a strategy is handed it.
pub(super) const MAX_NODES: usize = 2_000_000;

/// Most bytes over all files, unpacked. A node is less than 1 KiB of text as a rule.
pub(super) const MAX_BYTES: u64 = 4 << 30;

/// Longest line, which is one closure: less than for one that is to be packed, because this is only to be compared.
pub(super) const MAX_LINE_BYTES: u64 = 128 << 20;

/// Longest date.
pub(super) const MAX_DATE_BYTES: usize = 64;

/// What was in an earlier image.
#[derive(Debug)]
pub(crate) struct Image {
    /// Whatever the file calls it.
    pub(crate) date: String,
    pub(crate) closure: Closure,
    /// For each node, in their order.
    pub(crate) hashes: Vec<SaidHash>,
}

/// What is said of a node's content: equal where that is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SaidHash {
    /// Nothing, so that its name has to do.
    Nothing,
    /// In whichever spelling.
    NarHash(NarHash),
    /// Something else, as JSON.
    Other(String),
}

/// What may still be read.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: u64,
    images: usize,
    nodes: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { bytes: MAX_BYTES, images: MAX_IMAGES, nodes: MAX_NODES }
    }
}

impl Budget {
    /// Takes one image with so many nodes.
    pub(super) fn take_image(&mut self, nodes: usize) -> Result<(), HistoryError> {
        self.images = self.images.checked_sub(1).ok_or(HistoryError::TooManyImages)?;
        self.nodes = self.nodes.checked_sub(nodes).ok_or(HistoryError::TooManyNodes)?;
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn of(bytes: u64, images: usize, nodes: usize) -> Self {
        Self { bytes, images, nodes }
    }
}

/// The images of a file, read as they are asked for: of the text, one line is in memory.
pub(super) struct Lines<'b, R> {
    open: BufReader<R>,
    budget: &'b mut Budget,
    line: usize,
}

impl<'b, R: Read> Lines<'b, R> {
    pub(super) fn new(open: R, budget: &'b mut Budget) -> Self {
        Self { open: BufReader::new(open), budget, line: 0 }
    }

    /// The next line with anything on it.
    fn next_line(&mut self) -> Result<Option<Vec<u8>>, HistoryError> {
        loop {
            let mut line = Vec::new();
            let limit = self.budget.bytes.min(MAX_LINE_BYTES);
            let bytes = self.open.by_ref().take(limit + 1).read_until(b'\n', &mut line)? as u64;
            if bytes > limit {
                return Err(HistoryError::TooLarge);
            }
            self.budget.bytes -= bytes;
            self.line += 1;
            if bytes == 0 {
                return Ok(None);
            }
            if !line.trim_ascii().is_empty() {
                return Ok(Some(line));
            }
        }
    }

    fn next_image(&mut self) -> Result<Option<Image>, HistoryError> {
        let Some(text) = self.next_line()? else { return Ok(None) };
        let image = image(self.line, &text)?;
        self.budget.take_image(image.closure.len())?;
        Ok(Some(image))
    }
}

impl<R: Read> Iterator for Lines<'_, R> {
    type Item = Result<Image, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_image().transpose()
    }
}

/// What is read of a line. Anything else on it is somebody else's.
#[derive(Deserialize)]
struct Line<'a> {
    date: String,
    #[serde(borrow)]
    closure: &'a RawValue,
}

fn image(line: usize, text: &[u8]) -> Result<Image, HistoryError> {
    let text = std::str::from_utf8(text).map_err(|_| HistoryError::NotText { line })?;
    let Line { date, closure } =
        serde_json::from_str(text.trim()).map_err(|error| HistoryError::NoLine { line, error })?;
    if date.len() > MAX_DATE_BYTES || !date.chars().all(is_printable) {
        return Err(HistoryError::BadDate { line });
    }
    let bad_nodes = |error| HistoryError::BadNodes { line, date: date.clone(), error };
    let mut paths = store_json::parse(closure.get(), None).map_err(bad_nodes)?;
    // As the closure sorts its nodes, each of which is there once.
    paths.sort_by(|a, b| a.node.name.cmp(&b.node.name));
    let hashes = paths.iter_mut().map(said_hash).collect();
    let no_closure = |error| HistoryError::NoClosure { line, date: date.clone(), error };
    let closure = Closure::new(paths.into_iter().map(|path| path.node).collect(), None).map_err(no_closure)?;
    Ok(Image { date, closure, hashes })
}

fn said_hash(path: &mut StorePath) -> SaidHash {
    let other = path.other_hash.take().map_or(SaidHash::Nothing, SaidHash::Other);
    path.nar_hash.map_or(other, SaidHash::NarHash)
}
