//! What a check found, for people and for scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::num::NonZeroU32;

use comfy_table::{Table, presets};
use indicatif::{BinaryBytes, HumanCount};
use layerwright_planner::PlannerRecord;
use serde::Serialize;

use super::asked::{Fault, FaultKind};
use super::examine::Examined;
use crate::arguments::CheckArguments;
use crate::command::output::counted;
use crate::command::plan_table::with_numbers_right;
use crate::command::planner::cost::{Cost, micros, shown};
use crate::command::planner::subject::Subject;
use crate::sandbox::printable;

/// Longest message that is shown, in bytes.
const TEXT_BYTES: usize = 2000;

/// Most different refusals that are shown, and most places of the same failure. All of them are counted.
const SHOWN: usize = 10;

#[derive(Serialize)]
pub(super) struct Report {
    planner: PlannerRecord,
    held: bool,
    runs: usize,
    closures: Vec<Row>,
    failures: Vec<Failure>,
    refusals: Vec<Refusal>,
    /// Closures that it was not asked about, because it had used up its budget on others.
    skipped: Vec<String>,
    /// Words that name the planner and its limits on the command line.
    #[serde(skip)]
    planner_words: Vec<String>,
    #[serde(skip)]
    limit_flags: Vec<String>,
    /// Of `run` only.
    history_flags: Vec<String>,
}

#[derive(Serialize)]
struct Row {
    closure: String,
    nodes: usize,
    references: usize,
    runs: usize,
    refused: usize,
    layers_min: Option<usize>,
    layers_max: Option<usize>,
    fuel_max: Option<u64>,
    memory_bytes_max: Option<u64>,
    time_us_max: Option<u64>,
    faults: BTreeSet<FaultKind>,
    #[serde(skip)]
    cost: Option<Cost>,
}

#[derive(Serialize)]
struct Failure {
    kind: FaultKind,
    what: String,
    /// The last that it said before.
    said: Vec<String>,
    closure: Option<String>,
    max_layers: Option<NonZeroU32>,
    /// A command that shows it again.
    repeat: String,
}

#[derive(Serialize)]
struct Refusal {
    what: String,
    times: usize,
    /// A command that shows the first of them again.
    repeat: String,
}

impl Report {
    pub(super) fn new(planner: PlannerRecord, arguments: &CheckArguments) -> Self {
        Self {
            planner,
            held: true,
            runs: 0,
            closures: Vec::new(),
            failures: Vec::new(),
            refusals: Vec::new(),
            skipped: Vec::new(),
            planner_words: vec![arguments.planner.to_string()],
            limit_flags: arguments.sandbox.flags(),
            history_flags: arguments.history.flags(),
        }
    }

    pub(super) fn everything_held(&self) -> bool {
        self.held
    }

    pub(super) fn add_unsteady_description(&mut self) {
        let what = "describes itself in other words when it is asked again".to_owned();
        let repeat = self.command("inspect", &[]);
        let (kind, said) = (FaultKind::Unsteady, Vec::new());
        self.fail(Failure { kind, what, said, closure: None, max_layers: None, repeat });
    }

    pub(super) fn add(&mut self, subject: &Subject, examined: Examined) {
        self.runs += examined.runs;
        let faults = examined.kinds();
        self.closures.push(Row {
            closure: subject.name.clone(),
            nodes: subject.closure.len(),
            references: subject.references(),
            runs: examined.runs,
            refused: examined.refused,
            layers_min: examined.layers.map(|layers| layers.0),
            layers_max: examined.layers.map(|layers| layers.1),
            fuel_max: examined.cost.map(|cost| cost.fuel),
            memory_bytes_max: examined.cost.map(|cost| cost.memory_bytes),
            time_us_max: examined.cost.map(|cost| micros(cost.time)),
            faults,
            cost: examined.cost,
        });
        for (max_layers, Fault { kind, what, said }) in examined.faults {
            let repeat = self.command("run", &self.asked_with(subject, max_layers));
            let (closure, max_layers) = (Some(subject.name.clone()), Some(max_layers));
            self.fail(Failure { kind, what, said, closure, max_layers, repeat });
        }
        for (what, (times, max_layers)) in examined.refusals {
            let repeat = self.command("run", &self.asked_with(subject, max_layers));
            match self.refusals.iter_mut().find(|refusal| refusal.what == what) {
                Some(known) => known.times += times,
                None => self.refusals.push(Refusal { what, times, repeat }),
            }
        }
    }

    /// Notes a closure that the planner was not asked about.
    pub(super) fn skip(&mut self, subject: &Subject) {
        self.skipped.push(subject.name.clone());
    }

    /// Refusals are answers, but where there is nothing else, nothing was checked.
    pub(super) fn expect_a_proposal(&mut self) {
        if self.held && self.closures.iter().all(|row| row.layers_max.is_none()) {
            let what =
                "proposes nothing for any of these closures, so that nothing is known of its proposals".to_owned();
            let repeat = self.refusals.first().map(|refusal| refusal.repeat.clone()).unwrap_or_default();
            let (kind, said) = (FaultKind::Refusal, Vec::new());
            self.fail(Failure { kind, what, said, closure: None, max_layers: None, repeat });
        }
    }

    fn fail(&mut self, failure: Failure) {
        self.held = false;
        self.failures.push(failure);
    }

    /// `layerwright planner COMMAND SPEC ...`, as a shell takes it.
    fn command(&self, command: &str, words: &[String]) -> String {
        let program = ["layerwright", "planner", command].map(str::to_owned);
        let words = program.iter().chain(&self.planner_words).chain(words).chain(&self.limit_flags);
        shlex::try_join(words.map(String::as_str)).expect("no argument of a program has a zero byte in it")
    }

    fn asked_with(&self, subject: &Subject, max_layers: NonZeroU32) -> Vec<String> {
        let limit = ["--max-layers".to_owned(), max_layers.to_string()];
        subject.flags.iter().cloned().chain(limit).chain(self.history_flags.clone()).collect()
    }

    /// A table of all closures, then what failed, what was refused, and what was not asked; then one line of totals.
    pub(super) fn shown(&self) -> String {
        let mut text = self.table();
        for (what, (said, repeats)) in self.failures_by_text() {
            let _ = write!(text, "\nFAILED: it {}\n", printable(what, TEXT_BYTES));
            said.iter().for_each(|line| text += &format!("  it said: {line}\n"));
            repeats.iter().take(SHOWN).for_each(|repeat| text += &format!("  {}\n", printable(repeat, TEXT_BYTES)));
            if repeats.len() > SHOWN {
                let _ = writeln!(text, "  and {} more; --json has all of them", repeats.len() - SHOWN);
            }
        }
        if self.failures.iter().any(|failure| failure.kind == FaultKind::Settings) {
            let hint = format!("layerwright planner check {},config=FILE", self.planner_words.join(" "));
            let _ = write!(text, "\nGive it settings that it accepts:\n  {}\n", printable(&hint, TEXT_BYTES));
        }
        for Refusal { what, times, repeat } in self.refusals.iter().take(SHOWN) {
            let (times, what) = (counted(*times, "time"), printable(what, TEXT_BYTES));
            let _ = write!(text, "\nrefused {times}: {what}\n  {}\n", printable(repeat, TEXT_BYTES));
        }
        if self.refusals.len() > SHOWN {
            let more = self.refusals.len() - SHOWN;
            let _ = write!(text, "\nrefused in {more} other ways; --json has all of them\n");
        }
        if !self.skipped.is_empty() {
            let skipped = counted(self.skipped.len(), "closure");
            let _ = write!(text, "\nnot asked about {skipped} more, on which it would take as long again\n");
        }
        format!("{text}\n{}\n", self.totals())
    }

    fn totals(&self) -> String {
        let (runs, closures) = (counted(self.runs, "run"), counted(self.closures.len(), "closure"));
        let verdict = match self.failures.len() {
            0 => "everything held".to_owned(),
            count => counted(count, "failure"),
        };
        format!("{runs} on {closures}: {verdict}")
    }

    fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header([
            "CLOSURE",
            "NODES",
            "REFERENCES",
            "RUNS",
            "REFUSED",
            "LAYERS",
            "FUEL",
            "MEMORY",
            "TIME",
            "VERDICT",
        ]);
        for row in &self.closures {
            table.add_row(row.cells());
        }
        with_numbers_right(table, 1..9)
    }

    /// The same failure at several places is told once, with what was said before the first, and how each is repeated.
    fn failures_by_text(&self) -> BTreeMap<&str, (&[String], Vec<&str>)> {
        let mut grouped: BTreeMap<&str, (&[String], Vec<&str>)> = BTreeMap::new();
        for Failure { what, said, repeat, .. } in &self.failures {
            grouped.entry(what).or_insert((said, Vec::new())).1.push(repeat);
        }
        grouped
    }
}

impl Row {
    fn cells(&self) -> [String; 10] {
        let layers = match (self.layers_min, self.layers_max) {
            (Some(fewest), Some(most)) if fewest != most => format!("{fewest}..{most}"),
            (Some(layers), _) => layers.to_string(),
            (None, _) => "-".into(),
        };
        let cost = |shown: fn(&Cost) -> String| self.cost.as_ref().map_or("-".into(), shown);
        let kinds: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        [
            printable(&self.closure, 200),
            self.nodes.to_string(),
            self.references.to_string(),
            self.runs.to_string(),
            self.refused.to_string(),
            layers,
            cost(|cost| HumanCount(cost.fuel).to_string()),
            cost(|cost| BinaryBytes(cost.memory_bytes).to_string()),
            cost(|cost| shown(cost.time)),
            if kinds.is_empty() { "ok".into() } else { kinds.join(", ") },
        ]
    }
}
