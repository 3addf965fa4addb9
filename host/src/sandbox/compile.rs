//! From a component's bytes to native code, in a process that can be stopped.
//!
//! A small file can keep a compiler busy for minutes and fill the machine's memory, and a compiler meets a stranger's
//! bytes here. So it works in a child, see [`crate::child`].

use std::io::{self, Write};
use std::process::ExitStatus;

use layerwright_packer::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::call::guarded;
use super::compiled::{self, CompiledCache, Found};
use super::engine::config;
use super::error::NotAStrategy;
use super::extent::{self, TooMuch};
use super::limits::Limits;
use super::untrusted::{printable, printable_bytes};
use crate::child::{self, Job, Stopped};

/// The hidden command by which the program is its own compiler.
pub(crate) const COMMAND: &str = "compile-planner";

/// Largest native code, which this process has in memory twice for a moment. That of a component with an interpreter
/// inside is 40 MB.
const CODE_BYTES: u64 = 256 << 20;

/// How the child exits where it refuses a component that is valid.
const TOO_MUCH: u8 = 3;

/// Longest reason that is shown, in bytes.
const REASON_BYTES: usize = 1000;

/// Where components are compiled.
pub(crate) enum Compiler {
    /// In a child of this process.
    InChild {
        /// Where native code is kept, if anywhere.
        cache: Option<CompiledCache>,
        /// Who is told what goes on.
        tell: Box<dyn Fn(Notice<'_>) + Send + Sync>,
    },
    /// In this process, which is all right for what a test has made.
    #[cfg(test)]
    Here,
}

/// What a user wants to know while a component is compiled.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice<'a> {
    /// It takes long enough to be noticed.
    Compiling {
        /// How the user named it.
        planner: &'a str,
        /// Whether it is the last time.
        is_kept: bool,
    },
    /// What was kept of an earlier run was damaged, or came from elsewhere. It is made again.
    DamagedEntry,
    /// It could not be kept.
    NotKept(&'a io::Error),
}

impl Compiler {
    /// Returns the component ready to be run: as it was kept, or compiled now.
    pub(super) fn component(
        &self,
        engine: &Engine,
        limits: &Limits,
        source: Source<'_>,
    ) -> Result<Component, NotAStrategy> {
        let Source { planner, bytes, digest } = source;
        let (cache, tell) = match self {
            Self::InChild { cache, tell } => (cache.as_ref(), tell),
            #[cfg(test)]
            Self::Here => return compile_here(engine, bytes),
        };
        match cache.map(|cache| cache.find(engine, digest)) {
            Some(Found::Component(component)) => return Ok(component),
            Some(Found::Damaged) => tell(Notice::DamagedEntry),
            Some(Found::Nothing) | None => {}
        }
        let code = in_child(bytes, limits, &|| tell(Notice::Compiling { planner, is_kept: cache.is_some() }))?;
        if let Some(Err(error)) = cache.map(|cache| cache.keep(engine, digest, &code)) {
            tell(Notice::NotKept(&error));
        }
        compiled::from_compiler(engine, &code).map_err(|error| NotAStrategy::CompilerFailed(format!("{error:#}")))
    }
}

/// A component that is to be compiled.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// How the user named it.
    pub(super) planner: &'a str,
    pub(super) bytes: &'a [u8],
    pub(super) digest: &'a Digest,
}

#[cfg(test)]
fn compile_here(engine: &Engine, bytes: &[u8]) -> Result<Component, NotAStrategy> {
    let refused = |Refusal { code, reason }| match code {
        TOO_MUCH => NotAStrategy::TooMuch(reason),
        _ => NotAStrategy::Invalid(reason),
    };
    let code = native_code(bytes).map_err(refused)?;
    compiled::from_compiler(engine, &code).map_err(|error| refused(invalid(&error)))
}

/// Compiles in a child. `waiting` is called once, when it takes long enough to be noticed.
fn in_child(bytes: &[u8], limits: &Limits, waiting: &dyn Fn()) -> Result<Vec<u8>, NotAStrategy> {
    let job = Job {
        command: COMMAND,
        arguments: Vec::new(),
        memory_bytes: limits.compile_memory_bytes,
        time: limits.compile_time,
        output_bytes: CODE_BYTES,
    };
    job.run(bytes, waiting).map_err(|stopped| match stopped {
        Stopped::NotRun(error) => NotAStrategy::CompilerFailed(format!("it could not be run: {error}")),
        Stopped::OutOfTime(clock) => NotAStrategy::CompileTime { limit: clock.limit(limits.compile_time), clock },
        Stopped::OutOfMemory => NotAStrategy::CompileMemory { limit: limits.compile_memory_bytes },
        Stopped::Failed { status, reason } => why(status, &reason),
    })
}

/// Why a child has no result.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// What it exits with.
    pub(crate) code: u8,
    /// In one line.
    pub(crate) reason: String,
}

/// Of all that is not looked for by itself.
impl From<String> for Refusal {
    fn from(reason: String) -> Self {
        Self { code: 1, reason }
    }
}

impl From<TooMuch> for Refusal {
    fn from(what: TooMuch) -> Self {
        Self { code: TOO_MUCH, reason: what.to_string() }
    }
}

/// What the child does: writes native code.
pub(crate) fn child(memory_bytes: u64, seconds: u64) -> Result<(), Refusal> {
    let bytes = child::begin(memory_bytes, seconds)?;
    let code = native_code(&bytes)?;
    Ok(io::stdout().lock().write_all(&code).map_err(|error| error.to_string())?)
}

/// Looks the component over, and compiles it.
fn native_code(bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let compile = || {
        if let Err(what) = extent::look_over(bytes) {
            return Ok(Err(what));
        }
        let code = Engine::new(&config(Limits::STACK_BYTES))?.precompile_component(bytes)?;
        Ok(extent::look_over_notes(&code).map(|()| code))
    };
    Ok(guarded(Limits::STACK_BYTES, compile).map_err(|error| invalid(&error))??)
}

fn invalid(error: &wasmtime::Error) -> Refusal {
    printable(&format!("{error:#}"), REASON_BYTES).into()
}

fn why(status: ExitStatus, reason: &[u8]) -> NotAStrategy {
    let reason = printable_bytes(reason.trim_ascii(), REASON_BYTES);
    match status.code() {
        Some(1) => NotAStrategy::Invalid(reason),
        Some(code) if code == i32::from(TOO_MUCH) => NotAStrategy::TooMuch(reason),
        _ => NotAStrategy::CompilerFailed(format!("it ended with {status}: {reason}")),
    }
}
