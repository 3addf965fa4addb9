//! `layerwright plan`

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Result, bail};
use layerwright_packer::{Durability, ImageSettings};
use layerwright_planner::{Closure, Generation, NodeId, Plan};

use super::image_settings::GivenSettings;
use super::inputs::{check_all_there, root};
use super::output::{check_writable, print, write_file};
use super::places::{Place, check_apart};
use super::plan_table::plan_table;
use super::report::write_of_plan;
use super::state::State;
use super::surroundings::{Surroundings, check_stream};
use crate::arguments::{ClosureArguments, PlanArguments, PlanFormat, PlanningArguments};
use crate::console::Console;
use crate::exit::Usage;
use crate::history::read_generations;
use crate::planners::{self, Configured};
use crate::progress::spinner;
use crate::source::{NodeFilesByName, ReadClosure, Registrations};

pub(crate) fn run(arguments: &PlanArguments, console: &Console) -> Result<ExitCode> {
    let settings = GivenSettings::new(&arguments.settings, console)?;
    let (output, report) = (arguments.output.as_deref(), arguments.report.file.as_deref());
    let written = [Place::of_plan("--output", output), Place::of_report(report)];
    let PlanArguments { surroundings, closure, planning, nix_db, .. } = arguments;
    let read = read_by(closure, planning)?;
    check_apart(written, read.iter().cloned().chain(Place::of_files(surroundings.customisation.sources())))
        .map_err(Usage)?;
    output.into_iter().chain(report).try_for_each(check_writable)?;
    let others = closure.from.file().into_iter().chain(planning.history.history.iter().cloned());
    check_stream(surroundings, others).map_err(Usage)?;
    check_all_there(&read, surroundings.sources().chain([root(&closure.root)]))?;
    let sandbox = planners::sandbox(&planning.sandbox, console)?;
    let planners = planners::load_all(&sandbox, &planning.planners, &planning.lock)?;
    let surroundings = Surroundings::open(surroundings, &closure.root, settings.given(), *nix_db, console)?;
    let made = make_plan(closure, planning, &planners, &surroundings, None, console)?;
    let plan = &made.plan;
    let text = match arguments.format {
        PlanFormat::Plan => plan.to_json(),
        PlanFormat::StoreLayers => plan.to_store_layers(),
        PlanFormat::Table => plan_table(plan),
    };
    match output {
        Some(file) => write_file(file, &text, Durability::Synced)?,
        None => print(&text)?,
    }
    if let Some(file) = report {
        write_of_plan(file, "plan", closure.from.to_string(), &made, Durability::Synced, console)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What is read to make a plan. Refuses what nothing is to be read for.
pub(super) fn read_by(closure: &ClosureArguments, planning: &PlanningArguments) -> Result<Vec<Place>> {
    closure.missing.check(closure.from.kind()).map_err(Usage)?;
    let history = Place::of_history(&planning.history.history)?;
    let planners = Place::of_planners(&planning.planners);
    Ok(Place::of_graph(&closure.from).into_iter().chain(planners).chain(history).collect())
}

/// As far as it decides which base image is meant.
pub(super) fn platform(architecture: Option<&str>, variant: Option<&str>) -> ImageSettings {
    let defaults = ImageSettings::default();
    let architecture = architecture.map_or(defaults.architecture, str::to_owned);
    ImageSettings { architecture, variant: variant.map(str::to_owned), ..defaults }
}

/// A plan that was made just now.
pub(super) struct Made {
    pub(super) plan: Plan,
    pub(super) files: NodeFilesByName,
    /// Also what the base image holds, which is not in the plan.
    pub(super) closure: Closure,
    /// What the planners knew, newest first.
    pub(super) history: Vec<Arc<Generation>>,
}

impl Made {
    /// For an image without store paths.
    pub(super) fn nothing() -> Result<Self> {
        let plan = Plan::from_store_layers("[]")?;
        let files = NodeFilesByName::StorePaths(Registrations::default());
        Ok(Self { plan, files, closure: Closure::default(), history: Vec::new() })
    }
}

/// Reads the closure and asks the planners. `state` is of earlier builds, and newer than the history.
pub(super) fn make_plan(
    arguments: &ClosureArguments,
    planning: &PlanningArguments,
    planners: &[Configured<'_>],
    surroundings: &Surroundings,
    state: Option<&State>,
    console: &Console,
) -> Result<Made> {
    let max_layers = surroundings.planned_layers(planning.max_layers).map_err(Usage)?;
    let older = read_generations(&planning.history.history, console)?;
    let spinner = spinner(console, "reading the closure");
    let ReadClosure { closure, files } =
        arguments.from.read(&arguments.root, surroundings.references(), &arguments.missing.allow_missing)?;
    let closure = without(&closure, &arguments.exclude).map_err(Usage)?;
    surroundings.check_references(&closure, files.kind(), console)?;
    let mut history = state.map_or(Ok(Vec::new()), |state| state.generations(files.kind(), console))?;
    history.extend(older);
    let to_pack = surroundings.without_held(&closure);
    spinner.set_message(format!("planning {} nodes", to_pack.len()));
    let plan = spinner.suspend(|| match to_pack.is_empty() {
        true => Ok(Plan::from_store_layers("[]")?),
        false => planners::plan(to_pack, files.kind(), planners, max_layers, &history, console),
    })?;
    spinner.finish_and_clear();
    Ok(Made { plan, files, closure, history })
}

fn without(closure: &Closure, excluded: &[String]) -> Result<Closure> {
    if let Some(unknown) = excluded.iter().find(|name| closure.find(name).is_none()) {
        bail!("--exclude: `{unknown}` is not in the closure");
    }
    let is_kept = |id: &NodeId| !excluded.contains(&closure.node(*id).name);
    Ok(closure.induced(&closure.ids().filter(is_kept).collect::<Vec<_>>()))
}
