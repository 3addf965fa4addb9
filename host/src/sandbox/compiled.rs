//! Compiled components, kept from run to run.
//!
//! ```text
//! PLACE/key                              see [`super::seal`]
//! PLACE/planners/COMPONENT-ENGINE-TAG    native code
//! ```
//!
//! An entry is native code, named by what it was made from and for: the component's digest, and what the engine says of
//! its version, its settings and this kind of processor, with the version of this program, which looked the component
//! over. Its tag says that it was made here, for this component, and is whole. Nothing else is ever loaded, so that an
//! entry under another's name, with another instruction in it, or from another machine is as good as none.

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::time::Duration;

use layerwright_packer::{CacheDir, CacheDirError, CacheEntry, Digest};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::seal::{Seal, TAG_DIGITS};

/// Most that is kept: some ten planners with an interpreter inside.
const TOTAL_BYTES: u64 = 512 << 20;

/// Digits that stand for an engine.
const ENGINE_DIGITS: usize = 32;

/// Where compiled components are kept.
#[derive(Debug)]
pub(crate) struct CompiledCache {
    dir: CacheDir,
    seal: Seal,
}

/// What looking for an entry brought.
pub(super) enum Found {
    /// Ready to be used.
    Component(Component),
    /// There was one, and it was damaged or not made here. It is gone.
    Damaged,
    /// Nobody has compiled it here.
    Nothing,
}

/// What looking at all entries brought.
#[derive(Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct SealReport {
    /// How many entries were read.
    pub(crate) checked: usize,
    /// How long they are together.
    pub(crate) bytes: u64,
    /// The components of those that were damaged or not made here, in ascending order. They are removed.
    pub(crate) damaged: Vec<String>,
}

impl CompiledCache {
    /// The folder of it, at its place.
    pub(crate) const FOLDER: &str = "planners";

    /// Opens what is kept at a place, after making it where there is nothing.
    pub(crate) fn open(place: &CacheDir) -> Result<Self, CacheDirError> {
        let dir = place.folder(Self::FOLDER)?;
        let unusable = |source| CacheDirError::Unusable { path: place.path().to_owned(), source };
        Ok(Self { dir, seal: Seal::open(place).map_err(unusable)? })
    }

    pub(super) fn find(&self, engine: &Engine, digest: &Digest) -> Found {
        let key = key(engine, digest);
        let entries = self.dir.entries().unwrap_or_default();
        let entry = entries.into_iter().find(|entry| entry.name.starts_with(&key));
        let Some((name, file)) = entry.and_then(|entry| Some((entry.name.clone(), self.dir.read(&entry.name)?))) else {
            return Found::Nothing;
        };
        match self.load(engine, &name, &file) {
            Some(component) => {
                CacheDir::touch(&file);
                Found::Component(component)
            }
            None => {
                self.dir.remove(&name);
                Found::Damaged
            }
        }
    }

    /// Keeps `code`, which was compiled from the component with this digest.
    pub(super) fn keep(&self, engine: &Engine, digest: &Digest, code: &[u8]) -> io::Result<()> {
        if code.len() as u64 > TOTAL_BYTES {
            return Err(io::Error::other("its native code is larger than all that is kept"));
        }
        let key = key(engine, digest);
        self.dir.write(&format!("{key}{}", self.seal.tag(&key, code)?), code)?;
        // That is for another time, if it fails.
        self.dir.prune(TOTAL_BYTES, is_entry).ok();
        Ok(())
    }

    /// Returns how many components are kept, and how many bytes they have.
    pub(crate) fn size(&self) -> io::Result<(usize, u64)> {
        Ok(self.entries()?.iter().fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.bytes)))
    }

    /// Reads all entries, and removes those that are damaged or were not made here.
    pub(crate) fn verify(&self) -> io::Result<SealReport> {
        let mut report = SealReport::default();
        for CacheEntry { name, bytes, .. } in self.entries()? {
            // Another run may have removed it.
            let Some(file) = self.dir.read(&name) else { continue };
            report.checked += 1;
            report.bytes += bytes;
            if !self.is_sealed(&name, &file) {
                self.dir.remove(&name);
                report.damaged.push(format!("sha256:{}", name.split('-').next().unwrap_or_default()));
            }
        }
        report.damaged.sort();
        Ok(report)
    }

    /// Removes what was not used for so long. Returns how many went, and their bytes.
    pub(crate) fn prune(&self, unused_for: Duration) -> io::Result<(usize, u64)> {
        self.removing(|| {
            let is_old = |entry: &CacheEntry| entry.modified.elapsed().is_ok_and(|unused| unused >= unused_for);
            self.entries()?.iter().filter(|entry| is_old(entry)).for_each(|entry| self.dir.remove(&entry.name));
            Ok(())
        })
    }

    /// Removes them all. Returns what [`Self::size`] was.
    pub(crate) fn clear(&self) -> io::Result<(usize, u64)> {
        self.removing(|| self.dir.prune(0, is_entry))
    }

    fn removing(&self, remove: impl FnOnce() -> io::Result<()>) -> io::Result<(usize, u64)> {
        let (count, bytes) = self.size()?;
        remove()?;
        let (left, left_bytes) = self.size()?;
        Ok((count.saturating_sub(left), bytes.saturating_sub(left_bytes)))
    }

    fn entries(&self) -> io::Result<Vec<CacheEntry>> {
        Ok(self.dir.entries()?.into_iter().filter(|entry| is_entry(&entry.name)).collect())
    }

    fn is_sealed(&self, name: &str, file: &File) -> bool {
        let at = name.len().saturating_sub(TAG_DIGITS);
        name.split_at_checked(at).is_some_and(|(key, tag)| self.seal.holds(tag, key, file))
    }

    fn load(&self, engine: &Engine, name: &str, file: &File) -> Option<Component> {
        if !self.is_sealed(name, file) {
            return None;
        }
        // The file is mapped and not copied: entries are never written to, only replaced.
        #[expect(
            unsafe_code,
            reason = "it is native code that this program made and sealed where only this user can write"
        )]
        unsafe {
            Component::deserialize_file(engine, CacheDir::path_of(file)).ok()
        }
    }
}

/// Removes what earlier versions of the program kept among the packed layers, where nobody looks for it any more. Returns
/// how much that was.
pub(crate) fn remove_unsealed(cache: &CacheDir) -> io::Result<(usize, u64)> {
    let Ok(dir) = cache.folder(CompiledCache::FOLDER) else { return Ok((0, 0)) };
    let old = dir.entries()?.into_iter().filter(|entry| is_unsealed_entry(&entry.name));
    let bytes: Vec<u64> = old.map(|entry| entry.bytes).collect();
    dir.prune(0, is_unsealed_entry)?;
    Ok((bytes.len(), bytes.iter().sum()))
}

/// Makes a component of what the compiler returned.
pub(super) fn from_compiler(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    #[expect(unsafe_code, reason = "it is native code, fresh from the compiler that is part of this program")]
    unsafe {
        Component::deserialize(engine, code)
    }
}

/// Whether a file is called like an entry.
fn is_entry(name: &str) -> bool {
    let parts: Vec<usize> = name.split('-').map(str::len).collect();
    parts == [64, ENGINE_DIGITS, TAG_DIGITS]
}

/// The same of those that ended in their length and a checksum.
fn is_unsealed_entry(name: &str) -> bool {
    let parts: Vec<usize> = name.split('-').map(str::len).collect();
    matches!(parts.as_slice(), [64, ENGINE_DIGITS, _, 8])
}

/// How the names of entries begin that fit.
fn key(engine: &Engine, digest: &Digest) -> String {
    let mut engine_kind = Collected(env!("CARGO_PKG_VERSION").as_bytes().to_vec());
    engine.precompile_compatibility_hash().hash(&mut engine_kind);
    format!("{}-{}-", digest.hex(), &Digest::of(&engine_kind.0).hex()[..ENGINE_DIGITS])
}

/// Keeps what is hashed. A number of 64 bits would be little for a name, and the standard library's hasher changes with
/// its version.
struct Collected(Vec<u8>);

impl Hasher for Collected {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("nobody asks for the number")
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    use fs_err as fs;

    use super::*;
    use crate::sandbox::{Compiler, Limits, Sandbox};

    const FOLDER: &str = CompiledCache::FOLDER;

    struct Kept {
        folder: tempfile::TempDir,
        sandbox: Sandbox,
        cache: CompiledCache,
        digest: Digest,
    }

    /// A small component in a cache of its own.
    fn kept() -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::open(&CacheDir::open(folder.path()).unwrap()).unwrap();
        let sandbox = Sandbox::new(Limits::default(), Compiler::Here).unwrap();
        let digest = keep(&cache, &sandbox, "(component)");
        Kept { folder, sandbox, cache, digest }
    }

    fn keep(cache: &CompiledCache, sandbox: &Sandbox, text: &str) -> Digest {
        let bytes = wat::parse_str(text).unwrap();
        let code = sandbox.engine.precompile_component(&bytes).unwrap();
        let digest = Digest::of(&bytes);
        cache.keep(&sandbox.engine, &digest, &code).unwrap();
        digest
    }

    /// The only entry.
    fn entry(folder: &Path) -> PathBuf {
        fs::read_dir(folder.join(FOLDER)).unwrap().next().unwrap().unwrap().path()
    }

    #[test]
    fn an_entry_is_found_by_its_digest() {
        let Kept { folder: _folder, sandbox, cache, digest } = kept();
        assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Component(_)));
        assert!(matches!(cache.find(&sandbox.engine, &Digest::of(b"another")), Found::Nothing));
    }

    #[test]
    fn another_engine_does_not_find_it() {
        let Kept { folder: _folder, cache, digest, .. } = kept();
        let other = Engine::new(wasmtime::Config::new().consume_fuel(false)).unwrap();
        assert!(matches!(cache.find(&other, &digest), Found::Nothing));
    }

    #[test]
    fn damaged_entries_are_thrown_away() {
        let damages: [fn(&mut Vec<u8>); 4] = [
            |code| code.truncate(code.len() / 2),
            Vec::clear,
            |code| code.push(0),
            |code| {
                let middle = code.len() / 2;
                code[middle] ^= 1;
            },
        ];
        for damage in damages {
            let Kept { folder, sandbox, cache, digest } = kept();
            let entry = entry(folder.path());
            let mut code = fs::read(&entry).unwrap();
            damage(&mut code);
            fs::write(&entry, code).unwrap();
            assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Damaged));
            assert!(!entry.exists());
            assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Nothing));
        }
    }

    #[test]
    fn no_bit_of_an_entry_can_be_changed() {
        let Kept { folder, sandbox, cache, digest } = kept();
        let entry = entry(folder.path());
        let whole = fs::read(&entry).unwrap();
        for at in (0..whole.len() * 8).step_by(whole.len() / 4) {
            let mut changed = whole.clone();
            changed[at / 8] ^= 1 << (at % 8);
            fs::write(&entry, changed).unwrap();
            assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Damaged), "bit {at}");
        }
        fs::write(&entry, whole).unwrap();
        assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Component(_)));
    }

    /// With the tag that it has, with that of the entry in whose place it is put, and with one that somebody made up.
    #[test]
    fn an_entry_under_the_name_of_another_is_thrown_away() {
        for which in 0..3 {
            let Kept { folder, sandbox, cache, digest } = kept();
            let right = entry(folder.path());
            let name = right.file_name().unwrap().to_str().unwrap().to_owned();
            fs::remove_file(&right).unwrap();
            keep(&cache, &sandbox, "(component (core module))");
            let evil = entry(folder.path());
            let evil_tag = evil.to_str().unwrap().rsplit('-').next().unwrap().to_owned();
            let (key, tag) = name.rsplit_once('-').unwrap();
            let made_up = "0".repeat(TAG_DIGITS);
            let tag = [tag, &evil_tag, &made_up][which];
            fs::rename(&evil, right.with_file_name(format!("{key}-{tag}"))).unwrap();
            assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Damaged), "{which}");
            assert_eq!(cache.size().unwrap().0, 0);
        }
    }

    #[test]
    fn what_was_made_elsewhere_is_not_used() {
        let Kept { folder, sandbox, digest, .. } = kept();
        let there = tempfile::tempdir().unwrap();
        CacheDir::open(there.path()).unwrap().folder(FOLDER).unwrap();
        // The key comes along.
        let entry = entry(folder.path());
        let name = Path::new(FOLDER).join(entry.file_name().unwrap());
        for file in [Path::new("key"), &name] {
            fs::copy(folder.path().join(file), there.path().join(file)).unwrap();
        }
        let cache = CompiledCache::open(&CacheDir::open(there.path()).unwrap()).unwrap();
        assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Damaged));
    }

    #[test]
    fn verifying_names_and_removes_what_was_changed() {
        let Kept { folder, sandbox, cache, digest } = kept();
        let changed = entry(folder.path());
        let mut code = fs::read(&changed).unwrap();
        let bytes = code.len() as u64;
        assert_eq!(cache.verify().unwrap(), SealReport { checked: 1, bytes, damaged: vec![] });
        code[0] ^= 1;
        fs::write(&changed, code).unwrap();
        fs::write(changed.with_file_name("notes"), "somebody's").unwrap();
        keep(&cache, &sandbox, "(component (core module))");
        let SealReport { checked, damaged, .. } = cache.verify().unwrap();
        assert_eq!((checked, damaged), (2, vec![digest.to_string()]));
        assert_eq!(cache.size().unwrap().0, 1);
        assert!(changed.with_file_name("notes").exists());
    }

    #[test]
    fn what_was_not_used_for_long_is_removed() {
        let Kept { folder, cache, .. } = kept();
        let hour = Duration::from_secs(3600);
        assert_eq!(cache.prune(hour).unwrap().0, 0);
        let file = fs::OpenOptions::new().append(true).open(entry(folder.path())).unwrap();
        file.file().set_modified(SystemTime::now() - 2 * hour).unwrap();
        assert_eq!(cache.prune(hour).unwrap().0, 1);
    }

    #[test]
    fn what_earlier_versions_kept_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let cache = CacheDir::open(folder.path()).unwrap();
        let planners = cache.folder(FOLDER).unwrap();
        let old = format!("{}-{}-1f-{}", "a".repeat(64), "b".repeat(32), "c".repeat(8));
        planners.write(&old, b"code").unwrap();
        planners.write("notes", b"somebody's").unwrap();
        assert_eq!(remove_unsealed(&cache).unwrap(), (1, 4));
        assert_eq!(planners.entries().unwrap().len(), 1);
    }

    #[test]
    fn what_is_whole_and_no_code_is_thrown_away() {
        let Kept { folder, sandbox, cache, digest } = kept();
        fs::remove_file(entry(folder.path())).unwrap();
        cache.keep(&sandbox.engine, &digest, b"no code").unwrap();
        assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Damaged));
    }
}
