//! What is known of a planner.

use layerwright_planner::PlannerSource;
use serde::Serialize;
use serde_json::Value;

use crate::sandbox::{CONTRACT, Strategy};

/// What is known of a planner.
#[derive(Serialize)]
pub(super) struct Profile {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) summary: String,
    pub(super) source: PlannerSource,
    pub(super) contract: &'static str,
    pub(super) digest: String,
    pub(super) size_bytes: usize,
    pub(super) imports: Imports,
    pub(super) exports: Vec<String>,
    pub(super) config_schema: Value,
}

/// What comes of each import.
#[derive(Serialize)]
pub(super) struct Imports {
    pub(super) granted: Vec<String>,
    pub(super) inert: Vec<String>,
    pub(super) denied: Vec<String>,
    pub(super) unknown: Vec<String>,
}

impl Profile {
    pub(super) fn new(strategy: &Strategy<'_>, source: PlannerSource) -> Self {
        let description = strategy.description();
        let inspection = strategy.inspection();
        Self {
            name: description.name.clone(),
            version: description.version.clone(),
            summary: description.summary.clone(),
            source,
            contract: CONTRACT,
            digest: strategy.digest().to_string(),
            size_bytes: strategy.size(),
            imports: Imports {
                granted: inspection.granted.clone(),
                inert: inspection.inert.clone(),
                denied: inspection.denied.clone(),
                unknown: inspection.unknown.clone(),
            },
            exports: inspection.exports.clone(),
            config_schema: serde_json::from_str(&description.config_schema).unwrap_or_default(),
        }
    }
}
