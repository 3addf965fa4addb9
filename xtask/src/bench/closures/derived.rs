//! Other shapes of the same real content.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Result;
use fs_err::{self as fs, File};

use super::StoreWriter;
use super::made::scaled;

/// Of the large path of `skewed`, and of all others together.
const HALF_BYTES: u64 = 300_000_000;
/// How many paths share the other half.
const OTHERS: u64 = 40;
/// How many files `small-files` has, and in how many paths.
const SMALL_FILES: u64 = 100_000;
const SMALL_PATHS: u64 = 100;

/// How many paths `thousand-paths` has, of how many files each, and how long these are.
const PATHS: u64 = 1_000;
const FILES_OF_PATH: u64 = 4;
const FILE_BYTES: u64 = 500_000;

/// Cuts the content into paths of equal size, 2 GB in all.
pub(super) fn thousand_paths(content: &Path, scale: f64, store: &mut StoreWriter) -> Result<()> {
    let mut content = Content::of(&content.join("nix/store"))?;
    for path in 0..scaled(PATHS, scale) {
        for file in 0..FILES_OF_PATH {
            store.write(
                &format!("path-{path:03}"),
                Path::new(&format!("lib/file-{file}")),
                &content.take(FILE_BYTES)?,
            )?;
        }
    }
    Ok(())
}

/// Gives one path as many bytes as all others together.
pub(super) fn skewed(content: &Path, scale: f64, store: &mut StoreWriter) -> Result<()> {
    let dir = content.join("nix/store");
    let wanted = scaled(HALF_BYTES, scale);
    let (mut large, mut others) = (0, 0);
    for (path, bytes) in files(&dir)? {
        let name = path.strip_prefix(&dir)?;
        if large < wanted {
            store.copy("large", name, &path)?;
            large += bytes;
        } else if bytes <= large / (OTHERS / 2) {
            // Larger files would make another large path.
            store.copy(&format!("other-{:02}", others * OTHERS / large), name, &path)?;
            others += bytes;
        }
        if large >= wanted && others >= large {
            break;
        }
    }
    Ok(())
}

/// Cuts the content into small files.
pub(super) fn small_files(content: &Path, scale: f64, store: &mut StoreWriter) -> Result<()> {
    let per_path = scaled(SMALL_FILES / SMALL_PATHS, scale);
    let mut content = Content::of(&content.join("nix/store"))?;
    for index in 0..per_path * SMALL_PATHS {
        // 1 to 5 kB, in no order.
        let bytes = 1_000 + index * 2_654_435_761 % 4_000;
        let (node, file) = (index / per_path, index % per_path);
        let name = format!("share/{}/file-{file:04}", file / 100);
        store.write(&format!("small-{node:02}"), Path::new(&name), &content.take(bytes)?)?;
    }
    Ok(())
}

/// The content of all files, one after the other, and again from the begin.
struct Content {
    paths: std::iter::Cycle<std::vec::IntoIter<PathBuf>>,
    current: Option<File>,
}

impl Content {
    fn of(dir: &Path) -> Result<Self> {
        let paths: Vec<PathBuf> = files(dir)?.into_iter().map(|(path, _)| path).collect();
        Ok(Self { paths: paths.into_iter().cycle(), current: None })
    }

    fn take(&mut self, bytes: u64) -> Result<Vec<u8>> {
        let mut taken = Vec::new();
        while (taken.len() as u64) < bytes {
            let left = bytes - taken.len() as u64;
            let read = match &mut self.current {
                Some(file) => file.take(left).read_to_end(&mut taken)?,
                None => 0,
            };
            if read == 0 {
                let Some(path) = self.paths.next() else { break };
                self.current = Some(File::open(path)?);
            }
        }
        Ok(taken)
    }
}

/// The regular files below a folder with their sizes, in order, empty ones left out.
fn files(dir: &Path) -> Result<Vec<(PathBuf, u64)>> {
    let mut found = Vec::new();
    let mut paths = fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort_unstable();
    for path in paths {
        let metadata = fs::symlink_metadata(&path)?;
        if metadata.is_dir() {
            found.extend(files(&path)?);
        } else if metadata.is_file() && metadata.len() > 0 {
            found.push((path, metadata.len()));
        }
    }
    Ok(found)
}
