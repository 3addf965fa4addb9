//! What a machine needs. Installs it where it can, and otherwise says what is missing.

use std::os::unix::fs::MetadataExt;
use std::process::Command;

use anyhow::{Context, Result, bail};
use xtask::toolchain::{TARGET, Toolchain};

use crate::run::{exists, run};

/// Programs that the tests run, and the Debian packages that bring them.
const CLIENTS: [(&str, &str); 10] = [
    ("skopeo", "skopeo"),
    ("umoci", "umoci"),
    ("runc", "runc"),
    ("podman", "podman"),
    ("dockerd", "docker.io"),
    ("nix", "nix-bin"),
    ("busybox", "busybox-static"),
    ("python3", "python3"),
    ("git", "git"),
    ("tar", "tar"),
];

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

/// Makes sure that the programs are there with which images are tested. Those that cannot be installed are named; in
/// CI that is an error.
pub(crate) fn clients() -> Result<()> {
    let missing = || CLIENTS.into_iter().filter(|(program, _)| !exists(program));
    let packages: Vec<&str> = missing().map(|(_, package)| package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    if can_install() {
        install(&packages)?;
    }
    let still_missing: Vec<&str> = missing().map(|(program, _)| program).collect();
    match (still_missing.join(", "), std::env::var_os("CI").is_some()) {
        (names, _) if names.is_empty() => Ok(()),
        (names, true) => bail!("these programs are missing, and CI does without none: {names}"),
        (names, false) => {
            eprintln!("warning: tests that need these programs are skipped, because they are missing: {names}");
            Ok(())
        }
    }
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
