//! A history of closures: one image a line, oldest first.

use std::io::{BufRead, BufReader, Read};

use anyhow::Result;
use layerwright_planner::{Closure, Generation, Node, NodeId, PastNode, Plan, is_printable};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::HistoryError;
use crate::input::{MAX_GRAPH_BYTES, Text, read_text};
use crate::nar_hash::NarHash;
use crate::source::store_json::{self, StorePath};

/// Most images over all files: one for each day of 27 years.
pub(super) const MAX_IMAGES: usize = 10_000;

/// Most nodes over all images: a weekly image of 38,000 nodes for a year. Each takes about 200 bytes, besides what
/// [`MAX_KEPT_BYTES`] bounds, as long as it is known, and as much again while a strategy is handed it.
pub(super) const MAX_NODES: usize = 2_000_000;

/// Most bytes of all that is as long as a file says: names, lineages, hashes that are none, and references, which take
/// four bytes each. So many nodes have 200 MB of it as a rule.
pub(super) const MAX_KEPT_BYTES: u64 = 512 << 20;

/// Most bytes over all files, unpacked. A node is less than 1 KiB of text as a rule.
pub(super) const MAX_BYTES: u64 = 4 << 30;

/// Longest line, which is one closure: less than for one that is to be packed, because this is only to be compared.
pub(super) const MAX_LINE_BYTES: u64 = 128 << 20;

/// Most lines with nothing on them, over all files: ten for each image.
pub(super) const MAX_BLANK_LINES: usize = 100_000;

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
    blank_lines: usize,
    images: usize,
    nodes: usize,
    kept_bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        let (bytes, blank_lines) = (MAX_BYTES, MAX_BLANK_LINES);
        Self { bytes, blank_lines, images: MAX_IMAGES, nodes: MAX_NODES, kept_bytes: MAX_KEPT_BYTES }
    }
}

impl Budget {
    /// Takes one image, of which each node keeps so many bytes.
    fn take_image(&mut self, nodes: impl Iterator<Item = usize>) -> Result<(), HistoryError> {
        self.images = self.images.checked_sub(1).ok_or(HistoryError::TooManyImages)?;
        for kept_bytes in nodes {
            self.nodes = self.nodes.checked_sub(1).ok_or(HistoryError::TooManyNodes)?;
            self.kept_bytes = self.kept_bytes.checked_sub(kept_bytes as u64).ok_or(HistoryError::TooMuchKept)?;
        }
        Ok(())
    }

    /// Reads a text whole.
    pub(super) fn text(&mut self, open: impl Read) -> Result<String> {
        let text = read_text(open, MAX_GRAPH_BYTES)?;
        self.bytes = self.bytes.checked_sub(text.len() as u64).ok_or(HistoryError::TooLarge)?;
        Ok(text)
    }

    pub(super) fn take_plan(&mut self, plan: &Plan) -> Result<(), HistoryError> {
        self.take_image(plan.closure().nodes().iter().map(kept_bytes))
    }

    pub(super) fn take_generation(&mut self, generation: &Generation) -> Result<(), HistoryError> {
        let kept_bytes = |PastNode { name, lineage, .. }: &PastNode| name.len() + lineage.len();
        self.take_image(generation.layers.iter().flatten().map(kept_bytes))
    }

    fn take_line(&mut self, image: &Image) -> Result<(), HistoryError> {
        let hash_bytes = |hash: &SaidHash| if let SaidHash::Other(text) = hash { text.len() } else { 0 };
        let nodes = image.closure.nodes().iter().zip(&image.hashes);
        self.take_image(nodes.map(|(node, hash)| kept_bytes(node) + hash_bytes(hash)))
    }

    #[cfg(test)]
    pub(super) fn of(bytes: u64, images: usize, nodes: usize, kept_bytes: u64) -> Self {
        Self { bytes, blank_lines: 4, images, nodes, kept_bytes }
    }
}

/// Repeated references have had room made for them, and count.
fn kept_bytes(Node { name, lineage, references, .. }: &Node) -> usize {
    name.len() + lineage.len() + references.capacity() * size_of::<NodeId>()
}

/// The images of a file, read as they are asked for: of the text, one line is in memory.
pub(super) struct Lines<'b, R> {
    open: BufReader<Text<R>>,
    budget: &'b mut Budget,
    line: usize,
}

impl<'b, R: Read> Lines<'b, R> {
    pub(super) fn new(open: R, budget: &'b mut Budget) -> Self {
        Self { open: BufReader::new(Text::new(open)), budget, line: 0 }
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
            let left = self.budget.blank_lines.checked_sub(1);
            self.budget.blank_lines = left.ok_or(HistoryError::TooManyBlankLines { line: self.line })?;
        }
    }

    fn next_image(&mut self) -> Result<Option<Image>, HistoryError> {
        let Some(text) = self.next_line()? else { return Ok(None) };
        let image = image(self.line, &text)?;
        self.budget.take_line(&image)?;
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
