//! A program that is run to its end, with everything it printed.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::run::{cache_dir, compiled_dir};

/// What is in the environment of the tests, and should not decide what they see.
const NOT_INHERITED: [&str; 12] = [
    "LAYERWRIGHT_CACHE_SIZE",
    "LAYERWRIGHT_LOCKED",
    "SOURCE_DATE_EPOCH",
    "CLICOLOR_FORCE",
    "NIX_PATH",
    "NIX_REMOTE",
    "NIX_STORE_DIR",
    "NIX_STATE_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_TARGET_DIR",
    "RUSTFLAGS",
    "VIRTUAL_ENV",
];

pub(crate) struct Invocation {
    command: Command,
    stdin: Vec<u8>,
}

pub(crate) struct Finished {
    /// `None` after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    /// For messages.
    what: String,
}

/// A tool that is found as a shell finds it.
pub(crate) fn tool(name: &str, arguments: &[&str]) -> Invocation {
    Invocation::new(Path::new(name)).args(arguments)
}

impl Invocation {
    pub(crate) fn new(program: &Path) -> Self {
        let mut command = Command::new(program);
        for name in NOT_INHERITED {
            command.env_remove(name);
        }
        // Also for a shell that starts the program: nothing goes to this user's cache, and what is built twice is packed
        // twice.
        command.env("LAYERWRIGHT_CACHE_DIR", cache_dir()).env("LAYERWRIGHT_NO_CACHE", "1");
        command.env("LAYERWRIGHT_COMPILED_DIR", compiled_dir());
        Self { command, stdin: Vec::new() }
    }

    pub(crate) fn args<A: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Takes a variable away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    pub(crate) fn envs<'a>(mut self, variables: impl IntoIterator<Item = (&'a str, String)>) -> Self {
        self.command.envs(variables);
        self
    }

    pub(crate) fn dir(mut self, dir: &str) -> Self {
        self.command.current_dir(dir);
        self
    }

    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// The command itself, for cases that let it run beside them.
    pub(crate) fn into_command(self) -> Command {
        self.command
    }

    /// Runs it to its end, whatever that is.
    pub(crate) fn finish(mut self) -> Result<Finished> {
        let what = format!("{:?}", self.command);
        self.command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.command.spawn().with_context(|| format!("starting {what}"))?;
        let mut stdin = child.stdin.take().context("standard input was asked for")?;
        let bytes = self.stdin;
        // Who does not read all of it has its reasons.
        let feeder = thread::spawn(move || drop(stdin.write_all(&bytes)));
        let output = child.wait_with_output()?;
        feeder.join().ok();
        Ok(Finished { code: output.status.code(), stdout: output.stdout, stderr: readable(output.stderr), what })
    }

    /// Runs it, and expects it to succeed.
    pub(crate) fn ok(self) -> Result<Finished> {
        self.exits(0)
    }

    /// Runs it, and expects this exit code.
    pub(crate) fn exits(self, code: i32) -> Result<Finished> {
        let finished = self.finish()?;
        ensure!(finished.code == Some(code), "expected exit code {code}\n{}", finished.report());
        Ok(finished)
    }
}

impl Finished {
    pub(crate) fn text(&self) -> Result<&str> {
        std::str::from_utf8(&self.stdout).with_context(|| format!("reading what {} printed", self.what))
    }

    pub(crate) fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.stdout).with_context(|| format!("not JSON\n{}", self.report()))
    }

    /// Expects every one of these on standard error.
    pub(crate) fn says(&self, parts: &[&str]) -> Result<()> {
        for part in parts {
            ensure!(self.stderr.contains(part), "expected `{part}` on standard error\n{}", self.report());
        }
        Ok(())
    }

    /// Everything, for messages.
    pub(crate) fn report(&self) -> String {
        let mut text = format!("{}\nexit code {:?}\n", self.what, self.code);
        let shown = self.stdout[..self.stdout.len().min(2000)].escape_ascii().to_string().replace("\\n", "\n");
        let _ = write!(text, "standard output: {shown}\nstandard error: {}", self.stderr);
        text
    }
}

fn readable(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| error.into_bytes().escape_ascii().to_string())
}
