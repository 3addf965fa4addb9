//! A file or directory that appears when it is complete, and not before.

use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::durability::Durability;
use crate::error::{DirectoryProblem, PackError};
use crate::progress::Observer;
use crate::staging::{self, StagingFolder};

/// The place for a file, checked before the work begins.
#[derive(Debug)]
pub struct FileInPlace {
    path: PathBuf,
}

impl FileInPlace {
    /// Follows symlinks, so that the file they lead to is replaced and not they.
    ///
    /// # Errors
    ///
    /// What is there already and is no regular file, or cannot be looked at.
    pub fn new(path: &Path) -> Result<Self, PackError> {
        let occupied = |reason| Err(PackError::Occupied { path: path.to_owned(), reason });
        match fs_err::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { path: path.to_owned() }),
            Err(error) => Err(no_place(path, parent(path), &error)),
            Ok(metadata) if metadata.is_symlink() => {
                let target = fs_err::canonicalize(path).map_err(PackError::Write)?;
                Self::new(&target)
            }
            Ok(metadata) if metadata.is_file() => Ok(Self { path: path.to_owned() }),
            Ok(metadata) if metadata.is_dir() => occupied("is a directory, and a file is to be written"),
            Ok(_) => occupied("is no regular file; write - for standard output"),
        }
    }

    /// Where it is, with symlinks followed.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A temporary file beside the place, with the permissions that the file is to have.
    ///
    /// # Errors
    ///
    /// Where the directory is missing or does not let us write; the error names it.
    pub fn create(&self) -> Result<NamedTempFile, PackError> {
        let dir = parent(&self.path);
        staging::new_file_in(dir).map_err(|error| no_place(&self.path, dir, &error))
    }

    /// Puts the temporary file into the place.
    ///
    /// # Errors
    ///
    /// Where it cannot be brought to the disk, or renamed.
    pub fn commit(&self, file: NamedTempFile, durability: Durability) -> Result<(), PackError> {
        durability.sync(file.as_file(), &self.path).map_err(PackError::Write)?;
        file.persist(&self.path).map_err(|error| {
            let message = format!("failed to rename a file to `{}`: {}", self.path.display(), error.error);
            PackError::Write(io::Error::new(error.error.kind(), message))
        })?;
        durability.sync_directory(parent(&self.path)).map_err(PackError::Write)
    }
}

/// The place for a new directory, which appears when it is complete.
#[derive(Debug)]
pub(crate) struct DirectoryInPlace {
    path: PathBuf,
    staging: StagingFolder,
}

impl DirectoryInPlace {
    /// Where something is already, there is no place, unless it is an empty directory.
    pub(crate) fn new(path: &Path) -> Result<Self, PackError> {
        let is_free = match fs_err::symlink_metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => return Err(no_place(path, parent(path), &error)),
            Ok(found) => found.is_dir() && fs_err::read_dir(path).is_ok_and(|mut children| children.next().is_none()),
        };
        match is_free {
            true => Ok(Self { path: path.to_owned(), staging: staging_beside(path)? }),
            false => Err(PackError::Occupied { path: path.to_owned(), reason: "exists, and is no empty directory" }),
        }
    }

    /// What is to be there.
    pub(crate) fn staging(&self) -> &Path {
        self.staging.path()
    }

    /// What has to be on the disk is there already, but for the names.
    pub(crate) fn commit(self, durability: Durability) -> Result<(), PackError> {
        durability.sync_directory(self.staging.path()).map_err(PackError::Write)?;
        fs_err::rename(self.staging.path(), &self.path).map_err(PackError::Write)?;
        self.staging.keep();
        durability.sync_directory(parent(&self.path)).map_err(PackError::Write)
    }
}

/// A temporary directory beside a path, on the same file system.
pub(crate) fn staging_beside(path: &Path) -> Result<StagingFolder, PackError> {
    staging_in(parent(path), path)
}

/// A temporary directory in `dir`, for what is to be at `destination`.
pub(crate) fn staging_in(dir: &Path, destination: &Path) -> Result<StagingFolder, PackError> {
    StagingFolder::new_in(dir).map_err(|error| no_place(destination, dir, &error))
}

/// Says what could not be removed after an image was written.
pub(crate) fn tell_of_rest(removed: io::Result<()>, observer: &dyn Observer) {
    if let Err(error) = removed {
        observer.warn(&format!("the image is complete, but {error}; `layerwright clean` removes it when it can be"));
    }
}

/// Why nothing can be created in `directory`. The error of the attempt names a temporary file, which nobody knows.
pub(crate) fn no_place(destination: &Path, directory: &Path, error: &io::Error) -> PackError {
    let problem = match fs_err::metadata(directory).map(|metadata| metadata.is_dir()) {
        Err(found) if found.kind() == io::ErrorKind::NotFound => DirectoryProblem::Missing,
        Err(found) if found.kind() == io::ErrorKind::NotADirectory => DirectoryProblem::NoDirectory,
        Ok(false) => DirectoryProblem::NoDirectory,
        _ => DirectoryProblem::NotWritable(error.kind()),
    };
    PackError::NoPlace { destination: destination.to_owned(), directory: directory.to_owned(), problem }
}

pub(crate) fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use crate::fixture::{Fixture, assert_verified, list, store_plan};

    #[test]
    fn existing_files_are_replaced_and_links_followed() {
        let dir = tempfile::tempdir().unwrap();
        fs_err::write(dir.path().join("image"), "old").unwrap();
        symlink("image", dir.path().join("link")).unwrap();
        Fixture::store().pack(&store_plan(), &format!("oci-archive:{}/link", dir.path().display())).unwrap();
        assert!(dir.path().join("link").is_symlink());
        assert_verified(&format!("{}/image", dir.path().display()));
        assert_eq!(list(dir.path()), ["image", "link"]);
    }

    #[test]
    fn devices_and_directories_are_not_replaced() {
        // A FIFO and not `/dev/null`: root would lose that for the whole machine, should this ever fail.
        let fixture = Fixture::store();
        fixture.fifo("/fifo");
        let fifo = fixture.at("/fifo");
        for (path, reason) in [
            (fifo.to_str().unwrap(), "is no regular file; write - for standard output"),
            (fixture.root().to_str().unwrap(), "is a directory, and a file is to be written"),
        ] {
            let error = fixture.pack(&store_plan(), &format!("docker-archive:{path}")).unwrap_err();
            assert_eq!(error.to_string(), format!("`{path}` {reason}"));
        }
    }

    #[test]
    fn missing_directory_is_named() {
        for (destination, message) in [
            ("docker-archive:/no/where/x", "`/no/where/x` cannot be written: the directory `/no/where` does not exist"),
            ("oci:/nowhere/x", "`/nowhere/x` cannot be written: the directory `/nowhere` does not exist"),
            ("oci-archive:/proc/stat/x", "`/proc/stat/x` cannot be written: `/proc/stat` is no directory"),
            ("oci:/proc/stat/x", "`/proc/stat/x` cannot be written: `/proc/stat` is no directory"),
        ] {
            // Were the files looked for first, it would be them that are missing.
            let error = Fixture::new().pack(&store_plan(), destination).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn directory_in_which_nothing_can_be_created_is_named() {
        // Not even root can write there.
        for destination in ["docker-archive:/proc/self/x", "oci:/proc/self/x"] {
            let message = Fixture::new().pack(&store_plan(), destination).unwrap_err().to_string();
            let expected = "`/proc/self/x` cannot be written: nothing can be created in `/proc/self`: ";
            assert!(message.starts_with(expected) && !message.contains(".layerwright-"), "{message}");
        }
    }
}
