//! From the packages that are wanted to all that are needed.
//!
//! 1. Starting from the roots, each package's `Pre-Depends` and `Depends` are read, group by group.
//! 2. Of a group, the first alternative that an installed package satisfies is taken. A package of that name goes
//!    before one that provides the name; of several, the one lowest by name, then architecture, is taken.
//! 3. A package that is needed and was not seen before is visited in turn, until there is none left.
//!
//! An alternative also has to fit in architecture, by the rules of Debian's multiarch specification: see [`fits`].

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::database::Database;
use super::error::DpkgError;
use super::relation::{self, Alternative, Constraint, Group, Qualifier};
use super::status::{Listed, MultiArch, Package, State};
use super::version::Version;

/// The packages of the closure with what each refers to, ascending by name, then architecture.
pub(super) fn closure<'a>(
    database: &'a Database,
    roots: &[&'a Package],
) -> Result<Vec<(&'a Package, Vec<&'a Package>)>, DpkgError> {
    let mut visited = BTreeMap::new();
    let mut pending = roots.to_vec();
    while let Some(package) = pending.pop() {
        if let Entry::Vacant(unseen) = visited.entry((package.name.as_str(), package.architecture.as_str())) {
            let references = references(database, package.ready()?)?;
            pending.extend(&references);
            unseen.insert((package, references));
        }
    }
    Ok(visited.into_values().collect())
}

fn references<'a>(database: &'a Database, package: &'a Package) -> Result<Vec<&'a Package>, DpkgError> {
    let mut references = Vec::new();
    for (field, text) in [("Pre-Depends", &package.pre_depends), ("Depends", &package.depends)] {
        let groups = relation::parse(text).map_err(|bad| DpkgError::InvalidField {
            package: package.name.clone(),
            field,
            value: bad.group.to_string(),
            reason: bad.reason,
        })?;
        for group in &groups {
            match satisfy(database, package, field, group) {
                // Whoever makes images without dpkg leaves out what they do without.
                Err(DpkgError::Unsatisfied { .. }) if package.listed != Listed::Info => {}
                found => references.push(found?),
            }
        }
    }
    Ok(references)
}

/// The package that is taken for a group.
fn satisfy<'a>(
    database: &'a Database,
    dependent: &Package,
    field: &'static str,
    group: &Group<'_>,
) -> Result<&'a Package, DpkgError> {
    let mut unready = None;
    for alternative in &group.alternatives {
        for candidate in candidates(database, dependent, alternative)? {
            if candidate.state == State::Installed {
                return Ok(candidate);
            }
            unready.get_or_insert(candidate);
        }
    }
    match unready {
        Some(package) => package.ready(),
        None => Err(DpkgError::Unsatisfied { package: dependent.name.clone(), field, group: group.text.to_string() }),
    }
}

/// Every package that would do, the best first.
fn candidates<'a>(
    database: &'a Database,
    dependent: &Package,
    alternative: &Alternative<'_>,
) -> Result<Vec<&'a Package>, DpkgError> {
    let fits = |package: &Package, architecture: &str| {
        fits(database, alternative.qualifier, &dependent.architecture, package, architecture)
    };
    let constraint = alternative.constraint.as_ref();
    let mut candidates = Vec::new();
    for package in database.named(alternative.name).iter().filter(|package| fits(package, &package.architecture)) {
        if constraint.map_or(Ok(true), |constraint| admits(constraint, package))? {
            candidates.push(package);
        }
    }
    let provided = |version: Option<&Version>| match (constraint, version) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(constraint), Some(version)) => constraint.admits(version),
    };
    candidates.extend(
        database
            .providers(alternative.name)
            .filter(|provider| fits(provider.package, provider.architecture) && provided(provider.version))
            .map(|provider| provider.package),
    );
    Ok(candidates)
}

fn admits(constraint: &Constraint, package: &Package) -> Result<bool, DpkgError> {
    let version = Version::parse(&package.version).map_err(|reason| DpkgError::InvalidField {
        package: package.name.clone(),
        field: "Version",
        value: package.version.escape_default().to_string(),
        reason,
    })?;
    Ok(constraint.admits(&version))
}

/// Whether a package may serve a dependent of some architecture, in which `all` counts as the native one.
///
/// Without a qualifier, it serves its own architecture, or every one if it is `Multi-Arch: foreign`; `:any` also takes
/// one that is `Multi-Arch: allowed`; and `:native` and `:ARCHITECTURE` say which it must have.
fn fits(
    database: &Database,
    qualifier: Option<Qualifier<'_>>,
    dependent: &str,
    package: &Package,
    architecture: &str,
) -> bool {
    let effective = database.effective(architecture);
    let is_own = package.multi_arch == MultiArch::Foreign || effective == database.effective(dependent);
    match qualifier {
        None => is_own,
        Some(Qualifier::Any) => is_own || package.multi_arch == MultiArch::Allowed,
        Some(Qualifier::Native) => effective == database.native(),
        Some(Qualifier::Architecture(wanted)) => effective == database.effective(wanted),
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    /// What package `app` (amd64, on an amd64 machine) refers to, given its fields and other packages.
    fn references_of(fields: &str, others: &[(&str, &str, &str, &str)]) -> Result<Vec<String>, String> {
        let root = TestRoot::new();
        root.write("var/lib/dpkg/arch", "amd64\ni386\n");
        root.package("app", "1", "amd64", fields);
        for (name, version, architecture, fields) in others {
            root.package(name, version, architecture, fields);
        }
        let database = Database::read(root.root()).unwrap();
        let references = references(&database, &database.named("app")[0]).map_err(|error| error.to_string())?;
        Ok(references.iter().map(|package| package.node_name()).collect())
    }

    fn check(fields: &str, others: &[(&str, &str, &str, &str)], expected: &[&str]) {
        assert_eq!(references_of(fields, others).unwrap(), expected, "{fields}");
    }

    #[test]
    fn both_fields_count_and_recommendations_do_not() {
        let others = [("a", "1", "amd64", ""), ("b", "1", "all", ""), ("c", "1", "all", "")];
        check("Depends: a\nPre-Depends: b\nRecommends: c\n", &others, &["b_1_all", "a_1_amd64"]);
    }

    #[test]
    fn the_first_alternative_that_is_satisfied_is_taken() {
        let others = [("b", "1", "amd64", ""), ("c", "2", "amd64", ""), ("d", "1", "amd64", "")];
        check("Depends: a | b (>= 2) | c (>= 2) | d\n", &others, &["c_2_amd64"]);
    }

    #[test]
    fn a_real_package_goes_before_a_provider() {
        let others = [("a", "1", "amd64", "Provides: v\n"), ("v", "1", "amd64", "")];
        check("Depends: v\n", &others, &["v_1_amd64"]);
    }

    #[test]
    fn of_several_providers_the_lowest_is_taken() {
        let others = [("y", "1", "amd64", "Provides: v\n"), ("x", "1", "amd64", "Provides: u, v\n")];
        check("Depends: v\n", &others, &["x_1_amd64"]);
    }

    #[test]
    fn a_version_needs_a_versioned_provide() {
        let others = [
            ("x", "9", "amd64", "Provides: v\n"),
            ("y", "9", "amd64", "Provides: v (= 1)\n"),
            ("z", "1", "amd64", "Provides: v (= 2)\n"),
        ];
        check("Depends: v (>= 2)\n", &others, &["z_1_amd64"]);
        check("Depends: v (<< 2)\n", &others, &["y_9_amd64"]);
    }

    #[test]
    fn architectures_fit_by_the_rules_of_multiarch() {
        let cases = [
            ("lib", "i386", "Multi-Arch: same\n", false),
            ("lib", "i386", "Multi-Arch: foreign\n", true),
            ("lib", "i386", "Multi-Arch: allowed\n", false),
            ("lib", "all", "", true),
            ("lib:any", "i386", "Multi-Arch: allowed\n", true),
            ("lib:any", "i386", "Multi-Arch: foreign\n", true),
            ("lib:any", "i386", "", false),
            ("lib:any", "amd64", "", true),
            ("lib:i386", "i386", "Multi-Arch: same\n", true),
            ("lib:i386", "amd64", "Multi-Arch: same\n", false),
            ("lib:amd64", "all", "", true),
            ("lib:native", "amd64", "", true),
            ("lib:native", "i386", "Multi-Arch: foreign\n", false),
        ];
        for (dependency, architecture, fields, expected) in cases {
            let references = references_of(&format!("Depends: {dependency}\n"), &[("lib", "1", architecture, fields)]);
            assert_eq!(references.is_ok(), expected, "{dependency} {architecture} {fields}");
        }
    }

    #[test]
    fn a_foreign_package_needs_its_own_architecture() {
        let root = TestRoot::new();
        root.write("var/lib/dpkg/arch", "amd64\ni386\n");
        root.package("app", "1", "i386", "Depends: lib\n");
        root.package("lib", "1", "amd64", "Multi-Arch: same\n");
        root.package("lib", "1", "i386", "Multi-Arch: same\n");
        let database = Database::read(root.root()).unwrap();
        let references = references(&database, &database.named("app")[0]).unwrap();
        assert_eq!(references[0].architecture, "i386");
    }

    #[test]
    fn what_nothing_satisfies_is_named() {
        let error = references_of("Depends: a, b (>= 2) | c\n", &[("a", "1", "all", ""), ("b", "1", "all", "")]);
        assert_eq!(error.unwrap_err(), "package `app`: nothing installed satisfies `b (>= 2) | c` of its Depends");
    }

    #[test]
    fn a_dependency_that_is_not_configured_is_refused_where_nothing_else_will_do() {
        let root = TestRoot::new();
        root.package("app", "1", "amd64", "Depends: a | b\n");
        root.package_in_state("install ok unpacked", "a", "1", "amd64", "");
        let closure_of_app = || {
            let database = Database::read(root.root()).unwrap();
            let names = closure(&database, &[&database.named("app")[0]]);
            names.map(|nodes| nodes.len()).map_err(|error| error.to_string())
        };
        let expected = "package `a` is unpacked but not configured; run `dpkg --configure -a`";
        assert_eq!(closure_of_app().unwrap_err(), expected);
        root.package("b", "1", "amd64", "");
        assert_eq!(closure_of_app(), Ok(2));
    }

    #[test]
    fn malformed_relations_and_versions_name_package_and_field() {
        let error = references_of("Depends: a b\n", &[]).unwrap_err();
        assert_eq!(error, "package `app`: field `Depends` is `a b`: more than a name and what brackets hold");
        let error = references_of("Depends: a (= 1)\n", &[("a", "99999999999:1", "all", "")]).unwrap_err();
        let expected = "package `a`: field `Version` is `99999999999:1`: a version whose epoch is too large";
        assert_eq!(error, expected);
    }

    #[test]
    fn images_without_dpkg_do_without_some_dependencies() {
        let root = TestRoot::new();
        let says = "Package: libc6\nVersion: 2\nArchitecture: amd64\nDepends: libgcc-s1, libcrypt1 (>= 1:4.4)\n";
        root.write("var/lib/dpkg/status.d/libc6", says);
        root.package("libgcc-s1", "1", "amd64", "");
        let database = Database::read(root.root()).unwrap();
        let references = references(&database, &database.named("libc6")[0]).unwrap();
        assert_eq!(references.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), ["libgcc-s1"]);
    }

    #[test]
    fn cycles_are_walked_once() {
        let root = TestRoot::new();
        root.package("a", "1", "all", "Depends: b, a\n");
        root.package("b", "1", "all", "Depends: a\n");
        let database = Database::read(root.root()).unwrap();
        let resolved = closure(&database, &[&database.named("b")[0]]).unwrap();
        assert_eq!(resolved.iter().map(|(package, _)| package.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }
}
