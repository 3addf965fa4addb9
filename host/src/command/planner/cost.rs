//! What a call cost, for people and for scripts.

use std::time::Duration;

use serde::Serialize;

use crate::sandbox::Usage;

/// What one call used. Several together: the most of each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Cost {
    pub(super) fuel: u64,
    pub(super) memory_bytes: u64,
    /// Differs from run to run, so it is left out of reports that should not.
    #[serde(skip)]
    pub(super) time: Duration,
}

impl Cost {
    pub(super) fn max(self, other: Self) -> Self {
        Self {
            fuel: self.fuel.max(other.fuel),
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            time: self.time.max(other.time),
        }
    }
}

impl From<Usage> for Cost {
    fn from(usage: Usage) -> Self {
        let Usage { fuel, memory_bytes, time, .. } = usage;
        Self { fuel, memory_bytes, time }
    }
}

/// `12.3ms`
pub(super) fn shown(time: Duration) -> String {
    format!("{time:.1?}")
}

/// Whole microseconds.
pub(super) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
