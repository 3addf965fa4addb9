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
