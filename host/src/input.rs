//! Files that the user names, and standard input: read whole, but never without end.

use std::io::{self, Cursor, ErrorKind, Read};
use std::path::Path;

use anyhow::{Result, bail};
use flate2::read::MultiGzDecoder;
use fs_err::File;

/// Largest graph or plan. One of all of Debian has 50 MB.
pub(crate) const MAX_GRAPH_BYTES: u64 = 512 << 20;

/// Largest file of settings.
pub(crate) const MAX_SETTINGS_BYTES: u64 = 16 << 20;

/// Longest run of blanks in a text: no machine indents as far, and no person leaves as many lines free. Packed, a gigabyte
/// of them has a few thousand bytes.
const MAX_BLANK_BYTES: u64 = 1 << 20;

/// As much of a text as is read at once.
const BUFFER_BYTES: usize = 128 << 10;

/// As much of a file as is looked at to tell what it is.
const START_BYTES: u64 = 1 << 10;

/// Farthest back that a file packed with zstd may refer, as a power of two: what `zstd --long` packs with. So many bytes of
/// memory may unpacking take.
const MAX_ZSTD_WINDOW_LOG: u32 = 27;

/// Opens a file; `-` is standard input.
pub(crate) fn open(file: &Path) -> Result<Box<dyn Read>> {
    if file == Path::new("-") { Ok(Box::new(io::stdin().lock())) } else { Ok(Box::new(File::open(file)?)) }
}

/// Opens a file that may be packed with gzip or zstd, to read what is in it; `-` is standard input.
pub(crate) fn open_packed(file: &Path) -> Result<Box<dyn Read>> {
    unpack(open(file)?)
}

/// Whether it is standard input, a pipe or a device: something that is there once, and not kept.
pub(crate) fn is_stream(path: &Path) -> bool {
    path == Path::new("-") || path.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}

/// Looks at how a file begins, and returns that and the whole of it.
pub(crate) fn with_start<R: Read>(mut open: R) -> Result<(Vec<u8>, impl Read + use<R>)> {
    let mut start = Vec::new();
    open.by_ref().take(START_BYTES).read_to_end(&mut start)?;
    Ok((start.clone(), Cursor::new(start).chain(open)))
}

fn unpack(mut file: impl Read + 'static) -> Result<Box<dyn Read>> {
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start)?;
    let whole = Cursor::new(start.clone()).chain(file);
    Ok(match start.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(Unpacking { reader: MultiGzDecoder::new(whole), method: "gzip" }),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(Unpacking { reader: unpack_zstd(whole)?, method: "zstd" }),
        _ => Box::new(whole),
    })
}

fn unpack_zstd(packed: impl Read) -> io::Result<impl Read> {
    let mut decoder = zstd::Decoder::new(packed)?;
    decoder.window_log_max(MAX_ZSTD_WINDOW_LOG)?;
    Ok(decoder)
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

/// A text, read as long as it says something.
pub(crate) struct Text<R> {
    reader: R,
    bytes: u64,
    /// At the end of these.
    blanks: u64,
}

impl<R: Read> Text<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, bytes: 0, blanks: 0 }
    }
}

impl<R: Read> Read for Text<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = buffer.len().min(BUFFER_BYTES);
        let count = self.reader.read(&mut buffer[..end])?;
        let is_text = |byte: &u8| !byte.is_ascii_whitespace();
        let (first, last) = (buffer[..count].iter().position(is_text), buffer[..count].iter().rposition(is_text));
        // Too few bytes are read at once for a run that is too long to hide between the two.
        let run = self.blanks + first.unwrap_or(count) as u64;
        if run > MAX_BLANK_BYTES {
            let from = self.bytes - self.blanks;
            let reason = format!("from byte {from} on, it has more than {} MiB of blanks", MAX_BLANK_BYTES >> 20);
            return Err(io::Error::new(ErrorKind::InvalidData, reason));
        }
        self.blanks = last.map_or(run, |last| (count - last - 1) as u64);
        self.bytes += count as u64;
        Ok(count)
    }
}

/// Reads text of at most `max_bytes`, unpacked if that is what the reader does. A file of no bytes at all is refused: nobody
/// writes it, but a power failure leaves it.
pub(crate) fn read_text(reader: impl Read, max_bytes: u64) -> Result<String> {
    let text = read_any_text(reader, max_bytes)?;
    if text.is_empty() {
        bail!("it is empty, as a file is that was being written when the power failed");
    }
    Ok(text)
}

/// The same of what may be empty.
pub(crate) fn read_any_text(reader: impl Read, max_bytes: u64) -> Result<String> {
    let mut text = String::new();
    let bytes = Text::new(reader).take(max_bytes + 1).read_to_string(&mut text)?;
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

    /// A frame of zstd whose one block holds the text as it is, and that claims to refer back 2^`window_log` bytes.
    fn zstd_frame(window_log: u8, text: &str) -> Vec<u8> {
        let magic = [0x28, 0xb5, 0x2f, 0xfd];
        let window = (window_log - 10) << 3;
        let last_raw_block = (u32::try_from(text.len()).unwrap() << 3 | 1).to_le_bytes();
        [&magic[..], &[0, window], &last_raw_block[..3], text.as_bytes()].concat()
    }

    #[test]
    fn zstd_may_refer_as_far_back_as_its_long_mode_does() {
        let unpacked = |window_log| read_text(unpack(Cursor::new(zstd_frame(window_log, "[]"))).unwrap(), 9);
        assert_eq!(unpacked(27).unwrap(), "[]");
        for window_log in [28, 31, 41] {
            let error = unpacked(window_log).unwrap_err().to_string();
            assert!(error.starts_with("unpacking it with zstd: "), "{error}");
        }
    }

    #[test]
    fn text_without_end_is_refused() {
        assert_eq!(read_text(&b"12345"[..], 5).unwrap(), "12345");
        assert_eq!(read_any_text(&b""[..], 5).unwrap(), "");
        assert!(read_text(&b""[..], 5).unwrap_err().to_string().starts_with("it is empty, "));
        assert_eq!(read_text(io::repeat(b'x'), 1 << 20).unwrap_err().to_string(), "it is larger than 1 MiB");
    }

    #[test]
    fn blanks_without_end_are_refused() {
        let most = usize::try_from(MAX_BLANK_BYTES).unwrap();
        for blank in [" ", "\n", "\t", "\r", " \n"] {
            let read = |count: usize| {
                let blanks = blank.repeat(count.div_ceil(blank.len()))[..count].to_owned();
                read_text(Cursor::new(format!("[{blanks}]{blanks}7")), u64::MAX - 1)
            };
            assert_eq!(read(most).unwrap().len(), 2 * most + 3);
            let refused = read(most + 1).unwrap_err().to_string();
            assert_eq!(refused, "from byte 1 on, it has more than 1 MiB of blanks");
            let endless = io::repeat(blank.as_bytes()[0]);
            assert!(read_text(b"x".chain(endless), u64::MAX - 1).is_err());
        }
    }
}
