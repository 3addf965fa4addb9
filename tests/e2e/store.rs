//! A Nix store made for the tests, by the real Nix, in a folder of its own.
//!
//! ```text
//! FOLDER/closure.nix     from fixtures/
//! FOLDER/busybox/bin/    what the store is made from
//! FOLDER/conf/nix.conf
//! FOLDER/root/nix/store  the store
//! FOLDER/result, graph   links into it, as `nix-build` makes them
//! ```

use anyhow::{Context, Result};
use fs_err as fs;

use crate::invocation::Invocation;
use crate::need::find;
use crate::run::{Folder, layerwright};
use crate::which_nix::{EachNix, WhichNix};

/// Without the `/bin/sh` that each Nix would put into its sandbox: of Debian's next release, it is in a package that this
/// machine does not have. A store in another folder always has a sandbox.
const CONFIGURATION: &str = "experimental-features = nix-command flakes\nsandbox = false\nsandbox-paths =\n\
    substituters =\nbuild-users-group =\n";

/// What the shell scripts in `closure.nix` call.
const APPLETS: [&str; 9] = ["sh", "cp", "mkdir", "ln", "cat", "chmod", "env", "readlink", "truncate"];

pub(crate) struct NixStore {
    folder: Folder,
    nix: WhichNix,
}

/// The store of this run and of the case's Nix, which nobody may change.
pub(crate) fn nix_store() -> Result<&'static NixStore> {
    static MADE: EachNix<NixStore> = EachNix::new(|| NixStore::build().map_err(|error| format!("{error:?}")));
    MADE.chosen("building the Nix store")
}

impl NixStore {
    /// Another one, with the same content.
    pub(crate) fn build() -> Result<Self> {
        let store = Self { folder: Folder::new()?, nix: WhichNix::chosen() };
        let folder = &store.folder;
        fs::create_dir_all(folder.path("busybox/bin"))?;
        fs::create_dir(folder.path("conf"))?;
        let busybox = find("busybox").context("busybox is among the needs")?;
        fs::copy(busybox, folder.path("busybox/bin/busybox"))?;
        for applet in APPLETS {
            fs::os::unix::fs::symlink("busybox", folder.path(&format!("busybox/bin/{applet}")))?;
        }
        folder.write("conf/nix.conf", CONFIGURATION)?;
        folder.write("closure.nix", include_str!("fixtures/closure.nix"))?;
        for (attribute, link) in [("app", "result"), ("graph", "graph")] {
            let arguments = ["--store", &store.root(), "closure.nix", "-A", attribute, "-o", link];
            store.nix("nix-build", &arguments).dir(&folder.path(".")).ok()?;
        }
        Ok(store)
    }

    /// What `--root` takes.
    pub(crate) fn root(&self) -> String {
        self.folder.path("root")
    }

    /// Where `closure.nix` is.
    pub(crate) fn dir(&self) -> String {
        self.folder.path(".")
    }

    /// Writes a file beside `closure.nix`.
    pub(crate) fn write(&self, name: &str, content: &str) -> Result<()> {
        self.folder.write(name, content).map(|_| ())
    }

    /// What `--from` takes: the app, by its link.
    pub(crate) fn source(&self) -> String {
        format!("nix:{}", self.folder.path("result"))
    }

    /// The store path that a link leads to.
    pub(crate) fn built(&self, link: &str) -> Result<String> {
        let target = fs::read_link(self.folder.path(link))?;
        Ok(target.to_str().context("store paths are readable")?.to_owned())
    }

    /// The closure of the app, as Nix tells it, one path a line.
    pub(crate) fn closure(&self) -> Result<Vec<String>> {
        let arguments = ["--store", &self.root(), "--query", "--requisites", &self.built("result")?];
        let finished = self.nix("nix-store", &arguments).ok()?;
        Ok(finished.text()?.lines().map(str::to_owned).collect())
    }

    /// One of Nix's programs, with the configuration of this store.
    pub(crate) fn nix(&self, program: &str, arguments: &[&str]) -> Invocation {
        let program = self.nix.programs().map_or_else(|| program.into(), |programs| programs.join(program));
        Invocation::new(&program).args(arguments).envs(self.environment())
    }

    /// The program under test, such that it can ask Nix about this store.
    pub(crate) fn layerwright(&self, arguments: &[&str]) -> Invocation {
        layerwright(arguments).envs(self.environment())
    }

    /// Where programs are looked for, this Nix first.
    pub(crate) fn path(&self) -> String {
        let path = std::env::var("PATH").unwrap_or_default();
        self.nix.programs().map_or_else(|| path.clone(), |programs| format!("{}:{path}", programs.display()))
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("NIX_CONF_DIR", self.folder.path("conf")), ("HOME", self.folder.path("."))];
        if let Some(programs) = self.nix.programs() {
            variables.push(("PATH", self.path()));
            // Where it looks for itself.
            variables.push(("NIX_BIN_DIR", programs.display().to_string()));
        }
        variables
    }
}
