//! Where an image goes.
//!
//! [`Destination`] is what the user writes. One file per kind of destination knows how to write it; each gets the staged
//! blobs, or for the stream the walked layers, and leaves nothing behind when it fails.

pub(crate) mod archive;
mod check;
mod clean;
mod index;
pub(crate) mod layout;
pub(crate) mod legacy;
mod place;
mod reference;
pub(crate) mod stream;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

pub use check::check_new_dir;
pub use clean::{CleanError, Cleaned, Cleaning, clean};
pub(crate) use index::IndexName;
pub use place::FileInPlace;
pub(crate) use place::{DirectoryInPlace, staging_beside, tell_of_rest};
pub use reference::{ImageReference, ReferenceError};

/// More layers than these Docker's overlay driver does not mount.
pub const MAX_DOCKER_LAYERS: usize = 125;

/// Where an image goes.
///
/// Paths end at the first colon, as everywhere among container tools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A file that every container tool reads: an OCI layout in a tar, with Docker's `manifest.json` beside it.
    DockerArchive {
        /// The file. Replaced where it exists.
        file: PathBuf,
        /// The name under which tools load the image.
        reference: Option<ImageReference>,
    },
    /// A directory with blobs and an index. Images that are there already stay.
    OciLayout {
        /// The directory.
        dir: PathBuf,
        /// The tag, or a whole reference. `latest` where there is no other name either.
        tag: Option<String>,
    },
    /// The same in a tar, with one image.
    OciArchive {
        /// The file. Replaced where it exists.
        file: PathBuf,
        /// The tag, or a whole reference. `latest` where there is no other name either.
        tag: Option<String>,
    },
    /// An archive on standard output, for `docker load` and `podman load`.
    Stdout,
}

/// Why a text names no destination.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DestinationError {
    /// None of the known forms.
    #[error(
        "`{0}` is no destination: write docker-archive:FILE[:NAME:TAG], oci:DIR[:TAG], oci-archive:FILE[:TAG], \
         or - for a docker-archive on standard output"
    )]
    Unknown(String),
    /// Pushing is the work of others.
    #[error("`{0}`: pushing to a registry is not supported; write oci:DIR and use `skopeo copy oci:DIR {0}`")]
    Registry(String),
    /// A form without its path.
    #[error("`{text}` names no {what}: write {syntax}")]
    NoPath {
        /// What was given.
        text: String,
        /// `file` or `directory`.
        what: &'static str,
        /// How it should look.
        syntax: &'static str,
    },
    /// A name that no tool would load.
    #[error("in `docker-archive:FILE:NAME:TAG`, {0}")]
    Reference(#[from] ReferenceError),
    /// A tag that the image layout specification does not allow.
    #[error("`{0}` is no tag: it has letters and digits, separated by any of `.`, `_`, `-`, `:`, `@`, `+` and `/`")]
    Tag(String),
}

impl Destination {
    /// Whether Docker is meant to read it, with what Docker cannot do.
    #[must_use]
    pub fn is_for_docker(&self) -> bool {
        matches!(self, Self::DockerArchive { .. } | Self::Stdout)
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, path, name) = match self {
            Self::DockerArchive { file, reference } => {
                ("docker-archive", file, reference.as_ref().map(ToString::to_string))
            }
            Self::OciLayout { dir, tag } => ("oci", dir, tag.clone()),
            Self::OciArchive { file, tag } => ("oci-archive", file, tag.clone()),
            Self::Stdout => return f.write_str("-"),
        };
        write!(f, "{scheme}:{}", path.display())?;
        name.map_or(Ok(()), |name| write!(f, ":{name}"))
    }
}

impl FromStr for Destination {
    type Err = DestinationError;

    fn from_str(text: &str) -> Result<Self, DestinationError> {
        if text == "-" {
            return Ok(Self::Stdout);
        }
        if text.starts_with("docker://") {
            return Err(DestinationError::Registry(text.into()));
        }
        let (scheme, rest) = text.split_once(':').ok_or_else(|| DestinationError::Unknown(text.into()))?;
        let (path, name) = rest.split_once(':').map_or((rest, None), |(path, name)| (path, Some(name)));
        let (what, syntax) = match scheme {
            "docker-archive" => ("file", "docker-archive:FILE[:NAME:TAG]"),
            "oci" => ("directory", "oci:DIR[:TAG]"),
            "oci-archive" => ("file", "oci-archive:FILE[:TAG]"),
            _ => return Err(DestinationError::Unknown(text.into())),
        };
        if path.is_empty() {
            return Err(DestinationError::NoPath { text: text.into(), what, syntax });
        }
        let path = PathBuf::from(path);
        Ok(match scheme {
            "docker-archive" => Self::DockerArchive { file: path, reference: name.map(str::parse).transpose()? },
            "oci" => Self::OciLayout { dir: path, tag: name.map(parse_tag).transpose()? },
            _ => Self::OciArchive { file: path, tag: name.map(parse_tag).transpose()? },
        })
    }
}

/// Accepts what `org.opencontainers.image.ref.name` may be: components separated by `/`, of words with single
/// separators between them. Leading and doubled underscores too, because tags in registries may have them.
fn parse_tag(text: &str) -> Result<String, DestinationError> {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_component = |component: &str| {
        component.bytes().next().is_some_and(is_word)
            && component.bytes().next_back().is_some_and(is_word)
            && component.bytes().all(|byte| is_word(byte) || b".-:@+".contains(&byte))
    };
    match text.len() <= 512 && text.split('/').all(is_component) {
        true => Ok(text.into()),
        false => Err(DestinationError::Tag(text.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for text in [
            "docker-archive:/tmp/a.tar",
            "docker-archive:a.tar:registry.example:5000/team/app:1.2",
            "oci:dir",
            "oci:dir:1.0",
            "oci-archive:x/y.tar:team/app:1.0_b",
            "-",
        ] {
            assert_eq!(text.parse::<Destination>().unwrap().to_string(), text);
        }
        let short: Destination = "docker-archive:a.tar:git".parse().unwrap();
        assert_eq!(short.to_string(), "docker-archive:a.tar:git:latest");
    }

    #[test]
    fn errors_teach_the_syntax() {
        for (text, part) in [
            ("image.tar", "write docker-archive:FILE[:NAME:TAG], oci:DIR[:TAG]"),
            ("dir:x", "is no destination"),
            ("oci:", "`oci:` names no directory: write oci:DIR[:TAG]"),
            ("docker-archive::x", "names no file: write docker-archive:FILE[:NAME:TAG]"),
            ("docker-archive:f:Git:1", "in `docker-archive:FILE:NAME:TAG`, `Git:1` is no NAME:TAG: "),
            ("oci:d:", "`` is no tag"),
            ("oci:d:-a", "`-a` is no tag"),
            ("docker://r/a:1", "pushing to a registry is not supported; write oci:DIR and use `skopeo copy oci:DIR"),
        ] {
            let message = text.parse::<Destination>().unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
        }
    }
}
