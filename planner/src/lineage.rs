//! What ties a store path to its earlier versions.

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
    let version = name
        .char_indices()
        .find(|&(at, c)| c == '-' && at > 0 && name[at + 1..].starts_with(|next: char| !next.is_ascii_alphabetic()));
    let Some((at, _)) = version else { return name.to_owned() };
    let base = &name[..at];
    match name[at..].rsplit_once('-') {
        Some((_, output)) if OUTPUTS.contains(&output) => format!("{base}-{output}"),
        _ => base.to_owned(),
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
    let name = path.rsplit('/').next().unwrap_or(path);
    lineage_of(name.split_once('-').map_or(name, |(_, name)| name))
}

/// Returns the lineage of a node by how its name looks: a Debian package `NAME_VERSION_ARCHITECTURE`, or else a store path.
///
/// Only dpkg knows which architecture is a foreign one, and puts that into the lineage.
///
/// ```
/// # use layerwright_planner::lineage_of_node;
/// assert_eq!(lineage_of_node("libc6_2.36-9_amd64"), "libc6");
/// assert_eq!(lineage_of_node("/nix/store/00000000000000000000000000000000-glibc-2.40-66"), "glibc");
/// ```
#[must_use]
pub fn lineage_of_node(name: &str) -> String {
    match is_package_name(name) {
        true => name.split('_').next().unwrap_or(name).to_owned(),
        false => lineage_of_store_path(name),
    }
}

/// `NAME_VERSION_ARCHITECTURE` has two underscores, which neither of the three may have, and no slash.
pub(crate) fn is_package_name(name: &str) -> bool {
    !name.contains('/') && name.matches('_').count() == 2
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
