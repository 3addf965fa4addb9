//! Paths that dpkg was told not to unpack (`path-exclude` in its configuration), as slim images are made.

use std::path::{Path, PathBuf};

use super::error::DpkgError;
use super::file_list::lines;
use super::path_glob::PathGlob;
use super::root::Root;

/// The patterns in the order in which dpkg reads them.
#[derive(Debug, Default)]
pub(super) struct PathFilters(Vec<(Action, PathGlob)>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Exclude,
    Include,
}

impl PathFilters {
    /// Reads `etc/dpkg/dpkg.cfg.d/*`, then `etc/dpkg/dpkg.cfg`, as dpkg does.
    pub(super) fn read(root: Root<'_>) -> Result<Self, DpkgError> {
        let mut filters = Self::default();
        let fragments = root.read_dir(Path::new("/etc/dpkg/dpkg.cfg.d"), is_fragment)?;
        for path in fragments.into_iter().chain([PathBuf::from("/etc/dpkg/dpkg.cfg")]) {
            if let Some(text) = root.read(&path)? {
                filters.add(&text, &root.named_path(&path))?;
            }
        }
        Ok(filters)
    }

    /// Whether dpkg leaves out a path, in the package's spelling, or all that could be below it.
    pub(super) fn exclude(&self, path: &[u8]) -> bool {
        !self.0.is_empty() && self.last(path).or_else(|| self.last(&[path, b"/"].concat())) == Some(Action::Exclude)
    }

    /// The last pattern that matches decides.
    fn last(&self, path: &[u8]) -> Option<Action> {
        self.0.iter().rev().find(|(_, glob)| glob.matches(path)).map(|(action, _)| *action)
    }

    fn add(&mut self, text: &[u8], file: &Path) -> Result<(), DpkgError> {
        for (line, number) in lines(text).zip(1..) {
            let Some((action, value)) = parse_option(line.trim_ascii()) else { continue };
            let invalid = |reason| DpkgError::InvalidLine { file: file.to_path_buf(), line: number, reason };
            self.0.push((action, PathGlob::new(value).map_err(invalid)?));
        }
        Ok(())
    }
}

/// What dpkg reads. Other names are backups and the like.
fn is_fragment(name: &[u8]) -> bool {
    name.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

/// `OPTION=VALUE` or `OPTION VALUE`, perhaps in quotes; `None` for every option that is no filter.
fn parse_option(line: &[u8]) -> Option<(Action, &[u8])> {
    let end = line.iter().position(|&byte| byte == b'=' || byte.is_ascii_whitespace())?;
    let action = match &line[..end] {
        b"path-exclude" => Action::Exclude,
        b"path-include" => Action::Include,
        _ => return None,
    };
    let value = line[end..].trim_ascii();
    let value = value.strip_prefix(b"=").unwrap_or(value).trim_ascii();
    let unquoted = |quote: &[u8]| value.strip_prefix(quote)?.strip_suffix(quote);
    Some((action, unquoted(b"\"").or_else(|| unquoted(b"'")).unwrap_or(value)))
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    fn filters(config: &str) -> PathFilters {
        let mut filters = PathFilters::default();
        filters.add(config.as_bytes(), Path::new("dpkg.cfg")).unwrap();
        filters
    }

    fn check(config: &str, path: &str, excluded: bool) {
        assert_eq!(filters(config).exclude(path.as_bytes()), excluded, "{config:?}");
    }

    #[test]
    fn a_directory_may_be_gone_with_all_that_is_left_out_of_it() {
        let filters = filters("path-exclude=/usr/share/doc/*\npath-include=/usr/share/doc/*/copyright\n");
        let excluded = ["/usr/share/doc", "/usr/share/doc/a", "/usr/share/doc/a/copyright", "/usr/share"]
            .map(|path| filters.exclude(path.as_bytes()));
        assert_eq!(excluded, [true, true, false, false]);
    }

    #[test]
    fn stars_match_slashes_and_the_last_match_wins() {
        let config = "path-exclude=/usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n";
        check(config, "/usr/share/doc/a/examples/x", true);
        check(config, "/usr/share/doc/a/copyright", false);
        check(config, "/usr/share", false);
        check("path-include=/a\npath-exclude=/a\n", "/a", true);
    }

    #[test]
    fn options_have_several_spellings() {
        for line in
            ["path-exclude /a", "  path-exclude=/a ", "path-exclude = /a", "path-exclude=\"/a\"", "path-exclude '/a'"]
        {
            check(line, "/a", true);
        }
        for line in ["# path-exclude=/a", "path-exclude", "path-excluded=/a", "force-unsafe-io", "", "log /a"] {
            check(line, "/a", false);
        }
    }

    #[test]
    fn a_malformed_pattern_is_refused_with_its_line() {
        let mut filters = PathFilters::default();
        let error = filters.add(b"\npath-exclude=/[a\n", Path::new("dpkg.cfg")).unwrap_err();
        assert!(matches!(error, DpkgError::InvalidLine { line: 2, .. }));
    }

    #[test]
    fn fragments_come_first_and_only_those_with_plain_names() {
        let root = TestRoot::new();
        root.write("etc/dpkg/dpkg.cfg", "path-include=/b\n");
        root.write("etc/dpkg/dpkg.cfg.d/slim", "path-exclude=/*\n");
        root.write("etc/dpkg/dpkg.cfg.d/slim.bak", "path-exclude=/c\n");
        root.write("etc/dpkg/dpkg.cfg.d/z_1-2", "path-include=/c\n");
        let filters = PathFilters::read(root.root()).unwrap();
        let excluded = ["/a", "/b", "/c"].map(|path| filters.exclude(path.as_bytes()));
        assert_eq!(excluded, [true, false, false]);
    }
}
