//! Runs one layering strategy in a sandbox.
//!
//! A component gets a graph and the history of earlier images, and gives a proposal. It gets no files, environment,
//! clock, network or randomness, and bounded instructions, memory, stack, output and time. Each call is made on a fresh
//! instance in a fresh store, which is dropped afterwards whatever happened. Nothing that it returns is believed here:
//! checking is the chain's work.
//!
//! Start at [`Sandbox::load`], which refuses whatever is not such a component, then [`Strategy::plan`].
//! The types that bindings generate do not leave this module.

mod bindings;
mod call;
mod compile;
mod compiled;
mod contract;
mod engine;
mod error;
mod extent;
mod file_kind;
mod frames;
mod inspect;
mod limits;
mod log;
mod places;
mod producers;
mod seal;
mod strategy;
mod untrusted;
mod wasi;

pub(crate) use call::Usage;
pub(crate) use compile::{COMMAND as COMPILE_COMMAND, Compiler, Notice, Refusal, child as compile_in_child};
pub(crate) use compiled::{CompiledCache, SealReport, remove_unsealed};
pub(crate) use contract::TEXT as CONTRACT;
pub(crate) use engine::Sandbox;
pub(crate) use error::{Failed, Misdeed, NotAStrategy, StrategyError};
pub(crate) use inspect::Imports;
pub(crate) use limits::{Limit, Limits};
pub(crate) use log::LogLine;
pub(crate) use places::{COMMAND as LOCATE_COMMAND, child as locate_in_child};
pub(crate) use producers::Producer;
pub(crate) use strategy::{Examined, MAX_SCHEMA_BYTES, Planned, Strategy};
pub(crate) use untrusted::{printable, without_commands};

#[cfg(test)]
mod threats;
