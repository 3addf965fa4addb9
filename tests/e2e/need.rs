//! What a case needs of the machine: tools, rights, a distribution.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::run;
use crate::which_nix::WhichNix;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Bash,
    Busybox,
    Chromium,
    Debian,
    Docker,
    /// What makes file systems of this kind.
    Ext4,
    Fakeroot,
    Git,
    /// That of Debian's next release.
    NextNix,
    Nix,
    Npm,
    Podman,
    Proot,
    Python,
    /// What `python3 -m venv` puts into an environment.
    PythonVenv,
    /// What runs programs on processors that are older than this one.
    Qemu,
    Root,
    Runc,
    /// What compiles a crate with the standard library to a component: the target that READMEs name, or what stands for
    /// it where it cannot be downloaded.
    RustGuest,
    Skopeo,
    Tar,
    Umoci,
    /// `popularity.wasm`, as the build of the program leaves it in the target directory.
    Guest,
    /// clang, with a C library and a linker for components.
    WasmClang,
    WitBindgen,
    /// What makes file systems of this kind.
    Xfs,
    Zstd,
}

impl Need {
    pub(crate) fn is_met(self) -> bool {
        match self {
            Self::Debian => Path::new("/var/lib/dpkg/status").exists(),
            Self::Root => rustix::process::geteuid().is_root(),
            Self::Guest => run::guest("popularity").exists(),
            Self::NextNix => WhichNix::Next.programs().is_some_and(|programs| programs.join("nix").exists()),
            Self::PythonVenv => succeeds("python3", &["-c", "import ensurepip, venv"]),
            Self::RustGuest => has_wasip2() || has_debian_rust(),
            Self::WasmClang => has_wasm_clang() && component_linker().is_some(),
            Self::WitBindgen => {
                run::target_dir().join("tools/bin/wit-bindgen").exists() || find("wit-bindgen").is_some()
            }
            tool => tool.commands().iter().all(|command| find(command).is_some()),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian's package database",
            Self::Root => "root's rights",
            Self::Guest => "popularity.wasm",
            Self::NextNix => "the Nix of Debian's next release",
            Self::PythonVenv => "Python's venv",
            Self::RustGuest => "Rust's target wasm32-wasip2",
            Self::WasmClang => "clang for WebAssembly",
            Self::WitBindgen => "wit-bindgen",
            tool => tool.commands()[0],
        }
    }

    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Bash => "apt-get install bash",
            Self::Busybox => "apt-get install busybox-static",
            Self::Chromium => "apt-get install chromium",
            Self::Debian => "run it on Debian or Ubuntu",
            Self::Docker => "apt-get install docker.io",
            Self::Ext4 => "apt-get install e2fsprogs mount",
            Self::Fakeroot => "apt-get install fakeroot",
            Self::Git => "apt-get install git",
            Self::Nix => "apt-get install nix-bin",
            Self::Npm => "apt-get install npm",
            Self::Podman => "apt-get install podman runc",
            Self::Proot => "apt-get install proot",
            Self::Python => "apt-get install python3",
            Self::PythonVenv => "apt-get install python3-venv",
            Self::Root => "run it as root, in a virtual machine or container of its own",
            Self::Runc => "apt-get install runc",
            Self::RustGuest => "rustup target add wasm32-wasip2",
            Self::Qemu => "apt-get install qemu-user",
            Self::Skopeo => "apt-get install skopeo",
            Self::Tar => "apt-get install tar",
            Self::Umoci => "apt-get install umoci",
            Self::Guest => "cargo build -p layerwright",
            Self::WasmClang => "apt-get install make gcc clang-16 lld-16 wasi-libc libclang-rt-16-dev-wasm32",
            Self::NextNix | Self::WitBindgen => "cargo xtask setup --clients",
            Self::Xfs => "apt-get install xfsprogs mount",
            Self::Zstd => "apt-get install zstd",
        }
    }

    fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Bash => &["bash"],
            Self::Busybox => &["busybox"],
            Self::Chromium => &["chromium"],
            Self::Docker => &["docker", "dockerd", "setpriv"],
            Self::Ext4 => &["mkfs.ext4", "mount", "losetup"],
            Self::Fakeroot => &["fakeroot"],
            Self::Git => &["git"],
            Self::Nix => &["nix", "nix-build", "nix-store"],
            Self::Npm => &["npm", "node"],
            Self::Podman => &["podman", "runc", "umount"],
            Self::Proot => &["proot"],
            Self::Python => &["python3"],
            Self::Runc => &["runc"],
            Self::Qemu => &["qemu-x86_64"],
            Self::Skopeo => &["skopeo"],
            Self::Tar => &["tar"],
            Self::Umoci => &["umoci"],
            Self::Xfs => &["mkfs.xfs", "mount", "losetup"],
            Self::Zstd => &["zstd"],
            Self::Debian | Self::Root | Self::Guest | Self::NextNix => &[],
            Self::PythonVenv | Self::RustGuest | Self::WasmClang | Self::WitBindgen => &[],
        }
    }
}

/// Looks a command up as a shell would.
pub(crate) fn find(command: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(command)).find(|file| file.is_file())
}

/// Whether the toolchain in use compiles for wasm32-wasip2.
pub(crate) fn has_wasip2() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| sysroot().is_some_and(|sysroot| sysroot.join("lib/rustlib/wasm32-wasip2/lib").exists()))
}

/// The linker that makes components. It is part of every toolchain from rustup.
pub(crate) fn component_linker() -> Option<PathBuf> {
    let host = format!("lib/rustlib/{}-unknown-linux-gnu/bin/wasm-component-ld", env::consts::ARCH);
    let shipped = sysroot().map(|sysroot| sysroot.join(host)).filter(|linker| linker.exists());
    shipped.or_else(|| find("wasm-component-ld"))
}

fn has_debian_rust() -> bool {
    let parts = ["/usr/bin/cargo", "/usr/bin/wasm-ld-16", "/usr/lib/rustlib/src/rust/library/std"];
    parts.iter().all(|part| Path::new(part).exists()) && component_linker().is_some()
}

fn has_wasm_clang() -> bool {
    let tools = ["make", "cc", "clang-16", "wasm-ld-16"];
    let runtime = "/usr/lib/llvm-16/lib/clang/16/lib/wasi/libclang_rt.builtins-wasm32.a";
    let parts = ["/usr/include/wasm32-wasi/stdio.h", runtime];
    tools.iter().all(|tool| find(tool).is_some()) && parts.iter().all(|part| Path::new(part).exists())
}

fn sysroot() -> Option<PathBuf> {
    let output = Command::new("rustc").args(["--print", "sysroot"]).output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end()))
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}
