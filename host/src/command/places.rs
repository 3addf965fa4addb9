//! Where a command writes.
//!
//! No two outputs are one place, or one inside the other, and none takes the place of what the command reads: neither a
//! graph, nor a planner or its settings, nor an earlier image. Two may, so that each build can follow the one before it: a
//! plan that of an earlier plan, and an image that of an earlier image.

use std::path::{Path, PathBuf, absolute};

use anyhow::{Result, bail};
use layerwright_packer::Destination;

use super::inputs::Input;
use crate::history::{Holds, place_of};
use crate::input::is_stream;
use crate::planner_spec::{PlannerSpec, is_file_name};
use crate::source::Source;

/// A file or folder that a command writes or reads.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// What the user calls it.
    flag: &'static str,
    path: PathBuf,
    holds: Holds,
}

impl Place {
    /// Where a plan goes, if it is wanted.
    pub(super) fn of_plan(flag: &'static str, path: Option<&Path>) -> Option<Self> {
        Self::new(flag, path, Holds::Plans)
    }

    pub(super) fn of_report(path: Option<&Path>) -> Option<Self> {
        Self::new("--report", path, Holds::Other)
    }

    pub(super) fn of_folder(flag: &'static str, path: &Path) -> Option<Self> {
        Self::new(flag, Some(path), Holds::Folder)
    }

    pub(super) fn of_attributes(path: Option<&Path>) -> Option<Self> {
        Self::new("--attributes", path, Holds::Other)
    }

    pub(super) fn of_state(path: Option<&Path>) -> Option<Self> {
        Self::new("--state", path, Holds::Folder)
    }

    /// The file or folder that an image goes to.
    pub(super) fn of_image(destination: &Destination) -> Option<Self> {
        let place = match destination {
            Destination::DockerArchive { file: place, .. }
            | Destination::OciArchive { file: place, .. }
            | Destination::OciLayout { dir: place, .. } => Some(place.as_path()),
            Destination::Stdout => None,
        };
        Self::new("--to", place, Holds::Image)
    }

    /// The file of a graph.
    pub(super) fn of_graph(from: &Source) -> Option<Self> {
        Self::new("--from", from.file().as_deref(), Holds::Other)
    }

    /// The files of planners and of their settings.
    pub(super) fn of_planners(specs: &[PlannerSpec]) -> impl Iterator<Item = Self> {
        // One that is not there is told by whoever reads it, who knows what may be meant.
        let is_there = |file: &PathBuf| file.is_file();
        let component = move |spec: &PlannerSpec| {
            Some(PathBuf::from(&spec.planner)).filter(|_| is_file_name(&spec.planner)).filter(is_there)
        };
        let files = specs.iter().flat_map(move |spec| [component(spec), spec.config.clone()]);
        files.filter_map(|file| Self::new("--planner", file.as_deref(), Holds::Other))
    }

    /// What tells of earlier images.
    pub(super) fn of_history(words: &[PathBuf]) -> Result<Vec<Self>> {
        let place = |word: &PathBuf| place_of(word).map(|(path, holds)| Self::new("--history", Some(&path), holds));
        Ok(words.iter().map(place).collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Files that are read and never written over, such as a plan, or a tar for the customisation layer. A folder may be
    /// written into: what is taken of it is known by then.
    pub(super) fn of_files<'a>(inputs: impl IntoIterator<Item = Input<'a>>) -> impl Iterator<Item = Self> {
        let files = inputs.into_iter().filter(|(_, path)| path.is_file());
        files.filter_map(|(flag, path)| Self::new(flag, Some(path), Holds::Other))
    }

    /// What is compared.
    pub(super) fn of_side(flag: &'static str, path: &Path) -> Option<Self> {
        Self::new(flag, Some(path), Holds::Other)
    }

    /// Nothing in a stream is overwritten.
    fn new(flag: &'static str, path: Option<&Path>, holds: Holds) -> Option<Self> {
        path.filter(|path| !is_stream(path)).map(|path| Self { flag, path: path.to_owned(), holds })
    }

    /// What it is called, and where it is.
    pub(super) fn input(&self) -> Input<'_> {
        (self.flag, &self.path)
    }

    fn may_replace(&self, read: &Self) -> bool {
        match self.holds {
            Holds::Plans | Holds::Image => read.holds == self.holds || read.holds == Holds::Folder,
            Holds::Folder | Holds::Other => false,
        }
    }
}

/// Refuses to write over or into what the user needs, or has another flag write.
pub(super) fn check_apart(
    written: impl IntoIterator<Item = Option<Place>>,
    read: impl IntoIterator<Item = Place>,
) -> Result<()> {
    let with_real = |place: Place| real(&place.path).map(|real| (place, real));
    let read: Vec<(Place, PathBuf)> = read.into_iter().map(with_real).collect::<Result<_>>()?;
    let mut before: Vec<(Place, PathBuf)> = Vec::new();
    for output in written.into_iter().flatten() {
        let (output, real) = with_real(output)?;
        if matches!(output.holds, Holds::Plans | Holds::Other) && real.is_dir() {
            bail!("{}: `{}` is a directory, and a file is to be written", output.flag, output.path.display());
        }
        let kept = read.iter().filter(|(read, _)| !output.may_replace(read));
        let is_same = |other: &PathBuf| real.starts_with(other) || other.starts_with(&real);
        if let Some((other, _)) = kept.chain(&before).find(|(_, other)| is_same(other)) {
            bail!("{} and {} name the same place: {}", other.flag, output.flag, output.path.display());
        }
        before.push((output, real));
    }
    Ok(())
}

/// The path without links, as far as anything is there.
fn real(path: &Path) -> Result<PathBuf> {
    let path = absolute(path)?;
    let there = path.ancestors().find_map(|ancestor| Some((ancestor, ancestor.canonicalize().ok()?)));
    let Some((ancestor, real)) = there else { return Ok(path) };
    let rest = path.strip_prefix(ancestor)?;
    Ok(if rest == Path::new("") { real } else { real.join(rest) })
}
