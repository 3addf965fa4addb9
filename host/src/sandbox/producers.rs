//! With what a component was made, as it says itself: the `producers` sections of the WebAssembly tool conventions.

use std::collections::BTreeSet;

use serde::Serialize;
use wasmparser::{KnownCustom, Parser, Payload, ProducersField, ProducersFieldValue};

use super::untrusted::printable;

/// Most that are kept, of which each has a line.
const PRODUCERS: usize = 30;

/// A language, a tool or a kit that had a part in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Producer {
    /// Its part: `language`, `processed-by` or `sdk`.
    pub(crate) field: String,
    /// Its name.
    pub(crate) name: String,
    /// Its version. May be empty.
    pub(crate) version: String,
}

/// Returns what the component and all modules in it name, each once, sorted, as far as it can be read.
pub(super) fn producers(component: &[u8]) -> Vec<Producer> {
    let mut found = BTreeSet::new();
    // What is damaged is of no interest: the compiler has the last word on that.
    for payload in Parser::new(0).parse_all(component).map_while(Result::ok) {
        if let Payload::CustomSection(section) = payload
            && let KnownCustom::Producers(fields) = section.as_known()
        {
            for field in fields.into_iter().map_while(Result::ok) {
                found.extend(named(&field));
                // However many there are: the first ones of all, in their order, are what is kept.
                while found.len() > PRODUCERS {
                    found.pop_last();
                }
            }
        }
    }
    found.into_iter().collect()
}

fn named(field: &ProducersField<'_>) -> Vec<Producer> {
    let producer = |value: ProducersFieldValue<'_>| Producer {
        field: printable(field.name, 40),
        name: printable(value.name, 100),
        version: printable(value.version, 100),
    };
    field.values.clone().into_iter().map_while(Result::ok).take(PRODUCERS).map(producer).collect()
}
