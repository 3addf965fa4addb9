//! The figures as tables, on standard output and in `docs/benchmarks.md`.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::closures::ClosureName;
use super::goals::{Goal, Wanted};
use super::physics::{Encoder, Load, Physics, STAGES};
use super::results::{Results, Row, Stages};
use super::statistics::median;
use crate::table::Table;

const INTRODUCTION: &str = "\
# Benchmarks

<!-- Written by `cargo xtask bench --write`: change it there. -->

How long packing takes, how near that is to what the machine can do, and what other ways take that people use today.
All ways pack the same files, which are in the system's cache. They take turns: each round runs every one of them
once, in another order, and of the rounds the median counts. No figure here is tested for; they are to be read.

## Run it again

    cargo xtask bench

builds the program, makes the closures in `target/bench` (once; they take about 7 GB) and prints the tables below.
It installs what it needs where it may, and says what is left out and why. `--json FILE` says where the figures go
as JSON (`target/bench/results.json` otherwise), `--only WORD` takes rows whose closure and name, as in
`debian/gzip`, contain the word, `--runs N` says how many rounds there are, `--scale 0.05` makes closures smaller,
to try things out, and `--write` writes this page. Nothing else should run on the machine.
";

/// What is in braces in the table of lines.
const BRACES: &str = "\
`{build}` is `layerwright build` with the closure, its planners being compiled already; `{cold}` forbids it to use
layers that it packed before, and `{cached}` lets it. `{tar}` is GNU tar, which writes the closure with sorted names
and equal owners and times. `{two-pass}` is `xtask/src/bench/two_pass.py`, which packs the layers of our own plan,
`{layers}`. `{archive}` is our docker-archive without compression, `{out}` an empty folder, and `{storage}` puts
buildah's storage there.
";

/// What the closures are like.
const CLOSURES: &str = "\
`debian` has the files of installed packages, a path for each. `skewed` has files of it, and one path has half of
the bytes. `small-files` has them cut into pieces of 1 to 5 kB, and `thousand-paths` into 1,000 paths of 2 MB.
`sparse` and `many-files` are for memory: holes, and tiny files. MB are 10^6 bytes.";

/// What is in the table of stages.
const STAGES_NOTE: &str = "\
Core-seconds for all files, from `packer/benches/physics.rs`: with one thread, and with all at once, of which the
times for which they had work are added up. `gzip` has level 6, and `zstd` level 3.";

/// What is in the table of bounds.
const BOUNDS: &str = "\
walk + read + hash of the tar + compress + hash of the blob + write, divided by the number of cores. The largest
layer's tar has to be hashed in one go. The bound is the lower of the first two, but not below the third. A layer without
compression is hashed once.";

/// What is in the columns of times.
const TIMES: &str = "\
Median, fastest and slowest run in seconds; the time that all cores together spent; megabytes of content per second
of the median; the median as a multiple of that of the row of ours which it is compared with; the size of the
output; and the memory of the largest process.";

/// All tables.
pub(crate) fn tables(results: &Results, goals: &[Goal]) -> Vec<Table> {
    let mut tables = vec![machine(results), closures(results), goal_table(goals)];
    tables.extend(results.closures.iter().map(|closure| times(results, closure.name)));
    // The figures are explained where one meets them first.
    if let Some(first) = tables.iter_mut().skip(3).find(|table| !table.is_empty()) {
        first.note = TIMES.into();
    }
    tables.extend(results.stages.iter().map(|(name, stages)| stage_table(*name, stages)));
    tables.extend(results.stages.keys().map(|name| bounds(results, *name)));
    tables.push(meanings(results));
    tables.push(skipped(results));
    tables.retain(|table| !table.is_empty());
    tables
}

/// The page for `docs/`.
pub(crate) fn page(tables: &[Table]) -> String {
    tables.iter().fold(INTRODUCTION.trim_end().to_owned() + "\n", |mut page, table| {
        write!(page, "\n{table}").expect("a text takes everything");
        page
    })
}

fn machine(results: &Results) -> Table {
    let note = match results.scale {
        scale if scale < 1.0 => format!("**Not the real thing: the closures are scaled down to {scale}.**"),
        _ => String::new(),
    };
    let mut table = Table::new("Machine", note, &["", "is"]);
    for (name, value) in &results.machine {
        table.push([name.clone(), value.clone()]);
    }
    table.push(["rounds".into(), results.runs.to_string()]);
    table
}

fn closures(results: &Results) -> Table {
    let mut table = Table::new("Closures", CLOSURES, &["closure", "paths>", "files>", "MB>"]);
    for closure in &results.closures {
        let (paths, files) = (closure.paths.to_string(), closure.files.to_string());
        table.push([closure.name.as_str().into(), paths, files, megabytes(closure.content_bytes as f64)]);
    }
    table
}

fn goal_table(goals: &[Goal]) -> Table {
    let mut table = Table::new("Goals", "", &["figure", "is>", "ought to be>", "met"]);
    for goal in goals {
        let wanted = match goal.wanted {
            Wanted::AtLeast(least) => format!("at least {least}{}", goal.unit),
            Wanted::AtMost(most) => format!("at most {most}{}", goal.unit),
        };
        let figure = goal.figure.map_or_else(|| "-".into(), |figure| format!("{figure:.2}{}", goal.unit));
        let met = match goal.is_met() {
            Some(true) => "yes",
            Some(false) => "**no**",
            None => "not measured",
        };
        table.push([goal.what.clone(), figure, wanted, met.into()]);
    }
    table
}

fn times(results: &Results, name: ClosureName) -> Table {
    let columns = ["row", "s>", "min>", "max>", "core s>", "MB/s>", "x ours>", "our row", "output MB>", "peak MiB>"];
    let mut table = Table::new(format!("Packing `{}`", name.as_str()), "", &columns);
    let content_bytes = results.closure(name).map_or(0, |closure| closure.content_bytes);
    for row in results.rows.iter().filter(|row| row.subject.closure == name) {
        let (Some(seconds), Some((min, max))) = (row.seconds(), row.range()) else { continue };
        table.push([
            row.subject.name.into(),
            shown(seconds),
            shown(min),
            shown(max),
            row.median(|sample| sample.cpu_seconds).map_or_else(String::new, shown),
            megabytes(content_bytes as f64 / seconds),
            compared(results, row).unwrap_or_default(),
            row.subject.ours.into(),
            row.output_bytes().map_or_else(|| "-".into(), |bytes| megabytes(bytes as f64)),
            row.peak_bytes().map_or_else(String::new, |bytes| format!("{:.1}", bytes as f64 / f64::from(1 << 20))),
        ]);
    }
    table
}

fn compared(results: &Results, row: &Row) -> Option<String> {
    let ours = results.row(row.subject.closure, row.subject.ours)?.seconds()?;
    Some(format!("{:.2}", row.seconds()? / ours))
}

fn stage_table(name: ClosureName, stages: &Stages) -> Table {
    let sample = stages.rounds.first().map_or(0.0, |round| round.0["sample_bytes"].as_f64().unwrap_or(0.0));
    let tar_bytes = stages.rounds.first().map_or(f64::NAN, Physics::tar_bytes);
    let (sample, whole) = (megabytes(sample), megabytes(tar_bytes));
    let note = format!(
        "{STAGES_NOTE}\nThe hash and the encoders handled {sample} MB of the {whole} MB of tar, and are scaled up."
    );
    let columns = ["stage", "one thread, s>", "MB/s>", "all threads, s>", "MB/s of a core>", "output share>"];
    let mut table = Table::new(format!("Stages of packing `{}`", name.as_str()), note, &columns);
    for stage in STAGES {
        let seconds = |load| median(&stages.rounds.iter().map(|round| round.stage(stage, load)).collect::<Vec<_>>());
        let (Some(one), Some(all)) = (seconds(Load::One), seconds(Load::All)) else { continue };
        let encoder = Encoder::ALL.into_iter().find(|encoder| encoder.as_str() == stage);
        let share = encoder.zip(stages.rounds.first()).map(|(encoder, round)| round.output_share(encoder));
        table.push([
            stage.into(),
            shown(one),
            megabytes(tar_bytes / one),
            shown(all),
            megabytes(tar_bytes / all),
            share.map_or_else(String::new, |share| format!("{:.1} %", share * 100.0)),
        ]);
    }
    table
}

fn bounds(results: &Results, name: ClosureName) -> Table {
    let columns = [
        "row",
        "from one thread, s>",
        "from all threads, s>",
        "largest layer, s>",
        "bound, s>",
        "took, s>",
        "of bound>",
    ];
    let mut table = Table::new(format!("Bounds of packing `{}`", name.as_str()), BOUNDS, &columns);
    for encoder in Encoder::ALL {
        let Some(bound) = results.bound(name, encoder) else { continue };
        let took = results.row(name, encoder.as_str()).and_then(Row::seconds);
        table.push([
            encoder.as_str().into(),
            shown(bound.from_one),
            shown(bound.from_all),
            shown(bound.largest_layer),
            shown(bound.seconds()),
            took.map_or_else(|| "-".into(), shown),
            took.map_or_else(|| "-".into(), |took| format!("{:.1} %", bound.seconds() / took * 100.0)),
        ]);
    }
    table
}

fn meanings(results: &Results) -> Table {
    let mut table = Table::new("What the rows mean", BRACES.trim_end(), &["row", "is", "line"]);
    let mut seen = BTreeSet::new();
    for subject in results.rows.iter().map(|row| row.subject) {
        if seen.insert(subject.name) {
            table.push([subject.name.into(), subject.meaning.into(), format!("`{}`", subject.line)]);
        }
    }
    table
}

fn skipped(results: &Results) -> Table {
    let mut table = Table::new("Left out", "", &["row", "because"]);
    for row in &results.rows {
        if let Some(reason) = &row.skipped {
            table.push([row.subject.id(), reason.clone()]);
        }
    }
    table
}

fn shown(seconds: f64) -> String {
    if seconds < 1.0 { format!("{seconds:.3}") } else { format!("{seconds:.2}") }
}

fn megabytes(bytes: f64) -> String {
    let megabytes = bytes / 1e6;
    if megabytes < 100.0 { format!("{megabytes:.1}") } else { format!("{megabytes:.0}") }
}
