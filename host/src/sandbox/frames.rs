//! Where a component was when it came to its end.

use wasmtime::{FrameInfo, WasmBacktrace};

use super::places::Place;
use super::untrusted::printable;

/// Most frames that an error shows.
const FRAMES: usize = 8;

/// How the names of functions begin that only carry a panic to the trap.
const PANIC_MACHINERY: [&str; 7] = ["abort", "__rust", "rust_", "std::", "core::", "alloc::", "_Exit"];

/// What is innermost in each call of the host: the way there, which tools put between.
const NAMELESS: &str = "a function without a name";

/// A function that was running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// From the name section.
    function: Option<String>,
    /// Of the instruction, in the component's file.
    pub(super) offset: Option<usize>,
}

/// The functions that were running, innermost first.
pub(super) fn frames(error: &wasmtime::Error) -> Vec<Frame> {
    let frame =
        |frame: &FrameInfo| Frame { function: frame.func_name().map(str::to_owned), offset: frame.module_offset() };
    error
        .downcast_ref::<WasmBacktrace>()
        .into_iter()
        .flat_map(|backtrace| backtrace.frames().iter().map(frame))
        .collect()
}

/// The same in words, with files and lines where `places` has them for the offset of a frame.
pub(super) fn shown(frames: &[Frame], places: impl Fn(usize) -> Vec<Place>) -> Vec<String> {
    let mut shown: Vec<String> = frames.iter().flat_map(|frame| calls(frame, &places)).collect();
    // A recursion is one line, however deep.
    shown.dedup();
    let machinery = shown
        .iter()
        .take_while(|frame| *frame == NAMELESS || PANIC_MACHINERY.iter().any(|name| frame.starts_with(name)));
    let author = machinery.count();
    if author < shown.len() {
        shown.drain(..author);
    }
    shown.truncate(FRAMES);
    shown
}

/// The call of one frame, after those that were inlined into it.
fn calls(frame: &Frame, places: &impl Fn(usize) -> Vec<Place>) -> Vec<String> {
    let name = |name: Option<&str>| name.or(frame.function.as_deref()).map_or_else(|| NAMELESS.into(), rustc_name);
    let call = |Place { function, file, line }: &Place| {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        let place = file.as_ref().map(|file| format!(" ({file}{line})")).unwrap_or_default();
        printable(&format!("{}{place}", name(function.as_deref())), 300)
    };
    let found = frame.offset.map(places).unwrap_or_default();
    if found.is_empty() { vec![printable(&name(None), 300)] } else { found.iter().map(call).collect() }
}

/// A mangled name as its author wrote it, where it is one. Of names that double with each letter, the library ends after a
/// million.
fn rustc_name(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
