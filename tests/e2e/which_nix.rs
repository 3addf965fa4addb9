//! Which Nix a case runs with: that of the machine or, in a second run of the case, that of Debian's next release.
//!
//! A case does not name it. Each runs on a thread of its own, which remembers it.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::LazyLock;

use anyhow::{Result, anyhow};

use crate::run::target_dir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhichNix {
    /// The one in `PATH`.
    Machine,
    /// The one that `cargo xtask setup --clients` puts aside.
    Next,
}

thread_local! {
    static CHOSEN: Cell<WhichNix> = const { Cell::new(WhichNix::Machine) };
}

impl WhichNix {
    /// The one of this case.
    pub(crate) fn chosen() -> Self {
        CHOSEN.get()
    }

    /// Makes it the one of this case.
    pub(crate) fn choose(self) {
        CHOSEN.set(self);
    }

    /// The folder with its programs, where they are not in `PATH`.
    pub(crate) fn programs(self) -> Option<PathBuf> {
        match self {
            Self::Machine => None,
            Self::Next => Some(target_dir().join("tools/next-nix/usr/bin")),
        }
    }
}

/// What is made once for the whole run with each of them, when a case first asks for it.
pub(crate) struct EachNix<T> {
    machine: LazyLock<Result<T, String>>,
    next: LazyLock<Result<T, String>>,
}

impl<T> EachNix<T> {
    pub(crate) const fn new(build: fn() -> Result<T, String>) -> Self {
        Self { machine: LazyLock::new(build), next: LazyLock::new(build) }
    }

    /// That of the case's Nix.
    pub(crate) fn chosen(&self, what: &str) -> Result<&T> {
        let made = match WhichNix::chosen() {
            WhichNix::Machine => &self.machine,
            WhichNix::Next => &self.next,
        };
        made.as_ref().map_err(|error| anyhow!("{what}: {error}"))
    }
}
