//! Directories that moved into `/usr`, and left links behind: `/bin -> usr/bin`.
//!
//! Packages may go on listing `/bin/sh`. In an image, that entry would lie below a link, and where the link is in
//! another layer, a directory would take its place and hide everything behind it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};

use super::error::DpkgError;
use super::root::Root;

/// The links among `/bin`, `/sbin` and `/lib*`, and the absolute paths that they lead to.
#[derive(Debug, Default)]
pub(super) struct MergedUsr(BTreeMap<OsString, PathBuf>);

impl MergedUsr {
    /// Reads the links in the root directory.
    pub(super) fn read(root: Root<'_>) -> Result<Self, DpkgError> {
        let mut links = BTreeMap::new();
        for link in root.read_dir(Path::new("/"), is_merged_name)? {
            if let Some(target) = root.read_link(&link)?
                && let Some(target) = leads_to(root, &target)?
            {
                links.insert(link.file_name().unwrap_or_default().to_os_string(), target);
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

/// Where a link in the root directory leads, as packages spell it, and so through links that are farther on; `None` if
/// nobody can tell.
fn leads_to(root: Root<'_>, target: &Path) -> io::Result<Option<PathBuf>> {
    let mut absolute = PathBuf::from("/");
    for component in target.components() {
        match component {
            Component::Normal(name) => absolute.push(name),
            // A name before it may be that of a link, and `..` then leaves the directory that this leads to.
            Component::ParentDir if absolute != Path::new("/") => return root.real_path(target),
            // The parent of the root is the root.
            Component::ParentDir | Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    Ok(Some(absolute))
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
        root.symlink("../../usr/libx32", "libx32");
        root.write("data/real/lib32/x", "");
        root.symlink("data/real/lib32", "through");
        root.symlink("through/../lib32", "lib32");
        root.symlink("nowhere/../lib", "lib");
        root.symlink("usr/share", "share");
        root.write("sbin/init", "");
        let merged = MergedUsr::read(root.root()).unwrap();
        for (path, expected) in [
            ("/bin/sh", "/usr/bin/sh"),
            ("/bin", "/bin"),
            ("/lib64/ld.so", "/usr/lib64/ld.so"),
            ("/libx32/x", "/usr/libx32/x"),
            ("/lib32/x", "/data/real/lib32/x"),
            ("/lib/x", "/lib/x"),
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
        let merged = MergedUsr::read(root.root()).unwrap();
        let links = |path: &str| merged.links_to(Path::new(path)).collect::<Vec<_>>();
        assert_eq!(links("/usr/lib64/ld.so"), [Path::new("/lib64")]);
        assert_eq!(links("/usr/lib/x86_64/libc.so"), [Path::new("/lib")]);
        assert_eq!(links("/usr/lib"), [] as [PathBuf; 0]);
        assert_eq!(links("/usr/share/x"), [] as [PathBuf; 0]);
    }
}
