//! What there is to say of layers.

use layerwright_planner::{NodeKind, Plan};

use super::data::{Image, Layer, LayerState, Nodes};
use super::nodes::numbers;

impl<'a> Image<'a> {
    /// `nodes` are those of the plan's closure. `states` has one for each layer, or none at all where there is nothing to
    /// compare with.
    pub(crate) fn of_plan(name: String, plan: &'a Plan, nodes: &'a Nodes<'a>, states: &[LayerState]) -> Self {
        let layer = |(at, layer): (usize, &'a layerwright_planner::Layer)| Layer {
            label: layer.label.clone(),
            planner: layer.planner.map(|planner| plan.planners()[planner].shown()),
            nodes: numbers(&layer.nodes),
            state: states.get(at).copied(),
            size: None,
            digest: None,
        };
        Self {
            name,
            kind: plan.kind(),
            roots: numbers(plan.closure().roots()),
            updates: nodes.updates,
            nodes,
            layers: plan.layers().iter().enumerate().map(layer).collect(),
        }
    }

    /// An image, which does not tell what was asked for. `nodes` are those that it tells of its layers: maybe none.
    pub(crate) fn of_layers(name: String, nodes: &'a Nodes<'a>, layers: Vec<Layer>) -> Self {
        let is_of_paths = nodes.names.iter().all(|name| name.starts_with('/'));
        let kind = if is_of_paths { NodeKind::StorePath } else { NodeKind::DpkgPackage };
        Self { name, kind, roots: Vec::new(), updates: nodes.updates, nodes, layers }
    }
}

impl LayerState {
    pub(crate) fn of(is_kept: bool) -> Self {
        if is_kept { Self::Kept } else { Self::New }
    }
}
