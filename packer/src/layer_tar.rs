//! The tar of a layer, reading each file once.
//!
//! Its bytes are made as somebody asks for them, so a layer in flight takes no memory but that of whoever asks, whatever
//! its size and however many files it has.

use crate::ahead::{Ahead, Entries};
use crate::error::PackError;
use crate::read::OpenFile;
use crate::{Stamp, tar};

/// The tar of a layer.
pub(crate) struct LayerTar<'a> {
    ahead: Ahead<'a>,
    stamp: &'a Stamp,
    header: Vec<u8>,
    /// How much of the header is handed out.
    header_at: usize,
    file: Option<OpenFile>,
    /// How many follow.
    zeros: usize,
    /// What ends the tar, until it is begun.
    trailer: Option<usize>,
    /// Whether every file so far was the same, and not only alike.
    is_same: bool,
}

impl<'a> LayerTar<'a> {
    /// The tar of these entries, with so many zeros after the last one. So many files are `ahead`: open before it is
    /// their turn.
    pub(crate) fn new(entries: Entries<'a>, ahead: usize, trailer: usize, stamp: &'a Stamp) -> Self {
        Self {
            ahead: Ahead::new(entries, ahead),
            stamp,
            header: Vec::new(),
            header_at: 0,
            file: None,
            zeros: 0,
            trailer: Some(trailer),
            is_same: true,
        }
    }

    /// Opens the first files, and announces them to the kernel.
    pub(crate) fn look_ahead(&mut self) {
        self.ahead.look();
    }

    /// Whether the files that were read are those that were walked. Others, of the same size and time, make a layer as
    /// well, but not one that the walk could be known by.
    pub(crate) fn read_what_was_walked(&self) -> bool {
        self.is_same
    }

    /// Fills `out` with the next bytes. Returns how many there are: fewer than fit only at the end.
    pub(crate) fn fill(&mut self, out: &mut [u8]) -> Result<usize, PackError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.some(&mut out[filled..])? {
                0 => break,
                more => filled += more,
            }
        }
        Ok(filled)
    }

    fn some(&mut self, out: &mut [u8]) -> Result<usize, PackError> {
        loop {
            let header = &self.header[self.header_at..];
            if !header.is_empty() {
                let count = header.len().min(out.len());
                out[..count].copy_from_slice(&header[..count]);
                self.header_at += count;
                return Ok(count);
            }
            if let Some(file) = self.file.as_mut() {
                let count = file.read(out)?;
                if count > 0 {
                    return Ok(count);
                }
                self.file = None;
            }
            if self.zeros > 0 {
                let count = self.zeros.min(out.len());
                out[..count].fill(0);
                self.zeros -= count;
                return Ok(count);
            }
            if !self.begin_next()? {
                return Ok(0);
            }
        }
    }

    fn begin_next(&mut self) -> Result<bool, PackError> {
        let Some((entry, file)) = self.ahead.next()? else {
            let trailer = self.trailer.take();
            self.zeros = trailer.unwrap_or_default();
            return Ok(trailer.is_some());
        };
        self.header.clear();
        self.header_at = 0;
        tar::append_header(&entry, self.stamp, &mut self.header);
        self.zeros = usize::from(tar::padding(entry.size()));
        self.is_same &= file.as_ref().is_none_or(OpenFile::is_same);
        self.file = file;
        Ok(true)
    }
}
