//! Why an image is not packed.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::Serialize;
use thiserror::Error;

use crate::Digest;
use crate::compress::EncoderError;
use crate::destination::MAX_DOCKER_LAYERS;
use crate::settings::SettingsError;

/// How many missing files an error names.
const NAMED_MISSING_FILES: usize = 20;

/// Why an image is not packed. Nothing is left at the destination then.
#[derive(Debug, Error)]
pub enum PackError {
    /// Going on would write an image in which things do not work.
    #[error("{}", describe_missing(missing, *count))]
    MissingFiles {
        /// The first of them, in the order of the plan.
        missing: Vec<MissingFile>,
        /// How many there are over the whole plan.
        count: usize,
    },
    /// A store path holds only files, directories and symlinks.
    #[error("`{}` of node `{node}` is a {kind}, which cannot be in a store path", path.display())]
    UnsupportedFile {
        /// Whose file.
        node: String,
        /// On this machine.
        path: PathBuf,
        /// What it is.
        kind: &'static str,
    },
    /// Image layers use these names, and overlayfs such devices, to remove files of lower layers: unpacking would delete
    /// instead of create.
    #[error(
        "`{}` of node `{node}` begins with `.wh.`, or is a character device 0/0, which removes a file: an image layer \
         cannot hold it",
        path.display()
    )]
    Whiteout {
        /// Whose file.
        node: String,
        /// On this machine.
        path: PathBuf,
    },
    /// Names in a layer have to be unambiguous.
    #[error("`{}` of node `{node}` {reason}", path.display())]
    InvalidPath {
        /// Whose file.
        node: String,
        /// The path as it was given.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The same file would be in the image twice.
    #[error("node `{node}` lies within node `{outer}`")]
    NestedNodes {
        /// The inner one.
        node: String,
        /// The outer one.
        outer: String,
    },
    /// Their names in a layer cannot be compared, so a file could be there twice.
    #[error("node `{tree}` is a store path and node `{list}` a list of files: they cannot share a layer")]
    MixedNodes {
        /// A node with [`crate::NodeFiles::Tree`].
        tree: String,
        /// A node with [`crate::NodeFiles::List`].
        list: String,
    },
    /// One of them would hide the other.
    #[error(
        "`{path}` of node `{node}` is {is}, and {below} in the layers below it, those of the base image; leave the \
         package out, or build upon an image that was made like the machine with the packages"
    )]
    UponOther {
        /// Whose file.
        node: String,
        /// In the image.
        path: String,
        /// What the package has.
        is: &'static str,
        /// What lower layers have.
        below: &'static str,
    },
    /// What are two directories to the packages is one in the base image.
    #[error(
        "`{first}` and `{second}` of node `{node}` are different files, and both would be `{place}` in the base image; \
         build upon an image that was made like the machine with the packages"
    )]
    OnePlace {
        /// Whose file the second one is.
        node: String,
        /// To the packages.
        first: String,
        /// To the packages.
        second: String,
        /// In the image.
        place: String,
    },
    /// A circle of symlinks, most likely.
    #[error("`{}` of node `{node}` leads through more than 40 symlinks", path.display())]
    TooManyLinks {
        /// Whose file.
        node: String,
        /// On this machine: the path as it was given, below the root.
        path: PathBuf,
    },
    /// Going on would write a layer that no version of the file had.
    #[error("`{}` {change} while it was read", path.display())]
    FileChanged {
        /// On this machine.
        path: PathBuf,
        /// What happened to it.
        change: FileChange,
    },
    /// Sizes would no longer be numbers. Only sparse files are so long, which a layer holds with their holes.
    #[error("with `{}` a layer is longer than 8 EiB", path.display())]
    LayerTooLong {
        /// In the image.
        path: PathBuf,
    },
    /// Docker would fail when it mounts the image.
    #[error(
        "{count} layers are more than Docker's overlay driver can mount, which is {MAX_DOCKER_LAYERS}; \
         plan with `--max-layers {MAX_DOCKER_LAYERS}`"
    )]
    TooManyLayers {
        /// Of the image.
        count: usize,
    },
    /// Sizes in a stream have to be known before the bytes.
    #[error("layers of an image on standard output cannot be compressed; compress the stream, or write a file")]
    CompressedStream,
    /// It was verified when it was opened, and ours would not be what it says.
    #[error("the layer {digest} of the base image changed while it was read")]
    BaseChanged {
        /// Of the blob.
        digest: Digest,
    },
    /// A layer that was packed by itself is not what it was.
    #[error("`{}` is not the blob {digest} any more; pack the layer again", path.display())]
    DamagedLayer {
        /// The file.
        path: PathBuf,
        /// Which it should be.
        digest: Digest,
    },
    /// Tools of those days know one kind of archive.
    #[error("files of the days when layers had parents belong into a docker-archive:FILE, without compression")]
    LegacyElsewhere,
    /// The settings cannot be those of an image.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Known before anything is read, and not after an hour.
    #[error("`{}` cannot be written: {}", destination.display(), problem.of(directory))]
    NoPlace {
        /// What was to be written.
        destination: PathBuf,
        /// Where it was to be created.
        directory: PathBuf,
        /// What is wrong with that directory.
        problem: DirectoryProblem,
    },
    /// The destination exists, and to replace it would destroy something else.
    #[error("`{}` {reason}", path.display())]
    Occupied {
        /// The destination.
        path: PathBuf,
        /// What it is.
        reason: &'static str,
    },
    /// An index that is there cannot be understood, so nothing can be added to it.
    #[error("`{}` is no index of an image layout: {reason}", path.display())]
    MalformedIndex {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read. The message names it.
    #[error("reading: {0}")]
    Read(io::Error),
    /// The destination cannot be written.
    #[error("writing: {0}")]
    Write(io::Error),
    /// An encoder refused.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// No threads to be had.
    #[error("threads cannot be started")]
    Threads(#[source] io::Error),
    /// [`crate::Observer::cancelled`] said so.
    #[error("cancelled")]
    Cancelled,
}

/// A file that should be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingFile {
    /// Whose file.
    pub node: String,
    /// On this machine: what the node names, below the root.
    pub path: PathBuf,
    /// What a package lists; `None` for a store path, which is never without its files.
    pub listed: Option<PathBuf>,
}

/// Why a directory cannot take what is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DirectoryProblem {
    /// It does not exist.
    Missing,
    /// It is something else.
    NoDirectory,
    /// It takes nothing new.
    NotWritable(ErrorKind),
}

impl DirectoryProblem {
    fn of(self, directory: &Path) -> String {
        let directory = directory.display();
        match self {
            Self::Missing => format!("the directory `{directory}` does not exist"),
            Self::NoDirectory => format!("`{directory}` is no directory"),
            Self::NotWritable(reason) => format!("nothing can be created in `{directory}`: {reason}"),
        }
    }
}

/// What happened to a file between looking and reading.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum FileChange {
    /// It is gone.
    #[error("vanished")]
    Vanished,
    /// It is no regular file any more.
    #[error("was replaced by something else")]
    Replaced,
    /// Its size or time of modification is another.
    #[error("changed")]
    Changed,
}

impl PackError {
    /// Keeps the first of them for the message.
    pub(crate) fn missing(mut missing: Vec<MissingFile>) -> Self {
        let count = missing.len();
        missing.truncate(NAMED_MISSING_FILES);
        Self::MissingFiles { missing, count }
    }
}

fn describe_missing(missing: &[MissingFile], count: usize) -> String {
    let files = if count == 1 { "file does" } else { "files do" };
    let mut text = format!("{count} {files} not exist:");
    for MissingFile { node, path, .. } in missing {
        text += &format!("\n  {} of node {node}", path.display());
    }
    if count > missing.len() {
        text += &format!("\n  and {} more", count - missing.len());
    }
    if let Some(listed) = missing.iter().find_map(|missing| missing.listed.as_ref()) {
        let listed = listed.display();
        text += &format!(
            "\ninstall the package again, or pack it without them: --allow-missing '{listed}', \
             in which * may stand for anything; repeatable"
        );
    }
    text
}
