//! Closures from a Debian package database.
//!
//! A node is an installed package, named `NAME_VERSION_ARCHITECTURE` as its `.deb` file would be; it refers to the
//! packages that satisfy its `Depends` and `Pre-Depends` on this machine. Nothing is downloaded, and dpkg is not run:
//! everything is read from the text files below `var/lib/dpkg`, which are not trusted, and neither are the links on the
//! way to them: see `root`. Start at [`read`].
//!
//! ```text
//! status, arch    -> Database      who is installed        status, status_d, database
//! names, Depends  -> packages      who is needed           wanted, relation, version, resolve
//! info/*.list     -> PackageFile   what belongs to whom    file_list, diversion, merged_usr, alternative, unlisted
//!                                  what may be missing     need, exclude, path_glob, left_out
//! ```
//!
//! Essential packages join a closure only where something depends on them, as Debian lets packages use them without
//! saying so: an image that needs a shell should ask for one.

mod alternative;
mod database;
mod diversion;
mod error;
mod exclude;
mod file_list;
mod left_out;
mod merged_usr;
mod need;
mod paragraph;
mod path_glob;
mod relation;
mod resolve;
mod root;
mod status;
mod status_d;
#[cfg(test)]
mod test_root;
mod unlisted;
mod version;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use layerwright_planner::{Closure, NamedNode};

pub(crate) use self::error::DpkgError;
pub(crate) use self::left_out::LeftOut;
pub(crate) use self::need::Need;
pub(crate) use self::path_glob::PathGlob;

use self::alternative::Alternatives;
use self::database::Database;
use self::file_list::FileLists;
use self::root::Root;
use self::status::{Listed, Package};

/// Some installed packages, what they need, and the files of each.
#[derive(Debug)]
pub(crate) struct DpkgClosure {
    /// One node for each package; the roots are the packages that were asked for.
    pub(crate) closure: Closure,
    /// The files of every node, by node name.
    pub(crate) files: BTreeMap<String, Vec<PackageFile>>,
}

/// One path that belongs to a package: a directory, file, link or whatever else lies there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PackageFile {
    /// Absolute, as seen inside the root: after diversions, and through no `/bin`, `/sbin` or `/lib*` that is a link.
    pub(crate) path: PathBuf,
    /// What it means if it is missing.
    pub(crate) need: Need,
}

/// Reads the packages called `names` (as in `git`, `libc6:i386` or `awk`) and what they depend on.
///
/// `root` is the directory that holds `var/lib/dpkg`: `/` for this machine. Files that are `allowed` may be missing.
///
/// # Errors
///
/// A package that is not installed or not configured, a dependency that nothing satisfies, a malformed database.
pub(crate) fn read(root: &Path, names: &[String], allowed: &[PathGlob]) -> Result<DpkgClosure, DpkgError> {
    let root = Root::new(root);
    let database = Database::read(root)?;
    let roots = names.iter().map(|name| wanted::find(&database, name)).collect::<Result<Vec<_>, _>>()?;
    let resolved = resolve::closure(&database, &roots)?;
    let packages: Vec<&Package> = resolved.iter().map(|(package, _)| *package).collect();
    let files = collect_files(root, &packages, allowed)?;

    let nodes = resolved
        .iter()
        .map(|(package, references)| {
            let name = package.node_name();
            let size = match package.installed_bytes {
                Some(bytes) => bytes,
                None => file_list::regular_bytes(root, &files[&name])?,
            };
            let references = references.iter().map(|reference| reference.node_name()).collect();
            Ok(NamedNode { name, lineage: database.lineage(package), size, references })
        })
        .collect::<Result<Vec<_>, DpkgError>>()?;
    let root_names: Vec<String> = roots.iter().map(|package| package.node_name()).collect();
    Ok(DpkgClosure { closure: Closure::new(nodes, Some(&root_names))?, files })
}

/// Returns the files of exactly these nodes, for packing a plan that was made earlier.
///
/// # Errors
///
/// A node whose package is not installed any more, or in another version than its name says; a malformed database.
pub(crate) fn files_of(
    root: &Path,
    node_names: &[String],
    allowed: &[PathGlob],
) -> Result<BTreeMap<String, Vec<PackageFile>>, DpkgError> {
    let root = Root::new(root);
    let database = Database::read(root)?;
    let packages = node_names.iter().map(|name| wanted::find_node(&database, name)).collect::<Result<Vec<_>, _>>()?;
    collect_files(root, &packages, allowed)
}

/// Returns how many of these files are left out without being required.
pub(crate) fn left_out<'f>(root: &Path, files: impl Iterator<Item = &'f PackageFile>) -> Result<LeftOut, DpkgError> {
    LeftOut::count(Root::new(root), files)
}

fn collect_files(
    root: Root<'_>,
    packages: &[&Package],
    allowed: &[PathGlob],
) -> Result<BTreeMap<String, Vec<PackageFile>>, DpkgError> {
    let lists = FileLists::read(root, allowed)?;
    let mut files = BTreeMap::new();
    for package in packages {
        files.insert(package.node_name(), lists.files(package)?);
    }
    let without_dpkg = packages.iter().filter(|package| package.listed != Listed::Info);
    let without_dpkg: BTreeSet<String> = without_dpkg.map(|package| package.node_name()).collect();
    unlisted::add_links(root, lists.merged_usr(), &without_dpkg, &mut files)?;
    Alternatives::read(root, lists.merged_usr())?.add_to(&mut files);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::test_root::TestRoot;
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn sample() -> TestRoot {
        let root = TestRoot::new();
        root.package("app", "1:2.0-1", "amd64", "Depends: lib (>= 1)\nInstalled-Size: 3\n");
        root.package("lib", "1.5", "amd64", "Depends: app\n");
        root.package("other", "1", "all", "");
        root.list("app", &["/.", "/usr", "/usr/bin", "/usr/bin/app"]);
        root.list("lib", &["/.", "/usr", "/usr/lib", "/usr/lib/lib.so"]);
        root.write("usr/lib/lib.so", "12345");
        root
    }

    #[test]
    fn a_closure_holds_what_the_roots_need_and_nothing_else() {
        let root = sample();
        let read = read(root.path(), &names(&["app"]), &[]).unwrap();
        let node_names: Vec<&str> = read.closure.nodes().iter().map(|node| node.name.as_str()).collect();
        assert_eq!(node_names, ["app_1:2.0-1_amd64", "lib_1.5_amd64"]);
        assert_eq!(read.closure.roots(), [read.closure.find("app_1:2.0-1_amd64").unwrap()]);
        assert_eq!(read.files.keys().collect::<Vec<_>>(), node_names);
    }

    #[test]
    fn a_size_is_recorded_or_else_that_of_the_regular_files() {
        let root = sample();
        let read = read(root.path(), &names(&["app"]), &[]).unwrap();
        let sizes: Vec<u64> = read.closure.nodes().iter().map(|node| node.size).collect();
        assert_eq!(sizes, [3 * 1024, 5]);
    }

    #[test]
    fn a_database_behind_links_is_that_of_the_root() {
        let root = sample();
        for moved in ["var", "etc", "usr"] {
            fs_err::create_dir_all(root.path().join("data")).unwrap();
            fs_err::create_dir_all(root.path().join(moved)).unwrap();
            fs_err::rename(root.path().join(moved), root.path().join("data").join(moved)).unwrap();
            root.symlink(&format!("/data/{moved}"), moved);
        }
        let read = read(root.path(), &names(&["app"]), &[]).unwrap();
        assert_eq!(read.files["lib_1.5_amd64"].len(), 3);
        assert_eq!(read.closure.nodes()[1].size, 5);
    }

    #[test]
    fn neither_database_nor_sizes_are_those_of_the_machine() {
        let machine = sample();
        let root = TestRoot::new();
        root.package("app", "1", "amd64", "");
        root.list("app", &["/x/lib.so"]);
        root.symlink(machine.path().join("usr/lib").to_str().unwrap(), "x");
        assert_eq!(read(root.path(), &names(&["app"]), &[]).unwrap().closure.nodes()[0].size, 0);

        let root = tempfile::tempdir().unwrap();
        fs_err::create_dir_all(root.path().join("var/lib")).unwrap();
        let link = root.path().join("var/lib/dpkg");
        fs_err::os::unix::fs::symlink(machine.path().join("var/lib/dpkg"), &link).unwrap();
        let error = read(root.path(), &names(&["app"]), &[]).unwrap_err();
        let message = format!("there is no package database: `{}/status` does not exist, ", link.display());
        assert!(error.to_string().starts_with(&message), "{error}");
    }

    #[test]
    fn a_package_that_nobody_asked_for_may_be_odd() {
        let root = sample();
        root.package("odd", "1 beta", "../x", "Depends: a b\nProvides: ((\nInstalled-Size: big\n");
        root.package("old", "${version}", "amd64", "");
        root.list("old", &[]);
        assert_eq!(read(root.path(), &names(&["app"]), &[]).unwrap().closure.len(), 2);
        let old = read(root.path(), &names(&["old"]), &[]).unwrap();
        assert_eq!(old.closure.nodes()[0].name, "old_${version}_amd64");
        let error = read(root.path(), &names(&["odd"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "package `odd`: field `Version` is `1 beta`: a version with white space");
    }

    #[test]
    fn files_of_nodes_are_those_of_the_closure() {
        let root = sample();
        let read = read(root.path(), &names(&["app"]), &[]).unwrap();
        let node_names: Vec<String> = read.files.keys().cloned().collect();
        assert_eq!(files_of(root.path(), &node_names, &[]).unwrap(), read.files);
    }

    #[test]
    fn a_package_that_changed_since_the_plan_is_refused() {
        let root = sample();
        let error = files_of(root.path(), &names(&["lib_1.4_amd64"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "`lib_1.4_amd64` is not installed any more: version 1.5 is");
        let error = files_of(root.path(), &names(&["gone_1_amd64"]), &[]).unwrap_err();
        assert_eq!(error.to_string(), "`gone_1_amd64` is not installed any more");
    }

    #[test]
    fn a_foreign_architecture_is_part_of_the_lineage() {
        let root = TestRoot::new();
        root.write("var/lib/dpkg/arch", "amd64\ni386\n");
        root.package("lib", "1", "i386", "Multi-Arch: same\n");
        root.package("doc", "1", "all", "");
        root.list("lib:i386", &[]);
        root.list("doc", &[]);
        let read = read(root.path(), &names(&["lib:i386", "doc"]), &[]).unwrap();
        let lineages: Vec<&str> = read.closure.nodes().iter().map(|node| node.lineage.as_str()).collect();
        assert_eq!(lineages, ["doc", "lib:i386"]);
    }
}
