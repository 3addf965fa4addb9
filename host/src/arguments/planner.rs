//! `layerwright planner`: the commands for those who use strategies and those who write them.

use clap::Subcommand;

use super::SandboxArguments;
use crate::planner_spec::PlannerSpec;

#[derive(Debug, Subcommand)]
pub(crate) enum PlannerCommand {
    /// List the built-in planners
    #[command(after_help = "Example:\n  layerwright planner list --json")]
    List {
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        sandbox: SandboxArguments,
    },
    /// Print the digests that pin planners
    ///
    /// A planner that is written with its digest, FILE@sha256:HEX, is that one or none.
    #[command(
        after_help = "Examples:\n  layerwright planner digest mine.wasm\n  layerwright plan --from nix:./result --locked \\\n      --planner \"$(layerwright planner digest --pin mine.wasm)\""
    )]
    Digest {
        /// Files, or names of built-in planners
        #[arg(required = true, value_name = "FILE")]
        planners: Vec<String>,
        /// Print what to write after --planner
        #[arg(long, conflicts_with = "json")]
        pin: bool,
        /// Print the list as JSON
        #[arg(long)]
        json: bool,
    },
    /// Show what a planner is, what it asks for and which settings it takes
    #[command(
        after_help = "Examples:\n  layerwright planner inspect groups\n  layerwright planner inspect mine.wasm --json"
    )]
    Inspect {
        /// Name of a built-in planner, or a file
        planner: PlannerSpec,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        sandbox: SandboxArguments,
    },
}
