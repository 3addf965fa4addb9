//! Files that the user names, and standard input: read whole, but never without end.

use std::io::{self, Cursor, Read};
use std::path::Path;

use anyhow::{Result, bail};
use flate2::read::MultiGzDecoder;
use fs_err::File;

/// Largest graph or plan. One of all of Debian has 50 MB.
pub(crate) const MAX_GRAPH_BYTES: u64 = 512 << 20;

/// Largest file of settings.
pub(crate) const MAX_SETTINGS_BYTES: u64 = 16 << 20;

/// Opens a file; `-` is standard input.
pub(crate) fn open(file: &Path) -> Result<Box<dyn Read>> {
    if file == Path::new("-") { Ok(Box::new(io::stdin().lock())) } else { Ok(Box::new(File::open(file)?)) }
}

/// Opens a file that may be packed with gzip or zstd, to read what is in it; `-` is standard input.
pub(crate) fn open_packed(file: &Path) -> Result<Box<dyn Read>> {
    unpack(open(file)?)
}

fn unpack(mut file: impl Read + 'static) -> Result<Box<dyn Read>> {
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start)?;
    let whole = Cursor::new(start.clone()).chain(file);
    Ok(match start.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(Unpacking { reader: MultiGzDecoder::new(whole), method: "gzip" }),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(Unpacking { reader: zstd::Decoder::new(whole)?, method: "zstd" }),
        _ => Box::new(whole),
    })
}

/// Says with its errors what went wrong.
struct Unpacking<R> {
    reader: R,
    method: &'static str,
}

impl<R: Read> Read for Unpacking<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let say =
            |error: io::Error| io::Error::new(error.kind(), format!("unpacking it with {}: {error}", self.method));
        self.reader.read(buffer).map_err(say)
    }
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
    fn packed_files_are_unpacked() {
        let text = "[]".repeat(1000);
        let zstd = zstd::encode_all(text.as_bytes(), 3).unwrap();
        for packed in [text.clone().into_bytes(), zstd.clone()] {
            assert_eq!(read_text(unpack(Cursor::new(packed)).unwrap(), 2000).unwrap(), text);
        }
        let cut = zstd[..zstd.len() - 3].to_vec();
        let error = read_text(unpack(Cursor::new(cut)).unwrap(), 2000).unwrap_err().to_string();
        assert!(error.starts_with("unpacking it with zstd: "), "{error}");
    }

    #[test]
    fn text_without_end_is_refused() {
        assert_eq!(read_text(&b"12345"[..], 5).unwrap(), "12345");
        assert_eq!(read_text(io::repeat(b' '), 1 << 20).unwrap_err().to_string(), "it is larger than 1 MiB");
    }
}
