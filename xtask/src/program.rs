//! The program as it is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::run::run;
use crate::setup;

/// Names a program to measure instead of building this one.
const PROGRAM: &str = "LAYERWRIGHT";

/// Builds the program for release, or finds the one that is to be measured instead.
pub(crate) fn program(workspace: &Path) -> Result<PathBuf> {
    if let Some(program) = std::env::var_os(PROGRAM) {
        return Ok(fs_err::canonicalize(PathBuf::from(program))?);
    }
    setup::toolchain()?;
    let mut cargo = Command::new("cargo");
    run(cargo.current_dir(workspace).args(["build", "--release", "--package", "layerwright", "--locked"]))?;
    Ok(target(workspace).join("release/layerwright"))
}

/// Where Cargo builds.
pub(crate) fn target(workspace: &Path) -> PathBuf {
    workspace.join(std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from))
}
