//! `graph:FILE[#KEY]`: a closure that someone wrote down.

use std::path::Path;

use anyhow::{Context, Result, bail};
use layerwright_packer::nar_bytes;
use layerwright_planner::Closure;

use super::is_store_path;
use super::registrations::{Author, Registrations};
use super::store_json::{self, StorePath};
use super::store_text::{self, Form};
use crate::input::{MAX_GRAPH_BYTES, open_packed, read_text};

/// Reads a graph, plain or packed with gzip or zstd; `-` is standard input. Its roots are the nodes that no other
/// node refers to. Where it tells no sizes, store paths are measured below `root`.
pub(crate) fn read(file: &Path, key: Option<&str>, root: &Path) -> Result<(Closure, Registrations)> {
    let text = read_text(open_packed(file)?, MAX_GRAPH_BYTES)?;
    let paths = match (store_text::is_text(&text), key) {
        (false, _) => store_json::parse(&text, key)?,
        (true, None) => parse_text(&text, root)?,
        (true, Some(key)) => bail!("it is the text of a graph, which has no key `{key}`; write graph:FILE"),
    };
    let (nodes, registrations) = Registrations::split(paths, Author::Anybody);
    Ok((Closure::new(nodes, None)?, registrations))
}

fn parse_text(text: &str, root: &Path) -> Result<Vec<StorePath>> {
    let (form, mut paths) = store_text::parse(text)?;
    if form == Form::References {
        for StorePath { node, .. } in &mut paths {
            node.size = measure(&node.name, root).with_context(|| NO_SIZES)?;
        }
    }
    Ok(paths)
}

/// What to do about a graph whose paths are not here.
const NO_SIZES: &str = "it is what exportReferencesGraph writes without __structuredAttrs, which tells no sizes; take \
    the `registration` of closureInfo, `nix path-info --json -r`, or exportReferencesGraph with __structuredAttrs; \
    or have all store paths here, to be measured";

/// The size that Nix would tell.
fn measure(store_path: &str, root: &Path) -> Result<u64> {
    if !is_store_path(store_path) {
        bail!("`{store_path}` is no store path (/nix/store/NAME, or in $NIX_STORE_DIR)");
    }
    let bytes = nar_bytes(root, Path::new(store_path)).with_context(|| format!("measuring {store_path}"))?;
    bytes.with_context(|| format!("{store_path} does not exist{}", below(root)))
}

fn below(root: &Path) -> String {
    if root == Path::new("/") { String::new() } else { format!(" below {}", root.display()) }
}
