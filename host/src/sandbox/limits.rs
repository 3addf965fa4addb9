//! What a strategy may use.

use std::time::Duration;

use wasmtime::ResourceLimiter;

/// Bounds for one call of a strategy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Instructions, roughly: wasmtime's fuel. Deterministic for one version of the program.
    pub(crate) fuel: u64,
    /// Bytes of all its memories together.
    pub(crate) memory_bytes: u64,
    /// Time by the clock. A guard behind the fuel, for whatever that does not count.
    pub(crate) timeout: Duration,
}

impl Limits {
    /// An interpreter in a component plans 100,000 nodes with less than 15 billion. Five to ten seconds of a tight
    /// loop: a strategy that hangs is found out soon.
    pub(crate) const DEFAULT_FUEL: u64 = 100_000_000_000;
    /// Interpreters plan 100,000 nodes in less than 100 MiB.
    pub(crate) const DEFAULT_MEMORY_BYTES: u64 = 1 << 30;
    /// Ten times what the fuel lasts on a current machine.
    pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

    /// Bytes that it may hand over in one call or return. A proposal for 100,000 nodes is 1 MiB.
    pub(crate) const RETURNED_BYTES: usize = 16 << 20;
    /// Native stack for its frames.
    pub(crate) const STACK_BYTES: usize = 1 << 20;
    /// Native stack of the thread that it runs on: its own, and generously what the host needs on top. Overrunning
    /// this one would end the process.
    pub(crate) const THREAD_STACK_BYTES: usize = Self::STACK_BYTES + (7 << 20);
    /// Size of a component. Those with a Python interpreter inside are 18 MB.
    pub(crate) const COMPONENT_BYTES: u64 = 64 << 20;
    /// Log lines over one call, and their bytes together.
    pub(crate) const LOG_LINES: usize = 10_000;
    /// See [`Self::LOG_LINES`].
    pub(crate) const LOG_BYTES: usize = 1 << 20;
    /// Elements of each table. Tables hold function references; interpreters have some thousands.
    const TABLE_ELEMENTS: usize = 1 << 20;
    /// Interpreters come as several core modules.
    const INSTANCES: usize = 64;
    const TABLES: usize = 64;
    const MEMORIES: usize = 16;
}

impl Default for Limits {
    fn default() -> Self {
        Self { fuel: Self::DEFAULT_FUEL, memory_bytes: Self::DEFAULT_MEMORY_BYTES, timeout: Self::DEFAULT_TIMEOUT }
    }
}

/// Counts memory over all memories of a store; wasmtime's own limiter counts each for itself.
#[derive(Debug)]
pub(super) struct Meter {
    limit: u64,
    used: u64,
}

/// More memory was asked for than allowed.
#[derive(Debug, thiserror::Error)]
#[error("asked for {wanted} bytes of memory in all, but at most {limit} are allowed")]
pub(super) struct MemoryExceeded {
    pub(super) wanted: u64,
    pub(super) limit: u64,
}

/// A larger table was asked for than allowed.
#[derive(Debug, thiserror::Error)]
#[error("asked for a table of {wanted} elements, but at most {} are allowed", Limits::TABLE_ELEMENTS)]
pub(super) struct TableExceeded {
    pub(super) wanted: usize,
}

impl Meter {
    pub(super) fn new(limits: &Limits) -> Self {
        Self { limit: limits.memory_bytes, used: 0 }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used
    }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(desired.saturating_sub(current) as u64);
        if wanted > self.limit {
            return Err(MemoryExceeded { wanted, limit: self.limit }.into());
        }
        self.used = wanted;
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > Limits::TABLE_ELEMENTS { Err(TableExceeded { wanted: desired }.into()) } else { Ok(true) }
    }

    fn instances(&self) -> usize {
        Limits::INSTANCES
    }

    fn tables(&self) -> usize {
        Limits::TABLES
    }

    fn memories(&self) -> usize {
        Limits::MEMORIES
    }
}
