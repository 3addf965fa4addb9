//! The name of a new strategy, which becomes the name of a crate, of an npm package and of files.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// `[a-z][a-z0-9-]*`, and no word that one of the languages keeps for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProjectName(String);

/// Why a text is no [`ProjectName`].
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum ProjectNameError {
    #[error("write lower-case letters, digits and dashes, with a letter first, such as `largest-first`")]
    Malformed,
    #[error("it has {0} bytes, and at most {MAX_BYTES} are allowed")]
    TooLong(usize),
    #[error("this word means something in one of the languages; `{0}-strategy` would do")]
    Reserved(String),
}

/// As long as npm and file systems take without a second thought.
const MAX_BYTES: usize = 64;

impl FromStr for ProjectName {
    type Err = ProjectNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let begins_well = text.starts_with(|first: char| first.is_ascii_lowercase());
        if !begins_well || !text.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-')) {
            return Err(ProjectNameError::Malformed);
        }
        if text.len() > MAX_BYTES {
            return Err(ProjectNameError::TooLong(text.len()));
        }
        if RESERVED.iter().any(|line| line.split(' ').any(|word| word == text)) {
            return Err(ProjectNameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl ProjectName {
    /// `largest_first`: how the compiler of Rust calls what it makes.
    pub(crate) fn snake_case(&self) -> String {
        self.0.replace('-', "_")
    }
}

impl fmt::Display for ProjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Words of the languages, and crates and packages that the templates need or that every program has. A name that is
/// fine in one language has to be in the others, so that a strategy can be rewritten under its name.
const RESERVED: [&str; 5] = [
    // Rust
    "abstract as async await become box break const continue crate do dyn else enum extern false final fn for gen if \
     impl in let loop macro match mod move mut override priv pub ref return self static struct super trait true try \
     type typeof unsafe unsized use virtual where while yield",
    // Python, what Rust does not have
    "and assert class def del elif except finally from global import is lambda nonlocal not or pass raise with",
    // JavaScript
    "arguments case catch debugger default delete eval export extends function implements instanceof interface new \
     null package private protected public switch this throw var void",
    // C
    "auto char double float goto inline int long register restrict short signed sizeof typedef union unsigned volatile",
    "alloc componentize-qjs core proc-macro serde-json std test wit-bindgen",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case() {
        for name in ["a", "largest-first", "x2", "type-a"] {
            assert_eq!(name.parse::<ProjectName>().unwrap().to_string(), name);
        }
        assert_eq!("largest-first".parse::<ProjectName>().unwrap().snake_case(), "largest_first");
        for text in ["", "-a", "2x", "Largest", "a_b", "a b", "a/b", "../a", "é", "a\n"] {
            assert_eq!(text.parse::<ProjectName>(), Err(ProjectNameError::Malformed), "{text:?}");
        }
        assert_eq!("a".repeat(65).parse::<ProjectName>(), Err(ProjectNameError::TooLong(65)));
    }

    #[test]
    fn words_of_any_of_the_languages_are_refused() {
        for word in ["fn", "lambda", "function", "int", "std", "impl", "arguments", "wit-bindgen"] {
            assert_eq!(word.parse::<ProjectName>(), Err(ProjectNameError::Reserved(word.into())));
        }
    }
}
