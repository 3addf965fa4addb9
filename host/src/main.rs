//! `layerwright`: decides which parts of a software closure share a container image layer, and writes the image.
//!
//! This file parses the command line, runs one command and turns its error into an exit code. The way of the data:
//! [`source`] reads a closure, [`planners`] asks strategies about it in the [`sandbox`], and `layerwright-packer`
//! writes the image. [`command`] has one file for each command.

mod arguments;
mod caches;
mod child;
mod command;
mod console;
mod exit;
mod guard;
mod history;
mod input;
mod interrupt;
mod nar_hash;
mod nix_db;
mod outline;
mod planner_file;
mod planner_spec;
mod planners;
mod progress;
mod project_name;
mod report;
mod sandbox;
mod settings;
mod source;
mod time;

use std::process::ExitCode;

use anyhow::Context;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::console::Console;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(told) => return exit::of_parser(&told),
    };
    let console = Console::new(arguments.verbose, arguments.quiet);
    let ran = interrupt::listen()
        .context("starting to listen for signals, which takes a thread")
        .and_then(|()| run(&arguments.command, &console));
    match ran {
        Ok(code) => code,
        Err(error) => exit::report(&error, &console),
    }
}

fn run(command: &Command, console: &Console) -> anyhow::Result<ExitCode> {
    match command {
        Command::Build(arguments) => command::build::run(arguments, console),
        Command::Plan(arguments) => command::plan::run(arguments, console),
        Command::Pack(arguments) => command::pack::run(arguments, console),
        Command::Explain(arguments) => command::explain::run(arguments, console),
        Command::Compare(arguments) => command::compare::run(arguments, console),
        Command::Layer(arguments) => command::layer::run(arguments, console),
        Command::Stage(arguments) => command::stage::run(arguments, console),
        Command::Verify(arguments) => command::verify::run(arguments, console),
        Command::Simulate(arguments) => command::simulate::run(arguments, console),
        Command::Clean(arguments) => command::clean::run(arguments, console),
        Command::Cache(command) => command::cache::run(command, console),
        Command::Planner(command) => command::planner::run(command, console),
        Command::CompilePlanner { memory_bytes, seconds } => {
            Ok(command::hidden::compile_planner(*memory_bytes, *seconds))
        }
        Command::LocateFrames { memory_bytes, seconds, offsets } => {
            Ok(command::hidden::locate_frames(*memory_bytes, *seconds, offsets))
        }
        Command::CheckSettings { memory_bytes, seconds } => {
            Ok(command::hidden::check_settings(*memory_bytes, *seconds))
        }
        Command::Completions { shell } => command::completions::run(*shell),
    }
}
