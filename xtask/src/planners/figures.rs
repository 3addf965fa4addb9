//! What was measured.

use anyhow::{Context, Result};
use serde_json::Value;

use super::timing::Planning;

pub(crate) struct Results {
    /// Names and values.
    pub(crate) machine: Vec<(String, String)>,
    /// In the order in which they are shown.
    pub(crate) histories: Vec<String>,
    pub(crate) strategies: Vec<String>,
    /// With what strategies know of earlier images, and with that withheld.
    pub(crate) known: Vec<Figures>,
    pub(crate) withheld: Vec<Figures>,
    pub(crate) planning: Vec<Planning>,
}

/// One strategy with one limit over one history, all updates together.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Figures {
    pub(crate) history: String,
    pub(crate) strategy: String,
    pub(crate) max_layers: u64,
    pub(crate) updates: u64,
    pub(crate) pulled_bytes: u64,
    pub(crate) single_layer_bytes: u64,
    pub(crate) floor_bytes: u64,
    pub(crate) p95_bytes: u64,
    pub(crate) layers_used: u64,
    pub(crate) largest_layer_permille: u64,
    pub(crate) planning_us: u64,
    pub(crate) slowest_plan_us: u64,
    pub(crate) pulled_bytes_by_update: Vec<u64>,
}

impl Figures {
    /// Reads one of the results that `layerwright simulate --json` prints.
    pub(crate) fn read(history: &str, result: &Value) -> Result<Self> {
        let number = |key: &str| result[key].as_u64().with_context(|| format!("a simulation's result has no `{key}`"));
        Ok(Self {
            history: history.to_owned(),
            strategy: result["planner"].as_str().context("a simulation's result names its planner")?.to_owned(),
            max_layers: number("max_layers")?,
            updates: number("updates")?,
            pulled_bytes: number("pulled_bytes")?,
            single_layer_bytes: number("single_layer_bytes")?,
            floor_bytes: number("floor_bytes")?,
            p95_bytes: number("p95_bytes")?,
            layers_used: number("layers_used")?,
            largest_layer_permille: number("largest_layer_permille")?,
            planning_us: number("planning_us")?,
            slowest_plan_us: number("slowest_plan_us")?,
            pulled_bytes_by_update: by_update(result)?,
        })
    }

    /// What is pulled beyond what no layering can save.
    pub(crate) fn excess_bytes(&self) -> u64 {
        self.pulled_bytes.saturating_sub(self.floor_bytes)
    }

    /// What is pulled in the first updates; `None` where there are fewer.
    pub(crate) fn pulled_until(&self, updates: usize) -> Option<u64> {
        Some(self.pulled_bytes_by_update.get(..updates)?.iter().sum())
    }

    /// What is pulled as a multiple of what no layering can save.
    pub(crate) fn of_floor(&self) -> f64 {
        ratio(self.pulled_bytes, self.floor_bytes)
    }
}

fn by_update(result: &Value) -> Result<Vec<u64>> {
    let numbers = result["pulled_bytes_by_update"].as_array();
    let numbers = numbers.and_then(|numbers| numbers.iter().map(Value::as_u64).collect());
    numbers.context("a simulation's result has no `pulled_bytes_by_update`")
}

/// Not a number where there is nothing to compare with.
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { f64::NAN } else { part as f64 / whole as f64 }
}

/// Of one strategy with one limit over one history.
pub(crate) fn of<'a>(all: &'a [Figures], history: &str, strategy: &str, limit: u64) -> Option<&'a Figures> {
    all.iter().find(|one| one.history == history && one.strategy == strategy && one.max_layers == limit)
}

/// Of one strategy with one limit, over all histories.
pub(crate) fn over_all<'a>(all: &'a [Figures], strategy: &str, limit: u64) -> impl Iterator<Item = &'a Figures> {
    all.iter().filter(move |one| one.strategy == strategy && one.max_layers == limit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_read_and_what_they_lack_is_named() {
        let mut result = json!({
            "history": "dir/web.jsonl.zst", "planner": "foresight", "max_layers": 20, "updates": 3, "pulled_bytes": 30,
            "single_layer_bytes": 90, "floor_bytes": 20, "p95_bytes": 12, "layers_used": 19,
            "largest_layer_permille": 250, "planning_us": 70, "slowest_plan_us": 40,
            "pulled_bytes_by_update": [7, 11, 12],
        });
        let figures = Figures::read("web", &result).unwrap();
        assert_eq!((figures.excess_bytes(), figures.of_floor()), (10, 1.5));
        assert_eq!((figures.pulled_until(2), figures.pulled_until(4)), (Some(18), None));
        assert_eq!(of(std::slice::from_ref(&figures), "web", "foresight", 20), Some(&figures));
        assert_eq!(of(&[figures], "web", "foresight", 40), None);
        result["floor_bytes"] = json!("20");
        let error = Figures::read("web", &result).unwrap_err().to_string();
        assert_eq!(error, "a simulation's result has no `floor_bytes`");
        assert!(ratio(1, 0).is_nan());
    }
}
