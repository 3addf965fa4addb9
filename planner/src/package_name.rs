//! Names of Debian packages' nodes: `NAME_VERSION_ARCHITECTURE`, as a `.deb` file is called.
//!
//! By Debian's policy none of the three has an underscore, and so two of them part the name. dpkg installs packages all the
//! same that have one in name or version. Only the package database knows then which is which; without it, a version
//! most likely begins where a digit follows an underscore, as policy wants versions to begin with one.

/// What a package's node name seems to be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PackageName<'n> {
    pub(crate) name: &'n str,
    pub(crate) version: &'n str,
    pub(crate) architecture: &'n str,
}

impl<'n> PackageName<'n> {
    /// `None` for what is no such name: a store path, which begins with a slash, or anything without the three parts.
    pub(crate) fn parse(node: &'n str) -> Option<Self> {
        let (rest, architecture) = node.rsplit_once('_')?;
        let underscores = || rest.match_indices('_').map(|(at, _)| at);
        let begins_version = |at: &usize| rest[at + 1..].starts_with(|first: char| first.is_ascii_digit());
        let at = underscores().find(begins_version).or_else(|| underscores().next_back())?;
        let (name, version) = (&rest[..at], &rest[at + 1..]);
        let is_package = is_name(name) && !version.is_empty() && is_architecture(architecture);
        is_package.then_some(Self { name, version, architecture })
    }
}

/// As dpkg takes names.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-+._".contains(&byte))
}

fn is_architecture(architecture: &str) -> bool {
    !architecture.is_empty() && architecture.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_begin_where_a_digit_follows() {
        for (node, expected) in [
            ("libc6_2.36-9+deb12u10_amd64", ["libc6", "2.36-9+deb12u10", "amd64"]),
            ("git_1:2.39.5_kfreebsd-amd64", ["git", "1:2.39.5", "kfreebsd-amd64"]),
            ("bashtop-git_r313.4bf71e6-1_all", ["bashtop-git", "r313.4bf71e6-1", "all"]),
            ("pg_back_1.0_amd64", ["pg_back", "1.0", "amd64"]),
            ("vip-manager_1.0_beta3-1_amd64", ["vip-manager", "1.0_beta3-1", "amd64"]),
            ("a_b_c_1:1_2_3~x_all", ["a_b_c", "1:1_2_3~x", "all"]),
            ("pg_back_git_r7_all", ["pg_back_git", "r7", "all"]),
            ("odd_1.0/2_amd64", ["odd", "1.0/2", "amd64"]),
            ("odd_${version}_amd64", ["odd", "${version}", "amd64"]),
        ] {
            let PackageName { name, version, architecture } = PackageName::parse(node).unwrap();
            assert_eq!([name, version, architecture], expected, "{node}");
        }
    }

    #[test]
    fn what_has_no_three_parts_is_none() {
        for node in [
            "",
            "a",
            "a_1",
            "_1_all",
            "a__all",
            "a_1_",
            "a_1_x y",
            "/nix/store/h-a_1_2",
            "../a_1_all",
            "a b_1_all",
            "__",
        ] {
            assert_eq!(PackageName::parse(node), None, "{node}");
        }
    }
}
