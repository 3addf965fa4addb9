//! The settings; `settings.schema.json` tells what each means.

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Settings {
    #[serde(default = "keep")]
    pub(crate) keep_previous: bool,
    #[serde(default = "eight_images")]
    pub(crate) learn: usize,
}

fn keep() -> bool {
    true
}

/// With weekly images, two months.
fn eight_images() -> usize {
    8
}
