//! `layerwright stage`

use std::process::ExitCode;

use anyhow::{Context, Result};
use layerwright_packer::Durability;

use super::inputs::{self, check_there};
use super::output::{check_new_folder, check_writable, write_file};
use super::places::{Place, check_apart};
use super::plan::platform;
use super::surroundings::{Surroundings, check_stream};
use crate::arguments::StageArguments;
use crate::console::Console;
use crate::exit::Usage;
use crate::interrupt::Writing;
use crate::progress::Progress;
use crate::source::{ReadClosure, Source};

pub(crate) fn run(arguments: &StageArguments, console: &Console) -> Result<ExitCode> {
    let StageArguments { output, attributes, root, surroundings, architecture, variant, nix_db } = arguments;
    check_new_folder(output).context("--output")?;
    let written = [Place::of_folder("--output", output), Place::of_attributes(attributes.as_deref())];
    check_apart(written, Place::of_files(surroundings.sources())).map_err(Usage)?;
    if let Some(file) = attributes {
        check_writable(file).context("--attributes")?;
    }
    let graph = nix_db.as_ref().and_then(Source::file);
    check_stream(surroundings, graph.clone()).map_err(Usage)?;
    let graph = graph.as_deref().map(|file| ("--nix-db", file));
    check_there(graph.into_iter().chain(surroundings.sources()).chain([inputs::root(root)]))?;
    let settings = platform(architecture.as_deref(), variant.as_deref());
    let mut stage = Surroundings::for_scripts(surroundings, root, &settings, nix_db.is_some(), console)?;
    if let Some(source) = nix_db {
        let ReadClosure { closure, files } = source.read(root, stage.references(), &[])?;
        stage.add_nix_db(&closure, &files, root)?;
    }
    let writing = Writing::start();
    stage.write(output, &Progress::new(console, "files")).context("--output")?;
    drop(writing);
    if let Some(file) = attributes {
        let mut script = Vec::new();
        stage.write_attributes(&mut script)?;
        write_file(file, script, Durability::Unsynced).context("--attributes")?;
    }
    console.say(&format!("wrote {}", output.display()));
    Ok(ExitCode::SUCCESS)
}
