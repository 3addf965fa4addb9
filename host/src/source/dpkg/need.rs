//! What it means that a file is not there which a package lists.
//!
//! 1. Configuration files are the administrator's to remove, and caches make themselves again.
//! 2. What dpkg was told to leave out was never unpacked.
//! 3. Documentation and translations are for people. Who makes small images removes them.
//! 4. What the user allows to be missing is asked for.
//! 5. Without any other file, the image would be broken.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::PathGlob;
use super::exclude::PathFilters;

/// Whether an image can do without a listed file, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It would be broken.
    Required,
    /// Healthy machines may lack it: nobody need be told.
    Optional,
    /// It works, and somebody may miss it.
    Expendable(Expendable),
}

/// Why an image works without a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Expendable {
    /// It is for people.
    Documentation,
    /// dpkg's configuration says so.
    Excluded,
    /// The user says so.
    Allowed,
}

/// What is below these is made again when it is needed; images commonly come without it.
const VOLATILE: [&[u8]; 6] = [b"/run/", b"/tmp/", b"/var/cache/", b"/var/lib/apt/lists/", b"/var/log/", b"/var/tmp/"];

/// Directories of what people read. Licences, bug reports and what checks packages are of that kind.
const DOCUMENTATION: [&[u8]; 14] = [
    b"/usr/share/bug",
    b"/usr/share/common-licenses",
    b"/usr/share/doc",
    b"/usr/share/doc-base",
    b"/usr/share/gnome/help",
    b"/usr/share/gtk-doc",
    b"/usr/share/help",
    b"/usr/share/info",
    b"/usr/share/linda",
    b"/usr/share/lintian",
    b"/usr/share/locale",
    b"/usr/share/locale-langpack",
    b"/usr/share/man",
    b"/usr/share/omf",
];

impl Need {
    /// Of a path in the package's spelling that is no configuration file. Users may also allow it where it lies.
    pub(super) fn of(path: &[u8], lies_at: &Path, filters: &PathFilters, allowed: &[PathGlob]) -> Self {
        let is_allowed = |glob: &PathGlob| glob.covers(path) || glob.covers(lies_at.as_os_str().as_bytes());
        if VOLATILE.iter().any(|directory| path.starts_with(directory)) {
            Self::Optional
        } else if filters.exclude(path) {
            Self::Expendable(Expendable::Excluded)
        } else if DOCUMENTATION.iter().any(|directory| is_within(path, directory)) {
            Self::Expendable(Expendable::Documentation)
        } else if allowed.iter().any(is_allowed) {
            Self::Expendable(Expendable::Allowed)
        } else {
            Self::Required
        }
    }
}

fn is_within(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_does_without_what_people_read() {
        let need = |path: &str| Need::of(path.as_bytes(), Path::new(path), &PathFilters::default(), &[]);
        for path in [
            "/usr/share/doc",
            "/usr/share/doc/git/changelog.Debian.gz",
            "/usr/share/man/de/man1/git.1.gz",
            "/usr/share/locale/ca@valencia/LC_MESSAGES/git.mo",
            "/usr/share/info/grep.info.gz",
            "/usr/share/lintian/overrides/git",
            "/usr/share/bug/git",
        ] {
            assert_eq!(need(path), Need::Expendable(Expendable::Documentation), "{path}");
        }
        for path in ["/var/cache/apt", "/var/lib/apt/lists/partial", "/tmp/x"] {
            assert_eq!(need(path), Need::Optional, "{path}");
        }
        for path in ["/usr/share", "/usr/share/docs", "/usr/share/manifest", "/usr/lib/locale/C.utf8", "/var/cache"] {
            assert_eq!(need(path), Need::Required, "{path}");
        }
    }

    #[test]
    fn the_user_allows_files_to_be_missing() {
        let allowed = ["/usr/bin/x".parse().unwrap(), "/opt/*".parse().unwrap()];
        let need_at =
            |path: &str, at: &str| Need::of(path.as_bytes(), Path::new(at), &PathFilters::default(), &allowed);
        let need = |path: &str| need_at(path, path);
        for path in ["/usr/bin/x", "/opt", "/opt/y/z"] {
            assert_eq!(need(path), Need::Expendable(Expendable::Allowed), "{path}");
        }
        assert_eq!(need("/usr/bin/xy"), Need::Required);
        assert_eq!(need_at("/bin/x", "/usr/bin/x"), Need::Expendable(Expendable::Allowed));
        assert_eq!(need("/usr/share/doc/x"), Need::Expendable(Expendable::Documentation));
    }
}
