//! From what was asked for to an installed package.

use super::database::Database;
use super::error::DpkgError;
use super::status::{Package, State};

/// How many names an error suggests.
const MAX_SUGGESTIONS: usize = 3;

/// A name that differs in more letters is another word.
const MAX_DISTANCE: usize = 2;

/// A shorter name is close only with fewer errors in it.
const MIN_LETTERS: usize = 6;

/// The package called `NAME` or `NAME:ARCHITECTURE`, or else the lowest one that provides it.
///
/// Without an architecture, the native one is preferred.
pub(super) fn find<'a>(database: &'a Database, asked: &str) -> Result<&'a Package, DpkgError> {
    let asked = asked.trim();
    let (name, architecture) = match asked.split_once(':') {
        Some((name, "native")) => (name, Some(database.native())),
        Some((name, "any")) => (name, None),
        Some((name, architecture)) => (name, Some(architecture)),
        None => (asked, None),
    };
    if name.is_empty() {
        return Err(DpkgError::NoName);
    }
    let real = database.named(name).iter().map(|package| (package, package.architecture.as_str()));
    let virtual_ones = database.providers(name).map(|provider| (provider.package, provider.architecture));
    let fits = |found: &str| architecture.is_none_or(|wanted| database.effective(found) == database.effective(wanted));
    // A package of that very name is meant even while it is not configured; among equals, the database's order holds.
    let preference = |package: &Package, found: &str| {
        let is_virtual = package.name != name;
        let is_unready = is_virtual && package.state != State::Installed;
        (is_virtual, is_unready, database.effective(found) != database.native())
    };
    real.chain(virtual_ones)
        .filter(|(_, found)| fits(found))
        .min_by_key(|(package, found)| preference(package, found))
        .ok_or_else(|| DpkgError::NotInstalled { name: asked.to_string(), close: close_names(database, name) })?
        .0
        .ready()
}

/// The package whose node has that name.
pub(super) fn find_node<'a>(database: &'a Database, node: &str) -> Result<&'a Package, DpkgError> {
    if let Some(package) = database.packages().iter().find(|package| is_node(package, node)) {
        return package.ready();
    }
    // Whichever name and architecture the node has, what stands between them is the version it was planned with.
    let is_other_version = |package: &&Package| {
        let rest = node.strip_prefix(&package.name).and_then(|rest| rest.strip_suffix(&package.architecture));
        rest.is_some_and(|version| version.len() > 2 && version.starts_with('_') && version.ends_with('_'))
    };
    // Names have underscores, too: of `a` and `a_b`, the longer name is meant.
    let others = database.packages().iter().filter(is_other_version);
    Err(match others.max_by_key(|package| package.name.len()) {
        Some(package) => DpkgError::OtherVersion { node: node.to_string(), installed: package.version.clone() },
        None => DpkgError::Gone { node: node.to_string() },
    })
}

/// As a comparison with its node name, which is not built for every package.
fn is_node(package: &Package, node: &str) -> bool {
    let rest = node.strip_prefix(&package.name).and_then(|rest| rest.strip_prefix('_'));
    let rest = rest.and_then(|rest| rest.strip_prefix(&package.version)).and_then(|rest| rest.strip_prefix('_'));
    rest == Some(&package.architecture)
}

/// Names with a typing error or two between them, the closest first; then those that begin with what was asked for.
fn close_names(database: &Database, name: &str) -> Vec<String> {
    let rank = |other: &str| match distance(name, other) {
        // Two errors make most short words out of each other, unless they are swapped letters.
        MAX_DISTANCE if name.len() >= MIN_LETTERS || is_anagram(name, other) => Some(MAX_DISTANCE),
        distance if distance < MAX_DISTANCE => Some(distance),
        _ => other.starts_with(name).then_some(MAX_DISTANCE + 1),
    };
    let names = database.packages().iter().map(|package| package.name.as_str());
    let mut ranked: Vec<(usize, &str)> = names.filter_map(|other| Some((rank(other)?, other))).collect();
    ranked.sort_unstable();
    ranked.dedup();
    ranked.truncate(MAX_SUGGESTIONS);
    ranked.into_iter().map(|(_, name)| name.to_string()).collect()
}

fn is_anagram(a: &str, b: &str) -> bool {
    let sorted = |text: &str| {
        let mut bytes = text.as_bytes().to_vec();
        bytes.sort_unstable();
        bytes
    };
    sorted(a) == sorted(b)
}

/// How many bytes must be inserted, removed or replaced (Levenshtein); more than [`MAX_DISTANCE`] where lengths say so.
fn distance(a: &str, b: &str) -> usize {
    if a.len().abs_diff(b.len()) > MAX_DISTANCE {
        return MAX_DISTANCE + 1;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.bytes().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    fn database() -> Database {
        let root = TestRoot::new();
        root.write("var/lib/dpkg/arch", "amd64\ni386\n");
        root.package("git", "1:2.3-4", "amd64", "");
        root.package("mawk_lfs", "2_3", "amd64", "");
        root.package("libc6", "2", "amd64", "Multi-Arch: same\n");
        root.package("libc6", "1", "i386", "Multi-Arch: same\n");
        root.package("libonly", "1", "i386", "");
        root.package("mawk", "1", "amd64", "Provides: awk\n");
        root.package("original-awk", "1", "amd64", "Provides: awk\n");
        root.package_in_state("install ok unpacked", "half", "1", "amd64", "");
        Database::read(root.root()).unwrap()
    }

    #[test]
    fn names_find_packages_of_the_native_architecture_first() {
        let database = database();
        for (asked, expected) in [
            ("git", "git_1:2.3-4_amd64"),
            (" git ", "git_1:2.3-4_amd64"),
            ("libc6", "libc6_2_amd64"),
            ("libc6:i386", "libc6_1_i386"),
            ("libc6:native", "libc6_2_amd64"),
            ("libonly", "libonly_1_i386"),
            ("awk", "mawk_1_amd64"),
        ] {
            assert_eq!(find(&database, asked).unwrap().node_name(), expected, "{asked}");
        }
    }

    #[test]
    fn what_is_not_installed_comes_with_suggestions() {
        let database = database();
        for (asked, close) in [
            ("gti", " (did you mean `git`?)"),
            ("lib", " (did you mean `libc6`, `libonly`?)"),
            ("git:arm64", " (did you mean `git`?)"),
            ("emacs", ""),
        ] {
            let expected =
                format!("package `{asked}` is not installed{close}; `apt-get install {asked}` may install it");
            assert_eq!(find(&database, asked).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn what_is_no_name_or_not_configured_is_refused() {
        let database = database();
        for (asked, expected) in [
            ("", "a package name is missing"),
            (":i386", "a package name is missing"),
            ("half", "package `half` is unpacked but not configured; run `dpkg --configure -a`"),
        ] {
            assert_eq!(find(&database, asked).unwrap_err().to_string(), expected, "{asked}");
        }
    }

    #[test]
    fn nodes_are_found_by_their_exact_name() {
        let database = database();
        assert_eq!(find_node(&database, "libc6_1_i386").unwrap().architecture, "i386");
        let error = find_node(&database, "libc6_2_i386").unwrap_err();
        assert_eq!(error.to_string(), "`libc6_2_i386` is not installed any more: version 1 is");
        let error = find_node(&database, "mawk_lfs_1_amd64").unwrap_err();
        assert_eq!(error.to_string(), "`mawk_lfs_1_amd64` is not installed any more: version 2_3 is");
        assert!(find_node(&database, "mawk_lfs_2_3_amd64").is_ok());
        for node in ["nosuch_1_amd64", "git", "git_amd64", "git_1:2.3-4_arm64", ""] {
            assert!(matches!(find_node(&database, node), Err(DpkgError::Gone { .. })), "{node}");
        }
    }

    #[test]
    fn distances_count_typing_errors() {
        for (a, b, expected) in
            [("git", "git", 0), ("gti", "git", 2), ("gt", "git", 1), ("", "ab", 2), ("a", "abcd", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
