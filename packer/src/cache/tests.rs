use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use fs_err as fs;
use tempfile::TempDir;

use super::*;
use crate::fixture::{list, pseudo_random};
use crate::{DiffId, Digest, Observer, Unobserved};

const ALL: u64 = u64::MAX;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A cache and a place for staged files, in one temporary folder or in two.
struct Fixture {
    cache_dir: TempDir,
    staging: TempDir,
    cache: LayerCache,
}

impl Fixture {
    fn new() -> Self {
        Self::with(tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap())
    }

    fn with(cache_dir: TempDir, staging: TempDir) -> Self {
        let cache = LayerCache::open(&CacheDir::open(cache_dir.path()).unwrap(), ALL).unwrap();
        Self { cache_dir, staging, cache }
    }

    /// Another run of the program.
    fn reopened(&self) -> LayerCache {
        LayerCache::open(&CacheDir::open(self.cache_dir.path()).unwrap(), ALL).unwrap()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.cache_dir.path().join("layers").join(path)
    }

    fn record(&self, key: &LayerKey) -> PathBuf {
        self.at("known").join(key.name())
    }

    fn blob(&self, blob: &Blob) -> PathBuf {
        self.at("blobs/sha256").join(blob.digest.hex())
    }

    /// A file in the staging folder.
    fn staged(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.staging.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    fn keep(&self, key: &LayerKey, content: &[u8]) -> Blob {
        let blob = blob(content);
        self.cache.keep(key, &blob, Some(&self.staged(&key.name(), content)), &|| true).unwrap();
        blob
    }

    /// Finds a layer and places it. Returns the bytes.
    fn get(&self, key: &LayerKey) -> Result<Vec<u8>, Option<Placed>> {
        static PLACED: AtomicU64 = AtomicU64::new(0);
        let to = self.staging.path().join(format!("placed-{}", PLACED.fetch_add(1, Ordering::Relaxed)));
        let known = self.cache.find(key).known().ok_or(None)?;
        match self.cache.place(&known, &to, &|| true).unwrap() {
            Placed::There => Ok(fs::read(to).unwrap()),
            other => {
                assert!(!to.exists());
                Err(Some(other))
            }
        }
    }

    /// Names of blobs, also of those that are not whole.
    fn blobs(&self) -> Vec<String> {
        list(&self.at("blobs/sha256"))
    }

    fn used(&self, key: &LayerKey, ago: Duration) {
        set_modified(&self.record(key), SystemTime::now() - ago);
    }
}

fn key(name: &str) -> LayerKey {
    LayerKey::new(Digest::of(name.as_bytes()))
}

fn blob(content: &[u8]) -> Blob {
    let length = content.len() as u64;
    Blob { diff_id: DiffId::of(content), digest: Digest::of(content), tar_bytes: length, blob_bytes: length }
}

fn set_modified(path: &Path, time: SystemTime) {
    fs::OpenOptions::new().append(true).open(path).unwrap().file().set_modified(time).unwrap();
}

fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn what_is_kept_is_found_and_placed() {
    let fixture = Fixture::new();
    assert_eq!(fixture.get(&key("a")), Err(None));
    let blob = fixture.keep(&key("a"), b"content");
    assert_eq!(fixture.reopened().find(&key("a")).known().unwrap().blob, blob);
    assert_eq!(fixture.get(&key("a")).unwrap(), b"content");
    assert_eq!(fixture.get(&key("b")), Err(None));
    assert_eq!(list(&fixture.at("")), ["blobs", "index.json", "known", "oci-layout"]);
    assert_eq!(fixture.blobs(), [blob.digest.hex()]);
    assert_eq!(list(&fixture.at("known")), [key("a").name()]);
}

#[test]
fn the_same_bytes_lie_there_once() {
    let fixture = Fixture::new();
    let blob = fixture.keep(&key("a"), b"content");
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    let to = fixture.staging.path().join("to");
    assert_eq!(
        fixture.cache.place(&fixture.cache.find(&key("a")).known().unwrap(), &to, &|| true).unwrap(),
        Placed::There
    );
    assert_eq!(inode(&to), inode(&fixture.blob(&blob)));
    assert_eq!(inode(&fixture.staging.path().join(key("a").name())), inode(&to));
    // What came from the cache can be kept again, under another key too.
    for name in ["a", "b"] {
        fixture.cache.keep(&key(name), &blob, Some(&to), &|| true).unwrap();
        assert_eq!(fixture.get(&key(name)).unwrap(), b"content");
    }
    assert_eq!(fixture.blobs(), [blob.digest.hex()], "and nothing begun is left");
}

#[test]
fn the_folder_is_an_image_layout_without_images() {
    let fixture = Fixture::new();
    fixture.keep(&key("a"), b"content");
    let index: serde_json::Value = serde_json::from_slice(&fs::read(fixture.at("index.json")).unwrap()).unwrap();
    assert_eq!(crate::oci::canonical_json(&index).as_bytes(), INDEX);
    assert_eq!(index["mediaType"], oci::INDEX);
    assert_eq!(fs::read(fixture.at("oci-layout")).unwrap(), oci::LAYOUT);
}

#[test]
fn streams_keep_records_without_blobs() {
    let fixture = Fixture::new();
    fixture.cache.keep(&key("a"), &blob(b"content"), None, &|| true).unwrap();
    assert_eq!(fixture.cache.find(&key("a")).known().unwrap().blob, blob(b"content"));
    assert_eq!(fixture.get(&key("a")), Err(Some(Placed::Absent)));
    // A blob that came by another way is looked at before it is used.
    fixture.keep(&key("b"), b"content");
    assert_eq!(fixture.get(&key("a")).unwrap(), b"content");
    fixture.cache.keep(&key("a"), &blob(b"content"), None, &|| true).unwrap();
    assert!(fixture.cache.find(&key("a")).known().unwrap().intact.is_some(), "and that is remembered");
}

#[test]
fn damaged_blobs_are_not_used_and_go() {
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 4] = [
        ("same size", |path| fs::write(path, b"CONTENT").unwrap()),
        ("cut", |path| fs::write(path, b"cont").unwrap()),
        ("empty", |path| fs::write(path, b"").unwrap()),
        ("longer", |path| fs::write(path, b"content and more").unwrap()),
    ];
    for (what, damage) in damages {
        let fixture = Fixture::new();
        let path = fixture.blob(&fixture.keep(&key("a"), b"content"));
        damage(&path);
        set_modified(&path, SystemTime::now() - DAY);
        assert_eq!(fixture.get(&key("a")), Err(Some(Placed::Damaged)), "{what}");
        assert_eq!(fixture.get(&key("a")), Err(Some(Placed::Absent)), "{what}");
        fixture.keep(&key("a"), b"content");
        assert_eq!(fixture.get(&key("a")).unwrap(), b"content", "{what}");
    }
}

#[test]
fn missing_blobs_are_absent() {
    let fixture = Fixture::new();
    let blob = fixture.keep(&key("a"), b"content");
    fs::remove_file(fixture.blob(&blob)).unwrap();
    assert_eq!(fixture.get(&key("a")), Err(Some(Placed::Absent)));
    symlink("/etc/passwd", fixture.blob(&blob)).unwrap();
    assert_eq!(fixture.get(&key("a")), Err(Some(Placed::Absent)), "nor are links followed");
}

#[test]
fn blobs_with_another_time_are_read_once() {
    let fixture = Fixture::new();
    let blob = fixture.keep(&key("a"), b"content");
    let before = fixture.cache.find(&key("a")).known().unwrap();
    set_modified(&fixture.blob(&blob), SystemTime::now() - DAY);
    assert_eq!(fixture.get(&key("a")).unwrap(), b"content");
    let after = fixture.cache.find(&key("a")).known().unwrap();
    assert!(after.intact.is_some() && after.intact != before.intact);
    // It is not read again: this damage has the right time.
    let time = modified(&fixture.blob(&blob));
    fs::write(fixture.blob(&blob), b"CONTENT").unwrap();
    set_modified(&fixture.blob(&blob), time);
    assert_eq!(fixture.get(&key("a")).unwrap(), b"CONTENT");
}

#[test]
fn a_blob_that_nobody_vouches_for_is_replaced() {
    let fixture = Fixture::new();
    let path = fixture.blob(&blob(b"content"));
    fs::write(&path, b"CONTENT").unwrap();
    fixture.keep(&key("a"), b"content");
    assert_eq!(fixture.get(&key("a")).unwrap(), b"content");
    // Damaged after it was kept, as the time tells.
    fs::write(&path, b"CONTENT").unwrap();
    set_modified(&path, SystemTime::now() - DAY);
    fixture.keep(&key("a"), b"content");
    assert_eq!(fixture.get(&key("a")).unwrap(), b"content");
    // One that is as it was kept stays.
    let inode = fs::metadata(&path).unwrap().ino();
    fs::remove_file(fixture.staging.path().join(key("a").name())).unwrap();
    fixture.keep(&key("a"), b"content");
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
}

#[test]
fn damaged_records_are_removed() {
    let fixture = Fixture::new();
    let blob = fixture.keep(&key("a"), b"content");
    let text = fs::read_to_string(fixture.record(&key("a"))).unwrap();
    fixture.keep(&key("b"), b"other");
    let lying = text.replace(r#""blob_bytes":7"#, r#""blob_bytes":8"#);
    let other = fs::read_to_string(fixture.record(&key("b"))).unwrap();
    let long = " ".repeat(5000) + &text;
    assert_ne!(lying, text);
    for damaged in ["", "{}", "null", "\0", &text[..text.len() - 1], &lying, &other, &long, &"[".repeat(3000)] {
        fs::write(fixture.record(&key("a")), damaged).unwrap();
        assert!(fixture.cache.find(&key("a")).known().is_none(), "{damaged:?}");
        assert!(!fixture.record(&key("a")).exists(), "{damaged:?}");
    }
    assert!(fixture.blob(&blob).exists(), "the blob may be that of others");
}

#[test]
fn a_record_that_lies_about_the_size_is_of_no_use() {
    let fixture = Fixture::new();
    let right = fixture.keep(&key("a"), b"content");
    let known = Known { blob: Blob { blob_bytes: 8, ..right }, ..fixture.cache.find(&key("a")).known().unwrap() };
    fs::write(fixture.record(&key("a")), known.to_json()).unwrap();
    assert_eq!(fixture.get(&key("a")), Err(Some(Placed::Damaged)));
    fixture.keep(&key("a"), b"content");
    assert_eq!(fixture.get(&key("a")).unwrap(), b"content");
}

#[test]
fn placed_files_look_like_new_ones() {
    for mode in [0o600, 0o666, 0o444] {
        let fixture = Fixture::new();
        let blob = fixture.keep(&key("a"), b"content");
        let cached = fixture.blob(&blob);
        fs::set_permissions(&cached, PermissionsExt::from_mode(mode)).unwrap();
        let to = fixture.staging.path().join("to");
        assert_eq!(
            fixture.cache.place(&fixture.cache.find(&key("a")).known().unwrap(), &to, &|| true).unwrap(),
            Placed::There
        );
        let new = fs::metadata(fixture.staged("new", b"")).unwrap().mode();
        let placed = fs::metadata(&to).unwrap();
        assert_eq!((placed.mode(), fs::read(&to).unwrap()), (new, b"content".to_vec()));
        assert_eq!(placed.ino() == fs::metadata(&cached).unwrap().ino(), new & 0o777 == mode);
    }
}

#[test]
fn other_file_systems_get_copies() {
    let here = tempfile::tempdir().unwrap();
    let there = tempfile::tempdir_in("/dev/shm").ok();
    let device = |dir: &TempDir| fs::metadata(dir.path()).unwrap().dev();
    let Some(there) = there.filter(|there| device(there) != device(&here)) else {
        eprintln!("not tested: there is no second file system in /dev/shm");
        return;
    };
    let content = pseudo_random(700_000);
    let to_here = Fixture::with(there, here);
    let blob = to_here.keep(&key("a"), &content);
    assert_eq!(to_here.get(&key("a")).unwrap(), content);
    assert_eq!(to_here.blobs(), [blob.digest.hex()]);
    let mode = |path: &Path| fs::metadata(path).unwrap().mode();
    assert_eq!(mode(&to_here.blob(&blob)), mode(&to_here.staged("new", b"")));
    let to_there = Fixture::with(to_here.staging, to_here.cache_dir);
    to_there.keep(&key("b"), &content);
    assert_eq!(to_there.get(&key("b")).unwrap(), content);
}

#[test]
fn a_place_that_is_taken_or_missing_is_an_error_and_nothing_is_lost() {
    let fixture = Fixture::new();
    fixture.keep(&key("a"), b"content");
    let known = fixture.cache.find(&key("a")).known().unwrap();
    let taken = fixture.staged("taken", b"mine");
    for to in [taken.clone(), fixture.staging.path().join("no/where")] {
        let message = fixture.cache.place(&known, &to, &|| true).unwrap_err().to_string();
        assert!(message.starts_with("writing: ") && message.contains(to.to_str().unwrap()), "{message}");
    }
    assert_eq!(fs::read(taken).unwrap(), b"mine");
    assert_eq!(fixture.get(&key("a")).unwrap(), b"content");
}

#[test]
fn what_cannot_be_kept_is_an_error_and_leaves_nothing() {
    let fixture = Fixture::new();
    let short = fixture.staged("short", b"cont");
    let message = fixture.cache.keep(&key("a"), &blob(b"content"), Some(&short), &|| true).unwrap_err().to_string();
    assert!(message.ends_with("short has 4 bytes and not 7"), "{message}");
    assert!(fixture.cache.keep(&key("a"), &blob(b"content"), Some(Path::new("/no/where")), &|| true).is_err());
    let link = fixture.staging.path().join("link");
    symlink("short", &link).unwrap();
    assert!(fixture.cache.keep(&key("a"), &blob(b"cont"), Some(&link), &|| true).is_err());
    assert!(fixture.blobs().is_empty() && list(&fixture.at("known")).is_empty());
    // As on a full disk: nothing can be made in the folder.
    fs::remove_dir(fixture.at("blobs/sha256")).unwrap();
    let message = fixture.cache.keep(&key("a"), &blob(b"cont"), Some(&short), &|| true).unwrap_err().to_string();
    assert!(message.starts_with(&format!("{}: ", fixture.cache.path.display())), "{message}");
    assert!(list(&fixture.at("known")).is_empty());
    assert!(fixture.cache.find(&key("a")).known().is_none());
}

#[test]
fn blobs_larger_than_the_limit_are_not_kept() {
    let fixture = Fixture::new();
    let cache = LayerCache::open(&CacheDir::open(fixture.cache_dir.path()).unwrap(), 6).unwrap();
    cache.keep(&key("a"), &blob(b"content"), Some(&fixture.staged("a", b"content")), &|| true).unwrap();
    assert!(cache.find(&key("a")).known().is_some() && fixture.blobs().is_empty());
}

#[test]
fn several_at_once_keep_one_blob() {
    let fixture = Fixture::new();
    let content = pseudo_random(100_000);
    let same = fixture.staged("same", &content);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (fixture, content, same) = (&fixture, &content, &same);
            scope.spawn(move || {
                let own = fixture.staged(&format!("own-{thread}"), content);
                let cache = fixture.reopened();
                for round in 0..20 {
                    let key = key(&format!("{}", (thread + round) % 3));
                    cache.keep(&key, &blob(content), Some(if round % 2 == 0 { &own } else { same }), &|| true).unwrap();
                    let known = cache.find(&key).known().unwrap();
                    let to = fixture.staging.path().join(format!("to-{thread}-{round}"));
                    assert_eq!(cache.place(&known, &to, &|| true).unwrap(), Placed::There);
                }
            });
        }
    });
    assert_eq!(fixture.blobs(), [blob(&content).digest.hex()]);
    assert_eq!(list(&fixture.at("known")).len(), 3);
    assert_eq!(fixture.cache.verify(&Unobserved).unwrap().damaged, []);
}

#[test]
fn pruning_beside_packing_is_no_error() {
    let fixture = Fixture::new();
    let content = pseudo_random(50_000);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let pruning = scope.spawn(|| {
            let cache = fixture.reopened();
            while !done.load(Ordering::Relaxed) {
                cache.prune(0, None).unwrap();
            }
        });
        for round in 0..300 {
            let staged = fixture.staged(&format!("{round}"), &content);
            fixture.cache.keep(&key("a"), &blob(&content), Some(&staged), &|| true).unwrap();
            match fixture.get(&key("a")) {
                Ok(found) => assert_eq!(found, content),
                Err(None | Some(Placed::Absent)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        done.store(true, Ordering::Relaxed);
        pruning.join().unwrap();
    });
}

#[test]
fn what_was_used_least_lately_goes_first() {
    let fixture = Fixture::new();
    for (days, name) in [(3, "three"), (1, "one"), (2, "two"), (4, "four")] {
        fixture.keep(&key(name), &[days; 10_000]);
        fixture.used(&key(name), DAY * u32::from(days));
    }
    // To find it is to use it.
    fixture.cache.find(&key("four")).known().unwrap();
    assert_eq!(fixture.cache.prune(ALL, None).unwrap(), Pruned::default());
    let pruned = fixture.cache.prune(25_000, None).unwrap();
    assert_eq!((pruned.records, pruned.blobs), (2, 2));
    assert!(pruned.bytes > 20_000 && pruned.bytes < 22_000);
    let known = |name| fixture.record(&key(name)).exists();
    assert_eq!(["four", "one", "two", "three"].map(known), [true, true, false, false]);
    assert_eq!(fixture.blobs().len(), 2);
    let pruned = fixture.cache.prune(ALL, Some(DAY / 2)).unwrap();
    assert_eq!((pruned.records, pruned.blobs), (1, 1));
    assert_eq!(["four", "one"].map(known), [true, false]);
    assert_eq!(fixture.get(&key("four")).unwrap(), [4; 10_000]);
}

#[test]
fn a_blob_stays_as_long_as_a_record_names_it() {
    let fixture = Fixture::new();
    let blob = fixture.keep(&key("old"), b"content");
    fixture.keep(&key("new"), b"content");
    fixture.used(&key("old"), DAY * 2);
    assert_eq!(fixture.cache.prune(ALL, Some(DAY)).unwrap().records, 1);
    assert!(fixture.blob(&blob).exists());
    assert_eq!(fixture.get(&key("new")).unwrap(), b"content");
}

#[test]
fn pruning_removes_what_ended_runs_left_and_nothing_of_others() {
    let fixture = Fixture::new();
    fixture.keep(&key("a"), b"content");
    // A run that was killed between a blob and its record, and others while they wrote.
    fs::write(fixture.blob(&blob(b"other")), b"other").unwrap();
    fs::write(fixture.at("blobs/sha256/.new-1-1"), b"begun").unwrap();
    fs::write(fixture.at("known/.new-1-1"), b"begun").unwrap();
    fs::write(fixture.record(&key("damaged")), b"{").unwrap();
    fs::write(fixture.at("blobs/sha256/notes"), b"somebody's").unwrap();
    fs::write(fixture.at("known/notes"), b"somebody's").unwrap();
    fs::create_dir(fixture.record(&key("a folder"))).unwrap();
    let pruned = fixture.cache.prune(ALL, None).unwrap();
    assert_eq!((pruned.records, pruned.blobs), (1, 0), "what is young may be a run's that goes on");
    let cleared = fixture.cache.clear().unwrap();
    assert_eq!((cleared.records, cleared.blobs), (1, 2));
    assert_eq!(fixture.blobs(), ["notes"]);
    assert_eq!(list(&fixture.at("known")).len(), 2);
    assert_eq!(fixture.get(&key("a")), Err(None));
    fixture.keep(&key("a"), b"content");
    assert_eq!(fixture.get(&key("a")).unwrap(), b"content", "it is a cache as before");
}

#[test]
fn info_tells_what_is_there() {
    let fixture = Fixture::new();
    let nothing = CacheInfo { path: fixture.at(""), layers: 0, blobs: 0, bytes: 0, oldest_use: None, newest_use: None };
    assert_eq!(fixture.cache.info().unwrap(), nothing);
    fixture.keep(&key("a"), b"content");
    fixture.cache.keep(&key("b"), &blob(b"stream"), None, &|| true).unwrap();
    fixture.used(&key("b"), DAY);
    let info = fixture.cache.info().unwrap();
    assert_eq!((info.layers, info.blobs), (2, 1));
    assert_eq!(info.oldest_use, Some(modified(&fixture.record(&key("b")))));
    assert_eq!(info.newest_use, Some(modified(&fixture.record(&key("a")))));
    let lengths = [fixture.record(&key("a")), fixture.record(&key("b"))].map(|path| fs::metadata(path).unwrap().len());
    assert_eq!(info.bytes, lengths.iter().sum::<u64>() + 7);
}

#[test]
fn verifying_finds_damage_that_no_time_tells_of() {
    #[derive(Default)]
    struct Counted([AtomicU64; 3]);
    impl Observer for Counted {
        fn planned(&self, layers: usize, bytes: u64) {
            self.0[0].store(layers as u64, Ordering::Relaxed);
            self.0[1].store(bytes, Ordering::Relaxed);
        }
        fn packed(&self, bytes: u64) {
            self.0[2].fetch_add(bytes, Ordering::Relaxed);
        }
    }

    let fixture = Fixture::new();
    let blobs: Vec<Blob> =
        (0..6).map(|at| fixture.keep(&key(&format!("{at}")), &pseudo_random(300_000 + at))).collect();
    let path = fixture.blob(&blobs[3]);
    let time = modified(&path);
    let mut content = fs::read(&path).unwrap();
    content[200_000] ^= 1;
    fs::write(&path, content).unwrap();
    set_modified(&path, time);
    let observer = Counted::default();
    let report = fixture.cache.verify(&observer).unwrap();
    let bytes = 6 * 300_000 + 15;
    assert_eq!(report, CacheReport { checked: 6, bytes, damaged: vec![blobs[3].digest] });
    assert_eq!(observer.0.map(AtomicU64::into_inner), [6, bytes, bytes]);
    assert!(!path.exists());
    assert_eq!(fixture.cache.verify(&Unobserved).unwrap().damaged, []);
}

#[test]
fn verifying_can_be_cancelled() {
    struct Cancelled;
    impl Observer for Cancelled {
        fn cancelled(&self) -> bool {
            true
        }
    }

    let fixture = Fixture::new();
    fixture.keep(&key("a"), b"content");
    assert_eq!(fixture.cache.verify(&Cancelled).unwrap_err().kind(), io::ErrorKind::Interrupted);
    assert_eq!(fixture.get(&key("a")).unwrap(), b"content");
}

#[test]
fn folders_that_are_links_are_not_used() {
    for part in ["", "known", "blobs", "blobs/sha256"] {
        let fixture = Fixture::new();
        let path = fixture.at(part);
        let path = path.components().as_path();
        fs::rename(path, fixture.cache_dir.path().join("elsewhere")).unwrap();
        symlink(fixture.cache_dir.path().join("elsewhere"), path).unwrap();
        let opened = LayerCache::open(&CacheDir::open(fixture.cache_dir.path()).unwrap(), ALL);
        assert!(matches!(opened, Err(CacheDirError::Unusable { .. })), "{part}");
    }
}
