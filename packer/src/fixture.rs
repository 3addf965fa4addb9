//! Files, plans and images for tests.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use layerwright_planner::Plan;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::belt::Belt;
use crate::blob::{write_compressed, write_plain};
use crate::layer::{Blob, LayerFiles};
use crate::walk::{Room, WalkRequest};
use crate::*;

/// A store path's name up to the part that differs.
pub(crate) const H: &str = "/nix/store/00000000000000000000000000000000";

/// A directory that stands for `/`.
pub(crate) struct Fixture {
    root: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(root.path().join("nix/store")).unwrap();
        Self { root }
    }

    /// Files for [`store_plan`]: a directory, a file, a symlink, and a file of several blocks.
    pub(crate) fn store() -> Self {
        let fixture = Self::new();
        fixture.dir(&format!("{H}-a"), 0o555);
        fixture.file(&format!("{H}-a/hello"), 0o555, b"#!/bin/sh\n");
        fixture.symlink(&format!("{H}-a/link"), "hello");
        fixture.file(&format!("{H}-b"), 0o444, b"hello\n");
        fixture.symlink(&format!("{H}-c"), &format!("{H}-a"));
        fixture.file(&format!("{H}-d"), 0o444, &pseudo_random(9 << 20));
        fixture
    }

    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.root().join(path.trim_start_matches('/'))
    }

    pub(crate) fn dir(&self, path: &str, mode: u32) {
        fs_err::create_dir_all(self.at(path)).unwrap();
        self.chmod(path, mode);
    }

    /// Makes a file, or replaces it. Its directory may be read-only.
    pub(crate) fn file(&self, path: &str, mode: u32, content: &[u8]) {
        self.in_writable_parent(path, |at| {
            let _ = fs_err::remove_file(at);
            fs_err::write(at, content).unwrap();
        });
        self.chmod(path, mode);
    }

    pub(crate) fn chmod(&self, path: &str, mode: u32) {
        fs_err::set_permissions(self.at(path), PermissionsExt::from_mode(mode)).unwrap();
    }

    pub(crate) fn symlink(&self, path: &str, target: &str) {
        self.in_writable_parent(path, |at| symlink(target, at).unwrap());
    }

    /// Not everybody who runs the tests is root.
    fn in_writable_parent(&self, path: &str, act: impl FnOnce(&Path)) {
        let at = self.at(path);
        let parent = at.parent().unwrap();
        let before = fs_err::metadata(parent).unwrap().permissions();
        fs_err::set_permissions(parent, PermissionsExt::from_mode(0o755)).unwrap();
        act(&at);
        fs_err::set_permissions(parent, before).unwrap();
    }

    pub(crate) fn fifo(&self, path: &str) {
        mknodat(CWD, self.at(path), FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        self.chmod(path, 0o644);
    }

    /// Walks the layers of a plan of store paths.
    pub(crate) fn walk(&self, plan: &Plan) -> Result<Vec<LayerFiles>, PackError> {
        self.walk_files(plan, &|name| NodeFiles::Tree(name.into()))
    }

    pub(crate) fn walk_files(
        &self,
        plan: &Plan,
        files: &(dyn Fn(&str) -> NodeFiles + Sync),
    ) -> Result<Vec<LayerFiles>, PackError> {
        walk_all(plan, files, self.root())
    }

    /// Packs one layer of packages, each with the files it lists. Returns the tar.
    pub(crate) fn pack_lists(&self, lists: &[&[&str]]) -> Result<Vec<u8>, PackError> {
        let names: Vec<String> = (0..lists.len()).map(|index| format!("/{index}")).collect();
        let files = |name: &str| {
            let paths = lists[name[1..].parse::<usize>().unwrap()];
            let required = |path: &str| ListedFile { path: path.into(), required: !path.contains("optional") };
            NodeFiles::List(paths.iter().map(|path| required(path)).collect())
        };
        let layers = self.walk_files(&plan(&[&names.iter().map(String::as_str).collect::<Vec<_>>()]), &files)?;
        Ok(write_layer(&layers[0], Compression::None)?.1)
    }

    pub(crate) fn pack(&self, plan: &Plan, destination: &str) -> Result<PackedImage, PackError> {
        self.pack_with(plan, destination, |request, observer| pack(&request, observer))
    }

    /// Calls `pack` with a request that it may change.
    pub(crate) fn pack_with<T>(
        &self,
        plan: &Plan,
        destination: &str,
        pack: impl FnOnce(PackRequest<'_>, &Recorder) -> T,
    ) -> T {
        let request = PackRequest {
            plan,
            files: &|name| NodeFiles::Tree(name.into()),
            root: self.root(),
            settings: &ImageSettings { architecture: "amd64".into(), ..ImageSettings::default() },
            compression: None,
            destination: &destination.parse().unwrap(),
            tags: &[],
            threads: None,
            base: None,
            customisation: None,
            ready: &[],
            legacy_parents: false,
            reuse: None,
            durability: Durability::Synced,
        };
        pack(request, &Recorder::default())
    }
}

impl Drop for Fixture {
    /// Read-only directories would stay.
    fn drop(&mut self) {
        make_writable(self.root());
    }
}

fn make_writable(dir: &Path) {
    let _ = fs_err::set_permissions(dir, PermissionsExt::from_mode(0o755));
    for child in fs_err::read_dir(dir).into_iter().flatten().flatten() {
        if child.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&child.path());
        }
    }
}

/// Remembers warnings.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) warnings: Mutex<Vec<String>>,
}

impl Observer for Recorder {
    fn warn(&self, message: &str) {
        self.warnings.lock().unwrap().push(message.into());
    }
}

/// A plan of store paths.
pub(crate) fn plan(layers: &[&[&str]]) -> Plan {
    Plan::from_store_layers(&serde_json::to_string(layers).unwrap()).unwrap()
}

/// The plan of [`Fixture::store`].
pub(crate) fn store_plan() -> Plan {
    let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| format!("{H}-{name}"));
    plan(&[&[&a, &b], &[&d], &[&c]])
}

/// Walks all layers of a plan.
pub(crate) fn walk_all(
    plan: &Plan,
    files: &(dyn Fn(&str) -> NodeFiles + Sync),
    root: &Path,
) -> Result<Vec<LayerFiles>, PackError> {
    let room = Room::new(usize::MAX);
    let (lower, stamp) = (LowerFiles::default(), Arc::default());
    let request = WalkRequest { plan, files, root, lower: &lower, room: &room, stamp: &stamp, observer: &Unobserved };
    let layers = request.layers(&Vec::from_iter(0..plan.layers().len()))?;
    request.check_not_nested()?;
    Ok(layers)
}

/// Returns a layer's blob.
pub(crate) fn write_layer(layer: &LayerFiles, compression: Compression) -> Result<(Blob, Vec<u8>), PackError> {
    write_layer_with(layer, compression, 1, &|_| Ok(()))
}

/// Returns a layer's blob, made with so many threads.
pub(crate) fn write_layer_with(
    layer: &LayerFiles,
    compression: Compression,
    threads: usize,
    progress: &(dyn Fn(u64) -> Result<(), PackError> + Sync),
) -> Result<(Blob, Vec<u8>), PackError> {
    let written = Mutex::new(None);
    Belt::run(compression, threads, 1, &|_, worker| {
        let (mut bytes, mut tar) = (Vec::new(), layer.tar(3));
        let blob = match compression {
            Compression::None => {
                write_plain(|out| tar.fill(out), &mut bytes, worker, progress).map(|lane| lane.blob(worker))
            }
            _ => write_compressed(&mut tar, &mut bytes, worker, progress),
        };
        *written.lock().unwrap() = Some(blob.map(|blob| (blob, bytes)));
    })?;
    written.into_inner().unwrap().unwrap()
}

/// Bytes that compress neither well nor badly, the same everywhere.
pub(crate) fn pseudo_random(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = Vec::with_capacity(length + 16);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let [run, value, ..] = state.to_le_bytes();
        bytes.extend(std::iter::repeat_n(value & 63, usize::from(run & 15) + 1));
    }
    bytes.truncate(length);
    bytes
}

/// Names of what is in a directory, sorted.
pub(crate) fn list(dir: &Path) -> Vec<String> {
    let names = fs_err::read_dir(dir).unwrap().map(|child| child.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Expects that an image is what it says.
pub(crate) fn assert_verified(image: &str) -> VerifyReport {
    let report = verify(&image.parse().unwrap(), &Unobserved).unwrap();
    assert_eq!(report.mismatches, [], "{image}");
    report
}
