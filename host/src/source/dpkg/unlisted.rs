//! Symlinks that no package lists, in images without dpkg: check sums are of regular files only.
//!
//! Programs ask for `libz.so.1`, which leads to `libz.so.1.3`, and for the loader in `/lib64`. So a symlink that lies beside
//! files of packages, or where the loader's link does, belongs to the package whose file it leads to, or else to the first
//! one with files in the directory that it leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::PackageFile;
use super::error::DpkgError;
use super::merged_usr::MergedUsr;
use super::need::Need;
use super::root::Root;

/// Where links may lie alone.
const LIBRARIES: [&str; 4] = ["/lib", "/lib64", "/usr/lib", "/usr/lib64"];

/// Adds such links to the files of `nodes`, which know regular files only.
pub(super) fn add_links(
    root: Root<'_>,
    merged_usr: &MergedUsr,
    nodes: &BTreeSet<String>,
    files: &mut BTreeMap<String, Vec<PackageFile>>,
) -> Result<(), DpkgError> {
    let owners = owners(nodes, files);
    let beside = nodes.iter().flat_map(|node| &files[node]).filter_map(|file| file.path.parent());
    let directories: BTreeSet<PathBuf> = beside.chain(LIBRARIES.map(Path::new)).map(Path::to_path_buf).collect();
    let mut seen: BTreeSet<PathBuf> = files.values().flatten().map(|file| file.path.clone()).collect();
    for directory in directories.iter().filter(|directory| !nodes.is_empty() && directory.parent().is_some()) {
        for link in root.read_dir(directory, |_| true)? {
            let link = merged_usr.resolve(link);
            if root.read_link(&link)?.is_none() || seen.contains(&link) {
                continue;
            }
            // In a circle is nowhere, too.
            let target = root.real_path(&link).unwrap_or_default();
            if let Some(owner) = target.and_then(|target| owners.get(&target)) {
                // What is looked for through a link at the root, needs that, too.
                let new = merged_usr.links_to(&link).chain([link.clone()]).filter(|path| seen.insert(path.clone()));
                let new = new.map(|path| PackageFile { path, need: Need::Optional });
                files.get_mut(owner).expect("owners are among them").extend(new);
            }
        }
    }
    Ok(())
}

/// Who has which file, and who is the first to have one in which directory.
fn owners(nodes: &BTreeSet<String>, files: &BTreeMap<String, Vec<PackageFile>>) -> BTreeMap<PathBuf, String> {
    let mut owners = BTreeMap::new();
    for node in nodes {
        for file in &files[node] {
            // The root directory belongs to nobody.
            for path in file.path.ancestors().filter(|path| path.parent().is_some()) {
                owners.entry(path.to_path_buf()).or_insert_with(|| node.clone());
            }
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    #[test]
    fn links_belong_to_the_package_that_they_lead_to() {
        let root = TestRoot::new();
        for file in ["usr/lib/x/libz.so.1.3", "usr/lib/x/libc.so.6", "usr/share/z/data", "usr/lib/x/stranger"] {
            root.write(file, "");
        }
        for (target, link) in [
            ("usr/lib64", "lib64"),
            ("/usr/lib/x/libc.so.6", "usr/lib64/ld.so"),
            ("libz.so.1", "usr/lib/x/libz.so"),
            ("libz.so.1.3", "usr/lib/x/libz.so.1"),
            ("../../share/z", "usr/lib/x/z"),
            ("stranger", "usr/lib/x/to-stranger"),
            ("circle", "usr/lib/x/circle"),
            ("/", "usr/lib/x/root"),
            ("libz.so.1.3", "usr/lib/x/listed"),
            ("/usr/lib/x/libc.so.6", "elsewhere/libc.so"),
        ] {
            root.symlink(target, link);
        }
        let lists = [
            ("c", vec!["/usr/lib/x/libc.so.6"]),
            ("dpkg", vec!["/usr/lib/x/listed"]),
            ("z", vec!["/usr/lib/x/libz.so.1.3", "/usr/share/z/data"]),
        ];
        let file = |path: &str| PackageFile { path: path.into(), need: Need::Required };
        let list =
            |(node, paths): &(&str, Vec<&str>)| (node.to_string(), paths.iter().map(|path| file(path)).collect());
        let mut files: BTreeMap<String, Vec<PackageFile>> = lists.iter().map(list).collect();
        let nodes = ["c".to_string(), "z".to_string()].into();
        let merged_usr = MergedUsr::read(root.root()).unwrap();
        add_links(root.root(), &merged_usr, &nodes, &mut files).unwrap();
        let added = |node: &str| -> Vec<&str> {
            let new = files[node].iter().filter(|file| file.need == Need::Optional);
            new.map(|file| file.path.to_str().unwrap()).collect()
        };
        assert_eq!(added("c"), ["/lib64", "/usr/lib64/ld.so"]);
        assert_eq!(added("z"), ["/usr/lib/x/libz.so", "/usr/lib/x/libz.so.1", "/usr/lib/x/z"]);
        assert_eq!(added("dpkg"), [""; 0]);
    }
}
