//! A build that fails leaves nothing behind, and what was there before as it was.

use std::io::{self, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use rustix::process::{Pid, Signal, kill_process};

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::invocation::tool;
use crate::run::{Folder, layerwright, listening, program};
use crate::{staging, tree};

pub(super) const CASES: &[Case] = &[
    case!(a_missing_store_path_leaves_nothing),
    case!(a_fifo_in_a_store_path_leaves_nothing),
    case!(a_name_that_means_removal_leaves_nothing),
    case!(a_missing_folder_is_named),
    case!(ctrl_c_leaves_nothing),
    case!(a_termination_leaves_nothing),
    case!(a_terminal_that_is_closed_leaves_nothing),
    case!(ignored_signals_stay_ignored, Bash),
    case!(ctrl_c_leaves_no_temporary_folder),
    case!(ctrl_c_ends_a_stream),
];

const FORMS: [&str; 3] = ["docker-archive", "oci-archive", "oci"];

/// Fails, and expects that every destination is as it was: without anything, and with what an earlier build wrote.
fn expect_untouched(store: &HandMade, says: &[&str]) -> Result<()> {
    for scheme in FORMS {
        let folder = Folder::new()?;
        let to = format!("{scheme}:{}:app:1", folder.path("image"));
        let build = || -> Result<_> {
            Ok(layerwright(&["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to]))
        };
        build()?.exits(1)?.says(says)?;
        ensure!(folder.names()?.is_empty(), "{scheme}: {:?}", folder.names()?);

        let earlier = HandMade::sample()?;
        let source = earlier.source()?;
        layerwright(&["build", "--from", &source, "--root", &earlier.root(), "--to", &to]).ok()?;
        let before = tree::read(&folder.path("."))?;
        build()?.exits(1)?;
        let after = tree::read(&folder.path("."))?;
        ensure!(tree::files(before) == tree::files(after), "{scheme}: {:?}", folder.names()?);
    }
    Ok(())
}

fn a_missing_store_path_leaves_nothing() -> Result<()> {
    let mut store = HandMade::sample()?;
    store.add("gone-1", &[])?;
    fs::remove_dir(store.file_path("gone-1"))?;
    expect_untouched(&store, &["/nix/store/gone-1", "does not exist"])
}

fn a_fifo_in_a_store_path_leaves_nothing() -> Result<()> {
    let store = HandMade::sample()?;
    let mode = rustix::fs::Mode::from_raw_mode(0o644);
    rustix::fs::mknodat(rustix::fs::CWD, store.file_path("a3-app-3.0/pipe"), rustix::fs::FileType::Fifo, mode, 0)?;
    expect_untouched(&store, &["/nix/store/a3-app-3.0/pipe", "FIFO"])
}

fn a_name_that_means_removal_leaves_nothing() -> Result<()> {
    let store = HandMade::sample()?;
    store.file("a3-app-3.0/bin/.wh.app", "")?;
    expect_untouched(&store, &["/nix/store/a3-app-3.0/bin/.wh.app", ".wh."])
}

fn a_missing_folder_is_named() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    for scheme in FORMS {
        let to = format!("{scheme}:{}", folder.path("missing/image"));
        let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to];
        layerwright(&build).exits(2)?.says(&[&folder.path("missing")])?;
    }
    let plan = folder.path("missing/plan.json");
    layerwright(&["plan", "--from", &store.source()?, "-o", &plan]).exits(2)?.says(&[&plan])?;
    ensure!(folder.names()?.is_empty());
    Ok(())
}

fn ctrl_c_leaves_nothing() -> Result<()> {
    expect_clean_after(Signal::INT, 130)
}

fn a_termination_leaves_nothing() -> Result<()> {
    expect_clean_after(Signal::TERM, 143)
}

fn a_terminal_that_is_closed_leaves_nothing() -> Result<()> {
    expect_clean_after(Signal::HUP, 129)
}

/// By `nohup`, say, or by a shell that starts something in the background.
fn ignored_signals_stay_ignored() -> Result<()> {
    let store = HandMade::sample()?;
    let folder = Folder::new()?;
    for (name, signal) in [("HUP", Signal::HUP), ("INT", Signal::INT), ("TERM", Signal::TERM)] {
        let to = format!("oci:{}", folder.path(name));
        let script = format!("trap '' {name}; exec \"$@\"");
        let build = [program(), "build", "--from", "graph:-", "--root", &store.root(), "--to", &to];
        let mut command = tool("bash", &["-c", &script, "bash"]).args(build).into_command();
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn()?;
        // Waits for the graph, and has begun to listen by then.
        thread::sleep(Duration::from_millis(500));
        kill_process(Pid::from_raw(i32::try_from(child.id())?).context("a process has a number")?, signal)?;
        thread::sleep(Duration::from_millis(100));
        let mut stdin = child.stdin.take().context("standard input was asked for")?;
        stdin.write_all(&serde_json::to_vec(&store.graph())?)?;
        drop(stdin);
        let code = child.wait()?.code();
        ensure!(code == Some(0), "{name}: {code:?}");
    }
    Ok(())
}

fn expect_clean_after(signal: Signal, code: i32) -> Result<()> {
    let store = HandMade::large()?;
    for scheme in FORMS {
        let folder = Folder::new()?;
        let earlier = HandMade::sample()?;
        let to = format!("{scheme}:{}:app:1", folder.path("image"));
        layerwright(&["build", "--from", &earlier.source()?, "--root", &earlier.root(), "--to", &to]).ok()?;
        let before = tree::read(&folder.path("."))?;

        let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", &to];
        let mut command = listening(&build).into_command();
        // A group of its own, so that nothing else hears what it hears.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let beside = if scheme == "oci" { folder.path("image") } else { folder.path(".") };
        staging::wait_for(&mut child, &beside).context(scheme)?;
        let process = Pid::from_raw(i32::try_from(child.id())?).context("a process has a number")?;
        kill_process(process, signal)?;
        // Impatient users press twice, while it is cleaning up. By then it may be gone, and not waited for.
        std::thread::sleep(Duration::from_millis(10));
        kill_process(process, signal)?;
        let output = child.wait_with_output()?;
        ensure!(output.status.code() == Some(code), "{scheme}: {:?}", output.status);
        ensure!(std::str::from_utf8(&output.stderr)?.contains("interrupted"));
        let after = tree::read(&folder.path("."))?;
        ensure!(tree::files(before) == tree::files(after), "{scheme}: {:?}", folder.names()?);
    }
    Ok(())
}

fn ctrl_c_leaves_no_temporary_folder() -> Result<()> {
    let folder = Folder::new()?;
    let (temporary, file) = (folder.path("tmp"), folder.write("file", "x")?);
    fs::create_dir(&temporary)?;
    let to = format!("oci:{}", folder.path("image"));
    let build = ["build", "--from", "graph:-", "--to", &to, "--add", &format!("{file}:/file")];
    let mut command = listening(&build).env("TMPDIR", &temporary).into_command();
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    // Waits for the graph.
    let mut child = command.spawn()?;
    let is_empty = || anyhow::Ok(fs::read_dir(&temporary)?.next().is_none());
    let deadline = Instant::now() + Duration::from_secs(60);
    while is_empty()? {
        ensure!(Instant::now() < deadline && child.try_wait()?.is_none(), "no temporary folder was made");
        std::thread::sleep(Duration::from_millis(5));
    }
    kill_process(Pid::from_raw(i32::try_from(child.id())?).context("a process has a number")?, Signal::INT)?;
    let code = child.wait()?.code();
    ensure!(code == Some(130), "{code:?}");
    ensure!(is_empty()?);
    Ok(())
}

fn ctrl_c_ends_a_stream() -> Result<()> {
    let store = HandMade::large()?;
    let build = ["build", "--from", &store.source()?, "--root", &store.root(), "--to", "-"];
    let mut command = listening(&build).into_command();
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn()?;
    let mut stream = child.stdout.take().context("standard output was asked for")?;
    stream.read_exact(&mut [0; 100_000])?;
    kill_process(Pid::from_raw(i32::try_from(child.id())?).context("a process has a number")?, Signal::INT)?;
    // Nobody may be left waiting for the rest.
    io::copy(&mut stream, &mut io::sink())?;
    let output = child.wait_with_output()?;
    ensure!(output.status.code() == Some(130), "{:?}", output.status);
    Ok(())
}
