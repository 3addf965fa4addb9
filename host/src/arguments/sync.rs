//! Whether what is written has to outlast a power failure.

use clap::Args;
use clap::builder::FalseyValueParser;
use layerwright_packer::Durability;

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    /// Leave it to the system when the result reaches the disk: faster, and a power failure may lose it, with other images there
    #[arg(long, env = "LAYERWRIGHT_NO_SYNC", hide_env_values = true, value_parser = FalseyValueParser::new(), help_heading = None)]
    no_sync: bool,
}

impl SyncArguments {
    pub(crate) fn durability(&self) -> Durability {
        if self.no_sync { Durability::Unsynced } else { Durability::Synced }
    }
}
