//! Where the content of files is kept that are on no disk until they are packed.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use fs_err::OpenOptions;
use fs_err::os::unix::fs::OpenOptionsExt;

use super::disk::{FoundKind, look};
use super::error::CustomisationProblem as Problem;
use crate::entry::Seen;

/// All contents together: the disk is not a stranger's to fill, and a few kilobytes of gzip can say a gigabyte.
const MAX_BYTES: u64 = 64 << 30;

/// How much is copied at once.
const COPIED_BYTES: usize = 256 << 10;

/// A directory for contents. They are numbered there, so that no name from elsewhere is ever a path.
pub(super) struct Scratch<'a> {
    given: &'a Path,
    /// Without symlinks, once it was needed.
    dir: Option<PathBuf>,
    count: u64,
    bytes: u64,
    buffer: Vec<u8>,
}

/// A content that was put aside.
pub(super) struct PutAside {
    pub(super) path: PathBuf,
    pub(super) seen: Seen,
}

impl<'a> Scratch<'a> {
    pub(super) fn new(given: &'a Path) -> Self {
        Self { given, dir: None, count: 0, bytes: 0, buffer: Vec::new() }
    }

    /// Puts aside a content that is said to have `size` bytes. An error of `content` is made a problem by `unreadable`.
    pub(super) fn put(
        &mut self,
        content: &mut dyn Read,
        size: u64,
        unreadable: impl Fn(io::Error) -> Problem,
    ) -> Result<PutAside, Problem> {
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MAX_BYTES {
            return Err(Problem::TooMuch("64 GiB of content"));
        }
        self.count += 1;
        let name = format!("content-{}", self.count);
        let path = self.dir()?.join(name);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(Problem::Write)?;
        self.buffer.resize(COPIED_BYTES, 0);
        let mut left = size;
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(COPIED_BYTES);
            let count = match content.read(&mut self.buffer[..wanted]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read.map_err(&unreadable)?,
            };
            if count == 0 {
                return Err(unreadable(io::ErrorKind::UnexpectedEof.into()));
            }
            // Zeros take no room on the disk: an archive may leave out a great many of them.
            match self.buffer[..count].iter().all(|byte| *byte == 0) {
                true => file.seek(SeekFrom::Start(size - left + count as u64)).map(drop),
                false => file.write_all(&self.buffer[..count]),
            }
            .map_err(Problem::Write)?;
            left -= count as u64;
        }
        file.set_len(size).map_err(Problem::Write)?;
        drop(file);
        match look(&path)?.kind {
            FoundKind::File(seen) if seen.size == size => Ok(PutAside { path, seen }),
            _ => Err(Problem::Write(io::Error::other(format!("`{}` is not what was written", path.display())))),
        }
    }

    fn dir(&mut self) -> Result<&Path, Problem> {
        if self.dir.is_none() {
            self.dir = Some(fs_err::canonicalize(self.given).map_err(Problem::Write)?);
        }
        Ok(self.dir.as_deref().expect("it is there now"))
    }
}
