//! The command line, as the user writes it. What its help says is written here.

#![expect(rustdoc::broken_intra_doc_links, rustdoc::invalid_rust_codeblocks, reason = "these are texts for a terminal")]

mod cache;
mod clean;
mod customisation;
#[cfg(test)]
mod headings;
mod history;
mod lock;
mod missing;
mod new;
mod planner;
mod report;
mod sandbox;
mod simulate;
mod stage;
mod surroundings;
mod sync;

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use layerwright_packer::{Compression, Destination, ImageReference, Inherit};

pub(crate) use self::cache::{
    CacheArguments, CacheCommand, CacheDirArguments, CacheInfoArguments, CachePruneArguments, CompiledDirArguments,
};
pub(crate) use self::clean::CleanArguments;
use self::customisation::MAX_OWNER;
pub(crate) use self::history::HistoryArguments;
pub(crate) use self::lock::LockArguments;
pub(crate) use self::missing::MissingArguments;
pub(crate) use self::new::{Language, NewArguments};
pub(crate) use self::planner::{
    AnswerFormat, BenchArguments, CheckArguments, PlannerCommand, RunArguments, SubjectArguments, WitArguments,
};
pub(crate) use self::report::ReportArguments;
pub(crate) use self::sandbox::SandboxArguments;
pub(crate) use self::simulate::SimulateArguments;
pub(crate) use self::stage::StageArguments;
pub(crate) use self::surroundings::SurroundingsArguments;
pub(crate) use self::sync::SyncArguments;
use crate::exit;
use crate::planner_spec::PlannerSpec;
use crate::sandbox::{COMPILE_COMMAND, LOCATE_COMMAND};
use crate::settings::CHECK_COMMAND;
use crate::source::Source;
use crate::time::{FileTime, Time};

/// Decides which parts of a software closure share a container image layer, and writes the image.
///
/// A closure is read from Nix, from a graph file or from a Debian package database. Layering strategies, which are
/// sandboxed WebAssembly components, say which of its nodes go together. The packer writes the layers and the image,
/// the same bytes for the same input on any machine.
#[derive(Debug, Parser)]
#[command(name = "layerwright", version, propagate_version = true, max_term_width = 110, after_help = EXAMPLES, after_long_help = exit::with_codes(EXAMPLES))]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Say more: what planners log, what they used. Twice for everything.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Say nothing but errors, and show no progress.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
}

const EXAMPLES: &str = "\
Examples:
  Pack git and what it depends on from this Debian machine, and run it:
    layerwright build --from dpkg:git --to docker-archive:git.tar:git:latest
    podman load -i git.tar
    podman run --rm git:latest git --version

  Pack a Nix build result, own groups first, the rest by what updates will change:
    layerwright build --from nix:./result --to oci:out \
        --planner groups,config=groups.json --planner foresight

  Look at a plan before anything is written:
    layerwright plan --from nix:./result --format table";

const PLANNER_EXAMPLES: &str = "\
Examples:
  Use what others wrote:
    layerwright planner list
    layerwright planner inspect theirs.wasm

  Write one: begin with one that works, try it on a small closure, check it, measure it:
    layerwright planner new mine --lang rust
    layerwright planner run mine.wasm --shape diamond
    layerwright planner check mine.wasm
    layerwright planner bench mine.wasm";

const CACHE_EXAMPLES: &str = "\
Examples:
  layerwright cache info
  layerwright cache prune --max-size 2GiB --unused-for 30
  layerwright cache verify
  layerwright cache clear";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read a closure, plan its layers and write the image
    Build(BuildArguments),
    /// Plan the layers of a closure and write the plan
    Plan(PlanArguments),
    /// Write the image that a plan describes
    Pack(PackArguments),
    /// Pack one layer of a plan by itself, to be put into the image by `pack --layers`
    Layer(LayerArguments),
    /// Write the files of the customisation layer into a folder, for scripts to work on them
    Stage(StageArguments),
    /// Tell why a node is in its layer, who needs it, and what an update of it would re-send
    Explain(ExplainArguments),
    /// Tell which layers two plans or images share, and what is to be pulled
    Compare(CompareArguments),
    /// Recompute every digest, diff ID and size of an image from its bytes
    Verify(VerifyArguments),
    /// Replay a history of closures: what do updates cost with which planner?
    Simulate(SimulateArguments),
    /// Remove what killed builds left at a destination, and blobs that no tag names any more
    Clean(CleanArguments),
    /// Look after what is kept from run to run: packed layers and compiled planners
    #[command(subcommand, after_help = CACHE_EXAMPLES)]
    Cache(CacheCommand),
    /// Begin, list, inspect, pin, try, check and measure planners
    #[command(subcommand, after_help = PLANNER_EXAMPLES)]
    Planner(PlannerCommand),
    /// Compile a planner in a process that can be stopped: what the program starts itself for
    #[command(hide = true, name = COMPILE_COMMAND)]
    CompilePlanner { memory_bytes: u64, seconds: u64 },
    /// Tell where instructions come from, in a process that can be stopped: what the program starts itself for
    #[command(hide = true, name = LOCATE_COMMAND)]
    LocateFrames { memory_bytes: u64, seconds: u64, offsets: Vec<usize> },
    /// Check settings with a planner's schema, in a process that can be stopped: what the program starts itself for
    #[command(hide = true, name = CHECK_COMMAND)]
    CheckSettings { memory_bytes: u64, seconds: u64 },
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  layerwright completions bash > /etc/bash_completion.d/layerwright")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright build --from nix:./result --to oci:out
  layerwright build --from dpkg:git --to docker-archive:git.tar:git:latest
  layerwright build --from nix:./result --tag app:1.2 --to - | docker load
  layerwright build --from nix:./result --state .layerwright --to oci:out")]
pub(crate) struct BuildArguments {
    #[command(flatten)]
    pub(crate) closure: ClosureArguments,
    #[command(flatten)]
    pub(crate) planning: PlanningArguments,
    /// Also write the plan to this file
    #[arg(long, value_name = "FILE", help_heading = None)]
    pub(crate) save_plan: Option<PathBuf>,
    /// Keep in this folder what the next build of this image should know: planners are told of the plans of earlier builds
    ///
    /// The folder is made if there is none. It holds one small file with the last 64 plans,
    /// to which a build that succeeds adds its own; a CI job that saves and restores it gets
    /// plans that leave most layers as they are. Give each image a folder of its own. What
    /// --history names is older. To look at a plan without adding to the folder:
    /// `layerwright plan --history DIR`.
    #[arg(long, value_name = "DIR", help_heading = "Planning", verbatim_doc_comment)]
    pub(crate) state: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportArguments,
    #[command(flatten)]
    pub(crate) surroundings: SurroundingsArguments,
    /// Add the database of a Nix store that has the closure, and what the base image has, for a Nix in the image
    #[arg(long, help_heading = "Image")]
    pub(crate) nix_db: bool,
    #[command(flatten)]
    pub(crate) packing: PackingArguments,
    #[command(flatten)]
    pub(crate) cache_dir: CacheDirArguments,
}

#[derive(Debug, Args)]
#[command(
    after_help = "\
Examples:
  layerwright plan --from nix:./result --format table
  layerwright plan --from graph:closure.json --format store-layers \\
      --planner groups,config=groups.json --planner foresight
  nix path-info --json -r ./result | layerwright plan --from graph:-",
    mut_args(only_checked)
)]
pub(crate) struct PlanArguments {
    #[command(flatten)]
    pub(crate) closure: ClosureArguments,
    #[command(flatten)]
    pub(crate) planning: PlanningArguments,
    /// What to write
    #[arg(long, value_enum, default_value_t = PlanFormat::Plan, help_heading = None)]
    pub(crate) format: PlanFormat,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE", help_heading = None)]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) report: ReportArguments,
    #[command(flatten)]
    pub(crate) surroundings: SurroundingsArguments,
    /// Leave a layer for a Nix database, as `build` does
    #[arg(long, help_heading = "Image")]
    pub(crate) nix_db: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
}

/// Settings say which base image is meant. Otherwise nothing of them is in a plan.
fn only_checked(argument: clap::Arg) -> clap::Arg {
    let is_setting = matches!(argument.get_help_heading(), Some(SETTINGS | STAMP));
    if is_setting { argument.hide_short_help(true).help_heading(CHECKED_SETTINGS) } else { argument }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PlanFormat {
    /// JSON, for `pack --plan`, with everything that is known of the nodes
    Plan,
    /// JSON list of lists of names, bottom-most layer first: dockerTools' `store_layers`
    StoreLayers,
    /// For people
    Table,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright plan --from nix:./result -o plan.json
  layerwright pack --plan plan.json --to oci:out
  layerwright pack --plan store-layers.json --to docker-archive:app.tar:app:1")]
pub(crate) struct PackArguments {
    /// A plan that `plan` wrote, or a `store-layers` list; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: PathBuf,
    /// Read files below this folder instead of /
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true)]
    pub(crate) root: PathBuf,
    #[command(flatten)]
    pub(crate) missing: MissingArguments,
    /// Folders that `layer` made; their layers are taken instead of being packed
    #[arg(long, value_name = "DIR", num_args = 1..)]
    pub(crate) layers: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) surroundings: SurroundingsArguments,
    /// Add the database of a Nix store that has this closure, and what the base image has; written as --from of `build`
    #[arg(long, value_name = "SOURCE", help_heading = "Image")]
    pub(crate) nix_db: Option<Source>,
    #[command(flatten)]
    pub(crate) packing: PackingArguments,
    #[command(flatten)]
    pub(crate) cache_dir: CacheDirArguments,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright plan --from nix:./result -o plan.json
  layerwright layer --plan plan.json --index 0 --output layer-0
  layerwright pack --plan plan.json --layers layer-0 --to oci:out")]
pub(crate) struct LayerArguments {
    /// A plan that `plan` wrote, or a `store-layers` list; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: PathBuf,
    /// Which layer, counting from 0; the folder stays empty where the plan has fewer
    #[arg(long, value_name = "N")]
    pub(crate) index: usize,
    /// Folder to make, for `pack --layers`
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
    /// Read files below this folder instead of /
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true)]
    pub(crate) root: PathBuf,
    #[command(flatten)]
    pub(crate) missing: MissingArguments,
    /// How the layer is compressed: none, gzip[:1-12] or zstd[:1-22]
    #[arg(long, value_name = "METHOD", default_value_t)]
    pub(crate) compression: Compression,
    #[command(flatten)]
    pub(crate) stamp: StampArguments,
    /// Threads to pack with [default: one for each processor, or $NIX_BUILD_CORES in a builder]; the bytes do not depend on it
    #[arg(long, value_name = "N", value_parser = threads, help_heading = None)]
    pub(crate) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) sync: SyncArguments,
    /// Print the result as JSON
    #[arg(long, help_heading = None)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright build --from nix:./result --to oci:out --save-plan plan.json
  layerwright explain --plan plan.json glibc-2.40-66")]
pub(crate) struct ExplainArguments {
    /// A plan that `plan` wrote, or `build --save-plan`, plain or packed with gzip or zstd; `-` is standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) plan: PathBuf,
    /// A node: its name, the end of its name behind a `/` or `-`, or its name without hash and version
    pub(crate) node: String,
    /// Print the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright compare last-week.json plan.json
  layerwright compare oci:last-week oci:out
  layerwright compare oci:last-week plan.json

Images are compared by what their documents say; `verify` checks that they are
that. Sizes of layers are those of blobs, and with a plan those of their
nodes. Sizes of nodes are uncompressed.")]
pub(crate) struct CompareArguments {
    /// What users have: a plan as `explain` takes it, or an image as `verify` takes it
    pub(crate) old: String,
    /// What they are going to pull: a plan, or an image
    pub(crate) new: String,
    #[command(flatten)]
    pub(crate) report: ReportArguments,
    /// Of images for several architectures, take this one, as Go names it [default: of this machine]
    #[arg(long, value_name = "GOARCH")]
    pub(crate) architecture: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  layerwright verify oci:out
  layerwright verify docker-archive:image.tar
  layerwright verify image.tar --json
  docker save app | layerwright verify docker-archive:-

Exits with 6 where anything does not match. What is unusual, but read by engines
as it is meant, is noted.")]
pub(crate) struct VerifyArguments {
    /// oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE, or a path; as FILE, `-` is standard input
    pub(crate) image: String,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Closure")]
pub(crate) struct ClosureArguments {
    /// Where the closure comes from
    ///
    /// nix:PATH...           what Nix says these paths need (several separated by commas)
    /// graph:FILE[#KEY]      what exportReferencesGraph wrote, with a key for an
    ///                       .attrs.json, `nix path-info --json`, or `registration` of
    ///                       closureInfo; - is standard input
    /// dpkg:NAME,...         these installed Debian packages and what they depend on;
    ///                       name essential ones that you need: dpkg:git,dash,base-files.
    ///                       Images without dpkg, as distroless, are read as well (--root)
    #[arg(long, value_name = "SOURCE", verbatim_doc_comment)]
    pub(crate) from: Source,
    /// Read files, and the package database, below this folder instead of /
    #[arg(long, value_name = "DIR", default_value = "/", hide_default_value = true)]
    pub(crate) root: PathBuf,
    #[command(flatten)]
    pub(crate) missing: MissingArguments,
    /// Leave out this node, such as one that only helped to build the image; repeatable
    #[arg(long, value_name = "NODE")]
    pub(crate) exclude: Vec<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Planning")]
pub(crate) struct PlanningArguments {
    /// A planner; repeat to form a chain, in which each gets what the ones before it left [default: foresight]
    ///
    /// NAME|FILE[@sha256:HEX][,config=FILE][,max-layers=N][,KEY=VALUE...]
    ///
    /// FILE has a slash in it or ends in .wasm; anything else is the NAME of a built-in
    /// planner, whatever lies in the working directory (`layerwright planner list`).
    /// config=FILE holds settings: TOML if its name ends in .toml, and JSON otherwise.
    /// KEY=VALUE sets one of them; `layerwright planner inspect` lists them.
    /// max-layers=N counts the layer for what the planner leaves to others. A backslash
    /// before a comma, an @ or a backslash makes it part of the name or the value.
    #[arg(long = "planner", value_name = "SPEC", verbatim_doc_comment)]
    pub(crate) planners: Vec<PlannerSpec>,
    /// The most layers that the image may have
    #[arg(long, value_name = "N", default_value = "100")]
    pub(crate) max_layers: NonZeroU32,
    #[command(flatten)]
    pub(crate) history: HistoryArguments,
    #[command(flatten)]
    pub(crate) lock: LockArguments,
    #[command(flatten)]
    pub(crate) sandbox: SandboxArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Image")]
pub(crate) struct PackingArguments {
    /// Where the image goes
    ///
    /// docker-archive:FILE[:NAME:TAG]   a file that docker, podman and every OCI tool load
    /// oci:DIR[:TAG]                    an OCI layout; other tags in it are kept
    /// oci-archive:FILE[:TAG]           an OCI layout in a tar file
    /// -                                a docker-archive on standard output, for `| docker load`
    #[arg(long, value_name = "DESTINATION", verbatim_doc_comment)]
    pub(crate) to: Destination,
    /// Name the image; repeat for several names
    #[arg(long = "tag", value_name = "NAME:TAG")]
    pub(crate) tags: Vec<ImageReference>,
    /// What to take over from the base image's configuration: all, env or none
    #[arg(long, value_name = "WHAT", default_value_t, hide_default_value = true)]
    pub(crate) inherit: Inherit,
    /// Leave out all store paths and packages; the container gets them from elsewhere
    #[arg(long)]
    pub(crate) no_store_paths: bool,
    /// Also write the files by which old tools follow layers to their parents; for docker-archive:FILE
    #[arg(long)]
    pub(crate) legacy_parents: bool,
    /// How layers are compressed: none, gzip[:1-12] or zstd[:1-22] [default: gzip:6; none for -]
    #[arg(long, value_name = "METHOD")]
    pub(crate) compression: Option<Compression>,
    #[command(flatten)]
    pub(crate) settings: SettingsArguments,
    #[command(flatten)]
    pub(crate) cache: CacheArguments,
    /// Threads to pack with [default: one for each processor, or $NIX_BUILD_CORES in a builder]; the bytes do not depend on it
    #[arg(long, value_name = "N", value_parser = threads, help_heading = None)]
    pub(crate) threads: Option<NonZeroUsize>,
    #[command(flatten)]
    pub(crate) sync: SyncArguments,
    /// Print the result as JSON
    #[arg(long, help_heading = None)]
    pub(crate) json: bool,
}

/// More only cost memory.
const MAX_THREADS: usize = 1024;

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let threads = text.parse::<NonZeroUsize>().ok().filter(|threads| threads.get() <= MAX_THREADS);
    threads.ok_or_else(|| format!("write a number from 1 to {MAX_THREADS}"))
}

fn owner(text: &str) -> Result<u32, String> {
    let number = text.parse::<u32>().ok().filter(|number| *number <= MAX_OWNER);
    number.ok_or_else(|| format!("write a number from 0 to {MAX_OWNER}"))
}
const SETTINGS: &str = "Image settings";
const STAMP: &str = "Files in layers";

/// Of the same flags, where they are only checked.
const CHECKED_SETTINGS: &str = "Image settings (refused here where `pack` would; they are not in the plan)";

#[derive(Debug, Args)]
#[command(next_help_heading = SETTINGS)]
pub(crate) struct SettingsArguments {
    /// OCI configuration to start from, e.g. {"Cmd": ["/bin/sh"]}, or an image's config, of which only `config` is taken; flags below add to it or replace
    #[arg(long, value_name = "FILE")]
    pub(crate) image_config: Option<PathBuf>,
    /// Word of the entrypoint; repeat for each word, or give one JSON list
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) entrypoint: Vec<String>,
    /// Word of the default command; repeat for each word, or give one JSON list
    #[arg(long, value_name = "WORD", allow_hyphen_values = true)]
    pub(crate) cmd: Vec<String>,
    /// Set an environment variable; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) env: Vec<String>,
    /// Set a label; repeatable
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
    /// User (and group) that the program runs as
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(crate) user: Option<String>,
    /// Folder that the program starts in
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<String>,
    /// Declare a port; repeatable
    #[arg(long, value_name = "PORT[/PROTOCOL]")]
    pub(crate) expose: Vec<String>,
    /// Processor architecture as Go names it [default: that of the packages, or of this machine]
    #[arg(long, value_name = "GOARCH")]
    pub(crate) architecture: Option<String>,
    /// Variant of the architecture as Go names it, such as v7 of arm: for which the files are, and up to which a base image may be [default: v1 of amd64, v7 of arm, v8 of arm64]
    #[arg(long, value_name = "GOVARIANT")]
    pub(crate) variant: Option<String>,
    /// Operating system as Go names it
    #[arg(long, value_name = "GOOS", default_value = "linux")]
    pub(crate) os: String,
    /// Creation time, as in 2024-01-31, 20240131101112, 2024-01-31T10:11:12+01:00, @SECONDS or now; UTC where it says no offset [default: $SOURCE_DATE_EPOCH, or 1970-01-01T00:00:01Z]
    #[arg(long, value_name = "TIME")]
    pub(crate) created: Option<Time>,
    #[command(flatten)]
    pub(crate) stamp: StampArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = STAMP)]
pub(crate) struct StampArguments {
    /// Time of modification of every file: as --created, in whole seconds [default: 1970-01-01T00:00:01Z]
    #[arg(long, value_name = "TIME")]
    pub(crate) mtime: Option<FileTime>,
    /// Owner of store paths, and of added files whose owner nothing says; packages keep theirs
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = owner)]
    pub(crate) uid: u32,
    /// Group of the same files
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, value_parser = owner)]
    pub(crate) gid: u32,
    /// Name of the owner that --uid numbers
    #[arg(long, value_name = "NAME", default_value = "root", hide_default_value = true)]
    pub(crate) uname: String,
    /// Name of the group that --gid numbers
    #[arg(long, value_name = "NAME", default_value = "root", hide_default_value = true)]
    pub(crate) gname: String,
}
