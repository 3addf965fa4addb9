//! An earlier image, as planners are told of it.
//!
//! Images of ours say in annotations what is in their layers; in others, and in archives that have lost them, the store
//! paths are read in the layers. Layers of which it is not known, as those of a base image and the customisation layer, are
//! left out: planners place nothing there. A node that is there twice counts where it lies lowest.

use std::collections::BTreeSet;

use anyhow::{Result, bail};
use layerwright_packer::{HeldNode, ImageSource};
use layerwright_planner::{Generation, PastNode};

use super::Budget;
use crate::console::Console;
use crate::outline::open_outline;
use crate::progress::Progress;

pub(super) fn generation(source: &ImageSource, budget: &mut Budget, console: &Console) -> Result<Generation> {
    let outline = open_outline(source, None, console)?;
    let contents = outline.contents(&Progress::new(console, "layers"))?;
    let generation = of_contents(contents.into_iter().flatten());
    if generation.layers.is_empty() {
        bail!("it does not say what is in its layers, and none of them holds store paths alone; give its plan instead");
    }
    budget.take_generation(&generation)?;
    Ok(generation)
}

fn of_contents(contents: impl Iterator<Item = Vec<HeldNode>>) -> Generation {
    let mut seen = BTreeSet::new();
    let mut layer = |nodes: Vec<HeldNode>| -> Vec<PastNode> {
        let new = nodes.into_iter().filter(|node| seen.insert(node.name.clone()));
        new.map(|HeldNode { name, lineage, size }| PastNode { name, lineage, size }).collect()
    };
    Generation { layers: contents.map(&mut layer).filter(|nodes| !nodes.is_empty()).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_counts_where_it_lies_lowest() {
        let held = |name: &str| HeldNode { name: name.into(), lineage: "x".into(), size: 1 };
        let contents = [vec![held("/a"), held("/b")], vec![held("/a")], vec![held("/b"), held("/c")]];
        let Generation { layers } = of_contents(contents.into_iter());
        let names: Vec<Vec<&str>> =
            layers.iter().map(|layer| layer.iter().map(|node| node.name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["/a", "/b"], vec!["/c"]]);
    }
}
