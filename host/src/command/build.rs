//! `layerwright build`

use std::path::{Path, PathBuf, absolute};
use std::process::ExitCode;

use anyhow::{Result, bail};
use layerwright_packer::Destination;

use super::output::{check_writable, write_file};
use super::pack::{Packing, Planned};
use super::plan::{Made, make_plan};
use super::state::State;
use super::surroundings::Surroundings;
use crate::arguments::BuildArguments;
use crate::console::Console;
use crate::exit::Usage;

pub(crate) fn run(arguments: &BuildArguments, console: &Console) -> Result<ExitCode> {
    let packing = Packing::check(&arguments.packing, &arguments.planning.sandbox.cache_dir)?;
    check_places(arguments).map_err(Usage)?;
    arguments.save_plan.as_deref().map_or(Ok(()), check_writable)?;
    let state = arguments.state.as_deref().map(State::open).transpose()?;
    let BuildArguments { closure, planning, nix_db, .. } = arguments;
    let surroundings = &arguments.surroundings;
    let mut surroundings = Surroundings::open(surroundings, &closure.root, packing.settings(), *nix_db, console)?;
    let Made { plan, files, closure: whole } = match arguments.packing.no_store_paths && !nix_db {
        true => Made::nothing()?,
        false => make_plan(closure, planning, &surroundings, state.as_ref(), console)?,
    };
    if *nix_db {
        surroundings.add_nix_db(&whole, &files, &closure.root)?;
    }
    let (root, surroundings) = (&*closure.root, &surroundings);
    let code = packing.run(&Planned { plan: &plan, files: &files, root, ready: &[], surroundings }, console)?;
    // Last, so that a build that fails leaves nothing.
    if let Some(file) = &arguments.save_plan {
        write_file(file, plan.to_json())?;
    }
    state.map_or(Ok(()), |state| state.keep(&plan))?;
    Ok(code)
}

/// Refuses to write the plan or the state over the image, or into it.
fn check_places(arguments: &BuildArguments) -> Result<()> {
    let BuildArguments { save_plan, state, packing, .. } = arguments;
    for (flag, place) in [("--save-plan", save_plan), ("--state", state)] {
        if let Some(place) = place
            && is_taken(place, &packing.to)?
        {
            bail!("{flag} and --to name the same place: {}", place.display());
        }
    }
    Ok(())
}

fn is_taken(place: &Path, image: &Destination) -> Result<bool> {
    Ok(match image {
        Destination::DockerArchive { file, .. } | Destination::OciArchive { file, .. } => real(place)? == real(file)?,
        Destination::OciLayout { dir, .. } => real(place)?.starts_with(real(dir)?),
        Destination::Stdout => false,
    })
}

/// The path without links, as far as anything is there.
fn real(path: &Path) -> Result<PathBuf> {
    let path = absolute(path)?;
    let there = path.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    let Some((ancestor, real)) = there else { return Ok(path) };
    let rest = path.strip_prefix(ancestor)?;
    Ok(if rest == Path::new("") { real } else { real.join(rest) })
}
