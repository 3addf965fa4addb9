//! WASI 0.2 without any authority.
//!
//! What Rust's standard library, Python and JavaScript are compiled to imports WASI, whether a strategy uses it or not.
//! It gets an implementation in which there is nothing: no environment, no arguments, no folders, no terminal, a standard
//! input that has ended, clocks that stand still, random numbers that are the same each time, and polls that are always
//! ready, so that nobody can wait. Standard output and standard error are the strategy's log. All else, sockets, HTTP
//! and files among it, can be imported and ends the strategy when it is called.
//!
//! Nothing in this file reads a clock, a file, the environment or the system's randomness; its state is [`Wasi`] and the
//! log. Interfaces are matched by name and not by version: each 0.2 release of WASI is compatible with those before it.

use layerwright_planner::Level;
use wasmtime::StoreContextMut;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType};

use super::call::State;

/// Random bytes over one call. Hash tables ask for a few; no fuel pays for more.
const RANDOM_BYTES: u64 = 1 << 20;

/// How much may be written to a stream at once. Any number would do: the log has its own bound.
const WRITE_BYTES: u64 = 1 << 16;

/// How the versions begin that fit.
const COMPATIBLE: &str = "0.2.";

/// Longest version, with what stands behind the third number.
const VERSION_BYTES: usize = 32;

/// Interfaces that do something, if only to say that there is nothing.
const INERT: [&str; 19] = [
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
];

/// Interfaces of which nothing can be used. With those above they are all of WASI 0.2: what is in no list does not exist.
const DENIED: [&str; 13] = [
    "wasi:cli/run",
    "wasi:clocks/timezone",
    "wasi:filesystem/types",
    "wasi:http/incoming-handler",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// What comes of importing an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// It can be used, and has no effect on anything.
    Inert,
    /// It can be imported, and ends the strategy when it is used.
    Denied,
    /// It does not exist here.
    Absent,
}

/// The strategy used something that can be imported and does not exist.
#[derive(Clone, Debug, thiserror::Error)]
#[error("used {interface}#{function}, which no planner gets")]
pub(super) struct Denied {
    /// As the list above has it, so that no function has its own.
    interface: &'static str,
    function: Box<str>,
}

/// The strategy ended itself.
#[derive(Debug, thiserror::Error)]
#[error("called exit")]
pub(super) struct Exited;

/// The strategy asked for more random bytes than any hash table needs.
#[derive(Debug, thiserror::Error)]
#[error("asked for more than {RANDOM_BYTES} random bytes")]
pub(super) struct RandomFlood;

/// Tells what comes of an import.
pub(super) fn presence(import: &str) -> Presence {
    match interface(import) {
        None => Presence::Absent,
        Some(interface) if INERT.contains(&interface) => Presence::Inert,
        Some(_) => Presence::Denied,
    }
}

/// The interface that an import names, if there is one.
fn interface(import: &str) -> Option<&'static str> {
    let (name, version) = import.split_once('@')?;
    let fits = version.starts_with(COMPATIBLE) && version.len() <= VERSION_BYTES;
    INERT.into_iter().chain(DENIED).find(|known| fits && *known == name)
}

/// Defines everything of WASI that the component imports, of which [`super::extent`] has bounded the number and the names.
pub(super) fn link(linker: &mut Linker<State>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    for (import, item) in component.component_type().imports(&engine) {
        let (Some(interface), ComponentItem::ComponentInstance(instance)) = (interface(import), item.ty) else {
            continue;
        };
        let mut linked = linker.instance(import)?;
        for (name, item) in instance.exports(&engine) {
            match item.ty {
                ComponentItem::Resource(_) => linked.resource(name, resource(name), |_, _| Ok(()))?,
                ComponentItem::ComponentFunc(_) => define(&mut linked, interface, name)?,
                // Types need no definition, and whatever else there may be is missed when it is linked.
                _ => {}
            }
        }
    }
    Ok(())
}

/// What a strategy has used of WASI.
#[derive(Debug, Default)]
pub(super) struct Wasi {
    /// How many random bytes were given.
    random_bytes: u64,
}

impl Wasi {
    /// The next eight random bytes: the sequence SplitMix64 (Steele, Lea and Flood 2014) from 0, the same for everyone.
    fn random_u64(&mut self) -> Result<u64, RandomFlood> {
        self.random_bytes += 8;
        if self.random_bytes > RANDOM_BYTES {
            return Err(RandomFlood);
        }
        let z = (self.random_bytes / 8).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        Ok(z ^ (z >> 31))
    }

    fn random(&mut self, count: u64) -> Result<Vec<u8>, RandomFlood> {
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < count {
            bytes.extend_from_slice(&self.random_u64()?.to_le_bytes());
        }
        bytes.truncate(usize::try_from(count).expect("nobody gets more than the quota"));
        Ok(bytes)
    }
}

/// Which stream an output is: what stands behind its handle.
const STDOUT: u32 = 1;
const STDERR: u32 = 2;

struct Pollable;
struct InputStream;
struct OutputStream;
struct IoError;
struct TerminalInput;
struct TerminalOutput;
struct Descriptor;
/// A resource of which there never is one.
struct Absent;

fn resource(name: &str) -> ResourceType {
    match name {
        "pollable" => ResourceType::host::<Pollable>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "error" => ResourceType::host::<IoError>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        _ => ResourceType::host::<Absent>(),
    }
}

#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

type Cx<'a> = StoreContextMut<'a, State>;
type Output = (Resource<OutputStream>, Vec<u8>);
type Input = (Resource<InputStream>, u64);
type Read = (Result<Vec<u8>, StreamError>,);
type Written = (Result<(), StreamError>,);

/// The time at which every strategy is run: that of files in a store.
const NOW: Datetime = Datetime { seconds: 1, nanoseconds: 0 };
const TICK: Datetime = Datetime { seconds: 0, nanoseconds: 1 };

/// Defines one function: as one of the few that do something, or as one that ends the strategy.
fn define(to: &mut LinkerInstance<'_, State>, interface: &'static str, name: &str) -> wasmtime::Result<()> {
    match (interface, name) {
        ("wasi:cli/environment", "get-environment") => {
            to.func_wrap(name, |_: Cx<'_>, ()| Ok((Vec::<(String, String)>::new(),)))
        }
        ("wasi:cli/environment", "get-arguments") => to.func_wrap(name, |_: Cx<'_>, ()| Ok((Vec::<String>::new(),))),
        ("wasi:cli/environment", "initial-cwd") => to.func_wrap(name, |_: Cx<'_>, ()| Ok((None::<String>,))),
        ("wasi:cli/exit", _) => to.func_new(name, |_, _, _, _| Err(Exited.into())),
        ("wasi:cli/stdin", "get-stdin") => {
            to.func_wrap(name, |_: Cx<'_>, ()| Ok((Resource::<InputStream>::new_own(0),)))
        }
        ("wasi:cli/stdout", "get-stdout") => {
            to.func_wrap(name, |_: Cx<'_>, ()| Ok((Resource::<OutputStream>::new_own(STDOUT),)))
        }
        ("wasi:cli/stderr", "get-stderr") => {
            to.func_wrap(name, |_: Cx<'_>, ()| Ok((Resource::<OutputStream>::new_own(STDERR),)))
        }
        ("wasi:cli/terminal-stdin", "get-terminal-stdin") => {
            to.func_wrap(name, |_: Cx<'_>, ()| Ok((None::<Resource<TerminalInput>>,)))
        }
        ("wasi:cli/terminal-stdout", "get-terminal-stdout") | ("wasi:cli/terminal-stderr", "get-terminal-stderr") => {
            to.func_wrap(name, |_: Cx<'_>, ()| Ok((None::<Resource<TerminalOutput>>,)))
        }
        ("wasi:filesystem/preopens", "get-directories") => {
            to.func_wrap(name, |_: Cx<'_>, ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
        }
        ("wasi:clocks/wall-clock", "now") => to.func_wrap(name, |_: Cx<'_>, ()| Ok((NOW,))),
        ("wasi:clocks/wall-clock", "resolution") => to.func_wrap(name, |_: Cx<'_>, ()| Ok((TICK,))),
        ("wasi:clocks/monotonic-clock", "now" | "resolution") => to.func_wrap(name, |_: Cx<'_>, ()| Ok((1u64,))),
        ("wasi:clocks/monotonic-clock", "subscribe-instant" | "subscribe-duration") => {
            to.func_wrap(name, |_: Cx<'_>, (_,): (u64,)| Ok((Resource::<Pollable>::new_own(0),)))
        }
        ("wasi:random/random" | "wasi:random/insecure", _) => define_random(to, name),
        ("wasi:random/insecure-seed", "insecure-seed" | "get-insecure-seed") => {
            to.func_wrap(name, |_: Cx<'_>, ()| Ok(((1u64, 2u64),)))
        }
        ("wasi:io/poll", _) => define_poll(to, name),
        ("wasi:io/error", "[method]error.to-debug-string") => {
            to.func_wrap(name, |_: Cx<'_>, (_,): (Resource<IoError>,)| Ok((String::new(),)))
        }
        ("wasi:io/streams", _) => define_stream(to, name),
        _ => deny(to, interface, name),
    }
}

fn define_random(to: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    if name.ends_with("-bytes") {
        to.func_wrap(name, |mut cx: Cx<'_>, (count,): (u64,)| Ok((cx.data_mut().wasi.random(count)?,)))
    } else {
        to.func_wrap(name, |mut cx: Cx<'_>, ()| Ok((cx.data_mut().wasi.random_u64()?,)))
    }
}

/// Everything is ready, always.
fn define_poll(to: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    match name {
        "poll" => to.func_wrap(name, |_: Cx<'_>, (pollables,): (Vec<Resource<Pollable>>,)| {
            Ok(((0..).zip(&pollables).map(|(at, _)| at).collect::<Vec<u32>>(),))
        }),
        "[method]pollable.ready" => to.func_wrap(name, |_: Cx<'_>, (_,): (Resource<Pollable>,)| Ok((true,))),
        "[method]pollable.block" => to.func_wrap(name, |_: Cx<'_>, (_,): (Resource<Pollable>,)| Ok(())),
        _ => deny(to, "wasi:io/poll", name),
    }
}

/// Input has ended; output is the log.
fn define_stream(to: &mut LinkerInstance<'_, State>, name: &str) -> wasmtime::Result<()> {
    let written = |_: Cx<'_>, (_,): (Resource<OutputStream>,)| -> wasmtime::Result<Written> { Ok((Ok(()),)) };
    match name.strip_prefix("[method]").unwrap_or(name) {
        "input-stream.read" | "input-stream.blocking-read" => {
            to.func_wrap(name, |_: Cx<'_>, _: Input| -> wasmtime::Result<Read> { Ok((Err(StreamError::Closed),)) })
        }
        "input-stream.subscribe" => {
            to.func_wrap(name, |_: Cx<'_>, (_,): (Resource<InputStream>,)| Ok((Resource::<Pollable>::new_own(0),)))
        }
        "output-stream.subscribe" => {
            to.func_wrap(name, |_: Cx<'_>, (_,): (Resource<OutputStream>,)| Ok((Resource::<Pollable>::new_own(0),)))
        }
        "output-stream.check-write" => {
            to.func_wrap(name, |_: Cx<'_>, (_,): (Resource<OutputStream>,)| Ok((Ok::<u64, StreamError>(WRITE_BYTES),)))
        }
        "output-stream.write" | "output-stream.blocking-write-and-flush" => {
            to.func_wrap(name, |mut cx: Cx<'_>, (stream, bytes): Output| -> wasmtime::Result<Written> {
                let level = if stream.rep() == STDERR { Level::Warn } else { Level::Info };
                cx.data_mut().log.write(level, &bytes)?;
                Ok((Ok(()),))
            })
        }
        "output-stream.flush" | "output-stream.blocking-flush" => to.func_wrap(name, written),
        _ => deny(to, "wasi:io/streams", name),
    }
}

fn deny(to: &mut LinkerInstance<'_, State>, interface: &'static str, name: &str) -> wasmtime::Result<()> {
    let denied = Denied { interface, function: name.into() };
    to.func_new(name, move |_, _, _, _| Err(denied.clone().into()))
}
