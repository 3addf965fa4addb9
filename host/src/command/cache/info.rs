//! `layerwright cache info`

use std::time::SystemTime;

use anyhow::{Context, Result};
use indicatif::BinaryBytes;
use jiff::Timestamp;
use layerwright_packer::CacheInfo;
use serde::Serialize;

use crate::arguments::CacheInfoArguments;
use crate::caches::Caches;
use crate::command::output::{counted, print, print_json};

/// What `--json` prints.
#[derive(Serialize)]
struct Info {
    path: String,
    layers: Layers,
    planners: Planners,
}

#[derive(Default, Serialize)]
struct Layers {
    known: usize,
    blobs: usize,
    bytes: u64,
    /// RFC 3339, in UTC.
    oldest_use: Option<String>,
    newest_use: Option<String>,
}

#[derive(Default, Serialize)]
struct Planners {
    /// `null` for a user without a home, who names nothing.
    path: Option<String>,
    compiled: usize,
    bytes: u64,
}

pub(super) fn run(arguments: &CacheInfoArguments) -> Result<()> {
    let caches = Caches::open(arguments)?;
    let layers = caches.layers.as_ref().map(|layers| Ok(Layers::from(layers.info()?)));
    let planners = caches.planners.as_ref().map(|planners| {
        let (compiled, bytes) = planners.size()?;
        Ok(Planners { path: None, compiled, bytes })
    });
    let path = caches.compiled_place.as_ref().map(|place| place.display().to_string());
    let context = || format!("reading the cache {}", caches.place.display());
    let info = Info {
        path: caches.place.display().to_string(),
        layers: layers.transpose().map_err(|error: std::io::Error| error).with_context(context)?.unwrap_or_default(),
        planners: Planners {
            path,
            ..planners.transpose().map_err(|error: std::io::Error| error).with_context(context)?.unwrap_or_default()
        },
    };
    if arguments.json { print_json(&info) } else { print(&shown(&info)) }
}

fn shown(info: &Info) -> String {
    let Info { path, layers, planners } = info;
    let (known, blobs) = (counted(layers.known, "layer"), counted(layers.blobs, "blob"));
    let (layer_bytes, planner_bytes) = (BinaryBytes(layers.bytes), BinaryBytes(planners.bytes));
    let uses = match (&layers.oldest_use, &layers.newest_use) {
        (Some(oldest), Some(newest)) => format!("\n  used between {oldest} and {newest}"),
        _ => String::new(),
    };
    let compiled = counted(planners.compiled, "compiled planner");
    let compiled = match &planners.path {
        Some(path) => format!("{path}\n  {compiled}, {planner_bytes}\n"),
        None => String::new(),
    };
    format!("{path}\n  {known} known, {blobs}, {layer_bytes}{uses}\n{compiled}")
}

impl From<CacheInfo> for Layers {
    fn from(info: CacheInfo) -> Self {
        let CacheInfo { layers, blobs, bytes, oldest_use, newest_use, .. } = info;
        Self {
            known: layers,
            blobs,
            bytes,
            oldest_use: oldest_use.and_then(second),
            newest_use: newest_use.and_then(second),
        }
    }
}

/// Nobody asks for nanoseconds.
fn second(time: SystemTime) -> Option<String> {
    let second = Timestamp::try_from(time).ok()?.as_second();
    Some(Timestamp::from_second(second).ok()?.to_string())
}
