//! `layerwright build`

use std::path::absolute;
use std::process::ExitCode;

use anyhow::{Result, bail};
use layerwright_packer::Destination;

use super::output::write_file;
use super::pack::{check_destination, pack_plan};
use super::plan::make_plan;
use crate::arguments::BuildArguments;
use crate::console::Console;

pub(crate) fn run(arguments: &BuildArguments, console: &Console) -> Result<ExitCode> {
    check_destination(&arguments.packing)?;
    check_places(arguments)?;
    let (plan, files) = make_plan(&arguments.closure, &arguments.planning, console)?;
    let code = pack_plan(&plan, &files, &arguments.closure.root, &arguments.packing, console)?;
    // Last, so that a build that fails leaves nothing.
    if let Some(file) = &arguments.save_plan {
        write_file(file, &plan.to_json())?;
    }
    Ok(code)
}

/// Refuses to write the plan over the image.
fn check_places(arguments: &BuildArguments) -> Result<()> {
    let (Destination::DockerArchive { file: image, .. } | Destination::OciArchive { file: image, .. }) =
        &arguments.packing.to
    else {
        return Ok(());
    };
    match &arguments.save_plan {
        Some(plan) if absolute(plan)? == absolute(image)? => {
            bail!("--save-plan and --to name the same file: {}", plan.display())
        }
        _ => Ok(()),
    }
}
