//! Where a command writes.

use std::path::{Path, PathBuf, absolute};

use anyhow::{Result, bail};
use layerwright_packer::Destination;

use crate::history::place_of;

/// What the user calls a place, and where that is, if it is wanted.
pub(super) type Place<'a> = (&'static str, Option<&'a Path>);

/// Refuses to write over or into what another flag names.
pub(super) fn check_apart(places: &[Place<'_>]) -> Result<()> {
    let wanted = places.iter().filter_map(|(flag, path)| Some((flag, (*path)?)));
    let mut taken: Vec<(&str, PathBuf)> = Vec::new();
    for (flag, path) in wanted {
        let real = real(path)?;
        if let Some((other, _)) = taken.iter().find(|(_, other)| real.starts_with(other) || other.starts_with(&real)) {
            bail!("{other} and {flag} name the same place: {}", path.display());
        }
        taken.push((flag, real));
    }
    Ok(())
}

/// Refuses a report over or into an earlier image. Plans and images may take the place of what they follow.
pub(super) fn check_report(report: Option<&Path>, history: &[PathBuf]) -> Result<()> {
    history.iter().try_for_each(|word| check_apart(&[("--history", Some(&place_of(word)?)), ("--report", report)]))
}

/// The file or folder that an image goes to.
pub(super) fn of_image(destination: &Destination) -> Place<'_> {
    let place = match destination {
        Destination::DockerArchive { file: place, .. }
        | Destination::OciArchive { file: place, .. }
        | Destination::OciLayout { dir: place, .. } => Some(place.as_path()),
        Destination::Stdout => None,
    };
    ("--to", place)
}

/// The path without links, as far as anything is there.
fn real(path: &Path) -> Result<PathBuf> {
    let path = absolute(path)?;
    let there = path.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    let Some((ancestor, real)) = there else { return Ok(path) };
    let rest = path.strip_prefix(ancestor)?;
    Ok(if rest == Path::new("") { real } else { real.join(rest) })
}
