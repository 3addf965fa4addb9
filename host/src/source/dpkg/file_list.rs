//! The files of a package.
//!
//! 1. Its list is `info/NAME.list`, or `info/NAME:ARCHITECTURE.list` for packages that can be there several times.
//! 2. Each path in it is marked: configuration files, what dpkg was told to leave out, and what machines and images
//!    clean up after themselves are not required.
//! 3. A path that another package diverted is replaced by where it went.
//! 4. A path through `/bin`, `/sbin` or `/lib*`, where that is a link, is replaced by where it leads.
//! 5. Such a link comes along with what can be found through it, whether the package lists it or not: programs have
//!    `/lib64/ld-linux...` and `/bin/sh` built in, and the links belong to a package that nothing depends on, or to none.
//!
//! Steps 2 and 3 compare paths as the package spells them, as dpkg does, so step 4 has to be the last.

use std::collections::{BTreeSet, HashSet};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::PackageFile;
use super::diversion::Diversions;
use super::error::DpkgError;
use super::exclude::PathFilters;
use super::merged_usr::MergedUsr;
use super::root::Root;
use super::status::{MultiArch, Package};

/// What is below these is made again when it is needed; images commonly come without it.
const VOLATILE: [&[u8]; 6] = [b"/run/", b"/tmp/", b"/var/cache/", b"/var/lib/apt/lists/", b"/var/log/", b"/var/tmp/"];

/// Everything that decides where the files of packages lie.
pub(super) struct FileLists<'a> {
    root: Root<'a>,
    diversions: Diversions,
    filters: PathFilters,
    merged_usr: MergedUsr,
}

impl<'a> FileLists<'a> {
    /// Reads what holds for all packages.
    pub(super) fn read(root: Root<'a>) -> Result<Self, DpkgError> {
        Ok(Self {
            root,
            diversions: Diversions::read(root)?,
            filters: PathFilters::read(root)?,
            merged_usr: MergedUsr::read(root)?,
        })
    }

    /// The links that step 4 goes through.
    pub(super) fn merged_usr(&self) -> &MergedUsr {
        &self.merged_usr
    }

    /// The files of a package in the order of its list, without the root directory and without duplicates.
    pub(super) fn files(&self, package: &Package) -> Result<Vec<PackageFile>, DpkgError> {
        let (file, list) = self.read_list(package)?;
        let conffiles: BTreeSet<&[u8]> = package.conffiles.iter().map(Vec::as_slice).collect();
        let mut seen = HashSet::new();
        let mut files = Vec::new();
        for (line, number) in lines(&list).zip(1..) {
            let listed = parse_path(line).map_err(|reason| DpkgError::InvalidLine {
                file: file.clone(),
                line: number,
                reason,
            })?;
            let lies_at = self.merged_usr.resolve(self.diversions.resolve(&package.name, &listed));
            if lies_at.as_os_str() != "/" && seen.insert(lies_at.as_os_str().to_os_string()) {
                let required = !conffiles.contains(line) && !self.filters.exclude(line) && !is_volatile(line);
                files.push(PackageFile { path: lies_at, required });
            }
        }
        let links: BTreeSet<PathBuf> = files.iter().flat_map(|file| self.merged_usr.links_to(&file.path)).collect();
        let unlisted = links.into_iter().filter(|link| !seen.contains(link.as_os_str()));
        files.extend(unlisted.map(|path| PackageFile { path, required: false }));
        Ok(files)
    }

    fn read_list(&self, package: &Package) -> Result<(PathBuf, Vec<u8>), DpkgError> {
        let info = Path::new("/var/lib/dpkg/info");
        let plain = info.join(format!("{}.list", package.name));
        let qualified = info.join(format!("{}:{}.list", package.name, package.architecture));
        // The other form is tried too, as a package keeps its old one until it is installed again.
        let candidates = if package.multi_arch == MultiArch::Same { [qualified, plain] } else { [plain, qualified] };
        for file in &candidates {
            if let Some(list) = self.root.read(file)? {
                return Ok((self.root.named_path(file), list));
            }
        }
        let [path, _] = &candidates;
        Err(DpkgError::NoFileList { package: package.name.clone(), path: self.root.named_path(path) })
    }
}

fn is_volatile(path: &[u8]) -> bool {
    VOLATILE.iter().any(|directory| path.starts_with(directory))
}

/// Sum of the sizes of those files that are regular and there, in bytes.
pub(super) fn regular_bytes(root: Root<'_>, files: &[PackageFile]) -> Result<u64, DpkgError> {
    let mut sum: u64 = 0;
    for file in files {
        if let Some(metadata) = root.metadata(&file.path)?.filter(Metadata::is_file) {
            sum = sum.saturating_add(metadata.len());
        }
    }
    Ok(sum)
}

/// The lines of a file, whose last one may or may not be ended.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
}

/// Reads an absolute path that stays below the root, and spells it without `.` and repeated slashes.
pub(super) fn parse_path(bytes: &[u8]) -> Result<PathBuf, &'static str> {
    let path = Path::new(OsStr::from_bytes(bytes));
    if !path.has_root() {
        return Err("not an absolute path");
    }
    if bytes.contains(&0) {
        return Err("a path with a zero byte");
    }
    if path.components().any(|component| component == Component::ParentDir) {
        return Err("a path with `..`");
    }
    Ok(path.components().collect())
}

#[cfg(test)]
mod tests {
    use super::super::database::Database;
    use super::super::test_root::TestRoot;
    use super::*;

    fn files(root: &TestRoot, name: &str) -> Result<Vec<PackageFile>, DpkgError> {
        let database = Database::read(root.root()).unwrap();
        FileLists::read(root.root())?.files(&database.named(name)[0])
    }

    fn paths(root: &TestRoot, name: &str) -> Vec<String> {
        files(root, name).unwrap().iter().map(|file| file.path.to_str().unwrap().to_string()).collect()
    }

    #[test]
    fn files_keep_their_order_without_root_and_duplicates() {
        let root = TestRoot::new();
        root.package("a", "1", "all", "");
        root.list("a", &["/.", "/z", "/a b", "/z", "/z/./x//y/", "/"]);
        assert_eq!(paths(&root, "a"), ["/z", "/a b", "/z/x/y"]);
    }

    #[test]
    fn paths_need_not_be_text() {
        let root = TestRoot::new();
        root.package("a", "1", "all", "");
        root.write("var/lib/dpkg/info/a.list", b"/\xff");
        assert_eq!(files(&root, "a").unwrap()[0].path.as_os_str().as_bytes(), b"/\xff");
    }

    #[test]
    fn lists_are_found_with_and_without_architecture() {
        for (multi_arch, list) in [("same", "a:amd64"), ("same", "a"), ("no", "a"), ("no", "a:amd64")] {
            let root = TestRoot::new();
            root.package("a", "1", "amd64", &format!("Multi-Arch: {multi_arch}\n"));
            root.list(list, &["/x"]);
            assert_eq!(paths(&root, "a"), ["/x"], "{multi_arch} {list}");
        }
        let root = TestRoot::new();
        root.package("a", "1", "amd64", "Multi-Arch: same\n");
        let error = files(&root, "a").unwrap_err();
        assert!(matches!(error, DpkgError::NoFileList { path, .. } if path.ends_with("a:amd64.list")));
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused_with_their_line() {
        for bad in [&b"etc/passwd"[..], b"/usr/../../etc", b"", b"/..", b"/a\0b"] {
            let root = TestRoot::new();
            root.package("a", "1", "all", "");
            root.write("var/lib/dpkg/info/a.list", [b"/.\n", bad, b"\n"].concat());
            let error = files(&root, "a").unwrap_err();
            assert!(matches!(error, DpkgError::InvalidLine { line: 2, .. }), "{error}");
        }
    }

    #[test]
    fn configuration_files_and_excluded_paths_are_not_required() {
        let root = TestRoot::new();
        root.package("a", "1", "all", "Conffiles:\n /etc/a 0123\n /etc/old 0123 obsolete\n");
        root.list("a", &["/etc", "/etc/a", "/etc/old", "/usr/share/doc/a/x", "/usr/share/doc/a/copyright"]);
        let config = "path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n";
        root.write("etc/dpkg/dpkg.cfg.d/docker", config);
        let required: Vec<bool> = files(&root, "a").unwrap().iter().map(|file| file.required).collect();
        assert_eq!(required, [true, false, false, false, true]);
    }

    #[test]
    fn what_images_clean_up_is_not_required() {
        let root = TestRoot::new();
        root.package("apt", "1", "all", "");
        root.list("apt", &["/var/cache", "/var/cache/apt", "/var/lib/apt/lists/partial", "/var/lib/apt/periodic"]);
        let required: Vec<bool> = files(&root, "apt").unwrap().iter().map(|file| file.required).collect();
        assert_eq!(required, [true, false, false, true]);
    }

    #[test]
    fn diverted_paths_lie_where_they_went() {
        let root = TestRoot::new();
        root.package("a", "1", "all", "");
        root.package("diverter", "1", "all", "");
        root.list("a", &["/usr/bin/x", "/usr/bin/y"]);
        root.list("diverter", &["/usr/bin/x", "/usr/bin/y"]);
        let triples = "/usr/bin/x\n/usr/bin/x.real\ndiverter\n/usr/bin/y\n/usr/bin/y.local\n:\n";
        root.write("var/lib/dpkg/diversions", triples);
        assert_eq!(paths(&root, "a"), ["/usr/bin/x.real", "/usr/bin/y.local"]);
        assert_eq!(paths(&root, "diverter"), ["/usr/bin/x", "/usr/bin/y.local"]);
    }

    #[test]
    fn paths_through_links_at_the_root_lie_where_these_lead() {
        let root = TestRoot::new();
        root.symlink("usr/bin", "bin");
        root.package("a", "1", "all", "");
        root.list("a", &["/bin", "/bin/sh", "/usr/bin/sh"]);
        assert_eq!(paths(&root, "a"), ["/bin", "/usr/bin/sh"]);
    }
}
