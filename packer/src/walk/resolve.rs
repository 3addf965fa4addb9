//! Finds out where a path below a root leads, as a process would see it whose root that is.
//!
//! A package lists `/lib64/ld-linux-x86-64.so.2`, and on disk `/lib64` is a symlink to `usr/lib64`. The kernel would
//! follow the link, but with the target `/usr/lib64` it would leave the root; and an image needs the link itself, too.
//! So directories are resolved component by component, and everything on the way is kept.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::entry::{Base, EntryName, LinksBefore};
use crate::error::PackError;

/// As many symlinks as Linux follows.
const MAX_LINKS: u32 = 40;

/// The directory below which everything is looked up.
pub(crate) struct Root<'a> {
    /// As it was given.
    named: &'a Path,
    path: Cow<'a, Path>,
    links: LinksBefore,
}

/// A directory with the way to it.
#[derive(Debug)]
pub(super) struct Resolved {
    /// Relative to the root, without symlinks. Empty for the root itself.
    pub(super) directory: EntryName,
    /// Every directory and symlink that was passed, under its own name relative to the root, in the order in which they
    /// were passed. Includes the directory itself; some may be there twice.
    pub(super) passed: Vec<(EntryName, Metadata)>,
}

/// What becomes of a symlink that a path ends at; those before it are always followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLink {
    /// It is followed, as open(2) does.
    Follow,
    /// It is what was looked for, as with lstat(2) and readlink(2).
    Keep,
}

/// Where a path leads.
struct Followed {
    resolved: Resolved,
    /// What lies at the end, if that is something else than a directory.
    end: Option<EntryName>,
}

/// Why a path leads nowhere.
#[derive(Debug)]
pub(crate) enum ResolveError {
    /// A component does not exist, or is no directory.
    Missing,
    TooManyLinks,
    Io(io::Error),
}

impl<'a> Root<'a> {
    pub(super) fn new(path: &'a Path) -> Self {
        Self { named: path, path: path.into(), links: LinksBefore::Maybe }
    }

    /// Follows the symlinks to the root once and for all, so that no resolved path leads through one.
    pub(crate) fn real(path: &'a Path) -> Result<Self, PackError> {
        let real = match fs_err::canonicalize(path) {
            // Then everything is missing, and reported as that.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::new(path)),
            real => real.map_err(PackError::Read)?,
        };
        let identity = |path: &Path| fs_err::metadata(path).map(|found| (found.dev(), found.ino()));
        // The text of a link below `/proc` is not where it leads.
        match identity(path).map_err(PackError::Read)? == identity(&real).map_err(PackError::Read)? {
            true => Ok(Self { named: path, path: real.into(), links: LinksBefore::Never }),
            false => Ok(Self::new(path)),
        }
    }

    /// Where a name relative to the root is on this machine, and all below it, where an entry is called `prefix` bytes
    /// longer.
    pub(crate) fn base(&self, name: &EntryName, prefix: usize) -> Base {
        let path = if name.0.is_empty() { self.path.to_path_buf() } else { self.host_path(name) };
        Base { path, prefix, links: self.links }
    }

    /// The path on this machine of a name relative to the root.
    pub(super) fn host_path(&self, name: &EntryName) -> PathBuf {
        self.path.join(name.as_path())
    }

    /// The path on this machine of what a node names, with the symlinks in it.
    pub(super) fn named_path(&self, path: &Path) -> PathBuf {
        self.named.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Follows every symlink of `path`, the last component included.
    pub(super) fn resolve(&self, path: &[u8]) -> Result<Resolved, ResolveError> {
        match self.follow(path)? {
            Followed { resolved, end: None } => Ok(resolved),
            Followed { end: Some(_), .. } => Err(ResolveError::Missing),
        }
    }

    /// The name without symlinks before its last component. What lies there exists.
    pub(crate) fn locate(&self, path: &[u8], last: LastLink) -> Result<EntryName, ResolveError> {
        let mut ahead: Vec<Vec<u8>> = components(path).collect();
        if last == LastLink::Keep
            && let Some(name) = ahead.pop_if(|name| name != b"..")
        {
            let name = self.resolve(&ahead.join(&b'/'))?.directory.child(OsStr::from_bytes(&name));
            self.metadata(&name)?;
            return Ok(name);
        }
        let Followed { resolved, end } = self.follow(path)?;
        Ok(end.unwrap_or(resolved.directory))
    }

    fn follow(&self, path: &[u8]) -> Result<Followed, ResolveError> {
        let mut end = None;
        let mut real: Vec<EntryName> = vec![EntryName(Vec::new())];
        let mut passed = Vec::new();
        let mut links = 0;
        let mut ahead: VecDeque<Vec<u8>> = components(path).collect();
        while let Some(component) = ahead.pop_front() {
            if component == b".." {
                // The parent of the root is the root.
                real.truncate((real.len() - 1).max(1));
                continue;
            }
            let here = real.last().expect("the root is never removed");
            let name = here.child(OsStr::from_bytes(&component));
            let metadata = self.metadata(&name)?;
            if metadata.is_symlink() {
                links += 1;
                if links > MAX_LINKS {
                    return Err(ResolveError::TooManyLinks);
                }
                let target = fs_err::read_link(self.host_path(&name)).map_err(ResolveError::Io)?;
                let target = target.as_os_str().as_bytes();
                if target.starts_with(b"/") {
                    real.truncate(1);
                }
                for component in components(target).collect::<Vec<_>>().into_iter().rev() {
                    ahead.push_front(component);
                }
            } else if metadata.is_dir() {
                real.push(name.clone());
            } else if ahead.is_empty() {
                end = Some(name.clone());
            } else {
                return Err(ResolveError::Missing);
            }
            passed.push((name, metadata));
        }
        let directory = real.pop().expect("the root is never removed");
        Ok(Followed { resolved: Resolved { directory, passed }, end })
    }

    /// What is there under a name whose directory is resolved. A symlink is not followed.
    pub(super) fn metadata(&self, name: &EntryName) -> Result<Metadata, ResolveError> {
        fs_err::symlink_metadata(self.host_path(name)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => ResolveError::Missing,
            _ => ResolveError::Io(error),
        })
    }
}

/// Returns where `path` lies on this machine, as a process would see it whose root `root` is.
///
/// Links with an absolute target start at `root`, `..` never leaves it, and whether `path` starts with a slash makes no
/// difference. Below `root`, the result leads through no symlink; `None` where nothing lies there. This is for trees
/// that nobody writes to: who can put a link where a directory was may still lead us out.
///
/// # Errors
///
/// More than 40 links, or what the system says, both with the path.
pub fn locate(root: &Path, path: &Path, last: LastLink) -> io::Result<Option<PathBuf>> {
    let root = Root::new(root);
    match root.locate(path.as_os_str().as_bytes(), last) {
        Ok(name) => Ok(Some(root.host_path(&name))),
        Err(ResolveError::Missing) => Ok(None),
        Err(ResolveError::TooManyLinks) => {
            let path = root.named_path(path);
            Err(io::Error::other(format!("`{}` leads through more than {MAX_LINKS} symlinks", path.display())))
        }
        Err(ResolveError::Io(error)) => Err(error),
    }
}

/// Splits a path; empty components and `.` say nothing.
pub(super) fn components(path: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn fixture() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        fs_err::create_dir_all(at("usr/lib/x")).unwrap();
        fs_err::write(at("usr/file"), "").unwrap();
        for (link, target) in [
            ("lib", "usr/lib"),
            ("abs", "/usr/lib"),
            ("up", "../../../../usr"),
            ("chain", "lib/../../abs/x"),
            ("loop", "loop"),
            ("gone", "nowhere"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        dir
    }

    fn check(path: &str, directory: &str, passed: &[&str]) {
        let dir = fixture();
        let resolved = Root::new(dir.path()).resolve(path.as_bytes()).unwrap();
        assert_eq!(resolved.directory.as_path(), Path::new(directory));
        let names: Vec<_> = resolved.passed.iter().map(|(name, _)| name.as_path().to_str().unwrap()).collect();
        assert_eq!(names, passed);
    }

    #[test]
    fn links_are_followed_below_the_root() {
        check("/", "", &[]);
        check("//usr/./lib/", "usr/lib", &["usr", "usr/lib"]);
        check("/lib/x", "usr/lib/x", &["lib", "usr", "usr/lib", "usr/lib/x"]);
        check("/abs", "usr/lib", &["abs", "usr", "usr/lib"]);
        check("/up", "usr", &["up", "usr"]);
        check("/../..", "", &[]);
        let way = ["chain", "lib", "usr", "usr/lib", "abs", "usr", "usr/lib", "usr/lib/x"];
        check("/chain", "usr/lib/x", &way);
        // `..` after a link leaves the directory that the link leads to.
        check("/lib/..", "usr", &["lib", "usr", "usr/lib"]);
    }

    #[test]
    fn files_and_links_are_located_below_the_root() {
        use LastLink::{Follow, Keep};
        let dir = fixture();
        symlink("/up/file", dir.path().join("to-file")).unwrap();
        for (path, last, expected) in [
            ("/", Keep, Some("")),
            ("usr/file", Follow, Some("usr/file")),
            ("/abs/../file", Keep, Some("usr/file")),
            ("/to-file", Follow, Some("usr/file")),
            ("/to-file", Keep, Some("to-file")),
            ("/abs", Follow, Some("usr/lib")),
            ("/up/lib/..", Keep, Some("usr")),
            ("/loop", Keep, Some("loop")),
            ("/gone", Follow, None),
            ("/usr/file/..", Follow, None),
            ("/to-file/x", Keep, None),
        ] {
            let located = locate(dir.path(), Path::new(path), last).unwrap();
            assert_eq!(located, expected.map(|name| dir.path().join(name)), "{path} {last:?}");
        }
        let error = locate(dir.path(), Path::new("/loop"), Follow).unwrap_err().to_string();
        assert!(error.ends_with("/loop` leads through more than 40 symlinks"), "{error}");
    }

    #[test]
    fn what_leads_nowhere_is_told_apart() {
        let dir = fixture();
        let root = Root::new(dir.path());
        for path in ["/nowhere", "/gone", "/usr/file/x", "/usr/file"] {
            assert!(matches!(root.resolve(path.as_bytes()), Err(ResolveError::Missing)), "{path}");
        }
        assert!(matches!(root.resolve(b"/loop"), Err(ResolveError::TooManyLinks)));
    }
}
