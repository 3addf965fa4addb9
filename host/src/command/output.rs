//! Where results go: standard output, or a file that appears whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use fs_err::File;
use layerwright_packer::{Durability, FileInPlace, check_new_dir};
use layerwright_planner::printable_json;
use serde::Serialize;

use crate::interrupt::Writing;
use crate::sandbox::without_commands;

/// Writes to standard output, which in a build server's log may command it.
pub(crate) fn print(text: &str) -> Result<()> {
    let text = without_commands(text);
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("writing to standard output")
}

/// Writes a value to standard output as JSON, of which nothing commands a terminal.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&(printable_json(&serde_json::to_string_pretty(value)?) + "\n"))
}

/// `1 layer`, `2 layers`
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Fails where [`write_file`] would: better before the work than after it.
pub(crate) fn check_writable(file: &Path) -> Result<()> {
    let _writing = Writing::start();
    if !is_special(file) {
        FileInPlace::new(file)?.create()?;
    }
    Ok(())
}

/// Fails where a new folder cannot be made: better before the work than after it.
pub(crate) fn check_new_folder(dir: &Path) -> Result<()> {
    let _writing = Writing::start();
    Ok(check_new_dir(dir)?)
}

/// Writes a file under a temporary name and renames it. What is no regular file, such as a pipe, is written into.
pub(crate) fn write_file(file: &Path, content: impl AsRef<[u8]>, durability: Durability) -> Result<()> {
    let _writing = Writing::start();
    let context = || format!("writing {}", file.display());
    if is_special(file) {
        return File::options().write(true).open(file)?.write_all(content.as_ref()).with_context(context);
    }
    let place = FileInPlace::new(file)?;
    let mut temporary = place.create()?;
    temporary.write_all(content.as_ref()).with_context(context)?;
    Ok(place.commit(temporary, durability)?)
}

/// A pipe or a device, also by way of a link such as `/dev/stdout`.
fn is_special(file: &Path) -> bool {
    file.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir())
}
