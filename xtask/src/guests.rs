//! Strategies, from source to component.
//!
//! 1. Find a toolchain that can compile for `wasm32-unknown-unknown`, see [`Toolchain::find`].
//! 2. Compile each strategy's crate with it: a core module without imports but the contract's.
//! 3. Wrap the module as a component. It carries the contract's types in a custom section.
//!
//! Cargo keeps what it compiled in the `guests` folder of the target folder, so a second build takes no time.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err as fs;
use wit_component::ComponentEncoder;

use crate::toolchain::{TARGET, Toolchain};

/// The built-in strategies: crates in `plugins/`, in the order in which they are listed.
pub const BUILT_IN: [&str; 8] =
    ["foresight", "groups", "pipeline", "auto-layer", "popularity", "dominators", "origin", "expected-bytes"];

/// Builds the crates `packages` of the workspace and returns their components, in the same order.
///
/// # Errors
///
/// Where no toolchain can, or compiling fails.
pub fn build(workspace: &Path, target_dir: &Path, packages: &[&str]) -> Result<Vec<PathBuf>> {
    let target_dir = target_dir.join("guests");
    let mut cargo = Toolchain::find()?.cargo();
    cargo.current_dir(workspace).env("CARGO_TARGET_DIR", &target_dir);
    cargo.args(["build", "--profile", "guest", "--target", TARGET, "--locked"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    let output = cargo.output().context("running cargo")?;
    if !output.status.success() {
        bail!("compiling strategies for {TARGET}: {cargo:?}\n{}", String::from_utf8(output.stderr)?);
    }
    packages.iter().map(|package| componentise(&target_dir, package)).collect()
}

fn componentise(target_dir: &Path, package: &str) -> Result<PathBuf> {
    let crate_name = package.replace('-', "_");
    let module = target_dir.join(TARGET).join("guest").join(format!("{crate_name}.wasm"));
    let component = target_dir.join(format!("{package}.wasm"));
    let encode = || ComponentEncoder::default().validate(true).module(&fs::read(&module)?)?.encode();
    let bytes = encode().with_context(|| format!("making a component of {}", module.display()))?;
    // Whoever embeds or compiles it again looks at the modification time.
    if fs::read(&component).ok().as_ref() != Some(&bytes) {
        fs::write(&component, &bytes)?;
    }
    Ok(component)
}
