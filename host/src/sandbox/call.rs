//! One call: a fresh store with its limits, on a thread with stack enough.

use std::io;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use layerwright_planner::Generation;
use wasmtime::{CallHook, Store, StoreContextMut, Trap, UpdateDeadline};

use super::bindings::{Planner, PlannerPre};
use super::engine::{Sandbox, ticks_within};
use super::error::{Misdeed, Phase, misdeed};
use super::frames::{Frame, frames};
use super::limits::{CallLimits, Limits, Meter};
use super::log::{Log, LogLine};
use super::wasi::Wasi;
use crate::guard;

/// What the host keeps for a strategy while it runs.
pub(super) struct State {
    pub(super) log: Log,
    /// Newest first.
    pub(super) history: Vec<Arc<Generation>>,
    pub(super) wasi: Wasi,
    meter: Meter,
    /// Fuel that a host function took, to be paid when it returns.
    debt: u64,
}

/// What a call used, and what it was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Instructions, roughly.
    pub(crate) fuel: u64,
    /// Bytes of memory at the end, which is the most it had: memories do not shrink.
    pub(crate) memory_bytes: u64,
    /// By the clock: the one figure that differs from run to run.
    pub(crate) time: Duration,
    /// The bounds of this call.
    pub(crate) limits: CallLimits,
}

/// How a call ended.
pub(super) struct Outcome<T> {
    pub(super) result: Result<T, (Phase, Misdeed, Vec<Frame>)>,
    pub(super) usage: Usage,
    pub(super) log: Vec<LogLine>,
}

/// What the component exports has the right names and other types, which the engine looks at only now.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct WrongTypes(pub(super) String);

/// Instantiates the component and calls `function` on it.
pub(super) fn call<T: Send>(
    sandbox: &Sandbox,
    component: &PlannerPre<State>,
    limits: CallLimits,
    history: &[Arc<Generation>],
    phase: Phase,
    function: impl FnOnce(&mut Store<State>, &Planner) -> wasmtime::Result<T> + Send,
) -> Outcome<T> {
    let (log, meter) = (Log::new(limits.log_bytes), Meter::new(&limits));
    let state = State { log, history: history.to_vec(), wasi: Wasi::default(), meter, debt: 0 };
    let mut store = store(sandbox, state, &limits);
    let (mut at, start) = (Phase::Start, Instant::now());
    let result = guarded(limits.stack_bytes, || {
        let instance = component.instance_pre().instantiate(&mut store)?;
        let instance = Planner::new(&mut store, &instance).map_err(|error| WrongTypes(format!("{error:#}")))?;
        at = phase;
        function(&mut store, &instance)
    });
    let time = start.elapsed();
    let fuel = limits.fuel - store.get_fuel().expect("the engine counts fuel");
    let result = result.map_err(|error| (at, misdeed(&error, &limits), frames(&error)));
    let State { log, meter, .. } = store.into_data();
    let usage = Usage { fuel, memory_bytes: meter.used_bytes(), time, limits };
    Outcome { result, usage, log: log.into_lines() }
}

fn store(sandbox: &Sandbox, state: State, limits: &CallLimits) -> Store<State> {
    let timeout = limits.timeout;
    let mut store = Store::new(&sandbox.engine, state);
    store.limiter(|state| &mut state.meter);
    store.set_hostcall_fuel(usize::try_from(limits.output_bytes).unwrap_or(usize::MAX));
    store.call_hook(|mut cx, hook| match hook {
        CallHook::CallingHost => pay(cx, Limits::HOST_CALL_FUEL),
        CallHook::ReturningFromHost => {
            let debt = mem::take(&mut cx.data_mut().debt);
            pay(cx, debt)
        }
        CallHook::CallingWasm | CallHook::ReturningFromWasm => Ok(()),
    });
    store.set_max_component_handles(Limits::HANDLES);
    // Both count from here on, so that initialisers are bounded too.
    store.set_fuel(limits.fuel).expect("the engine counts fuel");
    let start = Instant::now();
    // Asked at the deadline and not at each tick: it counts as a call of the host, which costs fuel, and a busy machine would
    // make it another number of calls. Ticks that are made up for may be those of a time before the start.
    store.epoch_deadline_callback(move |_| match timeout.saturating_sub(start.elapsed()) {
        Duration::ZERO => Err(Trap::Interrupt.into()),
        left => Ok(UpdateDeadline::Continue(ticks_within(left))),
    });
    store.set_epoch_deadline(ticks_within(timeout));
    store
}

impl State {
    /// Hands over earlier images, newest first, which costs as much as a call for each of their nodes.
    pub(super) fn newest(&mut self, limit: u32) -> &[Arc<Generation>] {
        let newest = &self.history[..self.history.len().min(limit as usize)];
        let nodes: usize = newest.iter().flat_map(|generation| &generation.layers).map(Vec::len).sum();
        self.debt = self.debt.saturating_add((nodes as u64).saturating_mul(Limits::HOST_CALL_FUEL));
        newest
    }
}

/// Host functions take time that the engine does not count.
fn pay(mut cx: StoreContextMut<'_, State>, fuel: u64) -> wasmtime::Result<()> {
    if fuel == 0 {
        return Ok(());
    }
    let left = cx.get_fuel()?.checked_sub(fuel).ok_or(Trap::OutOfFuel)?;
    cx.set_fuel(left)
}

/// Runs the engine over a stranger's bytes, on a thread with stack enough for frames of `stack_bytes`. What panics there
/// is an error.
pub(super) fn guarded<T: Send>(
    stack_bytes: usize,
    work: impl FnOnce() -> wasmtime::Result<T> + Send,
) -> wasmtime::Result<T> {
    let caught = thread::scope(|scope| -> io::Result<_> {
        let thread = guard::thread(stack_bytes + Limits::HOST_STACK_BYTES);
        let handle = thread.spawn_scoped(scope, || guard::caught(work))?;
        Ok(handle.join().unwrap_or(Err(guard::Panicked)))
    })?;
    let bug =
        |guard::Panicked| wasmtime::Error::msg("the WebAssembly engine failed on it, which is a bug of the engine");
    caught.map_err(bug)?
}
