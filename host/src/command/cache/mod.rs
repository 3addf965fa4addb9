//! `layerwright cache`: looking after what is kept from run to run. One file for each command.

mod clear;
mod info;
mod prune;
mod verify;

use std::process::ExitCode;

use anyhow::Result;

use crate::arguments::CacheCommand;
use crate::console::Console;

pub(crate) fn run(command: &CacheCommand, console: &Console) -> Result<ExitCode> {
    match command {
        CacheCommand::Info(arguments) => info::run(arguments)?,
        CacheCommand::Prune(arguments) => prune::run(arguments, console)?,
        CacheCommand::Verify(arguments) => return verify::run(arguments, console),
        CacheCommand::Clear(arguments) => clear::run(arguments, console)?,
    }
    Ok(ExitCode::SUCCESS)
}
