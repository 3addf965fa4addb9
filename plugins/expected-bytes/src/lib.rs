//! The packing of hhd-dev's rechunk: layers are filled so that few bytes are expected to be sent again.
//!
//! A layer is sent again at each update that changes anything in it. So it costs its bytes times the number of updates,
//! among those that are known, in which at least one of its members changed; that is what is kept low.
//!
//! 1. `history.rs` finds in which updates each node changed, by lineage. What was in fewer than three earlier images
//!    counts as changed in all: nothing is known of it.
//! 2. Where there are no more nodes than layers, each has its own.
//! 3. From four layers on, nodes below 0.5 MB share one, and those below 1 MB another.
//! 4. Each further layer gets the largest node that is left; of equal ones, the last by name. Nodes whose addition
//!    keeps the cost of the layer lowest are added until it has 0.4 times the bytes of an average layer.
//! 5. Of all pairs of a node that is left and a layer, the one with the smallest increase of cost is taken, again and
//!    again. Layers do not grow beyond 1.3 times the average, unless nothing else is possible.
//! 6. Layers with fewer changes lie lower; of equal ones, larger ones.
//!
//! With an earlier image and more nodes than layers, step 5 alone is done, for new nodes: the others stay where they,
//! or their earlier versions, were, and layers keep their order. A layer that has lost all its members, or that was not
//! needed so far, is an empty one to step 5. All is planned anew where there were more layers than are allowed now, and
//! once, when enough is known to plan better (`learn`).
//!
//! Two things differ. rechunk reads changes from a year's changelogs of packages, by weeks; here, they are seen in
//! earlier images, at most 64 of them, so a change that only renames what is above counts, as it should. And rechunk
//! begins with groups that its users list: put the planner `groups` before this one.
//!
//! What it does not know: that a change of a node renames all that need it. And it never moves what was placed badly.
//!
//! Cost: in steps 4 and 5 only the smallest of the nodes that changed in the same updates can be the next one, so n
//! nodes with g different histories and m layers take n · g, and n · m for what is computed again.

mod history;
mod packing;
mod settings;

#[cfg(test)]
mod tests;

use layerwright_planner::{
    Closure, Description, Failure, Generation, Proposal, ProposedLayer, Request, Strategy, Surroundings,
};

use crate::history::{MOST_CHANGES, changes, previous_layers};
use crate::packing::{Bin, Items};
use crate::settings::Settings;

/// See the head of this file.
pub struct ExpectedBytes;

layerwright_planner::export!(ExpectedBytes);

impl Strategy for ExpectedBytes {
    fn describe() -> Description {
        Description {
            name: "expected-bytes".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Fills layers so that few bytes are expected to be sent again, as rechunk does".into(),
            config_schema: include_str!("settings.schema.json").into(),
        }
    }

    fn plan(request: &Request, surroundings: &dyn Surroundings) -> Result<Proposal, Failure> {
        let settings: Settings = request.settings()?;
        let closure = &request.closure;
        let generations = surroundings.generations(MOST_CHANGES);
        let changes = changes(closure, &generations);
        let max_layers = request.max_layers.get() as usize;
        let bins = match previous(closure, &generations, &settings, max_layers) {
            Some(previous) => {
                let (mut bins, new) = packing::keep(closure, &changes, &previous.layer_of, previous.count);
                // More bins than new nodes are of no use.
                bins.resize_with(max_layers.min(previous.count + new.len()), Bin::default);
                packing::fill(&mut bins, new);
                bins
            }
            None => packing::fresh(Items::new(closure, &changes, closure.ids()), max_layers),
        };
        let layers = bins.into_iter().filter(|bin| !bin.members.is_empty());
        let layers = layers.map(|bin| ProposedLayer::after_its_largest(closure, bin.members));
        Ok(Proposal { layers: layers.collect() })
    }
}

/// What is to be kept of the image before.
fn previous(
    closure: &Closure,
    generations: &[Generation],
    settings: &Settings,
    max_layers: usize,
) -> Option<history::Previous> {
    let newest = generations.first().filter(|_| settings.keep_previous && generations.len() != settings.learn)?;
    Some(previous_layers(closure, newest)).filter(|layers| closure.len() > max_layers && layers.fit(max_layers))
}
