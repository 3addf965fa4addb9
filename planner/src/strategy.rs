//! The contract with a strategy, in plain Rust: what `wit/planner.wit` says, without its plumbing.

use crate::{Proposal, Request};

/// A layering strategy.
///
/// A pure function: the same request and the same history give the same proposal, on every machine.
pub trait Strategy {
    /// Who this is and which settings it takes.
    fn describe() -> Description;

    /// Proposes layers.
    ///
    /// # Errors
    ///
    /// Where the settings are not valid or cannot be kept; never for a bug, which is a panic.
    fn plan(request: &Request, surroundings: &dyn Surroundings) -> Result<Proposal, Failure>;
}

/// All that a strategy can reach besides its request.
pub trait Surroundings {
    /// Says what the strategy is doing. Cannot influence anything.
    fn log(&self, level: Level, message: &str);

    /// The newest `limit` earlier images of the same thing, newest first. Empty where nothing is known.
    fn generations(&self, limit: u32) -> Vec<Generation>;
}

/// Who a strategy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description {
    /// Short, lower case: `popularity`.
    pub name: String,
    /// The strategy's own version.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema of the accepted settings.
    pub config_schema: String,
}

/// How a strategy says no.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The settings are not valid; the text says which one and why.
    #[error("invalid settings: {0}")]
    InvalidConfig(String),
    /// No proposal can keep the layer limit, or another stated limit.
    #[error("cannot be done: {0}")]
    Unsatisfiable(String),
    /// Anything else, in the strategy's own words.
    #[error("{0}")]
    Other(String),
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the strategy's author.
    Debug,
    /// For whoever wants to know.
    Info,
    /// For every user: something is probably not as they meant it.
    Warn,
}

/// An earlier image: its nodes, layer by layer, bottom-most first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Generation {
    /// The layers.
    pub layers: Vec<Vec<PastNode>>,
}

/// A node as it was in an earlier image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PastNode {
    /// As [`crate::Node::name`].
    pub name: String,
    /// As [`crate::Node::lineage`].
    pub lineage: String,
    /// As [`crate::Node::size`].
    pub size: u64,
}
