//! Components that mean harm, from WebAssembly text. Need no tool.

use anyhow::{Result, anyhow};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A planner with this body of `plan`, which says `so far` before it. `items` are data and functions of the module.
///
/// Its name is `bad`, its version `1.2.3` and its summary whatever `items` put at 1024, ten bytes of it.
pub(crate) fn planner(items: &str, plan: &str) -> Result<Vec<u8>> {
    let description: [u32; 8] = [0, 3, 8, 5, 1024, 10, 16, 2];
    let description = escaped(description.iter().flat_map(|word| word.to_le_bytes()));
    let text = format!(
        r#"(module
            (import "layerwright:planner/diagnostics@0.1.0" "log" (func $log (param i32 i32 i32)))
            (memory (export "memory") 2)
            (global $top (mut i32) (i32.const 4096))
            (data (i32.const 0) "bad\00\00\00\00\001.2.3\00\00\00{{}}")
            (data (i32.const 40) "so far")
            (data (i32.const 256) "{description}")
            (data (i32.const 1024) "Does harm.")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $top (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
                (global.get $top)
                (global.set $top (i32.add (global.get $top) (local.get 3))))
            {items}
            (func (export "layerwright:planner/strategy@0.1.0#describe") (result i32) (i32.const 256))
            (func $plan (export "layerwright:planner/strategy@0.1.0#plan")
                (param i32 i32 i32 i32 i32 i32 i32) (result i32)
                (call $log (i32.const 1) (i32.const 40) (i32.const 6))
                {plan}))"#
    );
    let mut resolve = Resolve::default();
    let contract = concat!(env!("CARGO_MANIFEST_DIR"), "/../wit");
    let (package, _) = resolve.push_path(contract).map_err(|error| anyhow!("{error}"))?;
    let world = resolve.select_world(&[package], None).map_err(|error| anyhow!("{error}"))?;
    let mut module = wat::parse_str(text)?;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).map_err(|error| anyhow!("{error}"))?;
    let mut encoder = ComponentEncoder::default();
    let encoder = encoder.module(&module).map_err(|error| anyhow!("{error}"))?;
    encoder.encode().map_err(|error| anyhow!("{error}"))
}

/// Items for a planner that returns one layer with all nodes of a closure of three, at 32768. `label` has ten bytes.
pub(crate) fn one_layer(label: &str) -> String {
    let answer: [u32; 7] = [0, 32780, 1, 32796, 10, 32820, 3];
    let (answer, label) = (escaped(answer.iter().flat_map(|word| word.to_le_bytes())), escaped(label.bytes()));
    format!(
        r#"(data (i32.const 32768) "{answer}") (data (i32.const 32796) "{label}")
        (data (i32.const 32820) "\00\00\00\00\01\00\00\00\02\00\00\00")"#
    )
}

/// As WebAssembly text writes bytes.
fn escaped(bytes: impl Iterator<Item = u8>) -> String {
    bytes.map(|byte| format!("\\{byte:02x}")).collect()
}

/// A component of components, each of which holds two instances of the one before it: of the innermost there are as many
/// as two to the power of `levels`.
pub(crate) fn doubling(levels: u32) -> Result<Vec<u8>> {
    let level = |at: u32| {
        let before = at - 1;
        format!(
            "(component $c{at} (alias outer 1 $c{before} (component $b))
                (instance (instantiate $b)) (instance (instantiate $b)))"
        )
    };
    let levels_text: String = (1..=levels).map(level).collect();
    let innermost = "(component $c0 (core module $m) (core instance (instantiate $m)))";
    let text = format!("(component {innermost} {levels_text} (instance (instantiate $c{levels})))");
    Ok(wat::parse_str(text)?)
}

/// A planner that does no harm, with this schema for its settings.
pub(crate) fn with_schema(schema: &str) -> Result<Vec<u8>> {
    const AT: u32 = 8192;
    // The last two words of the description say where it is, and how long.
    let place = [AT, u32::try_from(schema.len())?].map(u32::to_le_bytes).concat();
    let items = format!(
        "(data (i32.const 280) \"{}\") (data (i32.const {AT}) \"{}\")",
        escaped(place.into_iter()),
        escaped(schema.bytes())
    );
    planner(&items, "(unreachable)")
}

/// Items for a planner with debug information of 150 KB that takes gigabytes to read: each of its units reads all of the
/// abbreviations that come after its own.
pub(crate) fn quadratic_debug_information() -> String {
    const UNITS: u32 = 6_500;
    let (mut abbreviations, mut units) = (Vec::new(), Vec::new());
    for code in 1..=UNITS {
        let offset = u32::try_from(abbreviations.len()).unwrap_or_default();
        // A code, the tag of a compilation unit, no children, no attributes.
        abbreviations.extend([leb128(code), vec![0x11, 0, 0, 0]].concat());
        // DWARF 4, where its abbreviations are, addresses of four bytes, and a unit without attributes.
        let unit = [&4_u16.to_le_bytes()[..], &offset.to_le_bytes(), &[4], &leb128(code)].concat();
        units.extend(u32::try_from(unit.len()).unwrap_or_default().to_le_bytes());
        units.extend(unit);
    }
    abbreviations.push(0);
    let section = |name: &str, bytes: Vec<u8>| format!("(@custom \"{name}\" \"{}\")", escaped(bytes.into_iter()));
    section(".debug_abbrev", abbreviations) + &section(".debug_info", units)
}

fn leb128(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        bytes.push(if number == 0 { byte } else { byte | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}
