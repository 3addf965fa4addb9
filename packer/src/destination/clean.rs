//! What may be removed at a destination: what killed builds left there, and blobs of a layout that no image needs any more.
//!
//! A blob is needed if anything that is needed names it, however: manifests of artifacts and of tools to come name theirs in
//! members that we do not know. So whatever is called `digest` in a document counts. An index or a manifest that cannot be
//! read may name any blob, and then all of them stay.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde_json::Value;
use thiserror::Error;

use super::Destination;
use super::layout::check_parts;
use super::place::parent;
use crate::Digest;
use crate::error::PackError;
use crate::image_files::open_regular;
use crate::lock::Lock;
use crate::oci;
use crate::staging::{Abandoned, abandoned_in, remove_abandoned};

/// Registries take no longer document.
const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// Whether anything is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaning {
    /// What can be removed is removed.
    Remove,
    /// It is only told.
    Pretend,
}

/// What was removed, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// What killed builds left.
    pub abandoned: Vec<Abandoned>,
    /// Blobs that no image in the layout needs, with their sizes.
    pub blobs: BTreeMap<Digest, u64>,
}

/// Why not all is removed.
#[derive(Debug, Error)]
pub enum CleanError {
    /// It is no layout that its own files are in: what is removed could lie anywhere.
    #[error(transparent)]
    NotALayout(#[from] PackError),
    /// A file or directory cannot be read or removed. The message names it.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It would name the blobs that are needed.
    #[error("`{}` {reason}, so that nobody knows which blobs are needed; all of them stay", path.display())]
    Unreadable {
        /// The index, or the blob of a manifest.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is nothing at a stream.
    #[error("standard output keeps nothing: name a file or a directory")]
    Stream,
}

/// Removes what is not needed at a destination, whose tag says nothing here. Builds may go on there at the same time; other
/// tools that write to a layout do not know its lock.
///
/// # Errors
///
/// See [`CleanError`]. What killed builds left is gone by then.
pub fn clean(destination: &Destination, cleaning: Cleaning) -> Result<Cleaned, CleanError> {
    let abandoned = |dir: &Path| match cleaning {
        Cleaning::Remove => remove_abandoned(dir),
        Cleaning::Pretend => abandoned_in(dir),
    };
    match destination {
        Destination::Stdout => Err(CleanError::Stream),
        Destination::DockerArchive { file, .. } | Destination::OciArchive { file, .. } => {
            Ok(Cleaned { abandoned: abandoned(parent(file))?, blobs: BTreeMap::new() })
        }
        Destination::OciLayout { dir, .. } => {
            // A layout that is not there yet is made beside its place.
            let mut cleaned = Cleaned { abandoned: abandoned(parent(dir))?, blobs: BTreeMap::new() };
            if dir.join(oci::LAYOUT_FILE).exists() {
                cleaned.abandoned.extend(abandoned(dir)?);
                cleaned.blobs = clean_blobs(dir, cleaning)?;
            }
            Ok(cleaned)
        }
    }
}

fn clean_blobs(dir: &Path, cleaning: Cleaning) -> Result<BTreeMap<Digest, u64>, CleanError> {
    let _lock = Lock::wait_for(dir)?;
    check_parts(dir)?;
    let needed = needed_blobs(dir)?;
    let mut removed = BTreeMap::new();
    for child in fs_err::read_dir(dir.join(oci::BLOBS))? {
        let child = child?;
        let name = child.file_name();
        let Some(digest) = name.to_str().and_then(|name| format!("sha256:{name}").parse::<Digest>().ok()) else {
            continue;
        };
        if needed.contains(&digest) || !child.file_type()?.is_file() {
            continue;
        }
        removed.insert(digest, child.metadata()?.len());
        if cleaning == Cleaning::Remove {
            fs_err::remove_file(child.path())?;
        }
    }
    Ok(removed)
}

/// The digests of all that the images of a layout are made of. Each document is read once, however often it is listed.
fn needed_blobs(dir: &Path) -> Result<BTreeSet<Digest>, CleanError> {
    let (mut needed, mut manifests) = (BTreeSet::new(), BTreeSet::new());
    let mut documents = vec![dir.join(oci::INDEX_FILE)];
    while let Some(path) = documents.pop() {
        let document = read_document(&path)?;
        let listed = document["manifests"].as_array().into_iter().flatten().filter_map(digest_of);
        let new = listed.filter(|digest| manifests.insert(*digest));
        documents.extend(new.map(|digest| dir.join(oci::blob_name(&digest))));
        collect_digests(&document, &mut needed);
    }
    Ok(needed)
}

fn digest_of(descriptor: &Value) -> Option<Digest> {
    descriptor["digest"].as_str()?.parse().ok()
}

fn collect_digests(value: &Value, found: &mut BTreeSet<Digest>) {
    match value {
        Value::Object(members) => {
            found.extend(digest_of(value));
            members.values().for_each(|member| collect_digests(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_digests(item, found)),
        _ => {}
    }
}

fn read_document(path: &Path) -> Result<Value, CleanError> {
    let unreadable = |reason| CleanError::Unreadable { path: path.to_owned(), reason };
    let file = match open_regular(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(unreadable("is not there".into())),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(MAX_DOCUMENT_BYTES + 1).read_to_end(&mut text)?;
    if text.len() as u64 > MAX_DOCUMENT_BYTES {
        return Err(unreadable("is longer than 4 MiB".into()));
    }
    if text.is_empty() {
        return Err(unreadable("is empty, as a power failure leaves a file".into()));
    }
    serde_json::from_slice(&text).map_err(|error| unreadable(format!("is no JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Fixture, assert_verified, list, plan, store_plan};

    /// Two images, of which the second one has taken the place of the first.
    fn layout() -> (tempfile::TempDir, Destination) {
        let dir = tempfile::tempdir().unwrap();
        let to = format!("oci:{}/layout:1", dir.path().display());
        let fixture = Fixture::store();
        fixture.pack(&store_plan(), &to).unwrap();
        fixture.pack(&plan(&[]), &to).unwrap();
        (dir, to.parse().unwrap())
    }

    #[test]
    fn blobs_that_no_image_needs_are_removed() {
        let (dir, destination) = layout();
        let blobs = dir.path().join("layout/blobs/sha256");
        let before = list(&blobs);
        fs_err::create_dir(dir.path().join("layout/.layerwright-new-1")).unwrap();
        fs_err::create_dir(dir.path().join(".layerwright-new-1")).unwrap();
        fs_err::write(blobs.join("somebody's"), "x").unwrap();
        let told = clean(&destination, Cleaning::Pretend).unwrap();
        assert_eq!(list(&blobs).len(), before.len() + 1);
        assert_eq!(clean(&destination, Cleaning::Remove).unwrap(), told);
        assert_eq!(told.abandoned.len(), 2);
        let after = list(&blobs);
        assert!(after.contains(&"somebody's".to_owned()) && after.len() == before.len() + 1 - told.blobs.len());
        assert!(told.blobs.len() >= 2, "config and manifest at least");
        assert_verified(&format!("{}/layout", dir.path().display()));
        assert_eq!(clean(&destination, Cleaning::Remove).unwrap(), Cleaned::default());
    }

    #[test]
    fn all_blobs_stay_where_it_is_not_known_which_are_needed() {
        let (dir, destination) = layout();
        let blobs = dir.path().join("layout/blobs/sha256");
        let before = list(&blobs);
        let index = dir.path().join("layout/index.json");
        let good = fs_err::read_to_string(&index).unwrap();
        let digest =
            serde_json::from_str::<Value>(&good).unwrap()["manifests"][0]["digest"].as_str().unwrap().to_owned();
        let gone = good.replace(&digest, &format!("sha256:{}", "0".repeat(64)));
        for (bad, reason) in [("", "is empty"), ("{", "is no JSON"), (&gone, "is not there")] {
            fs_err::write(&index, bad).unwrap();
            let message = clean(&destination, Cleaning::Remove).unwrap_err().to_string();
            assert!(message.contains(reason) && message.contains("all of them stay"), "{message}");
            assert_eq!(list(&blobs), before);
        }
    }

    /// Whoever made the layout may want other files removed, or the command never to end.
    #[test]
    fn layouts_that_lead_elsewhere_are_refused() {
        let (dir, destination) = layout();
        let (layout, elsewhere) = (dir.path().join("layout"), dir.path().join("elsewhere"));
        let name = Digest::of(b"theirs").hex();
        fs_err::create_dir(&elsewhere).unwrap();
        fs_err::write(elsewhere.join(&name), "theirs").unwrap();
        let blobs = layout.join("blobs/sha256");
        fs_err::rename(&blobs, dir.path().join("aside")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &blobs).unwrap();
        assert!(clean(&destination, Cleaning::Remove).unwrap_err().to_string().contains("is no directory"));
        assert_eq!(list(&elsewhere), [name]);
        fs_err::remove_file(&blobs).unwrap();
        fs_err::rename(dir.path().join("aside"), &blobs).unwrap();
        // A pipe that nobody writes to, in the place of a manifest and then of the index.
        let index = fs_err::read_to_string(layout.join("index.json")).unwrap();
        let index: Value = serde_json::from_str(&index).unwrap();
        let manifest = blobs.join(digest_of(&index["manifests"][0]).unwrap().hex());
        for place in [manifest, layout.join("index.json")] {
            fs_err::remove_file(&place).unwrap();
            let (mode, fifo) = (rustix::fs::Mode::from_raw_mode(0o600), rustix::fs::FileType::Fifo);
            rustix::fs::mknodat(rustix::fs::CWD, &place, fifo, mode, 0).unwrap();
            let message = clean(&destination, Cleaning::Remove).unwrap_err().to_string();
            assert!(message.contains("is no regular file"), "{message}");
        }
    }

    #[test]
    fn whatever_is_named_in_any_member_is_needed() {
        let (dir, destination) = layout();
        let layout = dir.path().join("layout");
        let put = |text: &str| {
            let digest = Digest::of(text.as_bytes());
            fs_err::write(layout.join(oci::blob_name(&digest)), text).unwrap();
            digest
        };
        let (own, child) = (put("own"), put("child"));
        let manifest = put(&format!(r#"{{"subject":{{"digest":"{own}"}}}}"#));
        let nested = put(&format!(r#"{{"manifests":[{{"digest":"{manifest}"}}],"x":[[{{"digest":"{child}"}}]]}}"#));
        let unneeded = put("unneeded");
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{{"digest":"{nested}"}},{{"digest":"{nested}"}}]}}"#);
        fs_err::write(layout.join("index.json"), index).unwrap();
        let removed = clean(&destination, Cleaning::Remove).unwrap().blobs;
        assert_eq!(removed.get(&unneeded), Some(&8));
        for needed in [own, child, manifest, nested] {
            assert!(layout.join(oci::blob_name(&needed)).exists() && !removed.contains_key(&needed));
        }
    }
}
