//! Work on a stranger's bytes that could take any time and memory.
//!
//! The program starts itself as a child with bounds on both: it gets the bytes on standard input, and gives its result on
//! standard output or its reason on standard error. Whatever happens to it, the parent has something to show.
//!
//! Time is that of processors, all of its threads together: on a busy machine the same work takes no more of it. The
//! clock comes after that, for a child that does not work at all.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

/// How long a user waits without being told why.
const PATIENCE: Duration = Duration::from_millis(400);

/// Longest reason that is read.
const REASON_BYTES: u64 = 1 << 16;

/// So many times longer than its work may take, a child may be there: it may have to share a processor with others.
const SHARED: u32 = 5;

/// More threads bring little, and each takes memory.
const THREADS: usize = 8;

/// What a child is to do: one of the program's hidden commands.
pub(crate) struct Job {
    pub(crate) command: &'static str,
    /// After the bounds.
    pub(crate) arguments: Vec<String>,
    pub(crate) memory_bytes: u64,
    /// Of processors, in whole seconds.
    pub(crate) time: Duration,
    /// Most of its result that is read.
    pub(crate) output_bytes: u64,
}

/// Why a child gave no result.
#[derive(Debug)]
pub(crate) enum Stopped {
    NotRun(io::Error),
    OutOfTime(Clock),
    OutOfMemory,
    Failed {
        status: ExitStatus,
        /// In its own words, as bytes.
        reason: Vec<u8>,
    },
}

/// Which of the two times was up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// That of processors.
    Processor,
    /// That of the wall, which is longer by far.
    Wall,
}

impl Clock {
    /// How much of it there is, where work may take so much.
    pub(crate) fn limit(self, time: Duration) -> Duration {
        match self {
            Self::Processor => time,
            Self::Wall => time * SHARED,
        }
    }
}

impl Job {
    /// Does it with these bytes. `waiting` is called once, when it takes long enough to be noticed.
    pub(crate) fn run(&self, bytes: &[u8], waiting: &dyn Fn()) -> Result<Vec<u8>, Stopped> {
        let mut child = self.command().spawn().map_err(Stopped::NotRun)?;
        let mut stdin = child.stdin.take().expect("it is piped");
        let (stdout, stderr) = (child.stdout.take().expect("it is piped"), child.stderr.take().expect("it is piped"));
        let (done, is_done) = channel();
        thread::scope(|scope| {
            // A child that ends early does not read to the end; its own words say why.
            let feeding = begin_on(scope, move || stdin.write_all(bytes).ok());
            let reading = begin_on(scope, || read(stderr, REASON_BYTES));
            let ending = begin_on(scope, move || {
                let result = read(stdout, self.output_bytes);
                done.send(()).ok();
                result
            });
            let (reason, result) = match (feeding, reading, ending) {
                (Ok(_), Ok(reason), Ok(result)) => (reason, result),
                (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                    // Who reads already sees the end of its pipe.
                    ended(child, false).map_err(Stopped::NotRun)?;
                    return Err(Stopped::NotRun(error));
                }
            };
            let is_in_time = wait(&is_done, Clock::Wall.limit(self.time), waiting);
            // Before anything is waited for, so that no pipe is open for longer.
            let status = ended(child, is_in_time).map_err(Stopped::NotRun)?;
            let result = result.join().expect("reading does not panic").map_err(Stopped::NotRun)?;
            let reason = reason.join().expect("reading does not panic").map_err(Stopped::NotRun)?;
            match status.success() {
                true => Ok(result),
                false if !is_in_time => Err(Stopped::OutOfTime(Clock::Wall)),
                false => Err(stopped(status, reason)),
            }
        })
    }

    fn command(&self) -> Command {
        // Not the path by which it was started, behind which there may be another program by now.
        let mut command = Command::new("/proc/self/exe");
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        command.args([self.command, &self.memory_bytes.to_string(), &self.time.as_secs().to_string()]);
        command.args(&self.arguments).env_clear().env("RAYON_NUM_THREADS", threads.to_string());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

/// Begins something on a thread. Where the machine has none, that is the machine's error, and no panic.
fn begin_on<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    thread::Builder::new().spawn_scoped(scope, work)
}

/// Reads out of how a child ended what it met.
fn stopped(status: ExitStatus, reason: Vec<u8>) -> Stopped {
    let says = |words: &str| reason.windows(words.len()).any(|part| part == words.as_bytes());
    if status.signal() == Some(Signal::XCPU.as_raw()) {
        return Stopped::OutOfTime(Clock::Processor);
    }
    // What the standard library says before it aborts, and the system's words for ENOMEM.
    if says("memory allocation of") || says("Cannot allocate memory") {
        return Stopped::OutOfMemory;
    }
    Stopped::Failed { status, reason }
}

/// In the child: bounds it before it sees a byte, then returns the bytes.
pub(crate) fn begin(memory_bytes: u64, seconds: u64) -> Result<Vec<u8>, String> {
    bound(memory_bytes, seconds).map_err(|error| format!("setting its bounds: {error}"))?;
    let mut bytes = Vec::new();
    io::stdin().lock().read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn bound(memory_bytes: u64, seconds: u64) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // What is written to, and not what is merely reserved, of which threads take much.
    allow_at_most(Resource::Data, memory_bytes, memory_bytes)?;
    // The first one ends it with a signal that says so, the second one in any case.
    allow_at_most(Resource::Cpu, seconds, seconds.saturating_add(1))?;
    allow_at_most(Resource::Core, 0, 0)
}

/// Whoever started the program may have allowed it less already, which cannot be raised.
fn allow_at_most(resource: Resource, current: u64, maximum: u64) -> io::Result<()> {
    let allowed = |limit: u64| Some(getrlimit(resource).maximum.map_or(limit, |allowed| allowed.min(limit)));
    Ok(setrlimit(resource, Rlimit { current: allowed(current), maximum: allowed(maximum) })?)
}

fn read(from: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns whether its standard output ended in time.
fn wait(is_done: &Receiver<()>, limit: Duration, waiting: &dyn Fn()) -> bool {
    let is_over = |result| !matches!(result, Err(RecvTimeoutError::Timeout));
    let patience = PATIENCE.min(limit);
    if is_over(is_done.recv_timeout(patience)) {
        return true;
    }
    waiting();
    is_over(is_done.recv_timeout(limit - patience))
}

/// After its standard output, what is left of a child takes no time, unless it means harm.
fn ended(mut child: Child, is_in_time: bool) -> io::Result<ExitStatus> {
    for _ in 0..if is_in_time { 100 } else { 0 } {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()
}
