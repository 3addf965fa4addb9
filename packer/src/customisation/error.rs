//! Why there is no customisation layer.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::Operation;
use crate::entry::EntryName;
use crate::error::PackError;

/// Why an operation on the customisation layer failed.
#[derive(Debug, Error)]
#[error("{operation}: {problem}{}", problem.hint(operation))]
pub struct CustomisationError {
    /// Which one.
    pub operation: Box<Operation>,
    /// What is wrong with it.
    pub problem: CustomisationProblem,
}

/// What is wrong with an operation on the customisation layer.
///
/// The text is for all who ask for one, in whatever way: with flags, in Nix, or by what a script made. What only one
/// operation can do otherwise is said of that one.
#[derive(Debug, Error)]
pub enum CustomisationProblem {
    /// One of them would be lost, and nobody would know which.
    #[error("`{path}` would be both {first} and {second}; leave one out")]
    Conflict {
        /// In the image.
        path: String,
        /// What is there.
        first: String,
        /// What was to be there.
        second: String,
    },
    /// A file was to be where a directory is.
    #[error("`{path}` is a directory already, which only another directory can be")]
    IsDirectory {
        /// In the image.
        path: String,
    },
    /// Something was to be where lower layers have a link to a directory.
    #[error(
        "`{path}` is a symlink of a layer below to the directory `{directory}`, and all that is found there by this name \
         would be hidden"
    )]
    HidesDirectory {
        /// The link, in the image.
        path: String,
        /// Where it leads, in the image.
        directory: String,
    },
    /// Something was to be below a file.
    #[error("`{path}` is {kind}, and no directory")]
    NotADirectory {
        /// In the image.
        path: String,
        /// What it is.
        kind: &'static str,
    },
    /// Where it leads in a container, nobody knows; on this machine it may lead anywhere.
    #[error(
        "`{link}` is a symlink to `{target}`, and `{missing}` is in neither the customisation layer nor a base image; \
         name the place that is meant, or make it before"
    )]
    LeadsOut {
        /// The link, in the image.
        link: String,
        /// What it says.
        target: String,
        /// Where nothing is, in the image.
        missing: String,
    },
    /// It is read-only, and other layers hold it.
    #[error(
        "`{link}` is a link to `{target}`, through which nothing can be changed; make a directory of this name before it, \
         and that has links to what is there"
    )]
    LeadsIntoStore {
        /// The link, in the image.
        link: String,
        /// What it says.
        target: String,
    },
    /// A circle, most likely.
    #[error("`{path}` leads through more than 40 symlinks")]
    TooManyLinks {
        /// In the image, or on this machine.
        path: String,
    },
    /// What is in other layers cannot be changed from this one.
    #[error("`{path}` is not in the customisation layer, and only what is can be changed; put it there before")]
    NotThere {
        /// In the image.
        path: String,
    },
    /// Names in a layer have to be unambiguous.
    #[error("`{path}` {reason}")]
    InvalidName {
        /// As it was given.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// What is to be copied is not of the kind that can be.
    #[error("`{}` {reason}", path.display())]
    Source {
        /// On this machine, or in a store.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The archive cannot be understood.
    #[error("the archive is damaged: {0}")]
    DamagedArchive(String),
    /// The archive holds something that a layer cannot, or should not.
    #[error("its member `{member}` {reason}")]
    Member {
        /// Its name.
        member: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Memory and disk are not for strangers to fill.
    #[error("there is too much: more than {0}; a customisation layer is for what belongs to no package")]
    TooMuch(&'static str),
    /// A file cannot be read. The message names it.
    #[error("reading: {0}")]
    Read(io::Error),
    /// The content of a file cannot be put aside. The message names it.
    #[error("writing: {0}")]
    Write(io::Error),
    /// A file changed while it was looked at.
    #[error(transparent)]
    Pack(#[from] PackError),
}

impl CustomisationProblem {
    /// What those who have asked for an operation can write instead.
    fn hint(&self, operation: &Operation) -> String {
        match (self, operation) {
            (Self::IsDirectory { path } | Self::HidesDirectory { path, .. }, Operation::Add { .. }) => {
                format!("; `{path}/` would mean within it")
            }
            (Self::LeadsOut { missing, .. }, Operation::Add { .. } | Operation::Mkdir { .. }) => {
                format!(", for instance with `--mkdir {missing}`")
            }
            _ => String::new(),
        }
    }
}

/// A name as the image has it, fit to be shown.
pub(super) fn shown(name: &EntryName) -> String {
    format!("/{}", shown_bytes(&name.0))
}

/// Bytes from anybody, fit to be shown. Text stays text, but for what would move the cursor.
pub(super) fn shown_bytes(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        text += &chunk.invalid().escape_ascii().to_string();
    }
    text
}
