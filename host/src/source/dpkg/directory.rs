//! Directories of small files, which may not be there.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::error::DpkgError;

/// The files whose name `is_wanted`, sorted by name; none where there is no directory.
pub(super) fn files_in(directory: &Path, is_wanted: fn(&[u8]) -> bool) -> Result<Vec<PathBuf>, DpkgError> {
    let entries = match fs_err::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        if is_wanted(entry.file_name().as_bytes()) {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}
