//! The installed packages, and how to find them by name.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::error::DpkgError;
use super::relation::{self, Alternative, Qualifier};
use super::root::Root;
use super::status::{self, Flaw, Package, WithoutStatus, is_architecture};
use super::status_d;
use super::version::Version;

/// Every package with files on the machine.
#[derive(Debug)]
pub(super) struct Database {
    /// Ascending by name, then architecture.
    packages: Vec<Package>,
    native: String,
    /// By virtual name; each ascending like the packages.
    providers: BTreeMap<String, Vec<ProviderEntry>>,
}

#[derive(Debug)]
struct ProviderEntry {
    package: usize,
    version: Option<Version>,
    architecture: Option<String>,
}

/// A package that provides a virtual one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Provider<'a> {
    pub(super) package: &'a Package,
    /// Of the virtual package, if it says one.
    pub(super) version: Option<&'a Version>,
    /// What it provides the virtual package for, mostly its own architecture.
    pub(super) architecture: &'a str,
}

impl Database {
    /// Reads `var/lib/dpkg/status`, `status.d` and `arch`.
    pub(super) fn read(root: Root<'_>) -> Result<Self, DpkgError> {
        let mut packages = read_packages(root)?;
        packages.sort_by(by_name);
        let native = match read_native(root)? {
            Some(native) => native,
            None => guess_native(&packages).to_string(),
        };
        for package in packages.iter_mut().filter(|package| package.architecture.is_empty()) {
            package.architecture.clone_from(&native);
        }
        packages.sort_by(by_name);
        if let Some(pair) = packages.windows(2).find(|pair| by_name(&pair[0], &pair[1]) == Ordering::Equal) {
            let package = format!("{}:{}", pair[0].name, pair[0].architecture);
            return Err(DpkgError::DuplicatePackage { package });
        }
        let providers = index_providers(&mut packages);
        Ok(Self { packages, native, providers })
    }

    /// All packages, ascending by name, then architecture.
    pub(super) fn packages(&self) -> &[Package] {
        &self.packages
    }

    /// The packages of that name, ascending by architecture.
    pub(super) fn named(&self, name: &str) -> &[Package] {
        let start = self.packages.partition_point(|package| package.name.as_str() < name);
        let end = self.packages.partition_point(|package| package.name.as_str() <= name);
        &self.packages[start..end]
    }

    /// Who provides the virtual package of that name: ascending by name, then architecture.
    pub(super) fn providers(&self, name: &str) -> impl Iterator<Item = Provider<'_>> {
        self.providers.get(name).into_iter().flatten().map(|entry| {
            let package = &self.packages[entry.package];
            let architecture = entry.architecture.as_deref().unwrap_or(&package.architecture);
            Provider { package, version: entry.version.as_ref(), architecture }
        })
    }

    /// The architecture of the machine.
    pub(super) fn native(&self) -> &str {
        &self.native
    }

    /// The architecture that a package counts as: to others, `all` is the native one.
    pub(super) fn effective<'a>(&'a self, architecture: &'a str) -> &'a str {
        if architecture == "all" { &self.native } else { architecture }
    }

    /// The name, with the architecture where it is a foreign one.
    pub(super) fn lineage(&self, package: &Package) -> String {
        if self.effective(&package.architecture) == self.native {
            package.name.clone()
        } else {
            format!("{}:{}", package.name, package.architecture)
        }
    }
}

/// What dpkg's own database says of a package goes before what was there without dpkg.
fn read_packages(root: Root<'_>) -> Result<Vec<Package>, DpkgError> {
    let path = Path::new("/var/lib/dpkg/status");
    let file = root.named_path(path);
    let (status, without_dpkg) = (root.read(path)?, status_d::read(root)?);
    if status.is_none() && without_dpkg.is_none() {
        return Err(DpkgError::NoDatabase { path: file });
    }
    let mut packages = status::parse(&status.unwrap_or_default(), &file, WithoutStatus::Absent)?;
    let by_dpkg: BTreeSet<(String, String)> =
        packages.iter().map(|package| (package.name.clone(), package.architecture.clone())).collect();
    let is_new = |package: &Package| !by_dpkg.contains(&(package.name.clone(), package.architecture.clone()));
    packages.extend(without_dpkg.unwrap_or_default().into_iter().filter(is_new));
    Ok(packages)
}

fn by_name(a: &Package, b: &Package) -> Ordering {
    (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture))
}

/// The file exists only where architectures were added; the native one is on its first line.
fn read_native(root: Root<'_>) -> Result<Option<String>, DpkgError> {
    let path = Path::new("/var/lib/dpkg/arch");
    let Some(text) = root.read(path)? else { return Ok(None) };
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
    if first.is_empty() {
        return Ok(None);
    }
    let native = str::from_utf8(first).ok().filter(|name| is_architecture(name));
    match native {
        Some(native) => Ok(Some(native.to_string())),
        None => Err(DpkgError::InvalidLine { file: root.named_path(path), line: 1, reason: "not an architecture" }),
    }
}

/// dpkg itself runs on the machine, so its package tells; a root without it tells by the majority of its packages.
fn guess_native(packages: &[Package]) -> &str {
    let specific = || packages.iter().filter(|package| !matches!(package.architecture.as_str(), "" | "all"));
    if let Some(dpkg) = specific().find(|package| package.name == "dpkg") {
        return &dpkg.architecture;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for package in specific() {
        *counts.entry(&package.architecture).or_default() += 1;
    }
    // The last maximum is taken, so going backwards makes the first name win where two are as frequent.
    counts.iter().rev().max_by_key(|(_, count)| **count).map_or("all", |(architecture, _)| architecture)
}

/// What a package provides that cannot be understood, is nothing to others, and a flaw of its own.
fn index_providers(packages: &mut [Package]) -> BTreeMap<String, Vec<ProviderEntry>> {
    let mut providers: BTreeMap<String, Vec<ProviderEntry>> = BTreeMap::new();
    for (index, package) in packages.iter_mut().enumerate() {
        match relation::parse(&package.provides) {
            Ok(groups) => {
                for provided in groups.into_iter().flat_map(|group| group.alternatives) {
                    providers.entry(provided.name.to_string()).or_default().push(provider_entry(index, provided));
                }
            }
            Err(bad) => {
                let flaw = Flaw { field: "Provides", value: bad.group.to_string(), reason: bad.reason };
                package.flaw.get_or_insert(flaw);
            }
        }
    }
    providers
}

fn provider_entry(package: usize, provided: Alternative<'_>) -> ProviderEntry {
    let architecture = match provided.qualifier {
        Some(Qualifier::Architecture(architecture)) => Some(architecture.to_string()),
        _ => None,
    };
    ProviderEntry { package, version: provided.constraint.map(|constraint| constraint.version), architecture }
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    #[test]
    fn the_native_architecture_is_on_the_first_line_of_its_file() {
        let root = TestRoot::new();
        root.package("dpkg", "1", "i386", "");
        root.write("var/lib/dpkg/arch", "amd64\ni386\n");
        assert_eq!(Database::read(root.root()).unwrap().native(), "amd64");
        root.write("var/lib/dpkg/arch", "../x\n");
        assert!(Database::read(root.root()).is_err());
    }

    #[test]
    fn the_native_architecture_is_that_of_dpkg_or_else_of_most_packages() {
        let root = TestRoot::new();
        for (name, architecture) in [("a", "arm64"), ("b", "arm64"), ("c", "i386"), ("d", "all"), ("e", "all")] {
            root.package(name, "1", architecture, "");
        }
        assert_eq!(Database::read(root.root()).unwrap().native(), "arm64");
        root.package("dpkg", "1", "i386", "");
        assert_eq!(Database::read(root.root()).unwrap().native(), "i386");
    }

    #[test]
    fn a_package_without_architecture_has_that_of_the_machine() {
        let root = TestRoot::new();
        root.write("var/lib/dpkg/arch", "arm64\namd64\n");
        root.write("var/lib/dpkg/status", "Package: old\nStatus: install ok installed\nVersion: 1\n\n");
        root.package("a", "1", "amd64", "");
        let database = Database::read(root.root()).unwrap();
        assert_eq!(database.named("old")[0].node_name(), "old_1_arm64");
        assert_eq!(database.lineage(&database.named("old")[0]), "old");
    }

    #[test]
    fn what_a_strange_package_provides_is_nothing_to_others() {
        let root = TestRoot::new();
        root.package("odd", "1", "amd64", "Provides: a b, c\n");
        root.package("even", "1", "amd64", "Provides: c (= 1^2)\n");
        let database = Database::read(root.root()).unwrap();
        let providers: Vec<&str> = database.providers("c").map(|found| found.package.name.as_str()).collect();
        assert_eq!(providers, ["even"]);
        assert!(database.named("even")[0].ready().is_ok());
        let error = database.named("odd")[0].ready().unwrap_err().to_string();
        assert!(error.starts_with("package `odd`: field `Provides` is `a b`: "), "{error}");
    }

    #[test]
    fn packages_of_one_name_are_found_together() {
        let root = TestRoot::new();
        for (name, architecture) in [("b", "i386"), ("a", "all"), ("b", "amd64"), ("c", "all")] {
            root.package(name, "1", architecture, "");
        }
        let database = Database::read(root.root()).unwrap();
        let found: Vec<&str> = database.named("b").iter().map(|package| package.architecture.as_str()).collect();
        assert_eq!(found, ["amd64", "i386"]);
        assert!(database.named("d").is_empty());
    }

    #[test]
    fn a_package_that_is_there_twice_is_refused() {
        let root = TestRoot::new();
        root.package("a", "1", "all", "");
        root.package("a", "2", "all", "");
        let error = Database::read(root.root()).unwrap_err();
        assert_eq!(error.to_string(), "package `a:all` is in the status database twice");
    }
}
