//! The three ways in which a strategy gives no proposal: it refused, it misbehaved, or it is none.

use std::time::Duration;

use layerwright_packer::Digest;
use layerwright_planner::Failure;
use thiserror::Error;
use wasmtime::{Trap, WasmBacktrace};

use super::limits::{Limits, MemoryExceeded, TableExceeded};
use super::log::{LogFlood, LogLine};
use super::untrusted::printable;

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
        /// What it said.
        failure: Failure,
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
    /// Native stack, or the component's own.
    #[error("its stack overflowed; the limit of {} KiB is fixed", Limits::STACK_BYTES >> 10)]
    StackOverflow,
    /// One of the limits that no flag raises.
    #[error("it {0}; the limit is fixed")]
    FixedLimit(String),
    /// The answer, or one message, is too large.
    #[error("it handed over more than {} MiB at once; the limit is fixed", Limits::RETURNED_BYTES >> 20)]
    TooMuchData,
    /// A panic, `abort`, or a failed assertion.
    #[error("it gave up (`unreachable`); its last messages may say why")]
    Abort,
    /// Any other trap.
    #[error("it crashed: {0}")]
    Trap(String),
    /// The answer does not fit the contract's types.
    #[error("it returned malformed data: {0}")]
    Malformed(String),
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
    #[error("it has {bytes} bytes, but at most {} are allowed", Limits::COMPONENT_BYTES)]
    TooLarge {
        /// Its size.
        bytes: u64,
    },
    /// The parser or the compiler does not take it.
    #[error("it is a damaged or unsupported component: {0}")]
    Invalid(String),
    /// It asks for more than a strategy gets.
    #[error("it asks for what no planner gets: {}", .0.join(", "))]
    ForbiddenImports(Vec<String>),
    /// Some other component.
    #[error("it does not export the interface {wanted}; it exports {}", if found.is_empty() { "nothing".to_owned() } else { found.join(", ") })]
    OtherWorld {
        /// What a strategy exports.
        wanted: String,
        /// What it exports.
        found: Vec<String>,
    },
    /// The names fit, the types do not.
    #[error("it was built for another version of the contract: {0}")]
    OtherTypes(String),
}

/// Reads out of the engine's error what the strategy did.
pub(super) fn misdeed(error: &wasmtime::Error, limits: &Limits) -> Misdeed {
    if let Some(MemoryExceeded { wanted, limit }) = error.downcast_ref() {
        return Misdeed::OutOfMemory { wanted: *wanted, limit: *limit };
    }
    if let Some(exceeded) = error.downcast_ref::<TableExceeded>() {
        return Misdeed::FixedLimit(exceeded.to_string());
    }
    if let Some(flood) = error.downcast_ref::<LogFlood>() {
        return Misdeed::FixedLimit(flood.to_string());
    }
    let text = printable(&format!("{:#}", error.root_cause()), TEXT_BYTES);
    match error.downcast_ref::<Trap>() {
        Some(Trap::OutOfFuel) => Misdeed::OutOfFuel { limit: limits.fuel },
        Some(Trap::Interrupt) => Misdeed::Timeout { limit: limits.timeout },
        Some(Trap::StackOverflow) => Misdeed::StackOverflow,
        Some(Trap::UnreachableCodeReached) => Misdeed::Abort,
        Some(_) => Misdeed::Trap(text),
        // The engine has no type of its own for this one.
        None if text.contains("fuel allocated for hostcalls") => Misdeed::TooMuchData,
        None if text.contains("count too high") => Misdeed::FixedLimit(format!("asked for too much: {text}")),
        None => Misdeed::Malformed(text),
    }
}

/// Names of the functions that were running, innermost first.
pub(super) fn frames(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    let frames = backtrace.frames().iter().take(8);
    frames.map(|frame| printable(&rustc_name(frame.func_name().unwrap_or("?")), 200)).collect()
}

/// A mangled name as its author wrote it, where it is one.
fn rustc_name(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
