//! What is known of a planner.

use layerwright_planner::PlannerSource;
use serde::Serialize;
use serde_json::Value;

use crate::sandbox::{Examined, Imports, Producer};

/// What is known of a planner. Where it is none, it says nothing of itself.
#[derive(Serialize)]
pub(super) struct Profile {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) source: PlannerSource,
    pub(super) contract: Option<String>,
    pub(super) digest: String,
    pub(super) size_bytes: usize,
    pub(super) producers: Vec<Producer>,
    pub(super) imports: Imports,
    pub(super) exports: Vec<String>,
    pub(super) config_schema: Option<Value>,
}

impl Profile {
    pub(super) fn new(examined: &Examined<'_>, source: PlannerSource, size_bytes: usize) -> Self {
        let Examined { digest, inspection, producers, strategy } = examined;
        let description = strategy.as_ref().ok().map(|strategy| strategy.description().clone());
        let schema = description.as_ref().map(|description| description.config_schema.as_str());
        Self {
            source,
            contract: inspection.contract.clone(),
            digest: digest.to_string(),
            size_bytes,
            producers: producers.clone(),
            imports: inspection.imports.clone(),
            exports: inspection.exports.clone(),
            config_schema: schema.and_then(|schema| serde_json::from_str(schema).ok()),
            name: description.as_ref().map(|description| description.name.clone()),
            version: description.as_ref().map(|description| description.version.clone()),
            summary: description.map(|description| description.summary),
        }
    }
}
