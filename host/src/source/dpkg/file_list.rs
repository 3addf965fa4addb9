//! The files of a package.
//!
//! 1. Its list is `info/NAME.list`, or `info/NAME:ARCHITECTURE.list` for packages that can be there several times; in an
//!    image without dpkg, its check sums, see [`status_d`](super::status_d).
//! 2. Each path in it is marked: what may be missing is not required, see [`need`](super::need).
//! 3. A path that another package diverted is replaced by where it went, unless it was left where it is.
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

use super::diversion::Diversions;
use super::error::DpkgError;
use super::exclude::PathFilters;
use super::merged_usr::MergedUsr;
use super::need::Need;
use super::root::Root;
use super::status::{Listed, MultiArch, Package};
use super::status_d::parse_check_sums;
use super::{PackageFile, PathGlob};

/// Everything that decides where the files of packages lie.
pub(super) struct FileLists<'a> {
    root: Root<'a>,
    diversions: Diversions,
    filters: PathFilters,
    merged_usr: MergedUsr,
    allowed: &'a [PathGlob],
}

/// A path as its package spells it, and as a path.
type ListedPath = (Vec<u8>, PathBuf);

impl<'a> FileLists<'a> {
    /// Reads what holds for all packages. What is `allowed` may be missing.
    pub(super) fn read(root: Root<'a>, allowed: &'a [PathGlob]) -> Result<Self, DpkgError> {
        Ok(Self {
            root,
            allowed,
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
        let conffiles: BTreeSet<&[u8]> = package.conffiles.iter().map(Vec::as_slice).collect();
        let mut seen = HashSet::new();
        let mut files = Vec::new();
        for (spelled, listed) in self.read_list(package)? {
            let lies_at = self.lies_at(package, listed)?;
            if lies_at.as_os_str() != "/" && seen.insert(lies_at.as_os_str().to_os_string()) {
                let need = match conffiles.contains(spelled.as_slice()) {
                    true => Need::Optional,
                    false => Need::of(&spelled, &lies_at, &self.filters, self.allowed),
                };
                files.push(PackageFile { path: lies_at, need });
            }
        }
        let links: BTreeSet<PathBuf> = files.iter().flat_map(|file| self.merged_usr.links_to(&file.path)).collect();
        let unlisted = links.into_iter().filter(|link| !seen.contains(link.as_os_str()));
        files.extend(unlisted.map(|path| PackageFile { path, need: Need::Optional }));
        Ok(files)
    }

    /// A diversion moves what is there only if it is told to. Otherwise the next version of the package goes there.
    fn lies_at(&self, package: &Package, listed: PathBuf) -> Result<PathBuf, DpkgError> {
        let Some(diverted) = self.diversions.resolve(&package.name, &listed) else {
            return Ok(self.merged_usr.resolve(listed));
        };
        let is_left = self.root.metadata(diverted)?.is_none() && self.root.metadata(&listed)?.is_some();
        Ok(self.merged_usr.resolve(if is_left { listed } else { diverted.to_path_buf() }))
    }

    fn read_list(&self, package: &Package) -> Result<Vec<ListedPath>, DpkgError> {
        let info = Path::new("/var/lib/dpkg/info");
        let plain = info.join(format!("{}.list", package.name));
        let qualified = info.join(format!("{}:{}.list", package.name, package.architecture));
        // The other form is tried too, as a package keeps its old one until it is installed again.
        let candidates = if package.multi_arch == MultiArch::Same { [qualified, plain] } else { [plain, qualified] };
        for file in &candidates {
            if let Some(paths) = self.read_paths(file, parse_list)? {
                return Ok(paths);
            }
        }
        let [path, _] = &candidates;
        let no_list = |path| DpkgError::NoFileList { package: package.name.clone(), path: self.root.named_path(path) };
        match &package.listed {
            Listed::Info => Err(no_list(path)),
            Listed::Nowhere => Ok(Vec::new()),
            Listed::CheckSums(path) => self.read_paths(path, parse_check_sums)?.ok_or_else(|| no_list(path)),
        }
    }

    fn read_paths(&self, file: &Path, parse: ParsePaths) -> Result<Option<Vec<ListedPath>>, DpkgError> {
        let Some(text) = self.root.read(file)? else { return Ok(None) };
        let invalid = |(line, reason)| DpkgError::InvalidLine { file: self.root.named_path(file), line, reason };
        parse(&text).map(Some).map_err(invalid)
    }
}

/// Reads a list, or says what is wrong with which of its lines.
type ParsePaths = fn(&[u8]) -> Result<Vec<ListedPath>, (usize, &'static str)>;

fn parse_list(text: &[u8]) -> Result<Vec<ListedPath>, (usize, &'static str)> {
    let path = |(line, number): (&[u8], usize)| match parse_path(line) {
        Ok(path) => Ok((line.to_vec(), path)),
        Err(reason) => Err((number, reason)),
    };
    lines(text).zip(1..).map(path).collect()
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
    use super::super::need::Expendable;
    use super::super::test_root::TestRoot;
    use super::*;

    fn files(root: &TestRoot, name: &str) -> Result<Vec<PackageFile>, DpkgError> {
        let database = Database::read(root.root()).unwrap();
        FileLists::read(root.root(), &[])?.files(&database.named(name)[0])
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
    fn files_are_needed_as_the_package_spells_them() {
        let root = TestRoot::new();
        root.package("a", "1", "all", "Conffiles:\n /etc/a 0123\n /etc/old 0123 obsolete\n");
        root.symlink("usr/lib", "lib");
        root.list("a", &["/etc", "/etc/a", "/etc/old", "/lib/a/x", "/usr/lib/b", "/usr/share/doc/a/x"]);
        root.write("etc/dpkg/dpkg.cfg.d/docker", "path-exclude=/lib/*\n");
        let needs: Vec<Need> = files(&root, "a").unwrap().iter().map(|file| file.need).collect();
        let [excluded, documentation] = [Expendable::Excluded, Expendable::Documentation].map(Need::Expendable);
        let [required, optional] = [Need::Required, Need::Optional];
        // The link to what is below it comes last.
        assert_eq!(needs, [required, optional, optional, excluded, required, documentation, optional]);
    }

    #[test]
    fn files_of_an_image_without_dpkg_are_those_with_check_sums() {
        let root = TestRoot::new();
        for (file, package) in [("a", "a"), ("b64", "b"), ("c", "c")] {
            let text = format!("Package: {package}\nVersion: 1\nArchitecture: all\n");
            root.write(&format!("var/lib/dpkg/status.d/{file}"), text);
        }
        let sum = "d41d8cd98f00b204e9800998ecf8427e";
        root.write("var/lib/dpkg/status.d/b64.md5sums", format!("{sum}  usr/bin/b\n{sum} *usr/share/a b\n"));
        root.write("var/lib/dpkg/status.d/c.md5sums", "nonsense\n");
        assert_eq!(paths(&root, "a"), [""; 0]);
        assert_eq!(paths(&root, "b"), ["/usr/bin/b", "/usr/share/a b"]);
        let error = files(&root, "c").unwrap_err().to_string();
        assert!(error.ends_with("/status.d/c.md5sums`, line 1: no check sum"), "{error}");
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
    fn a_diversion_that_moved_nothing_leaves_paths_where_they_are() {
        let root = TestRoot::new();
        root.package("a", "1", "all", "");
        root.list("a", &["/usr/bin/x", "/usr/bin/y", "/usr/bin/z"]);
        let triple = |name: &str| format!("/usr/bin/{name}\n/usr/bin/{name}.real\n:\n");
        root.write("var/lib/dpkg/diversions", ["x", "y", "z"].map(triple).concat());
        for file in ["usr/bin/x", "usr/bin/y", "usr/bin/y.real"] {
            root.write(file, "");
        }
        assert_eq!(paths(&root, "a"), ["/usr/bin/x", "/usr/bin/y.real", "/usr/bin/z.real"]);
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
