//! What a command is going to read, looked for before it reads any of it: a build of minutes shall not end with a name
//! that was mistyped.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Result, bail};

use super::places::Place;

/// A file or folder, and what the user calls it. `-` is standard input.
pub(super) type Input<'a> = (&'static str, &'a Path);

/// Refuses the first one that is not there. What else may be wrong with it is told by whoever reads it.
pub(super) fn check_there<'a>(inputs: impl IntoIterator<Item = Input<'a>>) -> Result<()> {
    for (flag, path) in inputs {
        let is_gone = |error: std::io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
        if path != Path::new("-") && path.metadata().is_err_and(is_gone) {
            bail!("{}{flag}: `{}` does not exist", stage(flag), path.display());
        }
    }
    Ok(())
}

/// As whoever reads it would say.
fn stage(flag: &str) -> &'static str {
    if matches!(flag, "--add" | "--customisation") { "making the customisation layer: " } else { "" }
}

/// As [`check_there`], also for places that are kept apart from what is written.
pub(super) fn check_all_there<'a>(places: &'a [Place], others: impl IntoIterator<Item = Input<'a>>) -> Result<()> {
    check_there(places.iter().map(Place::input).chain(others))
}

/// The folder that stands for `/`.
pub(super) fn root(root: &Path) -> Input<'_> {
    ("--root", root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named_with_its_flag() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs_err::write(&file, "").unwrap();
        check_there([("--from", Path::new("-")), ("--add", &file), ("--root", dir.path())]).unwrap();
        for missing in [dir.path().join("x"), file.join("x")] {
            let message = check_there([("--root", &*file), ("--plan", &missing)]).unwrap_err().to_string();
            assert_eq!(message, format!("--plan: `{}` does not exist", missing.display()));
        }
    }
}
