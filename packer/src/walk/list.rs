//! Walks the files that a package lists.
//!
//! For each listed path:
//!
//! 1. Its directory is resolved below the root. Every directory and symlink on the way becomes an entry, also those that
//!    no package owns, such as the links of a merged `/usr`.
//! 2. What is at the resolved place becomes an entry under the resolved name, so that the name holds no link. It is not
//!    followed.
//! 3. Except that a symlink which leads to a directory brings the way to it: a package may list as directory what is
//!    a link on disk.

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{lgetxattr, major, minor};
use rustix::io::Errno;

use super::resolve::{ResolveError, Resolved, Root, components};
use crate::entry::{Base, Content, Entry, EntryKind, EntryName};
use crate::error::{MissingFile, PackError};
use crate::files::ListedFile;

/// Longer than any value that Linux knows for `security.capability`, which is 24 bytes.
pub(crate) const MAX_CAPABILITY_BYTES: usize = 256;

/// Returns the entries under their names relative to the root. Files that should be there go to `missing`.
pub(super) fn walk_list(
    node: &str,
    files: &[ListedFile],
    root: &Root<'_>,
    missing: &mut Vec<MissingFile>,
) -> Result<BTreeMap<EntryName, Entry>, PackError> {
    let base = Arc::new(root.base(&EntryName(Vec::new()), 0));
    let mut walk = Walk { node, root, base, entries: BTreeMap::new(), directories: HashMap::new() };
    for ListedFile { path, required } in files {
        match walk.add_listed(path) {
            Ok(()) => {}
            Err(Problem::Missing) if *required => {
                let (node, listed) = (node.to_owned(), Some(path.clone()));
                missing.push(MissingFile { node, path: root.named_path(path), listed });
            }
            Err(Problem::Missing) => {}
            Err(Problem::Other(error)) => return Err(error),
        }
    }
    Ok(walk.entries)
}

/// A missing file is collected, everything else ends the walk.
enum Problem {
    Missing,
    Other(PackError),
}

impl From<PackError> for Problem {
    fn from(error: PackError) -> Self {
        Self::Other(error)
    }
}

struct Walk<'a> {
    node: &'a str,
    root: &'a Root<'a>,
    base: Arc<Base>,
    entries: BTreeMap<EntryName, Entry>,
    /// Directories as listed, with the place they lead to. The way to them is among the entries.
    directories: HashMap<Vec<u8>, Option<EntryName>>,
}

impl Walk<'_> {
    fn add_listed(&mut self, path: &Path) -> Result<(), Problem> {
        let bytes = path.as_os_str().as_bytes();
        let mut parts: Vec<Vec<u8>> = components(bytes).collect();
        if !bytes.starts_with(b"/") || parts.iter().any(|part| part == b"..") {
            let reason = "is no absolute path, or has `..` in it";
            return Err(PackError::InvalidPath { node: self.node.to_owned(), path: path.to_owned(), reason }.into());
        }
        // The root itself has no entry: its metadata is the container tool's.
        let Some(last) = parts.pop() else { return Ok(()) };
        let directory = self.directory(path, parts.join(&b'/'))?.ok_or(Problem::Missing)?;
        let name = directory.child(OsStr::from_bytes(&last));
        if self.entries.contains_key(&name) {
            return Ok(());
        }
        let metadata = self.root.metadata(&name).map_err(|error| self.problem(path, error))?;
        let is_symlink = metadata.is_symlink();
        self.add(name.clone(), &metadata)?;
        if is_symlink {
            match self.root.resolve(&name.0) {
                Ok(resolved) => self.add_passed(resolved.passed)?,
                // To a file, to nowhere, or in a circle: packages may ship such links.
                Err(ResolveError::Missing | ResolveError::TooManyLinks) => {}
                Err(ResolveError::Io(error)) => return Err(PackError::Read(error).into()),
            }
        }
        Ok(())
    }

    /// Resolves the directory of a listed path. `None` if it does not exist.
    fn directory(&mut self, path: &Path, listed: Vec<u8>) -> Result<Option<EntryName>, Problem> {
        if let Some(known) = self.directories.get(&listed) {
            return Ok(known.clone());
        }
        let place = match self.root.resolve(&listed) {
            Ok(Resolved { directory, passed }) => {
                self.add_passed(passed)?;
                Some(directory)
            }
            Err(ResolveError::Missing) => None,
            Err(error) => return Err(self.problem(path, error)),
        };
        self.directories.insert(listed, place.clone());
        Ok(place)
    }

    fn add_passed(&mut self, passed: Vec<(EntryName, Metadata)>) -> Result<(), PackError> {
        passed.into_iter().try_for_each(|(name, metadata)| self.add(name, &metadata))
    }

    fn add(&mut self, name: EntryName, metadata: &Metadata) -> Result<(), PackError> {
        if self.entries.contains_key(&name) {
            return Ok(());
        }
        let path = self.root.host_path(&name);
        let device = metadata.rdev();
        let is_of_overlay = metadata.file_type().is_char_device() && (major(device), minor(device)) == (0, 0);
        if name.is_whiteout() || is_of_overlay {
            return Err(PackError::Whiteout { node: self.node.to_owned(), path });
        }
        if let Some(kind) = kind_of(&path, &self.base, metadata)? {
            let capability = if metadata.is_file() { read_capability(&path)? } else { None };
            let mode = if metadata.is_symlink() { 0o777 } else { metadata.mode() & 0o7777 };
            let (uid, gid) = (metadata.uid(), metadata.gid());
            let entry = Entry { name: name.clone(), kind, mode, uid, gid, capability };
            self.entries.insert(name, entry);
        }
        Ok(())
    }

    fn problem(&self, path: &Path, error: ResolveError) -> Problem {
        match error {
            ResolveError::Missing => Problem::Missing,
            ResolveError::TooManyLinks => {
                PackError::TooManyLinks { node: self.node.to_owned(), path: self.root.named_path(path) }.into()
            }
            ResolveError::Io(error) => PackError::Read(error).into(),
        }
    }
}

/// `None` for a socket, which no layer can hold and which means nothing without its process.
fn kind_of(path: &Path, base: &Arc<Base>, metadata: &Metadata) -> Result<Option<EntryKind>, PackError> {
    let kind = metadata.file_type();
    let device = metadata.rdev();
    Ok(Some(if kind.is_dir() {
        EntryKind::Directory
    } else if kind.is_file() {
        EntryKind::File(Content::new(base, metadata))
    } else if kind.is_symlink() {
        let target = fs_err::read_link(path).map_err(PackError::Read)?;
        EntryKind::Symlink { target: target.into_os_string().into_vec() }
    } else if kind.is_fifo() {
        EntryKind::Fifo
    } else if kind.is_char_device() {
        EntryKind::CharDevice { major: major(device), minor: minor(device) }
    } else if kind.is_block_device() {
        EntryKind::BlockDevice { major: major(device), minor: minor(device) }
    } else {
        return Ok(None);
    }))
}

/// What lets a program such as `ping` do what otherwise only root may.
pub(crate) fn read_capability(path: &Path) -> Result<Option<Vec<u8>>, PackError> {
    let mut value = [0; MAX_CAPABILITY_BYTES];
    match lgetxattr(path, "security.capability", &mut value) {
        Ok(length) => Ok(Some(value[..length].to_vec())),
        Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
        Err(error) => {
            let message = format!("failed to read the capabilities of `{}`: {error}", path.display());
            Err(PackError::Read(std::io::Error::new(error.kind(), message)))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use crate::PackError;
    use crate::fixture::Fixture;

    /// Reads a tar back: `name`, `name/`, `name -> target`, or `name|` for a FIFO.
    fn entries(tar: &[u8]) -> Vec<String> {
        let mut archive = tar::Archive::new(tar);
        let describe = |entry: tar::Entry<'_, _>| {
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            match entry.header().entry_type() {
                tar::EntryType::Symlink => format!("{name} -> {}", entry.link_name().unwrap().unwrap().display()),
                tar::EntryType::Fifo => format!("{name}|"),
                _ => name,
            }
        };
        archive.entries().unwrap().map(|entry| describe(entry.unwrap())).collect()
    }

    fn check(fixture: &Fixture, lists: &[&[&str]], expected: &[&str]) {
        assert_eq!(entries(&fixture.pack_lists(lists).unwrap()), expected);
    }

    fn debian() -> Fixture {
        let fixture = Fixture::new();
        fixture.dir("/usr/bin", 0o755);
        fixture.dir("/usr/lib64/git-core", 0o755);
        fixture.symlink("/lib64", "usr/lib64");
        fixture.symlink("/bin", "/usr/bin");
        fixture.file("/usr/bin/git", 0o755, b"git");
        fixture.file("/usr/lib64/ld.so", 0o755, b"ld");
        fixture
    }

    #[test]
    fn parents_come_first_and_once() {
        let expected = ["usr/", "usr/bin/", "usr/bin/git", "usr/lib64/", "usr/lib64/ld.so"];
        let lists: [&[&str]; 2] =
            [&["/.", "/usr", "/usr/bin/git", "/usr/lib64/ld.so"], &["/usr/lib64", "/usr/bin/git"]];
        check(&debian(), &lists, &expected);
    }

    #[test]
    fn merged_usr_brings_its_links() {
        let expected = [
            "bin -> /usr/bin",
            "lib64 -> usr/lib64",
            "usr/",
            "usr/bin/",
            "usr/bin/git",
            "usr/lib64/",
            "usr/lib64/ld.so",
        ];
        check(&debian(), &[&["/lib64/ld.so", "/bin/git"]], &expected);
        check(&debian(), &[&["/lib64/ld.so"], &["/usr/lib64/ld.so", "/bin/git"]], &expected);
    }

    #[test]
    fn directory_that_is_a_link_on_disk_brings_where_it_leads() {
        check(&debian(), &[&["/lib64"]], &["lib64 -> usr/lib64", "usr/", "usr/lib64/"]);
    }

    #[test]
    fn links_elsewhere_are_kept_as_they_are() {
        let fixture = debian();
        fixture.symlink("/usr/bin/to-file", "git");
        fixture.symlink("/usr/bin/to-nowhere", "/nowhere");
        fixture.symlink("/usr/bin/circle", "circle");
        let expected = ["usr/", "usr/bin/", "usr/bin/circle -> circle", "usr/bin/to-file -> git"];
        let nowhere = ["usr/bin/to-nowhere -> /nowhere"];
        let lists: [&[&str]; 1] = [&["/usr/bin/to-file", "/usr/bin/to-nowhere", "/usr/bin/circle"]];
        check(&fixture, &lists, &[&expected[..], &nowhere[..]].concat());
    }

    #[test]
    fn modes_are_those_on_disk() {
        let fixture = debian();
        fixture.chmod("/usr", 0o711);
        fixture.file("/usr/bin/su", 0o4755, b"");
        let tar = fixture.pack_lists(&[&["/usr/bin/su"]]).unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let modes: Vec<u32> = archive.entries().unwrap().map(|e| e.unwrap().header().mode().unwrap()).collect();
        assert_eq!(modes, [0o711, 0o755, 0o4755]);
    }

    #[test]
    fn fifos_are_kept_and_sockets_left_out() {
        let fixture = debian();
        fixture.fifo("/usr/pipe");
        let _listener = UnixListener::bind(fixture.at("/usr/socket")).unwrap();
        check(&fixture, &[&["/usr/socket", "/usr/pipe"]], &["usr/", "usr/pipe|"]);
    }

    #[test]
    fn capabilities_are_kept() {
        let fixture = debian();
        // CAP_NET_RAW, as `ping` has it.
        let value = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let flags = rustix::fs::XattrFlags::empty();
        if let Err(error) = rustix::fs::setxattr(fixture.at("/usr/bin/git"), "security.capability", value, flags) {
            eprintln!("not tested, because capabilities cannot be set here: {error}");
            return;
        }
        let tar = fixture.pack_lists(&[&["/usr/bin/git"]]).unwrap();
        let record = [b"SCHILY.xattr.security.capability=".as_slice(), value, b"\n"].concat();
        assert!(tar.windows(record.len()).any(|window| window == record));
        check(&fixture, &[&["/usr/bin/git"]], &["usr/", "usr/bin/", "usr/bin/git"]);
    }

    #[test]
    fn optional_files_may_be_missing() {
        let fixture = debian();
        check(&fixture, &[&["/usr/bin/git", "/etc/optional", "/usr/optional/x"]], &["usr/", "usr/bin/", "usr/bin/git"]);
    }

    #[test]
    fn required_files_may_not() {
        let fixture = debian();
        let error = fixture.pack_lists(&[&["/usr/bin/git/x", "/usr/bin/git"], &["/etc/x/y"]]).unwrap_err();
        let root = fixture.root().display();
        let files = format!("2 files do not exist:\n  {root}/usr/bin/git/x of node /0\n  {root}/etc/x/y of node /1\n");
        let message = error.to_string();
        assert!(message.starts_with(&files), "{message}");
        assert!(message.contains("--allow-missing '/usr/bin/git/x'"), "{message}");
    }

    #[test]
    fn circle_on_the_way_is_an_error() {
        let fixture = debian();
        fixture.symlink("/a", "b");
        fixture.symlink("/b", "a");
        let error = fixture.pack_lists(&[&["/a/x"]]).unwrap_err();
        let path = fixture.at("/a/x");
        let message = format!("`{}` of node `/0` leads through more than 40 symlinks", path.display());
        assert_eq!(error.to_string(), message);
    }

    #[test]
    fn links_do_not_lead_out_of_the_root() {
        let fixture = debian();
        fixture.symlink("/out", "../../../../usr/bin");
        check(&fixture, &[&["/out/git"]], &["out -> ../../../../usr/bin", "usr/", "usr/bin/", "usr/bin/git"]);
    }

    #[test]
    fn odd_names_are_refused() {
        let fixture = debian();
        fixture.file("/usr/.wh.git", 0o644, b"");
        assert!(matches!(fixture.pack_lists(&[&["/usr/.wh.git"]]), Err(PackError::Whiteout { .. })));
        for path in ["usr/bin", "/usr/../usr", ""] {
            assert!(matches!(fixture.pack_lists(&[&[path]]), Err(PackError::InvalidPath { .. })), "{path}");
        }
    }
}
