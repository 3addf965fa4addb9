//! One closure, asked about with several layer limits, twice with each.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use layerwright_planner::{Closure, Failure, Request};

use super::asked::{Asked, Fault, FaultKind, Reply};
use crate::command::planner::cost::Cost;

/// What was seen on one closure.
#[derive(Default)]
pub(super) struct Examined {
    pub(super) runs: usize,
    pub(super) refused: usize,
    /// Each refusal in the strategy's words: how often, and the first limit that got it.
    pub(super) refusals: BTreeMap<String, (usize, NonZeroU32)>,
    /// Fewest and most layers of a proposal.
    pub(super) layers: Option<(usize, usize)>,
    /// The most of each, where there was a proposal.
    pub(super) cost: Option<Cost>,
    /// With the limit at which each was found.
    pub(super) faults: Vec<(NonZeroU32, Fault)>,
    /// It used up its fuel or its time.
    pub(super) is_over_budget: bool,
}

/// Asks with each of `limits`. A fault does not end it, unless the next question would only take as long again.
pub(super) fn examine(
    closure: &Closure,
    limits: &[NonZeroU32],
    config: &str,
    mut ask: impl FnMut(&Request) -> Asked,
) -> Examined {
    let mut request = Request { closure: closure.clone(), max_layers: NonZeroU32::MIN, config: config.to_owned() };
    let mut examined = Examined::default();
    for max_layers in limits {
        request.max_layers = *max_layers;
        let first = ask(&request);
        examined.add(&first, &request);
        if is_hopeless(&first, &request) {
            break;
        }
        let second = ask(&request);
        examined.count(&second, &request);
        examined.faults.extend(first.difference(&second).map(|fault| (*max_layers, fault)));
        if is_hopeless(&second, &request) {
            break;
        }
    }
    examined
}

/// Whether the other limits would only show the same, slowly or once more.
fn is_hopeless(asked: &Asked, request: &Request) -> bool {
    matches!(asked.reply, Reply::Misbehaved { is_over_budget: true, .. })
        || asked.fault(request).is_some_and(|fault| fault.kind == FaultKind::Settings)
}

impl Examined {
    fn add(&mut self, asked: &Asked, request: &Request) {
        self.count(asked, request);
        self.faults.extend(asked.fault(request).map(|fault| (request.max_layers, fault)));
    }

    fn count(&mut self, asked: &Asked, request: &Request) {
        self.runs += 1;
        self.cost = asked.cost.map(|cost| self.cost.unwrap_or_default().max(cost)).or(self.cost);
        match &asked.reply {
            Reply::Proposed(proposal) => {
                let count = proposal.layers.len();
                let (fewest, most) = self.layers.unwrap_or((count, count));
                self.layers = Some((fewest.min(count), most.max(count)));
            }
            // That one is a fault, and told as such.
            Reply::Refused(Failure::InvalidConfig(_)) => {}
            Reply::Refused(failure) => {
                self.refused += 1;
                self.refusals.entry(failure.to_string()).or_insert((0, request.max_layers)).0 += 1;
            }
            Reply::Misbehaved { is_over_budget, .. } => self.is_over_budget |= is_over_budget,
        }
    }

    /// What went wrong, each once; nothing where everything held.
    pub(super) fn kinds(&self) -> BTreeSet<FaultKind> {
        self.faults.iter().map(|(_, fault)| fault.kind).collect()
    }
}

#[cfg(test)]
mod tests {
    use layerwright_planner::shapes::Shape;
    use layerwright_planner::{Level, NodeId, Proposal, ProposedLayer};

    use super::*;
    use crate::sandbox::LogLine;

    fn asked(reply: Reply, said: &str) -> Asked {
        let log = vec![LogLine { level: Level::Info, text: said.into() }];
        Asked { reply, log, cost: Some(Cost::default()) }
    }

    fn proposal(members: &[u32]) -> Reply {
        let members = members.iter().copied().map(NodeId).collect();
        Reply::Proposed(Proposal { layers: vec![ProposedLayer { label: String::new(), members }] })
    }

    /// Asks a strategy that answers the question `n`, counted from 0, with `answer(n)`. Returns runs and faults.
    fn examined(answer: impl Fn(usize) -> Asked) -> (usize, Vec<(u32, FaultKind, String)>) {
        let mut count = 0;
        let limits = [1, 2, 5].map(|limit| NonZeroU32::new(limit).unwrap());
        let found = examine(&Shape::Diamond.closure(), &limits, "{}", |_| {
            count += 1;
            answer(count - 1)
        });
        let faults = found.faults.into_iter().map(|(limit, fault)| (limit.get(), fault.kind, fault.what));
        (found.runs, faults.collect())
    }

    #[test]
    fn the_same_twice_within_the_rules_holds() {
        assert_eq!(examined(|_| asked(proposal(&[0, 1, 2, 3]), "hello")), (6, vec![]));
        assert_eq!(examined(|_| asked(Reply::Refused(Failure::Unsatisfiable("no".into())), "")), (6, vec![]));
    }

    #[test]
    fn another_answer_or_another_word_is_seen() {
        let members = |n| if n == 3 { &[0, 1, 2][..] } else { &[0, 1, 2, 3] };
        let (_, faults) = examined(|n| asked(proposal(members(n)), "hello"));
        let text = "answers something else when it is asked again: layer 0 differs";
        assert_eq!(faults, [(2, FaultKind::Unsteady, text.into())]);

        let (_, faults) = examined(|n| asked(proposal(&[0, 1, 2, 3]), if n == 1 { "b" } else { "a" }));
        let text = "logs something else when it is asked again: in line 1, `a` and then `b`";
        assert_eq!(faults, [(1, FaultKind::Unsteady, text.into())]);

        let refusal = || Reply::Refused(Failure::Unsatisfiable("no".into()));
        let (_, faults) = examined(|n| asked(if n == 5 { refusal() } else { proposal(&[0, 1, 2, 3]) }, ""));
        let text = "answers something else when it is asked again: \
                    first it made a proposal of 1 layers, then it refused (cannot be done: no)";
        assert_eq!(faults, [(5, FaultKind::Unsteady, text.into())]);
    }

    #[test]
    fn a_breach_is_found_once_for_each_limit() {
        let (runs, faults) = examined(|_| asked(proposal(&[4]), ""));
        assert_eq!(runs, 6);
        assert_eq!(
            faults.iter().map(|fault| (fault.0, fault.1)).collect::<Vec<_>>(),
            [(1, FaultKind::Breach), (2, FaultKind::Breach), (5, FaultKind::Breach)]
        );
    }

    #[test]
    fn what_takes_long_is_not_repeated_and_what_crashes_is() {
        let misbehaved = |is_over_budget| Reply::Misbehaved { what: "failed".into(), is_over_budget };
        let (runs, faults) = examined(|_| asked(misbehaved(true), ""));
        assert_eq!((runs, faults.len()), (1, 1));
        let (runs, faults) = examined(|_| asked(misbehaved(false), ""));
        assert_eq!((runs, faults.len()), (6, 3));
    }

    #[test]
    fn settings_must_be_accepted_and_one_layer_refused_honestly() {
        let (runs, faults) = examined(|_| asked(Reply::Refused(Failure::InvalidConfig("x".into())), ""));
        assert_eq!((runs, faults[0].1), (1, FaultKind::Settings));
        let (runs, faults) = examined(|_| asked(Reply::Refused(Failure::Other("x".into())), ""));
        assert_eq!((runs, faults.len(), faults[0].0, faults[0].1), (6, 1, 1, FaultKind::Refusal));
    }

    #[test]
    fn extremes_are_kept() {
        let closure = Shape::Diamond.closure();
        let mut count = 0;
        let found = examine(&closure, &[NonZeroU32::MIN], "{}", |_| {
            count += 1;
            let cost = Some(Cost { fuel: 10 * count, memory_bytes: 100 / count, ..Cost::default() });
            Asked { cost, ..asked(Reply::Refused(Failure::Unsatisfiable("no".into())), "") }
        });
        assert_eq!(found.cost, Some(Cost { fuel: 20, memory_bytes: 100, ..Cost::default() }));
        assert_eq!((found.refused, found.layers), (2, None));
        assert_eq!(found.refusals["cannot be done: no"], (2, NonZeroU32::MIN));
    }
}
