//! `layerwright cache verify`

use std::process::ExitCode;

use anyhow::{Context, Result};
use indicatif::BinaryBytes;
use layerwright_packer::CacheReport;
use serde::Serialize;

use crate::arguments::CacheInfoArguments;
use crate::caches::Caches;
use crate::command::output::{counted, print, print_json};
use crate::console::Console;
use crate::exit;
use crate::progress::Progress;
use crate::sandbox::{CompiledCache, SealReport};

pub(super) fn run(arguments: &CacheInfoArguments, console: &Console) -> Result<ExitCode> {
    let caches = Caches::open(arguments)?;
    let progress = Progress::new(console, "blobs");
    let context = || format!("verifying the cache {}", caches.place.display());
    let layers = caches.layers.as_ref().map(|layers| layers.verify(&progress)).transpose().with_context(context)?;
    let planners = caches.planners.as_ref().map(CompiledCache::verify).transpose().with_context(context)?;
    drop(progress);
    let verified = Verified { layers: layers.unwrap_or_default(), planners: planners.unwrap_or_default() };
    if arguments.json {
        print_json(&verified)?;
    } else {
        verified.damages().for_each(|damage| console.error(&damage));
        print(&verified.summary())?;
    }
    Ok(if verified.is_whole() { ExitCode::SUCCESS } else { ExitCode::from(exit::MISMATCH) })
}

/// What `--json` prints.
#[derive(Serialize)]
struct Verified {
    #[serde(flatten)]
    layers: CacheReport,
    planners: SealReport,
}

impl Verified {
    fn is_whole(&self) -> bool {
        self.layers.damaged.is_empty() && self.planners.damaged.is_empty()
    }

    fn damages(&self) -> impl Iterator<Item = String> {
        let layers = self.layers.damaged.iter().map(|digest| format!("blob {digest} was damaged; it is removed"));
        let planners = self.planners.damaged.iter().map(|digest| {
            format!("the native code of planner {digest} was damaged, or not compiled here; it is removed")
        });
        layers.chain(planners)
    }

    fn summary(&self) -> String {
        let Self { layers, planners } = self;
        let planners_read = match planners.checked {
            0 => String::new(),
            checked => format!(", {}, {}", counted(checked, "compiled planner"), BinaryBytes(planners.bytes)),
        };
        let verdict = match layers.damaged.len() + planners.damaged.len() {
            0 => "everything matches".to_owned(),
            damaged => format!("{damaged} damaged and removed"),
        };
        let blobs = counted(layers.checked, "blob");
        format!("{blobs}, {}{planners_read} read: {verdict}\n", BinaryBytes(layers.bytes))
    }
}
