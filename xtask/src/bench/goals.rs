//! What the figures ought to be. Nothing fails where they are not.

use serde_json::{Value, json};

use super::closures::ClosureName::{self, Debian, ManyFiles, Skewed, Sparse, ThousandPaths};
use super::physics::Encoder;
use super::results::{Results, Row};
use crate::machine::cores;

/// Memory that packing may take: once, and for each thread.
const BASE_BYTES: u64 = 64 << 20;
const THREAD_BYTES: u64 = 16 << 20;

/// A figure beside what it ought to be.
pub(crate) struct Goal {
    pub(crate) what: String,
    /// `None` where something was not measured.
    pub(crate) figure: Option<f64>,
    pub(crate) wanted: Wanted,
    pub(crate) unit: &'static str,
}

#[derive(Clone, Copy)]
pub(crate) enum Wanted {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    /// `None` where it was not measured.
    pub(crate) fn is_met(&self) -> Option<bool> {
        self.figure.map(|figure| match self.wanted {
            Wanted::AtLeast(least) => figure >= least,
            Wanted::AtMost(most) => figure <= most,
        })
    }

    pub(crate) fn to_json(&self) -> Value {
        let (at_least, at_most) = match self.wanted {
            Wanted::AtLeast(least) => (Some(least), None),
            Wanted::AtMost(most) => (None, Some(most)),
        };
        json!({
            "what": self.what,
            "figure": self.figure,
            "at_least": at_least,
            "at_most": at_most,
            "met": self.is_met(),
        })
    }
}

/// All goals, in the order in which they are shown.
pub(crate) fn goals(results: &Results) -> Vec<Goal> {
    let bounds = [(Encoder::Gzip, 0.95), (Encoder::Zstd, 0.92), (Encoder::None, 0.85)];
    let mut goals: Vec<Goal> = bounds.map(|(encoder, share)| of_bound(results, encoder, share)).into();
    goals.extend([
        times(results, Debian, "two-pass", "stream", 10.0),
        times(results, Debian, "two-pass-pigz", "gzip", 3.5),
        times(results, Debian, "tar-pigz", "gzip", 3.0),
        size(results, "gzip", "tar-pigz"),
        times(results, Debian, "skopeo", "gzip", 1.0),
        size(results, "gzip", "skopeo"),
        times(results, Skewed, "gzip-1", "gzip-2", 1.8),
        times(results, ThousandPaths, "gzip", "no-op", 100.0),
    ]);
    let packed = [(Sparse, "stream"), (Sparse, "zstd-level-1"), (ManyFiles, "stream"), (ManyFiles, "gzip")];
    goals.extend(packed.map(|(closure, name)| memory(results, closure, name)));
    goals
}

fn of_bound(results: &Results, encoder: Encoder, share: f64) -> Goal {
    let name = encoder.as_str();
    let seconds = results.row(Debian, name).and_then(Row::seconds);
    let bound = results.bound(Debian, encoder).map(|bound| bound.seconds());
    Goal {
        what: format!("debian: throughput of `{name}`, as a part of the bound"),
        figure: bound.zip(seconds).map(|(bound, seconds)| bound / seconds),
        wanted: Wanted::AtLeast(share),
        unit: "",
    }
}

fn times(results: &Results, closure: ClosureName, slow: &str, fast: &str, least: f64) -> Goal {
    let seconds = |name: &str| results.row(closure, name).and_then(Row::seconds);
    Goal {
        what: format!("{}: time of `{slow}` / time of `{fast}`", closure.as_str()),
        figure: seconds(slow).zip(seconds(fast)).map(|(slow, fast)| slow / fast),
        wanted: Wanted::AtLeast(least),
        unit: " x",
    }
}

fn size(results: &Results, ours: &str, other: &str) -> Goal {
    let bytes = |name: &str| results.row(Debian, name).and_then(Row::output_bytes).map(|bytes| bytes as f64);
    Goal {
        what: format!("debian: size of `{ours}` / size of `{other}`"),
        figure: bytes(ours).zip(bytes(other)).map(|(ours, other)| ours / other),
        wanted: Wanted::AtMost(1.0),
        unit: " x",
    }
}

fn memory(results: &Results, closure: ClosureName, name: &str) -> Goal {
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    Goal {
        what: format!("{}: peak memory of `{name}`", closure.as_str()),
        figure: results.row(closure, name).and_then(Row::peak_bytes).map(mib),
        wanted: Wanted::AtMost(mib(BASE_BYTES + THREAD_BYTES * cores() as u64)),
        unit: " MiB",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let goal = |figure, wanted| Goal { what: "x".into(), figure, wanted, unit: "" }.is_met();
        assert_eq!(goal(None, Wanted::AtLeast(1.0)), None);
        assert_eq!(goal(Some(1.0), Wanted::AtLeast(1.0)), Some(true));
        assert_eq!(goal(Some(1.1), Wanted::AtMost(1.0)), Some(false));
    }
}
