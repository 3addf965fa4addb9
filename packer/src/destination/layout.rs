//! An image layout in a directory, which may hold other images already.
//!
//! ```text
//! DIR/oci-layout
//! DIR/index.json           the images, by tag
//! DIR/blobs/sha256/<hex>
//! DIR/.layerwright-new-XXXXXX  while an image is made, where DIR existed before
//! ```
//!
//! Where DIR does not exist, everything is made beside it and renamed. Where it does:
//!
//! 1. Layers are staged in a hidden directory inside it, without a lock on DIR, and brought to the disk.
//! 2. Under a lock on DIR, the new index is written to a temporary file: the one that is there with our
//!    image, see [`super::index`].
//! 3. Blobs are renamed to their places, but for those that are there and whole; and last the index. A reader sees the old
//!    image or the new one, whole, and so does whoever comes after a power failure, see [`crate::durability`].
//!
//! Two builds that both find no DIR end alike: the second one cannot rename onto the first one's, and adds to it.

use std::collections::BTreeSet;
use std::fs::Metadata;
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err::File;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use rustix::io::Errno;

use super::index::{add_image, check_index};
use super::place::{FileInPlace, no_place, parent, staging_beside, staging_in, tell_of_rest};
use crate::Digest;
use crate::digest::Hashing;
use crate::durability::Durability;
use crate::error::PackError;
use crate::image::{Documents, Names};
use crate::layer::Blob;
use crate::lock::{Lock, are_there_locks};
use crate::oci;
use crate::progress::Observer;
use crate::staging::{StagingFolder, is_staging};
use crate::work::staged_blob;

/// No index of images is longer; a file that is may be anything.
const MAX_INDEX_BYTES: u64 = 4 << 20;

/// The place for a layout, checked before the work begins.
#[derive(Debug)]
pub(crate) struct LayoutInPlace {
    dir: PathBuf,
    exists: bool,
    staging: StagingFolder,
}

impl LayoutInPlace {
    pub(crate) fn new(dir: &Path) -> Result<Self, PackError> {
        let exists = match fs_err::metadata(dir) {
            Ok(metadata) if metadata.is_dir() => check_is_layout_or_empty(dir).map(|()| true)?,
            Ok(_) => return Err(occupied(dir, "is no directory; for a file, write oci-archive:")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Without the slash at the end, behind which the link would be followed.
                match fs_err::symlink_metadata(dir.components().as_path()) {
                    Ok(_) => return Err(occupied(dir, "is a symlink that leads nowhere")),
                    Err(_) => false,
                }
            }
            Err(error) => return Err(no_place(dir, parent(dir), &error)),
        };
        let staging = if exists { staging_in(dir, dir)? } else { staging_beside(dir)? };
        Ok(Self { dir: dir.to_owned(), exists, staging })
    }

    /// Refuses an index that nothing can be added to.
    pub(super) fn check_index(&self) -> Result<(), PackError> {
        let index = self.dir.join(oci::INDEX_FILE);
        let old = if self.exists { read_bounded(&index)? } else { None };
        old.map_or(Ok(()), |old| check_index(&old).map_err(|reason| PackError::MalformedIndex { path: index, reason }))
    }

    /// Whether builds into the same layout wait for each other. Known before the work begins.
    pub(crate) fn has_locks(&self) -> Result<bool, PackError> {
        are_there_locks(self.staging()).map_err(PackError::Write)
    }

    /// Where blobs are put before they have a name.
    pub(crate) fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// Adds the image to the layout, or makes it one.
    pub(crate) fn commit(self, blobs: &[Blob], added: &Added<'_>) -> Result<(), PackError> {
        let Added { documents, durability, observer, .. } = *added;
        let staged = stage(self.staging(), blobs, documents)?;
        let files: Vec<PathBuf> = staged.iter().map(|digest| self.staging().join(digest.hex())).collect();
        durability.sync_files(&files, observer)?;
        if !self.exists && self.publish(&staged, added)? {
            self.staging.keep();
            return durability.sync_directory(parent(&self.dir)).map_err(PackError::Write);
        }
        let whole = whole_blobs(&self.dir, self.staging(), &staged, added)?;
        let lock = Lock::wait_for(&self.dir).map_err(PackError::Write)?;
        check_parts(&self.dir)?;
        merge(&self.dir, self.staging(), Staged { staged: &staged, whole: &whole }, added)?;
        drop(lock);
        tell_of_rest(self.staging.remove(), observer);
        Ok(())
    }

    /// Makes the staging directory a layout and renames it. Returns whether nobody else was there first.
    fn publish(&self, staged: &[Digest], added: &Added<'_>) -> Result<bool, PackError> {
        let staging = self.staging();
        merge(staging, staging, Staged { staged, whole: &BTreeSet::new() }, added)?;
        match rustix::fs::rename(staging, &self.dir) {
            Ok(()) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => {
                check_is_layout_or_empty(&self.dir)?;
                // Blobs back to where a merge looks for them.
                for digest in staged {
                    rename(&staging.join(oci::blob_name(digest)), &staging.join(digest.hex()))?;
                }
                Ok(false)
            }
            Err(error) => {
                let message = format!("failed to rename a directory to `{}`: {error}", self.dir.display());
                Err(PackError::Write(io::Error::new(error.kind(), message)))
            }
        }
    }
}

/// What is added to a layout, and how.
#[derive(Clone, Copy)]
pub(crate) struct Added<'a> {
    pub(crate) documents: &'a Documents,
    pub(crate) names: &'a Names,
    pub(crate) durability: Durability,
    pub(crate) observer: &'a dyn Observer,
}

/// The blobs of an image in a staging directory, named by their digests.
struct Staged<'a> {
    staged: &'a [Digest],
    /// Those of them that the layout has already.
    whole: &'a BTreeSet<Digest>,
}

/// Gives every blob and document in the staging directory the name of its digest. Returns each once.
fn stage(staging: &Path, blobs: &[Blob], documents: &Documents) -> Result<Vec<Digest>, PackError> {
    let mut staged = BTreeSet::new();
    for (index, blob) in blobs.iter().enumerate() {
        let path = staging.join(staged_blob(index));
        match staged.insert(blob.digest) {
            true => rename(&path, &staging.join(blob.digest.hex()))?,
            false => fs_err::remove_file(path).map_err(PackError::Write)?,
        }
    }
    for document in [&documents.config, &documents.manifest] {
        fs_err::write(staging.join(document.digest.hex()), &document.text).map_err(PackError::Write)?;
        staged.insert(document.digest);
    }
    Ok(staged.into_iter().collect())
}

/// Finds out which blobs a layout has already, undamaged. They stay, and are brought to the disk: whoever put them there
/// may not have done so.
fn whole_blobs(
    dir: &Path,
    staging: &Path,
    staged: &[Digest],
    added: &Added<'_>,
) -> Result<BTreeSet<Digest>, PackError> {
    let is_whole =
        |digest: &&Digest| is_whole(&dir.join(oci::blob_name(digest)), &staging.join(digest.hex()), **digest);
    let whole: BTreeSet<Digest> = staged.par_iter().filter(is_whole).copied().collect();
    let files: Vec<PathBuf> = whole.iter().map(|digest| dir.join(oci::blob_name(digest))).collect();
    added.durability.sync_files(&files, added.observer)?;
    Ok(whole)
}

/// Whether a file is the blob that its name says, of which we have another copy.
fn is_whole(there: &Path, ours: &Path, digest: Digest) -> bool {
    let (Ok(found), Ok(expected)) = (fs_err::symlink_metadata(there), fs_err::symlink_metadata(ours)) else {
        return false;
    };
    if (found.dev(), found.ino()) == (expected.dev(), expected.ino()) {
        return true;
    }
    let hash = || {
        let mut hashing = Hashing::new(io::sink());
        io::copy(&mut File::open(there)?, &mut hashing).map(|_| hashing.finish().0)
    };
    found.is_file() && found.len() == expected.len() && hash().is_ok_and(|found| found == digest)
}

/// Moves staged blobs and the image's descriptors into a layout, making it one where it is not.
fn merge(dir: &Path, staging: &Path, blobs: Staged<'_>, added: &Added<'_>) -> Result<(), PackError> {
    let Added { documents, names, durability, .. } = *added;
    let index = FileInPlace::new(&dir.join(oci::INDEX_FILE))?;
    let mut new_index = index.create()?;
    let text = add_image(read_bounded(index.path())?.as_deref(), documents, names)
        .map_err(|reason| PackError::MalformedIndex { path: index.path().to_owned(), reason })?;
    new_index.write_all(text.as_bytes()).map_err(PackError::Write)?;
    let layout = FileInPlace::new(&dir.join(oci::LAYOUT_FILE))?;
    if !layout.path().exists() {
        let mut new_layout = layout.create()?;
        new_layout.write_all(oci::LAYOUT).map_err(PackError::Write)?;
        layout.commit(new_layout, durability)?;
    }
    let blobs_dir = dir.join(oci::BLOBS);
    fs_err::create_dir_all(&blobs_dir).map_err(PackError::Write)?;
    for digest in blobs.staged {
        let (ours, place) = (staging.join(digest.hex()), dir.join(oci::blob_name(digest)));
        match blobs.whole.contains(digest) && place.exists() {
            true => fs_err::remove_file(ours).map_err(PackError::Write)?,
            // Also where there is one: it is damaged, and ours is not.
            false => rename(&ours, &place)?,
        }
    }
    for dir in [&blobs_dir, parent(&blobs_dir), dir] {
        durability.sync_directory(dir).map_err(PackError::Write)?;
    }
    index.commit(new_index, durability)
}

fn read_bounded(path: &Path) -> Result<Option<Vec<u8>>, PackError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(PackError::Read)?,
    };
    let mut text = Vec::new();
    file.take(MAX_INDEX_BYTES + 1).read_to_end(&mut text).map_err(PackError::Read)?;
    if text.len() as u64 > MAX_INDEX_BYTES {
        return Err(PackError::MalformedIndex { path: path.to_owned(), reason: "longer than 4 MiB".into() });
    }
    Ok(Some(text))
}

/// Another build may be making the directory a layout at the same time. Its staging directory is no obstacle, and
/// whatever else it has put there, the file that makes a layout came first; so that is looked for last.
fn check_is_layout_or_empty(dir: &Path) -> Result<(), PackError> {
    let mut is_empty = true;
    for child in fs_err::read_dir(dir).map_err(PackError::Write)? {
        let name = child.map_err(PackError::Write)?.file_name();
        is_empty &= is_staging(name.as_encoded_bytes());
    }
    match is_empty || dir.join(oci::LAYOUT_FILE).is_file() {
        true => check_parts(dir),
        false => Err(occupied(dir, "is neither empty nor an image layout")),
    }
}

/// What we write to must lie in the layout. Its owner may be somebody else, and a link in it lead to a file of ours.
pub(super) fn check_parts(dir: &Path) -> Result<(), PackError> {
    let blobs = Path::new(oci::BLOBS);
    let directories = blobs.ancestors().filter(|part| !part.as_os_str().is_empty());
    for part in directories {
        check_part(&dir.join(part), Metadata::is_dir, "is no directory, as it must be in an image layout")?;
    }
    for part in [oci::INDEX_FILE, oci::LAYOUT_FILE] {
        check_part(&dir.join(part), Metadata::is_file, "is no regular file, as it must be in an image layout")?;
    }
    Ok(())
}

/// A symlink is never what is expected.
fn check_part(path: &Path, is_expected: fn(&Metadata) -> bool, reason: &'static str) -> Result<(), PackError> {
    match fs_err::symlink_metadata(path) {
        Ok(metadata) if !is_expected(&metadata) => Err(occupied(path, reason)),
        // The parent is reported by itself.
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Err(PackError::Write(error))
        }
        _ => Ok(()),
    }
}

fn occupied(path: &Path, reason: &'static str) -> PackError {
    PackError::Occupied { path: path.to_owned(), reason }
}

fn rename(from: &Path, to: &Path) -> Result<(), PackError> {
    fs_err::rename(from, to).map_err(PackError::Write)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::{Fixture, H, assert_verified, list, plan, store_plan};
    use crate::{PackRequest, pack};

    fn dir() -> (tempfile::TempDir, String) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("layout").display().to_string();
        (dir, path)
    }

    fn index(layout: &str) -> Vec<Value> {
        let index: Value = serde_json::from_slice(&fs_err::read(format!("{layout}/index.json")).unwrap()).unwrap();
        index["manifests"].as_array().unwrap().clone()
    }

    fn tags(layout: &str) -> Vec<String> {
        index(layout).iter().map(|one| one["annotations"][oci::REF_NAME].as_str().unwrap().to_owned()).collect()
    }

    fn small_plan() -> layerwright_planner::Plan {
        plan(&[&[&format!("{H}-b")]])
    }

    #[test]
    fn new_tag_keeps_the_others_and_same_tag_is_replaced() {
        let (_dir, layout) = dir();
        let fixture = Fixture::store();
        let first = fixture.pack(&store_plan(), &format!("oci:{layout}:1")).unwrap();
        let second = fixture.pack(&small_plan(), &format!("oci:{layout}:2")).unwrap();
        assert_eq!(tags(&layout), ["1", "2"]);
        assert_eq!(assert_verified(&layout).images, 2);
        fixture.pack(&small_plan(), &format!("oci:{layout}:1")).unwrap();
        assert_eq!(tags(&layout), ["2", "1"]);
        assert_ne!(first.manifest, second.manifest);
        assert!(index(&layout).iter().all(|one| one["digest"] == second.manifest.unwrap().to_string()));
        assert_verified(&layout);
        assert_eq!(list(Path::new(&layout)), ["blobs", "index.json", "oci-layout"]);
    }

    #[test]
    fn image_without_a_name_is_the_latest() {
        let (_dir, layout) = dir();
        Fixture::store().pack(&store_plan(), &format!("oci:{layout}")).unwrap();
        assert_eq!(tags(&layout), ["latest"]);
    }

    #[test]
    fn whole_references_are_kept_beside_the_tag() {
        let (_dir, layout) = dir();
        let tags_given = ["team/app:1".parse().unwrap(), "git:1".parse().unwrap(), "git:2".parse().unwrap()];
        let packed = Fixture::store().pack_with(&store_plan(), &format!("oci:{layout}"), |request, observer| {
            pack(&PackRequest { tags: &tags_given, ..request }, observer)
        });
        assert_eq!(packed.unwrap().references, ["team/app:1", "git:1", "git:2"]);
        assert_eq!(tags(&layout), ["1", "git:1", "2"], "two images of one tag would hide each other");
        let names: Vec<Value> =
            index(&layout).iter().map(|one| one["annotations"][oci::CONTAINERD_NAME].clone()).collect();
        assert_eq!(names, ["docker.io/team/app:1", "docker.io/library/git:1", "docker.io/library/git:2"]);
    }

    #[test]
    fn images_of_other_names_are_not_lost() {
        let (_dir, layout) = dir();
        let fixture = Fixture::store();
        let build = |plan: &layerwright_planner::Plan, destination: &str, tag: Option<&str>| {
            let tags: Vec<crate::ImageReference> = tag.iter().map(|tag| tag.parse().unwrap()).collect();
            let packed = fixture.pack_with(plan, destination, |request, observer| {
                pack(&PackRequest { tags: &tags, ..request }, observer)
            });
            packed.unwrap().manifest.unwrap().to_string()
        };
        let to = format!("oci:{layout}");
        let listed = || -> Vec<(String, Value)> {
            tags(&layout).into_iter().zip(index(&layout)).map(|(tag, one)| (tag, one["digest"].clone())).collect()
        };
        let a = build(&store_plan(), &to, Some("a:1"));
        let b = build(&small_plan(), &to, Some("b:1"));
        assert_eq!(listed(), [("1".into(), json!(a)), ("b:1".into(), json!(b))]);
        build(&small_plan(), &to, Some("a:1"));
        assert_eq!(listed(), [("b:1".into(), json!(b)), ("1".into(), json!(b))]);
        build(&store_plan(), &to, Some("b:1"));
        assert_eq!(listed(), [("1".into(), json!(b)), ("b:1".into(), json!(a))]);
        for _ in 0..2 {
            build(&store_plan(), &format!("{to}:1"), None);
            assert_eq!(listed(), [("a:1".into(), json!(b)), ("b:1".into(), json!(a)), ("1".into(), json!(a))]);
        }
        assert_eq!(assert_verified(&to).images, 2, "of three names");
        for tag in ["1", "a:1", "b:1"] {
            assert_eq!(assert_verified(&format!("{to}:{tag}")).images, 1);
        }
    }

    #[test]
    fn what_others_wrote_into_the_index_stays() {
        let (_dir, layout) = dir();
        let fixture = Fixture::store();
        fixture.pack(&store_plan(), &format!("oci:{layout}:1")).unwrap();
        let mut written: Value =
            serde_json::from_slice(&fs_err::read(format!("{layout}/index.json")).unwrap()).unwrap();
        written["annotations"] = json!({"by": "hand"});
        written["manifests"][0]["artifactType"] = json!("x/y");
        fs_err::write(format!("{layout}/index.json"), written.to_string()).unwrap();
        fixture.pack(&small_plan(), &format!("oci:{layout}:2")).unwrap();
        let text = fs_err::read_to_string(format!("{layout}/index.json")).unwrap();
        assert!(text.contains(r#""by":"hand""#) && text.contains(r#""artifactType":"x/y""#), "{text}");
    }

    #[test]
    fn damaged_blobs_are_replaced() {
        let (_dir, layout) = dir();
        let fixture = Fixture::store();
        let packed = fixture.pack(&store_plan(), &format!("oci:{layout}")).unwrap();
        let blob = format!("{layout}/blobs/sha256/{}", packed.layers[0].digest.hex());
        let mut same_size = fs_err::read(&blob).unwrap();
        same_size[20] ^= 1;
        for damaged in [b"cut".to_vec(), same_size] {
            fs_err::write(&blob, damaged).unwrap();
            fixture.pack(&store_plan(), &format!("oci:{layout}")).unwrap();
            assert_verified(&layout);
        }
    }

    #[test]
    fn links_in_a_layout_are_refused_and_not_written_through() {
        let fixture = Fixture::store();
        for (part, reason) in [
            ("index.json", "is no regular file, as it must be in an image layout"),
            ("oci-layout", "is no regular file, as it must be in an image layout"),
            ("blobs", "is no directory, as it must be in an image layout"),
            ("blobs/sha256", "is no directory, as it must be in an image layout"),
        ] {
            let (dir, layout) = dir();
            fixture.pack(&small_plan(), &format!("oci:{layout}:1")).unwrap();
            let (part, victim) = (format!("{layout}/{part}"), dir.path().join("victim"));
            fs_err::rename(&part, &victim).unwrap();
            let before = victim.is_file().then(|| fs_err::read(&victim).unwrap());
            symlink(&victim, &part).unwrap();
            let message = fixture.pack(&store_plan(), &format!("oci:{layout}:2")).unwrap_err().to_string();
            assert_eq!(message, format!("`{part}` {reason}"));
            assert_eq!(victim.is_file().then(|| fs_err::read(&victim).unwrap()), before);
            assert!(list(Path::new(&layout)).iter().all(|name| !is_staging(name.as_bytes())));
        }
    }

    #[test]
    fn link_to_a_layout_is_followed_and_one_to_nowhere_refused() {
        let (dir, layout) = dir();
        let link = dir.path().join("link").display().to_string();
        symlink("layout", &link).unwrap();
        for end in ["", "/"] {
            let message = Fixture::new().pack(&small_plan(), &format!("oci:{link}{end}")).unwrap_err().to_string();
            assert_eq!(message, format!("`{link}{end}` is a symlink that leads nowhere"));
        }
        fs_err::create_dir(&layout).unwrap();
        Fixture::store().pack(&small_plan(), &format!("oci:{link}")).unwrap();
        assert_verified(&layout);
    }

    #[test]
    fn other_directories_are_refused() {
        let (_dir, layout) = dir();
        fs_err::create_dir(&layout).unwrap();
        let fixture = Fixture::store();
        fixture.pack(&small_plan(), &format!("oci:{layout}")).unwrap();
        assert_verified(&layout);

        let (_dir, other) = dir();
        fs_err::create_dir(&other).unwrap();
        fs_err::write(format!("{other}/precious"), "").unwrap();
        let message = fixture.pack(&small_plan(), &format!("oci:{other}")).unwrap_err().to_string();
        assert_eq!(message, format!("`{other}` is neither empty nor an image layout"));
        let message = fixture.pack(&small_plan(), &format!("oci:{other}/precious")).unwrap_err().to_string();
        assert_eq!(message, format!("`{other}/precious` is no directory; for a file, write oci-archive:"));
        assert_eq!(list(Path::new(&other)), ["precious"]);
    }

    #[test]
    fn malformed_index_is_not_replaced() {
        let (_dir, layout) = dir();
        let fixture = Fixture::store();
        fixture.pack(&store_plan(), &format!("oci:{layout}")).unwrap();
        let before = list(Path::new(&layout).join(oci::BLOBS).as_path());
        fs_err::write(format!("{layout}/index.json"), "{").unwrap();
        let result = fixture.pack(&small_plan(), &format!("oci:{layout}"));
        assert!(matches!(result, Err(PackError::MalformedIndex { .. })));
        assert_eq!(list(Path::new(&layout).join(oci::BLOBS).as_path()), before);
    }

    #[test]
    fn builds_at_once_lose_nothing() {
        let fixture = Fixture::store();
        for exists in [false, true] {
            let (_dir, layout) = dir();
            if exists {
                fs_err::create_dir(&layout).unwrap();
            }
            std::thread::scope(|scope| {
                for tag in 0..6 {
                    let (fixture, layout) = (&fixture, &layout);
                    scope.spawn(move || fixture.pack(&small_plan(), &format!("oci:{layout}:{tag}")).unwrap());
                }
            });
            let mut found = tags(&layout);
            found.sort();
            assert_eq!(found, ["0", "1", "2", "3", "4", "5"]);
            assert_verified(&layout);
            assert_eq!(list(Path::new(&layout)), ["blobs", "index.json", "oci-layout"]);
        }
    }

    #[test]
    fn files_have_the_permissions_of_new_files() {
        let (_dir, layout) = dir();
        let fixture = Fixture::store();
        fixture.pack(&small_plan(), &format!("oci:{layout}:1")).unwrap();
        let plain = fixture.at("plain");
        fs_err::write(&plain, "").unwrap();
        let mode = |path: &Path| fs_err::metadata(path).unwrap().permissions().mode() & 0o777;
        for blob in list(Path::new(&layout).join(oci::BLOBS).as_path()) {
            assert_eq!(mode(&Path::new(&layout).join(oci::BLOBS).join(blob)), mode(&plain));
        }
        assert_eq!(mode(&Path::new(&layout).join("index.json")), mode(&plain));
        fs_err::create_dir(fixture.at("new")).unwrap();
        assert_eq!(mode(Path::new(&layout)), mode(&fixture.at("new")));
    }
}
