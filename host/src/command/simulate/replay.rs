//! One planner over one history: what its plans make a client pull.
//!
//! At each step:
//!
//! 1. The planner plans the image. It knows the layers that it made at the steps before, or nothing.
//! 2. A layer whose set of contents was a layer at any step before is had; every other one is pulled whole.
//! 3. Its layers are remembered, for clients and as the newest generation.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use layerwright_planner::{Closure, Generation, Layer, Plan};

use super::timeline::{Content, Step, Timeline, sorted, sum};
use crate::history::generation_of;
use crate::report::LayerState;

/// What planners know of earlier images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// Their own plans.
    OwnPlans,
    /// Nothing.
    Nothing,
}

/// A plan, and what it took to make it.
pub(super) struct Timed {
    pub(super) plan: Plan,
    pub(super) time: Duration,
}

/// What came of it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Replay {
    /// At each step but the first.
    pub(super) pulled_bytes: Vec<u64>,
    /// Most that an image had.
    pub(super) layers_used: usize,
    /// Bytes of the largest layer, and of the image it is in, where that is the largest share.
    pub(super) largest_layer: (u64, u64),
    /// All plans together.
    pub(super) planning: Duration,
    pub(super) slowest_plan: Duration,
    /// What it ended with.
    pub(super) last: Option<LastImage>,
}

/// The newest image.
#[derive(Debug, PartialEq)]
pub(super) struct LastImage {
    pub(super) plan: Plan,
    /// Of each layer.
    pub(super) states: Vec<LayerState>,
}

/// Asks `plan` about the image of each step, with earlier generations, newest first.
pub(super) fn replay(
    timeline: &Timeline,
    memory: Memory,
    mut plan: impl FnMut(&Closure, &[Arc<Generation>]) -> Result<Timed>,
) -> Result<Replay> {
    let mut replay = Replay::default();
    let mut generations = VecDeque::new();
    let mut had = BTreeSet::new();
    for (at, step) in timeline.steps.iter().enumerate() {
        let context = || format!("planning step {} of {}, {}", at + 1, timeline.name, step.date);
        let Timed { plan, time } = plan(&step.closure, generations.make_contiguous()).with_context(context)?;
        let states = pull(&plan, step, &mut had);
        if at > 0 {
            replay.pulled_bytes.push(pulled_bytes(&plan, &states));
        }
        replay.look_at(&plan, time);
        if memory == Memory::OwnPlans {
            generations.push_front(Arc::new(generation_of(&plan)));
        }
        replay.last = Some(LastImage { plan, states });
    }
    Ok(replay)
}

/// Pulls the layers that are not had, and returns which these are.
fn pull(plan: &Plan, step: &Step, had: &mut BTreeSet<Vec<Content>>) -> Vec<LayerState> {
    let contents = |layer: &Layer| sorted(layer.nodes.iter().map(|id| step.contents[id.index()]).collect());
    plan.layers().iter().map(|layer| LayerState::of(!had.insert(contents(layer)))).collect()
}

fn pulled_bytes(plan: &Plan, states: &[LayerState]) -> u64 {
    let pulled = plan.layers().iter().zip(states).filter(|(_, state)| **state == LayerState::New);
    sum(pulled.map(|(layer, _)| plan.size(layer)))
}

impl Replay {
    fn look_at(&mut self, plan: &Plan, time: Duration) {
        self.layers_used = self.layers_used.max(plan.layers().len());
        let (image, largest) = (plan.closure().size(), plan.layers().iter().map(|layer| plan.size(layer)).max());
        let (bytes, of) = self.largest_layer;
        let is_larger =
            |largest: u64| u128::from(largest) * u128::from(of.max(1)) > u128::from(bytes) * u128::from(image);
        if let Some(largest) = largest.filter(|largest| is_larger(*largest)) {
            self.largest_layer = (largest, image);
        }
        self.planning += time;
        self.slowest_plan = self.slowest_plan.max(time);
    }
}
