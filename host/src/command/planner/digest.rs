//! `layerwright planner digest`

use anyhow::{Result, bail};
use layerwright_packer::Digest;
use layerwright_planner::PlannerSource;
use serde::Serialize;

use crate::command::output::{print, print_json};
use crate::planner_file::{Component, component, to_hash};
use crate::planner_spec::PlannerSpec;
use crate::sandbox::printable;

/// Longest name that is shown, in bytes. A path on Linux is no longer.
const NAME_BYTES: usize = 4096;

/// How digests are printed.
#[derive(Clone, Copy)]
pub(super) enum Format {
    /// As `sha256sum` does.
    Lines,
    /// As `--planner` takes them.
    Pins,
    Json,
}

impl Format {
    pub(super) fn new(pin: bool, json: bool) -> Self {
        match (pin, json) {
            (true, _) => Self::Pins,
            (_, true) => Self::Json,
            (false, false) => Self::Lines,
        }
    }
}

#[derive(Serialize)]
struct Found<'a> {
    planner: &'a str,
    digest: Digest,
    source: PlannerSource,
}

pub(super) fn run(planners: &[String], format: Format) -> Result<()> {
    let found = planners.iter().map(|planner| Found::new(planner)).collect::<Result<Vec<_>>>()?;
    match format {
        Format::Json => print_json(&found),
        Format::Lines => print(&found.iter().map(Found::line).collect::<String>()),
        Format::Pins => print(&found.iter().map(Found::pin).collect::<Result<String>>()?),
    }
}

impl<'a> Found<'a> {
    fn new(planner: &'a str) -> Result<Self> {
        let Component { bytes, source } = component(planner, &to_hash())?;
        Ok(Self { planner, digest: Digest::of(&bytes), source })
    }

    fn line(&self) -> String {
        format!("{}  {}\n", self.digest, printable(self.planner, NAME_BYTES))
    }

    /// Refuses what would not be copied as it is meant.
    fn pin(&self) -> Result<String> {
        let pin = PlannerSpec { pin: Some(self.digest), ..PlannerSpec::named(self.planner) }.to_string();
        if printable(&pin, usize::MAX) != pin {
            bail!("`{}` has a character in its name that cannot be shown; rename the file", self.planner);
        }
        Ok(pin + "\n")
    }
}
