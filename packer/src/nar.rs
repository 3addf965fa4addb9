//! How many bytes the NAR of a store path has: the size that Nix tells. It follows from names, kinds and lengths.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, io};

use crate::walk::{LastLink, locate};

/// What a NAR has before its first file.
const NAR_START: u64 = 24;

/// What decides the length of a file's entry, besides its name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NarFile {
    Directory,
    Symlink { target_bytes: u64 },
    Regular { bytes: u64, is_executable: bool },
}

/// What a file adds to a NAR, with its name in its directory; a store path itself has none there.
pub(crate) fn entry_bytes(file: NarFile, name: Option<&[u8]>) -> u64 {
    let entry = name.map_or(NAR_START, |name| 80 + string(name.len() as u64));
    entry.saturating_add(match file {
        NarFile::Directory => 72,
        NarFile::Symlink { target_bytes } => 80 + string(target_bytes),
        NarFile::Regular { bytes, is_executable: true } => string(bytes).saturating_add(112),
        NarFile::Regular { bytes, is_executable: false } => string(bytes).saturating_add(80),
    })
}

/// A length, and as many bytes, filled up.
fn string(bytes: u64) -> u64 {
    bytes.div_ceil(8).saturating_mul(8).saturating_add(8)
}

/// Returns how many bytes the NAR of a path below `root` has, without reading its files; `None` if nothing lies there.
///
/// # Errors
///
/// What cannot be looked at, and what no NAR holds, both with the path.
pub fn nar_bytes(root: &Path, path: &Path) -> io::Result<Option<u64>> {
    let Some(top) = locate(root, path, LastLink::Keep)? else { return Ok(None) };
    let mut bytes = entry_bytes(look(&top, &fs_err::symlink_metadata(&top)?)?, None);
    let mut directories = if top.is_symlink() || !top.is_dir() { Vec::new() } else { vec![top] };
    while let Some(directory) = directories.pop() {
        for entry in fs_err::read_dir(directory)? {
            let entry = entry?;
            let file = look(&entry.path(), &entry.metadata()?)?;
            bytes = bytes.saturating_add(entry_bytes(file, Some(entry.file_name().as_bytes())));
            if let NarFile::Directory = file {
                directories.push(entry.path());
            }
        }
    }
    Ok(Some(bytes))
}

fn look(path: &Path, metadata: &fs::Metadata) -> io::Result<NarFile> {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Ok(NarFile::Directory)
    } else if kind.is_symlink() {
        Ok(NarFile::Symlink { target_bytes: fs_err::read_link(path)?.as_os_str().len() as u64 })
    } else if kind.is_file() {
        let is_executable = metadata.permissions().mode() & 0o100 != 0;
        Ok(NarFile::Regular { bytes: metadata.len(), is_executable })
    } else {
        Err(io::Error::other(format!("`{}` is neither file nor directory nor symlink", path.display())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn measured(fixture: &Fixture, path: &str) -> u64 {
        nar_bytes(fixture.root(), Path::new(path)).unwrap().unwrap()
    }

    /// What `nix-store --dump` writes of the same.
    #[test]
    fn paths_are_as_long_as_nix_dumps_them() {
        let fixture = Fixture::new();
        fixture.file("/nix/store/file", 0o444, b"hello\n");
        fixture.symlink("/nix/store/link", "/nix/store/file");
        fixture.dir("/nix/store/dir", 0o755);
        fixture.dir("/nix/store/dir/bin", 0o755);
        fixture.file("/nix/store/dir/bin/program", 0o555, b"#!/bin/sh\n");
        fixture.file("/nix/store/dir/empty", 0o444, b"");
        fixture.symlink("/nix/store/dir/sh", "bin/program");
        for (path, expected) in [("/nix/store/file", 120), ("/nix/store/link", 128), ("/nix/store/dir", 880)] {
            assert_eq!(measured(&fixture, path), expected, "{path}");
        }
    }

    #[test]
    fn what_is_not_there_or_in_no_nar_has_no_length() {
        let fixture = Fixture::new();
        fixture.dir("/nix/store/x", 0o755);
        fixture.fifo("/nix/store/x/pipe");
        assert_eq!(nar_bytes(fixture.root(), Path::new("/nix/store/y")).unwrap(), None);
        let error = nar_bytes(fixture.root(), Path::new("/nix/store/x")).unwrap_err().to_string();
        assert!(error.ends_with("/x/pipe` is neither file nor directory nor symlink"), "{error}");
    }
}
