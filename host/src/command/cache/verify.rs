//! `layerwright cache verify`

use std::process::ExitCode;

use anyhow::{Context, Result};
use indicatif::BinaryBytes;

use crate::arguments::CacheInfoArguments;
use crate::caches::Caches;
use crate::command::output::{counted, print, print_json};
use crate::console::Console;
use crate::exit;
use crate::progress::Progress;

pub(super) fn run(arguments: &CacheInfoArguments, console: &Console) -> Result<ExitCode> {
    let caches = Caches::open(&arguments.dir)?;
    let progress = Progress::new(console, "blobs");
    let report = caches.layers.as_ref().map(|layers| layers.verify(&progress)).transpose();
    let report = report.with_context(|| format!("verifying the cache {}", caches.place.display()))?.unwrap_or_default();
    drop(progress);
    if arguments.json {
        print_json(&report)?;
    } else {
        for digest in &report.damaged {
            console.error(&format!("blob {digest} was damaged; it is removed"));
        }
        let verdict = match report.damaged.len() {
            0 => "everything matches".to_owned(),
            damaged => format!("{damaged} damaged and removed"),
        };
        print(&format!("{}, {} read: {verdict}\n", counted(report.checked, "blob"), BinaryBytes(report.bytes)))?;
    }
    Ok(if report.damaged.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::MISMATCH) })
}
