//! The installed packages, and how to find them by name.

use std::collections::BTreeMap;
use std::path::Path;

use debversion::Version;

use super::error::DpkgError;
use super::relation::{self, Qualifier};
use super::root::Root;
use super::status::{self, Package};

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
    /// Reads `var/lib/dpkg/status` and `arch`.
    pub(super) fn read(root: Root<'_>) -> Result<Self, DpkgError> {
        let path = Path::new("/var/lib/dpkg/status");
        let file = root.named_path(path);
        let Some(text) = root.read(path)? else { return Err(DpkgError::NoDatabase { path: file }) };
        let mut packages = status::parse(&text, &file)?;
        packages.sort_by(|a, b| (&a.name, &a.architecture).cmp(&(&b.name, &b.architecture)));
        if let Some(pair) = packages.windows(2).find(|pair| is_same(&pair[0], &pair[1])) {
            let package = format!("{}:{}", pair[0].name, pair[0].architecture);
            return Err(DpkgError::DuplicatePackage { package });
        }
        let native = match read_native(root)? {
            Some(native) => native,
            None => guess_native(&packages).to_string(),
        };
        let providers = index_providers(&packages)?;
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

fn is_same(a: &Package, b: &Package) -> bool {
    (&a.name, &a.architecture) == (&b.name, &b.architecture)
}

/// The file exists only where architectures were added; the native one is on its first line.
fn read_native(root: Root<'_>) -> Result<Option<String>, DpkgError> {
    let path = Path::new("/var/lib/dpkg/arch");
    let Some(text) = root.read(path)? else { return Ok(None) };
    let first = text.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii();
    if first.is_empty() {
        return Ok(None);
    }
    let native = str::from_utf8(first).ok().filter(|name| status::is_architecture(name));
    match native {
        Some(native) => Ok(Some(native.to_string())),
        None => Err(DpkgError::InvalidLine { file: root.named_path(path), line: 1, reason: "not an architecture" }),
    }
}

/// dpkg itself runs on the machine, so its package tells; a root without it tells by the majority of its packages.
fn guess_native(packages: &[Package]) -> &str {
    let specific = || packages.iter().filter(|package| package.architecture != "all");
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

fn index_providers(packages: &[Package]) -> Result<BTreeMap<String, Vec<ProviderEntry>>, DpkgError> {
    let mut providers: BTreeMap<String, Vec<ProviderEntry>> = BTreeMap::new();
    for (index, package) in packages.iter().enumerate() {
        let groups = relation::parse(&package.provides).map_err(|bad| DpkgError::InvalidField {
            package: package.name.clone(),
            field: "Provides",
            value: bad.group.to_string(),
            reason: bad.reason,
        })?;
        for provided in groups.into_iter().flat_map(|group| group.alternatives) {
            let architecture = match provided.qualifier {
                Some(Qualifier::Architecture(architecture)) => Some(architecture.to_string()),
                _ => None,
            };
            let version = provided.constraint.map(|constraint| constraint.version);
            let entry = ProviderEntry { package: index, version, architecture };
            providers.entry(provided.name.to_string()).or_default().push(entry);
        }
    }
    Ok(providers)
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
