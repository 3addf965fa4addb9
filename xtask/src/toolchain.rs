//! What can compile strategies on this machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

/// What strategies are compiled for: a target without a system, so that there is nothing to import.
pub const TARGET: &str = "wasm32-unknown-unknown";

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

    /// Returns `cargo`, set up to build for [`TARGET`].
    #[must_use]
    pub fn cargo(&self) -> Command {
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
        // Vectors of 128 bits, which are part of WebAssembly 2.0: bit sets of large graphs take a sixth less time.
        command.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Ctarget-feature=+simd128");
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

/// Where a compiler keeps what belongs to it.
pub fn sysroot(rustc: &str) -> Option<PathBuf> {
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
