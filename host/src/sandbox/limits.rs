//! What a strategy may use.
//!
//! What grows with the work that it is given grows with the graph and with the history: a number to start from, and more
//! for each node, each reference, and each node of an earlier image. A number that the user gives is taken as it is.

use std::sync::Arc;
use std::time::Duration;

use layerwright_planner::{Closure, Generation};
use wasmtime::ResourceLimiter;

/// All bounds, as the user set them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Instructions, roughly: wasmtime's fuel. Deterministic for one version of the program.
    pub(crate) fuel: Limit,
    /// Bytes of all its memories and tables together.
    pub(crate) memory_bytes: Limit,
    /// Milliseconds by the clock. A guard behind the fuel, for whatever that does not count.
    pub(crate) timeout_ms: Limit,
    /// Bytes that it may hand over in one call or return.
    pub(crate) output_bytes: Limit,
    /// Bytes that it may say over one call.
    pub(crate) log_bytes: u64,
    /// Native stack for its frames.
    pub(crate) stack_bytes: usize,
    /// Size of a component.
    pub(crate) component_bytes: u64,
    /// Time of processors for compiling it.
    pub(crate) compile_time: Duration,
    /// Memory for compiling it.
    pub(crate) compile_memory_bytes: u64,
}

/// One bound: so much, and so much more for each node and each reference of the graph, and each node of an earlier image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    base: u64,
    per_unit: u64,
}

impl Limit {
    /// The same for every graph.
    pub(crate) const fn fixed(limit: u64) -> Self {
        Self { base: limit, per_unit: 0 }
    }

    fn at(self, units: u64) -> u64 {
        self.base.saturating_add(self.per_unit.saturating_mul(units))
    }
}

impl Limits {
    /// For 100,000 nodes and 680,000 references that is 88 billion. With Python inside, a simple strategy takes 4 billion
    /// for them, and the slowest interpreter known 15 billion. What does as much as `foresight` would take some 40 billion:
    /// an estimate, of 30 instructions for one of its 1.4 billion.
    ///
    /// A strategy that hangs is found out soon, and before the clock is: a billion was seen to last for a third of a second to
    /// three seconds.
    pub(crate) const FUEL: Limit = Limit { base: 10_000_000_000, per_unit: 100_000 };
    /// Interpreters plan 100,000 nodes in less than 100 MiB; a bit matrix of popularity takes ten times that.
    pub(crate) const MEMORY_BYTES: Limit = Limit { base: 1 << 30, per_unit: 1 << 10 };
    /// Twice what the fuel lasts at most, and ten times what it mostly lasts, on a current machine.
    pub(crate) const TIMEOUT_MS: Limit = Limit { base: 60_000, per_unit: 1 };
    /// A proposal for 100,000 nodes is 1 MiB.
    pub(crate) const OUTPUT_BYTES: Limit = Limit { base: 16 << 20, per_unit: 64 };
    /// As the contract promises it.
    pub(crate) const LOG_BYTES: u64 = 1 << 20;
    /// Twice the engine's own default, which is too little for recursion over deep graphs.
    pub(crate) const STACK_BYTES: usize = 1 << 20;
    /// Those with a Python interpreter inside are 18 MB.
    pub(crate) const COMPONENT_BYTES: u64 = 64 << 20;
    /// Those with a Python interpreter inside take some ten seconds of it.
    pub(crate) const COMPILE_TIME: Duration = Duration::from_secs(120);
    /// Those with a Python interpreter inside take 400 MB.
    pub(crate) const COMPILE_MEMORY_BYTES: u64 = 2 << 30;

    /// What a call of a host function costs of the fuel, and each node of earlier images that one hands over: in the time
    /// that it takes, about as much is executed.
    pub(super) const HOST_CALL_FUEL: u64 = 2000;
    /// Native stack that the host needs on top of the strategy's on the same thread, generously: overrunning it would
    /// end the process.
    pub(super) const HOST_STACK_BYTES: usize = 7 << 20;
    /// Interpreters come as several core modules.
    pub(super) const INSTANCES: usize = 64;
    pub(super) const TABLES: usize = 64;
    pub(super) const MEMORIES: usize = 16;
    /// Streams and the like that a strategy may hold. Each costs the host memory that is counted nowhere else.
    pub(super) const HANDLES: usize = 10_000;
    /// What an element of a table costs the host, at most.
    const TABLE_ELEMENT_BYTES: u64 = 16;

    /// Returns the bounds of one call.
    pub(super) fn for_call(&self, units: u64) -> CallLimits {
        CallLimits {
            fuel: self.fuel.at(units),
            memory_bytes: self.memory_bytes.at(units),
            timeout: Duration::from_millis(self.timeout_ms.at(units)),
            output_bytes: self.output_bytes.at(units),
            log_bytes: self.log_bytes,
            stack_bytes: self.stack_bytes,
        }
    }
}

/// How much of a graph and a history there is for [`Limit`]: nodes, references, and nodes of earlier images.
pub(super) fn units(closure: &Closure, history: &[Arc<Generation>]) -> u64 {
    let references: usize = closure.nodes().iter().map(|node| node.references.len()).sum();
    let earlier: usize = history.iter().flat_map(|generation| &generation.layers).map(Vec::len).sum();
    (closure.len() + references + earlier) as u64
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: Self::FUEL,
            memory_bytes: Self::MEMORY_BYTES,
            timeout_ms: Self::TIMEOUT_MS,
            output_bytes: Self::OUTPUT_BYTES,
            log_bytes: Self::LOG_BYTES,
            stack_bytes: Self::STACK_BYTES,
            component_bytes: Self::COMPONENT_BYTES,
            compile_time: Self::COMPILE_TIME,
            compile_memory_bytes: Self::COMPILE_MEMORY_BYTES,
        }
    }
}

/// The bounds of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CallLimits {
    /// See [`Limits::fuel`].
    pub(crate) fuel: u64,
    /// See [`Limits::memory_bytes`].
    pub(crate) memory_bytes: u64,
    /// See [`Limits::timeout_ms`].
    pub(crate) timeout: Duration,
    pub(super) output_bytes: u64,
    pub(super) log_bytes: u64,
    pub(super) stack_bytes: usize,
}

/// Counts memory over all memories and tables of a store; wasmtime's own limiter counts each for itself.
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

impl Meter {
    pub(super) fn new(limits: &CallLimits) -> Self {
        Self { limit: limits.memory_bytes, used: 0 }
    }

    pub(super) fn used_bytes(&self) -> u64 {
        self.used
    }

    fn grow(&mut self, bytes: u64) -> wasmtime::Result<bool> {
        let wanted = self.used.saturating_add(bytes);
        if wanted > self.limit {
            return Err(MemoryExceeded { wanted, limit: self.limit }.into());
        }
        self.used = wanted;
        Ok(true)
    }
}

/// Whether the machine, and not the component, is the reason.
pub(super) fn is_of_the_machine(error: &wasmtime::Error) -> bool {
    error.is::<rustix::io::Errno>() || error.is::<std::io::Error>()
}

/// What this machine does not have must not decide a proposal. So it is no answer to the component, but its end.
fn unless_of_the_machine(error: wasmtime::Error) -> wasmtime::Result<()> {
    if is_of_the_machine(&error) { Err(error) } else { Ok(()) }
}

impl ResourceLimiter for Meter {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        // Beyond what the component itself declared it gets nothing, whatever the limits are.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow(desired.saturating_sub(current) as u64)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        self.grow((desired.saturating_sub(current) as u64).saturating_mul(Limits::TABLE_ELEMENT_BYTES))
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        unless_of_the_machine(error)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        unless_of_the_machine(error)
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

#[cfg(test)]
mod tests {
    use layerwright_planner::PastNode;
    use layerwright_planner::testing::closure;

    use super::*;

    /// What a billion instructions were seen to last at most, in milliseconds. Loops that mostly wait for memory may be slower;
    /// those the clock ends.
    const SLOWEST_BILLION_MS: u128 = 2_900;

    #[test]
    fn fuel_is_used_up_before_the_time_is() {
        for units in [0, 1_000, 1_000_000, 100_000_000] {
            let CallLimits { fuel, timeout, .. } = Limits::default().for_call(units);
            let lasts = u128::from(fuel) * SLOWEST_BILLION_MS / 1_000_000_000;
            assert!(lasts * 2 <= timeout.as_millis(), "{units}: {lasts} ms of {} ms", timeout.as_millis());
        }
    }

    #[test]
    fn nodes_references_and_earlier_nodes_count() {
        let node = |name: &str| PastNode { name: name.into(), lineage: name.into(), size: 1 };
        let history = [vec![vec![node("a"), node("b")], vec![node("c")]], vec![vec![node("a")]]];
        let history = history.map(|layers| Arc::new(Generation { layers }));
        let abc = closure("a -> b\nb -> c");
        assert_eq!(units(&abc, &[]), 5);
        assert_eq!(units(&abc, &history), 9);
    }
}
