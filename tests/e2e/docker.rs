//! Docker: one daemon for the whole run, with its own state. A case has it for itself, and gets it empty: a layer that
//! is there already would be taken for loaded, whatever the archive holds.

use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use fs_err as fs;

use crate::invocation::{Invocation, tool};
use crate::run::Folder;

static DAEMON: Mutex<Option<Daemon>> = Mutex::new(None);

struct Daemon {
    folder: Folder,
    process: Child,
}

/// The daemon, while a case has it.
pub(crate) struct Docker(MutexGuard<'static, Option<Daemon>>);

impl Docker {
    /// Waits for the daemon, starts it where it does not run, and empties it.
    pub(crate) fn empty() -> Result<Self> {
        let mut guard = DAEMON.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() {
            *guard = Some(Daemon::start()?);
        }
        let docker = Self(guard);
        docker.client(&["system", "prune", "--all", "--force"]).ok()?;
        Ok(docker)
    }

    pub(crate) fn client(&self, arguments: &[&str]) -> Invocation {
        let daemon = self.0.as_ref().expect("the daemon runs");
        let socket = format!("unix://{}", daemon.folder.path("socket"));
        tool("docker", &["--host", &socket]).args(arguments).env("DOCKER_CONFIG", daemon.folder.path("config"))
    }

    /// Runs an image and returns what it printed.
    pub(crate) fn run(&self, image: &str, command: &[&str]) -> Result<String> {
        let run = self.client(&["run", "--rm", "--network", "none", image]).args(command);
        Ok(run.ok()?.text()?.to_owned())
    }
}

/// Ends the daemon, if there is one.
pub(crate) fn stop() {
    let mut guard = DAEMON.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(mut daemon) = guard.take() {
        if let Ok(id) = i32::try_from(daemon.process.id())
            && let Some(process) = rustix::process::Pid::from_raw(id)
        {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        let _ = daemon.process.wait();
    }
}

impl Daemon {
    fn start() -> Result<Self> {
        let folder = Folder::new()?;
        let mut process = spawn(command(&folder)?)?;
        let deadline = Instant::now() + Duration::from_secs(60);
        let socket = format!("unix://{}", folder.path("socket"));
        while tool("docker", &["--host", &socket, "version"]).finish()?.code != Some(0) {
            let ended = process.try_wait()?;
            if ended.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(folder.path("log"))?;
                let tail: Vec<&str> = log.lines().rev().take(10).collect();
                bail!("dockerd does not answer ({ended:?}); newest first:\n{}", tail.join("\n"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(Self { folder, process })
    }
}

/// `setpriv` lets the daemon end with the tests, however these end.
fn command(folder: &Folder) -> Result<Command> {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "dockerd", "--bridge=none", "--iptables=false", "--ip6tables=false"]);
    command.args(["--ip-forward=false", "--ip-masq=false", "--storage-driver=overlay2"]);
    command.args(["--data-root", &folder.path("data"), "--exec-root", &folder.path("exec")]);
    command.args(["--pidfile", &folder.path("pid"), "--host", &format!("unix://{}", folder.path("socket"))]);
    let log = fs::File::create(folder.path("log"))?;
    command.stdin(Stdio::null()).stdout(log.try_clone()?.into_file()).stderr(log.into_file());
    Ok(command)
}

/// Starts a process from a thread that lives as long as the tests: its end would count as that of the parent.
fn spawn(mut command: Command) -> Result<Child> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let _ = send.send(command.spawn());
        loop {
            thread::park();
        }
    });
    receive.recv()?.context("starting dockerd")
}
