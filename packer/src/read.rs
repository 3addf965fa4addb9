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

use std::io;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Advice, CWD, FileType, Mode, OFlags, ResolveFlags, fadvise, fstat, openat, openat2};
use rustix::io::{Errno, retry_on_intr};

use crate::entry::{Base, Content, EntryName, Inode, LinksBefore, Modified, Seen};
use crate::error::{FileChange, PackError};

/// How much is read at once: more only evicts the processor's cache before the bytes are hashed.
pub(crate) const READ_BYTES: usize = 256 << 10;

/// Opens files, of which several in a row are often in one directory: looked up from there, each takes half the time.
#[derive(Default)]
pub(crate) struct Opener {
    last: Option<Directory>,
}

struct Directory {
    base: Arc<Base>,
    /// As names of entries begin, with the slash.
    name: EntryName,
    /// `None` until there is a second file.
    file: Option<OwnedFd>,
}

/// A file of a layer that is open.
pub(crate) struct OpenFile {
    file: OwnedFd,
    base: Arc<Base>,
    name: EntryName,
    size: u64,
    modified: Modified,
    read: u64,
    /// How much the kernel knows will be read, and how much it is to know before we read it.
    announced: u64,
    ahead: u64,
    checked: bool,
    is_same: bool,
}

impl Opener {
    /// Opens a file, and announces to the kernel that its first bytes will be read.
    pub(crate) fn open(&mut self, name: &EntryName, content: &Content, ahead: u64) -> Result<OpenFile, PackError> {
        let file = self.open_unchecked(name, &content.base);
        let mut file = OpenFile {
            file: file.map_err(|error| failed(content.base.path_of(name), error))?,
            base: Arc::clone(&content.base),
            name: name.clone(),
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

    fn open_unchecked(&mut self, name: &EntryName, base: &Arc<Base>) -> rustix::io::Result<OwnedFd> {
        // Should it be a FIFO by now, opening must neither wait for a writer nor follow a link.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let (directory, last) = name.0.split_at(name.0.iter().rposition(|byte| *byte == b'/').map_or(0, |at| at + 1));
        match &mut self.last {
            Some(known) if known.is(base, directory) => openat(known.file()?, last, flags, Mode::empty()),
            known => {
                let is_below = directory.len() > base.prefix && !last.is_empty();
                let directory =
                    || Directory { base: Arc::clone(base), name: EntryName(directory.to_vec()), file: None };
                *known = is_below.then(directory);
                open(&base.path_of(name), base.links, flags)
            }
        }
    }
}

impl Directory {
    fn is(&self, base: &Arc<Base>, name: &[u8]) -> bool {
        Arc::ptr_eq(&self.base, base) && self.name.0 == name
    }

    fn file(&mut self) -> rustix::io::Result<BorrowedFd<'_>> {
        if self.file.is_none() {
            self.file = Some(open(
                &self.base.path_of(&self.name),
                self.base.links,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            )?);
        }
        Ok(self.file.as_ref().expect("it is open now").as_fd())
    }
}

impl OpenFile {
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
        let count = retry_on_intr(|| rustix::io::read(&self.file, &mut out[..wanted]));
        let count = count.map_err(|error| failed(self.path(), error))?;
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
        let stat = fstat(&self.file).map_err(|error| failed(self.path(), error))?;
        let seen = Seen::from(&stat);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            Err(self.changed(FileChange::Replaced))
        } else if seen.size != self.size || seen.modified != self.modified {
            Err(self.changed(FileChange::Changed))
        } else {
            Ok(seen.inode)
        }
    }

    fn changed(&self, change: FileChange) -> PackError {
        PackError::FileChanged { path: self.path(), change }
    }

    fn path(&self) -> PathBuf {
        self.base.path_of(&self.name)
    }
}

/// What to say of a file that was there when it was walked.
fn failed(path: PathBuf, error: Errno) -> PackError {
    match error {
        Errno::NOENT | Errno::NOTDIR => PackError::FileChanged { path, change: FileChange::Vanished },
        Errno::LOOP | Errno::NXIO => PackError::FileChanged { path, change: FileChange::Replaced },
        error => {
            let message = format!("failed to read `{}`: {error}", path.display());
            PackError::Read(io::Error::new(error.kind(), message))
        }
    }
}

/// Opens what has this path, which leads through no symlink where that was found out before.
pub(crate) fn open(path: &Path, links: LinksBefore, flags: OFlags) -> rustix::io::Result<OwnedFd> {
    let opened = match links {
        LinksBefore::Never => openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_SYMLINKS),
        LinksBefore::Maybe => Err(Errno::NOSYS),
    };
    match opened {
        // Linux before 5.6 does not know the call, and sandboxes of that time forbid it; there only the last component is
        // looked at.
        Err(Errno::NOSYS | Errno::PERM) => rustix::fs::open(path, flags, Mode::empty()),
        opened => opened,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::time::{Duration, SystemTime};

    use fs_err::File;

    use super::*;
    use crate::fixture::{Fixture, H, plan, walk_all, write_layer};
    use crate::{Compression, NodeFiles};

    fn content_of(path: &Path) -> Content {
        let base = Base { path: path.into(), prefix: 0, links: LinksBefore::Maybe };
        Content::new(&base.into(), &rustix::fs::lstat(path).unwrap())
    }

    fn copied(content: &Content) -> Result<Vec<u8>, PackError> {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        let mut file = Opener::default().open(&EntryName(Vec::new()), content, 8192)?;
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
