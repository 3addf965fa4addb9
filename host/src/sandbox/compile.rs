//! From a component's bytes to native code, in a process that can be stopped.
//!
//! A small file can keep a compiler busy for minutes and fill the machine's memory, and a compiler meets a stranger's
//! bytes here. So it works in a child, see [`super::child`].

use std::io::{self, Write};
use std::process::ExitStatus;

use layerwright_packer::Digest;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::call::guarded;
use super::child::{self, Job, Stopped};
use super::compiled::{self, CompiledCache, Found};
use super::engine::config;
use super::error::NotAStrategy;
use super::limits::Limits;
use super::untrusted::{printable, printable_bytes};

/// The hidden command by which the program is its own compiler.
pub(crate) const COMMAND: &str = "compile-planner";

/// Largest native code. That of a component with an interpreter inside is 40 MB.
const CODE_BYTES: u64 = 1 << 30;

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
    let invalid = |error: wasmtime::Error| NotAStrategy::Invalid(printable(&format!("{error:#}"), REASON_BYTES));
    let code = native_code(bytes).map_err(invalid)?;
    compiled::from_compiler(engine, &code).map_err(invalid)
}

/// Compiles in a child. `waiting` is called once, when it takes long enough to be noticed.
fn in_child(bytes: &[u8], limits: &Limits, waiting: &dyn Fn()) -> Result<Vec<u8>, NotAStrategy> {
    let job = Job {
        command: COMMAND,
        arguments: Vec::new(),
        memory_bytes: limits.compile_memory_bytes,
        timeout: limits.compile_timeout,
        output_bytes: CODE_BYTES,
    };
    job.run(bytes, waiting).map_err(|stopped| match stopped {
        Stopped::NotRun(error) => NotAStrategy::CompilerFailed(format!("it could not be run: {error}")),
        Stopped::TimedOut => NotAStrategy::CompileTimeout { limit: limits.compile_timeout },
        Stopped::Failed { status, reason } => why(status, &reason, limits),
    })
}

/// What the child does. Ends with success after it wrote native code, otherwise after it wrote a reason.
pub(crate) fn child(memory_bytes: u64, seconds: u64) -> Result<(), String> {
    let bytes = child::begin(memory_bytes, seconds)?;
    let code = native_code(&bytes).map_err(|error| printable(&format!("{error:#}"), REASON_BYTES))?;
    io::stdout().lock().write_all(&code).map_err(|error| error.to_string())
}

fn native_code(bytes: &[u8]) -> wasmtime::Result<Vec<u8>> {
    guarded(Limits::STACK_BYTES, || Engine::new(&config(Limits::STACK_BYTES))?.precompile_component(bytes))
}

fn why(status: ExitStatus, reason: &[u8], limits: &Limits) -> NotAStrategy {
    let reason = printable_bytes(reason.trim_ascii(), REASON_BYTES);
    // What the standard library says before it aborts, and the system's words for ENOMEM.
    if reason.contains("memory allocation of") || reason.contains("Cannot allocate memory") {
        return NotAStrategy::CompileMemory { limit: limits.compile_memory_bytes };
    }
    match status.code() {
        Some(1) => NotAStrategy::Invalid(reason),
        _ => NotAStrategy::CompilerFailed(format!("it ended with {status}: {reason}")),
    }
}
