//! Writes a store: files in paths with hashes in their names, and the graph of the paths.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fs_err::{self as fs, File};
use serde_json::{Value, json};

const FNV_OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const FNV_PRIME: u64 = 0x0100_0000_01b3;

/// The digits that Nix writes hashes with.
const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// Takes files for nodes, by the name that they have without their hash.
pub(crate) struct StoreWriter {
    root: PathBuf,
    nodes: BTreeMap<String, Node>,
    files: u64,
}

/// What a store has.
pub(crate) struct Totals {
    pub(crate) paths: u64,
    pub(crate) files: u64,
    pub(crate) content_bytes: u64,
}

#[derive(Default)]
struct Node {
    bytes: u64,
    references: BTreeSet<String>,
}

impl StoreWriter {
    pub(crate) fn new(root: &Path) -> Result<Self> {
        fs::create_dir_all(root.join("nix/store"))?;
        Ok(Self { root: root.to_owned(), nodes: BTreeMap::new(), files: 0 })
    }

    /// Copies a regular file.
    pub(crate) fn copy(&mut self, node: &str, name: &Path, from: &Path) -> Result<()> {
        let to = self.place(node, name)?;
        let bytes = fs::copy(from, &to)?;
        let is_program = fs::metadata(from)?.permissions().mode() & 0o111 != 0;
        self.close(node, &to, bytes, if is_program { 0o555 } else { 0o444 })
    }

    pub(crate) fn link(&mut self, node: &str, name: &Path, target: &Path) -> Result<()> {
        let link = self.place(node, name)?;
        symlink(target, &link).with_context(|| format!("making the link {}", link.display()))
    }

    pub(crate) fn write(&mut self, node: &str, name: &Path, content: &[u8]) -> Result<()> {
        let to = self.place(node, name)?;
        File::create_new(&to)?.write_all(content)?;
        self.close(node, &to, content.len() as u64, 0o444)
    }

    /// Makes a file that is one hole.
    pub(crate) fn hole(&mut self, node: &str, name: &Path, bytes: u64) -> Result<()> {
        let to = self.place(node, name)?;
        File::create_new(&to)?.set_len(bytes)?;
        self.close(node, &to, bytes, 0o444)
    }

    pub(crate) fn refer(&mut self, node: &str, reference: &str) {
        self.nodes.entry(node.into()).or_default().references.insert(reference.into());
    }

    /// Adds a node that refers to all others, as that of an image does, and writes the graph.
    pub(crate) fn finish(mut self, graph: &Path) -> Result<Totals> {
        let names: Vec<String> = self.nodes.keys().cloned().collect();
        self.write("image", Path::new("contents"), names.join("\n").as_bytes())?;
        names.iter().for_each(|name| self.refer("image", name));
        for name in &names {
            // Some packages have no files of their own.
            fs::create_dir_all(self.root.join(&store_path(name)[1..]))?;
        }
        let nodes: Vec<Value> = self.nodes.iter().map(|(name, node)| node.to_json(name)).collect();
        fs::write(graph, serde_json::to_string_pretty(&nodes)?)?;
        let content_bytes = self.nodes.values().map(|node| node.bytes).sum();
        Ok(Totals { paths: self.nodes.len() as u64, files: self.files, content_bytes })
    }

    fn place(&mut self, node: &str, name: &Path) -> Result<PathBuf> {
        self.nodes.entry(node.into()).or_default();
        let path = self.root.join(&store_path(node)[1..]).join(name);
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        Ok(path)
    }

    fn close(&mut self, node: &str, path: &Path, bytes: u64, mode: u32) -> Result<()> {
        fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        self.nodes.entry(node.into()).or_default().bytes += bytes;
        self.files += 1;
        Ok(())
    }
}

impl Node {
    fn to_json(&self, name: &str) -> Value {
        json!({
            "path": store_path(name),
            "narHash": format!("sha256:0{}", digits(&format!("nar {name} {}", self.bytes), 51)),
            "narSize": self.bytes,
            "references": self.references.iter().map(|name| store_path(name)).collect::<Vec<_>>(),
        })
    }
}

fn store_path(name: &str) -> String {
    format!("/nix/store/{}-{name}", digits(name, 32))
}

/// Digits that depend on a text, and look like a hash. They need not be one.
fn digits(text: &str, count: usize) -> String {
    // FNV-1a, then an xorshift generator.
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(FNV_PRIME);
    let mut state = text.bytes().fold(FNV_OFFSET, mix);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(DIGITS[usize::from((state >> 32).to_le_bytes()[0] % 32)])
    };
    (0..count).map(|_| next()).collect()
}
