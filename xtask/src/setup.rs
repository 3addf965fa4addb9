//! What a machine needs. Installs it where it can, and otherwise says what is missing.

mod clients;
mod next_nix;

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::{Context, Result};
use xtask::toolchain::{TARGET, Toolchain};

pub(crate) use self::clients::{bench_tools, clients};
use crate::run::{exists, run};

/// What rustup installs in one step.
const DEBIAN_TOOLCHAIN: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];

/// Makes sure that strategies can be compiled: with rustup where it can download, with Debian's packages otherwise.
pub(crate) fn toolchain() -> Result<()> {
    if Toolchain::find().is_ok() {
        return Ok(());
    }
    if exists("rustup") && run(Command::new("rustup").args(["target", "add", TARGET])).is_ok() {
        return Ok(());
    }
    if can_install() {
        install(&DEBIAN_TOOLCHAIN)?;
    }
    Toolchain::find().map(drop)
}

/// Whether this is Debian or a relative of it, and we may install.
fn can_install() -> bool {
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
    is_root && exists("apt-get")
}

fn install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("--quiet=2");
        command
    };
    run(apt().arg("update")).context("updating the list of packages")?;
    run(apt().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}
