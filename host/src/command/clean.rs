//! `layerwright clean`

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use indicatif::BinaryBytes;
use layerwright_packer::{CleanError, Cleaned, Cleaning, Destination, clean};
use serde::Serialize;

use super::output::{counted, print_json};
use crate::arguments::CleanArguments;
use crate::console::Console;
use crate::exit::Usage;

/// What `--json` prints.
#[derive(Serialize)]
struct Told {
    /// Whether it is gone by now.
    removed: bool,
    /// What killed builds left.
    abandoned: Vec<Rest>,
    blobs: Vec<Blob>,
    bytes: u64,
}

#[derive(Serialize)]
struct Rest {
    path: String,
    bytes: u64,
}

#[derive(Serialize)]
struct Blob {
    digest: String,
    bytes: u64,
}

pub(crate) fn run(arguments: &CleanArguments, console: &Console) -> Result<ExitCode> {
    let CleanArguments { destination, dry_run, json } = arguments;
    check(destination).map_err(Usage)?;
    let cleaning = if *dry_run { Cleaning::Pretend } else { Cleaning::Remove };
    let cleaned = clean(destination, cleaning).with_context(|| format!("cleaning {destination}"))?;
    let told = Told::of(cleaned, !dry_run);
    if *json {
        print_json(&told)?;
    } else {
        console.say(&told.summary());
    }
    Ok(ExitCode::SUCCESS)
}

/// Nothing is at a stream, and a tag would say that only one image is meant.
fn check(destination: &Destination) -> Result<()> {
    let has_name = match destination {
        Destination::Stdout => return Err(CleanError::Stream.into()),
        Destination::DockerArchive { reference, .. } => reference.is_some(),
        Destination::OciLayout { tag, .. } | Destination::OciArchive { tag, .. } => tag.is_some(),
    };
    if has_name {
        bail!("`{destination}` names an image, and all that is at a place is cleaned: leave its name out");
    }
    Ok(())
}

impl Told {
    /// A line for each thing that a killed build left, and one for all blobs.
    fn summary(&self) -> String {
        let what = if self.removed { "removed" } else { "would remove" };
        let rest =
            |Rest { path, bytes }: &Rest| format!("{what} {path}, which a killed build left, {}", BinaryBytes(*bytes));
        let blobs = match self.blobs.len() {
            0 => None,
            count => {
                let bytes = BinaryBytes(self.blobs.iter().map(|blob| blob.bytes).sum());
                Some(format!("{what} {}, named by no tag, {bytes}", counted(count, "blob")))
            }
        };
        let lines: Vec<String> = self.abandoned.iter().map(rest).chain(blobs).collect();
        if lines.is_empty() { "there is nothing to remove".into() } else { lines.join("\n") }
    }

    fn of(Cleaned { abandoned, blobs }: Cleaned, removed: bool) -> Self {
        let bytes = abandoned.iter().map(|rest| rest.bytes).chain(blobs.values().copied()).sum();
        let rest =
            |rest: layerwright_packer::Abandoned| Rest { path: rest.path.display().to_string(), bytes: rest.bytes };
        Self {
            removed,
            abandoned: abandoned.into_iter().map(rest).collect(),
            blobs: blobs.into_iter().map(|(digest, bytes)| Blob { digest: digest.to_string(), bytes }).collect(),
            bytes,
        }
    }
}
