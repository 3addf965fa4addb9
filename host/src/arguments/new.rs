//! `layerwright planner new`: the beginning of somebody's own planner.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::project_name::ProjectName;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright planner new largest-first --lang rust
  layerwright planner new largest-first --lang python --dir planners/largest

The project stands alone: a strategy that gives the largest nodes a layer each, its tests,
a README.md with the commands to build and test it, a workflow for GitHub Actions, and a
copy of the contract in wit/planner.wit.")]
pub(crate) struct NewArguments {
    /// Name of the planner: lower-case letters, digits and dashes
    pub(crate) name: ProjectName,
    /// Language to write it in
    #[arg(long, value_enum, value_name = "LANGUAGE")]
    pub(crate) lang: Language,
    /// Where to put it: a folder that does not exist or is empty [default: a folder of the planner's name]
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
}

/// Those that there is a template for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// Compiled by cargo for wasm32-wasip2; small and fast
    Rust,
    /// With componentize-py; brings a Python of 18 MB along
    Python,
    /// JavaScript, with componentize-qjs; brings an engine of 1.5 MB along
    Js,
    /// Compiled by clang with wit-bindgen's bindings
    C,
}
