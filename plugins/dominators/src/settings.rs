//! The settings; `settings.schema.json` tells what each means.

use std::collections::BTreeMap;

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    #[serde(default = "hundred_megabytes")]
    pub(crate) large_bytes: u64,
    #[serde(default = "hundred_references")]
    pub(crate) popular: u64,
    pub(crate) popularity: Option<BTreeMap<String, u64>>,
}

/// Nixery's.
fn hundred_megabytes() -> u64 {
    100_000_000
}

/// Nixery's.
fn hundred_references() -> u64 {
    100
}
