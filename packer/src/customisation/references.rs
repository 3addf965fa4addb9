//! Finds out which store paths files refer to, as Nix does: by the hashes in them.
//!
//! 1. The hash of a store path is 32 characters of Nix's base 32, and no two store paths have the same one. Where those
//!    stand, whatever is around them, the path is meant.
//! 2. A window of that length moves over the bytes. At a byte that is no such character it can jump behind it, so that in
//!    most files one byte of thirty is looked at.
//! 3. Of each block of a file the last 31 bytes are kept, since a hash may go on in the next one.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::tree::FileTree;
use crate::entry::{EntryKind, EntryName};
use crate::error::PackError;
use crate::read::{Opener, READ_BYTES};

/// The characters of a hash in a store path's name.
const HASH_CHARS: usize = 32;

/// All digits and letters but for e, o, t and u.
const BASE32: &[u8] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// Splits the name of a store path, which has no directory in it, into its hash and what is behind that.
pub(super) fn hash_of(name: &str) -> Option<&str> {
    let (hash, rest) = name.split_at_checked(HASH_CHARS)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"+-._?=".contains(&byte);
    let rest = rest.strip_prefix('-')?;
    (hash.bytes().all(is_base32) && !rest.is_empty() && rest.bytes().all(is_name)).then_some(hash)
}

/// Returns those of the known store paths, by their hashes, whose hash is in a content, a link's target or a name. What
/// lower layers refer to, they hold.
pub(super) fn scan(tree: &FileTree, known: &BTreeMap<String, String>) -> Result<BTreeSet<String>, PackError> {
    let mut scan = Scan {
        known: known.iter().map(|(hash, path)| (hash.as_bytes(), path.as_str())).collect(),
        found: BTreeSet::new(),
        window: Vec::new(),
    };
    let mut opener = Opener::default();
    for entry in tree.own_entries() {
        scan.bytes(&entry.name.0);
        match &entry.kind {
            EntryKind::Symlink { target } => scan.bytes(target),
            EntryKind::File(content) => scan.file(&mut opener, &entry.name, content)?,
            _ => {}
        }
    }
    Ok(scan.found.into_iter().map(str::to_owned).collect())
}

struct Scan<'a> {
    known: HashMap<&'a [u8], &'a str>,
    found: BTreeSet<&'a str>,
    /// The end of what was scanned, with the next block behind it.
    window: Vec<u8>,
}

impl Scan<'_> {
    fn file(
        &mut self,
        opener: &mut Opener,
        name: &EntryName,
        content: &crate::entry::Content,
    ) -> Result<(), PackError> {
        if content.size < HASH_CHARS as u64 || self.known.is_empty() {
            return Ok(());
        }
        let mut window = std::mem::take(&mut self.window);
        window.resize(HASH_CHARS - 1 + READ_BYTES, 0);
        let mut file = opener.open(name, content, 2 * READ_BYTES as u64)?;
        let mut kept = 0;
        loop {
            let count = file.read(&mut window[kept..])?;
            if count == 0 {
                break;
            }
            let filled = kept + count;
            self.bytes(&window[..filled]);
            kept = filled.min(HASH_CHARS - 1);
            window.copy_within(filled - kept..filled, 0);
        }
        self.window = window;
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        // So many bytes from the start of the window are known to be of a hash.
        let (mut start, mut checked) = (0, 0);
        while let Some(window) = bytes.get(start..start + HASH_CHARS) {
            match window[checked..].iter().rposition(|byte| !is_base32(*byte)) {
                Some(at) => {
                    start += checked + at + 1;
                    checked = HASH_CHARS - (checked + at + 1);
                }
                None => {
                    self.found.extend(self.known.get(window));
                    start += 1;
                    checked = HASH_CHARS - 1;
                }
            }
        }
    }
}

fn is_base32(byte: u8) -> bool {
    const IS_BASE32: [bool; 256] = {
        let mut table = [false; 256];
        let mut at = 0;
        while at < BASE32.len() {
            table[BASE32[at] as usize] = true;
            at += 1;
        }
        table
    };
    IS_BASE32[usize::from(byte)]
}
