//! Any tree comes back as it was: packed, and unpacked by GNU tar.
//!
//! `LAYERWRIGHT_SEED=N` repeats one tree.

use std::env;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use fs_err as fs;

use crate::case::{Case, case};
use crate::hand_made::{HandMade, Random};
use crate::image::Layout;
use crate::run::{Folder, layerwright};
use crate::tree;

pub(super) const CASES: &[Case] = &[case!(come_back_as_they_were, Tar)];

/// The same ones in every run, and as many new ones.
const FIXED_SEEDS: u64 = 12;

fn come_back_as_they_were() -> Result<()> {
    if let Ok(seed) = env::var("LAYERWRIGHT_SEED") {
        return check(seed.parse()?);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let seeds = (0..FIXED_SEEDS).chain((0..FIXED_SEEDS).map(|at| now * 100 + at));
    for seed in seeds {
        check(seed).with_context(|| format!("repeat it with LAYERWRIGHT_SEED={seed}"))?;
    }
    Ok(())
}

fn check(seed: u64) -> Result<()> {
    let mut random = Random(seed);
    let mut store = HandMade::new()?;
    for node in 0..1 + random.below(4) {
        let name = format!("node-{node}");
        store.add(&name, &[])?;
        let mut grow = Grow { random: &mut random, left: 40 };
        grow.folder(Path::new(&store.file_path(&name)), 0)?;
    }
    let folder = Folder::new()?;
    let compression = *random.pick(&["none", "gzip"]);
    let to = format!("oci:{}:random", folder.path("oci"));
    let arguments = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to];
    layerwright(&arguments).args(["--compression", compression]).ok()?;

    let unpacked = folder.path("unpacked");
    Layout::open(&folder.path("oci"), "random")?.unpack(&unpacked)?;
    let mut expected = tree::as_packed(tree::read(&format!("{}/nix/store", store.root()))?);
    let mut found = tree::read(&format!("{unpacked}/nix/store"))?;
    if !rustix::process::geteuid().is_root() {
        for entry in expected.values_mut().chain(found.values_mut()) {
            entry.owner = (0, 0);
        }
    }
    tree::expect_equal(&expected, &found)
}

struct Grow<'r> {
    random: &'r mut Random,
    /// Files that may still be made.
    left: u32,
}

impl Grow<'_> {
    fn folder(&mut self, path: &Path, depth: u32) -> Result<()> {
        for _ in 0..self.random.below(8) {
            let path = path.join(OsStr::from_bytes(&self.name()));
            if self.left > 0 && fs::symlink_metadata(&path).is_err() {
                self.left -= 1;
                self.entry(path, depth)?;
            }
        }
        Ok(())
    }

    fn entry(&mut self, path: PathBuf, depth: u32) -> Result<()> {
        match self.random.below(10) {
            0..=2 if depth < 6 => {
                fs::create_dir(&path)?;
                self.folder(&path, depth + 1)?;
                let mode = *self.random.pick(&[0o555, 0o755, 0o700, 0o1777, 0o2755]);
                fs::set_permissions(path, PermissionsExt::from_mode(mode))?;
            }
            3..=4 => {
                let target = self.name();
                fs::os::unix::fs::symlink(OsStr::from_bytes(&target), path)?;
            }
            _ => {
                let length = *self.random.pick(&[0, 1, 511, 512, 513, 5000, 70_000]);
                let content: Vec<u8> = (0..length).map(|_| self.byte()).collect();
                fs::write(&path, content)?;
                let mode = *self.random.pick(&[0o444, 0o555, 0o644, 0o600, 0o4755, 0o2711]);
                fs::set_permissions(path, PermissionsExt::from_mode(mode))?;
            }
        }
        Ok(())
    }

    /// Short, long, not ASCII, or not even text.
    fn name(&mut self) -> Vec<u8> {
        let length = *self.random.pick(&[1, 2, 5, 30, 99, 100, 101, 150, 250]);
        let any = self.random.below(4) == 0;
        let letters = b"abcXYZ019.-_+ =%~\\\"'\n\xc3\xa9";
        let byte = |random: &mut Random| match any {
            true => u8::try_from(random.below(255) + 1).unwrap_or(b'x'),
            false => *random.pick(letters),
        };
        let mut name: Vec<u8> = (0..length).map(|_| byte(self.random)).filter(|byte| *byte != b'/').collect();
        if name.is_empty() || name.starts_with(b".") {
            name.insert(0, b'x');
            name.truncate(250);
        }
        name
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.random.below(256)).unwrap_or_default()
    }
}
