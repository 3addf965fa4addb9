//! Files that are opened before their turn.
//!
//! The kernel is told that they will be read. Where they are not in memory, the disk then works on many of them at once,
//! while we compress what came before.

use std::borrow::Cow;
use std::collections::VecDeque;

use crate::entry::{Entry, EntryKind};
use crate::error::PackError;
use crate::read::{OpenFile, Opener};

/// So much is announced to the kernel before it is read.
const AHEAD_BYTES: u64 = 8 << 20;

/// An entry, with its file if it is one.
type Opened<'a> = (Cow<'a, Entry>, Option<OpenFile>);

/// Entries in the order of the layer.
pub(crate) type Entries<'a> = Box<dyn Iterator<Item = Result<Cow<'a, Entry>, PackError>> + Send + 'a>;

/// Entries before their turn.
pub(crate) struct Ahead<'a> {
    entries: Entries<'a>,
    opener: Opener,
    /// How many.
    most: usize,
    /// An error waits for its turn, too, so that it is always the first one that is reported.
    opened: VecDeque<Result<Opened<'a>, PackError>>,
    /// Of what is announced of these files.
    bytes: u64,
}

impl<'a> Ahead<'a> {
    /// At most so many entries are ahead, but always one.
    pub(crate) fn new(entries: Entries<'a>, most: usize) -> Self {
        Self { entries, opener: Opener::default(), most: most.max(1), opened: VecDeque::new(), bytes: 0 }
    }

    /// Opens what may be opened now.
    pub(crate) fn look(&mut self) {
        while self.opened.len() < self.most && self.bytes < AHEAD_BYTES && !matches!(self.opened.back(), Some(Err(_))) {
            let Some(entry) = self.entries.next() else { return };
            let opened = entry.and_then(|entry| match &entry.kind {
                EntryKind::File(content) => {
                    self.opener.open(&entry.name, content, AHEAD_BYTES).map(|file| (entry, Some(file)))
                }
                _ => Ok((entry, None)),
            });
            self.bytes += announced(&opened);
            self.opened.push_back(opened);
        }
    }

    /// The next entry, whose turn it is.
    pub(crate) fn next(&mut self) -> Result<Option<Opened<'a>>, PackError> {
        self.look();
        let Some(next) = self.opened.pop_front() else { return Ok(None) };
        self.bytes -= announced(&next);
        next.map(Some)
    }
}

fn announced(opened: &Result<Opened<'_>, PackError>) -> u64 {
    opened.as_ref().map_or(0, |(entry, _)| entry.size().min(AHEAD_BYTES))
}
