//! Reads a file that must not have changed since it was walked.
//!
//! The header with the file's size is written before the content is read, so a file that grows, shrinks or is replaced
//! in between would shift everything after it. And a file that is written while it is read would give a layer with bytes
//! that it never had. So:
//!
//! 1. What is opened must be a regular file with the size and time of modification of the walk, and no directory on the
//!    way to it may have become a symlink, which could lead out of the root.
//! 2. It must have at least as many bytes.
//! 3. Afterwards, size and time must still be the same.

use std::io::{self, Read};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::path::Path;

use fs_err::File;
use rustix::fs::{Advice, CWD, Mode, OFlags, ResolveFlags, fadvise, openat2};
use rustix::io::Errno;

use crate::entry::{Content, EntryName, Inode, LinksBefore, Modified, Seen};
use crate::error::{FileChange, PackError};

/// How much is read at once: more only evicts the processor's cache before the bytes are hashed.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// A file of a layer that is open.
pub(crate) struct OpenFile {
    file: File,
    size: u64,
    modified: Modified,
    read: u64,
    /// How much the kernel knows will be read, and how much it is to know before we read it.
    announced: u64,
    ahead: u64,
    checked: bool,
    is_same: bool,
}

impl OpenFile {
    /// Opens a file, and announces to the kernel that its first bytes will be read.
    pub(crate) fn open(name: &EntryName, content: &Content, ahead: u64) -> Result<Self, PackError> {
        let file = open(&content.base.path_of(name), content.base.links)?;
        let mut file = Self {
            file,
            size: content.size,
            modified: content.modified,
            read: 0,
            announced: 0,
            ahead,
            checked: false,
            is_same: false,
        };
        file.is_same = file.check_unchanged()? == content.inode;
        file.announce();
        Ok(file)
    }

    /// Whether it is the very file that was walked, and nobody has touched it since. Who optimises a store, does.
    pub(crate) fn is_same(&self) -> bool {
        self.is_same
    }

    /// Reads the next bytes into `out`, which has room for some. Returns 0 at the end, where the file is found to be
    /// what it was.
    pub(crate) fn read(&mut self, out: &mut [u8]) -> Result<usize, PackError> {
        let left = self.size - self.read;
        if left == 0 {
            return self.end().map(|()| 0);
        }
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(out.len()).min(READ_BYTES);
        let count = read_some(&mut self.file, &mut out[..wanted])?;
        if count == 0 {
            return Err(self.changed(FileChange::Changed));
        }
        self.read += count as u64;
        // Not for every few bytes.
        if self.announced < self.size && self.announced - self.read < self.ahead / 2 {
            self.announce();
        }
        Ok(count)
    }

    fn end(&mut self) -> Result<(), PackError> {
        if !self.checked {
            self.check_unchanged()?;
            self.checked = true;
        }
        Ok(())
    }

    /// Only makes things faster, so it may fail.
    fn announce(&mut self) {
        let end = self.size.min(self.read.saturating_add(self.ahead));
        if let Some(length) = NonZeroU64::new(end - self.announced) {
            fadvise(&self.file, self.announced, Some(length), Advice::WillNeed).ok();
        }
        self.announced = end;
    }

    fn check_unchanged(&self) -> Result<Inode, PackError> {
        let metadata = self.file.metadata().map_err(PackError::Read)?;
        let seen = Seen::from(&metadata);
        if !metadata.is_file() {
            Err(self.changed(FileChange::Replaced))
        } else if seen.size != self.size || seen.modified != self.modified {
            Err(self.changed(FileChange::Changed))
        } else {
            Ok(seen.inode)
        }
    }

    fn changed(&self, change: FileChange) -> PackError {
        PackError::FileChanged { path: self.file.path().to_owned(), change }
    }
}

fn open(path: &Path, links: LinksBefore) -> Result<File, PackError> {
    // Should it be a FIFO by now, opening must neither wait for a writer nor follow a link.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let changed = |change| PackError::FileChanged { path: path.to_owned(), change };
    let opened = match links {
        LinksBefore::Never => open_without_links(path, flags),
        LinksBefore::Maybe => rustix::fs::open(path, flags, Mode::empty()),
    };
    match opened {
        Ok(file) => Ok(File::from_parts(file.into(), path)),
        Err(Errno::NOENT | Errno::NOTDIR) => Err(changed(FileChange::Vanished)),
        Err(Errno::LOOP | Errno::NXIO) => Err(changed(FileChange::Replaced)),
        Err(error) => {
            let message = format!("failed to open `{}`: {error}", path.display());
            Err(PackError::Read(io::Error::new(error.kind(), message)))
        }
    }
}

/// Linux before 5.6 does not know the call, and sandboxes of that time forbid it; there only the last component is
/// looked at.
fn open_without_links(path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS) {
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::open(path, flags, Mode::empty()),
        opened => opened,
    }
}

fn read_some(file: &mut File, buffer: &mut [u8]) -> Result<usize, PackError> {
    loop {
        match file.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map_err(PackError::Read),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::entry::Base;
    use crate::fixture::{Fixture, H, plan, walk_all, write_layer};
    use crate::{Compression, NodeFiles};

    fn content_of(path: &Path) -> Content {
        let base = Base { path: path.into(), prefix: 0, links: LinksBefore::Maybe };
        Content::new(&base.into(), &rustix::fs::lstat(path).unwrap())
    }

    fn copied(content: &Content) -> Result<Vec<u8>, PackError> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        let mut file = OpenFile::open(&EntryName(Vec::new()), content, 8192)?;
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(bytes),
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }

    fn set_modified(path: &Path, time: SystemTime) {
        File::options().write(true).open(path).unwrap().into_file().set_modified(time).unwrap();
    }

    /// Walks a file, does something to it, and expects the error.
    fn check(change: impl FnOnce(&Path), expected: &str) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs_err::write(&path, b"0123456789").unwrap();
        let content = content_of(&path);
        change(&path);
        let message = copied(&content).unwrap_err().to_string();
        assert_eq!(message, format!("`{}` {expected} while it was read", path.display()));
    }

    #[test]
    fn content_is_copied_over_the_ends_of_blocks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        for length in [0, 1, 4095, 4096, 4097, 300_000] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            fs_err::write(&path, &bytes).unwrap();
            assert!(copied(&content_of(&path)).unwrap() == bytes, "{length}");
        }
    }

    #[test]
    fn growing_file_is_an_error() {
        check(|path| fs_err::write(path, b"01234567890").unwrap(), "changed");
    }

    #[test]
    fn shrinking_file_is_an_error() {
        check(|path| fs_err::write(path, b"0").unwrap(), "changed");
    }

    #[test]
    fn rewritten_file_is_an_error() {
        check(|path| set_modified(path, SystemTime::UNIX_EPOCH + Duration::from_nanos(1)), "changed");
    }

    #[test]
    fn vanished_file_is_an_error() {
        check(|path| fs_err::remove_file(path).unwrap(), "vanished");
    }

    #[test]
    fn file_replaced_by_symlink_is_an_error() {
        let replace = |path: &Path| {
            fs_err::rename(path, path.with_extension("old")).unwrap();
            symlink(path.with_extension("old"), path).unwrap();
        };
        check(replace, "was replaced by something else");
    }

    #[test]
    fn directory_replaced_by_symlink_is_an_error() {
        if openat2(CWD, "/", OFlags::PATH, Mode::empty(), ResolveFlags::NO_SYMLINKS).is_err() {
            eprintln!("not tested: the kernel has no openat2");
            return;
        }
        let (fixture, elsewhere) = (Fixture::new(), Fixture::new());
        let node = format!("{H}-a");
        for fixture in [&fixture, &elsewhere] {
            fixture.dir(&format!("{node}/bin"), 0o755);
            fixture.file(&format!("{node}/bin/x"), 0o444, b"0123456789");
            set_modified_of_read_only(&fixture.at(&format!("{node}/bin/x")));
        }
        let link = fixture.at("/link");
        symlink(fixture.root(), &link).unwrap();
        for root in [fixture.root(), &link] {
            let files = |name: &str| NodeFiles::Tree(name.into());
            let layer = walk_all(&plan(&[&[&node]]), &files, root).unwrap().remove(0);
            write_layer(&layer, Compression::None).unwrap();
            let (bin, aside) = (fixture.at(&format!("{node}/bin")), fixture.at("/aside"));
            fs_err::rename(&bin, &aside).unwrap();
            symlink(elsewhere.at(&format!("{node}/bin")), &bin).unwrap();
            let error = write_layer(&layer, Compression::None).unwrap_err();
            assert!(matches!(error, PackError::FileChanged { change: FileChange::Replaced, .. }), "{error}");
            fs_err::remove_file(&bin).unwrap();
            fs_err::rename(&aside, &bin).unwrap();
        }
    }

    fn set_modified_of_read_only(path: &Path) {
        File::open(path).unwrap().into_file().set_modified(SystemTime::UNIX_EPOCH).unwrap();
    }

    #[test]
    fn file_replaced_by_fifo_does_not_hang() {
        let replace = |path: &Path| {
            fs_err::remove_file(path).unwrap();
            let mode = rustix::fs::Mode::from_raw_mode(0o600);
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
        };
        check(replace, "was replaced by something else");
    }

    #[test]
    fn file_that_gained_a_hard_link_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs_err::write(&path, b"x").unwrap();
        let content = content_of(&path);
        fs_err::hard_link(&path, dir.path().join("other")).unwrap();
        assert_eq!(copied(&content).unwrap(), b"x");
    }
}
