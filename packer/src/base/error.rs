//! Why an image is not taken, to be built upon or to tell what it holds.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::{MAX_BASE_LAYERS, MAX_HISTORY, MAX_LOWER_FILES, MAX_STORE_PATHS};
use crate::Mismatch;
use crate::image_files::{MembersError, shown};

/// How many names an error lists.
const NAMED: usize = 20;

/// Why an image is not taken. Texts that come from the image are escaped and cut off.
#[derive(Debug, Error)]
pub enum BaseError {
    /// Nothing that could be taken.
    #[error("`{}` is no image: {reason}", path.display())]
    NotAnImage {
        /// The file or directory.
        path: PathBuf,
        /// What is missing, and what to write instead.
        reason: String,
    },
    /// The archive around the image is broken, so what follows cannot be found.
    #[error("image `{}` is damaged: {reason}", path.display())]
    DamagedArchive {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
    /// No image of the name that was asked for.
    #[error("`{}` holds no image `{name}`, but {}", path.display(), list(known, "none with a name"))]
    UnknownName {
        /// The file or directory.
        path: PathBuf,
        /// What was asked for.
        name: String,
        /// The names that there are, in the order of the image, at most 20.
        known: Vec<String>,
    },
    /// What runs in one part of the image would not run in the other.
    #[error(
        "base image `{}` is for {}, and an image for {wanted} is to be built upon it{}",
        path.display(), list(known, "no platform at all"), variant_hint(wanted, known)
    )]
    Platform {
        /// The file or directory.
        path: PathBuf,
        /// What was asked for, OS and architecture.
        wanted: String,
        /// What there is, at most 20.
        known: Vec<String>,
    },
    /// There is none for the platform that was asked for, or several for others.
    #[error("`{}` is for {}, and not for {wanted}", path.display(), list(known, "no platform at all"))]
    OtherPlatform {
        /// The file or directory.
        path: PathBuf,
        /// What was asked for, OS and architecture.
        wanted: String,
        /// What there is, at most 20.
        known: Vec<String>,
    },
    /// It is not what it says about itself. `verify` lists everything that is wrong.
    #[error("image `{}` is not what it says: {mismatch}", path.display())]
    NotWhatItSays {
        /// The file or directory.
        path: PathBuf,
        /// The first thing that was found.
        mismatch: Box<Mismatch>,
    },
    /// A layer that is not in the image, or cannot be read without what is not in it.
    #[error("layer {layer} of image `{}` {reason}", path.display())]
    UnusableLayer {
        /// The file or directory.
        path: PathBuf,
        /// Its digest or name.
        layer: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// An image made to fill memory, disk or time.
    #[error("image `{}` {what}", path.display())]
    TooMuch {
        /// The file or directory.
        path: PathBuf,
        /// What there is too much of, and how much is taken.
        what: Excess,
    },
    /// A file of the image is longer than whoever reads it can use.
    #[error("`{file}` in image `{}` is longer than {limit} bytes", path.display())]
    FileTooLong {
        /// The file or directory.
        path: PathBuf,
        /// Whose content was asked for.
        file: String,
        /// How much would have been read.
        limit: u64,
    },
    /// A circle of symlinks, most likely.
    #[error("`{file}` in image `{}` leads through more than 40 links", path.display())]
    TooManyLinks {
        /// The file or directory.
        path: PathBuf,
        /// Whose content was asked for.
        file: String,
    },
    /// A file cannot be read. The message names it.
    #[error("{0}")]
    Read(io::Error),
    /// There is no place for the unpacked archive.
    #[error("unpacking image `{}` in `{}`", path.display(), scratch.display())]
    Scratch {
        /// The file.
        path: PathBuf,
        /// The directory for temporary files.
        scratch: PathBuf,
        /// What happened.
        #[source]
        source: io::Error,
    },
    /// [`crate::Observer::cancelled`] said so.
    #[error("cancelled")]
    Cancelled,
}

/// What there is too much of.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Excess {
    /// As no engine mounts them.
    #[error("has more than {MAX_BASE_LAYERS} layers")]
    Layers,
    /// As no image was ever built in.
    #[error("has a history of more than {MAX_HISTORY} entries")]
    History,
    /// As no store has.
    #[error("has more than {MAX_STORE_PATHS} store paths")]
    StorePaths,
    /// As no file system of an image has.
    #[error("has more than {MAX_LOWER_FILES} directories and symlinks")]
    LowerFiles,
    /// A decompression bomb.
    #[error(
        "unpacks to more than {allowed} bytes, which is more than usual for one of {stored} bytes; --max-base-size \
         allows it where it is meant"
    )]
    Bytes {
        /// As it is stored.
        stored: u64,
        /// How much would have been taken.
        allowed: u64,
    },
}

/// What went wrong in an image, told where it is not known which image it is.
pub(super) enum Problem {
    Mismatch(Mismatch),
    UnusableLayer { layer: String, reason: String },
    TooMuch(Excess),
    Damaged(String),
    NotAnImage(String),
    Read(io::Error),
}

impl Problem {
    /// Names the image.
    pub(super) fn of(self, path: &Path) -> BaseError {
        let path = path.to_owned();
        match self {
            Self::Mismatch(mismatch) => BaseError::NotWhatItSays { path, mismatch: Box::new(mismatch) },
            Self::UnusableLayer { layer, reason } => BaseError::UnusableLayer { path, layer, reason },
            Self::TooMuch(what) => BaseError::TooMuch { path, what },
            Self::Damaged(reason) => BaseError::DamagedArchive { path, reason },
            Self::NotAnImage(reason) => BaseError::NotAnImage { path, reason },
            Self::Read(error) => BaseError::Read(error),
        }
    }

    pub(super) fn malformed(document: &str, reason: &str) -> Self {
        Self::Mismatch(Mismatch::Malformed { document: document.into(), reason: reason.into() })
    }

    pub(super) fn missing(blob: String) -> Self {
        Self::Mismatch(Mismatch::Missing { blob })
    }
}

impl From<Mismatch> for Problem {
    fn from(mismatch: Mismatch) -> Self {
        Self::Mismatch(mismatch)
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match Excess::within(&error) {
            Some(excess) => Self::TooMuch(excess),
            None => Self::Read(error),
        }
    }
}

impl From<MembersError> for Problem {
    fn from(error: MembersError) -> Self {
        match error {
            MembersError::Read(error) => error.into(),
            MembersError::Damaged(reason) => Self::Damaged(reason),
        }
    }
}

impl Excess {
    /// Goes through readers as an error of theirs.
    pub(super) fn into_io(self) -> io::Error {
        io::Error::other(self)
    }

    /// What [`Self::into_io`] was made of. Decoders may have wrapped it.
    pub(super) fn within(error: &io::Error) -> Option<Self> {
        let mut inner: Option<&(dyn std::error::Error + 'static)> = error.get_ref().map(|inner| inner as _);
        while let Some(error) = inner {
            if let Some(excess) = error.downcast_ref::<Self>() {
                return Some(*excess);
            }
            inner = match error.downcast_ref::<io::Error>() {
                Some(error) => error.get_ref().map(|inner| inner as _),
                None => error.source(),
            };
        }
        None
    }
}

/// The first so many texts, fit to be shown.
pub(super) fn first_shown<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut first = Vec::new();
    for text in texts {
        let text = shown(text.as_bytes());
        if first.len() < NAMED && !first.contains(&text) {
            first.push(text);
        }
    }
    first
}

fn variant_hint(wanted: &str, known: &[String]) -> &'static str {
    let processor = |text: &str| text.split('/').take(2).map(str::to_owned).collect::<Vec<_>>();
    match known.iter().any(|known| processor(known) == processor(wanted)) {
        true => "; one for higher variants of the processor is had by --variant",
        false => "",
    }
}

fn list(texts: &[String], none: &str) -> String {
    match texts {
        [] => none.into(),
        texts => texts.iter().map(|text| format!("`{text}`")).collect::<Vec<_>>().join(", "),
    }
}
