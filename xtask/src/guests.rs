//! Strategies, from source to component.
//!
//! 1. Find a toolchain that can compile for `wasm32-unknown-unknown`, see [`Toolchain::find`].
//! 2. Compile each strategy's crate with it: a core module without imports but the contract's.
//! 3. Wrap the module as a component. It carries the contract's types in a custom section.
//!
//! Cargo keeps what it compiled in the `guests` folder of the target folder, so a second build takes no time.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use wit_component::ComponentEncoder;

const TARGET: &str = "wasm32-unknown-unknown";

/// The built-in strategies: crates in `plugins/`, in the order in which they are listed.
pub const BUILT_IN: [&str; 2] = ["popularity", "groups"];

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

/// A way to compile for WebAssembly.
#[derive(Debug, PartialEq, Eq)]
pub enum Toolchain {
    /// The toolchain in use has the target installed: the normal way.
    Installed,
    /// The toolchain in use has the standard library's source, from which it is built once.
    StandardLibrarySource {
        /// A linker for WebAssembly.
        linker: PathBuf,
    },
    /// Debian's Rust for WebAssembly, with the standard library's source: `rustc-web cargo-web rust-web-src`.
    Debian {
        /// A linker for WebAssembly.
        linker: PathBuf,
    },
}

impl Toolchain {
    /// Returns the first that this machine has, in the order above.
    ///
    /// # Errors
    ///
    /// Where there is none: the message tells how to get one.
    pub fn find() -> Result<Self> {
        if sysroot_has("rustc", &format!("lib/rustlib/{TARGET}/lib")) {
            return Ok(Self::Installed);
        }
        let linker = find_linker();
        if let Some(linker) = linker.clone().filter(|_| sysroot_has("rustc", "lib/rustlib/src/rust/library/std")) {
            return Ok(Self::StandardLibrarySource { linker });
        }
        let debian =
            Path::new("/usr/bin/cargo").exists() && sysroot_has("/usr/bin/rustc", "lib/rustlib/src/rust/library/std");
        if let Some(linker) = linker.filter(|_| debian) {
            return Ok(Self::Debian { linker });
        }
        bail!(
            "no Rust toolchain here can compile for {TARGET}. Mend it with one of:\n  \
             rustup target add {TARGET}\n  \
             apt-get install rustc-web cargo-web rust-web-src lld-19   (Debian, where rustup cannot download)\n  \
             cargo xtask setup   (tries both)"
        )
    }

    fn cargo(&self) -> Command {
        let mut command = match self {
            Self::Installed => Command::new("cargo"),
            Self::StandardLibrarySource { linker } => build_std(Command::new("cargo"), linker),
            Self::Debian { linker } => {
                let mut cargo = build_std(Command::new("/usr/bin/cargo"), linker);
                cargo.env("RUSTC", "/usr/bin/rustc");
                cargo
            }
        };
        // What a build script, clippy or the user set is for the native target.
        for name in
            ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET"]
        {
            command.env_remove(name);
        }
        if !matches!(self, Self::Debian { .. }) {
            command.env_remove("RUSTC");
        }
        command
    }
}

/// Has `cargo` build the standard library for the target too. That is a nightly feature; this compiler's own source
/// fits this compiler, which is all that the feature is unstable about.
fn build_std(mut cargo: Command, linker: &Path) -> Command {
    cargo.args(["-Zbuild-std=std,panic_abort"]).env("RUSTC_BOOTSTRAP", "1");
    cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
    cargo
}

fn sysroot_has(rustc: &str, path: &str) -> bool {
    sysroot(rustc).is_some_and(|sysroot| sysroot.join(path).exists())
}

fn sysroot(rustc: &str) -> Option<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}

/// The linker that rustup ships with every toolchain, or Debian's, newest first.
fn find_linker() -> Option<PathBuf> {
    let host = format!("lib/rustlib/{}-unknown-linux-gnu/bin/rust-lld", std::env::consts::ARCH);
    let shipped = sysroot("rustc").map(|sysroot| sysroot.join(host));
    let debian = (14..30).rev().map(|version| PathBuf::from(format!("/usr/bin/wasm-ld-{version}")));
    shipped.into_iter().chain(debian).chain([PathBuf::from("/usr/bin/wasm-ld")]).find(|path| path.exists())
}
