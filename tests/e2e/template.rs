//! A project that `planner new` wrote, in a folder that lasts from run to run: compilers, environments and packages in
//! it are used again, so that only the first run takes minutes.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt;

use crate::invocation::{Finished, tool};
use crate::need::{component_linker, find, has_wasip2};
use crate::run::{Folder, layerwright, target_dir};

pub(crate) struct Template {
    /// What `--lang` takes.
    language: &'static str,
    dir: PathBuf,
}

impl Template {
    /// Has the program write a project and brings the lasting folder up to it.
    pub(crate) fn new(language: &'static str) -> Result<Self> {
        let fresh = Folder::new()?;
        let fresh = fresh.path("project");
        let said = layerwright(&["planner", "new", &name(language), "--lang", language, "--dir", &fresh]).ok()?;
        let template = Self { language, dir: target_dir().join("templates").join(language) };
        refresh(Path::new(&fresh), &template.dir, &kept(&fresh)?)?;
        // What is printed are the commands of the README.
        let printed = template.commands()?.concat();
        said.says(&printed.lines().collect::<Vec<_>>())?;
        Ok(template)
    }

    /// Runs the README's command lines that build the component, as a shell would.
    pub(crate) fn build(&self) -> Result<()> {
        self.shell(&self.commands()?[0]).map(drop)
    }

    /// Runs those that test it, and returns what they said.
    pub(crate) fn test(&self) -> Result<Finished> {
        self.shell(&self.commands()?[1])
    }

    /// The component that the README promises.
    pub(crate) fn component(&self) -> Result<String> {
        let file = self.dir.join(format!("{}.wasm", name(self.language)));
        Ok(file.to_str().context("builds lie in folders with readable names")?.to_owned())
    }

    /// Puts one line before the line of a source file that has `marker` in it, and returns `FILE:LINE` of the new one.
    pub(crate) fn inject(&self, file: &str, marker: &str, line: &str) -> Result<String> {
        let path = self.dir.join(file);
        let text = fs::read_to_string(&path)?;
        let at =
            text.lines().position(|line| line.contains(marker)).with_context(|| format!("no {marker} in {file}"))?;
        let mut lines: Vec<&str> = text.lines().collect();
        lines.insert(at, line);
        fs::write(path, lines.join("\n") + "\n")?;
        Ok(format!("{file}:{}", at + 1))
    }

    /// Takes a text out of a source file.
    pub(crate) fn remove(&self, file: &str, text: &str) -> Result<()> {
        let path = self.dir.join(file);
        let before = fs::read_to_string(&path)?;
        ensure!(before.contains(text), "no {text} in {file}");
        Ok(fs::write(path, before.replace(text, ""))?)
    }

    /// The README's `sh` blocks.
    fn commands(&self) -> Result<Vec<String>> {
        let readme = fs::read_to_string(self.dir.join("README.md"))?;
        let blocks = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next().map(str::to_owned));
        let blocks: Vec<String> = blocks.collect();
        ensure!(blocks.len() == 2, "one block builds and one tests: {blocks:?}");
        Ok(blocks)
    }

    fn shell(&self, commands: &str) -> Result<Finished> {
        let dir = self.dir.to_str().context("builds lie in folders with readable names")?;
        tool("sh", &["-e"]).dir(dir).env("PATH", path()?).stdin(commands).ok()
    }
}

fn name(language: &str) -> String {
    format!("largest-{language}")
}

/// What the user's PATH has, and what `cargo xtask setup --clients` put into the target folder.
fn path() -> Result<OsString> {
    let user = env::var_os("PATH").unwrap_or_default();
    let mut dirs = vec![target_dir().join("tools/bin")];
    if !has_wasip2() {
        dirs.insert(0, debian_cargo()?);
    }
    Ok(env::join_paths(dirs.into_iter().chain(env::split_paths(&user)))?)
}

/// A `cargo` for machines on which rustup can download no target: where wasm32-wasip2 is asked for, it has Debian's Rust
/// build its standard library for a target without WASI, and the linker make the component. All but the text of a panic
/// is the same.
fn debian_cargo() -> Result<PathBuf> {
    let dir = target_dir().join("templates/debian");
    fs::create_dir_all(&dir)?;
    let cargo = find("cargo").context("finding cargo")?;
    let linker = component_linker().context("finding wasm-component-ld")?;
    let script = format!(
        "#!/bin/sh -e\n\
         case \"$*\" in\n\
         *wasm32-wasip2*)\n  \
           export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1\n  \
           export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER='{}'\n  \
           flags='-Clink-arg=--wasm-ld-path -Clink-arg=wasm-ld-16'\n  \
           export CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS=\"$RUSTFLAGS $flags\"\n  \
           unset RUSTFLAGS\n  \
           /usr/bin/cargo build --release -Zbuild-std=std,panic_abort --target wasm32-unknown-unknown\n  \
           mkdir -p target/wasm32-wasip2/release\n  \
           cp target/wasm32-unknown-unknown/release/*.wasm target/wasm32-wasip2/release ;;\n\
         *) exec '{}' \"$@\" ;;\n\
         esac\n",
        linker.display(),
        cargo.display(),
    );
    let mut options = fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o755)
        .open(dir.join("cargo"))?
        .write_all(script.as_bytes())?;
    Ok(dir)
}

/// What the project's .gitignore names: all that building leaves there.
fn kept(project: &str) -> Result<BTreeSet<String>> {
    let ignored = fs::read_to_string(format!("{project}/.gitignore"))?;
    Ok(ignored.lines().map(|line| line.trim_matches('/').to_owned()).collect())
}

/// Makes `to` like `from`, but for what is kept. Files that are the same already are not touched, because whoever builds
/// looks at the time.
fn refresh(from: &Path, to: &Path, kept: &BTreeSet<String>) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_kept = name.to_str().is_some_and(|name| kept.contains(name) || name.ends_with(".wasm"));
        if !is_kept && !from.join(&name).exists() {
            if entry.file_type()?.is_dir() { fs::remove_dir_all(entry.path())? } else { fs::remove_file(entry.path())? }
        }
    }
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (source, place) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type()?.is_dir() {
            refresh(&source, &place, kept)?;
        } else if fs::read(&place).ok() != Some(fs::read(&source)?) {
            fs::copy(source, place)?;
        }
    }
    Ok(())
}
