//! Benchmarks of packing: against what the machine can do, and against what people use today.
//!
//! 1. [`closures`] are made, once.
//! 2. Each round runs all [`subjects`] once, each in a process that [`measure`] watches, and the stages of
//!    [`physics`] one by one. So a disturbance of the machine hits all of them alike.
//! 3. Medians become [`goals`] and a [`report`]. No figure makes the benchmark fail.

mod closures;
mod goals;
mod measure;
mod options;
mod physics;
mod report;
mod results;
mod statistics;
mod subjects;
mod workplace;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Result, bail};
use fs_err as fs;

use self::closures::{Closure, ClosureName};
pub(crate) use self::measure::child;
use self::options::Options;
use self::physics::Physics;
use self::results::{Results, Row, Stages};
use self::subjects::{Course, Subject, subjects};
use self::workplace::Workplace;
use crate::program::{program, target};
use crate::{machine, setup};

/// Whose versions matter.
const TOOLS: [&str; 8] = ["tar", "pigz", "zstd", "python3", "skopeo", "umoci", "buildah", "rustc"];

/// Closures whose stages are measured one by one.
const WITH_STAGES: [ClosureName; 2] = [ClosureName::Debian, ClosureName::SmallFiles];

/// Closures for which time matters. The others would only fill the system's cache.
const TIMED: [ClosureName; 3] = [ClosureName::Debian, ClosureName::Skewed, ClosureName::SmallFiles];

/// Sets up, measures, and writes what came out.
pub(crate) fn run(workspace: &Path, words: &[&str]) -> Result<()> {
    let options = Options::parse(words)?;
    let target = target(workspace);
    let dir = target.join("bench");
    setup::bench_tools()?;
    let program = program(workspace)?;
    let machine = machine::describe(&target, &program, &TOOLS);
    let subjects: Vec<Subject> = subjects().into_iter().filter(|subject| options.only.takes(&subject.id())).collect();
    let stages = WITH_STAGES.into_iter().filter(|name| options.only.takes(&format!("{}/physics", name.as_str())));
    let stages: BTreeMap<ClosureName, Stages> = stages.map(|name| (name, Stages::default())).collect();
    if subjects.is_empty() && stages.is_empty() {
        bail!("--only names nothing that is measured: rows have names such as debian/gzip and debian/physics");
    }
    let closures = make_closures(&dir, &options, &subjects, &stages)?;

    let workplace = Workplace::new(workspace, program, dir.join("work"), closures.clone())?;
    let mut results = Results {
        machine,
        runs: options.runs,
        scale: options.scale,
        closures: closures.into_values().collect(),
        rows: subjects.into_iter().map(|subject| Row { subject, samples: Vec::new(), skipped: None }).collect(),
        stages,
    };
    measure_all(workspace, &workplace, &mut results)?;
    fs::remove_dir_all(&workplace.dir)?;
    write(workspace, &options, &dir, &results)
}

fn make_closures(
    dir: &Path,
    options: &Options,
    subjects: &[Subject],
    stages: &BTreeMap<ClosureName, Stages>,
) -> Result<BTreeMap<ClosureName, Closure>> {
    let dir = dir.join(if options.scale < 1.0 { format!("closures-{}", options.scale) } else { "closures".into() });
    let needed: BTreeSet<ClosureName> =
        subjects.iter().map(|subject| subject.closure).chain(stages.keys().copied()).collect();
    let needed = ClosureName::ALL.into_iter().filter(|name| needed.contains(name));
    needed.map(|name| Ok((name, closures::ensure(&dir, name, options.scale)?))).collect()
}

fn measure_all(workspace: &Path, workplace: &Workplace, results: &mut Results) -> Result<()> {
    let physics = if results.stages.is_empty() { None } else { Some(physics::compile(workspace)?) };
    for closure in &results.closures {
        workplace.plan(closure.name)?;
    }
    for name in TIMED.into_iter().filter(|name| workplace.closures.contains_key(name)) {
        let largest_tar_bytes = workplace.pack_once(name)?;
        results.stages.entry(name).and_modify(|stages| stages.largest_tar_bytes = largest_tar_bytes);
    }
    for row in &mut results.rows {
        row.skipped = workplace.prepare(&row.subject).unwrap_or_else(|error| Some(format!("{error:#}")));
    }
    for round in 0..results.runs {
        eprintln!("round {} of {}", round + 1, results.runs);
        measure_round(workplace, physics.as_deref(), results, round)?;
    }
    results.rows.iter_mut().for_each(|row| measure_row(workplace, row, |course| course == Course::Once));
    Ok(())
}

/// The stages take turns with the rows.
fn measure_round(workplace: &Workplace, physics: Option<&Path>, results: &mut Results, round: usize) -> Result<()> {
    let mut turns: Vec<Turn<'_>> = results.rows.iter_mut().map(Turn::Row).collect();
    turns.extend(results.stages.iter_mut().map(|(name, stages)| Turn::Stages(*name, stages)));
    for index in statistics::order(turns.len(), round, results.runs) {
        match (&mut turns[index], physics) {
            (Turn::Row(row), _) => measure_row(workplace, row, |course| course != Course::Once),
            (Turn::Stages(name, stages), Some(physics)) => {
                let root = &workplace.closures[name].root;
                stages.rounds.push(Physics::measure(physics, root, &workplace.dir)?);
            }
            (Turn::Stages(..), None) => {}
        }
    }
    Ok(())
}

/// Whose turn it is in a round.
enum Turn<'a> {
    Row(&'a mut Row),
    Stages(ClosureName, &'a mut Stages),
}

/// A subject that fails is left out from then on; the others go on.
fn measure_row(workplace: &Workplace, row: &mut Row, takes: impl Fn(Course) -> bool) {
    if row.skipped.is_some() || !takes(row.subject.course) {
        return;
    }
    match workplace.run(&row.subject) {
        Ok(sample) => {
            eprintln!("  {:<28} {:>8.3} s", row.subject.id(), sample.seconds);
            row.samples.push(sample);
        }
        Err(error) => row.skipped = Some(format!("{error:#}")),
    }
}

fn write(workspace: &Path, options: &Options, dir: &Path, results: &Results) -> Result<()> {
    let goals = goals::goals(results);
    let json = options.json.clone().unwrap_or_else(|| dir.join("results.json"));
    fs::write(&json, serde_json::to_string_pretty(&results.to_json(&goals))? + "\n")?;
    let tables = report::tables(results, &goals);
    tables.iter().for_each(|table| println!("{table}"));
    eprintln!("The figures are in {}", json.display());
    if options.write {
        let page = workspace.join("docs/benchmarks.md");
        fs::write(&page, report::page(&tables))?;
        eprintln!("The page is {}", page.display());
    }
    Ok(())
}
