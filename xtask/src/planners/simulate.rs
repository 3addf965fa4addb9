//! Replaying histories with the program, which does the counting.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::LIMITS;
use super::figures::Figures;
use super::options::Options;
use crate::run::shown;

/// How files of histories end, packed or not.
const ENDING: &str = ".jsonl";

/// What images held.
pub(crate) struct History {
    /// The file's, without what it ends in.
    pub(crate) name: String,
    file: PathBuf,
}

/// One history, with the strategies that replay it.
pub(crate) struct Run<'a> {
    pub(crate) history: &'a History,
    strategies: Vec<&'a str>,
}

/// What strategies know of earlier images.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    OwnPlans,
    Nothing,
}

/// The histories in a folder, ascending by name: at least one.
pub(crate) fn histories(dir: &Path) -> Result<Vec<History>> {
    let mut histories = Vec::new();
    for entry in fs_err::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("histories have readable names")?;
        if let Some((name, _)) = name.split_once(ENDING) {
            histories.push(History { name: name.to_owned(), file: entry.path() });
        }
    }
    if histories.is_empty() {
        bail!("{} has no history: their names contain {ENDING}", dir.display());
    }
    histories.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(histories)
}

/// What of all is to be run.
pub(crate) fn runs<'a>(histories: &'a [History], strategies: &'a [String], options: &Options) -> Vec<Run<'a>> {
    let run = |history: &'a History| {
        let takes = |strategy: &&str| options.only.takes(&format!("{}/{strategy}", history.name));
        Run { history, strategies: strategies.iter().map(String::as_str).filter(takes).collect() }
    };
    histories.iter().map(run).filter(|run| !run.strategies.is_empty()).collect()
}

/// Runs them one after another, so that each has the machine for itself.
pub(crate) fn all(program: &Path, runs: &[Run<'_>], memory: Memory) -> Result<Vec<Figures>> {
    let mut all = Vec::new();
    for Run { history, strategies } in runs {
        let file = history.file.to_str().context("histories have readable names")?;
        let limits = LIMITS.map(|limit| limit.to_string());
        let mut words = vec!["simulate", "--json", "--history", file, "--max-layers"];
        words.extend(limits.iter().map(String::as_str));
        words.push("--planner");
        words.extend(strategies);
        words.extend((memory == Memory::Nothing).then_some("--no-history"));
        let results = json_of(program, &words)?;
        let results = results["results"].as_array().context("a simulation has results")?;
        for result in results {
            all.push(Figures::read(&history.name, result)?);
        }
    }
    Ok(all)
}

/// Runs the program, which may show how far it is, and returns the JSON that it prints. Times are those of one thread.
pub(crate) fn json_of(program: &Path, words: &[&str]) -> Result<Value> {
    let mut command = Command::new(program);
    command.args(words).env("RAYON_NUM_THREADS", "1").stderr(Stdio::inherit());
    eprintln!("+ {}", shown(&command));
    let output = command.output().with_context(|| format!("running {}", program.display()))?;
    if !output.status.success() {
        bail!("`{}` failed: {}", shown(&command), output.status);
    }
    serde_json::from_slice(&output.stdout).context("reading what the program printed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_run_is_said_by_name() {
        let history = |name: &str| History { name: name.into(), file: name.into() };
        let (histories, strategies) = ([history("web"), history("java")], ["a".into(), "b".into()]);
        let named = |words: &[&str]| -> Vec<String> {
            let runs = runs(&histories, &strategies, &Options::parse(words).unwrap());
            runs.iter().map(|run| format!("{} {}", run.history.name, run.strategies.join(","))).collect()
        };
        assert_eq!(named(&[]), ["web a,b", "java a,b"]);
        assert_eq!(named(&["--only", "web", "--only", "java/b"]), ["web a,b", "java b"]);
        assert!(named(&["--only", "nothing"]).is_empty());
    }
}
