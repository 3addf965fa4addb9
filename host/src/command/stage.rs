//! `layerwright stage`

use std::process::ExitCode;

use anyhow::{Context, Result};

use super::plan::platform;
use super::surroundings::Surroundings;
use crate::arguments::StageArguments;
use crate::console::Console;
use crate::source::ReadClosure;

pub(crate) fn run(arguments: &StageArguments, console: &Console) -> Result<ExitCode> {
    let StageArguments { output, root, surroundings, architecture, variant, nix_db } = arguments;
    let settings = platform(architecture.as_deref(), variant.as_deref());
    let mut stage = Surroundings::for_scripts(surroundings, root, &settings, nix_db.is_some(), console)?;
    if let Some(source) = nix_db {
        let ReadClosure { closure, files } = source.read(root, stage.references(), &[])?;
        stage.add_nix_db(&closure, &files, root)?;
    }
    stage.write(output).context("--output")?;
    console.say(&format!("wrote {}", output.display()));
    Ok(ExitCode::SUCCESS)
}
