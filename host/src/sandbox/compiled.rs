//! Compiled components, kept from run to run.
//!
//! An entry is native code, named by what it was made from and for: the component's digest, and what the engine says of
//! its version, its settings and this kind of processor. The name ends in a checksum of the entry, which finds what a
//! full disk or a bad one has done. It is no protection against people; the folder is, see [`CacheDir`].

use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io::{self, Read};

use layerwright_packer::{CacheDir, Digest};
use wasmtime::Engine;
use wasmtime::component::Component;

/// Most that is kept: some ten planners with an interpreter inside.
const TOTAL_BYTES: u64 = 512 << 20;

/// Where compiled components are kept.
#[derive(Debug)]
pub(crate) struct CompiledCache {
    dir: CacheDir,
}

/// What looking for an entry brought.
pub(super) enum Found {
    /// Ready to be used.
    Component(Component),
    /// There was one, and it was damaged. It is gone.
    Damaged,
    /// Nobody has compiled it here.
    Nothing,
}

impl CompiledCache {
    /// Keeps components in this folder.
    pub(crate) fn new(dir: CacheDir) -> Self {
        Self { dir }
    }

    pub(super) fn find(&self, engine: &Engine, digest: &Digest) -> Found {
        let key = key(engine, digest);
        let entries = self.dir.entries().unwrap_or_default();
        let entry = entries.into_iter().find(|entry| entry.name.starts_with(&key));
        let Some((name, file)) = entry.and_then(|entry| Some((entry.name.clone(), self.dir.read(&entry.name)?))) else {
            return Found::Nothing;
        };
        match load(engine, &name, &file) {
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
        self.dir.write(&format!("{}{}", key(engine, digest), checksum(code)?), code)?;
        // That is for another time, if it fails.
        self.dir.prune(TOTAL_BYTES, is_entry).ok();
        Ok(())
    }

    /// Returns how many components are kept, and how many bytes they have.
    pub(crate) fn size(&self) -> io::Result<(usize, u64)> {
        let entries = self.dir.entries()?.into_iter().filter(|entry| is_entry(&entry.name));
        Ok(entries.fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.bytes)))
    }

    /// Removes them all. Returns what [`Self::size`] was.
    pub(crate) fn clear(&self) -> io::Result<(usize, u64)> {
        let (count, bytes) = self.size()?;
        self.dir.prune(0, is_entry)?;
        let (left, left_bytes) = self.size()?;
        Ok((count.saturating_sub(left), bytes.saturating_sub(left_bytes)))
    }
}

/// Makes a component of what the compiler returned.
pub(super) fn from_compiler(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    #[expect(unsafe_code, reason = "it is native code, fresh from the compiler that is part of this program")]
    unsafe {
        Component::deserialize(engine, code)
    }
}

fn load(engine: &Engine, name: &str, file: &File) -> Option<Component> {
    if !name.ends_with(&checksum(file).ok()?) {
        return None;
    }
    // The file is mapped and not copied: entries are never written to, only replaced.
    #[expect(unsafe_code, reason = "it is native code that this program made and kept where only this user can write")]
    unsafe {
        Component::deserialize_file(engine, CacheDir::path_of(file)).ok()
    }
}

/// Whether a file is called like an entry.
fn is_entry(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    matches!(parts.as_slice(), [digest, engine, _length, checksum] if (digest.len(), engine.len(), checksum.len()) == (64, 32, 8))
}

/// How the names of entries begin that fit.
fn key(engine: &Engine, digest: &Digest) -> String {
    let mut engine_kind = Collected::default();
    engine.precompile_compatibility_hash().hash(&mut engine_kind);
    format!("{}-{}-", digest.hex(), &Digest::of(&engine_kind.0).hex()[..32])
}

fn checksum(mut code: impl Read) -> io::Result<String> {
    let (mut bytes, mut hasher) = (0, crc32fast::Hasher::new());
    // Small enough to stay in the processor's cache: fresh memory for 40 MB takes longer than all the rest.
    let mut buffer = vec![0; 128 << 10];
    loop {
        match code.read(&mut buffer)? {
            0 => return Ok(format!("{bytes:x}-{:08x}", hasher.finalize())),
            read => {
                hasher.update(&buffer[..read]);
                bytes += read;
            }
        }
    }
}

/// Keeps what is hashed. A number of 64 bits would be little for a name, and the standard library's hasher changes with
/// its version.
#[derive(Default)]
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
    use fs_err as fs;

    use super::*;
    use crate::sandbox::{Compiler, Limits, Sandbox};

    struct Kept {
        folder: tempfile::TempDir,
        sandbox: Sandbox,
        cache: CompiledCache,
        digest: Digest,
    }

    /// A small component in a cache of its own.
    fn kept() -> Kept {
        let folder = tempfile::tempdir().unwrap();
        let cache = CompiledCache::new(CacheDir::open(folder.path()).unwrap());
        let bytes = wat::parse_str("(component)").unwrap();
        let sandbox = Sandbox::new(Limits::default(), Compiler::Here).unwrap();
        let code = sandbox.engine.precompile_component(&bytes).unwrap();
        let digest = Digest::of(&bytes);
        cache.keep(&sandbox.engine, &digest, &code).unwrap();
        Kept { folder, sandbox, cache, digest }
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
            let entry = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
            let mut code = fs::read(&entry).unwrap();
            damage(&mut code);
            fs::write(&entry, code).unwrap();
            assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Damaged));
            assert!(!entry.exists());
            assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Nothing));
        }
    }

    #[test]
    fn what_is_whole_and_no_code_is_thrown_away() {
        let Kept { folder, sandbox, cache, digest } = kept();
        let entry = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
        fs::remove_file(entry).unwrap();
        cache.keep(&sandbox.engine, &digest, b"no code").unwrap();
        assert!(matches!(cache.find(&sandbox.engine, &digest), Found::Damaged));
    }
}
