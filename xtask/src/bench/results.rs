//! What was measured.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::closures::{Closure, ClosureName};
use super::goals::Goal;
use super::measure::Sample;
use super::physics::{Bound, Encoder, Physics};
use super::statistics::median;
use super::subjects::Subject;
use super::workplace::Reason;
use crate::machine::cores;

pub(crate) struct Results {
    /// Names and values.
    pub(crate) machine: Vec<(String, String)>,
    pub(crate) runs: usize,
    pub(crate) scale: f64,
    pub(crate) closures: Vec<Closure>,
    pub(crate) rows: Vec<Row>,
    pub(crate) stages: BTreeMap<ClosureName, Stages>,
}

/// A subject with what became of it.
pub(crate) struct Row {
    pub(crate) subject: Subject,
    /// In the order of the rounds.
    pub(crate) samples: Vec<Sample>,
    /// Why there are no samples, or no more of them.
    pub(crate) skipped: Option<Reason>,
}

/// The stages of packing a closure, measured one by one.
#[derive(Default)]
pub(crate) struct Stages {
    pub(crate) rounds: Vec<Physics>,
    pub(crate) largest_tar_bytes: u64,
}

impl Row {
    pub(crate) fn seconds(&self) -> Option<f64> {
        self.median(|sample| sample.seconds)
    }

    pub(crate) fn median(&self, figure: impl Fn(&Sample) -> f64) -> Option<f64> {
        median(&self.samples.iter().map(figure).collect::<Vec<_>>())
    }

    /// The fastest and the slowest run.
    pub(crate) fn range(&self) -> Option<(f64, f64)> {
        let seconds = self.samples.iter().map(|sample| sample.seconds);
        self.seconds().map(|_| (seconds.clone().fold(f64::INFINITY, f64::min), seconds.fold(0.0, f64::max)))
    }

    pub(crate) fn peak_bytes(&self) -> Option<u64> {
        self.samples.iter().map(|sample| sample.peak_bytes).max()
    }

    /// `None` where the output was thrown away.
    pub(crate) fn output_bytes(&self) -> Option<u64> {
        self.samples.last().map(|sample| sample.output_bytes).filter(|bytes| *bytes > 0)
    }
}

impl Results {
    pub(crate) fn closure(&self, name: ClosureName) -> Option<&Closure> {
        self.closures.iter().find(|closure| closure.name == name)
    }

    pub(crate) fn row(&self, closure: ClosureName, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.subject.closure == closure && row.subject.name == name)
    }

    pub(crate) fn bound(&self, closure: ClosureName, encoder: Encoder) -> Option<Bound> {
        let stages = self.stages.get(&closure)?;
        Bound::of(&stages.rounds, encoder, cores(), stages.largest_tar_bytes)
    }

    pub(crate) fn to_json(&self, goals: &[Goal]) -> Value {
        let machine: serde_json::Map<String, Value> =
            self.machine.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        json!({
            "machine": machine,
            "runs": self.runs,
            "scale": self.scale,
            "closures": self.closures.iter().map(closure_json).collect::<Vec<_>>(),
            "rows": self.rows.iter().map(Row::to_json).collect::<Vec<_>>(),
            "stages": self.stages.iter().map(|(name, stages)| self.stages_json(*name, stages)).collect::<Vec<_>>(),
            "goals": goals.iter().map(Goal::to_json).collect::<Vec<_>>(),
        })
    }

    fn stages_json(&self, name: ClosureName, stages: &Stages) -> Value {
        let bound = |encoder: Encoder| {
            let bound = self.bound(name, encoder)?;
            Some(json!({
                "encoder": encoder.as_str(),
                "seconds_from_one_thread": bound.from_one,
                "seconds_from_all_threads": bound.from_all,
                "seconds_of_largest_layer": bound.largest_layer,
            }))
        };
        json!({
            "closure": name.as_str(),
            "largest_tar_bytes": stages.largest_tar_bytes,
            "rounds": stages.rounds.iter().map(|round| round.0.clone()).collect::<Vec<_>>(),
            "bounds": Encoder::ALL.into_iter().filter_map(bound).collect::<Vec<_>>(),
        })
    }
}

impl Row {
    fn to_json(&self) -> Value {
        json!({
            "id": self.subject.id(),
            "line": self.subject.line,
            "seconds": self.samples.iter().map(|sample| sample.seconds).collect::<Vec<_>>(),
            "median_seconds": self.seconds(),
            "cpu_seconds": self.median(|sample| sample.cpu_seconds),
            "peak_bytes": self.peak_bytes(),
            "output_bytes": self.output_bytes(),
            "skipped": self.skipped,
        })
    }
}

fn closure_json(closure: &Closure) -> Value {
    json!({
        "name": closure.name.as_str(),
        "paths": closure.paths,
        "files": closure.files,
        "content_bytes": closure.content_bytes,
    })
}
