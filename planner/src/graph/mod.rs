//! Views of a closure that strategies want.
//!
//! Each is computed once, over the whole closure, and returned as one value per node, parallel to
//! [`Closure::nodes`](crate::Closure::nodes). None of them recurses: a closure may be 100,000 references deep.
//!
//! | view | answers | cost for n nodes and e references |
//! |---|---|---|
//! | [`referrers()`] | who refers to this node? | n + e |
//! | [`Condensation`] | which nodes form cycles, and what comes before what? | n + e |
//! | [`topological_order()`] | users first, dependencies last | n + e |
//! | [`dominators()`], [`dominators_with_entries()`] | through which node do all users come here? | e log n |
//! | [`closure_sizes()`] | how many bytes come along with this node? | n · (n + e) / 64, and the pairs that reach each other |
//! | [`closure_sizes_of()`] | how many bytes come along with these nodes? | the same for n sets |
//! | [`sort_by_closure_size()`] | in which order does each set come after those that it needs? | the same |
//! | [`reach()`] | which of 64 starting points reach this component? | n + e |
//! | [`split_by_largest()`] | which nodes do the same large nodes need? | n · (n + e) / 64 |
//! | [`popularity()`] | how much is built upon this node? | n · e / 64, and what reaches it but not its nearest referrer |

mod closure_size;
mod condensation;
mod dominators;
mod popularity;
mod primaries;
mod reach;
mod referrers;

pub use closure_size::{closure_sizes, closure_sizes_of, sort_by_closure_size};
pub use condensation::{ComponentId, Condensation, topological_order};
pub use dominators::{dominators, dominators_with_entries};
pub use popularity::{popularity, sort_by_popularity};
pub use primaries::split_by_largest;
pub use reach::{REACH_BLOCK, reach};
pub use referrers::referrers;
