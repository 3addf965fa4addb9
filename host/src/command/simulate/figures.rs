//! What a replay comes down to, for scripts and for people.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Serialize;

use super::replay::{Memory, Replay};
use super::timeline::{Timeline, sum};

/// One planner with one limit over one history. All bytes are of updates: the first image is no update.
#[derive(Serialize)]
pub(super) struct Figures {
    pub(super) history: String,
    pub(super) planner: String,
    pub(super) max_layers: NonZeroU32,
    /// Whether the planner knew its earlier plans.
    pub(super) with_history: bool,
    pub(super) updates: usize,
    pub(super) pulled_bytes: u64,
    /// What would be pulled if all were one layer.
    pub(super) single_layer_bytes: u64,
    /// What no layering can save.
    pub(super) floor_bytes: u64,
    /// What half of the updates do not exceed, and nineteen of twenty.
    pub(super) p50_bytes: u64,
    pub(super) p95_bytes: u64,
    pub(super) max_bytes: u64,
    /// Most that an image had.
    pub(super) layers_used: usize,
    /// Of its image, in thousandths: the largest share that any layer had.
    pub(super) largest_layer_permille: u64,
    /// All plans together, and the one that took longest. These differ from run to run.
    pub(super) planning_us: u64,
    slowest_plan_us: u64,
    /// Update by update.
    pub(super) pulled_bytes_by_update: Vec<u64>,
    #[serde(skip)]
    pub(super) planning: Duration,
}

impl Figures {
    pub(super) fn new(
        timeline: &Timeline,
        planner: String,
        max_layers: NonZeroU32,
        memory: Memory,
        replay: Replay,
    ) -> Self {
        let Replay { pulled_bytes: pulled, layers_used, largest_layer, planning, slowest_plan, .. } = replay;
        let mut ranked = pulled.clone();
        ranked.sort_unstable();
        Self {
            history: timeline.name.clone(),
            planner,
            max_layers,
            with_history: memory == Memory::OwnPlans,
            updates: pulled.len(),
            pulled_bytes: sum(pulled.iter().copied()),
            single_layer_bytes: sum(timeline.updates().iter().map(|step| step.single_layer_bytes)),
            floor_bytes: sum(timeline.updates().iter().map(|step| step.floor_bytes)),
            p50_bytes: percentile(&ranked, 50),
            p95_bytes: percentile(&ranked, 95),
            max_bytes: percentile(&ranked, 100),
            layers_used,
            largest_layer_permille: share(largest_layer.0, largest_layer.1, 1000).unwrap_or(0),
            planning_us: micros(planning),
            slowest_plan_us: micros(slowest_plan),
            pulled_bytes_by_update: pulled,
            planning,
        }
    }
}

/// The smallest of the ascending values that so many percent do not exceed. 0 where there is none.
pub(super) fn percentile(ascending: &[u64], percent: usize) -> u64 {
    let rank = (ascending.len() * percent).div_ceil(100);
    rank.checked_sub(1).map_or(0, |at| ascending[at])
}

/// `part` of `whole`, in so many parts, rounded to the nearest. `None` for a share of nothing.
pub(super) fn share(part: u64, whole: u64, parts: u32) -> Option<u64> {
    let whole = u128::from(whole);
    let share = (u128::from(part) * u128::from(parts) + whole / 2).checked_div(whole)?;
    Some(u64::try_from(share).unwrap_or(u64::MAX))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
