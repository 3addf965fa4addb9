//! How many of the files that packages list are left out, because they are not there and an image works without them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::PackageFile;
use super::error::DpkgError;
use super::need::{Expendable, Need};
use super::root::Root;

/// A file that several packages list counts once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut(BTreeMap<Expendable, usize>);

impl LeftOut {
    /// Looks which of these files are there.
    pub(super) fn count<'f>(root: Root<'_>, files: impl Iterator<Item = &'f PackageFile>) -> Result<Self, DpkgError> {
        let expendable = files.filter_map(|file| match file.need {
            Need::Expendable(why) => Some((file.path.as_path(), why)),
            Need::Required | Need::Optional => None,
        });
        let expendable: BTreeMap<&Path, Expendable> = expendable.collect();
        let absent = root.absent(expendable.keys().copied())?;
        let mut counts = BTreeMap::new();
        for (at, path) in absent.iter().enumerate() {
            // What is in a directory follows it.
            let is_directory = absent.get(at + 1).is_some_and(|next| next.starts_with(path));
            if !is_directory {
                *counts.entry(expendable[path]).or_default() += 1;
            }
        }
        Ok(Self(counts))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// As users are told.
impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count: usize = self.0.values().sum();
        let files = if count == 1 { "file that is" } else { "files that are" };
        let kinds = self.0.iter().map(|(why, count)| match why {
            Expendable::Documentation => format!("{count} of documentation, manuals and translations"),
            Expendable::Excluded => format!("{count} by path-exclude of dpkg"),
            Expendable::Allowed => format!("{count} by --allow-missing"),
        });
        write!(f, "left out {count} {files} not there: {}", kinds.collect::<Vec<_>>().join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    #[test]
    fn files_are_counted_once_and_without_their_directories() {
        let root = TestRoot::new();
        root.write("usr/share/man/man1/there", "");
        root.symlink("usr/share", "share");
        root.symlink("nowhere", "usr/share/dangling");
        let [documentation, allowed] = [Expendable::Documentation, Expendable::Allowed].map(Need::Expendable);
        let file = |(path, need): (&str, Need)| PackageFile { path: path.into(), need };
        let files = [
            ("/usr/share/doc", documentation),
            ("/usr/share/doc/a", documentation),
            ("/usr/share/doc/a/x", documentation),
            ("/usr/share/doc/a/x", documentation),
            ("/usr/share/doc/a-b", documentation),
            ("/usr/share/man/man1/there", documentation),
            ("/share/man/man1/there", documentation),
            ("/usr/share/dangling", documentation),
            ("/usr/share/man/man1/there/below", allowed),
            ("/usr/bin/gone", Need::Required),
            ("/etc/gone", Need::Optional),
        ];
        let files = files.map(file);
        let left_out = LeftOut::count(root.root(), files.iter()).unwrap();
        let expected =
            "left out 3 files that are not there: 2 of documentation, manuals and translations, 1 by --allow-missing";
        assert_eq!(left_out.to_string(), expected);
        assert!(LeftOut::count(root.root(), files[5..8].iter()).unwrap().is_empty());
    }
}
