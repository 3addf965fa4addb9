//! A history, ready to be replayed: what each update costs whoever plans.

use std::collections::{BTreeMap, BTreeSet};

use layerwright_planner::Closure;

use crate::history::{Image, SaidHash};

/// What a node holds, as a number that is the same at each step that has it: a path, with its NAR hash where one is
/// said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Content(u32);

/// The images of one history, oldest first.
#[derive(Debug)]
pub(super) struct Timeline {
    /// How the user named it.
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// One image.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) date: String,
    pub(super) closure: Closure,
    /// Of each node, in their order.
    pub(super) contents: Vec<Content>,
    /// What is pulled where all is one layer.
    pub(super) single_layer_bytes: u64,
    /// What no layering can save: whatever was in no earlier image.
    pub(super) floor_bytes: u64,
}

impl Timeline {
    pub(super) fn new(name: String, images: Vec<Image>) -> Self {
        let mut numbers = Numbers::default();
        let mut images_had = BTreeSet::new();
        let step = |Image { date, closure, hashes }: Image| {
            let numbered: Vec<(Content, bool)> =
                closure.nodes().iter().zip(hashes).map(|(node, hash)| numbers.of(&node.name, hash)).collect();
            let is_new = |(size, (_, is_new)): (u64, &(Content, bool))| is_new.then_some(size);
            let sizes = closure.nodes().iter().map(|node| node.size);
            let floor_bytes = sum(sizes.zip(&numbered).filter_map(is_new));
            let contents: Vec<Content> = numbered.into_iter().map(|(content, _)| content).collect();
            let single_layer_bytes = if images_had.insert(sorted(contents.clone())) { closure.size() } else { 0 };
            Step { date, closure, contents, single_layer_bytes, floor_bytes }
        };
        let steps = images.into_iter().map(step).collect();
        Self { name, steps }
    }

    /// All images but the first, which everybody has to pull.
    pub(super) fn updates(&self) -> &[Step] {
        self.steps.get(1..).unwrap_or_default()
    }
}

/// As sets are compared.
pub(super) fn sorted(mut contents: Vec<Content>) -> Vec<Content> {
    contents.sort_unstable();
    contents
}

pub(super) fn sum(bytes: impl Iterator<Item = u64>) -> u64 {
    bytes.fold(0, u64::saturating_add)
}

#[derive(Default)]
struct Numbers {
    known: BTreeMap<String, BTreeMap<SaidHash, Content>>,
    next: u32,
}

impl Numbers {
    /// Returns the number of what this node holds, and whether it is a new one.
    fn of(&mut self, name: &str, hash: SaidHash) -> (Content, bool) {
        if let Some(content) = self.known.get(name).and_then(|by_hash| by_hash.get(&hash)) {
            return (*content, false);
        }
        let content = Content(self.next);
        self.next += 1;
        self.known.entry(name.to_owned()).or_default().insert(hash, content);
        (content, true)
    }
}
