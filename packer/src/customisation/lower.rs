//! What lower layers have where the customisation layer comes to lie.

use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::entry::EntryName;

/// The directories and symlinks of lower layers, most often those of a base image.
///
/// A file at `/bin/tool` is put into `/usr/bin` where the base image has a link at `/bin`: a real directory there would
/// hide everything that the link leads to. And a directory that is needed only for what lies in it keeps the mode and
/// the owner that it has below.
#[derive(Clone, Debug, Default)]
pub struct LowerFiles {
    files: BTreeMap<EntryName, LowerFile>,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LowerFile {
    /// A directory.
    Directory {
        /// Permissions with set-id and sticky bits.
        mode: u32,
        /// The owner's user.
        uid: u32,
        /// The owner's group.
        gid: u32,
    },
    /// A symlink, with what it says.
    Symlink(Vec<u8>),
}

impl LowerFiles {
    /// Says what the topmost of the lower layers has at a path, which leads through no symlink: so all above it are
    /// directories, of root and with mode 0755 unless something else is said. Other files need not be told.
    pub fn insert(&mut self, path: &Path, file: LowerFile) {
        let parts = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
        let parts: Vec<&[u8]> = parts.filter(|part| !matches!(*part, b"" | b".")).collect();
        for end in 1..parts.len() {
            let above = LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 };
            self.files.entry(EntryName(parts[..end].join(&b'/'))).or_insert(above);
        }
        self.files.insert(EntryName(parts.join(&b'/')), file);
    }

    pub(crate) fn get(&self, name: &EntryName) -> Option<&LowerFile> {
        self.files.get(name)
    }
}
