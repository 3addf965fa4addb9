//! Closures for the memory that packing takes: what is in their files does not matter.

use std::path::Path;

use anyhow::Result;

use super::StoreWriter;

/// `sparse`: how many paths, and how large each is. Together a bit more than 10 GB.
const SPARSE_PATHS: u64 = 40;
const SPARSE_BYTES: u64 = 256 << 20;
/// `many-files`: how many files in how many paths.
const MANY_FILES: u64 = 500_000;
const MANY_PATHS: u64 = 100;

pub(super) fn sparse(scale: f64, store: &mut StoreWriter) -> Result<()> {
    for node in 0..SPARSE_PATHS {
        store.hole(&format!("sparse-{node:02}"), Path::new("data/hole"), scaled(SPARSE_BYTES, scale))?;
    }
    Ok(())
}

pub(super) fn many_files(scale: f64, store: &mut StoreWriter) -> Result<()> {
    let per_path = scaled(MANY_FILES / MANY_PATHS, scale);
    for index in 0..per_path * MANY_PATHS {
        let (node, file) = (index / per_path, index % per_path);
        let name = format!("share/{:02}/file-{file:04}", file / 100);
        let content = format!("file {file} of node {node}\n");
        store.write(&format!("many-{node:02}"), Path::new(&name), content.as_bytes())?;
    }
    Ok(())
}

/// A part of a number, at least 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "sizes are far below 2^52, and positive")]
pub(super) fn scaled(number: u64, scale: f64) -> u64 {
    ((number as f64 * scale) as u64).max(1)
}

/// Every how-many-th thing is taken for a scale.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "options allow no scale below 0.001")]
pub(super) fn step(scale: f64) -> usize {
    (1.0 / scale).round() as usize
}
