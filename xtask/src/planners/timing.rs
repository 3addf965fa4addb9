//! How long planning a large closure takes, and how much of the sandbox's memory, without history.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::options::Options;
use super::simulate::json_of;

/// A closure that the program generates, as large as a distribution.
const GENERATED: &str = "nix-like:60000";

/// Plans, of which the median counts.
const SAMPLES: &str = "3";

/// One strategy about one closure.
pub(crate) struct Planning {
    pub(crate) strategy: String,
    /// As it is called in the table.
    pub(crate) closure: String,
    pub(crate) nodes: u64,
    pub(crate) plan_us: u64,
    pub(crate) memory_bytes: u64,
}

/// Closure by closure, and of each all strategies.
pub(crate) fn all(program: &Path, strategies: &[String], options: &Options) -> Result<Vec<Planning>> {
    let sources: Vec<String> = options.graphs.iter().map(|graph| format!("graph:{}", graph.display())).collect();
    let mut all = Vec::new();
    for strategy in strategies.iter().filter(|strategy| options.only.takes(&id(strategy))) {
        let mut words = vec!["planner", "bench", strategy, "--json", "--samples", SAMPLES, "--shape", GENERATED];
        words.extend(sources.iter().flat_map(|source| ["--from", source.as_str()]));
        let report = json_of(program, &words)?;
        for plan in report["plans"].as_array().context("a benchmark tells of plans")? {
            all.push(Planning::read(strategy, plan)?);
        }
    }
    all.sort_by_key(|planning| planning.nodes);
    Ok(all)
}

/// Whether any of it is to be measured.
pub(crate) fn is_wanted(strategies: &[String], options: &Options) -> bool {
    strategies.iter().any(|strategy| options.only.takes(&id(strategy)))
}

fn id(strategy: &str) -> String {
    format!("large/{strategy}")
}

impl Planning {
    fn read(strategy: &str, plan: &Value) -> Result<Self> {
        let number = |key: &str| plan[key].as_u64().with_context(|| format!("a measured plan has no `{key}`"));
        let closure = plan["closure"].as_str().context("a measured plan names its closure")?;
        Ok(Self {
            strategy: strategy.to_owned(),
            closure: short(closure).to_owned(),
            nodes: number("nodes")?,
            plan_us: number("plan_us")?,
            memory_bytes: number("memory_bytes")?,
        })
    }
}

/// The folder of a graph tells about a machine, and its file about the graph.
fn short(closure: &str) -> &str {
    closure.strip_prefix("graph:").and_then(|file| file.rsplit('/').next()).unwrap_or(closure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closures_have_short_names() {
        assert_eq!(short("nix-like:60000"), "nix-like:60000");
        assert_eq!(short("graph:/some/where/all.json.gz"), "all.json.gz");
        assert_eq!(short("graph:all.json"), "all.json");
    }
}
