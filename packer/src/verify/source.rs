//! Where an image is that is to be verified.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use crate::destination::{Destination, DestinationError, ImageReference};

/// Where an image is, in the words of [`Destination`], or a path that says it by what is there. An archive may be `-`, which
/// is standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageSource {
    /// An archive with a `manifest.json`, made by this program or another; may be compressed as a whole.
    DockerArchive {
        /// The file.
        file: PathBuf,
        /// One of its images.
        reference: Option<ImageReference>,
    },
    /// A directory with an `index.json`.
    OciLayout {
        /// The directory.
        dir: PathBuf,
        /// One of its images.
        tag: Option<String>,
    },
    /// An archive with an `index.json`; may be compressed as a whole.
    OciArchive {
        /// The file.
        file: PathBuf,
        /// One of its images.
        tag: Option<String>,
    },
    /// Any of these, with all its images.
    Path(PathBuf),
}

/// Why a text names no source.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SourceError {
    /// It begins like one of the forms, but does not go on like it.
    #[error(transparent)]
    Spelling(#[from] DestinationError),
    /// A stream has gone by before one knows what it should have been.
    #[error("an image on standard input cannot be read: write it to a file")]
    Stream,
    /// Only what is on this machine can be read.
    #[error("`{0}`: an image in a registry cannot be read; use `skopeo copy {0} oci:DIR`, and name oci:DIR")]
    Registry(String),
}

impl ImageSource {
    /// The file or directory that it is in.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::DockerArchive { file: path, .. }
            | Self::OciArchive { file: path, .. }
            | Self::OciLayout { dir: path, .. }
            | Self::Path(path) => path,
        }
    }
}

impl FromStr for ImageSource {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
        if scheme == "docker" && text.starts_with("docker://") {
            return Err(SourceError::Registry(text.into()));
        }
        if !matches!(scheme, "docker-archive" | "oci" | "oci-archive") {
            return Ok(Self::Path(text.into()));
        }
        match text.parse()? {
            Destination::DockerArchive { file, reference } => Ok(Self::DockerArchive { file, reference }),
            Destination::OciLayout { dir, tag } => Ok(Self::OciLayout { dir, tag }),
            Destination::OciArchive { file, tag } => Ok(Self::OciArchive { file, tag }),
            Destination::Stdout => Ok(Self::Path(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_destinations_and_bare_paths() {
        let tag = Some("1".to_owned());
        for (text, expected) in [
            ("oci:dir:1", ImageSource::OciLayout { dir: "dir".into(), tag: tag.clone() }),
            ("oci-archive:f:1", ImageSource::OciArchive { file: "f".into(), tag }),
            ("docker-archive:f", ImageSource::DockerArchive { file: "f".into(), reference: None }),
            ("some/image.tar", ImageSource::Path("some/image.tar".into())),
            ("a:b.tar", ImageSource::Path("a:b.tar".into())),
        ] {
            assert_eq!(text.parse(), Ok(expected));
        }
        let stream = ImageSource::DockerArchive { file: "-".into(), reference: None };
        assert_eq!(("-".parse(), "docker-archive:-".parse()), (Ok(ImageSource::Path("-".into())), Ok(stream)));
        assert!("oci:".parse::<ImageSource>().is_err());
        assert!("docker://x/y".parse::<ImageSource>().unwrap_err().to_string().contains("skopeo copy docker://x/y"));
    }
}
