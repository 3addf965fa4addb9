//! Closures to pack: folders with `nix/store/...` and a graph, made once.
//!
//! | closure | what it is like |
//! |---|---|
//! | `debian` | programs and libraries: the files of installed packages |
//! | `skewed` | one path has half of the bytes |
//! | `small-files` | 100,000 files of about 3 kB |
//! | `thousand-paths` | 1,000 paths of 2 MB |
//! | `sparse` | more than 10 GB, nearly nothing of which is on the disk |
//! | `many-files` | 500,000 tiny files |

mod debian;
mod derived;
mod made;
mod store;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err as fs;
use serde_json::{Value, json};

use self::store::StoreWriter;

/// Another number makes all closures anew.
const VERSION: u64 = 1;

/// A closure to pack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ClosureName {
    Debian,
    Skewed,
    SmallFiles,
    ThousandPaths,
    Sparse,
    ManyFiles,
}

/// A closure that is on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Closure {
    pub(crate) name: ClosureName,
    /// Stands for `/`.
    pub(crate) root: PathBuf,
    pub(crate) graph: PathBuf,
    pub(crate) paths: u64,
    pub(crate) files: u64,
    pub(crate) content_bytes: u64,
}

impl ClosureName {
    pub(crate) const ALL: [Self; 6] =
        [Self::Debian, Self::Skewed, Self::SmallFiles, Self::ThousandPaths, Self::Sparse, Self::ManyFiles];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Debian => "debian",
            Self::Skewed => "skewed",
            Self::SmallFiles => "small-files",
            Self::ThousandPaths => "thousand-paths",
            Self::Sparse => "sparse",
            Self::ManyFiles => "many-files",
        }
    }
}

/// Returns the closure in `dir`, after making it where it is not there. A `scale` below 1 makes a smaller one.
pub(crate) fn ensure(dir: &Path, name: ClosureName, scale: f64) -> Result<Closure> {
    let root = dir.join(name.as_str());
    let stamp = root.join("stamp.json");
    let made = fs::read_to_string(&stamp).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    let facts = match made.filter(|facts| facts["version"] == VERSION && facts["scale"] == scale) {
        Some(facts) => facts,
        None => {
            let facts = make(dir, name, scale).with_context(|| format!("making the closure `{}`", name.as_str()))?;
            // Last, so that what was interrupted is made again.
            fs::write(&stamp, facts.to_string())?;
            facts
        }
    };
    let fact = |key: &str| facts[key].as_u64().with_context(|| format!("{} has no `{key}`", stamp.display()));
    let graph = root.join("graph.json");
    let (paths, files, content_bytes) = (fact("paths")?, fact("files")?, fact("content_bytes")?);
    Ok(Closure { name, root, graph, paths, files, content_bytes })
}

fn make(dir: &Path, name: ClosureName, scale: f64) -> Result<Value> {
    let root = dir.join(name.as_str());
    // What is made of the files of packages.
    let content = match name {
        ClosureName::Skewed | ClosureName::SmallFiles | ClosureName::ThousandPaths => {
            Some(ensure(dir, ClosureName::Debian, scale)?)
        }
        _ => None,
    };
    eprintln!("making the closure `{}` in {}", name.as_str(), root.display());
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    let mut store = StoreWriter::new(&root)?;
    match (name, content) {
        (ClosureName::Skewed, Some(content)) => derived::skewed(&content.root, scale, &mut store)?,
        (ClosureName::SmallFiles, Some(content)) => derived::small_files(&content.root, scale, &mut store)?,
        (ClosureName::ThousandPaths, Some(content)) => derived::thousand_paths(&content.root, scale, &mut store)?,
        (ClosureName::Sparse, _) => made::sparse(scale, &mut store)?,
        (ClosureName::ManyFiles, _) => made::many_files(scale, &mut store)?,
        _ => debian::write(scale, &mut store)?,
    }
    let totals = store.finish(&root.join("graph.json"))?;
    Ok(json!({
        "version": VERSION,
        "scale": scale,
        "paths": totals.paths,
        "files": totals.files,
        "content_bytes": totals.content_bytes,
    }))
}
