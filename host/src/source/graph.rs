//! `graph:FILE[#KEY]`: a closure that someone wrote down.

use std::path::Path;

use anyhow::Result;
use layerwright_planner::Closure;

use super::registrations::{Author, Registrations};
use super::store_json;
use crate::input::{MAX_GRAPH_BYTES, open_packed, read_text};

/// Reads a graph, plain or packed with gzip or zstd; `-` is standard input. Its roots are the nodes that no other
/// node refers to.
pub(crate) fn read(file: &Path, key: Option<&str>) -> Result<(Closure, Registrations)> {
    let text = read_text(open_packed(file)?, MAX_GRAPH_BYTES)?;
    let (nodes, registrations) = Registrations::split(store_json::parse(&text, key)?, Author::Anybody);
    Ok((Closure::new(nodes, None)?, registrations))
}
