//! Memory is bounded by threads, and not by how much is packed.

use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use fs_err as fs;

use crate::case::{Case, case};
use crate::hand_made::HandMade;
use crate::run::{Folder, layerwright};

pub(super) const CASES: &[Case] = &[case!(large_files_take_no_memory), case!(many_files_take_no_memory)];

/// So much is allowed: a share for the program, and one for each thread.
const fn limit(threads: u64) -> u64 {
    (64 + 16 * threads) << 20
}

fn large_files_take_no_memory() -> Result<()> {
    let mut store = HandMade::new()?;
    for name in ["one-1", "two-2", "three-3"] {
        store.add(name, &[])?;
        store.file(&format!("{name}/large"), "")?;
        fs::File::options().write(true).open(store.file_path(&format!("{name}/large")))?.set_len(200 << 20)?;
    }
    expect_within_limits(&store)
}

fn many_files_take_no_memory() -> Result<()> {
    let mut store = HandMade::new()?;
    store.add("many-1", &[])?;
    for folder in 0..300 {
        fs::create_dir(store.file_path(&format!("many-1/folder-{folder}")))?;
        // Names of one file are made faster than files, and are as many entries.
        let first = store.file_path(&format!("many-1/folder-{folder}/file-number-0-of-many"));
        fs::write(&first, "small")?;
        for file in 1..1000 {
            fs::hard_link(&first, store.file_path(&format!("many-1/folder-{folder}/file-number-{file}-of-many")))?;
        }
    }
    expect_within_limits(&store)
}

fn expect_within_limits(store: &HandMade) -> Result<()> {
    let folder = Folder::new()?;
    for (to, compression) in [("-", "none"), (&*format!("oci:{}", folder.path("image")), "zstd:1")] {
        for threads in [1, 4] {
            let (source, root, count) = (store.source()?, store.root(), threads.to_string());
            let arguments = ["build", "--from", &source, "--root", &root, "--to", to, "--compression", compression];
            let mut command = layerwright(&arguments).args(["--quiet", "--threads", &count]).into_command();
            let peak = peak_bytes(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?)?;
            ensure!(peak < limit(threads), "{to} with {threads} threads takes {} MiB", peak >> 20);
        }
    }
    Ok(())
}

/// The most memory that a process has had, as one sees by looking often.
fn peak_bytes(mut child: Child) -> Result<u64> {
    let mut peak = 0;
    let status = loop {
        let text = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kibibytes.unwrap_or(0) << 10);
        if let Some(status) = child.try_wait()? {
            break status;
        }
        sleep(Duration::from_millis(5));
    };
    ensure!(status.success(), "{status}");
    ensure!(peak > 0, "nothing was seen of the process");
    Ok(peak)
}
