//! Components with one thing wrong, from WebAssembly text.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{PackageId, Resolve, WorldId};

/// An endless loop, in a function that returns something.
pub(super) const LOOP: &str = "(loop $l (br $l)) (unreachable)";

/// What a component's author puts into memory lies between 1024 and this.
const OWN_END: u32 = 4096;

/// Returns the description that lies at 256.
const DESCRIBES: &str = "(i32.const 256)";

/// Returns the failure `unsatisfiable("Does harm.")`.
const REFUSES: &str = "
    (i32.store8 (i32.const 512) (i32.const 1))
    (i32.store8 (i32.const 516) (i32.const 1))
    (i32.store (i32.const 520) (i32.const 24))
    (i32.store (i32.const 524) (i32.const 10))
    (i32.const 512)";

/// The body of a `plan` that does this so many times and then refuses.
pub(super) fn times(count: u32, what: &str) -> String {
    format!(
        "(loop $l {what}
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $at) (i32.const {count}))))
        {REFUSES}"
    )
}

/// Where an answer made by [`proposal`], [`failure`] or [`description`] is.
pub(super) const ANSWER: &str = "(i32.const 32768)";
const ANSWER_AT: u32 = 32768;

/// The proposal of these layers, each a label and its members.
pub(super) fn proposal(layers: &[(&[u8], &[u32])]) -> String {
    let mut data = Data::after(12 + 16 * layers.len());
    let mut list = Vec::new();
    for (label, members) in layers {
        let members: Vec<u8> = members.iter().flat_map(|id| id.to_le_bytes()).collect();
        list.extend([data.add(label), words(&[label.len()]), data.add(&members), words(&[members.len() / 4])].concat());
    }
    data.item(&[words(&[0, ANSWER_AT as usize + 12, layers.len()]), list].concat())
}

/// A failure with this text: invalid configuration (0), unsatisfiable (1) or other (2).
pub(super) fn failure(case: usize, text: &[u8]) -> String {
    let mut data = Data::after(16);
    let at = data.add(text);
    data.item(&[words(&[1, case]), at, words(&[text.len()])].concat())
}

/// A description with these texts: name, version, summary, and schema.
pub(super) fn description(texts: [&[u8]; 4]) -> String {
    let mut data = Data::after(32);
    let record: Vec<u8> = texts.into_iter().flat_map(|text| [data.add(text), words(&[text.len()])].concat()).collect();
    data.item(&record)
}

/// What an answer points to, behind it.
struct Data {
    start: usize,
    bytes: Vec<u8>,
}

impl Data {
    fn after(bytes: usize) -> Self {
        Self { start: ANSWER_AT as usize + bytes, bytes: Vec::new() }
    }

    /// Returns where it is.
    fn add(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        let at = self.start + self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        words(&[at])
    }

    fn item(self, answer: &[u8]) -> String {
        data(ANSWER_AT, &[answer, &self.bytes].concat())
    }
}

/// These bytes at this address.
pub(super) fn data(at: u32, bytes: &[u8]) -> String {
    let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
    format!("(data (i32.const {at}) \"{escaped}\")")
}

fn words(words: &[usize]) -> Vec<u8> {
    words.iter().flat_map(|word| u32::try_from(*word).expect("memory is small").to_le_bytes()).collect()
}

/// A component that does what the contract says, but for what a test puts in. Each part is text; a body can use the
/// local `$at`, and `$log`, which takes a level, a position and a length.
pub(super) struct Component<'a> {
    /// The body of `plan`. What it leaves on the stack is where its answer is.
    pub(super) plan: &'a str,
    /// The body of `describe`. What it leaves on the stack is where the description is.
    pub(super) describe: &'a str,
    /// The body of the module's start function.
    pub(super) start: &'a str,
    /// What a caller's data are put into memory with.
    pub(super) realloc: &'a str,
    /// More imports.
    pub(super) imports: &'a str,
    /// More functions, data and whatever else a module has.
    pub(super) items: &'a str,
    /// Initial memory.
    pub(super) pages: u32,
}

impl Default for Component<'_> {
    fn default() -> Self {
        Self { plan: REFUSES, describe: DESCRIBES, start: "", realloc: "", imports: "", items: "", pages: 2 }
    }
}

impl Component<'_> {
    pub(super) fn build(&self) -> Vec<u8> {
        encode(&self.module())
    }

    /// The core module of it. The canonical ABI passes a request in seven words and expects a pointer to the answer.
    pub(super) fn module(&self) -> Vec<u8> {
        let Self { plan, describe, start, realloc, imports, items, pages } = self;
        // A name, a version, a schema, a summary, a last word, and at 256 the description that is made of them.
        let text = format!(
            r#"(module
                (import "layerwright:planner/diagnostics@0.1.0" "log" (func $log (param i32 i32 i32)))
                {imports}
                (memory (export "memory") {pages})
                (global $top (mut i32) (i32.const {OWN_END}))
                (data (i32.const 0) "bad\00\00\00\00\001.2.3\00\00\00{{}}\00\00\00\00\00\00Does harm.\00\00\00\00\00\00so far")
                (data (i32.const 256) "\00\00\00\00\03\00\00\00\08\00\00\00\05\00\00\00")
                (data (i32.const 272) "\18\00\00\00\0a\00\00\00\10\00\00\00\02\00\00\00")
                (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                    {realloc}
                    (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
                    (global.get $top)
                    (global.set $top (i32.add (global.get $top) (local.get 3))))
                (func $start (local $at i32) {start})
                (start $start)
                {items}
                (func $describe (export "layerwright:planner/strategy@0.1.0#describe") (result i32) (local $at i32)
                    {describe})
                (func $plan (export "layerwright:planner/strategy@0.1.0#plan")
                    (param i32 i32 i32 i32 i32 i32 i32) (result i32) (local $at i32)
                    (call $log (i32.const 1) (i32.const 40) (i32.const 6))
                    {plan}))"#
        );
        wat::parse_str(text).expect("this is WebAssembly text")
    }
}

/// Makes a component of a core module. Of the imports it gets those that it uses.
pub(super) fn encode(module: &[u8]) -> Vec<u8> {
    let (resolve, world) = world();
    let mut module = module.to_vec();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the world can be encoded");
    let mut encoder = ComponentEncoder::default();
    encoder.module(&module).expect("the module fits the world").encode().expect("the component is valid")
}

fn world() -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
    resolve.push_path(contract).expect("the contract is there");
    let package: PackageId = resolve.push_str("threats.wit", include_str!("threats.wit")).expect("it is valid");
    let world = resolve.select_world(&[package], Some("threat")).expect("there is such a world");
    (resolve, world)
}

/// Returns the component with one more core module in it, of which there are as many instances.
pub(super) fn with_instances(component: &[u8], module: &str, instances: u8) -> Vec<u8> {
    let module = wat::parse_str(module).expect("this is WebAssembly text");
    let position = u8::try_from(sections(component).iter().filter(|(kind, _)| *kind == CORE_MODULE).count());
    let position = position.expect("there are a few modules");
    let mut content = vec![instances];
    // An instance of the module at this position, without any imports.
    content.extend((0..instances).flat_map(|_| [0, position, 0]));
    let mut component = component.to_vec();
    add_section(&mut component, CORE_MODULE, &module);
    add_section(&mut component, CORE_INSTANCE, &content);
    component
}

/// What a component begins with: the magic number, the version of the format, and that it is no module.
pub(super) const PREAMBLE: &[u8] = b"\0asm\x0d\0\x01\0";

const CORE_MODULE: u8 = 1;
const CORE_INSTANCE: u8 = 2;
/// The section that holds a component in a component.
pub(super) const COMPONENT: u8 = 4;

pub(super) fn add_section(component: &mut Vec<u8>, id: u8, content: &[u8]) {
    component.push(id);
    let mut length = content.len();
    // LEB128: seven bits in each byte, the lowest ones first.
    while length > 0x7f {
        component.push(u8::try_from(length & 0x7f).expect("these are seven bits") | 0x80);
        length >>= 7;
    }
    component.push(u8::try_from(length).expect("these are seven bits"));
    component.extend_from_slice(content);
}

/// Of each section, its kind and where it ends.
pub(super) fn sections(component: &[u8]) -> Vec<(u8, usize)> {
    let mut sections = Vec::new();
    let mut at = PREAMBLE.len();
    while let Some(kind) = component.get(at) {
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            at += 1;
            length |= usize::from(component[at] & 0x7f) << shift;
            shift += 7;
            if component[at] & 0x80 == 0 {
                break;
            }
        }
        at += 1 + length;
        sections.push((*kind, at));
    }
    sections
}
