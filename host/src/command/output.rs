//! Where results go: standard output, or a file that appears whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use fs_err::File;
use serde::Serialize;
use tempfile::{Builder, NamedTempFile};

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

/// `1 layer`, `2 layers`
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Fails where [`write_file`] would: better before the work than after it.
pub(crate) fn check_writable(file: &Path) -> Result<()> {
    let _writing = Writing::start();
    Place::of(file)?.temporary().map(drop)
}

/// Writes a file under a temporary name and renames it. What is no regular file, such as a pipe, is written into.
pub(crate) fn write_file(file: &Path, text: &str) -> Result<()> {
    let _writing = Writing::start();
    let context = || format!("writing {}", file.display());
    let place = Place::of(file)?;
    match place.temporary()? {
        Some(mut temporary) => {
            temporary.write_all(text.as_bytes()).with_context(context)?;
            temporary.persist(&place.file).map_err(|error| error.error).with_context(context)?;
        }
        None => {
            let mut special = File::options().write(true).open(&place.file)?;
            special.write_all(text.as_bytes()).with_context(context)?;
        }
    }
    Ok(())
}

/// Where a new file goes, with links followed: the file that a link leads to is replaced, and not the link.
struct Place {
    file: PathBuf,
    is_special: bool,
}

impl Place {
    fn of(file: &Path) -> Result<Self> {
        match file.metadata() {
            Ok(metadata) if metadata.is_dir() => bail!("writing {}: it is a directory", file.display()),
            Ok(metadata) if metadata.is_file() => Ok(Self { file: file.canonicalize()?, is_special: false }),
            // Where a link such as /dev/stdout leads has no name.
            Ok(_) => Ok(Self { file: file.to_owned(), is_special: true }),
            Err(_) => Ok(Self { file: file.to_owned(), is_special: false }),
        }
    }

    fn temporary(&self) -> Result<Option<NamedTempFile>> {
        if self.is_special {
            return Ok(None);
        }
        let dir = self.file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if !dir.is_dir() {
            bail!("writing {}: there is no folder {}", self.file.display(), dir.display());
        }
        // The mode that any program's new file has; the umask still applies.
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        let temporary = Builder::new().prefix(".layerwright-").permissions(permissions).tempfile_in(dir);
        // The name of the temporary file would help nobody.
        let temporary = temporary.map_err(|error| io::Error::from(error.kind()));
        let context = || format!("writing {}: making a file in {}", self.file.display(), dir.display());
        temporary.map(Some).with_context(context)
    }
}
