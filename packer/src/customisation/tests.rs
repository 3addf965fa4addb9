//! Operations one by one and together, by the tar that becomes of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use super::*;
use crate::Compression;
use crate::fixture::{Fixture, write_layer};
use crate::lower::LowerFile;
use crate::progress::Unobserved;

/// The names of store paths.
pub(super) const A: &str = "/nix/store/00000000000000000000000000000000-a";
pub(super) const B: &str = "/nix/store/11111111111111111111111111111111-b";

/// A root with a store, a place for sources and one for contents put aside.
pub(super) struct Setting {
    pub(super) root: Fixture,
    pub(super) sources: Fixture,
    scratch: tempfile::TempDir,
    pub(super) lower: LowerFiles,
    /// The default one.
    pub(super) owner: (u32, u32),
}

/// What a folder is told of a file in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes {
    pub(super) owner: Option<(u64, u64)>,
    pub(super) mode: Option<u32>,
}

impl Setting {
    pub(super) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        Self { root: Fixture::new(), sources: Fixture::new(), scratch, lower: LowerFiles::default(), owner: (0, 0) }
    }

    pub(super) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    pub(super) fn source(&self, path: &str) -> PathBuf {
        self.sources.root().join(path)
    }

    pub(super) fn build(&self, operations: &[Operation]) -> Result<Customisation, CustomisationError> {
        let scratch = tempfile::Builder::new().disable_cleanup(true).tempdir_in(self.scratch.path()).unwrap();
        Customisation::new(operations, self.root.root(), self.owner, scratch.path(), self.lower.clone())
    }

    /// Expects these entries, see [`entries`]; also where scripts could have worked on the files.
    pub(super) fn check(&self, operations: &[Operation], expected: &[&str]) {
        assert_eq!(entries(&tar_of(&self.build(operations).unwrap())), expected);
        let Ok(dir) = self.stage(operations) else { return assert_has_device(expected) };
        let staged = self::staged(self.packed(&dir, &BTreeMap::new()), StagedAttributes::Changed);
        let staged = self.build(&[operations, &[staged]].concat()).unwrap();
        assert_eq!(entries(&tar_of(&staged)), expected, "after it was in a folder");
        let told = self.attributes(operations, &dir);
        let staged =
            self.build(&[operations, &[self::staged(self.packed_as(&dir, &told), StagedAttributes::All)]].concat());
        assert_eq!(entries(&tar_of(&staged.unwrap())), expected, "after it was in a folder under fakeroot");
    }

    /// Writes what operations make into a folder for scripts.
    pub(super) fn stage(&self, operations: &[Operation]) -> Result<PathBuf, PackError> {
        let aside = self.aside();
        let dir = aside.join("stage");
        self.for_scripts(operations, &aside).stage(&dir, &Unobserved).map(|()| dir)
    }

    fn for_scripts(&self, operations: &[Operation], aside: &Path) -> Customisation {
        let (root, lower) = (self.root.root(), self.lower.clone());
        Customisation::for_scripts(operations, root, (0, 0), aside, lower).unwrap()
    }

    fn aside(&self) -> PathBuf {
        tempfile::Builder::new().disable_cleanup(true).tempdir_in(self.scratch.path()).unwrap().keep()
    }

    /// Runs the script for fakeroot in a folder, as far as to know what it does.
    pub(super) fn attributes(&self, operations: &[Operation], dir: &Path) -> BTreeMap<PathBuf, Attributes> {
        let mut script = b"chown() { [ \"$1\" = -hR ] || printf '%s\\0' owner \"$3\" \"$2\"; }\n".to_vec();
        script.extend(b"chmod() { printf '%s\\0' mode \"$2\" \"$1\"; }\n");
        let written = self.for_scripts(operations, &self.aside());
        self.build(operations).unwrap().write_attributes(&written, &mut script).unwrap();
        let file = dir.with_extension("sh");
        fs_err::write(&file, script).unwrap();
        let ran = Command::new("sh").arg("-eu").arg(&file).current_dir(dir).output().unwrap();
        assert!(ran.status.success(), "{ran:?}");
        let words: Vec<&[u8]> = ran.stdout.split(|byte| *byte == 0).collect();
        let mut told: BTreeMap<PathBuf, Attributes> = BTreeMap::new();
        for [what, name, value] in words.as_chunks().0 {
            let name = Path::new(OsStr::from_bytes(name)).strip_prefix(".").unwrap().to_owned();
            let (attributes, value) = (told.entry(name).or_default(), std::str::from_utf8(value).unwrap());
            match *what {
                b"owner" => {
                    let (uid, gid) = value.split_once(':').unwrap();
                    attributes.owner = Some((uid.parse().unwrap(), gid.parse().unwrap()));
                }
                _ => attributes.mode = Some(u32::from_str_radix(value, 8).unwrap()),
            }
        }
        told
    }

    /// A tar of a folder in which everything is the default owner's, but for what these own.
    pub(super) fn packed(&self, dir: &Path, owners: &BTreeMap<&str, (u64, u64)>) -> PathBuf {
        let told = owners.iter().map(|(name, owner)| (name.into(), Attributes { owner: Some(*owner), mode: None }));
        self.packed_as(dir, &told.collect())
    }

    /// The same with modes.
    pub(super) fn packed_as(&self, dir: &Path, told: &BTreeMap<PathBuf, Attributes>) -> PathBuf {
        let file = dir.with_extension("tar");
        let mut tar = tar::Builder::new(fs_err::File::create(&file).unwrap());
        let mut ahead = vec![dir.to_owned()];
        while let Some(path) = ahead.pop() {
            let (metadata, name) = (fs_err::symlink_metadata(&path).unwrap(), path.strip_prefix(dir).unwrap());
            let mut header = tar::Header::new_gnu();
            header.set_metadata_in_mode(&metadata, tar::HeaderMode::Complete);
            let Attributes { owner, mode } = told.get(name).copied().unwrap_or_default();
            let (uid, gid) = owner.unwrap_or((self.owner.0.into(), self.owner.1.into()));
            header.set_uid(uid);
            header.set_gid(gid);
            mode.into_iter().for_each(|mode| header.set_mode(mode));
            let name = Path::new(".").join(name);
            if metadata.is_symlink() {
                header.set_size(0);
                header.set_link_name_literal(fs_err::read_link(&path).unwrap().as_os_str().as_bytes()).unwrap();
                tar.append_data(&mut header, name, std::io::empty()).unwrap();
            } else if metadata.is_dir() {
                header.set_size(0);
                tar.append_data(&mut header, name, std::io::empty()).unwrap();
                ahead.extend(fs_err::read_dir(&path).unwrap().map(|child| child.unwrap().path()));
            } else if metadata.is_file() {
                tar.append_data(&mut header, name, fs_err::File::open(&path).unwrap()).unwrap();
            } else {
                header.set_size(0);
                tar.append_data(&mut header, name, std::io::empty()).unwrap();
            }
        }
        tar.into_inner().unwrap();
        file
    }

    pub(super) fn error(&self, operations: &[Operation]) -> String {
        self.build(operations).unwrap_err().to_string()
    }
}

/// Devices are the only thing that no folder for scripts can hold.
fn assert_has_device(entries: &[&str]) {
    assert!(entries.iter().any(|entry| entry.contains(" Char ") || entry.contains(" Block ")), "{entries:?}");
}

pub(super) fn tar_of(customisation: &Customisation) -> Vec<u8> {
    write_layer(&customisation.layer(&Arc::default()).unwrap(), Compression::None).unwrap().1
}

/// Reads a tar back: name, mode, owner unless it is root, and content or target.
pub(super) fn entries(tar: &[u8]) -> Vec<String> {
    let mut archive = tar::Archive::new(tar);
    let describe = |mut entry: tar::Entry<'_, _>| {
        let name = entry.path_bytes().escape_ascii().to_string();
        let header = entry.header().clone();
        let mode = header.mode().unwrap();
        let owner = match (header.uid().unwrap(), header.gid().unwrap()) {
            (0, 0) => String::new(),
            (uid, gid) => format!(" {uid}:{gid}"),
        };
        let rest = match header.entry_type() {
            tar::EntryType::Symlink => format!(" -> {}", entry.link_name_bytes().unwrap().escape_ascii()),
            tar::EntryType::Regular => {
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                format!(" = {}", content.escape_ascii())
            }
            tar::EntryType::Directory => String::new(),
            tar::EntryType::Fifo => " fifo".into(),
            kind => format!(" {kind:?} {:?} {:?}", header.device_major().unwrap(), header.device_minor().unwrap()),
        };
        format!("{name} {mode:o}{owner}{rest}")
    };
    archive.entries().unwrap().map(|entry| describe(entry.unwrap())).collect()
}

pub(super) fn staged(path: PathBuf, attributes: StagedAttributes) -> Operation {
    Operation::Staged { path, attributes }
}

pub(super) fn links(path: &str) -> Operation {
    Operation::CopyToRoot { path: path.into(), mode: CopyMode::Links }
}

pub(super) fn files(path: &str) -> Operation {
    Operation::CopyToRoot { path: path.into(), mode: CopyMode::Files }
}

pub(super) fn add(source: impl Into<PathBuf>, dest: &str) -> Operation {
    Operation::Add { source: source.into(), dest: dest.into() }
}

pub(super) fn mkdir(path: &str) -> Operation {
    Operation::Mkdir { path: path.into(), mode: None }
}

pub(super) fn link(target: &str, link: &str) -> Operation {
    Operation::Symlink { target: target.into(), link: link.into() }
}

pub(super) fn chmod(mode: &str, path: &str) -> Operation {
    Operation::Chmod { mode: mode.parse().unwrap(), path: path.into() }
}

pub(super) fn chown(uid: u32, gid: u32, path: &str) -> Operation {
    Operation::Chown { uid, gid, path: path.into() }
}

#[test]
fn nothing_is_an_empty_layer() {
    let nothing = Setting::new().build(&[]).unwrap();
    assert!(nothing.is_empty());
    assert_eq!(entries(&tar_of(&nothing)), [""; 0]);
}

#[test]
fn directories_are_made_with_those_above_them() {
    let usual = ["root/ 700", "root/x/ 755", "tmp/ 1777", "var/ 755", "var/tmp/ 1777"];
    Setting::new().check(&[mkdir("/tmp"), mkdir("/var//tmp/"), mkdir("/root/./x")], &usual);
    let with_mode = Operation::Mkdir { path: "/a/b".into(), mode: Some(0o2750) };
    Setting::new().check(std::slice::from_ref(&with_mode), &["a/ 755", "a/b/ 2750"]);
    Setting::new().check(&[with_mode.clone(), mkdir("/a/b"), mkdir("/a/b/c")], &["a/ 755", "a/b/ 2750", "a/b/c/ 755"]);
    Setting::new().check(&[mkdir("/a/b/c"), with_mode], &["a/ 755", "a/b/ 2750", "a/b/c/ 755"]);
    Setting::new().check(&[mkdir("/")], &[]);
}

#[test]
fn links_say_what_they_are_told() {
    let operations = [link("bash", "/bin/sh"), link("/nowhere/../x", "/a"), link("bash", "/bin/sh")];
    Setting::new().check(&operations, &["a 777 -> /nowhere/../x", "bin/ 755", "bin/sh 777 -> bash"]);
}

#[test]
fn links_replace_nothing() {
    let setting = Setting::new();
    assert_eq!(
        setting.error(&[link("bash", "/sh"), link("dash", "/sh")]),
        "linking `/sh` to `dash`: `/sh` would be both a symlink to `bash` and a symlink to `dash`; leave one out"
    );
    assert!(
        setting.error(&[mkdir("/sh"), link("x", "/sh")]).contains("would be both a directory and a symlink to `x`")
    );
    assert!(setting.error(&[link("x", "/sh/")]).contains("write the name of the link itself"));
    assert!(setting.error(&[link("", "/sh")]).contains("it is empty"));
}

#[test]
fn files_and_trees_are_added_with_their_modes() {
    let setting = Setting::new();
    setting.sources.dir("/tree/sub", 0o2711);
    setting.sources.file("/tree/sub/x", 0o4755, b"x");
    setting.sources.file("/tree/y", 0o640, b"y");
    setting.sources.symlink("/tree/link", "../../../../etc/passwd");
    let tree = setting.source("tree");
    let below = |dir: &str| {
        [" 755", "link 777 -> ../../../../etc/passwd", "sub/ 2711", "sub/x 4755 = x", "y 640 = y"]
            .map(|entry| format!("{dir}/{entry}"))
    };
    let check = |operations: &[Operation], expected: &[String]| {
        setting.check(operations, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    };
    setting.sources.chmod("/tree", 0o755);
    check(&[add(&tree, "/opt")], &below("opt"));
    check(&[add(&tree, "/opt/")], &[vec!["opt/ 755".to_owned()], below("opt/tree").to_vec()].concat());
    let at_root: Vec<String> = below("").iter().skip(1).map(|entry| entry[1..].to_owned()).collect();
    for content in ["tree/", "tree/.", "tree/./"] {
        check(&[add(setting.source(content), "/")], &at_root);
        check(&[add(setting.source(content), "/opt/")], &below("opt"));
    }
    setting.check(&[add(setting.source("tree/y"), "/etc/z")], &["etc/ 755", "etc/z 640 = y"]);
    setting.check(&[add(setting.source("tree/y"), "/etc/")], &["etc/ 755", "etc/y 640 = y"]);
}

#[test]
fn source_that_is_a_link_is_what_it_leads_to() {
    let setting = Setting::new();
    setting.sources.dir("/tree", 0o755);
    setting.sources.file("/tree/x", 0o644, b"x");
    setting.sources.symlink("/result", "tree");
    setting.sources.symlink("/file", "tree/x");
    setting.check(&[add(setting.source("result"), "/a")], &["a/ 755", "a/x 644 = x"]);
    setting.check(&[add(setting.source("file"), "/")], &["file 644 = x"]);
}

#[test]
fn later_additions_replace_files_and_merge_directories() {
    let setting = Setting::new();
    setting.sources.dir("/one/d", 0o755);
    setting.sources.file("/one/d/x", 0o644, b"one");
    setting.sources.file("/one/d/y", 0o644, b"one");
    setting.sources.dir("/two/d", 0o700);
    setting.sources.file("/two/d/x", 0o600, b"two");
    let both = [add(setting.source("one/"), "/"), add(setting.source("two/"), "/")];
    setting.check(&both, &["d/ 700", "d/x 600 = two", "d/y 644 = one"]);
    setting.check(&[link("elsewhere", "/x"), add(setting.source("two/d/x"), "/x")], &["x 600 = two"]);
    let error = setting.error(&[mkdir("/x"), add(setting.source("two/d/x"), "/x")]);
    assert!(
        error.ends_with("`/x` is a directory already, which only another directory can be; `/x/` would mean within it")
    );
    let error = setting.error(&[add(setting.source("two/d/x"), "/d"), add(setting.source("one/"), "/")]);
    assert!(error.ends_with("`/d` is a file, and no directory"), "{error}");
}

#[test]
fn only_files_directories_and_links_are_added() {
    let setting = Setting::new();
    setting.sources.dir("/tree", 0o755);
    setting.sources.fifo("/tree/pipe");
    assert!(
        setting
            .error(&[add(setting.source("tree"), "/x")])
            .ends_with("/tree/pipe` is a FIFO, which only an import can bring")
    );
    assert!(setting.error(&[add(setting.source("tree/pipe"), "/x")]).contains("is a FIFO"));
    fs_err::remove_file(setting.source("tree/pipe")).unwrap();
    let _listener = UnixListener::bind(setting.source("tree/socket")).unwrap();
    for operation in [add(setting.source("tree"), "/x"), Operation::Import(setting.source("tree"))] {
        assert!(setting.error(&[operation]).ends_with("/tree/socket` is a socket, which no layer can hold"));
    }
    assert!(setting.error(&[add("/dev/null", "/x")]).contains("is a device, which only an import can bring"));
}

#[test]
fn sources_that_are_missing_or_odd_are_told() {
    let setting = Setting::new();
    setting.sources.file("/file", 0o644, b"");
    setting.sources.file("/.wh.file", 0o644, b"");
    for (source, dest, message) in [
        ("nowhere", "/x", "nowhere` does not exist"),
        ("file/", "/x", "file/"),
        (".wh.file", "/x/", "begins with `.wh.`"),
        ("file", "/x/.wh..wh..opq/y", "begins with `.wh.`"),
        ("file", "/x/../y", "has `..` in it"),
        ("file", "x", "`x` is no absolute path"),
        ("file/.", "/x", "file/."),
        ("file", "/", ""),
    ] {
        let result = setting.build(&[add(setting.source(source), dest)]);
        match result {
            Ok(_) => assert_eq!((source, dest), ("file", "/")),
            Err(error) => assert!(error.to_string().contains(message), "{source} {dest}: {error}"),
        }
    }
    let long = format!("/{}", "x".repeat(256));
    assert!(setting.error(&[mkdir(&long)]).contains("is longer than any path can be"));
    assert!(setting.error(&[mkdir(&"/x".repeat(3000))]).contains("is longer than any path can be"));
}

#[test]
fn whole_trees_are_given_to_others() {
    let operations = [mkdir("/a/b"), link("/c", "/a/l"), mkdir("/a b"), mkdir("/c"), chown(1000, 100, "/a")];
    let expected = ["a/ 755 1000:100", "a/b/ 755 1000:100", "a/l 777 1000:100 -> /c", "a b/ 755", "c/ 755"];
    Setting::new().check(&operations, &expected);
    // The link, and not what it leads to; but through the link before.
    let through = [mkdir("/c/d"), link("c", "/l"), chown(1, 1, "/l"), chown(2, 2, "/l/d")];
    Setting::new().check(&through, &["c/ 755", "c/d/ 755 2:2", "l 777 1:1 -> c"]);
    Setting::new().check(&[mkdir("/a/b"), chown(1, 2, "/")], &["a/ 755 1:2", "a/b/ 755 1:2"]);
}

#[test]
fn modes_are_changed_of_one_file() {
    let operations = [mkdir("/a/b"), link("a", "/l"), chmod("u-w,go=", "/l"), chmod("1777", "/a/b")];
    Setting::new().check(&operations, &["a/ 500", "a/b/ 1777", "l 777 -> a"]);
    assert!(Setting::new().error(&[chmod("755", "/")]).contains("is the root of the image, which has no mode"));
}

#[test]
fn what_is_not_in_the_layer_cannot_be_changed() {
    for operation in [chown(1, 1, "/a/x"), chmod("755", "/a/x"), chown(1, 1, "/b/x"), chmod("755", "/b/x")] {
        let error = Setting::new().error(&[mkdir("/a"), operation]);
        assert!(error.contains("/x` is not in the customisation layer, and only what is can be changed"), "{error}");
    }
    let error = Setting::new().error(&[link("/lib/x", "/a"), chmod("755", "/a")]);
    assert!(error.contains("`/a` is a symlink to `/lib/x`, and `/lib` is in neither"), "{error}");
}

#[test]
fn links_on_the_way_are_followed_within_the_layer() {
    let setting = Setting::new();
    setting.sources.file("/x", 0o644, b"x");
    let add_x = |dest: &str| add(setting.source("x"), dest);
    for target in ["usr/bin", "/usr/bin", "../../usr/./bin", "usr/lib/../bin"] {
        let operations = [mkdir("/usr/bin"), mkdir("/usr/lib"), link(target, "/bin"), add_x("/bin/x")];
        let bin = format!("bin 777 -> {target}");
        setting.check(&operations, &[&bin, "usr/ 755", "usr/bin/ 755", "usr/bin/x 644 = x", "usr/lib/ 755"]);
    }
    // A file in place of a link replaces the link.
    setting.check(&[mkdir("/usr"), link("usr", "/bin"), add_x("/bin")], &["bin 644 = x", "usr/ 755"]);
    let tree = setting.source("tree");
    setting.sources.dir("/tree/bin", 0o700);
    setting.sources.file("/tree/bin/y", 0o644, b"y");
    let merged = [mkdir("/usr/bin"), link("usr/bin", "/bin"), add(tree.join(""), "/")];
    setting.check(&merged, &["bin 777 -> usr/bin", "usr/ 755", "usr/bin/ 700", "usr/bin/y 644 = y"]);
}

#[test]
fn links_that_lead_elsewhere_are_not_followed() {
    let setting = Setting::new();
    setting.sources.file("/x", 0o644, b"x");
    setting.root.dir("/etc", 0o755);
    let outside = setting.sources.root().to_str().unwrap().to_owned();
    for target in ["/etc", "../etc", &outside, "nowhere"] {
        let error = setting.error(&[link(target, "/way"), add(setting.source("x"), "/way/x")]);
        assert!(error.contains(&format!("`/way` is a symlink to `{target}`, and `/")), "{error}");
        assert!(
            error.contains("is in neither the customisation layer nor a base image; name the place that is meant"),
            "{error}"
        );
    }
    let circle = [link("b", "/a"), link("a", "/b"), mkdir("/a/x")];
    assert!(setting.error(&circle).contains("`/a/x` leads through more than 40 symlinks"));
    assert!(!setting.source("way").exists());
    assert!(list_names(setting.sources.root()).is_subset(&["nix", "x"].map(String::from).into()));
}

fn list_names(dir: &Path) -> BTreeSet<String> {
    crate::fixture::list(dir).into_iter().collect()
}

#[test]
fn files_are_put_where_lower_layers_have_them() {
    let mut setting = Setting::new();
    setting.sources.file("/x", 0o644, b"x");
    setting.lower.insert(Path::new("/bin"), LowerFile::Symlink(b"usr/bin".into()));
    setting.lower.insert(Path::new("/usr"), LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 });
    setting.lower.insert(Path::new("/usr/bin"), LowerFile::Directory { mode: 0o711, uid: 5, gid: 6 });
    setting.lower.insert(Path::new("/home/app"), LowerFile::Directory { mode: 0o750, uid: 1000, gid: 1000 });
    setting.lower.insert(Path::new("/gone"), LowerFile::Symlink(b"/nowhere".into()));
    let x = setting.source("x");
    let in_bin = ["usr/ 755", "usr/bin/ 711 5:6", "usr/bin/x 644 = x"];
    setting.check(&[add(&x, "/bin/x")], &in_bin);
    setting.check(&[add(&x, "/bin/")], &in_bin);
    setting.check(&[mkdir("/home/app/.conf")], &["home/ 755", "home/app/ 750 1000:1000", "home/app/.conf/ 755"]);
    assert!(setting.error(&[add(&x, "/usr")]).contains("`/usr` is a directory already"));
    assert!(
        setting
            .error(&[add(&x, "/gone/x")])
            .contains("`/gone` is a symlink to `/nowhere`, and `/nowhere` is in neither")
    );
}

const DIRECTORY: LowerFile = LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 };

fn link_to(target: &str) -> LowerFile {
    LowerFile::Symlink(target.into())
}

fn below(files: &[(&str, LowerFile)]) -> Setting {
    let mut setting = Setting::new();
    for (path, file) in files {
        setting.lower.insert(Path::new(path), file.clone());
    }
    setting
}

#[test]
fn nothing_takes_the_place_of_a_link_to_a_directory() {
    let setting = below(&[
        ("/usr/lib", DIRECTORY),
        ("/lib", link_to("usr/lib")),
        ("/lib64", link_to("lib")),
        ("/etc/localtime", link_to("../usr/share/zone")),
        ("/usr/share/zone", LowerFile::File),
        ("/gone", link_to("/nowhere")),
    ]);
    setting.sources.file("/x", 0o644, b"x");
    setting.sources.dir("/tree", 0o755);
    setting.sources.symlink("/tree/lib", "usr/local");
    setting.sources.dir("/same", 0o755);
    setting.sources.symlink("/same/lib64", "/usr/lib");
    let x = setting.source("x");
    for path in ["/lib", "/lib64"] {
        for operation in [
            add(&x, path),
            link("/usr/local", path),
            link("usr", path),
            Operation::Import(setting.source("tree")),
            add(setting.source("tree/"), "/"),
        ] {
            let error = setting.error(&[operation]);
            assert!(error.contains("is a symlink of a layer below to the directory `/usr/lib`"), "{error}");
        }
    }
    // As whoever made the tree in an image means it.
    let dir = setting.stage(&[]).unwrap();
    symlink("usr/local", dir.join("lib")).unwrap();
    let script = staged(setting.packed(&dir, &BTreeMap::new()), StagedAttributes::Changed);
    assert_eq!(entries(&tar_of(&setting.build(&[script]).unwrap())), ["lib 777 -> usr/local"]);
    fs_err::remove_file(dir.join("lib")).unwrap();
    fs_err::write(dir.join("lib"), "").unwrap();
    let script = staged(setting.packed(&dir, &BTreeMap::new()), StagedAttributes::Changed);
    let error = setting.error(&[script]);
    assert!(error.ends_with("all that is found there by this name would be hidden"), "{error}");
    // One that leads to the same place hides nothing, and neither does one in place of a link to a file, or to nothing.
    setting.check(&[link("/usr/lib", "/lib")], &["lib 777 -> /usr/lib"]);
    setting.check(&[add(setting.source("same/"), "/")], &["lib64 777 -> /usr/lib"]);
    setting.check(&[add(&x, "/etc/localtime")], &["etc/ 755", "etc/localtime 644 = x"]);
    setting.check(&[add(&x, "/gone")], &["gone 644 = x"]);
    setting.check(&[add(&x, "/lib64/")], &["usr/ 755", "usr/lib/ 755", "usr/lib/x 644 = x"]);
}

#[test]
fn no_directory_takes_the_place_of_a_file() {
    let setting = below(&[("/etc/passwd", LowerFile::File), ("/etc/link", link_to("passwd"))]);
    setting.sources.file("/x", 0o644, b"x");
    setting.sources.dir("/tree/etc/passwd", 0o755);
    setting.root.dir(&format!("{A}/etc/passwd"), 0o755);
    let x = setting.source("x");
    for operation in [
        add(&x, "/etc/passwd/"),
        add(&x, "/etc/passwd/deep/x"),
        add(&x, "/etc/link/"),
        add(setting.source("tree"), "/etc/passwd"),
        add(setting.source("tree/"), "/"),
        Operation::Import(setting.source("tree")),
        Operation::Mkdir { path: "/etc/passwd".into(), mode: Some(0o700) },
        mkdir("/etc/link"),
        link("x", "/etc/passwd/y"),
        links(A),
        files(A),
    ] {
        let error = setting.error(std::slice::from_ref(&operation));
        assert!(error.contains("`/etc/passwd` is a file of a layer below, and no directory"), "{operation}: {error}");
    }
    setting.check(&[add(&x, "/etc/passwd")], &["etc/ 755", "etc/passwd 644 = x"]);
    setting.check(&[link("/run/passwd", "/etc/passwd")], &["etc/ 755", "etc/passwd 777 -> /run/passwd"]);
}

#[test]
fn users_and_groups_of_lower_layers_stay() {
    let setting = below(&[
        ("/etc/passwd", LowerFile::File),
        ("/etc/group", link_to("/nix/store/x/group")),
        ("/var/empty", LowerFile::Directory { mode: 0o700, uid: 3, gid: 3 }),
    ]);
    setting.check(&[Operation::FakeNss], &["etc/ 755", "etc/nsswitch.conf 644 = hosts: files dns\\n"]);
}

/// A base whose links at the root lead into its own store paths, and from there into others.
fn links_into_the_store() -> Setting {
    below(&[
        ("/nix/store/env/bin", link_to("/nix/store/hello/bin")),
        ("/nix/store/env/share", link_to("../hello/share")),
        ("/nix/store/hello/bin/hello", LowerFile::File),
        ("/nix/store/hello/bin/hi", link_to("hello")),
        ("/nix/store/hello/share/man/man1", DIRECTORY),
        ("/bin", link_to("/nix/store/env/bin")),
        ("/share", link_to("nix/store/env/share")),
        ("/usr/bin", link_to("/bin")),
    ])
}

#[test]
fn links_into_store_paths_of_lower_layers_become_directories() {
    let setting = links_into_the_store();
    setting.sources.file("/x", 0o644, b"x");
    setting.root.dir(&format!("{A}/bin"), 0o555);
    setting.root.file(&format!("{A}/bin/x"), 0o555, b"x");
    let x = setting.source("x");
    let programs = ["bin/ 755", "bin/hello 777 -> /nix/store/hello/bin/hello", "bin/hi 777 -> /nix/store/hello/bin/hi"];
    let bin_with = |x: &str| {
        let mut expected = programs.map(String::from).to_vec();
        expected.push(x.to_owned());
        expected
    };
    let check = |operations: &[Operation], expected: &[String]| {
        setting.check(operations, &expected.iter().map(String::as_str).collect::<Vec<_>>());
    };
    for dest in ["/bin/", "/bin/x"] {
        check(&[add(&x, dest)], &bin_with("bin/x 644 = x"));
        check(&[add(&x, dest), chown(1, 1, "/bin/x")], &bin_with("bin/x 644 1:1 = x"));
    }
    let through = setting.build(&[add(&x, "/usr/bin/x")]).unwrap();
    assert_eq!(entries(&tar_of(&through)), bin_with("bin/x 644 = x"));
    check(&[links(A)], &bin_with(&format!("bin/x 777 -> {A}/bin/x")));
    check(&[files(A)], &bin_with("bin/x 555 = x"));
    // Several steps down, only what is needed.
    let man = [
        "share/ 755",
        "share/man/ 755",
        "share/man/man1 777 -> /nix/store/hello/share/man/man1",
        "share/man/x 644 = x",
    ];
    setting.check(&[add(&x, "/share/man/")], &man);
    // What the base has is replaced by what one puts there, and cannot be changed otherwise.
    setting.check(&[add(&x, "/bin/hello")], &["bin/ 755", "bin/hello 644 = x", programs[2]]);
    assert!(
        setting.error(&[add(&x, "/bin/x"), chmod("700", "/bin/hello")]).contains("is not in the customisation layer")
    );
    assert!(setting.error(&[add(&x, "/bin/hello/x")]).contains("is a file of a layer below, and no directory"));
    assert!(setting.error(&[add(&x, "/bin")]).contains("is a symlink of a layer below to the directory"));
    // Nobody is kept from writing to the place itself, or from having a link of one's own.
    let error = setting.error(&[link("/nix/store/hello/bin", "/mine"), add(&x, "/mine/")]);
    assert!(
        error.contains("`/mine` is a link to `/nix/store/hello/bin`, through which nothing can be changed"),
        "{error}"
    );
    // What the links in the new directory refer to, the base holds.
    let known = BTreeMap::from([("0".repeat(32), A.to_owned())]);
    let customisation = setting.build(&[add(&x, "/bin/x")]).unwrap();
    assert_eq!(customisation.references_among(&known).unwrap(), BTreeSet::new());
}

/// As of an image without its store paths.
#[test]
fn links_into_lost_store_paths_become_directories() {
    let mut setting = below(&[
        ("/bin", link_to("/nix/store/gone/bin")),
        ("/share", link_to("nix/store/gone/share")),
        ("/usr/bin", link_to("../bin")),
        ("/etc", link_to("/nix/etc")),
        ("/out", link_to("/nix/store/../../x")),
    ]);
    setting.sources.file("/x", 0o644, b"x");
    setting.root.dir(&format!("{A}/bin"), 0o555);
    setting.root.file(&format!("{A}/bin/x"), 0o555, b"x");
    let x = setting.source("x");
    for with_store in [false, true] {
        setting.check(&[links(A)], &["bin/ 755", &format!("bin/x 777 -> {A}/bin/x")]);
        setting.check(&[add(&x, "/bin/")], &["bin/ 755", "bin/x 644 = x"]);
        setting.check(&[add(&x, "/share/man/x")], &["share/ 755", "share/man/ 755", "share/man/x 644 = x"]);
        let through = setting.build(&[add(&x, "/usr/bin/x")]).unwrap();
        assert_eq!(entries(&tar_of(&through)), ["bin/ 755", "bin/x 644 = x"]);
        for path in ["/etc/x", "/out/x"] {
            let error = setting.error(&[add(&x, path)]);
            assert!(error.contains("is in neither the customisation layer nor a base image"), "{with_store}: {error}");
        }
        let error = setting.error(&[link("/nix/store/gone/bin", "/mine"), add(&x, "/mine/")]);
        assert!(error.contains("`/mine` is a symlink to `/nix/store/gone/bin`"), "{with_store}: {error}");
        setting.lower.insert(Path::new("/nix/store/other"), DIRECTORY);
    }
}

#[test]
fn what_is_copied_to_the_root_respects_lower_layers() {
    let mut setting = Setting::new();
    setting.root.dir(&format!("{A}/bin"), 0o555);
    setting.root.dir(&format!("{A}/lib"), 0o555);
    setting.root.file(&format!("{A}/bin/x"), 0o555, b"x");
    setting.root.file(&format!("{A}/lib/y"), 0o444, b"y");
    setting.root.symlink(&format!("{A}/lib64"), "lib");
    setting.lower.insert(Path::new("/bin"), LowerFile::Symlink(b"usr/bin".into()));
    setting.lower.insert(Path::new("/usr/bin"), LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 });
    setting.lower.insert(Path::new("/lib64"), LowerFile::Symlink(b"usr/lib64".into()));
    setting.lower.insert(Path::new("/usr/lib64"), LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 });
    setting.check(
        &[links(A)],
        &[
            "lib/ 755",
            &format!("lib/y 777 -> {A}/lib/y"),
            "usr/ 755",
            "usr/bin/ 755",
            &format!("usr/bin/x 777 -> {A}/bin/x"),
            "usr/lib64/ 755",
            &format!("usr/lib64/y 777 -> {A}/lib64/y"),
        ],
    );
}

#[test]
fn files_made_later_are_added() {
    let setting = Setting::new();
    setting.sources.file("/db", 0o600, b"db");
    setting.sources.dir("/dir", 0o755);
    let mut customisation = setting.build(&[]).unwrap();
    customisation.put_file(Path::new("/nix/var/db.sqlite"), 0o644, &setting.source("db")).unwrap();
    let expected = ["nix/ 755", "nix/var/ 755", "nix/var/db.sqlite 644 = db"];
    assert_eq!(entries(&tar_of(&customisation)), expected);
    let error = customisation.put_file(Path::new("/x"), 0o644, &setting.source("dir")).unwrap_err();
    assert!(error.to_string().ends_with("/dir` is a directory, and no file"), "{error}");
    assert!(customisation.put_file(Path::new("x"), 0o644, &setting.source("db")).is_err());
}

#[test]
fn files_made_later_are_whose_the_directories_are() {
    let setting = below(&[("/nix/var", LowerFile::Directory { mode: 0o700, uid: 3, gid: 4 })]);
    setting.sources.file("/db", 0o600, b"db");
    let mut customisation = setting.build(&[mkdir("/nix"), chown(5, 6, "/nix")]).unwrap();
    customisation.put_file(Path::new("/nix/db/new/file"), 0o644, &setting.source("db")).unwrap();
    customisation.link_if_free(Path::new("x"), Path::new("/nix/var/new/link")).unwrap();
    let expected = [
        "nix/ 755 5:6",
        "nix/db/ 755 5:6",
        "nix/db/new/ 755 5:6",
        "nix/db/new/file 644 5:6 = db",
        "nix/var/ 700 3:4",
        "nix/var/new/ 755 3:4",
        "nix/var/new/link 777 3:4 -> x",
    ];
    assert_eq!(entries(&tar_of(&customisation)), expected);
}

#[test]
fn users_groups_and_name_lookup_are_made() {
    let setting = Setting::new();
    let entries = entries(&tar_of(&setting.build(&[Operation::FakeNss]).unwrap()));
    let names: Vec<&str> = entries.iter().map(|entry| entry.split(" = ").next().unwrap()).collect();
    let expected =
        ["etc/ 755", "etc/group 644", "etc/nsswitch.conf 644", "etc/passwd 644", "var/ 755", "var/empty/ 555"];
    assert_eq!(names, expected);
    assert!(entries[2].ends_with(" = hosts: files dns\\n"));
    let passwd: Vec<&str> = entries[3].split(" = ").nth(1).unwrap().split("\\n").collect();
    assert!(passwd[0].starts_with("root:x:0:0:") && passwd[0].ends_with(":/var/empty:/bin/sh"));
    assert!(passwd[1].starts_with("nobody:x:65534:65534:"));
    setting.sources.file("/passwd", 0o644, b"");
    let passwd = add(setting.source("passwd"), "/etc/");
    assert!(setting.error(&[passwd.clone(), Operation::FakeNss]).contains("`/etc/passwd` would be both a file"));
    assert!(setting.build(&[Operation::FakeNss, passwd]).is_ok());
}

#[test]
fn owners_are_the_default_ones() {
    let setting = Setting::new();
    setting.root.dir(A, 0o555);
    setting.root.file(&format!("{A}/f"), 0o444, b"");
    setting.sources.file("/x", 0o644, b"");
    let operations = [links(A), add(setting.source("x"), "/d/x"), link("x", "/l"), Operation::FakeNss];
    let scratch = tempfile::tempdir().unwrap();
    let root = setting.root.root();
    let built = Customisation::new(&operations, root, (7, 8), scratch.path(), LowerFiles::default()).unwrap();
    let entries = entries(&tar_of(&built));
    assert_eq!(entries.len(), 10);
    assert!(entries.iter().all(|entry| entry.contains(" 7:8")), "{entries:?}");
}

#[test]
fn file_that_changes_before_it_is_packed_is_an_error() {
    let setting = Setting::new();
    setting.sources.file("/x", 0o644, b"before");
    let customisation = setting.build(&[add(setting.source("x"), "/x")]).unwrap();
    setting.sources.file("/x", 0o644, b"after it was looked at");
    let packed = write_layer(&customisation.layer(&Arc::default()).unwrap(), Compression::None);
    assert!(matches!(packed, Err(PackError::FileChanged { .. })));
}

#[test]
fn directory_that_becomes_a_link_is_not_followed() {
    let setting = Setting::new();
    for dir in ["/tree/d", "/elsewhere"] {
        setting.sources.dir(dir, 0o755);
        setting.sources.file(&format!("{dir}/x"), 0o644, b"secret");
        let file = fs_err::File::open(setting.source(&dir[1..]).join("x")).unwrap();
        file.into_file().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    }
    let customisation = setting.build(&[add(setting.source("tree"), "/x")]).unwrap();
    fs_err::rename(setting.source("tree/d"), setting.source("aside")).unwrap();
    symlink(setting.source("elsewhere"), setting.source("tree/d")).unwrap();
    let packed = write_layer(&customisation.layer(&Arc::default()).unwrap(), Compression::None);
    assert!(matches!(packed, Err(PackError::FileChanged { .. })));
}

#[test]
fn references_are_found_by_their_hashes() {
    let setting = Setting::new();
    let name = |hash: char, name: &str| format!("/nix/store/{}-{name}", String::from(hash).repeat(32));
    let paths: Vec<String> = ('0'..='6').map(|hash| name(hash, "p")).collect();
    for path in &paths {
        setting.root.dir(path, 0o555);
    }
    setting.root.file("/nix/store/.lock", 0o444, b"");
    setting.root.file("/nix/store/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-no-base-32", 0o444, b"");
    // Behind the end of what is read at once, across it, and at the very end of a file.
    let mut content = vec![b'.'; 3 * crate::read::READ_BYTES];
    for (path, at) in [(&paths[1], 256 << 10), (&paths[2], (512 << 10) - 20), (&paths[3], content.len() - 43)] {
        content[at..at + 43].copy_from_slice(&path.as_bytes()[..43]);
    }
    setting.sources.file("/x", 0o644, &content);
    let missing = name('9', "p");
    let operations = [
        add(setting.source("x"), "/x"),
        link(&paths[4], "/l"),
        mkdir(&format!("/gcroots/{}", &paths[5][11..])),
        link(&missing, "/m"),
        link("/nix/store/eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee-no-base-32", "/n"),
    ];
    let customisation = setting.build(&operations).unwrap();
    let expected: BTreeSet<String> = paths[1..6].iter().cloned().collect();
    assert_eq!(customisation.references(Path::new("/nix/store")).unwrap(), expected);
    assert_eq!(customisation.references(Path::new("/gnu/store")).unwrap(), BTreeSet::new());
    let known = BTreeMap::from([("9".repeat(32), missing.clone()), ("8".repeat(32), name('8', "p"))]);
    assert_eq!(customisation.references_among(&known).unwrap(), BTreeSet::from([missing]));
}

#[test]
fn hashes_within_longer_runs_of_their_characters_are_found() {
    let setting = Setting::new();
    let hash = "0123456789abcdfghijklmnpqrsvwxyz";
    for before in ["", "zzz", "/nix/store/", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaae"] {
        for behind in ["", "-", "0000", "e"] {
            setting.sources.file("/x", 0o644, format!("{before}{hash}{behind}").as_bytes());
            let customisation = setting.build(&[add(setting.source("x"), "/x")]).unwrap();
            let known = BTreeMap::from([(hash.to_owned(), "found".to_owned())]);
            let found = customisation.references_among(&known).unwrap();
            assert_eq!(found, BTreeSet::from(["found".to_owned()]), "{before} {behind}");
        }
    }
}

#[test]
fn names_need_not_be_text() {
    let setting = Setting::new();
    let name = OsStr::from_bytes(b"\xff\n");
    setting.sources.dir("/t", 0o755);
    fs_err::write(setting.source("t").join(name), "x").unwrap();
    let layer = setting.build(&[add(setting.source("t/"), "/")]).unwrap().layer(&Arc::default()).unwrap();
    let names: Vec<_> = layer.entries().map(|entry| entry.unwrap().name.0.clone()).collect();
    assert_eq!(names, [b"\xff\n"]);
    let error = setting.error(&[mkdir("/t"), add(setting.source("t").join(name), "/t/"), mkdir("/t/x\u{1b}[2J/..")]);
    assert!(error.ends_with("`/t/x\\u{1b}[2J/..` has `..` in it, which may lead anywhere"), "{error}");
}
