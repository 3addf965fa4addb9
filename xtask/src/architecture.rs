//! The rules of `ARCHITECTURE.md` that manifests can break.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// A package, and what must not be among all that it needs.
const ABSENCES: [(&str, &[&str]); 4] = [
    ("layerwright-planner", &["wasmtime", "tar", "rayon", "rustix", "tempfile", "layerwright-packer"]),
    ("layerwright-packer", &["wasmtime", "clap", "wit-bindgen"]),
    ("popularity", &["wasmtime", "tar", "rustix", "layerwright-packer", "layerwright"]),
    ("groups", &["wasmtime", "tar", "rustix", "layerwright-packer", "layerwright"]),
];

/// Fails with the first package that needs what it must not.
pub(crate) fn check(workspace: &Path) -> Result<()> {
    for (package, absent) in ABSENCES {
        let needed = dependencies(workspace, package)?;
        if let Some(name) = absent.iter().find(|name| needed.iter().any(|needed| needed == *name)) {
            bail!("`{package}` needs `{name}`, which ARCHITECTURE.md rules out");
        }
    }
    Ok(())
}

/// Names of everything that a package links to.
fn dependencies(workspace: &Path, package: &str) -> Result<Vec<String>> {
    let mut tree = Command::new("cargo");
    tree.current_dir(workspace).args(["tree", "--locked", "--package", package]);
    tree.args(["--edges", "no-build,no-dev,no-proc-macro", "--prefix", "none", "--format", "{p}"]);
    let output = tree.output().context("running cargo tree")?;
    if !output.status.success() {
        bail!("cargo tree failed: {}", String::from_utf8(output.stderr)?);
    }
    let lines = String::from_utf8(output.stdout)?;
    let names: Vec<String> = lines.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    if names.first().is_none_or(|first| first != package) {
        bail!("cargo tree says nothing about `{package}`");
    }
    Ok(names)
}
