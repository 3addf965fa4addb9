//! Where results go: standard output, or a file that appears whole or not at all.

use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use tempfile::Builder;

use crate::interrupt::Writing;

/// Writes to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("writing to standard output")
}

/// Writes a value to standard output as JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes a file under a temporary name and renames it.
pub(crate) fn write_file(file: &Path, text: &str) -> Result<()> {
    let _writing = Writing::start();
    let write = || -> io::Result<()> {
        let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut builder = Builder::new();
        // The mode that any program's new file has; the umask still applies.
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let mut temporary = builder.prefix(".layerwright-").permissions(permissions).tempfile_in(dir)?;
        temporary.write_all(text.as_bytes())?;
        temporary.persist(file)?;
        Ok(())
    };
    write().with_context(|| format!("writing {}", file.display()))
}
