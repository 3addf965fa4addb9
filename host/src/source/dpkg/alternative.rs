//! Links that the system chose among several packages (update-alternatives), such as `/usr/bin/awk`.
//!
//! No package lists them: `/usr/bin/awk` leads to `/etc/alternatives/awk`, and that to `/usr/bin/mawk`. Here each
//! belongs to the package that the choice fell on, and so do the links that follow it, such as its manual page.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::PackageFile;
use super::error::DpkgError;
use super::file_list::{lines, parse_path};
use super::merged_usr::MergedUsr;
use super::need::Need;
use super::root::Root;

/// The links to add, by the file that was chosen; the order is that of the records, by name.
#[derive(Debug, Default)]
pub(super) struct Alternatives(BTreeMap<OsString, Vec<PathBuf>>);

/// The links of one record.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    master: PathBuf,
    /// Names and links.
    slaves: Vec<(Vec<u8>, PathBuf)>,
}

impl Alternatives {
    /// Reads the records in `var/lib/dpkg/alternatives` and the links in `etc/alternatives`.
    pub(super) fn read(root: Root<'_>, merged_usr: &MergedUsr) -> Result<Self, DpkgError> {
        let mut alternatives = Self::default();
        for path in root.read_dir(Path::new("/var/lib/dpkg/alternatives"), is_record)? {
            let name = path.file_name().unwrap_or_default();
            let Some(target) = root.read_link(&choice(name.as_bytes()))? else { continue };
            let Some(text) = root.read(&path)? else { continue };
            let record = parse(&text).map_err(|(line, reason)| DpkgError::InvalidLine {
                file: root.named_path(&path),
                line,
                reason,
            })?;
            let chosen = merged_usr.resolve(target).into_os_string();
            let links = alternatives.0.entry(chosen).or_default();
            links.extend(existing_links(root, merged_usr, name.as_bytes(), record)?);
        }
        Ok(alternatives)
    }

    /// Adds the links of each choice to the package whose file it is; the first one, should there be several.
    pub(super) fn add_to(mut self, files: &mut BTreeMap<String, Vec<PackageFile>>) {
        for list in files.values_mut() {
            let chosen: Vec<PathBuf> =
                list.iter().filter_map(|file| self.0.remove(file.path.as_os_str())).flatten().collect();
            if chosen.is_empty() {
                continue;
            }
            let mut seen: BTreeSet<PathBuf> = list.iter().map(|file| file.path.clone()).collect();
            let new = chosen.into_iter().filter(|path| seen.insert(path.clone()));
            list.extend(new.map(|path| PackageFile { path, need: Need::Optional }));
        }
    }
}

/// Others are being written, or were when the machine stopped.
fn is_record(name: &[u8]) -> bool {
    !name.ends_with(b".dpkg-tmp")
}

/// Where the link lies that says what was chosen for a name.
fn choice(name: &[u8]) -> PathBuf {
    Path::new("/etc/alternatives").join(OsStr::from_bytes(name))
}

/// Those links of a record that are there, each with the one in `/etc/alternatives` that it leads through.
fn existing_links(
    root: Root<'_>,
    merged_usr: &MergedUsr,
    name: &[u8],
    record: Record,
) -> Result<Vec<PathBuf>, DpkgError> {
    let mut links = Vec::new();
    for (name, link) in [(name.to_vec(), record.master)].into_iter().chain(record.slaves) {
        for path in [merged_usr.resolve(link), choice(&name)] {
            if root.read_link(&path)?.is_some() {
                links.push(path);
            }
        }
    }
    Ok(links)
}

/// Reads the head of a record: its mode, the master link, then name and link of each slave up to an empty line. What
/// could be chosen comes after it, and is not needed to know what was.
fn parse(text: &[u8]) -> Result<Record, (usize, &'static str)> {
    let mut lines = lines(text).zip(1..);
    let mut next = || lines.next().ok_or((1, "the record ends too early"));
    let (mode, line) = next()?;
    if mode != b"auto" && mode != b"manual" {
        return Err((line, "neither `auto` nor `manual`"));
    }
    let (master, line) = next()?;
    let master = parse_path(master).map_err(|reason| (line, reason))?;
    let mut slaves = Vec::new();
    loop {
        let (name, line) = next()?;
        if name.is_empty() {
            return Ok(Record { master, slaves });
        }
        if name.contains(&b'/') || name.contains(&0) || name == b"." || name == b".." {
            return Err((line, "not a name"));
        }
        let (link, line) = next()?;
        slaves.push((name.to_vec(), parse_path(link).map_err(|reason| (line, reason))?));
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_root::TestRoot;
    use super::*;

    const AWK: &str = "auto\n/bin/awk\nawk.1.gz\n/usr/share/man/man1/awk.1.gz\nnawk\n/usr/bin/nawk\n\n\
                       /usr/bin/mawk\n5\n/usr/share/man/man1/mawk.1.gz\n\n\n";

    fn files(nodes: &[(&str, &str)]) -> BTreeMap<String, Vec<PackageFile>> {
        let file = |path: &str| PackageFile { path: PathBuf::from(path), need: Need::Required };
        nodes.iter().map(|(node, path)| (node.to_string(), vec![file(path)])).collect()
    }

    fn awk_root(chosen: &str) -> TestRoot {
        let root = TestRoot::new();
        root.symlink("usr/bin", "bin");
        root.write("var/lib/dpkg/alternatives/awk", AWK);
        root.symlink(chosen, "etc/alternatives/awk");
        root.symlink("/etc/alternatives/awk", "usr/bin/awk");
        root.symlink("/usr/share/man/man1/mawk.1.gz", "etc/alternatives/awk.1.gz");
        root.symlink("/etc/alternatives/awk.1.gz", "usr/share/man/man1/awk.1.gz");
        root
    }

    fn added(root: &TestRoot, mut files: BTreeMap<String, Vec<PackageFile>>) -> Vec<(String, String)> {
        let merged_usr = MergedUsr::read(root.root()).unwrap();
        Alternatives::read(root.root(), &merged_usr).unwrap().add_to(&mut files);
        let optional = |(node, list): (String, Vec<PackageFile>)| {
            let paths = list.into_iter().filter(|file| file.need == Need::Optional);
            paths.map(move |file| (node.clone(), file.path.to_str().unwrap().to_string())).collect::<Vec<_>>()
        };
        files.into_iter().flat_map(optional).collect()
    }

    #[test]
    fn links_that_exist_go_to_the_package_that_was_chosen() {
        for chosen in ["/usr/bin/mawk", "/bin/mawk"] {
            let added = added(&awk_root(chosen), files(&[("gawk", "/usr/bin/gawk"), ("mawk", "/usr/bin/mawk")]));
            let expected =
                ["/usr/bin/awk", "/etc/alternatives/awk", "/usr/share/man/man1/awk.1.gz", "/etc/alternatives/awk.1.gz"];
            assert_eq!(added, expected.map(|path| ("mawk".to_string(), path.to_string())), "{chosen}");
        }
    }

    #[test]
    fn a_choice_that_is_not_in_the_closure_adds_nothing() {
        let root = awk_root("/usr/bin/mawk");
        assert!(added(&root, files(&[("gawk", "/usr/bin/gawk")])).is_empty());
        assert!(added(&TestRoot::new(), files(&[("mawk", "/usr/bin/mawk")])).is_empty());
    }

    #[test]
    fn a_link_that_the_package_lists_itself_is_not_added_again() {
        let root = awk_root("/usr/bin/mawk");
        let mut files = files(&[("mawk", "/usr/bin/mawk")]);
        let listed = PackageFile { path: PathBuf::from("/usr/bin/awk"), need: Need::Required };
        files.get_mut("mawk").unwrap().push(listed);
        assert_eq!(added(&root, files)[0].1, "/etc/alternatives/awk");
    }

    #[test]
    fn slaves_are_read_up_to_the_empty_line() {
        let record = parse(AWK.as_bytes()).unwrap();
        assert_eq!(record.master, Path::new("/bin/awk"));
        let names: Vec<&[u8]> = record.slaves.iter().map(|(name, _)| name.as_slice()).collect();
        assert_eq!(names, [&b"awk.1.gz"[..], b"nawk"]);
    }

    #[test]
    fn malformed_records_are_refused_with_their_line() {
        for (text, line) in [
            ("", 1),
            ("maybe\n", 1),
            ("auto\nusr/bin/awk\n\n", 2),
            ("auto\n/a\n../b\n/b\n\n", 3),
            ("auto\n/a\nb\n/../b\n\n", 4),
            ("auto\n/a\nb\n", 1),
        ] {
            assert_eq!(parse(text.as_bytes()).unwrap_err().0, line, "{text:?}");
        }
    }
}
