//! Files that the user names, and standard input: read whole, but never without end.

use std::io::{self, Read};
use std::path::Path;

use anyhow::{Result, bail};
use fs_err::File;

/// Largest graph or plan. One of all of Debian has 50 MB.
pub(crate) const MAX_GRAPH_BYTES: u64 = 512 << 20;

/// Largest file of settings.
pub(crate) const MAX_SETTINGS_BYTES: u64 = 16 << 20;

/// Opens a file; `-` is standard input.
pub(crate) fn open(file: &Path) -> Result<Box<dyn Read>> {
    if file == Path::new("-") { Ok(Box::new(io::stdin().lock())) } else { Ok(Box::new(File::open(file)?)) }
}

/// Reads text of at most `max_bytes`, unpacked if that is what the reader does.
pub(crate) fn read_text(reader: impl Read, max_bytes: u64) -> Result<String> {
    let mut text = String::new();
    let bytes = reader.take(max_bytes + 1).read_to_string(&mut text)?;
    if bytes as u64 > max_bytes {
        bail!("it is larger than {} MiB", max_bytes >> 20);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_end_is_refused() {
        assert_eq!(read_text(&b"12345"[..], 5).unwrap(), "12345");
        assert_eq!(read_text(io::repeat(b' '), 1 << 20).unwrap_err().to_string(), "it is larger than 1 MiB");
    }
}
