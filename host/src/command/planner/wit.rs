//! `layerwright planner wit`

use anyhow::Result;
use layerwright_packer::Durability;

use crate::arguments::WitArguments;
use crate::command::output::{check_writable, print, write_file};
use crate::sandbox::CONTRACT;

pub(super) fn run(arguments: &WitArguments) -> Result<()> {
    let Some(file) = &arguments.output else { return print(CONTRACT) };
    check_writable(file)?;
    write_file(file, CONTRACT, Durability::Synced)
}
