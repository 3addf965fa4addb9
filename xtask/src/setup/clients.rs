//! What tests and benchmarks run besides the program: clients that read images, and compilers of other languages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use xtask::toolchain::sysroot;

use super::{DEBIAN_TOOLCHAIN, can_install, install, next_nix};
use crate::run::{exists, run};

/// How one sees that a package is there.
#[derive(Clone, Copy)]
enum Sign {
    Program(&'static str),
    File(&'static str),
    PythonModule(&'static str),
}

/// What the tests need, and the Debian packages that bring it.
const CLIENTS: [(Sign, &str); 26] = [
    (Sign::Program("qemu-x86_64"), "qemu-user"),
    (Sign::Program("skopeo"), "skopeo"),
    (Sign::Program("umoci"), "umoci"),
    (Sign::Program("runc"), "runc"),
    (Sign::Program("podman"), "podman"),
    (Sign::Program("dockerd"), "docker.io"),
    (Sign::Program("nix"), "nix-bin"),
    (Sign::Program("busybox"), "busybox-static"),
    (Sign::Program("python3"), "python3"),
    (Sign::Program("git"), "git"),
    (Sign::Program("fakeroot"), "fakeroot"),
    (Sign::Program("zstd"), "zstd"),
    (Sign::Program("tar"), "tar"),
    (Sign::Program("proot"), "proot"),
    (Sign::Program("patchelf"), "patchelf"),
    // Power failures
    (Sign::Program("mkfs.ext4"), "e2fsprogs"),
    (Sign::Program("mkfs.xfs"), "xfsprogs"),
    // Reports
    (Sign::Program("chromium"), "chromium"),
    // Strategies in other languages
    (Sign::PythonModule("ensurepip"), "python3-venv"),
    (Sign::Program("npm"), "npm"),
    (Sign::Program("make"), "make"),
    (Sign::Program("cc"), "gcc"),
    (Sign::Program("clang-16"), "clang-16"),
    (Sign::Program("wasm-ld-16"), "lld-16"),
    (Sign::File("/usr/include/wasm32-wasi/stdio.h"), "wasi-libc"),
    (Sign::File("/usr/lib/llvm-16/lib/clang/16/lib/wasi/libclang_rt.builtins-wasm32.a"), "libclang-rt-16-dev-wasm32"),
];

/// What the benchmarks compare with, likewise.
const BENCH_TOOLS: [(Sign, &str); 8] = [
    (Sign::Program("tar"), "tar"),
    (Sign::Program("pigz"), "pigz"),
    (Sign::Program("zstd"), "zstd"),
    (Sign::Program("python3"), "python3"),
    (Sign::Program("skopeo"), "skopeo"),
    (Sign::Program("umoci"), "umoci"),
    (Sign::Program("buildah"), "buildah"),
    (Sign::Program("findmnt"), "util-linux"),
];

/// What strategies in Rust are compiled for.
const WASIP2: &str = "wasm32-wasip2";
/// The version that the template in C names.
const WIT_BINDGEN: &str = "0.61.1";

/// Makes sure that all of this is there. What cannot be installed is named; in CI that is an error.
pub(crate) fn clients(workspace: &Path) -> Result<()> {
    let mut still_missing = install_missing(&CLIENTS)?;
    if !wasip2()? {
        still_missing.push(WASIP2);
    }
    let tools = tools(workspace);
    if wit_bindgen(&tools).is_err() {
        still_missing.push("wit-bindgen");
    }
    if !next_nix(&tools) {
        still_missing.push("the Nix of Debian's next release");
    }
    match (still_missing.join(", "), std::env::var_os("CI").is_some()) {
        (names, _) if names.is_empty() => Ok(()),
        (names, true) => bail!("these are missing, and CI does without none: {names}"),
        (names, false) => {
            eprintln!("warning: tests that need these are skipped, because they are missing: {names}");
            Ok(())
        }
    }
}

/// Installs what the benchmarks compare with, where it can. They say what they leave out.
pub(crate) fn bench_tools() -> Result<()> {
    install_missing(&BENCH_TOOLS).map(drop)
}

/// Returns the packages that are missing afterwards.
fn install_missing(tools: &[(Sign, &'static str)]) -> Result<Vec<&'static str>> {
    let missing = || tools.iter().filter(|(sign, _)| !sign.is_there()).map(|(_, package)| *package);
    if missing().next().is_some() && can_install() {
        install(&missing().collect::<Vec<_>>())?;
    }
    Ok(missing().collect())
}

impl Sign {
    fn is_there(self) -> bool {
        match self {
            Self::Program(name) => exists(name),
            Self::File(path) => Path::new(path).exists(),
            Self::PythonModule(name) => {
                let import = Command::new("python3").args(["-c", &format!("import {name}")]).output();
                import.is_ok_and(|output| output.status.success())
            }
        }
    }
}

/// The target for strategies in Rust or, where rustup cannot download it, the toolchain with which the tests make do.
fn wasip2() -> Result<bool> {
    let is_there = || sysroot("rustc").is_some_and(|root| root.join("lib/rustlib").join(WASIP2).join("lib").exists());
    if is_there() || exists("rustup") && run(Command::new("rustup").args(["target", "add", WASIP2])).is_ok() {
        return Ok(true);
    }
    let has_debian = || Path::new("/usr/lib/rustlib/src/rust/library/std").exists();
    if !has_debian() && can_install() {
        install(&DEBIAN_TOOLCHAIN)?;
    }
    Ok(has_debian())
}

/// Where tools lie that the machine is not to have.
fn tools(workspace: &Path) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    workspace.join(target).join("tools")
}

/// Writes the contract's types in C. No distribution has it, so it is compiled, into the target folder.
fn wit_bindgen(tools: &Path) -> Result<()> {
    let version = Command::new(tools.join("bin/wit-bindgen")).arg("--version").output();
    if version.is_ok_and(|output| output.stdout.trim_ascii_end().ends_with(WIT_BINDGEN.as_bytes())) {
        return Ok(());
    }
    // Not optimised: that would take twice as long, and its work takes a moment.
    let mut cargo = Command::new("cargo");
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "false");
    cargo.args(["install", "wit-bindgen-cli", "--version", WIT_BINDGEN, "--locked", "--debug", "--root"]).arg(tools);
    run(cargo.args(["--no-default-features", "--features", "c"])).context("installing wit-bindgen")
}

/// Whether the newer Nix is there, afterwards. What stood in its way is told.
fn next_nix(tools: &Path) -> bool {
    if !next_nix::is_there(tools)
        && can_install()
        && let Err(error) = next_nix::install(tools)
    {
        eprintln!("warning: {error:#}");
    }
    next_nix::is_there(tools)
}
