//! Paths that dpkg was told not to unpack (`path-exclude` in its configuration), as slim images are made.

use std::path::{Path, PathBuf};

use glob::Pattern;

use super::error::DpkgError;
use super::file_list::lines;
use super::root::Root;

/// The patterns in the order in which dpkg reads them.
#[derive(Debug, Default)]
pub(super) struct PathFilters(Vec<(Action, Pattern)>);

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

    /// Whether dpkg leaves out a path, in the package's spelling: the last pattern that matches decides.
    pub(super) fn exclude(&self, path: &[u8]) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let path = bytes_as_chars(path);
        let last = self.0.iter().rev().find(|(_, pattern)| pattern.matches(&path));
        last.is_some_and(|(action, _)| *action == Action::Exclude)
    }

    fn add(&mut self, text: &[u8], file: &Path) -> Result<(), DpkgError> {
        for (line, number) in lines(text).zip(1..) {
            let Some((action, value)) = parse_option(line.trim_ascii()) else { continue };
            let pattern = Pattern::new(&translate(&bytes_as_chars(value))).map_err(|error| DpkgError::InvalidLine {
                file: file.to_path_buf(),
                line: number,
                reason: error.msg,
            })?;
            self.0.push((action, pattern));
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

/// One character for each byte, so that patterns match paths that are no text, and `?` is one byte as in dpkg.
fn bytes_as_chars(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// From the shell's patterns, as fnmatch(3) reads them, to those of the crate `glob`: there `**` has another meaning,
/// nothing can be quoted with a backslash, and only `!` negates a class.
fn translate(pattern: &str) -> String {
    let mut translated = String::new();
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '*' if translated.ends_with('*') => {}
            '\\' => translated.push_str(&Pattern::escape(&chars.next().map(String::from).unwrap_or_default())),
            '[' if chars.next_if_eq(&'^').is_some() => translated.push_str("[!"),
            _ => translated.push(c),
        }
    }
    translated
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    fn check(config: &str, path: impl AsRef<[u8]>, excluded: bool) {
        let mut filters = PathFilters::default();
        filters.add(config.as_bytes(), Path::new("dpkg.cfg")).unwrap();
        assert_eq!(filters.exclude(path.as_ref()), excluded, "{config:?}");
    }

    #[test]
    fn stars_match_slashes_and_the_last_match_wins() {
        let config = "path-exclude=/usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n";
        check(config, "/usr/share/doc/a/examples/x", true);
        check(config, "/usr/share/doc/a/copyright", false);
        check(config, "/usr/share/doc", false);
        check("path-include=/a\npath-exclude=/a\n", "/a", true);
        check("path-exclude=/a/**/b**\n", "/a/x/y/bc", true);
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
    fn patterns_are_those_of_the_shell() {
        check(r"path-exclude=/\*", "/*", true);
        check(r"path-exclude=/\*", "/a", false);
        check("path-exclude=/[^a]x", "/bx", true);
        check("path-exclude=/[^a]x", "/ax", false);
        check("path-exclude=/[!a-c]", "/b", false);
        check("path-exclude=/?", b"/\xff", true);
        check("path-exclude=/*", b"/\xff\xfe", true);
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
