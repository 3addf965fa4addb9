//! Where the files of a node are.

use std::path::PathBuf;

/// Where the files of a node are. Every path is absolute and read below the root of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeFiles {
    /// A store path: itself and everything below it. Packed under its absolute name, owned by root, as read-only as it
    /// is on disk.
    Tree(PathBuf),
    /// Exactly these paths, as a package lists them. Packed under relative names, with modes and owners as on disk, and
    /// with every directory on the way to them.
    List(Vec<ListedFile>),
}

/// One path of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListedFile {
    /// Absolute, as the package names it: directories above it may be symlinks on disk.
    pub path: PathBuf,
    /// Whether it is an error that the file does not exist. Where it is not, the file is left out: the administrator may
    /// have removed a configuration file, and dpkg can be told not to install some paths.
    pub required: bool,
}
