//! Expects what the next updates will change, and arranges layers so that little else is sent with it.
//!
//! A client that updates pulls each layer that it does not have, whole. What it pulls beyond the changed paths is what a
//! changed path shares its layer with. So the bytes to expect of a layer are its size times the chance that any of it
//! changes, and the best plan is the one with the least sum, what it sends again today included.
//!
//! Without history this is the layering by size of nixpkgs' auto-layer ([`split_by_largest`]), so that nobody does worse than
//! there for a build that knows nothing. With history:
//!
//! 1. *Look back* (`past.rs`): tie each node to its earlier versions by lineage, and note which updates changed it: a bit
//!    for each of the last 64. Find the earlier layers that can be used again as they are. A history of closures, without
//!    layers, tells the former only; even so it halves what the first updates send.
//! 2. *Look ahead* (`forecast.rs`): a chance of change for any set of nodes, from what was seen, from the graph, and from
//!    how often nodes of the same kind change by themselves.
//! 3. *Keep* what clients have: such a layer is one group. Each node that must be sent anyway is a group of its own; in
//!    closures of more than a thousand such nodes the small ones start together by what changed them lately.
//! 4. *Merge and move* (`arrange.rs`) until there are few enough groups. To break up a layer that clients have costs its
//!    bytes, so that happens only where it pays.
//! 5. *Re-plan*: where layers that clients have would be better off in pieces, by more than sending them again costs, do 3
//!    and 4 again without those, and take the plan that is expected to send less.
//!
//! While little is known, sending again what clients have counts for more than its bytes: guesses move nothing.
//!
//! Layers of the newest image stay in their order, and new ones come above, the least likely to change first: some stores
//! know a layer by all that lies below it, its chain ID. Everything is integers and total orders.
//!
//! The cost is that of merging: the square of the groups after step 3, at most about two thousand, times a 64th of the nodes,
//! which are the words of a set. 800 nodes take less than half a second, 8,000 a few seconds, and above that the graph is
//! not looked at. Without history it is what the layering by size costs.

mod arrange;
mod forecast;
mod past;

use std::collections::BTreeMap;

use arrange::{Group, arrange, total};
use forecast::Forecast;
use layerwright_planner::graph::{Condensation, sort_by_closure_size, split_by_largest};
use layerwright_planner::{
    Closure, Description, Failure, Generation, NodeId, Proposal, ProposedLayer, Request, Strategy, Surroundings,
};
use past::{MAX_GENERATIONS, Past};
use serde::Deserialize;

/// So many nodes are looked at one by one, the largest, and so many earlier layers. The square of it is what one second
/// allows.
const MAX_ALONE: usize = 1_000;

/// By so many of the latest updates the other nodes start together: a byte makes 256 groups of them at most.
const TOGETHER_BY_UPDATES: u64 = 0xff;

/// See the head of this file.
pub struct Foresight;

layerwright_planner::export!(Foresight);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Layers to leave free for images that are built on top.
    #[serde(default)]
    reserve: u32,
}

impl Strategy for Foresight {
    fn describe() -> Description {
        Description {
            name: "foresight".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Expects what the next updates will change, and sends as little as it can of the rest".into(),
            config_schema: include_str!("settings.schema.json").into(),
        }
    }

    fn plan(request: &Request, surroundings: &dyn Surroundings) -> Result<Proposal, Failure> {
        let Settings { reserve } = request.settings()?;
        let closure = &request.closure;
        let Some(max_layers) = request.max_layers.get().checked_sub(reserve).filter(|layers| *layers > 0) else {
            let text = format!("`reserve` is {reserve}, and there are {} layers in all", request.max_layers);
            return Err(Failure::Unsatisfiable(text));
        };
        let generations = surroundings.generations(MAX_GENERATIONS);
        let layers = if generations.iter().all(|generation| generation.layers.is_empty()) {
            let layers = split_by_largest(closure, &Condensation::new(closure), max_layers as usize);
            sort_by_closure_size(closure, layers)
        } else {
            foresee(closure, max_layers as usize, &generations)
        };
        Ok(Proposal {
            layers: layers.into_iter().map(|members| ProposedLayer::after_its_largest(closure, members)).collect(),
        })
    }
}

fn foresee(closure: &Closure, max_layers: usize, generations: &[Generation]) -> Vec<Vec<NodeId>> {
    let past = Past::new(closure, generations, max_layers);
    let forecast = Forecast::new(closure, &past);
    let had = past.had.iter().take(MAX_ALONE).map(|members| Group::had(&forecast, members.clone()));
    let had: Vec<Group> = had.collect();
    let sound: Vec<Group> = had.iter().filter(|group| !group.has_drifted(&forecast)).cloned().collect();
    let has_drifted = sound.len() < had.len();
    let mut groups = had_and_new(&forecast, &past, had, max_layers);
    if has_drifted {
        let replanned = had_and_new(&forecast, &past, sound, max_layers);
        let is_new = |id: usize| past.changed[id] & 1 == 1;
        if total(&forecast, &replanned, is_new) < total(&forecast, &groups, is_new) {
            groups = replanned;
        }
    }
    groups.iter_mut().for_each(|group| group.members.sort_unstable());
    let place = |group: &Group| past.place.get(&group.members).copied().unwrap_or(usize::MAX);
    groups.sort_by_cached_key(|group| (place(group), group.chance(&forecast), group.members.clone()));
    let ids = |group: Group| group.members.into_iter().map(|id| NodeId(u32::try_from(id).expect("ids are 32 bits")));
    groups.into_iter().map(|group| ids(group).collect()).collect()
}

/// Arranges these groups, and all nodes that are in none of them.
fn had_and_new(forecast: &Forecast, past: &Past, mut groups: Vec<Group>, max_layers: usize) -> Vec<Group> {
    let mut free = vec![true; past.changed.len()];
    groups.iter().flat_map(|group| &group.members).for_each(|id| free[*id] = false);
    let mut free: Vec<usize> = (0..free.len()).filter(|id| free[*id]).collect();
    free.sort_by_key(|id| std::cmp::Reverse(forecast.size(*id)));
    let mut together: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for id in free.split_off(free.len().min(MAX_ALONE)) {
        together.entry(past.changed[id] & TOGETHER_BY_UPDATES).or_default().push(id);
    }
    groups.extend(free.into_iter().map(|id| Group::new(forecast, vec![id])));
    groups.extend(together.into_values().map(|members| Group::new(forecast, members)));
    arrange(forecast, groups, max_layers)
}

#[cfg(test)]
mod tests;
