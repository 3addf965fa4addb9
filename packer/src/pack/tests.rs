use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::Unobserved;
use crate::fixture::{Fixture, H, assert_verified, list, plan, store_plan};

/// The three kinds of files, below a directory.
fn destinations(dir: &Path) -> [String; 3] {
    ["docker-archive", "oci-archive", "oci"].map(|scheme| format!("{scheme}:{}/{scheme}", dir.display()))
}

#[test]
fn every_destination_holds_the_same_image() {
    let fixture = Fixture::store();
    let dir = tempfile::tempdir().unwrap();
    let mut packed = Vec::new();
    for destination in destinations(dir.path()) {
        packed.push(fixture.pack(&store_plan(), &destination).unwrap());
        let report = assert_verified(&destination);
        assert_eq!((report.images, report.layers), (1, 3));
    }
    assert_eq!(packed[0].layers, packed[1].layers);
    assert_eq!(packed[1].manifest, packed[2].manifest);
    assert!(packed[0].manifest.is_some());
    assert_eq!(list(dir.path()), ["docker-archive", "oci", "oci-archive"], "no temporary file is left");
}

#[test]
fn stream_is_an_archive_with_plain_layers() {
    let fixture = Fixture::store();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("stream.tar");
    let mut bytes = Vec::new();
    let tags = ["git:1".parse().unwrap(), "git:2".parse().unwrap()];
    let packed = fixture
        .pack_with(&store_plan(), "-", |request, observer| {
            pack_stream(&PackRequest { tags: &tags, ..request }, &mut bytes, observer)
        })
        .unwrap();
    assert_eq!((packed.manifest, packed.references.as_slice()), (None, &["git:1".into(), "git:2".into()][..]));
    assert!(packed.layers.iter().all(|layer| layer.digest.hex() == layer.diff_id.hex()));
    fs_err::write(&path, bytes).unwrap();
    assert_verified(&format!("docker-archive:{}:git:2", path.display()));
}

#[test]
fn image_id_does_not_depend_on_compression() {
    let fixture = Fixture::store();
    let dir = tempfile::tempdir().unwrap();
    let mut ids = BTreeSet::new();
    let mut profiles = BTreeSet::new();
    for compression in ["none", "gzip:1", "gzip", "zstd"] {
        let destination = format!("oci:{}/{compression}", dir.path().display());
        let compression = Some(compression.parse().unwrap());
        let packed = fixture.pack_with(&store_plan(), &destination, |request, observer| {
            pack(&PackRequest { compression, ..request }, observer)
        });
        let packed = packed.unwrap();
        assert_verified(&destination);
        ids.insert(packed.image_id);
        profiles.insert((packed.profile, packed.manifest));
    }
    assert_eq!((ids.len(), profiles.len()), (1, 4));
}

#[test]
fn threads_do_not_change_a_byte() {
    let fixture = Fixture::store();
    let dir = tempfile::tempdir().unwrap();
    let mut archives = BTreeSet::new();
    for threads in [1, 2, 7] {
        let path = dir.path().join(format!("{threads}.tar"));
        let destination = format!("docker-archive:{}:git", path.display());
        let threads = NonZeroUsize::new(threads);
        let packed = fixture.pack_with(&store_plan(), &destination, |request, observer| {
            pack(&PackRequest { threads, ..request }, observer)
        });
        packed.unwrap();
        archives.insert(Digest::of(&fs_err::read(path).unwrap()));
    }
    assert_eq!(archives.len(), 1);
}

/// The whole of an image, as others can make it again. A change here is seen by every registry.
#[test]
fn image_is_pinned() {
    let fixture = Fixture::store();
    let dir = tempfile::tempdir().unwrap();
    let packed = fixture.pack(&store_plan(), &format!("oci:{}/x", dir.path().display())).unwrap();
    assert_eq!(packed.image_id.hex(), "cb1135afddc5b17746c0f533c95e7da0aaf23ca79fa8a298dde0034688249b74");
    assert_eq!(packed.manifest.unwrap().hex(), "12eeda3d78ee69c45b281d7c4781f37f752eff2d04eb8ce1096fcc7052a42368");
}

#[test]
fn empty_plan_is_an_image() {
    let dir = tempfile::tempdir().unwrap();
    for destination in destinations(dir.path()) {
        let packed = Fixture::new().pack(&plan(&[]), &destination).unwrap();
        assert_eq!(packed.layers, []);
        assert_eq!(assert_verified(&destination).images, 1);
    }
}

#[test]
fn equal_layers_are_stored_once_and_listed_twice() {
    let fixture = Fixture::new();
    // Lists do not hold the node's name, so two packages can be one layer.
    fixture.file("/file", 0o644, b"");
    let dir = tempfile::tempdir().unwrap();
    for destination in destinations(dir.path()) {
        let files = |_: &str| NodeFiles::List(vec![crate::ListedFile { path: "/file".into(), required: true }]);
        let packed = fixture.pack_with(&plan(&[&["/a"], &["/b"]]), &destination, |request, observer| {
            pack(&PackRequest { files: &files, ..request }, observer)
        });
        assert_eq!(packed.unwrap().layers.len(), 2);
        assert_eq!(assert_verified(&destination).layers, 2);
    }
    assert_eq!(list(&dir.path().join("oci/blobs/sha256")).len(), 3);
}

#[test]
fn failure_leaves_nothing_and_what_was_there() {
    let fixture = Fixture::store();
    let dir = tempfile::tempdir().unwrap();
    let missing = plan(&[&[&format!("{H}-a")], &["/nix/store/missing"]]);
    for destination in destinations(dir.path()) {
        assert!(matches!(fixture.pack(&missing, &destination), Err(PackError::MissingFiles { .. })));
        assert_eq!(list(dir.path()), [""; 0]);
    }
    for destination in destinations(dir.path()) {
        fixture.pack(&store_plan(), &destination).unwrap();
        assert!(fixture.pack(&missing, &destination).is_err());
        assert_verified(&destination);
    }
    assert_eq!(list(dir.path()), ["docker-archive", "oci", "oci-archive"]);
    assert_eq!(list(&dir.path().join("oci")), ["blobs", "index.json", "oci-layout"]);
}

/// Cancels when so many bytes are packed.
struct Impatient {
    left: AtomicU64,
}

impl Observer for Impatient {
    fn packed(&self, bytes: u64) {
        let subtract = |left: u64| Some(left.saturating_sub(bytes));
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, subtract);
    }

    fn cancelled(&self) -> bool {
        self.left.load(Ordering::Relaxed) == 0
    }
}

#[test]
fn cancelling_leaves_nothing() {
    let fixture = Fixture::store();
    let dir = tempfile::tempdir().unwrap();
    for destination in destinations(dir.path()) {
        for left in [0, 1, 5 << 20] {
            let observer = Impatient { left: left.into() };
            let packed = fixture.pack_with(&store_plan(), &destination, |request, _| pack(&request, &observer));
            assert!(matches!(packed, Err(PackError::Cancelled)), "{left}");
            assert_eq!(list(dir.path()), [""; 0]);
        }
    }
}

/// Changes files as soon as the walk is over.
struct Saboteur<'a>(&'a Fixture);

impl Observer for Saboteur<'_> {
    fn planned(&self, _: usize, _: u64) {
        self.0.file(&format!("{H}-b"), 0o444, b"something else");
        self.0.file(&format!("{H}-d"), 0o444, b"something else");
    }
}

#[test]
fn error_of_the_lowest_layer_is_reported() {
    for threads in [1, 2, 7] {
        let fixture = Fixture::store();
        let dir = tempfile::tempdir().unwrap();
        let destination = format!("oci:{}/x", dir.path().display());
        let error = fixture.pack_with(&store_plan(), &destination, |request, _| {
            pack(&PackRequest { threads: NonZeroUsize::new(threads), ..request }, &Saboteur(&fixture))
        });
        let message = error.unwrap_err().to_string();
        assert!(message.ends_with("-b` changed while it was read"), "{message}");
    }
}

/// Changes all files but those of the first layers as soon as the walk is over.
struct SaboteurOfMany<'a>(&'a Fixture, usize);

impl Observer for SaboteurOfMany<'_> {
    fn planned(&self, layers: usize, _: u64) {
        (self.1..layers).for_each(|index| self.0.file(&format!("{H}-{index:02}"), 0o444, b"something else"));
    }
}

#[test]
fn layers_that_fail_leave_room_for_others() {
    let fixture = Fixture::new();
    // The higher the layer, the earlier it is packed.
    let names: Vec<String> = (0..40).map(|index| format!("{H}-{index:02}")).collect();
    names.iter().enumerate().for_each(|(index, name)| fixture.file(name, 0o444, &vec![1; (index + 4) << 20]));
    let layers: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
    let layers: Vec<&[&str]> = layers.iter().map(<[&str; 1]>::as_slice).collect();
    let dir = tempfile::tempdir().unwrap();
    for threads in [1, 2] {
        names.iter().enumerate().for_each(|(index, name)| fixture.file(name, 0o444, &vec![1; (index + 4) << 20]));
        let error = fixture.pack_with(&plan(&layers), &format!("oci:{}/x", dir.path().display()), |request, _| {
            let compression = Some(Compression::None);
            let request = PackRequest { threads: NonZeroUsize::new(threads), compression, ..request };
            pack(&request, &SaboteurOfMany(&fixture, 3))
        });
        let message = error.unwrap_err().to_string();
        assert!(message.ends_with("-03` changed while it was read"), "{message}");
    }
}

#[test]
fn docker_gets_no_more_layers_than_it_mounts() {
    let fixture = Fixture::new();
    let names: Vec<String> = (100..226).map(|index| format!("{H}-{index}")).collect();
    names.iter().for_each(|name| fixture.file(name, 0o444, b""));
    let layers: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
    let layers: Vec<&[&str]> = layers.iter().map(<[&str; 1]>::as_slice).collect();
    let dir = tempfile::tempdir().unwrap();
    let [docker, oci, _] = destinations(dir.path());
    for destination in [docker.as_str(), "-"] {
        let message = fixture.pack(&plan(&layers), destination).unwrap_err().to_string();
        assert_eq!(
            message,
            "126 layers are more than Docker's overlay driver can mount, which is 125; plan with `--max-layers 125`"
        );
    }
    assert_eq!(fixture.pack(&plan(&layers), &oci).unwrap().layers.len(), 126);
    assert_eq!(fixture.pack(&plan(&layers[1..]), &docker).unwrap().layers.len(), 125);
}

#[test]
fn docker_is_warned_about_zstd_and_streams_are_plain() {
    let fixture = Fixture::store();
    let dir = tempfile::tempdir().unwrap();
    let zstd = Some(Compression::Zstd { level: 1 });
    let pack_zstd = |destination: &str| {
        fixture.pack_with(&store_plan(), destination, |request, observer| {
            let packed = pack(&PackRequest { compression: zstd, ..request }, observer);
            (packed, observer.warnings.lock().unwrap().len())
        })
    };
    let [docker, oci, _] = destinations(dir.path());
    assert!(matches!(pack_zstd(&docker), (Ok(_), 1)));
    assert!(matches!(pack_zstd(&oci), (Ok(_), 0)));
    assert!(matches!(pack_zstd("-").0, Err(PackError::CompressedStream)));
}

#[test]
fn history_tells_what_is_in_a_layer() {
    let fixture = Fixture::new();
    let names: Vec<String> = (100..150).map(|index| format!("{H}-{index}")).collect();
    names.iter().for_each(|name| fixture.file(name, 0o444, b""));
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let dir = tempfile::tempdir().unwrap();
    let packed = fixture.pack(&plan(&[&names]), &format!("oci:{}/x", dir.path().display())).unwrap();
    let config = dir.path().join("x/blobs/sha256").join(packed.image_id.hex());
    let config: serde_json::Value = serde_json::from_slice(&fs_err::read(config).unwrap()).unwrap();
    let comment = config["history"][0]["comment"].as_str().unwrap();
    assert!(comment.starts_with(&format!("50 nodes: {H}-100, {H}-101, ")), "{comment}");
    assert!(comment.ends_with(" and 30 more") && comment.len() < 1100, "{comment}");
}

#[test]
fn unreadable_time_is_refused_before_anything_is_done() {
    let fixture = Fixture::store();
    let settings = ImageSettings { created: "yesterday".into(), ..ImageSettings::default() };
    let packed = fixture.pack_with(&store_plan(), "-", |request, _| {
        pack_stream(&PackRequest { settings: &settings, ..request }, &mut io::sink(), &Unobserved)
    });
    assert!(matches!(packed, Err(PackError::Settings(_))));
}
