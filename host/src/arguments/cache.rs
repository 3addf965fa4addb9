//! What is kept from run to run, and where.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::FalseyValueParser;
use clap::{Args, Subcommand, value_parser};
use layerwright_packer::CacheDir;

/// Some images of several gigabytes each, with what they share.
const CACHE_SIZE: &str = "10GiB";

/// Given to each argument: a heading for all that follow would go on behind them.
const HEADING: &str = "Cache";

#[derive(Debug, Args)]
pub(crate) struct CacheDirArguments {
    /// Where packed layers are kept [default: layerwright in $XDG_CACHE_HOME or ~/.cache]
    #[arg(long, value_name = "DIR", env = "LAYERWRIGHT_CACHE_DIR", hide_env_values = true, hide_short_help = true, help_heading = HEADING)]
    cache_dir: Option<PathBuf>,
}

impl CacheDirArguments {
    /// `None` for a user without a home, who names nothing.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        self.cache_dir.clone().or_else(CacheDir::default_place)
    }
}

#[derive(Debug, Args)]
pub(crate) struct CompiledDirArguments {
    /// Where compiled planners are kept [default: layerwright in $XDG_STATE_HOME or ~/.local/state]
    ///
    /// They are native code, and of this machine alone: do not let a CI job save and restore this folder. What was not
    /// compiled in it is not used.
    #[arg(long, value_name = "DIR", env = "LAYERWRIGHT_COMPILED_DIR", hide_env_values = true, hide_short_help = true, help_heading = HEADING)]
    compiled_dir: Option<PathBuf>,
}

impl CompiledDirArguments {
    /// `None` for a user without a home, who names nothing.
    pub(crate) fn place(&self) -> Option<PathBuf> {
        self.compiled_dir.clone().or_else(CacheDir::default_place_of_this_machine)
    }
}

/// Whether packed layers are kept, and how many.
#[derive(Debug, Args)]
pub(crate) struct CacheArguments {
    /// Pack all layers anew, and keep none. The bytes are the same
    #[arg(long, env = "LAYERWRIGHT_NO_CACHE", hide_env_values = true, value_parser = FalseyValueParser::new(), help_heading = HEADING)]
    pub(crate) no_cache: bool,
    /// How much of packed layers is kept after the build, e.g. 5GiB, 500MB or a number of bytes
    ///
    /// Those go first that were used least lately.
    #[arg(long, value_name = "SIZE", env = "LAYERWRIGHT_CACHE_SIZE", hide_env_values = true, default_value = CACHE_SIZE, hide_short_help = true, help_heading = HEADING)]
    pub(crate) cache_size: Size,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Show what is kept, packed layers and compiled planners: where, how much and how large that is
    #[command(after_help = "\
Examples:
  layerwright cache info
  layerwright cache info --json | jq .layers.bytes")]
    Info(CacheInfoArguments),
    /// Remove packed layers: those that were used least lately, until the others fit; and what was not used for long
    #[command(after_help = "\
Examples:
  layerwright cache prune --max-size 2GiB
  layerwright cache prune --unused-for 30

A build does the same with what is beyond --cache-size. Temporary files that killed
runs left in $TMPDIR go, too. Removing is always safe,
also beside a build: what is needed again is packed again, to the same bytes.")]
    Prune(CachePruneArguments),
    /// Hash every packed layer and compiled planner, and remove those that are damaged
    ///
    /// A build notices by itself when a packed layer was cut or written to. This finds what a bad disk did. A compiled planner
    /// is looked at whenever it is used, and has to have been compiled in this folder.
    #[command(after_help = "\
Examples:
  layerwright cache verify
  layerwright cache verify --json | jq -r '.damaged[]'

Exits with 6 where anything was damaged. The next build makes it again.")]
    Verify(CacheInfoArguments),
    /// Remove all packed layers and compiled planners, and no file that is not the program's own
    #[command(after_help = "\
Example:
  layerwright cache clear")]
    Clear(CacheInfoArguments),
}

#[derive(Debug, Args)]
pub(crate) struct CacheInfoArguments {
    #[command(flatten)]
    pub(crate) dir: CacheDirArguments,
    #[command(flatten)]
    pub(crate) compiled_dir: CompiledDirArguments,
    /// Print the result as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CachePruneArguments {
    /// How much may be left of packed layers, e.g. 5GiB, 500MB or a number of bytes
    #[arg(long, value_name = "SIZE", env = "LAYERWRIGHT_CACHE_SIZE", hide_env_values = true, default_value = CACHE_SIZE)]
    pub(crate) max_size: Size,
    /// Also remove layers and compiled planners that nothing has used for so many days
    #[arg(long, value_name = "DAYS", value_parser = value_parser!(u32))]
    pub(crate) unused_for: Option<u32>,
    #[command(flatten)]
    pub(crate) common: CacheInfoArguments,
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) bytes: u64,
}

/// What may stand behind a number, and how many bytes it is.
const UNITS: [(&str, u64); 10] = [
    ("", 1),
    ("B", 1),
    ("KB", 1000),
    ("MB", 1000_u64.pow(2)),
    ("GB", 1000_u64.pow(3)),
    ("TB", 1000_u64.pow(4)),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = (&text[..digits], text[digits..].trim_start());
        let (_, unit_bytes) = UNITS
            .into_iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .filter(|_| !number.is_empty())
            .ok_or("write a whole number and a unit, such as 5GiB or 500MB, or a number of bytes")?;
        let bytes = number.parse::<u64>().ok().and_then(|number| number.checked_mul(unit_bytes));
        Ok(Self { bytes: bytes.ok_or("that is more bytes than there can be")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("123", 123),
            ("5GiB", 5 << 30),
            ("5 gib", 5 << 30),
            ("500MB", 500_000_000),
            ("1kb", 1000),
            ("7B", 7),
            ("2TiB", 2 << 40),
            (CACHE_SIZE, 10 << 30),
        ] {
            assert_eq!(text.parse::<Size>().unwrap().bytes, bytes, "{text}");
        }
        for text in ["", "GiB", "5G", "1.5GiB", "-1", "5 apples", "٣GB"] {
            assert!(text.parse::<Size>().unwrap_err().contains("such as 5GiB"), "{text}");
        }
        for text in ["99999999999999999999", "99999999TiB"] {
            assert!(text.parse::<Size>().unwrap_err().contains("more bytes"), "{text}");
        }
    }
}
