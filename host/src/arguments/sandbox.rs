//! What a planner may use, and where its compiled code is kept.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, value_parser};

use super::CompiledDirArguments;
use crate::sandbox::{Limit, Limits};

#[derive(Debug, Args)]
#[command(next_help_heading = "Sandbox")]
pub(crate) struct SandboxArguments {
    /// Instructions that a planner may execute, roughly [default: 10 billion, and 100,000 more for each node, reference and node of an earlier image]
    ///
    /// A billion lasts for 0.3 to 3 seconds. With an interpreter inside, planners of 100,000 nodes take 4 billion and more, and
    /// may take 88.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    planner_fuel: Option<u64>,
    /// Memory that a planner may have, in MiB [default: 1024, and 1 more for each 1,024 nodes, references and nodes of earlier images]
    #[arg(long, value_name = "MIB", value_parser = value_parser!(u64).range(1..=1 << 20))]
    planner_memory: Option<u64>,
    /// Seconds that a planner may take by the clock, in case its instructions take so long [default: 60, and 1 more for each 1,000 nodes, references and nodes of earlier images]
    #[arg(long, value_name = "SECONDS", value_parser = value_parser!(u64).range(1..=1_000_000))]
    planner_timeout: Option<u64>,
    /// What a planner may return at once, in MiB [default: 16, and 1 more for each 16,384 nodes, references and nodes of earlier images]
    #[arg(long, value_name = "MIB", value_parser = value_parser!(u64).range(1..=1 << 12), hide_short_help = true)]
    planner_output: Option<u64>,
    /// What a planner may log and print, in KiB
    #[arg(long, value_name = "KIB", default_value_t = Limits::LOG_BYTES >> 10, value_parser = value_parser!(u64).range(1..=1 << 20), hide_short_help = true)]
    planner_log: u64,
    /// How deep the calls of a planner may nest: KiB of stack
    #[arg(long, value_name = "KIB", default_value_t = Limits::STACK_BYTES as u64 >> 10, value_parser = value_parser!(u64).range(64..=1 << 20), hide_short_help = true)]
    planner_stack: u64,
    /// How large a planner's file may be, in MiB
    #[arg(long, value_name = "MIB", default_value_t = Limits::COMPONENT_BYTES >> 20, value_parser = value_parser!(u64).range(1..=1 << 12), hide_short_help = true)]
    planner_size: u64,
    /// Seconds of processor time that compiling a planner may take, all threads together
    ///
    /// By the clock it may take five times as long, on a machine that is busy with something else.
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::COMPILE_TIME.as_secs(), value_parser = value_parser!(u64).range(1..=1_000_000), hide_short_help = true)]
    planner_compile_timeout: u64,
    /// Memory that compiling a planner may take, in MiB
    #[arg(long, value_name = "MIB", default_value_t = Limits::COMPILE_MEMORY_BYTES >> 20, value_parser = value_parser!(u64).range(64..=1 << 20), hide_short_help = true)]
    planner_compile_memory: u64,
    /// Compile planners anew, and keep nothing
    #[arg(long, hide_short_help = true)]
    no_compile_cache: bool,
    #[command(flatten)]
    compiled_dir: CompiledDirArguments,
}

impl SandboxArguments {
    /// Where compiled planners are to be kept; `None` for nowhere.
    pub(crate) fn compile_cache(&self) -> Option<PathBuf> {
        self.compiled_dir.place().filter(|_| !self.no_compile_cache)
    }

    pub(crate) fn limits(&self) -> Limits {
        let or = |given: Option<u64>, default| given.map_or(default, Limit::fixed);
        Limits {
            fuel: or(self.planner_fuel, Limits::FUEL),
            memory_bytes: or(self.planner_memory.map(|mib| mib << 20), Limits::MEMORY_BYTES),
            timeout_ms: or(self.planner_timeout.map(|seconds| seconds * 1000), Limits::TIMEOUT_MS),
            output_bytes: or(self.planner_output.map(|mib| mib << 20), Limits::OUTPUT_BYTES),
            log_bytes: self.planner_log << 10,
            stack_bytes: usize::try_from(self.planner_stack << 10).expect("the parser keeps it below 1 GiB"),
            component_bytes: self.planner_size << 20,
            compile_time: Duration::from_secs(self.planner_compile_timeout),
            compile_memory_bytes: self.planner_compile_memory << 20,
        }
    }

    /// The flags that change what a planner may use, as the user could have written them.
    pub(crate) fn flags(&self) -> Vec<String> {
        let changed = |value: u64, usual: u64| (value != usual).then_some(value);
        let flags = [
            ("--planner-fuel", self.planner_fuel),
            ("--planner-memory", self.planner_memory),
            ("--planner-timeout", self.planner_timeout),
            ("--planner-output", self.planner_output),
            ("--planner-log", changed(self.planner_log, Limits::LOG_BYTES >> 10)),
            ("--planner-stack", changed(self.planner_stack, Limits::STACK_BYTES as u64 >> 10)),
            ("--planner-size", changed(self.planner_size, Limits::COMPONENT_BYTES >> 20)),
            ("--planner-compile-timeout", changed(self.planner_compile_timeout, Limits::COMPILE_TIME.as_secs())),
            ("--planner-compile-memory", changed(self.planner_compile_memory, Limits::COMPILE_MEMORY_BYTES >> 20)),
        ];
        let given = flags.into_iter().filter_map(|(flag, value)| Some([flag.to_owned(), value?.to_string()]));
        given.flatten().collect()
    }
}
