//! A store made by hand: store paths below a root, and a graph that tells of them. Needs no tool.

use std::collections::BTreeMap;

use anyhow::Result;
use fs_err as fs;
use serde_json::{Value, json};

use crate::run::Folder;

pub(crate) struct HandMade {
    folder: Folder,
    /// References by base name.
    nodes: BTreeMap<String, Vec<String>>,
}

impl HandMade {
    pub(crate) fn new() -> Result<Self> {
        let store = Self { folder: Folder::new()?, nodes: BTreeMap::new() };
        fs::create_dir_all(store.folder.path("root/nix/store"))?;
        Ok(store)
    }

    /// Three store paths that refer to each other, with a few files each.
    pub(crate) fn sample() -> Result<Self> {
        let mut store = Self::new()?;
        store.add("d1-data-1.0", &[])?;
        store.file("d1-data-1.0/text", "text from data\n")?;
        store.file("d1-data-1.0/same", "the same bytes\n")?;
        store.file("d1-data-1.0/noise", noise(300_000))?;
        store.add("l2-lib-2.0", &["d1-data-1.0"])?;
        store.file("l2-lib-2.0/lib/same", "the same bytes\n")?;
        store.symlink("l2-lib-2.0/link", "/nix/store/d1-data-1.0/text")?;
        store.add("a3-app-3.0", &["l2-lib-2.0", "d1-data-1.0"])?;
        store.file("a3-app-3.0/bin/app", "#!/bin/sh\necho app\n")?;
        Ok(store)
    }

    /// Takes seconds to pack, and no room.
    pub(crate) fn large() -> Result<Self> {
        let mut store = Self::new()?;
        store.add("large-1", &[])?;
        for name in ["one", "two"] {
            let file = format!("large-1/{name}");
            store.file(&file, "")?;
            fs::OpenOptions::new().write(true).open(store.file_path(&file))?.set_len(3 << 30)?;
        }
        Ok(store)
    }

    /// Adds a store path to the graph. It exists as soon as something is put into it.
    pub(crate) fn add(&mut self, name: &str, references: &[&str]) -> Result<()> {
        fs::create_dir_all(self.file_path(name))?;
        self.nodes.insert(name.to_owned(), references.iter().map(|name| (*name).to_owned()).collect());
        Ok(())
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> Result<()> {
        let path = self.file_path(name);
        if let Some((folder, _)) = path.rsplit_once('/') {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, content)?)
    }

    pub(crate) fn symlink(&self, name: &str, target: &str) -> Result<()> {
        Ok(fs::os::unix::fs::symlink(target, self.file_path(name))?)
    }

    pub(crate) fn root(&self) -> String {
        self.folder.path("root")
    }

    /// Where a file of the store is on this machine.
    pub(crate) fn file_path(&self, name: &str) -> String {
        self.folder.path(&format!("root/nix/store/{name}"))
    }

    /// The graph, as `exportReferencesGraph` writes it.
    pub(crate) fn graph(&self) -> Value {
        let path = |name: &String| format!("/nix/store/{name}");
        let node = |(name, references): (&String, &Vec<String>)| {
            let references: Vec<String> = references.iter().map(path).collect();
            json!({"path": path(name), "narSize": 1000 + name.len(), "references": references})
        };
        self.nodes.iter().map(node).collect()
    }

    /// What `--from` takes.
    pub(crate) fn source(&self) -> Result<String> {
        Ok(format!("graph:{}", self.folder.write("graph.json", self.graph().to_string())?))
    }
}

/// A graph of as many nodes, each with up to two references. There are no files.
pub(crate) fn graph_of(count: usize) -> Value {
    let path = |number: usize| format!("/nix/store/h{number}-node-{number}");
    let node = |number: usize| {
        let lower = [number / 2, number / 3].into_iter().filter(|at| *at < number);
        json!({"path": path(number), "narSize": number, "references": lower.map(path).collect::<Vec<_>>()})
    };
    (0..count).map(node).collect()
}

/// Bytes that do not compress, the same ones every time.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut random = Random(1);
    (0..count).map(|_| random.below(256)).map(|byte| u8::try_from(byte).unwrap_or_default()).collect()
}

/// SplitMix64: a few lines, and the same numbers everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub(crate) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(items.len() as u64)).unwrap_or_default();
        &items[at]
    }
}
