//! `layerwright build`

use std::process::ExitCode;

use anyhow::Result;

use super::output::write_file;
use super::pack::{check_destination, pack_plan};
use super::plan::make_plan;
use crate::arguments::BuildArguments;
use crate::console::Console;

pub(crate) fn run(arguments: &BuildArguments, console: &Console) -> Result<ExitCode> {
    check_destination(&arguments.packing)?;
    let (plan, files) = make_plan(&arguments.closure, &arguments.planning, console)?;
    if let Some(file) = &arguments.save_plan {
        write_file(file, &plan.to_json())?;
    }
    pack_plan(&plan, &files, &arguments.closure.root, &arguments.packing, console)
}
