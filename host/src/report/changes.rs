//! How often nodes were other ones in earlier images.
//!
//! A node has changed in an update where the names of its lineage are not those of the image before, unless its own name
//! is in both. So of several nodes with one lineage only those count that are not there any more, and of those that came
//! later than others, all changes of the lineage before. That is good enough to be looked at; planners that rely on it
//! look closer.

use std::collections::BTreeMap;

use layerwright_planner::Lineages;

pub(super) struct Changes {
    /// How many updates there were.
    pub(super) updates: usize,
    /// In how many of them each node has changed.
    pub(super) counts: Vec<u32>,
}

/// `names` and `lineages` are those of the nodes, and `past` are earlier images, newest first. Two of them are in memory at a
/// time.
pub(super) fn changes<'a>(
    names: &[&'a str],
    lineages: &[&'a str],
    past: impl Iterator<Item = Lineages<'a>>,
) -> Changes {
    let mut changes = Changes { updates: 0, counts: vec![0; names.len()] };
    let mut members = BTreeMap::<_, Vec<usize>>::new();
    for (id, lineage) in lineages.iter().enumerate() {
        members.entry(*lineage).or_default().push(id);
    }
    let mut newer: Lineages<'a> = lineages.iter().copied().zip(names.iter().copied()).collect();
    for older in past {
        for (lineage, ids) in members.iter().filter(|(lineage, _)| newer.differs_from(&older, lineage)) {
            for id in ids {
                let has_stayed = newer.has_name(lineage, names[*id]) && older.has_name(lineage, names[*id]);
                changes.counts[*id] += u32::from(!has_stayed);
            }
        }
        changes.updates += 1;
        newer = older;
    }
    changes
}

#[cfg(test)]
mod tests {
    use layerwright_planner::{Closure, Generation, NamedNode};

    use super::*;

    /// Nodes are called LINEAGE-VERSION.
    fn image(names: &str) -> Closure {
        let node = |name: &str| NamedNode {
            name: name.into(),
            lineage: name.split('-').next().unwrap().into(),
            size: 1,
            references: Vec::new(),
        };
        Closure::new(names.split_whitespace().map(node).collect(), None).unwrap()
    }

    fn changes_of<'a>(newest: &'a Closure, past: impl Iterator<Item = Lineages<'a>>) -> Changes {
        let (names, lineages): (Vec<_>, Vec<_>) =
            newest.nodes().iter().map(|node| (node.name.as_str(), node.lineage.as_str())).unzip();
        changes(&names, &lineages, past)
    }

    /// Images are given oldest first.
    fn counted(images: &[&str]) -> (usize, Vec<u32>) {
        let images: Vec<Closure> = images.iter().map(|names| image(names)).collect();
        let (newest, past) = images.split_last().unwrap();
        let Changes { updates, counts } = changes_of(newest, past.iter().rev().map(Lineages::from));
        (updates, counts)
    }

    #[test]
    fn nodes_change_where_their_lineage_has_another_name() {
        assert_eq!(counted(&["app-1 lib-1", "app-2 lib-1", "app-3 lib-2", "app-3 lib-2"]), (3, vec![2, 1]));
        assert_eq!(counted(&["app-1"]), (0, vec![0]));
        assert_eq!(counted(&["", "app-1", ""]), (2, vec![]));
    }

    #[test]
    fn a_node_that_came_new_has_changed() {
        assert_eq!(counted(&["lib-1", "app-1 lib-1", "app-1 lib-1"]), (2, vec![1, 0]));
        assert_eq!(counted(&["app-1", "lib-1", "app-1"]), (2, vec![2]));
    }

    #[test]
    fn siblings_that_stay_have_not_changed() {
        assert_eq!(counted(&["lib-1 lib-2", "lib-1 lib-3"]), (1, vec![0, 1]));
        assert_eq!(counted(&["lib-1 lib-2", "lib-1"]), (1, vec![0]));
    }

    #[test]
    fn layers_make_no_difference() {
        let newest = image("app-2 lib-1");
        let past = |name: &str| layerwright_planner::PastNode {
            name: name.into(),
            lineage: name.split('-').next().unwrap().into(),
            size: 1,
        };
        let generation = Generation { layers: vec![vec![past("lib-1")], vec![past("app-1")]] };
        assert_eq!(changes_of(&newest, [Lineages::from(&generation)].into_iter()).counts, [1, 0]);
    }
}
