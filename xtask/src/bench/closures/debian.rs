//! Real files: those of installed Debian packages, a store path for each package.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::StoreWriter;

const DATABASE: &str = "/var/lib/dpkg";
/// How much there has to be.
const TARGET_BYTES: f64 = 1.1e9;
/// How many packages make a closure as people have them.
const PACKAGES: std::ops::RangeInclusive<usize> = 100..=250;

struct Package {
    name: String,
    files: Vec<InstalledFile>,
    bytes: u64,
    depends: Vec<String>,
}

struct InstalledFile {
    path: PathBuf,
    link: Option<PathBuf>,
}

/// Copies the files of enough packages.
pub(super) fn write(scale: f64, store: &mut StoreWriter) -> Result<()> {
    if !Path::new(DATABASE).join("status").exists() {
        bail!("it is made of installed Debian packages, and there is no {DATABASE}/status");
    }
    let mut packages = installed(scale)?;
    packages.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.name.cmp(&b.name)));
    let sizes: Vec<u64> = packages.iter().map(|package| package.bytes).collect();
    let chosen = choose(&sizes, TARGET_BYTES * scale);
    let bytes: u64 = chosen.iter().map(|index| sizes[*index]).sum();
    if (bytes as f64) < TARGET_BYTES * scale {
        bail!(
            "{:.0} MB of files in up to {} packages are needed, and this machine's largest have {:.0} MB: \
             install more, for example `apt-get install openjdk-17-jdk llvm-14-dev nodejs docker.io valgrind`",
            TARGET_BYTES * scale / 1e6,
            PACKAGES.end(),
            bytes as f64 / 1e6
        );
    }
    let names: BTreeSet<&str> = chosen.iter().map(|index| packages[*index].name.as_str()).collect();
    for index in &chosen {
        copy(&packages[*index], &names, store)?;
    }
    Ok(())
}

/// Chooses among packages whose sizes descend: every n-th, so that there are large and small ones, and of these choices
/// the one with the most packages that is large enough. The largest packages of small machines are taken as they come.
fn choose(sizes: &[u64], target: f64) -> Vec<usize> {
    let every = |stride: usize, offset: usize| (offset..sizes.len()).step_by(stride).collect::<Vec<_>>();
    let strides = (1..=sizes.len()).filter(|stride| PACKAGES.contains(&(sizes.len() / stride)));
    // A larger offset leaves out more of the very large packages, of which each would be an image of its own.
    let mut choices = strides.flat_map(|stride| (0..stride).rev().map(move |offset| every(stride, offset)));
    let is_enough = |choice: &Vec<usize>| choice.iter().map(|index| sizes[*index]).sum::<u64>() as f64 >= target;
    choices.find(is_enough).unwrap_or_else(|| (0..sizes.len().min(*PACKAGES.end())).collect())
}

fn copy(package: &Package, names: &BTreeSet<&str>, store: &mut StoreWriter) -> Result<()> {
    for file in &package.files {
        let name = file.path.strip_prefix("/").unwrap_or(&file.path);
        match &file.link {
            Some(target) => store.link(&package.name, name, target)?,
            None => store.copy(&package.name, name, &file.path)?,
        }
    }
    for name in package.depends.iter().filter(|name| names.contains(name.as_str()) && **name != package.name) {
        store.refer(&package.name, name);
    }
    Ok(())
}

fn installed(scale: f64) -> Result<Vec<Package>> {
    let format = "${db:Status-Status}\t${binary:Package}\t${Package}\t${Pre-Depends}, ${Depends}\n";
    let output = Command::new("dpkg-query").args(["--show", "--showformat", format]).output();
    let text = String::from_utf8(output.context("running dpkg-query")?.stdout)?;
    // A package of two architectures counts once.
    let mut packages = BTreeMap::new();
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        if let ["installed", listed, name, depends] = fields[..] {
            packages.entry(name.to_owned()).or_insert((listed, depends));
        }
    }
    let read = |(name, (listed, depends)): (String, (&str, &str))| {
        let (files, bytes) = files(listed, &name, scale)?;
        Ok(Package { name, files, bytes, depends: names_in(depends) })
    };
    packages.into_iter().map(read).collect()
}

/// The files that a package brought, those left out that are not there or not for everybody.
fn files(listed: &str, name: &str, scale: f64) -> Result<(Vec<InstalledFile>, u64)> {
    let list = |name: &str| fs::read_to_string(format!("{DATABASE}/info/{name}.list"));
    let (mut files, mut bytes) = (Vec::new(), 0);
    for path in list(listed).or_else(|_| list(name))?.lines().map(PathBuf::from) {
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        if metadata.is_symlink() {
            // Packages list `/bin` as the folder that it once was, and files below it.
            if path.is_dir() {
                continue;
            }
            files.push(InstalledFile { link: Some(fs::read_link(&path)?), path });
        } else if metadata.is_file() && metadata.permissions().mode() & 0o004 != 0 {
            files.push(InstalledFile { link: None, path });
        }
    }
    // A smaller closure has as many packages, with fewer files.
    let mut files: Vec<InstalledFile> = files.into_iter().step_by(super::made::step(scale)).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    for file in files.iter().filter(|file| file.link.is_none()) {
        bytes += fs::metadata(&file.path)?.len();
    }
    Ok((files, bytes))
}

/// Names in a field such as `libc6 (>= 2.34), default-mta | mail-transport-agent`.
fn names_in(depends: &str) -> Vec<String> {
    let name = |word: &str| word.trim().split([' ', ':', '(']).next().unwrap_or_default().to_owned();
    depends.split([',', '|']).map(name).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_versions_and_architectures() {
        assert_eq!(names_in(", libc6 (>= 2.34), a:any | b"), ["libc6", "a", "b"]);
    }

    #[test]
    fn large_and_small_packages_are_chosen() {
        let sizes: Vec<u64> = (0..600).rev().collect();
        let choice = choose(&sizes, 10_000.0);
        assert_eq!((choice.len(), &choice[..3]), (200, &[2, 5, 8][..]));
    }

    #[test]
    fn small_machine_gives_its_largest() {
        assert_eq!(choose(&[5, 3, 1], 100.0), [0, 1, 2]);
    }
}
