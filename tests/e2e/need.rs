//! What a case needs of the machine: tools, rights, a distribution.

use std::env;
use std::path::{Path, PathBuf};

use crate::run;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Bash,
    Busybox,
    Debian,
    Docker,
    Git,
    Nix,
    Podman,
    Python,
    Root,
    Runc,
    Skopeo,
    Tar,
    Umoci,
    /// `popularity.wasm`, as the build of the program leaves it in the target directory.
    Guest,
}

impl Need {
    pub(crate) fn is_met(self) -> bool {
        match self {
            Self::Debian => Path::new("/var/lib/dpkg/status").exists(),
            Self::Root => rustix::process::geteuid().is_root(),
            Self::Guest => run::guest("popularity").exists(),
            tool => tool.commands().iter().all(|command| find(command).is_some()),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Debian => "Debian's package database",
            Self::Root => "root's rights",
            Self::Guest => "popularity.wasm",
            tool => tool.commands()[0],
        }
    }

    pub(crate) fn hint(self) -> &'static str {
        match self {
            Self::Bash => "apt-get install bash",
            Self::Busybox => "apt-get install busybox-static",
            Self::Debian => "run it on Debian or Ubuntu",
            Self::Docker => "apt-get install docker.io",
            Self::Git => "apt-get install git",
            Self::Nix => "apt-get install nix-bin",
            Self::Podman => "apt-get install podman runc",
            Self::Python => "apt-get install python3",
            Self::Root => "run it as root, in a virtual machine or container of its own",
            Self::Runc => "apt-get install runc",
            Self::Skopeo => "apt-get install skopeo",
            Self::Tar => "apt-get install tar",
            Self::Umoci => "apt-get install umoci",
            Self::Guest => "cargo build -p layerwright",
        }
    }

    fn commands(self) -> &'static [&'static str] {
        match self {
            Self::Bash => &["bash"],
            Self::Busybox => &["busybox"],
            Self::Docker => &["docker", "dockerd", "setpriv"],
            Self::Git => &["git"],
            Self::Nix => &["nix", "nix-build", "nix-store"],
            Self::Podman => &["podman", "runc", "umount"],
            Self::Python => &["python3"],
            Self::Runc => &["runc"],
            Self::Skopeo => &["skopeo"],
            Self::Tar => &["tar"],
            Self::Umoci => &["umoci"],
            Self::Debian | Self::Root | Self::Guest => &[],
        }
    }
}

/// Looks a command up as a shell would.
pub(crate) fn find(command: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|dir| dir.join(command)).find(|file| file.is_file())
}
