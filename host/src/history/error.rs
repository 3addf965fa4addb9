//! Why a file tells of no earlier images.

use std::fmt::Display;
use std::io;

use layerwright_planner::ClosureError;
use thiserror::Error;

use super::lines::{MAX_BLANK_LINES, MAX_BYTES, MAX_DATE_BYTES, MAX_IMAGES, MAX_KEPT_BYTES, MAX_LINE_BYTES, MAX_NODES};
use crate::source::store_json::StoreJsonError;

/// Lines count from 1.
#[derive(Debug, Error)]
pub(crate) enum HistoryError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// Bytes that are no text.
    #[error("line {line} is not UTF-8")]
    NotText {
        /// Which.
        line: usize,
    },
    /// No JSON, or of another shape.
    #[error("line {line} is no image: each has its line {{\"date\": ..., \"closure\": [...]}}: {}", in_its_line(error))]
    NoLine {
        /// Which.
        line: usize,
        /// Why.
        error: serde_json::Error,
    },
    /// Going on would spoil a terminal.
    #[error("line {line} has a date that is longer than {MAX_DATE_BYTES} bytes, or not printable")]
    BadDate {
        /// Which.
        line: usize,
    },
    /// The nodes cannot be read.
    #[error("line {line}, the image of {date}: {}", in_its_line(error))]
    BadNodes {
        /// Which.
        line: usize,
        /// As it says.
        date: String,
        /// Why.
        error: StoreJsonError,
    },
    /// The nodes are no closed graph.
    #[error("line {line}, the image of {date}: {error}")]
    NoClosure {
        /// Which.
        line: usize,
        /// As it says.
        date: String,
        /// Why.
        error: ClosureError,
    },
    /// A file without anything in it is not what anybody meant.
    #[error("it tells of no image: write a line {{\"date\": ..., \"closure\": [...]}} for each, oldest first")]
    NoImage,
    /// A simulation asks what was in images, and not which layers someone chose for them.
    #[error(
        "it is {0}, and a simulation takes a file with a line {{\"date\": ..., \"closure\": [...]}} for each image"
    )]
    NoHistory(&'static str),
    /// It says neither what changed nor how much.
    #[error("it is a list of layers, which tells no sizes; give the plan that it was made from")]
    IsStoreLayers,
    /// More than anybody has.
    #[error("it tells of more than {MAX_IMAGES} images, with all files before it")]
    TooManyImages,
    /// Nobody separates images so.
    #[error("line {line} is blank, as are {MAX_BLANK_LINES} before it, with all files before this one")]
    TooManyBlankLines {
        /// Which.
        line: usize,
    },
    /// More than can be kept and handed over.
    #[error("it tells of more than {MAX_NODES} nodes over all images, with all files before it")]
    TooManyNodes,
    /// More than can be kept.
    #[error("its names and references take more than {} MiB, with all files before it", MAX_KEPT_BYTES >> 20)]
    TooMuchKept,
    /// More than can be read in sensible time.
    #[error("it has more than {} GiB, with all files before it, or a line of more than {} MiB", MAX_BYTES >> 30, MAX_LINE_BYTES >> 20)]
    TooLarge,
}

/// A parser is given one line, and counts it as the first.
fn in_its_line(error: &impl Display) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}
