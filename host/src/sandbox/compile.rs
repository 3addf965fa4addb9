//! From a component's bytes to native code, in a process that can be stopped.
//!
//! A small file can keep a compiler busy for minutes and fill the machine's memory, and a compiler meets a stranger's
//! bytes here. So the program starts itself as a child with bounds on memory and time: it gets the component on standard
//! input, and gives native code on standard output or its reason on standard error. Whatever happens to it, the parent
//! has an error to show.

use std::io::{self, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use layerwright_packer::Digest;
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::call::guarded;
use super::compiled::{self, CompiledCache, Found};
use super::engine::config;
use super::error::NotAStrategy;
use super::limits::Limits;
use super::untrusted::{printable, printable_bytes};

/// The hidden command by which the program is its own compiler.
pub(crate) const COMMAND: &str = "compile-planner";

/// How long a user waits without being told why.
const PATIENCE: Duration = Duration::from_millis(400);

/// Largest native code. That of a component with an interpreter inside is 40 MB.
const CODE_BYTES: u64 = 1 << 30;

/// Longest reason that is shown, in bytes.
const REASON_BYTES: usize = 1000;

/// More threads bring little, and each takes memory.
const THREADS: usize = 8;

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
    /// What was kept of an earlier run was damaged. It is made again.
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
    let failed = |error: io::Error| NotAStrategy::CompilerFailed(format!("it could not be run: {error}"));
    let mut child = command(limits).spawn().map_err(failed)?;
    let mut stdin = child.stdin.take().expect("it is piped");
    let (stdout, stderr) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
    let (done, is_done) = channel();
    thread::scope(|scope| {
        // A child that ends early does not read to the end; its own words say why.
        scope.spawn(move || stdin.write_all(bytes).ok());
        let reason = scope.spawn(|| read(stderr, 1 << 16));
        let code = scope.spawn(move || {
            let code = read(stdout, CODE_BYTES);
            done.send(()).ok();
            code
        });
        let is_in_time = wait(&is_done, limits.compile_timeout, waiting);
        if !is_in_time {
            child.kill().map_err(failed)?;
        }
        let code = code.join().expect("reading does not panic").map_err(failed)?;
        let reason = reason.join().expect("reading does not panic").map_err(failed)?;
        let status = ended(child).map_err(failed)?;
        match status.success() {
            true => Ok(code),
            false if !is_in_time => Err(NotAStrategy::CompileTimeout { limit: limits.compile_timeout }),
            false => Err(why(status, &reason, limits)),
        }
    })
}

/// What the child does. Ends with success after it wrote native code, otherwise after it wrote a reason.
pub(crate) fn child(memory_bytes: u64, seconds: u64) -> Result<(), String> {
    bound(memory_bytes, seconds).map_err(|error| format!("bounding the compiler: {error}"))?;
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let code = native_code(&bytes).map_err(|error| printable(&format!("{error:#}"), REASON_BYTES))?;
    io::stdout().lock().write_all(&code).map_err(|error| error.to_string())
}

fn native_code(bytes: &[u8]) -> wasmtime::Result<Vec<u8>> {
    guarded(Limits::STACK_BYTES, || Engine::new(&config(Limits::STACK_BYTES))?.precompile_component(bytes))
}

fn command(limits: &Limits) -> Command {
    // Not the path by which it was started, behind which there may be another program by now.
    let mut command = Command::new("/proc/self/exe");
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    command.args([COMMAND, &limits.compile_memory_bytes.to_string(), &limits.compile_timeout.as_secs().to_string()]);
    command.env_clear().env("RAYON_NUM_THREADS", threads.to_string());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Bounds this process before it sees a byte of what it is to compile.
fn bound(memory_bytes: u64, seconds: u64) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    let at_most = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
    // What is written to, and not what is merely reserved, of which threads take much.
    setrlimit(Resource::Data, at_most(memory_bytes))?;
    // The parent keeps the time. This is for a child that has lost it.
    setrlimit(Resource::Cpu, at_most(seconds.saturating_mul(THREADS as u64).saturating_add(1)))?;
    setrlimit(Resource::Core, at_most(0))?;
    Ok(())
}

fn read(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns whether it was done in time.
fn wait(is_done: &Receiver<()>, limit: Duration, waiting: &dyn Fn()) -> bool {
    let is_over = |result| !matches!(result, Err(RecvTimeoutError::Timeout));
    let patience = PATIENCE.min(limit);
    if is_over(is_done.recv_timeout(patience)) {
        return true;
    }
    waiting();
    is_over(is_done.recv_timeout(limit - patience))
}

/// Its standard output has ended: what is left of it takes no time, unless it means harm.
fn ended(mut child: Child) -> io::Result<ExitStatus> {
    for _ in 0..100 {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()
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
