//! The database of a Nix store, for a Nix that runs inside the image.
//!
//! ```text
//! /nix/var/nix/db/db.sqlite              which paths are valid, what they hold, what they refer to
//! /nix/var/nix/db/schema                 10, and no line end: what Nix looks at before it opens the other
//! /nix/var/nix/gcroots/docker/NAME       -> /nix/store/NAME, for each root of the image
//! /nix/var/nix/gcroots/profiles          -> /nix/var/nix/profiles
//! /nix/var/nix/{gcroots,profiles}/per-user, temproots
//! ```
//!
//! 1. Read the database of the base image, if there is one ([`base`]). Paths of this image win over its rows.
//! 2. Check that every reference leads to a path that one of the two has.
//! 3. Write all rows into a new database, in ascending order of the paths, all registered in second 1 ([`tables`]).
//!
//! The bytes follow from the rows alone. Nix makes the rest when it starts: its locks, and 8 MiB of `reserved` space, which
//! no image should ship. It makes `gcroots/profiles` only together with `gcroots`, so that link has to be here.
//!
//! The file is in SQLite's rollback mode, which a read-only file system can serve. A Nix that can write turns on the
//! write-ahead log itself.

mod base;
mod error;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fs_err as fs;

pub(crate) use self::base::{BaseDatabase, MAX_BASE_BYTES};
pub(crate) use self::error::NixDbError;
use crate::nar_hash::NarHash;

/// The only store whose database lies where this module puts it.
const STORE: &str = "/nix/store/";

/// Which tables the database has, as Nix numbers its versions. 10 since Nix 2.0.
const SCHEMA: &str = "10";

/// Nix makes this link to keep what profiles have only where `gcroots` is not there.
pub(crate) const PROFILES_ROOT: &str = "/nix/var/nix/gcroots/profiles";

/// Nix's own folders that have to be there, or that nothing else of ours makes. Each before what is in it.
pub(crate) const DIRECTORIES: [&str; 11] = [
    "/nix",
    "/nix/store",
    "/nix/var",
    "/nix/var/nix",
    "/nix/var/nix/db",
    "/nix/var/nix/gcroots",
    "/nix/var/nix/gcroots/docker",
    "/nix/var/nix/gcroots/per-user",
    "/nix/var/nix/profiles",
    "/nix/var/nix/profiles/per-user",
    "/nix/var/nix/temproots",
];

/// A store path that is there, complete, with all it refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ValidPath {
    /// In full: `/nix/store/HASH-NAME`.
    pub(crate) path: String,
    pub(crate) nar_hash: NarHash,
    /// In bytes. 0 where it is not known, as in databases of old.
    pub(crate) nar_size: u64,
    /// In full and in any order; the path itself is among them where it refers to itself.
    pub(crate) references: Vec<String>,
    /// What it was built from, which need not be there.
    pub(crate) deriver: Option<String>,
    /// What its name follows from, where it follows from the content.
    pub(crate) content_address: Option<String>,
    /// With spaces between them.
    pub(crate) signatures: Option<String>,
    /// It was built here, and not brought from elsewhere.
    pub(crate) is_ultimate: bool,
    /// Of a derivation: which paths it makes, by the names of the outputs.
    pub(crate) outputs: BTreeMap<String, String>,
}

impl ValidPath {
    /// One of which nothing is known but what every graph tells.
    pub(crate) fn new(path: String, nar_hash: NarHash, nar_size: u64, references: Vec<String>) -> Self {
        Self {
            path,
            nar_hash,
            nar_size,
            references,
            deriver: None,
            content_address: None,
            signatures: None,
            is_ultimate: false,
            outputs: BTreeMap::new(),
        }
    }
}

/// A file or link of the customisation layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Where it belongs, from `/`.
    pub(crate) path: String,
    pub(crate) content: Content,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    File { mode: u32, file: PathBuf },
    Symlink { target: String },
}

/// Writes the database of `paths`, joined with that of a base image, into the folder `out_dir`, and returns all that
/// belongs into the [`DIRECTORIES`] because of it. `roots` are those of `paths` that are to be
/// kept when garbage is collected.
///
/// # Errors
///
/// A path outside of `/nix/store`, one that is there twice, a reference or root that leads to no valid path; and a base
/// image's database that is damaged or none.
pub(crate) fn write(
    paths: &[ValidPath],
    roots: &[String],
    base: Option<BaseDatabase<'_>>,
    out_dir: &Path,
) -> Result<Vec<Entry>, NixDbError> {
    let joined = join(paths, base.map(|base| base.read(out_dir)).transpose()?.unwrap_or_default())?;
    if let Some(root) = roots.iter().find(|root| !joined.contains_key(root.as_str())) {
        return Err(NixDbError::UnknownRoot(root.clone()));
    }
    let [database, schema] = ["db.sqlite", "schema"].map(|name| out_dir.join(name));
    tables::write(&joined, &database)?;
    fs::write(&schema, SCHEMA)?;
    Ok(entries(roots, database, schema))
}

/// All rows by their paths.
fn join(ours: &[ValidPath], base: Vec<ValidPath>) -> Result<BTreeMap<String, ValidPath>, NixDbError> {
    let mut joined: BTreeMap<String, ValidPath> = base.into_iter().map(|path| (path.path.clone(), path)).collect();
    let mut seen = BTreeMap::new();
    for path in ours {
        if !is_store_path(&path.path) {
            return Err(NixDbError::NotInStore(path.path.clone()));
        }
        if seen.insert(&path.path, ()).is_some() {
            return Err(NixDbError::Duplicate(path.path.clone()));
        }
        joined.insert(path.path.clone(), path.clone());
    }
    for path in joined.values() {
        if let Some(reference) = path.references.iter().find(|reference| !joined.contains_key(*reference)) {
            return Err(NixDbError::DanglingReference { path: path.path.clone(), reference: reference.clone() });
        }
    }
    Ok(joined)
}

/// Whether it is one name in Nix's own store, made of the characters that Nix allows.
pub(crate) fn is_store_path(path: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"+-._?=".contains(&b);
    path.strip_prefix(STORE)
        .is_some_and(|name| !matches!(name, "" | "." | "..") && name.len() <= 255 && name.bytes().all(allowed))
}

fn entries(roots: &[String], database: PathBuf, schema: PathBuf) -> Vec<Entry> {
    let mut entries: BTreeMap<String, Content> = BTreeMap::new();
    for root in roots {
        let name = root.strip_prefix(STORE).expect("roots are among the paths, which are all in the store");
        entries.insert(format!("/nix/var/nix/gcroots/docker/{name}"), Content::Symlink { target: root.clone() });
    }
    let profiles = Content::Symlink { target: "/nix/var/nix/profiles".into() };
    entries.insert(PROFILES_ROOT.into(), profiles);
    for (name, file) in [("db.sqlite", database), ("schema", schema)] {
        entries.insert(format!("/nix/var/nix/db/{name}"), Content::File { mode: 0o644, file });
    }
    entries.into_iter().map(|(path, content)| Entry { path, content }).collect()
}
