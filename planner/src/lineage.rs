//! What ties a store path to its earlier versions.

use crate::package_name::PackageName;

/// Outputs that nixpkgs splits packages into; they follow the version in a store path's name.
const OUTPUTS: [&str; 14] = [
    "bin", "data", "debug", "dev", "devdoc", "dist", "doc", "info", "lib", "man", "modules", "nc", "static", "terminfo",
];

/// Returns the lineage of a store path's name (the part after `<hash>-`): the name without its version.
///
/// As in Nix, the version begins at the first dash that is not followed by a letter. An output's name stays,
/// because `glibc` and `glibc-dev` change each on its own.
///
/// ```
/// # use layerwright_planner::lineage_of;
/// assert_eq!(lineage_of("glibc-2.40-66"), "glibc");
/// assert_eq!(lineage_of("glibc-2.40-66-dev"), "glibc-dev");
/// assert_eq!(lineage_of("python3.11-requests-2.31.0"), "python3.11-requests");
/// ```
#[must_use]
pub fn lineage_of(name: &str) -> String {
    match Versioned::parse(name) {
        Some(Versioned { base, output: Some(output), .. }) => format!("{base}-{output}"),
        Some(Versioned { base, output: None, .. }) => base.to_owned(),
        None => name.to_owned(),
    }
}

/// The name of a store path that has a version.
struct Versioned<'n> {
    base: &'n str,
    version: &'n str,
    output: Option<&'n str>,
}

impl<'n> Versioned<'n> {
    fn parse(name: &'n str) -> Option<Self> {
        let begins_version = |at: usize| name[at + 1..].starts_with(|next: char| !next.is_ascii_alphabetic());
        let (at, _) = name.match_indices('-').find(|(at, _)| *at > 0 && begins_version(*at))?;
        let (base, rest) = (&name[..at], &name[at + 1..]);
        Some(match name[at..].rsplit_once('-') {
            Some((_, output)) if OUTPUTS.contains(&output) => {
                let version = rest.strip_suffix(output).and_then(|rest| rest.strip_suffix('-'));
                Self { base, version: version.unwrap_or_default(), output: Some(output) }
            }
            _ => Self { base, version: rest, output: None },
        })
    }
}

/// Returns the lineage of a store path: that of its last part without the hash.
///
/// ```
/// # use layerwright_planner::lineage_of_store_path;
/// assert_eq!(lineage_of_store_path("/nix/store/00000000000000000000000000000000-glibc-2.40-66"), "glibc");
/// ```
#[must_use]
pub fn lineage_of_store_path(path: &str) -> String {
    lineage_of(without_hash(path))
}

/// The last part of a store path, behind its hash.
fn without_hash(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split_once('-').map_or(name, |(_, name)| name)
}

/// Returns the lineage of a node by how its name looks: a Debian package `NAME_VERSION_ARCHITECTURE`, or else a store path.
///
/// Only dpkg knows which architecture is a foreign one, and puts that into the lineage. Where name or version have
/// underscores, this is a guess.
///
/// ```
/// # use layerwright_planner::lineage_of_node;
/// assert_eq!(lineage_of_node("libc6_2.36-9_amd64"), "libc6");
/// assert_eq!(lineage_of_node("pg_back_2.1_beta-1_amd64"), "pg_back");
/// assert_eq!(lineage_of_node("/nix/store/00000000000000000000000000000000-glibc-2.40-66"), "glibc");
/// ```
#[must_use]
pub fn lineage_of_node(name: &str) -> String {
    match PackageName::parse(name) {
        Some(package) => package.name.to_owned(),
        None => lineage_of_store_path(name),
    }
}

/// Returns what a node's name says besides its lineage: the version of a Debian package, or of a store path.
///
/// `None` where the name tells none.
///
/// ```
/// # use layerwright_planner::version_of_node;
/// assert_eq!(version_of_node("pg_back_2.1_beta-1_amd64", "pg_back"), Some("2.1_beta-1"));
/// assert_eq!(version_of_node("libc6_2.36-9_i386", "libc6:i386"), Some("2.36-9"));
/// assert_eq!(version_of_node("/nix/store/00000000000000000000000000000000-glibc-2.40-66-dev", "glibc-dev"), Some("2.40-66"));
/// assert_eq!(version_of_node("/nix/store/00000000000000000000000000000000-source", "source"), None);
/// ```
#[must_use]
pub fn version_of_node<'n>(name: &'n str, lineage: &str) -> Option<&'n str> {
    if let Some(package) = PackageName::parse(name) {
        // What the lineage says of the name is no guess.
        let own = lineage.split_once(':').map_or(lineage, |(own, _)| own);
        let rest = name.strip_prefix(own).and_then(|rest| rest.strip_prefix('_'));
        let known = rest.and_then(|rest| rest.strip_suffix(package.architecture)?.strip_suffix('_'));
        return Some(known.unwrap_or(package.version));
    }
    let version = Versioned::parse(without_hash(name))?.version;
    (!version.is_empty()).then_some(version)
}

/// Returns the lineage that all outputs of a derivation have in common, such as `glibc` for `glibc-2.40-66-dev`, whose own
/// lineage is `glibc-dev`: they are built together, and change together.
///
/// ```
/// # use layerwright_planner::origin_of;
/// assert_eq!(origin_of("/nix/store/00000000000000000000000000000000-glibc-2.40-66-dev", "glibc-dev"), "glibc");
/// assert_eq!(origin_of("libxfixes-dev_6.0.0-2_amd64", "libxfixes-dev"), "libxfixes-dev");
/// ```
#[must_use]
pub fn origin_of<'l>(name: &str, lineage: &'l str) -> &'l str {
    match lineage.rsplit_once('-') {
        // An output stands behind the version. Without a version nobody can tell it from a part of the name.
        Some((origin, output)) if OUTPUTS.contains(&output) && !name.ends_with(lineage) => {
            let stands_last = name.strip_suffix(output).is_some_and(|before| before.ends_with('-'));
            if stands_last { origin } else { lineage }
        }
        _ => lineage,
    }
}

/// Returns what nixpkgs' layerings sort by: `/nix/store/<hash>-<name>` as `<name>-/nix/store/<hash>`, so that equal names
/// stand together. A name without a dash stays as it is.
///
/// ```
/// # use layerwright_planner::name_before_hash;
/// assert_eq!(name_before_hash("/nix/store/abc-glibc-2.40"), "glibc-2.40-/nix/store/abc");
/// ```
#[must_use]
pub fn name_before_hash(name: &str) -> String {
    match name.split_once('-') {
        Some((first, rest)) => format!("{rest}-{first}"),
        None => name.to_owned(),
    }
}

/// Returns the name of a store path and what stands before it, by which nixpkgs orders the store paths of a layer:
/// `glibc-2.40` and `/nix/store/<hash>`. Unlike [`name_before_hash`] it never compares a name with the dash behind
/// another one. What has no dash is a name.
///
/// ```
/// # use layerwright_planner::name_and_hash;
/// assert_eq!(name_and_hash("/nix/store/abc-glibc-2.40"), ("glibc-2.40", "/nix/store/abc"));
/// ```
#[must_use]
pub fn name_and_hash(name: &str) -> (&str, &str) {
    name.split_once('-').map_or((name, ""), |(hash, name)| (name, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_version_only() {
        for (name, lineage) in [
            ("hello-2.12.1", "hello"),
            ("source", "source"),
            ("nss-cacert-3.92", "nss-cacert"),
            ("bash-interactive-5.2-p21", "bash-interactive"),
            ("bash-5.2-p21-man", "bash-man"),
            ("libgcc-s1-2021.06.10", "libgcc-s1"),
            ("x-", "x-"),
            ("-1", "-1"),
            ("", ""),
            ("é-1", "é"),
        ] {
            assert_eq!(lineage_of(name), lineage, "{name}");
        }
    }

    #[test]
    fn outputs_have_the_origin_of_their_derivation() {
        for (name, origin) in [
            ("glibc-2.40-66", "glibc"),
            ("glibc-2.40-66-bin", "glibc"),
            ("kernel-modules", "kernel-modules"),
            ("libx-dev-2022.04.14", "libx-dev"),
            ("libx-dev-2022.04.14-dev", "libx-dev"),
            ("python3-3.12-env", "python3"),
            ("", ""),
        ] {
            let path = format!("/nix/store/00000000000000000000000000000000-{name}");
            assert_eq!(origin_of(&path, &lineage_of(name)), origin, "{name}");
        }
    }
}
