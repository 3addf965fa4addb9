//! `layerwright build`

use std::process::ExitCode;

use anyhow::Result;
use layerwright_packer::Destination;

use super::inputs::{check_all_there, root};
use super::output::{check_writable, write_file};
use super::pack::{Packing, Planned};
use super::places::{Place, check_apart};
use super::plan::{Made, make_plan, read_by};
use super::report::write_of_plan;
use super::state::State;
use super::surroundings::{Surroundings, check_stream};
use crate::arguments::BuildArguments;
use crate::console::Console;
use crate::exit::Usage;
use crate::planners;

pub(crate) fn run(arguments: &BuildArguments, console: &Console) -> Result<ExitCode> {
    let packing = Packing::check(&arguments.packing, &arguments.cache_dir, console)?;
    let (save_plan, report) = (arguments.save_plan.as_deref(), arguments.report.file.as_deref());
    let (image, state) = (Place::of_image(&arguments.packing.to), Place::of_state(arguments.state.as_deref()));
    let written = [state, image, Place::of_plan("--save-plan", save_plan), Place::of_report(report)];
    let BuildArguments { closure, planning, nix_db, .. } = arguments;
    let around = &arguments.surroundings;
    let read = read_by(closure, planning)?;
    let config = arguments.packing.settings.image_config.as_deref().map(|file| ("--image-config", file));
    let files = Place::of_files(around.customisation.sources().chain(config));
    check_apart(written, read.iter().cloned().chain(files)).map_err(Usage)?;
    save_plan.into_iter().chain(report).try_for_each(check_writable)?;
    let durability = arguments.packing.sync.durability();
    let state = arguments.state.as_deref().map(|dir| State::open(dir, durability, console)).transpose()?;
    let others = closure.from.file().into_iter().chain(planning.history.history.iter().cloned());
    check_stream(around, others).map_err(Usage)?;
    check_all_there(&read, around.sources().chain([root(&closure.root)]))?;
    let is_planned = !arguments.packing.no_store_paths || *nix_db;
    let sandbox = planners::sandbox(&planning.sandbox, console)?;
    let planners = match is_planned {
        true => planners::load_all(&sandbox, &planning.planners, &planning.lock)?,
        false => Vec::new(),
    };
    let mut surroundings = Surroundings::open(around, &closure.root, packing.settings(), *nix_db, console)?;
    let made = match is_planned {
        true => make_plan(closure, planning, &planners, &surroundings, state.as_ref(), console)?,
        false => Made::nothing()?,
    };
    surroundings.lay_upon_packages(&made.plan, &made.files, &closure.root)?;
    if *nix_db {
        surroundings.add_nix_db(&made.closure, &made.files, &closure.root)?;
    }
    let (root, surroundings, Made { plan, files, .. }) = (&*closure.root, &surroundings, &made);
    let mut after = packing.run(&Planned { plan, files, root, ready: &[], surroundings }, console)?;
    // Last, so that a build that fails leaves nothing.
    if let Some(file) = save_plan {
        after.done("its plan", write_file(file, plan.to_json(), durability));
    }
    if let Some(state) = state {
        after.done("its plan in the state", state.keep(plan));
    }
    if let Some(file) = report {
        after.done("its report", write_of_plan(file, "build", title(arguments), &made, durability, console));
    }
    Ok(after.code())
}

/// Where the image went; or where it came from, if it went away.
fn title(arguments: &BuildArguments) -> String {
    match &arguments.packing.to {
        Destination::Stdout => arguments.closure.from.to_string(),
        to => to.to_string(),
    }
}
