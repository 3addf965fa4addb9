//! The layering of Nixery: a node goes with the one through which all that need it come.
//!
//! 1. Ways into the graph begin at its roots, at nodes that no other refers to, and, so that they stand alone, at nodes
//!    that are popular or bring much along (`popular`, `large-bytes`).
//! 2. A node *dominates* another if every way to that leads through it. Nodes that only the beginning dominates, with
//!    all that they dominate themselves, are a layer each: what only they need travels with them.
//! 3. A layer is rated by the popularity of the node at its top, times its bytes.
//! 4. Where there are too many layers, those with the lowest ratings share one, which has the sum of theirs.
//! 5. Layers with higher ratings lie lower, so that images that share them begin with the same ones. Equal ratings
//!    follow the name of the node at the top, then its store hash.
//!
//! Nixery takes popularity from a file with the number of references to each package in all of nixpkgs. `popularity`
//! can hold such numbers; without it, the references in the closure are counted, which says less about other images,
//! but needs nothing that changes from day to day. The two packages that Nixery itself adds to each image, and pins to
//! the bottom, are not special here. Ties depend on the order of Go's maps there.
//!
//! A cycle, which only packages can have, counts as one node.
//!
//! Why: what only one node needs changes when that one does, as a rule, and what many images need is worth a layer of
//! its own. What it does badly: what two nodes share is at the top of a layer however small it is, so closures have
//! many more such layers than allowed, and one layer takes most of them. `auto-layer` asks about large nodes only.
//!
//! Cost, for n nodes with e references: e · log n for the dominators, and n · (n + e) / 64 for what nodes bring along.

mod settings;

use std::cmp::Reverse;
use std::collections::BTreeMap;

use layerwright_planner::graph::{Condensation, closure_sizes, dominators_with_entries, referrers};
use layerwright_planner::{
    Closure, Description, Failure, NodeId, Proposal, ProposedLayer, Request, Strategy, Surroundings, name_before_hash,
};

use crate::settings::Settings;

/// See the head of this file.
pub struct Dominators;

layerwright_planner::export!(Dominators);

impl Strategy for Dominators {
    fn describe() -> Description {
        Description {
            name: "dominators".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Puts nodes with the one through which all that need them come, as Nixery does".into(),
            config_schema: include_str!("settings.schema.json").into(),
        }
    }

    fn plan(request: &Request, _: &dyn Surroundings) -> Result<Proposal, Failure> {
        let settings: Settings = request.settings()?;
        let closure = &request.closure;
        let popularity = popularity(closure, &settings);
        let mut groups = groups(closure, &popularity, &settings);
        groups.sort_by_cached_key(|group| group.rank(closure));
        join_last(&mut groups, request.max_layers.get() as usize);
        groups.sort_by_cached_key(|group| group.rank(closure));
        let layer = |group: Group| ProposedLayer::after_its_largest(closure, group.members);
        Ok(Proposal { layers: groups.into_iter().map(layer).collect() })
    }
}

/// A node that only the beginning dominates, with all that it dominates.
struct Group {
    top: NodeId,
    members: Vec<NodeId>,
    /// A popularity times a number of bytes, or a sum of such.
    rating: u128,
}

impl Group {
    /// Lower ranks lie lower.
    fn rank(&self, closure: &Closure) -> (Reverse<u128>, String) {
        (Reverse(self.rating), name_before_hash(&closure.node(self.top).name))
    }
}

fn popularity(closure: &Closure, settings: &Settings) -> Vec<u64> {
    match &settings.popularity {
        Some(counts) => closure.nodes().iter().map(|node| counted(counts, &node.name)).collect(),
        None => referrers(closure).iter().map(|referrers| referrers.len().max(1) as u64).collect(),
    }
}

fn counted(counts: &BTreeMap<String, u64>, name: &str) -> u64 {
    let without_hash = match name.rsplit_once('/') {
        Some((_, file)) => file.split_once('-').map_or(file, |(_, rest)| rest),
        None => name,
    };
    counts.get(without_hash).copied().unwrap_or(1)
}

fn groups(closure: &Closure, popularity: &[u64], settings: &Settings) -> Vec<Group> {
    let brings_along = closure_sizes(closure);
    let is_large_or_popular = |node: NodeId| {
        brings_along[node.index()] > settings.large_bytes || popularity[node.index()] >= settings.popular
    };
    let is_entry = |node: NodeId| is_large_or_popular(node) || closure.roots().binary_search(&node).is_ok();
    let above = dominators_with_entries(closure, is_entry);
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of = vec![None; closure.len()];
    let condensation = Condensation::new(closure);
    for members in condensation.ids().map(|id| condensation.members(id)) {
        // In a cycle the first member stands for all.
        let top = members[0];
        let group = above[top.index()].and_then(|above| group_of[above.index()]).unwrap_or(groups.len());
        if group == groups.len() {
            groups.push(Group { top, members: Vec::new(), rating: 0 });
        }
        groups[group].members.extend(members);
        group_of[top.index()] = Some(group);
    }
    for group in &mut groups {
        let bytes = group.members.iter().fold(0u64, |sum, node| sum.saturating_add(closure.node(*node).size));
        group.rating = u128::from(popularity[group.top.index()]) * u128::from(bytes);
    }
    groups
}

/// Joins as many of the last groups as have to be, so that at most `count` are left.
fn join_last(groups: &mut Vec<Group>, count: usize) {
    let joined = groups.split_off(groups.len().min(count));
    let Some(last) = groups.last_mut() else { return };
    for group in joined {
        last.members.extend(group.members);
        last.rating = last.rating.saturating_add(group.rating);
    }
}

#[cfg(test)]
mod tests;
