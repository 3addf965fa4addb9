//! Directories that moved into `/usr`, and left links behind: `/bin -> usr/bin`.
//!
//! Packages may go on listing `/bin/sh`. In an image, that entry would lie below a link, and where the link is in
//! another layer, a directory would take its place and hide everything behind it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::error::DpkgError;

/// The links among `/bin`, `/sbin` and `/lib*`, and the absolute paths that they lead to.
#[derive(Debug, Default)]
pub(super) struct MergedUsr(BTreeMap<OsString, PathBuf>);

impl MergedUsr {
    /// Reads the links in the root directory.
    pub(super) fn read(root: &Path) -> Result<Self, DpkgError> {
        let mut links = BTreeMap::new();
        for entry in fs_err::read_dir(root)? {
            let entry = entry?;
            let name = entry.file_name();
            if is_merged_name(name.as_bytes())
                && entry.file_type()?.is_symlink()
                && let Some(target) = below_root(&fs_err::read_link(entry.path())?)
            {
                links.insert(name, target);
            }
        }
        Ok(Self(links))
    }

    /// Where a path lies; the links themselves lie where they are.
    pub(super) fn resolve(&self, path: PathBuf) -> PathBuf {
        let mut components = path.components();
        let target = match (components.next(), components.next()) {
            (Some(Component::RootDir), Some(Component::Normal(first))) => self.0.get(first),
            _ => None,
        };
        let rest = components.as_path();
        match target {
            Some(target) if rest != Path::new("") => target.join(rest),
            _ => path,
        }
    }

    /// The links through which `path` may be looked for.
    pub(super) fn links_to<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
        let leads_to = move |target: &Path| path != target && path.starts_with(target);
        self.0.iter().filter(move |(_, target)| leads_to(target)).map(|(name, _)| Path::new("/").join(name))
    }
}

fn is_merged_name(name: &[u8]) -> bool {
    name == b"bin" || name == b"sbin" || name.starts_with(b"lib")
}

/// The target of a link in the root directory as an absolute path; `None` where it would lead out of the root.
fn below_root(target: &Path) -> Option<PathBuf> {
    let mut absolute = PathBuf::from("/");
    for component in target.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => absolute.push(name),
            Component::ParentDir | Component::Prefix(_) => return None,
        }
    }
    Some(absolute)
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    #[test]
    fn links_at_the_root_are_followed_and_directories_are_not() {
        let root = TestRoot::new();
        root.symlink("usr/bin", "bin");
        root.symlink("/usr/lib64", "lib64");
        root.symlink("../elsewhere", "libx32");
        root.symlink("usr/share", "share");
        root.write("sbin/init", "");
        let merged = MergedUsr::read(root.path()).unwrap();
        for (path, expected) in [
            ("/bin/sh", "/usr/bin/sh"),
            ("/bin", "/bin"),
            ("/lib64/ld.so", "/usr/lib64/ld.so"),
            ("/libx32/x", "/libx32/x"),
            ("/share/x", "/share/x"),
            ("/sbin/init", "/sbin/init"),
            ("/usr/bin/sh", "/usr/bin/sh"),
            ("/", "/"),
        ] {
            assert_eq!(merged.resolve(PathBuf::from(path)), Path::new(expected), "{path}");
        }
    }

    #[test]
    fn a_file_can_be_looked_for_through_the_links_that_lead_above_it() {
        let root = TestRoot::new();
        root.symlink("usr/lib", "lib");
        root.symlink("usr/lib64", "lib64");
        let merged = MergedUsr::read(root.path()).unwrap();
        let links = |path: &str| merged.links_to(Path::new(path)).collect::<Vec<_>>();
        assert_eq!(links("/usr/lib64/ld.so"), [Path::new("/lib64")]);
        assert_eq!(links("/usr/lib/x86_64/libc.so"), [Path::new("/lib")]);
        assert_eq!(links("/usr/lib"), [] as [PathBuf; 0]);
        assert_eq!(links("/usr/share/x"), [] as [PathBuf; 0]);
    }
}
