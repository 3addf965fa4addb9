//! The Nix of Debian's next release, beside that of the machine: people build images with both.
//!
//! 1. The machine's own package sources, with the next release's name in place of its own, are written to a folder. apt
//!    works in that folder, so nothing of the machine changes.
//! 2. `nix-bin` is downloaded with all that it needs, the C library among it, and unpacked there.
//! 3. Its programs are told to load from there: the machine's libraries are too old for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use fs_err as fs;

use crate::run::run;

/// A release of Debian, and the one after it.
const RELEASES: [&str; 2] = ["bookworm", "trixie"];

/// Where its programs are, within the folder for tools.
const PROGRAMS: &str = "next-nix/usr/bin";

/// Whether it is there, and runs.
pub(super) fn is_there(tools: &Path) -> bool {
    let version = Command::new(tools.join(PROGRAMS).join("nix")).arg("--version").output();
    version.is_ok_and(|output| output.status.success())
}

/// Installs it into the folder for tools.
pub(super) fn install(tools: &Path) -> Result<()> {
    fs::create_dir_all(tools)?;
    let place = tools.join("next-nix");
    if place.exists() {
        fs::remove_dir_all(&place)?;
    }
    let scratch = tools.join("next-nix-packages");
    if scratch.exists() {
        fs::remove_dir_all(&scratch)?;
    }
    let unpacked = scratch.join("root");
    for package in download(&scratch)? {
        run(Command::new("dpkg-deb").arg("--extract").args([&package, &unpacked]))?;
    }
    load_from(&unpacked, &place)?;
    fs::rename(unpacked, place)?;
    Ok(fs::remove_dir_all(scratch)?)
}

/// Downloads the packages, as for a machine that has none, and returns their files.
fn download(scratch: &Path) -> Result<Vec<PathBuf>> {
    let sources = scratch.join("sources");
    let archives = scratch.join("cache/archives");
    for folder in [&sources, &scratch.join("lists/partial"), &archives.join("partial"), &scratch.join("root")] {
        fs::create_dir_all(folder)?;
    }
    write_sources(&sources)?;
    let status = scratch.join("status");
    fs::write(&status, "")?;
    let apt = || {
        let mut command = Command::new("apt-get");
        command.arg("--quiet=2");
        for (option, path) in [
            ("Dir::Etc::sourcelist", Path::new("/dev/null")),
            ("Dir::Etc::sourceparts", &sources),
            ("Dir::State::lists", &scratch.join("lists")),
            ("Dir::State::status", &status),
            ("Dir::Cache", &scratch.join("cache")),
        ] {
            command.arg("-o").arg(format!("{option}={}", path.display()));
        }
        command
    };
    run(apt().arg("update")).context("reading the next release's list of packages")?;
    run(apt().args(["install", "--download-only", "--yes", "--no-install-recommends", "nix-bin"]))?;
    let mut packages = Vec::new();
    for file in fs::read_dir(&archives)? {
        let file = file?.path();
        if file.extension().is_some_and(|extension| extension == "deb") {
            packages.push(file);
        }
    }
    packages.sort();
    ensure!(!packages.is_empty(), "apt-get downloaded nothing");
    Ok(packages)
}

/// Writes those of the machine's package sources that are for its release, for the next one.
fn write_sources(to: &Path) -> Result<()> {
    let mut written = 0;
    for file in source_files()? {
        let name = file.file_name().context("files have names")?;
        let text = fs::read_to_string(&file)?;
        let derived = match file.extension().and_then(|extension| extension.to_str()) {
            Some("sources") => of_next_release(text.split("\n\n"), "\n\n", |line| line.starts_with("Suites:")),
            Some("list") => of_next_release(text.lines(), "\n", |line| line.starts_with("deb ")),
            _ => continue,
        };
        if !derived.is_empty() {
            fs::write(to.join(name), derived + "\n")?;
            written += 1;
        }
    }
    let [machine, _] = RELEASES;
    if written == 0 {
        bail!(
            "no package source of this machine is for Debian's `{machine}`, so none can be derived for its next release"
        );
    }
    Ok(())
}

fn source_files() -> Result<Vec<PathBuf>> {
    let mut files = vec![];
    let list = PathBuf::from("/etc/apt/sources.list");
    if list.exists() {
        files.push(list);
    }
    let parts = Path::new("/etc/apt/sources.list.d");
    if parts.exists() {
        for part in fs::read_dir(parts)? {
            files.push(part?.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Takes the entries that name the release itself, and not only its updates.
fn of_next_release<'a>(
    entries: impl Iterator<Item = &'a str>,
    between: &str,
    names_suites: impl Fn(&str) -> bool,
) -> String {
    let [machine, next] = RELEASES;
    let is_of_machine = |line: &&str| names_suites(line) && line.split_whitespace().any(|word| word == machine);
    let derive = |entry: &str| {
        let lines = entry.lines().filter(|line| !line.starts_with('#'));
        let line = |line: &str| match () {
            () if !names_suites(line) => line.to_owned(),
            () if line.starts_with("Suites:") => format!("Suites: {next}"),
            () => line
                .split_whitespace()
                .map(|word| if word == machine { next } else { word })
                .collect::<Vec<_>>()
                .join(" "),
        };
        lines.map(line).collect::<Vec<_>>().join("\n")
    };
    let entries = entries.filter(|entry| entry.lines().any(|line| is_of_machine(&line)));
    entries.map(derive).collect::<Vec<_>>().join(between)
}

/// Makes the programs in a folder load what lies beside them, once the folder is at its place.
fn load_from(unpacked: &Path, place: &Path) -> Result<()> {
    let program = unpacked.join("usr/bin/nix");
    let asked = Command::new("patchelf").arg("--print-interpreter").arg(&program).output()?;
    let loader = String::from_utf8(asked.stdout)?;
    let loader = format!("{}/usr{}", place.display(), loader.trim_end());
    let libraries = format!("{}/usr/lib/{}-linux-gnu", place.display(), std::env::consts::ARCH);
    // Libraries of libraries are found there only by the older of the two ways to say it.
    let mut patch = Command::new("patchelf");
    patch.args(["--set-interpreter", &loader, "--force-rpath", "--set-rpath", &libraries]);
    run(patch.arg(program))
}

#[cfg(test)]
mod tests {
    use super::of_next_release;

    #[test]
    fn sources_of_the_release_are_derived() {
        let stanzas = "Types: deb\nURIs: m\nSuites: bookworm bookworm-updates\nSigned-By: k\n\n\
                       Types: deb\nURIs: s\nSuites: bookworm-security\n\nTypes: deb\nURIs: o\nSuites: nodistro";
        let derived = of_next_release(stanzas.split("\n\n"), "\n\n", |line| line.starts_with("Suites:"));
        assert_eq!(derived, "Types: deb\nURIs: m\nSuites: trixie\nSigned-By: k");
        let lines = "# deb u bookworm main\ndeb [signed-by=k] u bookworm main\ndeb u bookworm-updates main\ndeb-src u bookworm main";
        let derived = of_next_release(lines.lines(), "\n", |line| line.starts_with("deb "));
        assert_eq!(derived, "deb [signed-by=k] u trixie main");
    }
}
