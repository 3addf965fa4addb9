//! What follows `cargo xtask planners`.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::only::Only;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// A folder of histories, instead of those of this repository.
    pub(crate) histories: Option<PathBuf>,
    pub(crate) only: Only,
    /// Graphs of closures that are planned to measure how long it takes.
    pub(crate) graphs: Vec<PathBuf>,
    /// Whether the page is written.
    pub(crate) write: bool,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match *word {
                "--histories" => options.histories = Some(value()?.into()),
                "--only" => options.only.add(value()?),
                "--graph" => options.graphs.push(value()?.into()),
                "--write" => options.write = true,
                _ => bail!("planners knows no `{word}`; see `cargo xtask help`"),
            }
        }
        if options.write && (options.histories.is_some() || !options.only.is_empty()) {
            bail!("--write is for all rows over the histories of this repository: leave out --histories and --only");
        }
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_read() {
        let words = ["--histories", "a", "--only", "b", "--only", "c", "--graph", "d"];
        let mut only = Only::default();
        ["b", "c"].into_iter().for_each(|word| only.add(word));
        let expected = Options { histories: Some("a".into()), only, graphs: vec!["d".into()], write: false };
        assert_eq!(Options::parse(&words).unwrap(), expected);
        assert!(Options::parse(&["--write", "--graph", "d"]).unwrap().write);
    }

    #[test]
    fn mistakes_are_named() {
        for (words, message) in [
            (&["--graph"][..], "--graph needs a value"),
            (&["--fast"], "planners knows no `--fast`; see `cargo xtask help`"),
            (&["--write", "--only", "x"], "--write is for all rows"),
            (&["--histories", "x", "--write"], "--write is for all rows"),
        ] {
            let error = Options::parse(words).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
