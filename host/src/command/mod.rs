//! The commands, one file each, and what several of them share.

mod afterwards;
pub(crate) mod build;
pub(crate) mod cache;
pub(crate) mod clean;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod hidden;
mod image_settings;
mod inputs;
pub(crate) mod layer;
mod made_by_scripts;
mod output;
pub(crate) mod pack;
mod places;
pub(crate) mod plan;
mod plan_file;
mod plan_table;
pub(crate) mod planner;
mod report;
pub(crate) mod simulate;
pub(crate) mod stage;
mod state;
mod surroundings;
pub(crate) mod verify;
