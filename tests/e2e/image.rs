//! Images, read without the program under test.

use std::io::Read;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use flate2::read::MultiGzDecoder;
use fs_err as fs;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::invocation::{Invocation, tool};

/// `sha256:` and the digest.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// An image in an OCI layout.
pub(crate) struct Layout {
    dir: String,
    pub(crate) manifest: Value,
    pub(crate) config: Value,
}

impl Layout {
    pub(crate) fn open(dir: &str, tag: &str) -> Result<Self> {
        let index: Value = serde_json::from_slice(&fs::read(format!("{dir}/index.json"))?)?;
        let manifests = index["manifests"].as_array().context("the index lists manifests")?;
        let named = |manifest: &&Value| manifest["annotations"]["org.opencontainers.image.ref.name"] == tag;
        let descriptor = manifests.iter().find(named).with_context(|| format!("no tag {tag} in {index}"))?;
        let manifest: Value = serde_json::from_slice(&blob(dir, text(&descriptor["digest"])?)?)?;
        let config = serde_json::from_slice(&blob(dir, text(&manifest["config"]["digest"])?)?)?;
        Ok(Self { dir: dir.to_owned(), manifest, config })
    }

    /// The layers, bottom-most first, as plain tars.
    pub(crate) fn tars(&self) -> Result<Vec<Vec<u8>>> {
        let layers = self.manifest["layers"].as_array().context("the manifest lists layers")?;
        layers.iter().map(|layer| gunzip(blob(&self.dir, text(&layer["digest"])?)?)).collect()
    }

    /// Unpacks every layer into a folder with GNU tar: owners only as root, as it does.
    pub(crate) fn unpack(&self, to: &str) -> Result<()> {
        fs::create_dir_all(to)?;
        for tar in self.tars()? {
            // Absolute names lose their slash, which is said on standard error.
            tool("tar", &["--extract", "--preserve-permissions", "--numeric-owner", "--directory", to])
                .stdin(tar)
                .ok()?;
        }
        Ok(())
    }
}

fn blob(dir: &str, digest: &str) -> Result<Vec<u8>> {
    let bytes = fs::read(format!("{dir}/blobs/{}", digest.replace(':', "/")))?;
    ensure!(sha256(&bytes) == digest, "{digest} is not what its name says");
    Ok(bytes)
}

fn gunzip(bytes: Vec<u8>) -> Result<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(bytes);
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut plain)?;
    Ok(plain)
}

pub(crate) fn text(value: &Value) -> Result<&str> {
    value.as_str().with_context(|| format!("{value} is no text"))
}

/// One field of every object in a list.
pub(crate) fn column<'v>(list: &'v Value, field: &str) -> Result<Vec<&'v str>> {
    list.as_array().context("this is a list")?.iter().map(|object| text(&object[field])).collect()
}

/// Where the content of each member of a tar with short names lies.
pub(crate) fn members(tar: &[u8]) -> Result<Vec<(String, Range<usize>)>> {
    let mut members = Vec::new();
    let mut at = 0;
    while tar.get(at).is_some_and(|first| *first != 0) {
        let field = |range: Range<usize>| -> Result<String> {
            let bytes = tar.get(at + range.start..at + range.end).context("the tar ends within a header")?;
            Ok(std::str::from_utf8(bytes)?.trim_end_matches(['\0', ' ']).to_owned())
        };
        let size = usize::from_str_radix(&field(124..136)?, 8)?;
        members.push((field(0..100)?, at + 512..at + 512 + size));
        at += 512 + size.next_multiple_of(512);
    }
    Ok(members)
}

/// skopeo, which trusts every image.
pub(crate) fn skopeo(arguments: &[&str]) -> Invocation {
    tool("skopeo", &["--insecure-policy"]).args(arguments)
}
