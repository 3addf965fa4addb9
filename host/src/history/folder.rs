//! A folder of earlier images, oldest first by the names of its files: so names begin with a date or a number.
//!
//! Each file in it is a plan, a history or an archive of an image, and each folder in it an OCI layout. Anything else is an
//! error, because somebody's plan under a wrong name would be missed by nobody. Hidden files, whose names begin with a dot,
//! are passed over. A folder with nothing in it tells of no image, and is fine: so the first build begins.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::lines::MAX_IMAGES;
use super::named::is_layout;

/// What is in a folder, ascending by name.
pub(super) fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let name = entry?.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entries.len() == MAX_IMAGES {
            bail!("there are more than {MAX_IMAGES} files in it");
        }
        entries.push(dir.join(name));
    }
    entries.sort_by(|a, b| a.as_os_str().cmp(b.as_os_str()));
    entries.iter().try_for_each(|entry| check(entry))?;
    Ok(entries)
}

fn check(entry: &Path) -> Result<()> {
    let found = fs_err::metadata(entry)?;
    let is_history = found.is_file() || found.is_dir() && is_layout(entry);
    if !is_history {
        bail!("{} is neither a file nor an OCI layout; remove it, or begin its name with a dot", entry.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_by_name_without_hidden_ones() {
        let dir = tempfile::tempdir().unwrap();
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let names = || entries(dir.path()).map(|all| all.iter().map(name).collect::<Vec<_>>());
        assert_eq!(names().unwrap(), [""; 0]);
        for name in ["b.json", "a.json", "a-2.json", "C", ".hidden", ".lock"] {
            fs_err::write(dir.path().join(name), "").unwrap();
        }
        fs_err::create_dir(dir.path().join("layout")).unwrap();
        let error = names().unwrap_err().to_string();
        assert!(error.contains("layout is neither a file nor an OCI layout; "), "{error}");
        fs_err::write(dir.path().join("layout/oci-layout"), "").unwrap();
        assert_eq!(names().unwrap(), ["C", "a-2.json", "a.json", "b.json", "layout"]);
    }
}
