//! Runs a command line in a process of its own, which afterwards knows what its children took.
//!
//! A line is words: `&&` joins pipelines, `|` joins the commands of a pipeline, and `> FILE` at the end of a pipeline
//! keeps its output, which is thrown away otherwise. No shell is needed, and none is measured.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use fs_err::{self as fs, File};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use serde_json::{Value, json};

/// What a line took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    /// Of all processes, on all cores.
    pub(crate) cpu_seconds: f64,
    /// The most memory that one of its processes had at once.
    pub(crate) peak_bytes: u64,
    /// Size of the files in the folder for its output.
    pub(crate) output_bytes: u64,
}

/// Runs a line in another process of this program, and measures it. `scratch` takes what it says.
pub(crate) fn measure(words: &[String], scratch: &Path) -> Result<Sample> {
    let said = scratch.join("stderr");
    let output = Command::new(std::env::current_exe()?)
        .arg("measure")
        .args(words)
        .env("TMPDIR", scratch)
        .stderr(File::create(&said)?.into_file())
        .output()
        .context("starting the process that measures")?;
    if !output.status.success() {
        let said = String::from_utf8(fs::read(&said)?).unwrap_or_default();
        bail!("`{}`: {}", words.join(" "), said.trim().lines().last().unwrap_or("failed"));
    }
    let took: Value = serde_json::from_slice(&output.stdout).context("reading what a line took")?;
    let seconds = |key: &str| took[key].as_f64().with_context(|| format!("what a line took has no `{key}`"));
    Ok(Sample {
        seconds: seconds("seconds")?,
        cpu_seconds: seconds("cpu_seconds")?,
        peak_bytes: took["peak_bytes"].as_u64().context("what a line took has no `peak_bytes`")?,
        output_bytes: 0,
    })
}

/// The other side of [`measure`]: runs the line, and prints what it took.
pub(crate) fn child(words: &[&str]) -> Result<()> {
    let start = Instant::now();
    for pipeline in words.split(|word| *word == "&&") {
        run_pipeline(pipeline)?;
    }
    let seconds = start.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu_microseconds = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    let cpu_seconds = cpu_microseconds as f64 / 1e6;
    println!("{}", json!({ "seconds": seconds, "cpu_seconds": cpu_seconds, "peak_bytes": usage.max_rss() * 1024 }));
    Ok(())
}

fn run_pipeline(words: &[&str]) -> Result<()> {
    let (words, out) = match words {
        [words @ .., ">", file] => (words, Stdio::from(File::create(file)?.into_file())),
        words => (words, Stdio::null()),
    };
    let commands: Vec<&[&str]> = words.split(|word| *word == "|").collect();
    let (mut children, mut input, mut out) = (Vec::new(), Stdio::null(), Some(out));
    for (index, words) in commands.iter().enumerate() {
        let is_last = index + 1 == commands.len();
        let output = if is_last { out.take().expect("only one is the last") } else { Stdio::piped() };
        let mut child = start(words, input, output)?;
        input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
        children.push((child, words[0]));
    }
    for (mut child, program) in children {
        let status = child.wait()?;
        if !status.success() {
            bail!("`{program}` failed: {status}");
        }
    }
    Ok(())
}

fn start(words: &[&str], input: Stdio, output: Stdio) -> Result<Child> {
    let (program, arguments) = words.split_first().context("a pipeline without a command")?;
    let mut command = Command::new(program);
    command.args(arguments).stdin(input).stdout(output);
    command.spawn().with_context(|| format!("running `{program}`"))
}
