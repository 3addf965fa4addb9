//! Which nodes are large enough, and few enough, to get a layer each.

use std::cmp::Reverse;

use crate::layerwright::planner::types::Node;

/// The contract allows no more in a label.
const MAX_LABEL_BYTES: usize = 200;

/// Returns the positions of nodes that get a layer each, largest first, and of those that share the last one.
pub fn largest_first(nodes: &[Node], max_layers: u32, min_size: u64) -> (Vec<u32>, Vec<u32>) {
    let ids = 0..nodes.len() as u32;
    let size = |id: u32| nodes[id as usize].size;
    let mut alone: Vec<u32> = ids.clone().filter(|id| size(*id) >= min_size).collect();
    // Nodes ascend by name and the sort is stable, so names decide ties.
    alone.sort_by_key(|id| Reverse(size(*id)));
    // Unless every node has a layer of its own, the last layer is for those that have none.
    let max_layers = max_layers as usize;
    let everything_fits = alone.len() == nodes.len() && nodes.len() <= max_layers;
    if !everything_fits {
        alone.truncate(max_layers - 1);
    }
    let mut is_alone = vec![false; nodes.len()];
    for id in &alone {
        is_alone[*id as usize] = true;
    }
    let together = ids.filter(|id| !is_alone[*id as usize]).collect();
    (alone, together)
}

/// Cuts a lineage to the length of a label, between two characters.
pub fn label_of(lineage: &str) -> &str {
    &lineage[..lineage.floor_char_boundary(MAX_LABEL_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(sizes: &[u64], max_layers: u32, min_size: u64) -> (Vec<u32>, Vec<u32>) {
        let node = |size: &u64| Node {
            name: String::new(),
            lineage: String::new(),
            size: *size,
            references: vec![],
        };
        let nodes: Vec<Node> = sizes.iter().map(node).collect();
        largest_first(&nodes, max_layers, min_size)
    }

    #[test]
    fn the_largest_nodes_get_a_layer_each() {
        let sizes = [10, 30, 20, 30, 5];
        assert_eq!(plan(&sizes, 5, 0), (vec![1, 3, 2, 0, 4], vec![]));
        assert_eq!(plan(&sizes, 4, 0), (vec![1, 3, 2], vec![0, 4]));
        assert_eq!(plan(&sizes, 1, 0), (vec![], vec![0, 1, 2, 3, 4]));
    }

    #[test]
    fn small_nodes_share_the_last_layer() {
        let sizes = [10, 30, 20, 30, 5];
        assert_eq!(plan(&sizes, 9, 20), (vec![1, 3, 2], vec![0, 4]));
        assert_eq!(plan(&sizes, 9, u64::MAX), (vec![], vec![0, 1, 2, 3, 4]));
        assert_eq!(plan(&[], 1, 0), (vec![], vec![]));
    }

    #[test]
    fn labels_are_cut_between_characters() {
        assert_eq!(label_of("glibc"), "glibc");
        assert_eq!(
            label_of(&format!("a{}", "é".repeat(150))),
            format!("a{}", "é".repeat(99))
        );
    }
}
