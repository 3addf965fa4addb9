//! `--history FILE|DIR|IMAGE...`: earlier images of the same thing.
//!
//! | what | what it tells |
//! |---|---|
//! | a plan, or several one after another, oldest first | the layers of each image, and what is in them |
//! | an image | the same, as far as it is known, see [`mod@image`] |
//! | a history: lines of `{"date": ..., "closure": [...]}`, oldest first | what was in each of several images, and no layers |
//! | a folder | all of these that are in it, see [`folder`] |
//!
//! Files may be packed with gzip or zstd. Strategies get all as generations. One that comes from a history has every node
//! in a layer of its own: it still tells what changed when, and claims of no two nodes that they were ever sent together. A
//! single layer would claim that of all, and strategies that leave things where they are would keep it.
//!
//! Files are untrusted: what is no closed graph is refused with its line, and [`Budget`] bounds what all files together
//! may hold.

mod error;
mod folder;
mod image;
mod lines;
mod named;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use layerwright_packer::{ImageSource, SourceError};
use layerwright_planner::{Generation, Node, PastNode, Plan, PlanError};
use serde_json::Deserializer;
use serde_json::value::RawValue;

pub(crate) use self::error::HistoryError;
use self::lines::Lines;
pub(crate) use self::lines::{Budget, Image, SaidHash};
use self::named::Named;
use crate::console::Console;
use crate::input::{open_packed, with_start};
use crate::progress::reading;

/// Where the header of a tar says that it is one.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

/// Reads earlier images, oldest first over all that is named. Returns them newest first, as strategies get them.
pub(crate) fn read_generations(named: &[PathBuf], console: &Console) -> Result<Vec<Arc<Generation>>> {
    let mut budget = Budget::default();
    let mut generations = Vec::new();
    for word in named {
        let read = read_named(word, &mut budget, console);
        generations.extend(read.with_context(|| context(word))?);
    }
    generations.reverse();
    Ok(generations.into_iter().map(Arc::new).collect())
}

/// Reads the images of a history, oldest first: at least one.
pub(crate) fn read_images(file: &Path, budget: &mut Budget, console: &Console) -> Result<Vec<Image>> {
    let mut read = || {
        let no_history = |what| Err(HistoryError::NoHistory(what).into());
        match Named::new(file)? {
            Named::Image(_) => return no_history("an image"),
            Named::Folder => return no_history("a folder"),
            Named::File => {}
        }
        let (form, open) = opened(file)?;
        match form {
            Form::Image => no_history("an image"),
            Form::Plans => no_history("a plan"),
            Form::StoreLayers => no_history("a list of layers"),
            Form::Lines => images_in(reading(console, file, open), budget, |image| image),
        }
    };
    read().with_context(|| context(file))
}

/// What is in a place, as far as it decides who may write there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    Plans,
    Image,
    Folder,
    Other,
}

/// The file or folder that a word after `--history` names. One that cannot be read is told by whoever reads it.
pub(crate) fn place_of(word: &Path) -> Result<(PathBuf, Holds), SourceError> {
    Ok(match Named::new(word)? {
        Named::Image(source) => (source.path().to_owned(), Holds::Image),
        Named::Folder => (word.to_owned(), Holds::Folder),
        // What comes through a pipe comes once.
        Named::File => match word.is_file().then(|| opened(word)) {
            Some(Ok((Form::Plans, _))) => (word.to_owned(), Holds::Plans),
            Some(Ok((Form::Image, _))) => (word.to_owned(), Holds::Image),
            _ => (word.to_owned(), Holds::Other),
        },
    })
}

/// An image as strategies get it: its layers, bottom-most first.
pub(crate) fn generation_of(plan: &Plan) -> Generation {
    let node = |id: &_| past(plan.closure().node(*id));
    Generation { layers: plan.layers().iter().map(|layer| layer.nodes.iter().map(node).collect()).collect() }
}

fn context(file: &Path) -> String {
    format!("reading the history {}", file.display())
}

fn read_named(word: &Path, budget: &mut Budget, console: &Console) -> Result<Vec<Generation>> {
    if Named::new(word)? != Named::Folder {
        return read_one(word, budget, console);
    }
    let mut generations = Vec::new();
    for entry in folder::entries(word)? {
        let read = read_one(&entry, budget, console);
        generations.extend(read.with_context(|| entry.display().to_string())?);
    }
    Ok(generations)
}

/// Reads an image, or a file of anything, oldest first.
fn read_one(word: &Path, budget: &mut Budget, console: &Console) -> Result<Vec<Generation>> {
    let source = match Named::new(word)? {
        Named::Image(source) => source,
        Named::File | Named::Folder => {
            let (form, open) = opened(word)?;
            let open = reading(console, word, open);
            match form {
                Form::Plans => return generations_of_plans(open, budget),
                Form::Lines => return generations_of_lines(open, budget),
                Form::StoreLayers => return Err(HistoryError::IsStoreLayers.into()),
                Form::Image if word == Path::new("-") => return Err(SourceError::Stream.into()),
                Form::Image => ImageSource::Path(word.to_owned()),
            }
        }
    };
    Ok(vec![image::generation(&source, budget, console)?])
}

fn generations_of_plans(open: impl Read, budget: &mut Budget) -> Result<Vec<Generation>> {
    let text = budget.text(open)?;
    plans_in(&text, budget).map(|plan| Ok(generation_of(&plan?))).collect()
}

fn generations_of_lines(open: impl Read, budget: &mut Budget) -> Result<Vec<Generation>> {
    images_in(open, budget, |image| {
        let layers = image.closure.nodes().iter().map(|node| vec![past(node)]);
        Generation { layers: layers.collect() }
    })
}

/// The plans of a text, one after another, as long as there is room for what they hold.
pub(crate) fn plans_in(text: &str, budget: &mut Budget) -> impl Iterator<Item = Result<Plan>> {
    let values = Deserializer::from_str(text).into_iter::<&RawValue>();
    let plan = |value: serde_json::Result<&RawValue>| -> Result<Plan> {
        let plan = Plan::from_json(value.map_err(PlanError::from)?.get())?;
        budget.take_plan(&plan)?;
        Ok(plan)
    };
    values.map(plan).enumerate().map(|(at, plan)| match at {
        0 => Ok(plan?),
        _ => plan.with_context(|| format!("plan {} in it", at + 1)),
    })
}

/// What is kept of each image. There is at least one.
fn images_in<T>(open: impl Read, budget: &mut Budget, keep: impl Fn(Image) -> T) -> Result<Vec<T>> {
    let images = Lines::new(open, budget).map(|image| image.map(&keep)).collect::<Result<Vec<_>, _>>()?;
    if images.is_empty() { Err(HistoryError::NoImage.into()) } else { Ok(images) }
}

fn past(Node { name, lineage, size, .. }: &Node) -> PastNode {
    PastNode { name: name.clone(), lineage: lineage.clone(), size: *size }
}

/// What a file seems to be, by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Image,
    Plans,
    /// As dockerTools writes it.
    StoreLayers,
    Lines,
}

impl Form {
    /// A plan is an object over many lines, or one that begins with its format.
    fn of(start: &[u8]) -> Self {
        if start.get(TAR_MAGIC) == Some(b"ustar") {
            return Self::Image;
        }
        match start.trim_ascii_start() {
            [b'[', ..] => Self::StoreLayers,
            [b'{', object @ ..] => {
                let first_line = object.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
                let is_plan = first_line.is_empty() || first_line.starts_with(b"\"format\"");
                if is_plan { Self::Plans } else { Self::Lines }
            }
            _ => Self::Lines,
        }
    }
}

/// Looks at how a file begins, and returns what that is, and the whole of it.
fn opened(file: &Path) -> Result<(Form, impl Read + use<>)> {
    let (start, open) = with_start(open_packed(file)?)?;
    Ok((Form::of(&start), open))
}

#[cfg(test)]
mod tests;
