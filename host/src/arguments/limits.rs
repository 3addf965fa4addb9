//! What a planner may use.

use std::time::Duration;

use clap::Args;

use crate::sandbox::Limits;

#[derive(Debug, Args)]
#[command(next_help_heading = "Sandbox")]
pub(crate) struct LimitArguments {
    /// Instructions that a planner may execute, roughly
    #[arg(long, value_name = "N", default_value_t = Limits::DEFAULT_FUEL)]
    planner_fuel: u64,
    /// Memory that a planner may have, in MiB
    #[arg(long, value_name = "MIB", default_value_t = Limits::DEFAULT_MEMORY_BYTES >> 20, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    planner_memory: u64,
    /// Seconds that a planner may take
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::DEFAULT_TIMEOUT.as_secs(), value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    planner_timeout: u64,
}

impl LimitArguments {
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            fuel: self.planner_fuel,
            memory_bytes: self.planner_memory << 20,
            timeout: Duration::from_secs(self.planner_timeout),
        }
    }
}
