//! What follows `cargo xtask bench`.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, bail};

use crate::only::Only;

/// Fewer runs make no median.
const RUNS: usize = 5;

#[derive(Debug, PartialEq)]
pub(crate) struct Options {
    /// Where the figures go, besides standard output.
    pub(crate) json: Option<PathBuf>,
    pub(crate) only: Only,
    pub(crate) runs: usize,
    /// Size of the closures: 1 is what the figures are meant for.
    pub(crate) scale: f64,
    /// Whether `docs/benchmarks.md` is written.
    pub(crate) write: bool,
}

impl Options {
    pub(crate) fn parse(words: &[&str]) -> Result<Self> {
        let mut options = Self { json: None, only: Only::default(), runs: RUNS, scale: 1.0, write: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match *word {
                "--json" => options.json = Some(value()?.into()),
                "--only" => options.only.add(value()?),
                "--runs" => options.runs = number(word, value()?, 1)?,
                "--scale" => options.scale = number(word, value()?, 0.001)?,
                "--write" => options.write = true,
                _ => bail!("bench knows no `{word}`; see `cargo xtask help`"),
            }
        }
        if options.scale > 1.0 {
            bail!("--scale makes closures smaller: write a number from 0.001 to 1");
        }
        Ok(options)
    }
}

fn number<N: FromStr + PartialOrd + std::fmt::Display>(flag: &str, text: &str, least: N) -> Result<N> {
    let number = text.parse().ok().filter(|number| *number >= least);
    number.with_context(|| format!("{flag} takes a number from {least}, not `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_is_read() {
        let words = ["--json", "a", "--only", "b", "--only", "c", "--runs", "7", "--scale", "0.5", "--write"];
        let mut only = Only::default();
        ["b", "c"].into_iter().for_each(|word| only.add(word));
        let expected = Options { json: Some("a".into()), only, runs: 7, scale: 0.5, write: true };
        assert_eq!(Options::parse(&words).unwrap(), expected);
    }

    #[test]
    fn mistakes_are_named() {
        for (words, message) in [
            (&["--runs", "0"][..], "--runs takes a number from 1, not `0`"),
            (&["--json"], "--json needs a value"),
            (&["--fast"], "bench knows no `--fast`; see `cargo xtask help`"),
        ] {
            assert_eq!(Options::parse(words).unwrap_err().to_string(), message);
        }
    }
}
