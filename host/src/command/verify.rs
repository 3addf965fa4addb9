//! `layerwright verify`

use std::process::ExitCode;

use anyhow::{Context, Result};
use indicatif::BinaryBytes;
use layerwright_packer::{ImageSource, verify};

use super::output::{counted, print, print_json};
use crate::arguments::VerifyArguments;
use crate::console::Console;
use crate::exit;
use crate::progress::Progress;

pub(crate) fn run(arguments: &VerifyArguments, console: &Console) -> Result<ExitCode> {
    let source: ImageSource = arguments.image.parse()?;
    let progress = Progress::new(console, "blobs");
    let report = verify(&source, &progress).with_context(|| format!("verifying {}", arguments.image))?;
    drop(progress);
    if arguments.json {
        print_json(&report)?;
    } else {
        for note in &report.notes {
            console.say(&format!("note: {note}"));
        }
        for mismatch in &report.mismatches {
            console.error(&mismatch.to_string());
        }
        let (images, layers) = (counted(report.images, "image"), counted(report.layers, "layer"));
        let verdict = match report.mismatches.len() {
            0 => "everything matches".to_owned(),
            1 => "1 mismatch".to_owned(),
            count => format!("{count} mismatches"),
        };
        print(&format!("{images}, {layers}, {} read: {verdict}\n", BinaryBytes(report.bytes)))?;
    }
    Ok(if report.mismatches.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::MISMATCH) })
}
