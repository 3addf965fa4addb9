//! What the program is making, beside the place where it will be.

use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use fs_err as fs;

/// The names of what is being made in a directory, or was.
pub(crate) fn names(dir: &str) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| name.starts_with(".layerwright-")));
    }
    Ok(names)
}

/// Waits until a build is in the middle of it: until something is in a folder that it has made in a directory.
pub(crate) fn wait_for(build: &mut Child, dir: &str) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        // It may be gone again, or be a file.
        let is_begun =
            |name: &String| fs::read_dir(format!("{dir}/{name}")).is_ok_and(|mut found| found.next().is_some());
        if names(dir)?.iter().any(is_begun) {
            return Ok(());
        }
        ensure!(build.try_wait()?.is_none(), "it ended before it could be interrupted");
        thread::sleep(Duration::from_millis(5));
    }
    bail!("nothing was staged in {dir}")
}
