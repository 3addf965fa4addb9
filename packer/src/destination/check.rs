//! What can be refused of a destination before anything is read for it.

use std::path::Path;

use super::Destination;
use super::layout::LayoutInPlace;
use super::place::{DirectoryInPlace, FileInPlace, staging_beside};
use crate::Compression;
use crate::error::PackError;

impl Destination {
    /// How layers are compressed that go here: as the user says, or else as suits it. `legacy_parents` is as in
    /// [`crate::PackRequest`].
    ///
    /// # Errors
    ///
    /// [`PackError::CompressedStream`], or [`PackError::LegacyElsewhere`].
    pub(crate) fn compression(
        &self,
        given: Option<Compression>,
        legacy_parents: bool,
    ) -> Result<Compression, PackError> {
        let is_plain = matches!(self, Self::Stdout) || legacy_parents;
        let usual = if is_plain { Compression::None } else { Compression::default() };
        let compression = given.unwrap_or(usual);
        let is_legacy = matches!(self, Self::DockerArchive { .. }) && compression == Compression::None;
        match self {
            Self::Stdout if compression != Compression::None => Err(PackError::CompressedStream),
            _ if legacy_parents && !is_legacy => Err(PackError::LegacyElsewhere),
            _ => Ok(compression),
        }
    }

    /// Refuses what [`crate::pack()`] would refuse whatever the image is: layers that cannot be compressed like this here,
    /// a place where nothing can be written, an index that cannot be added to. Leaves nothing behind.
    ///
    /// # Errors
    ///
    /// As [`crate::pack()`].
    pub fn check(&self, compression: Option<Compression>, legacy_parents: bool) -> Result<(), PackError> {
        self.compression(compression, legacy_parents)?;
        match self {
            Self::Stdout => Ok(()),
            Self::DockerArchive { file, .. } | Self::OciArchive { file, .. } => {
                staging_beside(FileInPlace::new(file)?.path()).map(drop)
            }
            Self::OciLayout { dir, .. } => LayoutInPlace::new(dir)?.check_index(),
        }
    }
}

/// Refuses a place for a new directory, as [`crate::pack_layer`] and [`crate::Customisation::stage`] would. Leaves nothing
/// behind.
///
/// # Errors
///
/// Where something is there that is no empty directory, or nothing can be written.
pub fn check_new_dir(dir: &Path) -> Result<(), PackError> {
    DirectoryInPlace::new(dir).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::list;

    fn check(destination: &str, compression: Option<&str>, legacy_parents: bool) -> Result<(), String> {
        let destination: Destination = destination.parse().unwrap();
        let compression = compression.map(|text| text.parse().unwrap());
        destination.check(compression, legacy_parents).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_destination_cannot_take_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let to = |scheme: &str| format!("{scheme}:{}/image", dir.path().display());
        for scheme in ["docker-archive", "oci", "oci-archive"] {
            check(&to(scheme), Some("zstd"), false).unwrap();
            check(&to(scheme), None, true).map_or_else(
                |error| assert!(error.contains("docker-archive:FILE") && scheme != "docker-archive", "{error}"),
                |()| assert_eq!(scheme, "docker-archive"),
            );
        }
        check(&to("docker-archive"), Some("none"), true).unwrap();
        assert!(check(&to("docker-archive"), Some("gzip"), true).unwrap_err().contains("without compression"));
        check("-", None, false).unwrap();
        check("-", Some("none"), false).unwrap();
        assert!(check("-", None, true).unwrap_err().contains("docker-archive:FILE"));
        for compression in ["gzip", "zstd:3"] {
            assert!(check("-", Some(compression), false).unwrap_err().contains("compress the stream"));
        }
        assert_eq!(list(dir.path()), [""; 0]);
    }

    #[test]
    fn a_place_that_takes_nothing_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs_err::write(at("file"), "").unwrap();
        fs_err::create_dir_all(at("layout/blobs")).unwrap();
        fs_err::create_dir(at("full")).unwrap();
        fs_err::write(at("full/x"), "").unwrap();
        fs_err::write(at("layout/oci-layout"), "{}").unwrap();
        fs_err::write(at("layout/index.json"), "[]").unwrap();
        for (scheme, name, says) in [
            ("docker-archive", "no/x", "does not exist"),
            ("oci-archive", "file/x", "is no directory"),
            ("oci", "no/x", "does not exist"),
            ("docker-archive", "full", "is a directory"),
            ("oci", "file", "is no directory; for a file"),
            ("oci", "full", "neither empty nor an image layout"),
            ("oci", "layout", "is no index of an image layout"),
        ] {
            let error = check(&format!("{scheme}:{}", at(name).display()), None, false).unwrap_err();
            assert!(error.contains(says), "{scheme}:{name}: {error}");
        }
        assert!(check_new_dir(&at("no/x")).unwrap_err().to_string().contains("does not exist"));
        assert!(check_new_dir(&at("full")).unwrap_err().to_string().contains("is no empty directory"));
        check_new_dir(&at("new")).unwrap();
        assert_eq!(list(dir.path()), ["file", "full", "layout"]);
        assert_eq!(list(&at("layout")), ["blobs", "index.json", "oci-layout"]);
    }
}
