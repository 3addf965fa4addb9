//! Paths that dpkg unpacks under another name (dpkg-divert).

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::DpkgError;
use super::file_list::{lines, parse_path};
use super::root::Root;

/// All diversions of a machine, by where from. Strings compare far faster than paths, and every path is looked up here.
#[derive(Debug, Default)]
pub(super) struct Diversions(BTreeMap<OsString, Diversion>);

#[derive(Debug)]
struct Diversion {
    to: PathBuf,
    /// Who diverts, and so keeps its own file in place; nobody for a local diversion, which the administrator made.
    by: Option<Vec<u8>>,
}

impl Diversions {
    /// Reads `var/lib/dpkg/diversions`: three lines each, from where, to where, and by whom or `:`.
    pub(super) fn read(root: Root<'_>) -> Result<Self, DpkgError> {
        let path = Path::new("/var/lib/dpkg/diversions");
        let Some(text) = root.read(path)? else { return Ok(Self::default()) };
        let file = root.named_path(path);
        Self::parse(&text).map_err(|(line, reason)| DpkgError::InvalidLine { file, line, reason })
    }

    /// Where a path went that this package lists; `None` if it is where it is listed.
    pub(super) fn resolve(&self, package: &str, listed: &Path) -> Option<&Path> {
        let diversion = self.0.get(listed.as_os_str())?;
        (diversion.by.as_deref() != Some(package.as_bytes())).then_some(&diversion.to)
    }

    fn parse(text: &[u8]) -> Result<Self, (usize, &'static str)> {
        let lines: Vec<&[u8]> = lines(text).collect();
        let mut diversions = BTreeMap::new();
        for (triple, first) in lines.chunks(3).zip((1..).step_by(3)) {
            let &[from, to, by] = triple else { return Err((first, "a diversion is three lines")) };
            let from = parse_path(from).map_err(|reason| (first, reason))?;
            let to = parse_path(to).map_err(|reason| (first + 1, reason))?;
            let by = (by != b":").then(|| by.to_vec());
            diversions.insert(from.into_os_string(), Diversion { to, by });
        }
        Ok(Self(diversions))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_diverting_package_keeps_its_own_file() {
        let diversions = Diversions::parse(b"/bin/sh\n/bin/sh.distrib\ndash\n").unwrap();
        assert_eq!(diversions.resolve("dash", Path::new("/bin/sh")), None);
        assert_eq!(diversions.resolve("bash", Path::new("/bin/sh")), Some(Path::new("/bin/sh.distrib")));
        assert_eq!(diversions.resolve("bash", Path::new("/bin/bash")), None);
    }

    #[test]
    fn a_local_diversion_holds_for_every_package() {
        let diversions = Diversions::parse(b"/a\n/b\n:\n").unwrap();
        assert_eq!(diversions.resolve("any", Path::new("/a")), Some(Path::new("/b")));
    }

    #[test]
    fn what_is_no_diversion_is_refused_with_its_line() {
        for (text, line) in [("/a\n/b\n", 1), ("/a\n/b\nx\n/c\n", 4), ("a\n/b\nx\n", 1), ("/a\n/../b\nx\n", 2)] {
            assert_eq!(Diversions::parse(text.as_bytes()).unwrap_err().0, line, "{text:?}");
        }
    }
}
