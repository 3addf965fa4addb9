//! `--history FILE...`: earlier images of the same thing.
//!
//! | file | what it tells |
//! |---|---|
//! | a plan | the layers of one image, and what is in them |
//! | a history: lines of `{"date": ..., "closure": [...]}`, oldest first | what was in each of several images, and no layers |
//!
//! Either may be packed with gzip or zstd. Strategies get both as generations. One that comes from a history has every node
//! in a layer of its own: it still tells what changed when, and claims of no two nodes that they were ever sent together. A
//! single layer would claim that of all, and strategies that leave things where they are would keep it.
//!
//! Files are untrusted: what is no closed graph is refused with its line, and [`Budget`] bounds what all files together
//! may hold.

mod error;
mod lines;

use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use layerwright_planner::{Generation, Node, PastNode, Plan};

pub(crate) use self::error::HistoryError;
use self::lines::Lines;
pub(crate) use self::lines::{Budget, Image, SaidHash};
use crate::input::{MAX_GRAPH_BYTES, open_packed, read_text};

/// As much of a file as is looked at to tell what it is.
const START_BYTES: u64 = 1 << 10;

/// Reads earlier images, oldest first over all files. Returns them newest first, as strategies get them.
pub(crate) fn read_generations(files: &[PathBuf]) -> Result<Vec<Arc<Generation>>> {
    let mut budget = Budget::default();
    let mut generations = Vec::new();
    for file in files {
        let read = open_packed(file).and_then(|open| generations_in(open, &mut budget));
        generations.extend(read.with_context(|| reading(file))?);
    }
    generations.reverse();
    Ok(generations.into_iter().map(Arc::new).collect())
}

/// Reads the images of a history, oldest first: at least one.
pub(crate) fn read_images(file: &Path, budget: &mut Budget) -> Result<Vec<Image>> {
    let mut read = || {
        let (start, open) = with_start(open_packed(file)?)?;
        if is_plan(&start) {
            return Err(HistoryError::IsPlan.into());
        }
        images_in(open, budget, |image| image)
    };
    read().with_context(|| reading(file))
}

/// An image as strategies get it: its layers, bottom-most first.
pub(crate) fn generation_of(plan: &Plan) -> Generation {
    let node = |id: &_| past(plan.closure().node(*id));
    Generation { layers: plan.layers().iter().map(|layer| layer.nodes.iter().map(node).collect()).collect() }
}

fn reading(file: &Path) -> String {
    format!("reading the history {}", file.display())
}

/// Oldest first.
fn generations_in(open: impl Read, budget: &mut Budget) -> Result<Vec<Generation>> {
    let (start, open) = with_start(open)?;
    if is_plan(&start) {
        let plan = Plan::from_json(&read_text(open, MAX_GRAPH_BYTES)?)?;
        budget.take_image(plan.closure().len())?;
        return Ok(vec![generation_of(&plan)]);
    }
    images_in(open, budget, |image| {
        let layers = image.closure.nodes().iter().map(|node| vec![past(node)]);
        Generation { layers: layers.collect() }
    })
}

/// What is kept of each image. There is at least one.
fn images_in<T>(open: impl Read, budget: &mut Budget, keep: impl Fn(Image) -> T) -> Result<Vec<T>> {
    let images = Lines::new(open, budget).map(|image| image.map(&keep)).collect::<Result<Vec<_>, _>>()?;
    if images.is_empty() { Err(HistoryError::NoImage.into()) } else { Ok(images) }
}

fn past(Node { name, lineage, size, .. }: &Node) -> PastNode {
    PastNode { name: name.clone(), lineage: lineage.clone(), size: *size }
}

/// Looks at how a file begins, and returns that and the whole of it.
fn with_start(mut open: impl Read) -> Result<(Vec<u8>, impl Read)> {
    let mut start = Vec::new();
    open.by_ref().take(START_BYTES).read_to_end(&mut start)?;
    Ok((start.clone(), Cursor::new(start).chain(open)))
}

/// A plan is an object over many lines, or one that begins with its format.
fn is_plan(start: &[u8]) -> bool {
    let Some(object) = start.trim_ascii_start().strip_prefix(b"{") else { return false };
    let first_line = object.split(|byte| *byte == b'\n').next().unwrap_or_default();
    first_line.trim_ascii().is_empty() || first_line.trim_ascii_start().starts_with(b"\"format\"")
}

#[cfg(test)]
mod tests;
