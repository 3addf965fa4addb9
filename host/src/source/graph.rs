//! `graph:FILE[#KEY]`: a closure that someone wrote down.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result};
use flate2::read::MultiGzDecoder;
use layerwright_planner::Closure;

use super::registrations::{Author, Registrations};
use super::store_json;
use crate::input::{self, MAX_GRAPH_BYTES, read_text};

/// Reads a graph, plain or packed with gzip or zstd; `-` is standard input. Its roots are the nodes that no other
/// node refers to.
pub(crate) fn read(file: &Path, key: Option<&str>) -> Result<(Closure, Registrations)> {
    let text = unpack(input::open(file)?)?;
    let (nodes, registrations) = Registrations::split(store_json::parse(&text, key)?, Author::Anybody);
    Ok((Closure::new(nodes, None)?, registrations))
}

fn unpack(mut file: impl Read) -> Result<String> {
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start)?;
    let whole = io::Cursor::new(start.clone()).chain(file);
    match start.as_slice() {
        [0x1f, 0x8b, ..] => read_text(MultiGzDecoder::new(whole), MAX_GRAPH_BYTES).context("unpacking it with gzip"),
        [0x28, 0xb5, 0x2f, 0xfd] => {
            read_text(zstd::Decoder::new(whole)?, MAX_GRAPH_BYTES).context("unpacking it with zstd")
        }
        _ => read_text(whole, MAX_GRAPH_BYTES),
    }
}
