//! The rules of `ARCHITECTURE.md` that manifests can break.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What must not be among all that the vocabulary needs.
const PLANNER_ABSENCES: [&str; 6] = ["wasmtime", "tar", "rayon", "rustix", "tempfile", "layerwright-packer"];
/// The same for the packer.
const PACKER_ABSENCES: [&str; 3] = ["wasmtime", "clap", "wit-bindgen"];
/// The same for each strategy.
const PLUGIN_ABSENCES: [&str; 5] = ["wasmtime", "tar", "rustix", "layerwright-packer", "layerwright"];

/// Fails with the first package that needs what it must not.
pub(crate) fn check(workspace: &Path) -> Result<()> {
    check_package(workspace, "layerwright-planner", &PLANNER_ABSENCES)?;
    check_package(workspace, "layerwright-packer", &PACKER_ABSENCES)?;
    for plugin in fs_err::read_dir(workspace.join("plugins"))? {
        let name = plugin?.file_name().into_string().ok().context("a plug-in's folder has a readable name")?;
        check_package(workspace, &name, &PLUGIN_ABSENCES)?;
    }
    Ok(())
}

fn check_package(workspace: &Path, package: &str, absences: &[&str]) -> Result<()> {
    let needed = dependencies(workspace, package)?;
    match absences.iter().find(|name| needed.iter().any(|needed| needed == *name)) {
        Some(name) => bail!("`{package}` needs `{name}`, which ARCHITECTURE.md rules out"),
        None => Ok(()),
    }
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
