//! What can be done to the customisation layer.

use std::fmt;
use std::path::PathBuf;

use super::ModeChange;

/// One step on the way to the customisation layer. Steps are done one after the other, as the lines of a script are.
///
/// Paths in the image are absolute. Where one leads through a symlink, the link is followed within the image, never on
/// this machine; where it leads to nothing that is known, the step is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Makes what lies in a directory, most often a store path, appear at the root of the image. Several such
    /// directories are joined: where two have a file of the same name, these have to be the same file, or files of the
    /// same content and mode.
    ///
    /// Directories are always real ones of mode 0755, so that what a base image has in them stays. Left out is what each
    /// package has and nobody can join, such as `nix-support`.
    CopyToRoot {
        /// A directory below the root of the request, as the image names it.
        path: PathBuf,
        /// What is made of its files.
        mode: CopyMode,
    },
    /// Copies a file, or a directory with all that is below it, from this machine.
    ///
    /// Modes are kept; everything belongs to the default owner; links are kept as they are, except for `source` itself.
    /// Files that are in the way are replaced, directories are merged. Only files, directories and symlinks can be added.
    Add {
        /// On this machine. With a `/` at its end, what is in the directory is added, and not the directory itself.
        source: PathBuf,
        /// In the image. With a `/` at its end, the source keeps its name and comes to lie in it.
        dest: PathBuf,
    },
    /// Makes a directory, and those above it. One that is there already stays, with the mode that is given.
    Mkdir {
        /// In the image.
        path: PathBuf,
        /// `None` for 0755, or what is usual for `/tmp`, `/var/tmp` and `/root`.
        mode: Option<u32>,
    },
    /// Makes a symlink. Nothing else may be there.
    Symlink {
        /// What the link says. It need not exist.
        target: PathBuf,
        /// In the image.
        link: PathBuf,
    },
    /// Gives a file, or a directory with all that is below it, to an owner. Links are not followed.
    Chown {
        /// The user's number.
        uid: u32,
        /// The group's number.
        gid: u32,
        /// In the image.
        path: PathBuf,
    },
    /// Changes the mode of one file or directory, as chmod(1) does.
    Chmod {
        /// How.
        mode: ModeChange,
        /// In the image.
        path: PathBuf,
    },
    /// Unpacks a tar, which may be compressed with gzip, zstd, xz or bzip2, or copies what is in a directory; with modes, owners,
    /// devices, FIFOs and capabilities as they are there. Files that are in the way are replaced, directories are merged.
    /// What is said of the top directory itself is lost: the root of an image has no entry in a layer.
    Import(PathBuf),
    /// Takes back what scripts have made of the files so far: a tar of the folder into which [`stage`] has written them, or
    /// the folder itself. What is not in it is not in the layer any more.
    ///
    /// Anybody may write that folder, so it need not tell everything. What it does not tell stays as it was here: modes and
    /// owners of the base image's directories, above all.
    ///
    /// [`stage`]: super::Customisation::stage
    Staged {
        /// The tar or the folder.
        path: PathBuf,
        /// What it tells.
        attributes: StagedAttributes,
    },
    /// Makes the files by which programs know users, groups and how names of machines are looked up: `/etc/passwd` and
    /// `/etc/group` with root and nobody, `/etc/nsswitch.conf`, and the empty directory `/var/empty`.
    FakeNss,
}

/// What is made of the files of a directory that is copied to the root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CopyMode {
    /// Symlinks to them. The directory has to be in the image, too.
    #[default]
    Links,
    /// Files with the modes of theirs, and links as they are.
    Files,
}

/// What a folder for scripts tells of the owners and modes in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StagedAttributes {
    /// Those that somebody has changed: modes other than those that were written, and owners other than root and the
    /// default one.
    #[default]
    Changed,
    /// All of them. For a folder where the script of [`write_attributes`] ran, under fakeroot, before anybody else came.
    ///
    /// [`write_attributes`]: super::Customisation::write_attributes
    All,
}

/// What was going on when something failed.
impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CopyToRoot { path, .. } => write!(f, "copying `{}` to the root", path.display()),
            Self::Add { source, dest } => write!(f, "adding `{}` as `{}`", source.display(), dest.display()),
            Self::Mkdir { path, .. } => write!(f, "making the directory `{}`", path.display()),
            Self::Symlink { target, link } => write!(f, "linking `{}` to `{}`", link.display(), target.display()),
            Self::Chown { uid, gid, path } => write!(f, "giving `{}` to {uid}:{gid}", path.display()),
            Self::Chmod { mode, path } => write!(f, "changing the mode of `{}` by {mode}", path.display()),
            Self::Import(path) => write!(f, "importing `{}`", path.display()),
            Self::Staged { path, .. } => write!(f, "taking back `{}`", path.display()),
            Self::FakeNss => write!(f, "making the files of users and groups"),
        }
    }
}
