//! One call: a fresh store with its limits, on a thread with stack enough.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use std::thread;

use layerwright_planner::Generation;
use wasmtime::Store;

use super::bindings::{Planner, PlannerPre};
use super::engine::{Sandbox, TICK};
use super::error::{Misdeed, Phase, frames, misdeed};
use super::limits::{Limits, Meter};
use super::log::{Log, LogLine};

/// What the host keeps for a strategy while it runs.
pub(super) struct State {
    pub(super) log: Log,
    pub(super) history: Vec<Generation>,
    meter: Meter,
}

/// What a call used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Instructions, roughly.
    pub(crate) fuel: u64,
    /// Bytes of memory at the end, which is the most it had: memories do not shrink.
    pub(crate) memory_bytes: u64,
}

/// How a call ended.
pub(super) struct Outcome<T> {
    pub(super) result: Result<T, (Phase, Misdeed, Vec<String>)>,
    pub(super) usage: Usage,
    pub(super) log: Vec<LogLine>,
}

/// Instantiates the component and calls `function` on it.
pub(super) fn call<T: Send>(
    sandbox: &Sandbox,
    component: &PlannerPre<State>,
    history: &[Generation],
    phase: Phase,
    function: impl FnOnce(&mut Store<State>, &Planner) -> wasmtime::Result<T> + Send,
) -> Outcome<T> {
    let state = State { log: Log::default(), history: history.to_vec(), meter: Meter::new(&sandbox.limits) };
    let run = move || {
        let mut store = store(sandbox, state);
        let mut at = Phase::Start;
        let result = component.instantiate(&mut store).and_then(|instance| {
            at = phase;
            function(&mut store, &instance)
        });
        let fuel = sandbox.limits.fuel - store.get_fuel().expect("the engine counts fuel");
        let result = result.map_err(|error| (at, misdeed(&error, &sandbox.limits), frames(&error)));
        let State { log, meter, .. } = store.into_data();
        Outcome { result, usage: Usage { fuel, memory_bytes: meter.used_bytes() }, log: log.into_lines() }
    };
    on_thread("strategy", run)
}

fn store(sandbox: &Sandbox, state: State) -> Store<State> {
    let mut store = Store::new(&sandbox.engine, state);
    store.limiter(|state| &mut state.meter);
    store.set_hostcall_fuel(Limits::RETURNED_BYTES);
    // Both count from here on, so that initialisers are bounded too.
    store.set_fuel(sandbox.limits.fuel).expect("the engine counts fuel");
    let ticks = sandbox.limits.timeout.as_millis() / TICK.as_millis();
    store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX >> 1).saturating_add(1));
    store
}

/// The thread on which strangers' bytes are parsed and compiled.
const GUARDED: &str = "guarded";

/// Runs a parser or compiler over a stranger's bytes. What panics there is an error, and neither ends the program nor
/// prints anything.
pub(super) fn guarded<T: Send>(work: impl FnOnce() -> wasmtime::Result<T> + Send) -> wasmtime::Result<T> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if thread::current().name() != Some(GUARDED) {
                print(panic);
            }
        }));
    });
    on_thread(GUARDED, || catch_unwind(AssertUnwindSafe(work)))
        .unwrap_or_else(|_| Err(wasmtime::Error::msg("the compiler failed on it")))
}

/// Runs `work` on a thread with stack enough. A panic there goes on here.
fn on_thread<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| {
        let thread = thread::Builder::new().name(name.to_owned()).stack_size(Limits::THREAD_STACK_BYTES);
        let handle = thread.spawn_scoped(scope, work).expect("the system starts a thread");
        handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}
