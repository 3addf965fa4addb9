//! The engine: how components are compiled, and the clock behind their deadline.

use std::time::{Duration, Instant};

use layerwright_planner::PlannerSource;
use wasmtime::{Config, Engine, Strategy as CodeGenerator, WasmBacktraceDetails, WasmFeatures};

use super::compile::Compiler;
use super::limits::Limits;
use crate::settings::CheckPlace;

/// How long a tick of the engine's clock is. A deadline is kept to within two ticks, as soon as the machine has time for them.
const TICK: Duration = Duration::from_millis(10);

/// Where strategies run. One for the whole program.
pub(crate) struct Sandbox {
    pub(super) engine: Engine,
    pub(super) limits: Limits,
    pub(super) compiler: Compiler,
}

impl Sandbox {
    /// Starts the engine and its clock.
    ///
    /// # Errors
    ///
    /// Where this machine cannot run compiled WebAssembly.
    pub(crate) fn new(limits: Limits, compiler: Compiler) -> wasmtime::Result<Self> {
        let engine = Engine::new(&config(limits.stack_bytes))?;
        start_clock(&engine)?;
        Ok(Self { engine, limits, compiler })
    }

    /// Where the settings of a planner from there are checked with its schema. What is built in is ours.
    pub(crate) fn check_place(&self, source: PlannerSource) -> CheckPlace {
        match (source, &self.compiler) {
            (PlannerSource::File, Compiler::InChild { .. }) => CheckPlace::InChild,
            (PlannerSource::BuiltIn, _) => CheckPlace::Here,
            #[cfg(test)]
            (PlannerSource::File, Compiler::Here) => CheckPlace::Here,
        }
    }

    /// The bounds of what runs here.
    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// What components may be made of, whatever else the engine takes by default. What these need is bounded and counted, see
/// [`super::limits`]: no heap that the engine collects, no threads, no second stack.
pub(super) const ACCEPTED: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::MULTI_MEMORY)
    .union(WasmFeatures::MEMORY64)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::COMPONENT_MODEL);

/// Everything that could differ between machines, or between two runs, is set here and nowhere else.
pub(super) fn config(stack_bytes: usize) -> Config {
    let mut config = Config::new();
    config
        // Another compiler would count fuel differently.
        .strategy(CodeGenerator::Cranelift)
        .consume_fuel(true)
        .epoch_interruption(true)
        // Floating point and vectors give the same bits on every processor.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_features(WasmFeatures::all().difference(ACCEPTED), false)
        // Nothing here is asynchronous, and mistakes were found in that part.
        .concurrency_support(false)
        .max_wasm_stack(stack_bytes)
        // Unused, and checked against the other.
        .async_stack_size(stack_bytes)
        // Debug information is not read here, see [`super::places`]. The default asks the environment.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable);
    config
}

/// Lives as long as the engine does. A sleep may be longer than was asked for, by far on a busy machine: so the ticks that
/// are due are counted by the time that has passed, and made up for.
fn start_clock(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let tick = move || {
        let (start, mut ticked) = (Instant::now(), 0);
        while let Some(engine) = engine.upgrade() {
            let due = ticks_due(start.elapsed());
            (ticked..due).for_each(|_| engine.increment_epoch());
            ticked = due;
            drop(engine);
            std::thread::sleep(TICK);
        }
    };
    std::thread::Builder::new().spawn(tick).map(drop)
}

/// After how many ticks so much time has passed for certain.
pub(super) fn ticks_within(time: Duration) -> u64 {
    // Half of what there is of numbers, because it is added to the ticks so far.
    ticks_due(time).min(u64::MAX >> 1) + 1
}

/// How often the clock has ticked after so much time.
fn ticks_due(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_millis() / TICK.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_counted_by_the_time_that_has_passed() {
        for (elapsed_ms, ticks) in [(0, 0), (9, 0), (10, 1), (19, 1), (25, 2), (60_000, 6_000)] {
            assert_eq!(ticks_due(Duration::from_millis(elapsed_ms)), ticks, "{elapsed_ms} ms");
        }
    }
}
