//! The three ways in which a strategy gives no proposal: it refused, it misbehaved, or it is none.

use std::time::Duration;

use layerwright_packer::Digest;
use layerwright_planner::Failure;
use thiserror::Error;
use wasmtime::{Trap, WasmBacktrace};

use super::call::WrongTypes;
use super::contract;
use super::file_kind::FileKind;
use super::limits::{CallLimits, Limits, MemoryExceeded, is_of_the_machine};
use super::log::{LogFlood, LogLine};
use super::untrusted::printable;
use super::wasi::{Denied, Exited, RandomFlood};
use crate::child::Clock;

/// Longest text of a strategy or of the engine that an error shows, in bytes.
const TEXT_BYTES: usize = 2000;

/// Why there is no proposal.
#[derive(Debug, Error)]
pub(crate) enum StrategyError {
    /// The file is no component of ours. It was not run.
    #[error("planner `{planner}` cannot be used")]
    NotAStrategy {
        /// How the user named it.
        planner: String,
        /// The digest of its bytes, where they were read.
        digest: Option<Digest>,
        /// What it is instead.
        #[source]
        reason: NotAStrategy,
    },
    /// It ran, and said no in its own words.
    #[error("planner `{planner}` {version} refused: {}", printable(&failure.to_string(), TEXT_BYTES))]
    Refused {
        /// How the user named it.
        planner: String,
        /// Its version.
        version: String,
        /// Why.
        failure: Failure,
        /// What it had said until then.
        log: Vec<LogLine>,
    },
    /// The machine could not run it, which says nothing of the planner.
    #[error(
        "planner `{planner}` could not be run on this machine: {reason}; it takes threads, and some GiB of address space, \
         which `ulimit -v`, `ulimit -u` or a container can forbid"
    )]
    Machine {
        /// How the user named it.
        planner: String,
        /// What the system said.
        reason: String,
    },
    /// It ran, and broke a rule or a limit. Going on would mean to believe it.
    #[error(transparent)]
    Misbehaved(Box<Failed>),
}

/// A call that came to a bad end.
#[derive(Debug, Error)]
#[error("planner `{planner}`{} failed {phase}", version.as_ref().map(|version| format!(" {version}")).unwrap_or_default())]
pub(crate) struct Failed {
    /// How the user named it.
    pub(crate) planner: String,
    /// Its version, where it got as far as telling.
    pub(crate) version: Option<String>,
    /// The digest of its bytes.
    pub(crate) digest: Digest,
    /// What it was doing.
    pub(crate) phase: Phase,
    /// What happened.
    #[source]
    pub(crate) misdeed: Misdeed,
    /// Where in the component, innermost function first. May be empty.
    pub(crate) frames: Vec<String>,
    /// What it had said until then.
    pub(crate) log: Vec<LogLine>,
}

/// What a strategy was doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum Phase {
    /// Its initialisers.
    #[error("while it was starting")]
    Start,
    /// `describe`
    #[error("in `describe`")]
    Describe,
    /// `plan`
    #[error("in `plan`")]
    Plan,
}

/// How a strategy broke a rule or a limit.
#[derive(Debug, Error)]
pub(crate) enum Misdeed {
    /// Fuel
    #[error("it used its whole budget of {limit} instructions; --planner-fuel raises it")]
    OutOfFuel {
        /// The budget.
        limit: u64,
    },
    /// Time
    #[error("it took longer than {} seconds; --planner-timeout raises the limit", limit.as_secs_f64())]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// Memory
    #[error("it wanted {} MiB of memory, but at most {} MiB are allowed; --planner-memory raises the limit", wanted.div_ceil(1 << 20), limit >> 20)]
    OutOfMemory {
        /// Bytes it would have had.
        wanted: u64,
        /// Bytes it may have.
        limit: u64,
    },
    /// Native stack
    #[error("its stack overflowed: it may have {} KiB; --planner-stack raises the limit", limit >> 10)]
    StackOverflow {
        /// The limit.
        limit: usize,
    },
    /// The stack that the component keeps in its memory, as compilers of most languages lay it out.
    #[error(
        "it went below address zero of its memory: most likely the stack that it keeps there overflowed, whose size was set when it was linked"
    )]
    OwnStackOverflow,
    /// The answer, or one message, is too large.
    #[error("it handed over more than {} MiB at once; --planner-output raises the limit", limit >> 20)]
    TooMuchData {
        /// The limit.
        limit: u64,
    },
    /// It said too much.
    #[error("it logged more than {} KiB, or too many lines; --planner-log raises the limit", limit >> 10)]
    LogFlood {
        /// The limit.
        limit: u64,
    },
    /// One of the limits that no flag raises.
    #[error("it {0}; the limit is fixed")]
    FixedLimit(String),
    /// It used what can be imported and does not exist.
    #[error("it {0}: a planner sees its request and the history of earlier images, and nothing else")]
    Denied(String),
    /// It ended itself.
    #[error("it ended itself (`exit`); its last messages may say why")]
    Exited,
    /// A panic, `abort`, or a failed assertion.
    #[error("it gave up (`unreachable`); its last messages may say why")]
    Abort,
    /// Any other trap.
    #[error("it crashed: {0}")]
    Trap(String),
    /// An answer or a message that does not fit its type.
    #[error("it handed over malformed data: {0}")]
    Malformed(String),
    /// It has the names of a strategy and not the types, and is none.
    #[error("{0}")]
    OtherTypes(String),
    /// The machine is the reason, and not the planner.
    #[error("{0}")]
    Machine(String),
    /// `describe` tells nothing useful.
    #[error("its description is not valid: {0}")]
    BadDescription(String),
}

/// What a file is, if it is no strategy.
#[derive(Debug, Error)]
pub(crate) enum NotAStrategy {
    /// Not WebAssembly.
    #[error("it is not WebAssembly: it begins with {start:02x?} and not with 00 61 73 6d")]
    NotWebAssembly {
        /// The first bytes.
        start: Vec<u8>,
    },
    /// Not WebAssembly, but something that one knows.
    #[error("it is not WebAssembly: {0}")]
    OtherFile(FileKind),
    /// A module.
    #[error(
        "it is a core WebAssembly module and not a component; build it for wasm32-wasip2, or wrap it with \
         `wasm-tools component new`"
    )]
    CoreModule,
    /// Native code, which a sandbox must never load from a stranger.
    #[error("it is compiled native code (.cwasm), which no sandbox could hold; use the .wasm file it was made from")]
    NativeCode,
    /// Larger than any strategy needs to be.
    #[error("it has {bytes} bytes, but at most {limit} are allowed; --planner-size raises the limit")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// The parser or the compiler does not take it.
    #[error("it is a damaged or unsupported component: {0}")]
    Invalid(String),
    /// It is valid, and its parts come to more than any planner needs.
    #[error("{0}")]
    TooMuch(String),
    /// Compiling it takes too long.
    #[error(
        "compiling it takes {} {} seconds{}; --planner-compile-timeout raises the limit",
        if *clock == Clock::Processor { "more than" } else { "longer than" },
        limit.as_secs(),
        if *clock == Clock::Processor { " of processor time" } else { " on a machine that has little time for it" }
    )]
    CompileTime {
        /// The limit.
        limit: Duration,
        /// Of what.
        clock: Clock,
    },
    /// Compiling it takes too much memory.
    #[error("compiling it takes more than {} MiB of memory; --planner-compile-memory raises the limit", limit >> 20)]
    CompileMemory {
        /// The limit.
        limit: u64,
    },
    /// The compiler came to a bad end, which is a bug of the compiler.
    #[error("the compiler failed on it: {0}")]
    CompilerFailed(String),
    /// It asks for what does not exist here.
    #[error("it imports what no planner gets: {}", .0.join(", "))]
    UnknownImports(Vec<String>),
    /// Some other component.
    #[error("it does not export the interface layerwright:planner/strategy; it exports {}", if .0.is_empty() { "nothing".to_owned() } else { .0.join(", ") })]
    OtherWorld(Vec<String>),
    /// A strategy for a version of the contract that is not understood.
    #[error("it was built for {0}, and this program offers layerwright:planner@{version}", version = contract::VERSION)]
    OtherContract(String),
    /// The names fit, the types do not.
    #[error(
        "it does not fit layerwright:planner@{version}, which this program offers; perhaps it was built for a newer \
         version: {0}",
        version = contract::VERSION
    )]
    OtherTypes(String),
}

/// Reads out of the engine's error what the strategy did.
pub(super) fn misdeed(error: &wasmtime::Error, limits: &CallLimits) -> Misdeed {
    if let Some(MemoryExceeded { wanted, limit }) = error.downcast_ref() {
        return Misdeed::OutOfMemory { wanted: *wanted, limit: *limit };
    }
    if let Some(LogFlood { limit_bytes }) = error.downcast_ref() {
        return Misdeed::LogFlood { limit: *limit_bytes };
    }
    if let Some(flood) = error.downcast_ref::<RandomFlood>() {
        return Misdeed::FixedLimit(flood.to_string());
    }
    if let Some(denied) = error.downcast_ref::<Denied>() {
        return Misdeed::Denied(printable(&denied.to_string(), TEXT_BYTES));
    }
    if let Some(WrongTypes(why)) = error.downcast_ref() {
        return Misdeed::OtherTypes(printable(why, TEXT_BYTES));
    }
    if is_of_the_machine(error) {
        return Misdeed::Machine(printable(&error.root_cause().to_string(), TEXT_BYTES));
    }
    if error.downcast_ref::<Exited>().is_some() {
        return Misdeed::Exited;
    }
    trap(error, limits)
}

fn trap(error: &wasmtime::Error, limits: &CallLimits) -> Misdeed {
    let text = printable(&format!("{:#}", error.root_cause()), TEXT_BYTES);
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Misdeed::OutOfFuel { limit: limits.fuel },
        Some(Trap::Interrupt) => Misdeed::Timeout { limit: limits.timeout },
        Some(Trap::StackOverflow) => Misdeed::StackOverflow { limit: limits.stack_bytes },
        Some(Trap::UnreachableCodeReached) => Misdeed::Abort,
        Some(Trap::MemoryOutOfBounds) if is_below_zero(error) => Misdeed::OwnStackOverflow,
        Some(_) => Misdeed::Trap(text),
        // The engine has no type of its own for this one.
        None if text.contains("fuel allocated for hostcalls") => Misdeed::TooMuchData { limit: limits.output_bytes },
        None => too_many(&text).map_or(Misdeed::Malformed(text), Misdeed::FixedLimit),
    }
}

/// Numbers of things, for which the engine has words and no types either.
fn too_many(text: &str) -> Option<String> {
    if text.contains("handle limit exceeded") {
        return Some(format!("holds more than {} resources at once", Limits::HANDLES));
    }
    let (what, count) = text.strip_prefix("resource limit exceeded: ")?.split_once(" count too high at ")?;
    let (what, limit) = match what {
        "instance" => ("core modules", Limits::INSTANCES),
        "table" => ("tables", Limits::TABLES),
        "memory" => ("memories", Limits::MEMORIES),
        _ => return None,
    };
    Some(format!("has {count} {what}, but at most {limit} are allowed"))
}

/// Compilers put a component's own stack below its data, so that it runs over into addresses below zero, which are the
/// last ones, or to just behind them where the instruction adds something.
fn is_below_zero(error: &wasmtime::Error) -> bool {
    const SUSPECT_BYTES: u64 = 64 << 20;
    const ZERO: u64 = 1 << 32;
    // What comes first is the backtrace, with the component's own names, however many and long they are.
    let backtrace = usize::from(error.is::<WasmBacktrace>());
    let text = error.chain().skip(backtrace).map(ToString::to_string).find(|text| text.contains("wasm address 0x"));
    let address = text.as_ref().and_then(|text| text.split("wasm address 0x").nth(1)?.split(' ').next());
    let address = address.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    address.is_some_and(|address| address.abs_diff(ZERO) < SUSPECT_BYTES)
}
