//! `layerwright planner`: the commands for those who use strategies and those who write them.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use layerwright_planner::shapes::{self, Shape};

use super::{HistoryArguments, NewArguments, SandboxArguments};
use crate::planner_spec::PlannerSpec;
use crate::source::Source;

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
        /// Files, with a slash or .wasm at the end, or names of built-in planners
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
        /// Name of a built-in planner, or a file, with a slash or .wasm at the end
        planner: PlannerSpec,
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        sandbox: SandboxArguments,
    },
    /// Begin a planner of your own: a project that builds, tests and works
    New(NewArguments),
    /// Print the contract between the program and a planner, as WIT
    Wit(WitArguments),
    /// Ask one planner about one closure, and show all that it says
    Run(RunArguments),
    /// Check that a planner keeps the contract, on closures of every shape
    Check(CheckArguments),
    /// Measure how long a planner takes
    Bench(BenchArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  Keep it beside your source, where wit-bindgen, componentize-py or jco find it:
    layerwright planner wit -o wit/planner.wit

  Read it:
    layerwright planner wit | less")]
pub(crate) struct WitArguments {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  See what your planner makes of four nodes, and everything it logs:
    layerwright planner run mine.wasm --shape diamond

  With settings, on the packages of this Debian machine, with few layers:
    layerwright planner run mine.wasm,config=mine.json --from dpkg:git --max-layers 5

  As it plans the next image, where there are earlier ones:
    layerwright planner run mine.wasm --from nix:./result --history oci:last-week plan.json

  In a script: which nodes does it leave to the next planner?
    layerwright planner run mine.wasm --from nix:./result --format json | jq .unplaced

A proposal that breaks the contract is shown too. The exit code is then 4.")]
pub(crate) struct RunArguments {
    /// NAME|FILE[@sha256:HEX][,config=FILE][,max-layers=N][,KEY=VALUE...], as --planner of `layerwright plan` takes it
    #[arg(value_name = "SPEC")]
    pub(crate) planner: PlannerSpec,
    /// The most layers that the planner may use, with one for what it leaves unplaced
    #[arg(long, value_name = "N", default_value = "100", help_heading = "Planning")]
    pub(crate) max_layers: NonZeroU32,
    /// What to write
    #[arg(long, value_enum, default_value_t = AnswerFormat::Table)]
    pub(crate) format: AnswerFormat,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) subject: SubjectArguments,
    #[command(flatten)]
    pub(crate) history: HistoryArguments,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum AnswerFormat {
    /// For people; what the planner logs goes to standard error
    Table,
    /// Everything in one JSON object, with the log
    Json,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright planner check mine.wasm
  layerwright planner check mine.wasm,config=mine.json --from nix:./result --from dpkg:git
  layerwright planner check mine.wasm --shape cycle --shape only-a-cycle --json

Each closure is planned with several layer limits, twice with each. Proposals
have to keep the contract, within the limits of the sandbox, and proposal and
log have to come out the same. A planner may refuse what it cannot do; how
often it did is shown. Each failure comes with the command that repeats it.

Exits with 4 where anything failed.")]
pub(crate) struct CheckArguments {
    /// NAME|FILE[@sha256:HEX][,config=FILE][,max-layers=N][,KEY=VALUE...], as --planner of `layerwright plan` takes it
    #[arg(value_name = "SPEC")]
    pub(crate) planner: PlannerSpec,
    /// Check on this closure too; repeatable. Written as for `layerwright plan`
    #[arg(long, value_name = "SOURCE", help_heading = "Closure")]
    pub(crate) from: Vec<Source>,
    /// Of the generated closures, take only this one; repeatable
    #[arg(long = "shape", value_name = "NAME", help_heading = "Closure", long_help = shape_help("Of the generated closures, take only this one; repeatable"))]
    pub(crate) shapes: Vec<Shape>,
    /// Read files, and the package database, below this folder instead of /
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true, help_heading = "Closure")]
    pub(crate) root: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) history: HistoryArguments,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright planner bench mine.wasm
  layerwright planner bench mine.wasm --nodes 10000,20000,40000 --samples 9
  layerwright planner bench mine.wasm --from nix:./result --json

Times are the median over the samples. Fuel is the same on every machine:
compare that, where times vary.")]
pub(crate) struct BenchArguments {
    /// NAME|FILE[@sha256:HEX][,config=FILE][,max-layers=N][,KEY=VALUE...], as --planner of `layerwright plan` takes it
    #[arg(value_name = "SPEC")]
    pub(crate) planner: PlannerSpec,
    /// Sizes of the generated closures, in nodes [default: 100,1000,10000,100000, unless closures are named]
    #[arg(long, value_name = "N,...", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=i64::from(shapes::MAX_NIX_LIKE_NODES)), help_heading = "Closure")]
    pub(crate) nodes: Vec<u32>,
    /// Measure on this closure; repeatable. Written as for `layerwright plan`
    #[arg(long, value_name = "SOURCE", help_heading = "Closure")]
    pub(crate) from: Vec<Source>,
    /// Measure on this generated closure; repeatable
    #[arg(long = "shape", value_name = "NAME", help_heading = "Closure", long_help = shape_help("Measure on this generated closure; repeatable"))]
    pub(crate) shapes: Vec<Shape>,
    /// Read files, and the package database, below this folder instead of /
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true, help_heading = "Closure")]
    pub(crate) root: PathBuf,
    /// The most layers that the planner may use
    #[arg(long, value_name = "N", default_value = "100", help_heading = "Planning")]
    pub(crate) max_layers: NonZeroU32,
    /// How often each is measured
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) samples: u32,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) history: HistoryArguments,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
}

/// One closure: read, or generated.
#[derive(Debug, Args)]
#[command(next_help_heading = "Closure", group = ArgGroup::new("closure").args(["from", "shape"]).required(true))]
pub(crate) struct SubjectArguments {
    /// Where the closure comes from: nix:PATH..., graph:FILE[#KEY] or dpkg:NAME,..., as for `layerwright plan`
    #[arg(long, value_name = "SOURCE")]
    pub(crate) from: Option<Source>,
    /// Take a generated closure instead
    #[arg(long, value_name = "NAME", long_help = shape_help("Take a generated closure instead"))]
    pub(crate) shape: Option<Shape>,
    /// Read files, and the package database, below this folder instead of /
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true)]
    pub(crate) root: PathBuf,
}

fn shape_help(what: &str) -> String {
    format!("{what}\n\n{}, or nix-like:N for N nodes like a closure from nixpkgs", shapes::names())
}
