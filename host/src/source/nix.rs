//! `nix:PATH,...`: what Nix says these paths need.
//!
//! 1. Resolve each path to the store path that it leads to, as `./result` does.
//! 2. Ask `nix path-info --json -r`. Its output has several shapes, see [`store_json`].
//! 3. Where that fails (the command is experimental, or older than its flags), ask `nix-store --query --requisites`
//!    and `nix-store --dump-db`, which every version has.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use layerwright_planner::Closure;

use super::registrations::{Author, Registrations};
use super::store_json::{self, StorePath};
use super::store_text;

/// How many links a path may lead through, as in the kernel.
const MAX_LINKS: usize = 40;

/// Reads the closure of `paths` in the store below `root`.
pub(crate) fn read(paths: &[PathBuf], root: &Path) -> Result<(Closure, Registrations)> {
    // Nix takes a relative path for the name of a kind of store.
    let root = &std::path::absolute(root)?;
    let roots = paths.iter().map(|path| store_path(path, root)).collect::<Result<BTreeSet<_>>>()?;
    let roots: Vec<String> = roots.into_iter().collect();
    let nodes = match path_info(&roots, root) {
        Ok(nodes) => nodes,
        Err(first) => nix_store(&roots, root).map_err(|second| {
            anyhow::anyhow!("neither `nix path-info` nor `nix-store` answered\n  {first:#}\n  {second:#}")
        })?,
    };
    let (nodes, registrations) = Registrations::split(nodes, Author::Nix);
    Ok((Closure::new(nodes, Some(&roots))?, registrations))
}

fn path_info(roots: &[String], root: &Path) -> Result<Vec<StorePath>> {
    let mut command = Command::new("nix");
    command.args(["--extra-experimental-features", "nix-command", "path-info", "--json", "--recursive"]);
    command.args(store_option(root)).args(roots);
    Ok(store_json::parse(&output(command)?, None)?)
}

fn nix_store(roots: &[String], root: &Path) -> Result<Vec<StorePath>> {
    let mut command = Command::new("nix-store");
    command.args(store_option(root)).args(["--query", "--requisites"]).args(roots);
    let closure = output(command)?;
    let mut command = Command::new("nix-store");
    command.args(store_option(root)).arg("--dump-db").args(closure.lines());
    Ok(store_text::parse(&output(command)?)?.1)
}

/// A store below a folder of its own has the same store paths and its own database.
fn store_option(root: &Path) -> Vec<String> {
    if root == Path::new("/") { Vec::new() } else { vec!["--store".into(), root.display().to_string()] }
}

fn output(mut command: Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("running `{name}`; is Nix installed?"))?;
    if !output.status.success() {
        let said = String::from_utf8(output.stderr).unwrap_or_default();
        bail!("`{name}` failed ({}): {}", output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("reading what `{name}` printed"))
}

/// Returns the store path that `path` is, lies in or leads to.
///
/// Follows links as the kernel does, one name after the other, but stops at the store: a store path that is a link is
/// meant itself, and below a root it is not where its name says.
fn store_path(path: &Path, root: &Path) -> Result<String> {
    let whole = std::path::absolute(path)?;
    // A path into the store below a root may be written either way.
    let whole = whole.strip_prefix(root).map_or(whole.clone(), |below| Path::new("/").join(below));
    let mut rest: VecDeque<OsString> = names(&whole);
    let mut at = PathBuf::from("/");
    let mut links = 0;
    while let Some(name) = rest.pop_front() {
        if name == ".." {
            at.pop();
            continue;
        }
        at.push(&name);
        if inside_store(&at).is_some() || !is_link(&at, path)? {
            continue;
        }
        links += 1;
        if links > MAX_LINKS {
            bail!("{} leads through too many links", path.display());
        }
        let target = fs::read_link(&at)?;
        at = if target.is_absolute() { PathBuf::from("/") } else { at.parent().unwrap_or(Path::new("/")).to_owned() };
        names(&target).into_iter().rev().for_each(|name| rest.push_front(name));
    }
    let beside = if root == Path::new("/") { String::new() } else { format!(" below {}", root.display()) };
    inside_store(&at).with_context(|| format!("{} is not in a Nix store{beside}, and no link into one", path.display()))
}

/// The names in a path, with `..` among them.
fn names(path: &Path) -> VecDeque<OsString> {
    let is_name = |part: &Component<'_>| matches!(part, Component::Normal(_) | Component::ParentDir);
    path.components().filter(is_name).map(|part| part.as_os_str().to_owned()).collect()
}

/// The store itself, and what lies above it, need not be on this machine.
fn is_link(at: &Path, path: &Path) -> Result<bool> {
    match fs::symlink_metadata(at) {
        Ok(metadata) => Ok(metadata.is_symlink()),
        Err(error) if error.kind() == io::ErrorKind::NotFound && store_dir().starts_with(at) => Ok(false),
        Err(error) => Err(error).with_context(|| format!("finding the store path of {}", path.display())),
    }
}

/// The store path that `path` lies in.
fn inside_store(path: &Path) -> Option<String> {
    let store = store_dir();
    let Some(Component::Normal(name)) = path.strip_prefix(&store).ok()?.components().next() else { return None };
    Some(store.join(name).to_str()?.to_owned())
}

/// Stores are where Nix says, or at the usual place.
fn store_dir() -> PathBuf {
    std::env::var_os("NIX_STORE_DIR").map_or_else(|| PathBuf::from("/nix/store"), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_the_store_path_and_no_further() {
        let dir = tempfile::tempdir().unwrap();
        let link = |name: &str, target: &str| {
            std::os::unix::fs::symlink(target, dir.path().join(name)).unwrap();
            dir.path().join(name)
        };
        let result = link("result", "/nix/store/hash-app/bin/../lib");
        assert_eq!(store_path(&result, Path::new("/")).unwrap(), "/nix/store/hash-app");
        let second = link("second", "./result");
        assert_eq!(store_path(&second, Path::new("/")).unwrap(), "/nix/store/hash-app");
        // Past the store path and back is another one.
        assert_eq!(
            store_path(Path::new("/nix/store/hash-a/../hash-b/x"), Path::new("/")).unwrap(),
            "/nix/store/hash-b"
        );
        assert_eq!(
            store_path(Path::new("/some/root/nix/store/hash-a"), Path::new("/some/root")).unwrap(),
            "/nix/store/hash-a"
        );
        // `..` after a link starts from where the link leads.
        std::fs::create_dir_all(dir.path().join("deep/er")).unwrap();
        link("short", "deep/er");
        link("deep/result", "/nix/store/hash-deep");
        let through = link("through", "short/../result");
        assert_eq!(store_path(&through, Path::new("/")).unwrap(), "/nix/store/hash-deep");
        let round = link("round", "round");
        assert!(store_path(&round, Path::new("/")).unwrap_err().to_string().contains("too many links"));
        assert!(format!("{:#}", store_path(dir.path(), Path::new("/")).unwrap_err()).contains("not in a Nix store"));
    }
}
