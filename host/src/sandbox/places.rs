//! Where in its source a component was, from its debug information (DWARF).
//!
//! Debug information is a stranger's, and a few KB of it can keep a reader busy for hours and fill the machine's memory.
//! So it is read in a child, for the few addresses of a backtrace. Where that comes to nothing, a backtrace has the names
//! of functions that the engine knows, and no places.

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use addr2line::Context;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian};
use serde::{Deserialize, Serialize};
use wasmparser::{Encoding, Parser, Payload};

use crate::child::{self, Job};

/// The hidden command by which the program is its own reader.
pub(crate) const COMMAND: &str = "locate-frames";

const MEMORY_BYTES: u64 = 1 << 30;
const TIME: Duration = Duration::from_secs(5);

/// Of some twenty frames, with what was inlined into each.
const OUTPUT_BYTES: u64 = 1 << 20;

/// Most functions that were inlined into one frame.
const INLINED: usize = 20;

/// A call, as the source has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// As compilers write it, mangled or not.
    pub(super) function: Option<String>,
    pub(super) file: Option<String>,
    pub(super) line: Option<u32>,
}

/// Returns the component again, if there is debug information in it.
pub(super) fn with_debug_information(component: &[u8]) -> Option<Vec<u8>> {
    let is_found = |payload: Payload<'_>| matches!(payload, Payload::CustomSection(one) if one.name() == ".debug_info");
    let mut payloads = Parser::new(0).parse_all(component).map_while(Result::ok);
    payloads.any(is_found).then(|| component.to_vec())
}

/// Locates instructions, each by its offset in the component's file. Returns for each the functions that were inlined
/// there, innermost first, and last the one that they were inlined into; none where nothing is known.
pub(super) fn in_child(component: &[u8], offsets: &[usize]) -> Vec<Vec<Place>> {
    let job = Job {
        command: COMMAND,
        arguments: offsets.iter().map(ToString::to_string).collect(),
        memory_bytes: MEMORY_BYTES,
        time: TIME,
        output_bytes: OUTPUT_BYTES,
    };
    let found = job.run(component, &|| ()).ok().and_then(|found| serde_json::from_slice(&found).ok());
    found.unwrap_or_default()
}

/// What the child does. Writes JSON to standard output.
pub(crate) fn child(memory_bytes: u64, seconds: u64, offsets: &[usize]) -> Result<(), String> {
    let component = child::begin(memory_bytes, seconds)?;
    serde_json::to_writer(std::io::stdout().lock(), &locate(&component, offsets)).map_err(|error| error.to_string())
}

/// As [`in_child`], in this process.
pub(super) fn locate(component: &[u8], offsets: &[usize]) -> Vec<Vec<Place>> {
    let modules = modules(component);
    let locate = |offset: &usize| {
        let module = modules.iter().find(|module| module.code.contains(offset));
        module.and_then(|module| module.locate(*offset)).unwrap_or_default()
    };
    offsets.iter().map(locate).collect()
}

/// A core module in a component.
#[derive(Default)]
struct Module<'c> {
    /// Where its code is, by offsets in the file. Debug information counts from the start of it.
    code: Range<usize>,
    /// Custom sections, by name.
    sections: HashMap<&'c str, &'c [u8]>,
}

fn modules(component: &[u8]) -> Vec<Module<'_>> {
    let (mut open, mut done) = (Vec::new(), Vec::new());
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        match payload {
            Payload::Version { encoding, .. } => open.push((encoding == Encoding::Module, Module::default())),
            Payload::CodeSectionStart { range, .. } => {
                if let Some((_, module)) = open.last_mut() {
                    module.code = range;
                }
            }
            Payload::CustomSection(section) => {
                if let Some((_, module)) = open.last_mut() {
                    module.sections.insert(section.name(), section.data());
                }
            }
            Payload::End(_) => done.extend(open.pop().and_then(|(is_module, module)| is_module.then_some(module))),
            _ => {}
        }
    }
    done
}

impl Module<'_> {
    fn locate(&self, offset: usize) -> Option<Vec<Place>> {
        let section = |name: &str| EndianSlice::new(self.sections.get(name).copied().unwrap_or_default(), LittleEndian);
        let dwarf = Dwarf::load(|id| Ok::<_, addr2line::gimli::Error>(section(id.name()))).ok()?;
        let context = Context::from_dwarf(dwarf).ok()?;
        let mut frames = context.find_frames((offset - self.code.start) as u64).skip_all_loads().ok()?;
        let mut places = Vec::new();
        while let Ok(Some(frame)) = frames.next() {
            let function = frame.function.and_then(|name| Some(name.raw_name().ok()?.into_owned()));
            let (file, line) = frame.location.map_or((None, None), |at| (at.file.map(str::to_owned), at.line));
            places.push(Place { function, file, line });
            if places.len() == INLINED {
                break;
            }
        }
        Some(places)
    }
}
