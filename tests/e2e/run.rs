//! What all cases of one run share: the program under test, and a folder that is removed at the end.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::invocation::{Invocation, tool};

struct Run {
    program: PathBuf,
    scratch: TempDir,
}

static RUN: OnceLock<Run> = OnceLock::new();

/// Finds or builds the program, and makes the folder.
pub(crate) fn begin() -> Result<()> {
    let program = match env::var_os("LAYERWRIGHT_BIN") {
        Some(program) => std::path::absolute(program)?,
        None => build_program()?,
    };
    let scratch = tempfile::Builder::new().prefix("layerwright-e2e-").tempdir()?;
    ensure!(RUN.set(Run { program, scratch }).is_ok(), "a run begins once");
    Ok(())
}

/// Removes the folder, with what is read-only in it.
pub(crate) fn end() {
    if let Some(run) = RUN.get() {
        let path = run.scratch.path();
        // Best effort: what is left lies in the system's folder for temporary files.
        let _ = Command::new("chmod").args(["-R", "u+rwX"]).arg(path).output();
        let _ = fs_err::remove_dir_all(path);
    }
}

fn run() -> &'static Run {
    RUN.get().expect("the run has begun")
}

/// The program under test.
pub(crate) fn layerwright(arguments: &[&str]) -> Invocation {
    Invocation::new(&run().program).args(arguments)
}

/// The same, for signals. Whoever runs the tests may ignore some, as shells do for what is in the background, and that would
/// be inherited.
pub(crate) fn listening(arguments: &[&str]) -> Invocation {
    tool("env", &["--default-signal", program()]).args(arguments)
}

/// Where packed layers would be kept.
pub(crate) fn cache_dir() -> PathBuf {
    target_dir().join("e2e-cache")
}

/// Where compiled planners are kept from run to run.
pub(crate) fn compiled_dir() -> PathBuf {
    target_dir().join("e2e-compiled")
}

/// Where the program is, for shells that start it.
pub(crate) fn program() -> &'static str {
    run().program.to_str().expect("builds lie in folders with readable names")
}

/// A component that the build of the program leaves behind.
pub(crate) fn guest(name: &str) -> PathBuf {
    target_dir().join("guests").join(format!("{name}.wasm"))
}

/// A component that is built for the tests alone.
pub(crate) fn built_guest(package: &str) -> Result<String> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate lies in a workspace")?;
    let built = xtask::guests::build(workspace, &target_dir(), &[package])?;
    built[0].to_str().map(str::to_owned).context("builds lie in folders with readable names")
}

/// A folder for one case.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self(tempfile::Builder::new().prefix("case-").tempdir_in(run().scratch.path())?))
    }

    /// The path of something in it.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().expect("the system's temporary folder has a readable name").to_owned()
    }

    /// Names of everything in it, sorted.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let entries = fs_err::read_dir(self.0.path())?;
        let mut names = Vec::new();
        for entry in entries {
            names.push(format!("{}", entry?.file_name().display()));
        }
        names.sort();
        Ok(names)
    }

    /// Writes a file in it, and returns its path.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> Result<String> {
        let path = self.path(name);
        fs_err::write(&path, content)?;
        Ok(path)
    }
}

/// `TARGET/PROFILE/deps/e2e-HASH` is what runs.
fn profile_dir() -> PathBuf {
    let exe = env::current_exe().expect("the system knows what it runs");
    exe.ancestors().nth(2).expect("Cargo puts tests three folders deep").to_owned()
}

/// Where everything lies that is built.
pub(crate) fn target_dir() -> PathBuf {
    profile_dir().parent().expect("a profile's folder is in the target folder").to_owned()
}

fn build_program() -> Result<PathBuf> {
    let dir = profile_dir();
    let profile = match dir.file_name().and_then(|name| name.to_str()).context("finding the profile")? {
        "debug" => "dev",
        profile => profile,
    };
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "layerwright", "--profile", profile, "--manifest-path"]);
    command.arg(manifest).arg("--target-dir").arg(target_dir());
    let status = command.status().context("running cargo")?;
    ensure!(status.success(), "the program does not build");
    Ok(dir.join("layerwright"))
}
