//! Which node of a closure goes into which image layer.
//!
//! Pure: reads no files, runs no components, knows no clock. The way of the data, and the order in which to read:
//!
//! 1. A [`Closure`] is a graph of [`Node`]s, closed under reference.
//! 2. A [`Strategy`] answers a [`Request`] with a [`Proposal`], or with a [`Failure`]. [`graph`] has the views it wants.
//! 3. [`Proposal::check`] accepts or refuses what came back; nobody trusts it before.
//! 4. [`chain`] asks strategy after strategy, each about what the ones before it left, and ends in a [`Plan`]:
//!    the only thing the packer accepts.
//!
//! It is not the program: reading closures, running components and writing images is done by others.
//!
//! Strategy authors enable the feature `guest`, implement [`Strategy`] and call `layerwright_planner::export!(Single)`,
//! which then exists. Their tests enable the feature `testing`.
//!
//! ```
//! use layerwright_planner::{Description, Failure, Proposal, ProposedLayer, Request, Strategy, Surroundings};
//!
//! /// Everything in one layer.
//! struct Single;
//!
//! impl Strategy for Single {
//!     fn describe() -> Description {
//!         Description {
//!             name: "single".into(),
//!             version: "1.0.0".into(),
//!             summary: "Puts everything into one layer".into(),
//!             config_schema: r#"{"type": "object", "additionalProperties": false}"#.into(),
//!         }
//!     }
//!
//!     fn plan(request: &Request, _: &dyn Surroundings) -> Result<Proposal, Failure> {
//!         let members = request.closure.ids().collect();
//!         Ok(Proposal { layers: vec![ProposedLayer { label: "all".into(), members }] })
//!     }
//! }
//! ```

pub mod chain;
mod check;
mod closure;
pub mod graph;
mod guest;
mod lineage;
mod lineages;
mod package_name;
mod plan;
mod printable;
mod proposal;
mod request;
#[cfg(any(test, feature = "shapes"))]
pub mod shapes;
mod strategy;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use check::{Accepted, Breach, MAX_LABEL_BYTES};
pub use closure::{Closure, ClosureError, NamedNode, Node, NodeId};

#[cfg(feature = "guest")]
#[doc(hidden)]
pub use guest::bindings as __bindings;
pub use lineage::{
    lineage_of, lineage_of_node, lineage_of_store_path, name_and_hash, name_before_hash, origin_of, version_of_node,
};
pub use lineages::Lineages;
pub use plan::{Layer, NodeKind, Plan, PlanError, PlannerRecord, PlannerSource, SettingsText};
pub use printable::{is_printable, printable_json};
pub use proposal::{Proposal, ProposedLayer};
pub use request::Request;
pub use strategy::{Description, Failure, Generation, Level, PastNode, Strategy, Surroundings};
