//! Podman with an empty store of its own.

use anyhow::Result;

use crate::invocation::{Invocation, tool};
use crate::run::Folder;

const TRUST_EVERYTHING: &str = r#"{"default": [{"type": "insecureAcceptAnything"}]}"#;

pub(crate) struct Podman {
    folder: Folder,
}

impl Podman {
    pub(crate) fn empty() -> Result<Self> {
        let folder = Folder::new()?;
        folder.write("policy.json", TRUST_EVERYTHING)?;
        Ok(Self { folder })
    }

    pub(crate) fn client(&self, arguments: &[&str]) -> Invocation {
        let path = |name| self.folder.path(name);
        tool("podman", &["--root", &path("store"), "--runroot", &path("run"), "--tmpdir", &path("tmp")])
            .args(["--storage-driver", "overlay", "--events-backend", "file", "--cgroup-manager", "cgroupfs"])
            .args(["--runtime", "runc"])
            .args(arguments)
    }

    /// A file that says to trust every image.
    pub(crate) fn policy(&self) -> String {
        self.folder.path("policy.json")
    }

    /// Loads an archive, or else standard input. Returns the name, which versions of Podman complete differently.
    pub(crate) fn load(&self, archive: Option<&str>, stdin: Vec<u8>) -> Result<String> {
        let load = self.client(&["load", "--signature-policy", &self.policy()]);
        let archive = archive.map(|archive| ["--input", archive]);
        let loaded = load.args(archive.into_iter().flatten()).stdin(stdin).ok()?;
        let name = loaded.text()?.trim().rsplit("Loaded image: ").next().unwrap_or_default();
        Ok(name.to_owned())
    }

    /// Runs an image and returns what it printed.
    pub(crate) fn run(&self, image: &str, command: &[&str]) -> Result<String> {
        // Lower than what a virtual machine without CAP_SYS_RESOURCE may set.
        let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
        let run = self.client(&["run", "--rm", "--network", "none"]).args(limits).args([image]).args(command);
        Ok(run.ok()?.text()?.to_owned())
    }
}

impl Drop for Podman {
    /// The store's own mount outlives every command.
    fn drop(&mut self) {
        let _ = tool("umount", &["--lazy", &self.folder.path("store/overlay")]).finish();
    }
}
