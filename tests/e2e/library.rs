//! Images by the Nix library in `nix/`: built by the real Nix, in its sandbox, from expressions in `fixtures/library.nix`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::Value;

use crate::image::{members, sha256, text};
use crate::invocation::{Finished, Invocation, tool};
use crate::run;
use crate::store::NixStore;
use crate::which_nix::EachNix;

/// What the program is linked with. A sandbox has nothing of the machine but what is named here. `/lib` and
/// `/lib64` are links on Debian, and newer versions of Nix put in the links alone.
const CONFIGURATION: &str = "experimental-features = nix-command flakes\nsandbox = true\nsubstituters =\n\
    build-users-group =\nsandbox-paths = /lib=/usr/lib /lib64=/usr/lib64\n";

/// Also what the tools of this machine are.
pub(crate) const WITH_TOOLS: [&str; 3] = ["--option", "extra-sandbox-paths", "/usr /bin /lib /lib64 /etc/alternatives"];

pub(crate) struct Library {
    pub(crate) store: NixStore,
    /// The program under test, in the store.
    program: String,
}

/// A store of its own with the program in it; for the whole run and the case's Nix.
pub(crate) fn library() -> Result<&'static Library> {
    static MADE: EachNix<Library> = EachNix::new(|| Library::build().map_err(|error| format!("{error:?}")));
    MADE.chosen("preparing the Nix library")
}

/// The folder `nix/` of the repository.
pub(crate) fn folder() -> String {
    format!("{}/../nix", env!("CARGO_MANIFEST_DIR"))
}

impl Library {
    fn build() -> Result<Self> {
        let store = NixStore::build()?;
        store.write("conf/nix.conf", CONFIGURATION)?;
        store.write("library.nix", include_str!("fixtures/library.nix"))?;
        store.write("library-files.nix", include_str!("fixtures/library-files.nix"))?;
        store.write("library-scripts.nix", include_str!("fixtures/library-scripts.nix"))?;
        fs::create_dir_all(format!("{}/bare/etc", store.dir()))?;
        store.write("bare/etc/greeting", "good morning\n")?;
        let added = store.nix("nix-store", &["--store", &store.root(), "--add", run::program()]).ok()?;
        let program = added.text()?.trim().to_owned();
        Ok(Self { store, program })
    }

    /// Builds one image, and returns where it is on this machine.
    pub(crate) fn build_image(&self, attribute: &str) -> Result<String> {
        Ok(self.physical(&self.build_path(attribute, &[])?))
    }

    /// The same with options of Nix. Returns the store path.
    pub(crate) fn build_path(&self, attribute: &str, options: &[&str]) -> Result<String> {
        let built = self.nix_build(attribute).args(options).ok()?;
        Ok(built.text()?.trim().to_owned())
    }

    /// Builds what calls tools of this machine, and returns where it is on this machine.
    pub(crate) fn build_with_tools(&self, attribute: &str) -> Result<String> {
        self.build_with_tools_and(attribute, &[])
    }

    /// The same with more arguments.
    pub(crate) fn build_with_tools_and(&self, attribute: &str, arguments: &[&str]) -> Result<String> {
        Ok(self.physical(&self.build_path(attribute, &[&WITH_TOOLS, arguments].concat())?))
    }

    /// The same, as a store path.
    pub(crate) fn build_with_tools_path(&self, attribute: &str) -> Result<String> {
        self.build_path(attribute, &WITH_TOOLS)
    }

    /// `nix-build` of one attribute, not started yet.
    pub(crate) fn nix_build(&self, attribute: &str) -> Invocation {
        self.ask("nix-build", &["-A", attribute, "--no-out-link"])
    }

    /// The value of one attribute; nothing is built for it.
    pub(crate) fn evaluate(&self, attribute: &str) -> Result<Value> {
        self.ask("nix-instantiate", &["--eval", "--strict", "--json", "-A", attribute]).ok()?.json()
    }

    /// Expects that one attribute cannot be evaluated.
    pub(crate) fn is_refused(&self, attribute: &str, says: &[&str]) -> Result<()> {
        self.ask("nix-instantiate", &["-A", attribute]).exits(1)?.says(says)
    }

    /// Runs a program of the store, which knows itself as `/nix/store/...`.
    pub(crate) fn run(&self, program: &str, arguments: &[&str]) -> Result<Finished> {
        let shell = ["shell", "--store", &self.store.root(), program, "--command", program];
        self.store.nix("nix", &shell).args(arguments).finish()
    }

    /// Where a store path is on this machine.
    pub(crate) fn physical(&self, store_path: &str) -> String {
        format!("{}{store_path}", self.store.root())
    }

    fn ask(&self, tool: &str, arguments: &[&str]) -> Invocation {
        let library = ["--arg", "library", &folder(), "--argstr", "program", &self.program];
        let invocation = self.store.nix(tool, &["--store", &self.store.root(), "library.nix"]);
        invocation.args(library).args(arguments).dir(&self.store.dir())
    }
}

/// A docker archive, read without the program under test.
pub(crate) struct DockerArchive {
    bytes: Vec<u8>,
    pub(crate) manifest: Value,
}

impl DockerArchive {
    pub(crate) fn open(file: impl AsRef<Path>) -> Result<Self> {
        Self::read(fs::read(file.as_ref())?)
    }

    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self> {
        let mut archive = Self { bytes, manifest: Value::Null };
        archive.manifest = serde_json::from_slice(archive.member("manifest.json")?)?;
        Ok(archive)
    }

    pub(crate) fn member(&self, name: &str) -> Result<&[u8]> {
        let members = members(&self.bytes)?;
        let found = members.into_iter().find(|(member, _)| member == name);
        let (_, range) = found.with_context(|| format!("no {name} in the archive"))?;
        Ok(&self.bytes[range])
    }

    /// Its name: of the first image, the first one.
    pub(crate) fn name(&self) -> Result<&str> {
        text(&self.manifest[0]["RepoTags"][0])
    }

    pub(crate) fn config(&self) -> Result<Value> {
        Ok(serde_json::from_slice(self.member(text(&self.manifest[0]["Config"])?)?)?)
    }

    /// The digest of the config: what tools call the image.
    pub(crate) fn image_id(&self) -> Result<String> {
        Ok(sha256(self.member(text(&self.manifest[0]["Config"])?)?))
    }

    /// Unpacks every layer, bottom-most first, into a folder; owners only as root. Layers are plain or packed with gzip.
    pub(crate) fn unpack(&self, to: &str) -> Result<()> {
        fs::create_dir_all(to)?;
        for layer in self.manifest[0]["Layers"].as_array().context("layers are a list")? {
            let layer = self.member(text(layer)?)?.to_vec();
            let flags = ["--extract", "--preserve-permissions", "--numeric-owner", "--directory", to];
            tool("tar", &flags).stdin(layer).ok()?;
        }
        Ok(())
    }

    pub(crate) fn layer_count(&self) -> Result<usize> {
        Ok(self.manifest[0]["Layers"].as_array().context("layers are a list")?.len())
    }
}

/// Expects two values to be equal.
pub(crate) fn expect<T: PartialEq<U> + std::fmt::Debug, U: std::fmt::Debug>(found: &T, expected: &U) -> Result<()> {
    ensure!(found == expected, "expected {expected:?}, found {found:?}");
    Ok(())
}
