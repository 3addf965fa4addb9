//! Strategy after strategy: each gets what the ones before it left.
//!
//! 1. The first planner gets the whole closure and all planned layers.
//! 2. What it returns is checked; its layers lie on top of those there already.
//! 3. The next one gets the graph among the nodes still unplaced, and the layers still free. The check made sure that
//!    there is at least one.
//! 4. What the last planner leaves shares one last layer. Planners that nothing is left for are not asked.

use std::num::NonZeroU32;

use thiserror::Error;

use crate::{
    Accepted, Breach, Closure, Layer, NodeId, NodeKind, Plan, PlannerRecord, Proposal, ProposedLayer, Request,
};

/// Label of the layer that holds what no planner placed.
const REST: &str = "rest";

/// One planner of a chain, ready to be asked.
pub trait Link {
    /// How asking can fail.
    type Error: std::error::Error + 'static;

    /// Who will answer, for the plan.
    fn record(&self) -> PlannerRecord;

    /// The most layers it may use, where the user said so. What it leaves unplaced counts as one of them.
    fn max_layers(&self) -> Option<NonZeroU32>;

    /// The settings, a JSON object.
    fn config(&self) -> String;

    /// Asks.
    ///
    /// # Errors
    ///
    /// Where there is no proposal.
    fn propose(&mut self, request: &Request) -> Result<Proposal, Self::Error>;
}

/// Which planner failed, and how.
#[derive(Debug, Error)]
pub enum ChainError<E: std::error::Error + 'static> {
    /// It gave no proposal.
    #[error(transparent)]
    NoProposal(E),
    /// Its proposal breaks a rule.
    #[error("planner `{}` {} returned a proposal that breaks the contract", planner.name, planner.version)]
    BrokenProposal {
        /// Who it was.
        planner: Box<PlannerRecord>,
        /// Which rule.
        #[source]
        breach: Breach,
    },
}

/// Asks the planners in order and returns the checked plan, with at most `max_layers` layers.
///
/// # Errors
///
/// The first planner that gives no proposal, or one that breaks a rule.
pub fn run<L: Link>(
    kind: NodeKind,
    closure: Closure,
    max_layers: NonZeroU32,
    links: &mut [L],
) -> Result<Plan, ChainError<L::Error>> {
    let mut layers: Vec<Layer> = Vec::new();
    let mut unplaced: Vec<NodeId> = closure.ids().collect();
    let mut free = max_layers;
    for (planner, link) in links.iter_mut().enumerate() {
        if unplaced.is_empty() {
            break;
        }
        let allowed = link.max_layers().map_or(free, |own| own.min(free));
        let accepted = ask(link, closure.induced(&unplaced), allowed)?;
        let used = u32::try_from(accepted.layers.len()).expect("the check keeps it below `allowed`");
        layers.extend(accepted.layers.into_iter().map(|ProposedLayer { label, members }| Layer {
            label,
            planner: Some(planner),
            nodes: members.iter().map(|id| unplaced[id.index()]).collect(),
        }));
        unplaced = accepted.unplaced.iter().map(|id| unplaced[id.index()]).collect();
        let Some(left) = NonZeroU32::new(free.get() - used) else { break };
        free = left;
    }
    if !unplaced.is_empty() {
        layers.push(Layer { label: REST.into(), planner: None, nodes: unplaced });
    }
    let planners = links.iter().map(Link::record).collect();
    Ok(Plan::new(kind, closure, planners, layers))
}

fn ask<L: Link>(link: &mut L, closure: Closure, max_layers: NonZeroU32) -> Result<Accepted, ChainError<L::Error>> {
    let request = Request { closure, max_layers, config: link.config() };
    let proposal = link.propose(&request).map_err(ChainError::NoProposal)?;
    proposal
        .check(&request.closure, max_layers)
        .map_err(|breach| ChainError::BrokenProposal { planner: Box::new(link.record()), breach })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NamedNode, PlannerSource};

    /// Places the nodes of these names, one layer each, and remembers what it was asked.
    struct Takes {
        names: &'static [&'static str],
        max_layers: Option<NonZeroU32>,
        asked: Vec<(Vec<String>, u32)>,
    }

    fn takes(names: &'static [&'static str]) -> Takes {
        Takes { names, max_layers: None, asked: Vec::new() }
    }

    impl Link for Takes {
        type Error = std::convert::Infallible;

        fn record(&self) -> PlannerRecord {
            PlannerRecord {
                name: "takes".into(),
                version: "1".into(),
                source: PlannerSource::File,
                digest: "sha256:00".into(),
                settings: serde_json::json!({}).into(),
            }
        }

        fn max_layers(&self) -> Option<NonZeroU32> {
            self.max_layers
        }

        fn config(&self) -> String {
            "{}".into()
        }

        fn propose(&mut self, request: &Request) -> Result<Proposal, Self::Error> {
            let closure = &request.closure;
            let names = closure.nodes().iter().map(|node| node.name.clone()).collect();
            self.asked.push((names, request.max_layers.get()));
            let layer = |id| ProposedLayer { label: String::new(), members: vec![id] };
            Ok(Proposal { layers: self.names.iter().filter_map(|name| closure.find(name)).map(layer).collect() })
        }
    }

    fn closure() -> Closure {
        let node = |name: &str, references: &[&str]| NamedNode {
            name: name.into(),
            lineage: name.into(),
            size: 1,
            references: references.iter().map(ToString::to_string).collect(),
        };
        Closure::new(vec![node("a", &["b"]), node("b", &["c"]), node("c", &[]), node("d", &[])], None).unwrap()
    }

    fn run_chain(max_layers: u32, links: &mut [Takes]) -> Result<Vec<Vec<String>>, String> {
        let max_layers = NonZeroU32::new(max_layers).unwrap();
        let plan = run(NodeKind::StorePath, closure(), max_layers, links).map_err(|error| match error {
            ChainError::BrokenProposal { breach, .. } => breach.to_string(),
            ChainError::NoProposal(never) => match never {},
        })?;
        Ok(plan.layers().iter().map(|layer| plan.names(layer).map(str::to_owned).collect()).collect())
    }

    #[test]
    fn each_planner_gets_what_is_left_and_the_rest_shares_a_layer() {
        let mut links = [takes(&["b"]), takes(&["d", "a"])];
        assert_eq!(run_chain(4, &mut links).unwrap(), [vec!["b"], vec!["d"], vec!["a"], vec!["c"]]);
        assert_eq!(links[1].asked, [(vec!["a".to_owned(), "c".into(), "d".into()], 3)]);
    }

    #[test]
    fn no_planner_means_one_layer() {
        assert_eq!(run_chain(9, &mut []).unwrap(), [["a", "b", "c", "d"]]);
    }

    #[test]
    fn planners_that_nothing_is_left_for_are_not_asked() {
        let mut links = [takes(&["a", "b", "c", "d"]), takes(&["a"])];
        assert_eq!(run_chain(4, &mut links).unwrap().len(), 4);
        assert!(links[1].asked.is_empty());
    }

    #[test]
    fn a_planner_that_leaves_nodes_leaves_a_layer() {
        let mut links = [takes(&["a", "b"]), takes(&["c"])];
        let error = run_chain(2, &mut links).unwrap_err();
        assert!(error.starts_with("2 layers are returned and 2 nodes left unplaced (the first is `c`)"), "{error}");
    }

    #[test]
    fn a_link_can_be_held_to_fewer_layers() {
        let mut links = [takes(&["a"]), takes(&["b"])];
        links[0].max_layers = NonZeroU32::new(2);
        assert_eq!(run_chain(9, &mut links).unwrap().len(), 3);
        assert_eq!((links[0].asked[0].1, links[1].asked[0].1), (2, 8));
    }
}
