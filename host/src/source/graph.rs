//! `graph:FILE[#KEY]`: a closure that someone wrote down.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::read::MultiGzDecoder;
use fs_err::File;
use layerwright_planner::Closure;

use super::store_json;

/// Largest graph that is read, unpacked. All of Debian is 50 MB.
const MAX_BYTES: u64 = 512 << 20;

/// Reads a graph, plain or packed with gzip or zstd; `-` is standard input. Its roots are the nodes that no other
/// node refers to.
pub(crate) fn read(file: &Path, key: Option<&str>) -> Result<Closure> {
    let text = if file == Path::new("-") { unpack(io::stdin().lock())? } else { unpack(File::open(file)?)? };
    Ok(Closure::new(store_json::parse(&text, key)?, None)?)
}

fn unpack(mut file: impl Read) -> Result<String> {
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start)?;
    let whole = io::Cursor::new(start.clone()).chain(file);
    match start.as_slice() {
        [0x1f, 0x8b, ..] => read_text(MultiGzDecoder::new(whole)).context("unpacking it with gzip"),
        [0x28, 0xb5, 0x2f, 0xfd] => read_text(zstd::Decoder::new(whole)?).context("unpacking it with zstd"),
        _ => read_text(whole),
    }
}

fn read_text(reader: impl Read) -> Result<String> {
    let mut text = String::new();
    let bytes = reader.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if bytes as u64 > MAX_BYTES {
        bail!("it is larger than {} MiB", MAX_BYTES >> 20);
    }
    Ok(text)
}
