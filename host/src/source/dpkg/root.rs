//! The directory below which a package database and its files lie.
//!
//! Every path is looked up as a process would see it whose root that is: a database behind `/var/lib/dpkg -> /data/dpkg`
//! is found, and no link leads to files of the machine that runs us. Nothing else here opens a file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::Metadata;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use layerwright_packer::{LastLink, locate};

use super::error::DpkgError;

/// The status database of a machine with every package of Debian is a tenth of this.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Paths that it takes are absolute, as seen inside; `None` is for what is not there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Root<'a>(&'a Path);

impl<'a> Root<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self(path)
    }

    /// How messages call a path. Links in it lead anywhere, so nothing is opened by this name.
    pub(super) fn named_path(self, path: &Path) -> PathBuf {
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The content of a regular file of at most 1 GiB.
    pub(super) fn read(self, path: &Path) -> Result<Option<Vec<u8>>, DpkgError> {
        self.read_up_to(MAX_FILE_BYTES, path)
    }

    fn read_up_to(self, max_bytes: u64, path: &Path) -> Result<Option<Vec<u8>>, DpkgError> {
        let Some(found) = locate(self.0, path, LastLink::Follow)? else { return Ok(None) };
        // Before it is opened: that alone would wait for the other end of a FIFO.
        if !fs_err::symlink_metadata(&found)?.is_file() {
            return Err(DpkgError::NotRegular { path: self.named_path(path) });
        }
        let mut content = Vec::new();
        fs_err::File::open(found)?.take(max_bytes.saturating_add(1)).read_to_end(&mut content)?;
        if content.len() as u64 > max_bytes {
            return Err(DpkgError::TooBig { path: self.named_path(path), max_bytes });
        }
        Ok(Some(content))
    }

    /// What lies there, be it a link.
    pub(super) fn metadata(self, path: &Path) -> io::Result<Option<Metadata>> {
        locate(self.0, path, LastLink::Keep)?.map(fs_err::symlink_metadata).transpose()
    }

    /// Where a link leads, as it is written; `None` also for what is no link.
    pub(super) fn read_link(self, path: &Path) -> io::Result<Option<PathBuf>> {
        match locate(self.0, path, LastLink::Keep)? {
            Some(found) if fs_err::symlink_metadata(&found)?.is_symlink() => fs_err::read_link(found).map(Some),
            _ => Ok(None),
        }
    }

    /// The path without any symlinks.
    pub(super) fn real_path(self, path: &Path) -> io::Result<Option<PathBuf>> {
        let found = locate(self.0, path, LastLink::Follow)?;
        let inside = |found: PathBuf| Path::new("/").join(found.strip_prefix(self.0).expect("it is below the root"));
        Ok(found.map(inside))
    }

    /// Those of some paths where nothing lies, in their order. Each directory is looked up once.
    pub(super) fn absent<'p>(self, paths: impl Iterator<Item = &'p Path>) -> io::Result<Vec<&'p Path>> {
        let mut directories: HashMap<&Path, Option<PathBuf>> = HashMap::new();
        let mut absent = Vec::new();
        for path in paths {
            let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else { continue };
            let found = match directories.entry(directory) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(locate(self.0, directory, LastLink::Follow)?),
            };
            let is_there = found.as_ref().is_some_and(|found| fs_err::symlink_metadata(found.join(name)).is_ok());
            if !is_there {
                absent.push(path);
            }
        }
        Ok(absent)
    }

    /// Those in a directory whose name `is_wanted`, sorted by name; none where there is no directory.
    pub(super) fn read_dir(self, directory: &Path, is_wanted: fn(&[u8]) -> bool) -> io::Result<Vec<PathBuf>> {
        let Some(found) = locate(self.0, directory, LastLink::Follow)? else { return Ok(Vec::new()) };
        let mut paths = Vec::new();
        for entry in fs_err::read_dir(found)? {
            let name = entry?.file_name();
            if is_wanted(name.as_bytes()) {
                paths.push(directory.join(name));
            }
        }
        paths.sort();
        Ok(paths)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::super::test_root::TestRoot;
    use super::*;

    /// `data/file` and links to it and to a file that is outside of the root.
    fn linked(outside: &Path) -> TestRoot {
        let root = TestRoot::new();
        root.write("data/file", "inside");
        root.symlink("/data", "abs");
        root.symlink("../../../data", "etc/up");
        root.symlink("/abs/file", "file");
        root.symlink(outside.to_str().unwrap(), "outside");
        root.symlink("loop", "loop");
        root
    }

    #[test]
    fn links_are_followed_below_the_root() {
        let outside = tempfile::tempdir().unwrap();
        fs_err::write(outside.path().join("file"), "outside").unwrap();
        let test_root = linked(outside.path());
        let root = test_root.root();
        for path in ["/data/file", "/abs/file", "/etc/up/file", "/file", "/../../abs/../data/file"] {
            assert_eq!(root.read(Path::new(path)).unwrap().unwrap(), b"inside", "{path}");
            assert_eq!(root.real_path(Path::new(path)).unwrap().unwrap(), Path::new("/data/file"), "{path}");
        }
        for directory in ["/abs", "/etc/up"] {
            let inside = Path::new(directory).join("file");
            assert_eq!(root.read_dir(Path::new(directory), |_| true).unwrap(), [inside.as_path()]);
            assert_eq!(root.metadata(&inside).unwrap().unwrap().len(), 6);
        }
        let path = Path::new("/outside/file");
        assert!(root.read(path).unwrap().is_none());
        assert!(root.metadata(path).unwrap().is_none());
        assert!(root.real_path(path).unwrap().is_none());
        assert!(root.read_dir(Path::new("/outside"), |_| true).unwrap().is_empty());
        assert!(root.read(Path::new("/loop")).unwrap_err().to_string().contains("more than 40 symlinks"));
    }

    #[test]
    fn the_link_at_the_end_is_what_was_asked_for() {
        let test_root = linked(Path::new("/"));
        let root = test_root.root();
        let read_link = |path| root.read_link(Path::new(path)).unwrap();
        assert_eq!(read_link("/file").unwrap(), Path::new("/abs/file"));
        assert_eq!(read_link("/outside/file").unwrap(), Path::new("/abs/file"));
        assert_eq!(read_link("/abs/file"), None);
        assert_eq!(read_link("/nowhere/file"), None);
        assert!(root.metadata(Path::new("/outside")).unwrap().unwrap().is_symlink());
    }

    #[test]
    fn only_regular_files_are_read() {
        let root = TestRoot::new();
        assert!(Command::new("mkfifo").arg(root.path().join("fifo")).status().unwrap().success());
        root.symlink("fifo", "to-fifo");
        for path in ["/fifo", "/to-fifo", "/var"] {
            let error = root.root().read(Path::new(path)).unwrap_err();
            let named = root.path().join(&path[1..]);
            assert_eq!(error.to_string(), format!("`{}` is not a regular file", named.display()));
        }
    }

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let root = TestRoot::new();
        root.write("x", "12345");
        assert_eq!(root.root().read_up_to(5, Path::new("/x")).unwrap().unwrap(), b"12345");
        let error = root.root().read_up_to(4, Path::new("/x")).unwrap_err();
        let named = root.path().join("x");
        assert_eq!(error.to_string(), format!("`{}` is longer than 4 bytes", named.display()));
    }
}
