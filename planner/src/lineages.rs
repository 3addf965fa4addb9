//! The names of an image's nodes, by lineage: what updates are told by.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Closure, Generation};

/// The names of the nodes of one image, by their lineage.
///
/// ```
/// # use layerwright_planner::Lineages;
/// let older: Lineages = [("app", "app-1"), ("lib", "lib-1")].into_iter().collect();
/// let newer: Lineages = [("app", "app-2"), ("lib", "lib-1")].into_iter().collect();
/// assert!(newer.differs_from(&older, "app"));
/// assert!(!newer.differs_from(&older, "lib"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineages<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> Lineages<'a> {
    /// The lineages that there are, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }

    /// Whether a node has that lineage.
    #[must_use]
    pub fn has(&self, lineage: &str) -> bool {
        self.0.contains_key(lineage)
    }

    /// Whether a node has that lineage and that name.
    #[must_use]
    pub fn has_name(&self, lineage: &str, name: &str) -> bool {
        self.0.get(lineage).is_some_and(|names| names.contains(name))
    }

    /// Whether the nodes of a lineage are others than in another image.
    #[must_use]
    pub fn differs_from(&self, other: &Self, lineage: &str) -> bool {
        self.0.get(lineage) != other.0.get(lineage)
    }
}

/// Of lineages and names.
impl<'a> FromIterator<(&'a str, &'a str)> for Lineages<'a> {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(nodes: I) -> Self {
        let mut names = BTreeMap::<_, BTreeSet<_>>::new();
        for (lineage, name) in nodes {
            names.entry(lineage).or_default().insert(name);
        }
        Self(names)
    }
}

impl<'a> From<&'a Closure> for Lineages<'a> {
    fn from(closure: &'a Closure) -> Self {
        closure.nodes().iter().map(|node| (&*node.lineage, &*node.name)).collect()
    }
}

impl<'a> From<&'a Generation> for Lineages<'a> {
    fn from(generation: &'a Generation) -> Self {
        generation.layers.iter().flatten().map(|node| (&*node.lineage, &*node.name)).collect()
    }
}
