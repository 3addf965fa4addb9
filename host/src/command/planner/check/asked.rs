//! One question, what came back, and what is wrong with it.

use std::fmt;
use std::sync::Arc;

use layerwright_planner::{Failure, Generation, Proposal, Request};
use serde::Serialize;

use crate::command::planner::cost::Cost;
use crate::exit::LOG_TAIL;
use crate::sandbox::{LogLine, Misdeed, Planned, Strategy, StrategyError};

/// What came of one question.
pub(super) struct Asked {
    pub(super) reply: Reply,
    pub(super) log: Vec<LogLine>,
    /// Known of proposals only.
    pub(super) cost: Option<Cost>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Proposed(Proposal),
    Refused(Failure),
    Misbehaved {
        /// `failed in ...`
        what: String,
        /// Of fuel or time: asking again would take as long again.
        is_over_budget: bool,
    },
}

/// Something that must not be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) kind: FaultKind,
    /// Goes on from `the planner`.
    pub(super) what: String,
    /// The last that it said before, where it came to no answer: there its author reads why.
    pub(super) said: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FaultKind {
    /// A trap or a limit.
    Misbehaved,
    /// A proposal that breaks the contract.
    Breach,
    /// Another answer to the same question.
    Unsteady,
    /// The settings that the user gave are not accepted.
    Settings,
    /// One layer is refused, but not because of the limit; or everything is.
    Refusal,
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Misbehaved => "misbehaved",
            Self::Breach => "broke the contract",
            Self::Unsteady => "not the same twice",
            Self::Settings => "settings refused",
            Self::Refusal => "refused too much",
        })
    }
}

impl Asked {
    /// `history` are earlier images, newest first.
    pub(super) fn ask(strategy: &Strategy<'_>, request: &Request, history: &[Arc<Generation>]) -> Self {
        match strategy.plan(request, history) {
            Ok(Planned { proposal, usage, log }) => {
                Self { reply: Reply::Proposed(proposal), log, cost: Some(usage.into()) }
            }
            Err(error) => {
                let (reply, log) = bad_end(error);
                Self { reply, log, cost: None }
            }
        }
    }

    /// What is wrong with this answer alone.
    pub(super) fn fault(&self, request: &Request) -> Option<Fault> {
        let (kind, what) = match &self.reply {
            Reply::Proposed(proposal) => {
                let breach = proposal.clone().check(&request.closure, request.max_layers).err()?;
                (FaultKind::Breach, format!("breaks the contract: {breach}"))
            }
            Reply::Misbehaved { what, .. } => (FaultKind::Misbehaved, what.clone()),
            Reply::Refused(failure @ Failure::InvalidConfig(_)) => {
                (FaultKind::Settings, format!("does not accept the settings it was given: {failure}"))
            }
            Reply::Refused(Failure::Other(text)) if request.max_layers.get() == 1 => {
                let what = format!("refuses a single layer with `other`, and not with `unsatisfiable`: {text}");
                (FaultKind::Refusal, what)
            }
            Reply::Refused(_) => return None,
        };
        let said = match kind {
            FaultKind::Misbehaved => self.log[self.log.len().saturating_sub(LOG_TAIL)..].iter(),
            _ => [].iter(),
        };
        Some(Fault { kind, what, said: said.map(|line| line.text.clone()).collect() })
    }

    /// How the answer to the same question differs, if it does.
    pub(super) fn difference(&self, again: &Self) -> Option<Fault> {
        let what = if self.reply == again.reply {
            let at = first_difference(&self.log, &again.log)?;
            let line = |log: &[LogLine]| log.get(at).map_or("nothing".to_owned(), |line| format!("`{}`", line.text));
            let (first, second) = (line(&self.log), line(&again.log));
            format!("logs something else when it is asked again: in line {}, {first} and then {second}", at + 1)
        } else {
            format!("answers something else when it is asked again: {}", how_replies_differ(&self.reply, &again.reply))
        };
        Some(Fault { kind: FaultKind::Unsteady, what, said: Vec::new() })
    }
}

fn bad_end(error: StrategyError) -> (Reply, Vec<LogLine>) {
    match error {
        StrategyError::Refused { failure, log, .. } => (Reply::Refused(failure), log),
        StrategyError::Misbehaved(failed) => {
            let is_over_budget = matches!(failed.misdeed, Misdeed::OutOfFuel { .. } | Misdeed::Timeout { .. });
            let mut what = format!("failed {}: {}", failed.phase, failed.misdeed);
            if !failed.frames.is_empty() {
                what += &format!("; it was in: {}", failed.frames.join(" < "));
            }
            (Reply::Misbehaved { what, is_over_budget }, failed.log)
        }
        // As good as a fault: the check cannot go on as it should.
        StrategyError::Machine { reason, .. } => (
            Reply::Misbehaved { what: format!("could not be run on this machine: {reason}"), is_over_budget: true },
            vec![],
        ),
        error @ StrategyError::NotAStrategy { .. } => unreachable!("a loaded strategy is one: {error}"),
    }
}

fn how_replies_differ(first: &Reply, second: &Reply) -> String {
    match (first, second) {
        (Reply::Proposed(first), Reply::Proposed(second)) => {
            let at = first_difference(&first.layers, &second.layers).expect("layers are all that a proposal has");
            format!("layer {at} differs")
        }
        _ => format!("first it {}, then it {}", brief(first), brief(second)),
    }
}

fn brief(reply: &Reply) -> String {
    match reply {
        Reply::Proposed(proposal) => format!("made a proposal of {} layers", proposal.layers.len()),
        Reply::Refused(failure) => format!("refused ({failure})"),
        Reply::Misbehaved { what, .. } => what.clone(),
    }
}

/// The first position at which two lists differ; the end of the shorter one where that is all.
fn first_difference<T: PartialEq>(first: &[T], second: &[T]) -> Option<usize> {
    (0..first.len().max(second.len())).find(|at| first.get(*at) != second.get(*at))
}
