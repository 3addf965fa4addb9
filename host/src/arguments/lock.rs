//! Whether planners that nobody vouched for may be used.

use clap::Args;
use clap::builder::FalseyValueParser;

use crate::planner_file::Unpinned;

#[derive(Debug, Args)]
pub(crate) struct LockArguments {
    /// Refuse planners that are neither built in nor pinned with @sha256:
    ///
    /// The variable does the same, unless it is empty, 0, false, no or off.
    #[arg(long, env = "LAYERWRIGHT_LOCKED", hide_env_values = true, value_parser = FalseyValueParser::new(), help_heading = "Planning")]
    locked: bool,
}

impl LockArguments {
    pub(crate) fn unpinned(&self) -> Unpinned {
        if self.locked { Unpinned::Refused } else { Unpinned::Allowed }
    }
}
