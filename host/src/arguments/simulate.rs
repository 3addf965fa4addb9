//! `layerwright simulate`

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;

use super::{LockArguments, ReportArguments, SandboxArguments};
use crate::planner_spec::PlannerSpec;

/// Replay a history of closures: what do updates cost with which planner?
///
/// At each step the planner plans, knowing the layers that it made at the steps before, and what is counted is what a
/// client that has all earlier images must pull. A layer counts as had only if the very same set of paths was a layer
/// before. Nothing is built: this takes graphs and no files.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright simulate --history updates.jsonl.gz
  layerwright simulate --history a.jsonl b.jsonl --planner foresight theirs.wasm --max-layers 20 40 100
  layerwright simulate --history updates.jsonl --planner mine.wasm --no-history --json")]
pub(crate) struct SimulateArguments {
    /// What the images held: a line {"date": ..., "closure": [...]} for each, oldest first; repeatable
    ///
    /// A closure is what exportReferencesGraph or `nix path-info --json` tells of it. Files
    /// may be packed with gzip or zstd; - is standard input.
    #[arg(long, value_name = "FILE", required = true, num_args = 1.., verbatim_doc_comment, help_heading = "Planning")]
    pub(crate) history: Vec<PathBuf>,
    /// A planner, written as for `plan`; several are compared, and form no chain [default: foresight]
    #[arg(long = "planner", value_name = "SPEC", num_args = 1.., help_heading = "Planning")]
    pub(crate) planners: Vec<PlannerSpec>,
    /// The most layers that an image may have; several are tried one after another
    #[arg(long, value_name = "N", num_args = 1.., default_value = "100", help_heading = "Planning")]
    pub(crate) max_layers: Vec<NonZeroU32>,
    /// Planners know nothing of earlier images
    #[arg(long, help_heading = "Planning")]
    pub(crate) no_history: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) report: ReportArguments,
    #[command(flatten)]
    pub(crate) lock: LockArguments,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
}
