//! Patterns of the shell for whole paths, as dpkg has them: `*` matches slashes, too.

use std::str::FromStr;

use glob::Pattern;

/// A pattern that a path as a whole matches or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PathGlob(Pattern);

impl PathGlob {
    pub(super) fn new(pattern: &[u8]) -> Result<Self, &'static str> {
        Pattern::new(&translate(&bytes_as_chars(pattern))).map(Self).map_err(|error| error.msg)
    }

    pub(super) fn matches(&self, path: &[u8]) -> bool {
        self.0.matches(&bytes_as_chars(path))
    }

    /// Whether it matches a path, or all that could be below it: where that may be gone, so may its directory.
    pub(super) fn covers(&self, path: &[u8]) -> bool {
        self.matches(path) || self.matches(&[path, b"/"].concat())
    }
}

/// As users write it.
impl FromStr for PathGlob {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if !text.starts_with(['/', '*', '?', '[']) {
            return Err("packages list absolute paths; write /PATH, in which * stands for anything".into());
        }
        Self::new(text.as_bytes()).map_err(str::to_owned)
    }
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
    use super::*;

    fn check(pattern: &str, path: impl AsRef<[u8]>, matches: bool) {
        assert_eq!(PathGlob::new(pattern.as_bytes()).unwrap().matches(path.as_ref()), matches, "{pattern}");
    }

    #[test]
    fn patterns_are_those_of_the_shell() {
        check("/usr/share/doc/*", "/usr/share/doc/a/examples/x", true);
        check("/usr/share/doc/*", "/usr/share/doc", false);
        check("/a/**/b**", "/a/x/y/bc", true);
        check(r"/\*", "/*", true);
        check(r"/\*", "/a", false);
        check("/[^a]x", "/bx", true);
        check("/[^a]x", "/ax", false);
        check("/[!a-c]", "/b", false);
        check("/?", b"/\xff", true);
        check("/*", b"/\xff\xfe", true);
        check("/ü", "/ü", true);
        assert!(PathGlob::new(b"/[a").is_err());
    }

    #[test]
    fn a_directory_goes_with_all_that_is_in_it() {
        let covers = |pattern: &str, path: &str| pattern.parse::<PathGlob>().unwrap().covers(path.as_bytes());
        assert!(covers("/opt/x/*", "/opt/x") && covers("/opt/x/*", "/opt/x/y/z") && covers("*", "/opt"));
        assert!(!covers("/opt/x/*", "/opt") && !covers("/opt/x/*", "/opt/xy") && !covers("/opt/x/*.so", "/opt/x"));
    }

    #[test]
    fn a_pattern_that_no_path_matches_is_refused() {
        for text in ["", "opt/x", "./x", "~/x", "/[a"] {
            assert!(text.parse::<PathGlob>().is_err(), "{text}");
        }
    }
}
