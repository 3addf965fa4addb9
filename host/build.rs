//! Builds the built-in strategies, which the program embeds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let host = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let workspace = host.parent().context("the crate lies in a workspace")?;
    for input in ["Cargo.lock", "Cargo.toml", "planner", "plugins", "wit", "xtask/src"] {
        println!("cargo::rerun-if-changed={}", workspace.join(input).display());
    }
    println!("cargo::rerun-if-env-changed=LAYERWRIGHT_PLANNERS");

    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    // Builders without a compiler for WebAssembly hand over components that were built elsewhere.
    let components = match std::env::var_os("LAYERWRIGHT_PLANNERS") {
        Some(dir) => xtask::guests::BUILT_IN.map(|name| Path::new(&dir).join(format!("{name}.wasm"))).to_vec(),
        None => xtask::guests::build(workspace, target_dir(&out_dir)?, &xtask::guests::BUILT_IN)?,
    };
    let mut list = String::from("[\n");
    for (name, component) in xtask::guests::BUILT_IN.iter().zip(&components) {
        println!("cargo::rerun-if-changed={}", component.display());
        list += &format!("    ({name:?}, include_bytes!({component:?})),\n");
    }
    fs_err::write(out_dir.join("built_in.rs"), list + "]\n")?;
    Ok(())
}

/// The target folder, from `<target>/<profile>/build/<package>/out`, or `<target>/<triple>/<profile>/...`: the first
/// above that cargo has marked.
fn target_dir(out_dir: &Path) -> Result<&Path> {
    let marked = |dir: &&Path| dir.join("CACHEDIR.TAG").exists();
    out_dir.ancestors().find(marked).context("finding the target folder")
}
