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
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    pub(super) config_schema: Value,
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
            imports: inspection.granted.clone(),
            exports: inspection.exports.clone(),
            config_schema: serde_json::from_str(&description.config_schema).unwrap_or_default(),
        }
    }
}
