//! Puts nodes into no more groups than allowed, such that the coming updates are expected to send little.
//!
//! 1. *Merge* the pair that costs least, until there are few enough: the larger layer's bytes times the chance that it
//!    changes, less both parts' own. Nodes that change together cost nothing. Each group knows its best partner among the
//!    older ones, and a heap knows the best of these, so this is the square of the number of groups, times the words of
//!    a set.
//! 2. *Move* nodes one by one to where they cost least, while that helps and the budget lasts.
//! 3. *Join* groups of a few kilobytes that have always changed together, where that costs less than naming a layer more.
//!
//! A group that was sent before, just so, costs its bytes once when it is touched. Ties go to the older group.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::forecast::{Forecast, ONE, Set, product};

/// For how many updates an arrangement is expected to last: what moving costs now is weighed against as many.
const HORIZON: i64 = 12;
/// How often all nodes are looked at for a better place.
const MAX_PASSES: usize = 4;
/// Words of sets looked at while moving: a fraction of a second.
const MOVING_BUDGET: usize = 60_000_000;

/// Groups of up to so many bytes may be too small to be layers.
const SMALL_BYTES: u64 = 16 << 10;
/// What manifest and config say of a layer, which is sent at each update.
const LAYER_BYTES: u64 = 512;

/// What will be a layer.
#[derive(Clone)]
pub(crate) struct Group {
    pub(crate) members: Vec<usize>,
    set: Set,
    /// Of [`Forecast::cost`], over the horizon.
    cost: i64,
    /// What touching it costs: its bytes, if it was sent before, and more while little is known.
    resend: i64,
}

impl Group {
    pub(crate) fn new(forecast: &Forecast, members: Vec<usize>) -> Self {
        Self::of_set(forecast, forecast.set(&members), members)
    }

    /// One that clients have.
    pub(crate) fn had(forecast: &Forecast, members: Vec<usize>) -> Self {
        let group = Self::new(forecast, members);
        Self { resend: forecast.doubt(product(group.set.size, ONE)), ..group }
    }

    fn of_set(forecast: &Forecast, set: Set, members: Vec<usize>) -> Self {
        Self { members, cost: HORIZON * forecast.cost(&set), set, resend: 0 }
    }

    pub(crate) fn is_had(&self) -> bool {
        self.resend > 0
    }

    pub(crate) fn chance(&self, forecast: &Forecast) -> u64 {
        forecast.chance(&self.set)
    }

    /// Whether its parts, each alone, would save more than sending it again costs.
    pub(crate) fn has_drifted(&self, forecast: &Forecast) -> bool {
        let alone = |id: &usize| HORIZON * forecast.cost(&forecast.set(&[*id]));
        self.cost - self.members.iter().map(alone).sum::<i64>() > self.resend
    }
}

/// What an arrangement is expected to send over the horizon, with what it sends now of nodes that clients have.
pub(crate) fn total(forecast: &Forecast, groups: &[Group], is_new: impl Fn(usize) -> bool) -> i64 {
    let now = |group: &Group| -> i64 {
        let again = group.members.iter().filter(|id| !group.is_had() && !is_new(**id));
        forecast.doubt(again.map(|id| product(forecast.size(*id), ONE)).sum())
    };
    groups.iter().map(|group| group.cost + now(group)).sum()
}

pub(crate) fn arrange(forecast: &Forecast, groups: Vec<Group>, max_groups: usize) -> Vec<Group> {
    if groups.len() <= max_groups {
        // So just what changed is sent.
        return groups;
    }
    let mut groups = merge(forecast, groups, |count, _| count > max_groups);
    let mut budget = MOVING_BUDGET;
    for _ in 0..MAX_PASSES {
        if !move_nodes(forecast, &mut groups, &mut budget) {
            break;
        }
    }
    if forecast.is_guess() { groups } else { join_small(forecast, groups) }
}

/// Joins only what has always changed together, for long enough: no limit asks for it.
fn join_small(forecast: &Forecast, groups: Vec<Group>) -> Vec<Group> {
    let saved = HORIZON * product(forecast.units(LAYER_BYTES), ONE);
    let is_small = |group: &Group| group.set.size <= forecast.units(SMALL_BYTES);
    let (small, mut groups): (Vec<_>, Vec<_>) = groups.into_iter().partition(is_small);
    let mut alike: BTreeMap<u64, Vec<Group>> = BTreeMap::new();
    small.into_iter().for_each(|group| alike.entry(group.set.changed()).or_default().push(group));
    groups.extend(alike.into_values().flat_map(|alike| merge(forecast, alike, |_, cost| cost < saved)));
    groups
}

/// Merges the cheapest pair as long as `wanted` says so of the number of groups and of what it costs.
fn merge(forecast: &Forecast, groups: Vec<Group>, wanted: impl Fn(usize, i64) -> bool) -> Vec<Group> {
    let mut count = groups.len();
    let mut alive: Vec<Option<Group>> = groups.into_iter().map(Some).collect();
    let mut best: BinaryHeap<_> = (0..alive.len()).filter_map(|at| best_partner(forecast, &alive, at)).collect();
    while let Some(Reverse((cost, at, partner))) = best.pop() {
        if !wanted(count, cost) {
            break;
        }
        let Some(group) = alive[at].take() else { continue };
        if let Some(partner) = alive[partner].take() {
            let members = [partner.members, group.members].concat();
            alive.push(Some(Group::of_set(forecast, group.set.joined(&partner.set), members)));
            best.extend(best_partner(forecast, &alive, alive.len() - 1));
            count -= 1;
        } else {
            alive[at] = Some(group);
            best.extend(best_partner(forecast, &alive, at));
        }
    }
    alive.into_iter().flatten().collect()
}

/// What merging a group costs with the older one where that is least, the group, and that one.
fn best_partner(forecast: &Forecast, alive: &[Option<Group>], at: usize) -> Option<Reverse<(i64, usize, usize)>> {
    let group = alive[at].as_ref()?;
    let cost = |other: &Group| {
        let joint = HORIZON * forecast.joint_cost(&group.set, &other.set);
        joint - group.cost - other.cost + group.resend + other.resend
    };
    let older = alive[..at].iter().enumerate().filter_map(|(older, other)| Some((older, other.as_ref()?)));
    older.map(|(older, other)| Reverse((cost(other), at, older))).max()
}

/// Looks at each node of each group that is sent anyway. Whether any moved.
fn move_nodes(forecast: &Forecast, groups: &mut [Group], budget: &mut usize) -> bool {
    let mut moved = false;
    for from in 0..groups.len() {
        let mut at = 0;
        while !groups[from].is_had() && groups[from].members.len() > 1 && at < groups[from].members.len() {
            let work = (groups[from].members.len() + groups.len()) * (forecast.words() + 2);
            let Some(left) = budget.checked_sub(work) else { return false };
            *budget = left;
            if move_node(forecast, groups, from, at) {
                moved = true;
            } else {
                at += 1;
            }
        }
    }
    moved
}

fn move_node(forecast: &Forecast, groups: &mut [Group], from: usize, at: usize) -> bool {
    let mut rest = groups[from].members.clone();
    let id = rest.remove(at);
    let rest = Group::new(forecast, rest);
    let alone = forecast.set(&[id]);
    let cost = |to: usize| {
        let group = &groups[to];
        (HORIZON * forecast.joint_cost(&group.set, &alone) - group.cost + group.resend, to)
    };
    let cheapest = (0..groups.len()).filter(|to| *to != from).map(cost).min();
    let Some((_, to)) = cheapest.filter(|(cost, _)| *cost < groups[from].cost - rest.cost) else { return false };
    groups[from] = rest;
    let members = [groups[to].members.as_slice(), &[id]].concat();
    groups[to] = Group::of_set(forecast, groups[to].set.joined(&alone), members);
    true
}
