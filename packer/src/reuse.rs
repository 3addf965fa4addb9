//! Layers that need not be packed, because they were packed before.
//!
//! The bytes of a layer are decided by its packing profile and its files. A [`LayerKey`] is the sha256 of a text that
//! names both, the files in one of two ways:
//!
//! 1. By the names of its store paths and their NAR hashes, where all are known. Then nothing of the layer is looked at.
//! 2. By its [`Fingerprint`]: all that a walk finds, and of each file the inode with the time of its last change, which
//!    nobody can set. So files that can change, such as those of packages, are known without being opened. Files that
//!    were changed just now could change again without a later time, so such a layer has no key yet. What file systems
//!    do not note as a change is not seen: FAT keeps no such time, and programs may write by a mapping.
//!
//! What is wrong with the cache never fails a build: the layer is packed, and the user is told.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use layerwright_planner::{Layer, Plan};

use crate::cache::{Found, LayerCache, LayerKey, Placed};
use crate::error::PackError;
use crate::layer::{Blob, Fingerprint};
use crate::progress::Observer;
use crate::{Compression, Digest, Stamp};

/// What a key stands for. Another number where the same text would mean other bytes.
const KEY_FORMAT: &str = "layerwright layer 1";

/// Linux takes the time of a change from a clock that stands still for up to so long.
const CLOCK_TICK: Duration = Duration::from_millis(10);

/// The same, for file systems that keep whole seconds or, as FAT does, every other one.
const COARSE_CLOCK_TICK: Duration = Duration::from_secs(2);

/// Where packed layers are kept, and how they are known again.
#[derive(Clone, Copy)]
pub struct LayerReuse<'a> {
    /// Where they are kept.
    pub cache: &'a LayerCache,
    /// The NAR hash of a node that is a store path, in any spelling, as long as it is always the same one. Only for a
    /// store whose paths never change: with the hash, the files are not looked at any more. `None` for all else.
    pub nar_hash: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// Layers of one image that may be in the cache.
pub(crate) struct Reuse<'a> {
    from: LayerReuse<'a>,
    plan: &'a Plan,
    /// As [`whole_profile`].
    profile: String,
    observer: &'a dyn Observer,
    /// Something was kept, so there may be too much by now.
    has_kept: AtomicBool,
    has_warned: AtomicBool,
}

impl<'a> Reuse<'a> {
    pub(crate) fn new(from: LayerReuse<'a>, plan: &'a Plan, profile: String, observer: &'a dyn Observer) -> Self {
        let [has_kept, has_warned] = [(); 2].map(|()| AtomicBool::new(false));
        Self { from, plan, profile, observer, has_kept, has_warned }
    }

    /// The key of a layer whose store paths all have a hash.
    pub(crate) fn key_of_content(&self, layer: &Layer) -> Option<LayerKey> {
        let mut text = format!("{KEY_FORMAT}\n{}\n", self.profile);
        for node in self.plan.names(layer) {
            let hash = (self.from.nar_hash)(node)?;
            // Lengths, so that no two lists are one text.
            writeln!(text, "{} {node} {} {hash}", node.len(), hash.len()).expect("a string takes everything");
        }
        Some(LayerKey::new(Digest::of(text.as_bytes())))
    }

    /// The key of a layer that was walked, unless a file could have changed since `before` the walk without showing it.
    pub(crate) fn key_of_files(&self, files: &Fingerprint, before: SystemTime) -> Option<LayerKey> {
        let (seconds, nanoseconds) = files.last_change;
        let tick = if nanoseconds % 1_000_000_000 == 0 { COARSE_CLOCK_TICK } else { CLOCK_TICK };
        let last_change = match u64::try_from(seconds) {
            Ok(seconds) => UNIX_EPOCH + Duration::new(seconds, u32::try_from(nanoseconds).unwrap_or(0)),
            Err(_) => UNIX_EPOCH,
        };
        if before.duration_since(last_change).is_ok_and(|age| age > tick) {
            let text = format!("{KEY_FORMAT}\n{}\nfiles {}\n", self.profile, files.digest());
            return Some(LayerKey::new(Digest::of(text.as_bytes())));
        }
        None
    }

    /// Brings the blob of a layer to `to`. `None` where it has to be packed.
    pub(crate) fn take(&self, key: &LayerKey, to: &Path) -> Result<Option<Blob>, PackError> {
        if self.observer.cancelled() {
            return Err(PackError::Cancelled);
        }
        let damaged = |what: String| {
            self.observer.warn(&format!("{what} in the cache was damaged; its layer is packed again"));
            Ok(None)
        };
        let known = match self.from.cache.find(key) {
            Found::Known(known) => known,
            Found::Absent => return Ok(None),
            Found::Damaged => return damaged("a record".into()),
        };
        match self.from.cache.place(&known, to, &|| !self.observer.cancelled())? {
            Placed::There => Ok(Some(known.blob)),
            Placed::Absent => Ok(None),
            Placed::Damaged => damaged(format!("the blob {}", known.blob.digest)),
        }
    }

    /// Keeps a blob that was packed.
    pub(crate) fn keep(&self, key: &LayerKey, blob: &Blob, file: &Path) {
        match self.from.cache.keep(key, blob, Some(file), &|| !self.observer.cancelled()) {
            Ok(()) => self.has_kept.store(true, Ordering::Relaxed),
            Err(_) if self.observer.cancelled() => {}
            Err(error) if !self.has_warned.swap(true, Ordering::Relaxed) => {
                self.observer.warn(&format!("layers cannot be kept for the next time: {error}"));
            }
            Err(_) => {}
        }
    }
}

impl Drop for Reuse<'_> {
    /// Makes room in the cache, also where no image came of it.
    fn drop(&mut self) {
        if self.has_kept.load(Ordering::Relaxed)
            && let Err(error) = self.from.cache.trim()
        {
            self.observer.warn(&format!("the cache may be larger than it should be: {error}"));
        }
    }
}

/// All that decides the bytes of every layer besides its files: the packing profile, and what its files have in common.
pub(crate) fn whole_profile(compression: Compression, stamp: &Stamp) -> String {
    let Stamp { modified, uid, gid, uname, gname } = stamp;
    let mut profile = compression.profile();
    if *stamp != Stamp::default() {
        // Lengths, so that no two stamps are one text.
        let names = format!("{} {uname} {} {gname}", uname.len(), gname.len());
        write!(profile, "\nstamp {modified} {uid} {gid} {names}").expect("a string takes everything");
    }
    profile
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::mem::MaybeUninit;
    use std::thread::sleep;

    use rustix::fs::inotify;
    use tempfile::TempDir;

    use super::*;
    use crate::fixture::{Fixture, H, assert_verified, list, plan, store_plan};
    use crate::{CacheDir, NodeFiles, PackRequest, PackedImage, pack};

    /// Files, a cache, and a place for images, each in a folder of its own.
    struct Setting {
        fixture: Fixture,
        cache: LayerCache,
        cache_dir: TempDir,
        out: TempDir,
        hashes: BTreeMap<String, String>,
    }

    impl Setting {
        fn new() -> Self {
            let cache_dir = tempfile::tempdir().unwrap();
            let cache = LayerCache::open(&CacheDir::open(cache_dir.path()).unwrap(), u64::MAX).unwrap();
            let (fixture, out) = (Fixture::store(), tempfile::tempdir().unwrap());
            // Files are not as new as they just were.
            sleep(2 * CLOCK_TICK);
            Self { fixture, cache, cache_dir, out, hashes: BTreeMap::new() }
        }

        fn with_hashes() -> Self {
            let hash = |name| (format!("{H}-{name}"), format!("sha256:{name}"));
            Self { hashes: ["a", "b", "c", "d"].map(hash).into(), ..Self::new() }
        }

        fn try_pack(&self, plan: &Plan, to: &str, compression: &str) -> (Result<PackedImage, PackError>, Vec<String>) {
            let nar_hash = |name: &str| self.hashes.get(name).cloned();
            let reuse = Some(LayerReuse { cache: &self.cache, nar_hash: &nar_hash });
            let compression = Some(compression.parse().unwrap());
            let destination = format!("{to}:{}/{to}", self.out.path().display());
            self.fixture.pack_with(plan, &destination, |request, observer| {
                let packed = pack(&PackRequest { reuse, compression, ..request }, observer);
                if packed.is_ok() {
                    assert_verified(&destination);
                }
                (packed, observer.warnings.lock().unwrap().clone())
            })
        }

        /// Packs, and returns which layers were reused.
        fn pack(&self, to: &str) -> Vec<bool> {
            let (packed, warnings) = self.try_pack(&store_plan(), to, "gzip:1");
            assert_eq!(warnings, [""; 0]);
            packed.unwrap().layers.iter().map(|layer| layer.reused).collect()
        }

        fn blobs(&self) -> Vec<String> {
            list(&self.cache_dir.path().join("layers/blobs/sha256"))
        }
    }

    /// How often the files and folders of [`Setting::fixture`] are opened.
    struct Opened(rustix::fd::OwnedFd);

    impl Opened {
        fn watch(fixture: &Fixture, paths: &[&str]) -> Self {
            let watcher = inotify::init(inotify::CreateFlags::NONBLOCK | inotify::CreateFlags::CLOEXEC).unwrap();
            for path in paths {
                let at = fixture.at(&format!("{H}-{path}"));
                inotify::add_watch(&watcher, at, inotify::WatchFlags::OPEN).unwrap();
            }
            Self(watcher)
        }

        fn count(&self) -> usize {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(&self.0, &mut buffer);
            // Of a watched folder one is also told what is opened in it.
            std::iter::from_fn(|| Some(events.next().ok()?.file_name().is_none())).filter(|is_own| *is_own).count()
        }
    }

    const FILES: [&str; 3] = ["a/hello", "b", "d"];

    #[test]
    fn each_file_is_opened_once_and_then_never_again() {
        let setting = Setting::new();
        let opened = Opened::watch(&setting.fixture, &FILES);
        assert_eq!(setting.pack("oci"), [false; 3]);
        assert_eq!(opened.count(), FILES.len());
        // Once more into the same layout, and into everything else.
        for to in ["oci", "oci-archive", "docker-archive"] {
            assert_eq!(setting.pack(to), [true; 3], "{to}");
            assert_eq!(opened.count(), 0, "{to}");
        }
    }

    #[test]
    fn store_paths_with_hashes_are_not_even_walked() {
        let setting = Setting::with_hashes();
        let opened = Opened::watch(&setting.fixture, &["a/hello", "b", "d", "a"]);
        assert_eq!(setting.pack("oci"), [false; 3]);
        assert!(opened.count() > FILES.len());
        assert_eq!(setting.pack("oci"), [true; 3]);
        assert_eq!(opened.count(), 0);
    }

    #[test]
    fn image_is_the_same_with_and_without_a_cache() {
        let setting = Setting::with_hashes();
        let pack = || setting.try_pack(&store_plan(), "oci", "gzip").0.unwrap();
        let (cold, warm) = (pack(), pack());
        let fresh =
            setting.fixture.pack(&store_plan(), &format!("oci:{}/fresh", setting.out.path().display())).unwrap();
        assert_eq!((cold.manifest, warm.manifest), (fresh.manifest, fresh.manifest));
        assert!(warm.layers.iter().all(|layer| layer.reused) && !cold.layers.iter().any(|layer| layer.reused));
    }

    #[test]
    fn what_was_changed_is_packed_again() {
        let setting = Setting::new();
        setting.pack("oci");
        // As long as before, and of the same time.
        let path = setting.fixture.at(&format!("{H}-b"));
        let modified = fs_err::metadata(&path).unwrap().modified().unwrap();
        setting.fixture.file(&format!("{H}-b"), 0o644, b"HELLO\n");
        fs_err::File::options().write(true).open(&path).unwrap().into_file().set_modified(modified).unwrap();
        setting.fixture.chmod(&format!("{H}-b"), 0o444);
        sleep(2 * CLOCK_TICK);
        assert_eq!(setting.pack("oci"), [false, true, true]);
        assert_eq!(setting.pack("oci"), [true; 3]);
    }

    #[test]
    fn other_hash_profile_or_company_is_another_layer() {
        let mut setting = Setting::with_hashes();
        setting.pack("oci");
        let reused = |setting: &Setting, plan: &Plan, compression: &str| {
            let packed = setting.try_pack(plan, "oci", compression).0.unwrap();
            packed.layers.iter().map(|layer| layer.reused).collect::<Vec<_>>()
        };
        assert_eq!(reused(&setting, &store_plan(), "gzip:2"), [false; 3]);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| format!("{H}-{name}"));
        assert_eq!(reused(&setting, &plan(&[&[&a], &[&b, &d], &[&c]]), "gzip:1"), [false, false, true]);
        setting.hashes.insert(d, "sha256:other".into());
        assert_eq!(reused(&setting, &store_plan(), "gzip:1"), [true, false, true]);
    }

    #[test]
    fn damaged_blob_is_reported_and_packed_again() {
        let setting = Setting::with_hashes();
        setting.pack("oci-archive");
        for blob in setting.blobs() {
            let path = setting.cache_dir.path().join("layers/blobs/sha256").join(blob);
            let mut bytes = fs_err::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            fs_err::write(path, bytes).unwrap();
        }
        let (packed, warnings) = setting.try_pack(&store_plan(), "oci", "gzip:1");
        assert!(!packed.unwrap().layers.iter().any(|layer| layer.reused));
        assert_eq!(warnings.len(), 3);
        assert!(warnings[0].ends_with(" in the cache was damaged; its layer is packed again"), "{warnings:?}");
        assert_eq!(setting.pack("oci"), [true; 3]);
    }

    #[test]
    fn damaged_record_is_reported_and_made_again() {
        let setting = Setting::with_hashes();
        setting.pack("oci");
        let known = setting.cache_dir.path().join("layers/known");
        for record in list(&known) {
            fs_err::write(known.join(record), "{}").unwrap();
        }
        let (packed, warnings) = setting.try_pack(&store_plan(), "oci", "gzip:1");
        assert!(!packed.unwrap().layers.iter().any(|layer| layer.reused));
        assert_eq!(warnings, ["a record in the cache was damaged; its layer is packed again"; 3]);
        assert_eq!(setting.pack("oci"), [true; 3]);
    }

    /// Puts another file of the same size and time in the place of one that was walked, and after packing puts it back.
    struct Swapper<'a>(&'a Fixture);

    impl Swapper<'_> {
        fn swap(&self) {
            let [here, there] = ["b", "other"].map(|name| self.0.at(&format!("{H}-{name}")));
            let aside = self.0.at("aside");
            fs_err::rename(&here, &aside).unwrap();
            fs_err::rename(&there, &here).unwrap();
            fs_err::rename(&aside, &there).unwrap();
        }
    }

    impl Observer for Swapper<'_> {
        fn planned(&self, _: usize, _: u64) {
            self.swap();
        }
    }

    #[test]
    fn what_was_read_instead_of_what_was_walked_is_not_kept() {
        let setting = Setting::new();
        let fixture = &setting.fixture;
        fixture.file(&format!("{H}-other"), 0o444, b"HELLO\n");
        for name in ["b", "other"] {
            fs_err::File::open(fixture.at(&format!("{H}-{name}")))
                .unwrap()
                .into_file()
                .set_modified(UNIX_EPOCH)
                .unwrap();
        }
        sleep(2 * CLOCK_TICK);
        let plan = plan(&[&[&format!("{H}-b")]]);
        let reuse = Some(LayerReuse { cache: &setting.cache, nar_hash: &|_| None });
        let pack_watched = |observer: &dyn Observer, to: &str| {
            let destination = format!("oci:{}/{to}", setting.out.path().display());
            let packed =
                fixture.pack_with(&plan, &destination, |request, _| pack(&PackRequest { reuse, ..request }, observer));
            packed.unwrap()
        };
        let swapper = Swapper(fixture);
        let swapped = pack_watched(&swapper, "swapped");
        swapper.swap();
        sleep(2 * CLOCK_TICK);
        let fresh = pack_watched(&crate::Unobserved, "fresh");
        assert!(!fresh.layers[0].reused && fresh.manifest != swapped.manifest);
        assert_eq!(setting.blobs().len(), 1);
    }

    #[test]
    fn cache_that_takes_nothing_is_reported_once() {
        let setting = Setting::new();
        fs_err::remove_dir_all(setting.cache_dir.path()).unwrap();
        let (packed, warnings) = setting.try_pack(&store_plan(), "oci", "gzip:1");
        assert!(!packed.unwrap().layers.iter().any(|layer| layer.reused));
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].starts_with("layers cannot be kept for the next time: "), "{warnings:?}");
    }

    #[test]
    fn failed_build_leaves_nothing_at_the_destination_and_whole_layers_in_the_cache() {
        let setting = Setting::with_hashes();
        setting.pack("oci");
        let [a, missing] = ["a", "missing"].map(|name| format!("{H}-{name}"));
        let (packed, _) = setting.try_pack(&plan(&[&[&a], &[&missing]]), "oci-archive", "gzip:1");
        assert!(matches!(packed, Err(PackError::MissingFiles { .. })));
        assert_eq!(list(setting.out.path()), ["oci"]);
        assert_eq!(setting.pack("oci"), [true; 3]);
    }

    #[test]
    fn files_that_changed_just_now_are_not_known_again() {
        let setting = Setting::new();
        let reuse = LayerReuse { cache: &setting.cache, nar_hash: &|_| None };
        let plan = store_plan();
        let reuse = Reuse::new(reuse, &plan, Compression::None.profile(), &crate::Unobserved);
        let files = |name: &str| NodeFiles::Tree(name.into());
        let layers = setting.fixture.walk_files(&plan, &files).unwrap();
        let files = layers[0].fingerprint();
        let (seconds, nanoseconds) = files.last_change;
        let changed = UNIX_EPOCH + Duration::new(seconds.unsigned_abs(), u32::try_from(nanoseconds).unwrap());
        assert_eq!(reuse.key_of_files(files, changed + CLOCK_TICK / 2), None);
        assert_eq!(reuse.key_of_files(files, changed - CLOCK_TICK), None, "in the future");
        assert!(reuse.key_of_files(files, changed + COARSE_CLOCK_TICK * 2).is_some());
    }
}
