//! What one sees when layers lie upon each other.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::kit::*;
use super::{BaseError, BaseImage, Image};
use crate::entry::EntryName;
use crate::lower::LowerFile;

fn open(layers: &[&[Item]]) -> BaseImage {
    let tars: Vec<Vec<u8>> = layers.iter().map(|items| tar(items)).collect();
    let tars: Vec<&[u8]> = tars.iter().map(Vec::as_slice).collect();
    TempPlace::with(&tar(&Image::new(&tars).docker_members())).open("{}").unwrap()
}

/// Lays a layer upon one with the paths `a` (a directory with `f` and `d/g`) and `b` (a file).
fn check_paths(case: &str, upper: &[Item], expected: &[&str]) {
    let base = open(&[&lower(), upper]);
    assert_eq!(store_paths(&base), expected, "{case}");
}

fn lower() -> [Item; 7] {
    [
        dir("/nix/"),
        dir("/nix/store/"),
        dir("/nix/store/a/"),
        file("/nix/store/a/f", "f"),
        dir("/nix/store/a/d/"),
        file("/nix/store/a/d/g", "g"),
        file("/nix/store/b", "b"),
    ]
}

#[test]
fn store_paths_are_found_under_any_prefix() {
    for prefix in ["", "/", "./", ".//"] {
        let at = |name: &str| format!("{prefix}nix/store/{name}");
        let base = open(&[&[
            dir(&at(".links/")),
            file(&at(".links/0"), ""),
            file(&at(".tmp"), ""),
            file(&at("x-1.0+é?=_"), ""),
            file(&at("x-1.0+?=_"), ""),
            symlink(&at("link"), "x"),
            file(&at("implied/bin/x"), ""),
            file("nix/var/nix/db/db.sqlite", ""),
            file("usr/nix/store/no", ""),
            dir(&at("dir/")),
        ]]);
        assert_eq!(store_paths(&base), ["dir", "implied", "link", "x-1.0+?=_"], "{prefix}");
    }
}

#[test]
fn upper_layers_remove_store_paths() {
    check_paths("nothing", &[file("etc/x", "")], &["a", "b"]);
    check_paths("another one", &[file("nix/store/c", "")], &["a", "b", "c"]);
    check_paths("whiteout", &[file("nix/store/.wh.a", "")], &["b"]);
    check_paths("whiteout of what is not there", &[file("./nix/store/.wh.z", "")], &["a", "b"]);
    check_paths("whiteout and new", &[file("nix/store/a/x", ""), file("nix/store/.wh.a", "")], &["a", "b"]);
    check_paths("opaque store", &[file("nix/store/c", ""), file("nix/store/.wh..wh..opq", "")], &["c"]);
    check_paths("opaque nix", &[file("nix/.wh..wh..opq", "")], &[]);
    check_paths("opaque root", &[file(".wh..wh..opq", ""), file("nix/store/c", "")], &["c"]);
    check_paths("whiteout of nix", &[file(".wh.nix", "")], &[]);
    check_paths("whiteout of the store", &[file("nix/.wh.store", "")], &[]);
    check_paths("store is a link", &[symlink("nix/store", "/elsewhere")], &[]);
    check_paths("nix was a link", &[symlink("nix", "/elsewhere"), dir("nix/"), file("nix/store/c", "")], &["c"]);
    check_paths(
        "engine's own notes",
        &[file("nix/store/.wh..wh.plnk", ""), file("nix/store/a/.wh..wh.aufs", "")],
        &["a", "b"],
    );
}

#[test]
fn changed_store_paths_are_not_counted() {
    let again = |skip: usize| lower().into_iter().skip(skip).collect::<Vec<_>>();
    check_paths("the same again", &again(0), &["a", "b"]);
    check_paths("directories only", &[dir("nix/store/a/"), dir("nix/store/")], &["a", "b"]);
    check_paths("a part of it again", &again(4), &["b"]);
    check_paths("a part removed", &[file("nix/store/a/.wh.f", "")], &["b"]);
    check_paths("a part deep within removed", &[file("nix/store/a/d/.wh.g", "")], &["b"]);
    check_paths("a part added", &[file("nix/store/a/new", "")], &["b"]);
    check_paths("a part changed", &[file("nix/store/a/f", "longer")], &["b"]);
    check_paths("inner directory emptied", &[file("nix/store/a/d/.wh..wh..opq", "")], &["b"]);
    check_paths("replaced", &[file("nix/store/a/.wh..wh..opq", ""), file("nix/store/a/new", "")], &["a", "b"]);
    check_paths("directory becomes a file", &[file("nix/store/a", "")], &["a", "b"]);
    check_paths("file becomes a directory", &[dir("nix/store/b/"), file("nix/store/b/x", "")], &["a", "b"]);
    let removed: &[Item] = &[file("nix/store/a/.wh.f", "")];
    let gone: &[Item] = &[file("nix/store/.wh.a", "")];
    assert_eq!(store_paths(&open(&[&lower(), removed, gone, &lower()])), ["a", "b"], "shipped again");
    assert_eq!(store_paths(&open(&[&lower(), removed, &lower()])), ["b"], "not known to be whole");
}

fn content(base: &BaseImage, path: &str) -> Option<String> {
    base.read_file(path, 100).unwrap().map(|bytes| String::from_utf8(bytes).unwrap())
}

/// Reads `nix/var/db` with a layer upon one in which it is a file with `old`.
fn check_read(case: &str, upper: &[Item], expected: Option<&str>) {
    let base = open(&[&[file("nix/var/db", "old"), dir("top/"), file("top/x", "x")], upper]);
    for path in ["nix/var/db", "/nix/var/db", "./nix//var/./db", "top/../nix/var/db", "../nix/var/db"] {
        assert_eq!(content(&base, path).as_deref(), expected, "{case}: {path}");
    }
}

#[test]
fn files_are_read_as_one_sees_them() {
    check_read("untouched", &[file("etc/x", "")], Some("old"));
    check_read("beside it", &[file("nix/var/db2", ""), file("nix/store/x", ""), dir("nix/var/")], Some("old"));
    check_read("replaced", &[file("nix/var/db", "new")], Some("new"));
    check_read("twice", &[file("nix/var/db", "not yet"), file("./nix/var/db", "new")], Some("new"));
    check_read("whiteout", &[file("nix/var/.wh.db", "")], None);
    check_read("whiteout and new", &[file("nix/var/.wh.db", ""), file("nix/var/db", "new")], Some("new"));
    check_read("whiteout above", &[file("nix/.wh.var", "")], None);
    check_read("whiteout at the top", &[file(".wh.nix", "")], None);
    check_read("whiteout of another one", &[file("nix/var/.wh.d", ""), file("nix/var/.wh.dbx", "")], Some("old"));
    check_read("opaque", &[file("nix/var/.wh..wh..opq", "")], None);
    check_read("opaque, with it", &[file("nix/var/.wh..wh..opq", ""), file("nix/var/db", "new")], Some("new"));
    check_read("opaque above", &[file("nix/.wh..wh..opq", ""), dir("nix/var/")], None);
    check_read("opaque root", &[file(".wh..wh..opq", "")], None);
    check_read("opaque, then replaced", &[file("nix/var/.wh..wh..opq", ""), file("nix", ""), dir("nix/")], None);
    check_read("directory in its place", &[dir("nix/var/db/")], None);
    check_read("file above", &[file("nix/var", "")], None);
    check_read("device above", &[Item { kind: tar::EntryType::Char, ..file("nix", "") }], None);
}

/// What is noted of names to know which layers need not be read has limits, and must not hide a file.
#[test]
fn layers_with_a_great_many_names_are_read() {
    let mut many: Vec<Item> = (0..2000).map(|index| file(&format!("a{index}/x"), "")).collect();
    many.extend([file("z/db", "z"), file("z", "not a directory"), file(&format!("z2/{}", "n".repeat(97)), "long")]);
    let base = open(&[&[file("z/db", "old")], &many]);
    assert_eq!(content(&base, "z/db"), None);
    assert_eq!(content(&base, &format!("z2/{}", "n".repeat(97))).unwrap(), "long");
    assert_eq!(content(&base, "a1999/x").unwrap(), "");
    let base = open(&[&[file("z/db", "old")], &many[..2000]]);
    assert_eq!(content(&base, "z/db").unwrap(), "old");
}

#[test]
fn links_are_followed_and_stay_within() {
    for target in ["real", "./real", "/nix/var/real", "../var/real", "../../../../nix/var/real", "sub/../real"] {
        check_read(target, &[symlink("nix/var/db", target), file("nix/var/real", "new")], Some("new"));
    }
    check_read("to nowhere", &[symlink("nix/var/db", "nowhere")], None);
    check_read("hard link", &[file("nix/var/real", "new"), hard_link("nix/var/db", "nix/var/real")], Some("new"));
    check_read("directory", &[symlink("nix/var", "/top"), file("top/db", "new")], Some("new"));
    check_read("link and directory", &[symlink("nix", "top/nix"), file("top/nix/var/db", "new")], Some("new"));
    // Nothing of this machine is read.
    check_read("out", &[symlink("nix/var/db", "../../../../../../../../../etc/passwd")], None);
    check_read("out by a hard link", &[hard_link("nix/var/db", "../../../../../../etc/passwd")], None);
    let base =
        open(&[&[file("real", "lower")], &[hard_link("a", "real"), file("real", "upper")], &[file(".wh.real", "")]]);
    assert_eq!(content(&base, "a").as_deref(), Some("upper"), "a hard link is to what its own layer has");
    let base = open(&[&[symlink("nix", "x"), file("x/db", "hidden")], &[dir("nix/")]]);
    assert_eq!(content(&base, "nix/db"), None, "a directory hides a link");
    let base = open(&[&[symlink("nix", "x"), file("x/db", "hidden")], &[file("nix/else", "")]]);
    assert_eq!(content(&base, "nix/db"), None, "so does one that is implied");
}

#[test]
fn circles_of_links_end() {
    for items in [&[symlink("a", "b"), symlink("b", "a")][..], &[hard_link("a", "a")], &[symlink("a", "a/a")]] {
        let error = open(&[items]).read_file("a", 100).unwrap_err();
        assert!(matches!(error, BaseError::TooManyLinks { .. }), "{error}");
    }
}

#[test]
fn files_are_read_up_to_a_limit() {
    let base = open(&[&[file("a", "12345")]]);
    assert_eq!(base.read_file("a", 5).unwrap().unwrap(), b"12345");
    let error = base.read_file("a", 4).unwrap_err();
    assert!(error.to_string().ends_with("is longer than 4 bytes"), "{error}");
    assert_eq!((base.read_file("", 5).unwrap(), base.read_file("/", 5).unwrap()), (None, None));
}

/// Files by name; a directory has no content.
type Tree = BTreeMap<String, Option<String>>;

/// What a layer says, the plain way: unpacked by itself, and what it removes.
#[derive(Clone, Debug, Default)]
struct Unpacked {
    tree: Tree,
    whiteouts: Vec<String>,
    opaque: Vec<String>,
}

impl Unpacked {
    /// Returns `false` for what cannot be unpacked, below a file.
    fn add(&mut self, name: &str, what: What, content: String) -> bool {
        let parents = || name.match_indices('/').map(|(at, _)| &name[..at]);
        let is_file = |at: &str| matches!(self.tree.get(at), Some(Some(_)));
        if parents().any(is_file) || (matches!(what, What::Opaque) && is_file(name)) {
            return false;
        }
        let parents: Vec<String> = parents().map(str::to_owned).collect();
        self.tree.extend(parents.into_iter().map(|parent| (parent, None)));
        match what {
            What::Whiteout => self.whiteouts.push(name.to_owned()),
            What::Opaque => {
                self.tree.insert(name.to_owned(), None);
                self.opaque.push(name.to_owned());
            }
            What::Dir => drop(self.tree.insert(name.to_owned(), None)),
            What::File => {
                self.tree.retain(|known, _| !is_below(known, name));
                self.tree.insert(name.to_owned(), Some(content));
            }
        }
        true
    }

    fn upon(&self, below: &Tree) -> Tree {
        let hides = |name: &String| {
            let is_replaced = |at: &str| match (self.tree.get(at), below.get(at)) {
                (Some(None), Some(old)) => old.is_some(),
                (new, _) => new.is_some(),
            };
            self.whiteouts.iter().any(|gone| name == gone || is_below(name, gone))
                || self.opaque.iter().any(|gone| is_below(name, gone))
                || is_replaced(name)
                || name.match_indices('/').any(|(at, _)| is_replaced(&name[..at]))
        };
        let mut tree: Tree =
            below.iter().filter(|(name, _)| !hides(name)).map(|(name, old)| (name.clone(), old.clone())).collect();
        tree.extend(self.tree.clone());
        tree
    }
}

fn is_below(name: &str, directory: &str) -> bool {
    name.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
}

#[derive(Clone, Copy, Debug)]
enum What {
    File,
    Dir,
    Whiteout,
    Opaque,
}

fn item(name: &str, what: What, content: &str) -> Item {
    let (directory, last) = name.rsplit_once('/').map_or((String::new(), name), |(d, last)| (format!("{d}/"), last));
    match what {
        What::File => file(name, content),
        What::Dir => dir(&format!("{name}/")),
        What::Whiteout => file(&format!("{directory}.wh.{last}"), ""),
        What::Opaque => file(&format!("{name}/.wh..wh..opq"), ""),
    }
}

fn names() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop_oneof!["a", "b"], 1..=4).prop_map(|parts| parts.join("/"))
}

fn whats() -> impl Strategy<Value = What> {
    prop_oneof![4 => Just(What::File), 2 => Just(What::Dir), 1 => Just(What::Whiteout), 1 => Just(What::Opaque)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_layers_are_seen_as_when_they_are_unpacked(
        layers in proptest::collection::vec(proptest::collection::vec((names(), whats()), 0..=6), 1..=4),
    ) {
        let mut tree = Tree::new();
        let mut items: Vec<Vec<Item>> = Vec::new();
        for (index, layer) in layers.iter().enumerate() {
            let mut unpacked = Unpacked::default();
            let mut of_layer = Vec::new();
            for (at, (name, what)) in layer.iter().enumerate() {
                let content = format!("{index}.{at}");
                if unpacked.add(name, *what, content.clone()) {
                    of_layer.push(item(name, *what, &content));
                }
            }
            tree = unpacked.upon(&tree);
            items.push(of_layer);
        }
        let base = open(&items.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let mut every: Vec<String> = vec!["a".into(), "b".into()];
        for depth in 0..3 {
            let longest: Vec<String> = every.iter().filter(|name| name.len() == 2 * depth + 1).cloned().collect();
            every.extend(longest.iter().flat_map(|name| [format!("{name}/a"), format!("{name}/b")]));
        }
        prop_assert_eq!(every.len(), 30);
        for name in every {
            let expected = tree.get(&name).cloned().flatten();
            prop_assert_eq!(content(&base, &name), expected, "{} of {:?}", name, layers);
        }
    }
}

#[test]
fn directories_and_links_are_seen_through_all_layers() {
    let lower = [dir("usr/bin/"), symlink("bin", "usr/bin"), dir("var/"), dir("var/lib/"), dir("opt/"), dir("opt/a/")];
    let upper = [
        file("opt/.wh..wh..opq", ""),
        dir("opt/"),
        dir("opt/b/"),
        file("var/.wh.lib", ""),
        symlink("usr/sbin", "bin"),
        dir("nix/store/x/"),
    ];
    let base = open(&[&lower, &upper]);
    let seen = |name: &str| base.lower_files().get(&EntryName(name.into())).cloned();
    assert_eq!(seen("bin"), Some(LowerFile::Symlink(b"usr/bin".to_vec())));
    assert_eq!(seen("usr/sbin"), Some(LowerFile::Symlink(b"bin".to_vec())));
    for (name, is_seen) in [
        ("usr/bin", true),
        ("opt", true),
        ("opt/a", false),
        ("opt/b", true),
        ("var", true),
        ("var/lib", false),
        ("nix/store/x", true),
    ] {
        assert_eq!(matches!(seen(name), Some(LowerFile::Directory { .. })), is_seen, "{name}");
    }
}

#[test]
fn files_are_seen_through_all_layers() {
    let lower =
        [file("etc/passwd", ""), file("etc/gone", ""), hard_link("etc/link", "etc/passwd"), dir("a/"), file("a/x", "")];
    let upper =
        [file("etc/.wh.gone", ""), file("a", ""), file("nix/store/x/bin/tool", ""), symlink("nix/store/x/lib", "y")];
    let base = open(&[&lower, &upper]);
    let seen = |name: &str| base.lower_files().get(&EntryName(name.into())).cloned();
    for (name, expected) in [
        ("etc/passwd", Some(LowerFile::File)),
        ("etc/link", Some(LowerFile::File)),
        ("etc/gone", None),
        ("a", Some(LowerFile::File)),
        ("a/x", None),
        ("nix/store/x/bin/tool", Some(LowerFile::File)),
        ("nix/store/x/lib", Some(LowerFile::Symlink(b"y".to_vec()))),
    ] {
        assert_eq!(seen(name), expected, "{name}");
    }
    assert!(matches!(seen("nix/store/x/bin"), Some(LowerFile::Directory { .. })));
}

/// A layer that names only what is in a directory has that directory all the same.
#[test]
fn directories_that_nobody_names_hide_links() {
    let lower = [symlink("lib", "usr/lib"), dir("usr/lib/"), file("opt", "")];
    let base = open(&[&lower, &[file("lib/x", ""), dir("opt/y/")]]);
    for name in ["lib", "opt"] {
        let seen = base.lower_files().get(&EntryName(name.into()));
        assert!(matches!(seen, Some(LowerFile::Directory { .. })), "{name}: {seen:?}");
    }
    // Within one layer, it is the other way: whoever unpacks it follows the link.
    let base = open(&[&[symlink("lib", "usr/lib"), file("lib/x", "")]]);
    assert!(matches!(base.lower_files().get(&EntryName("lib".into())), Some(LowerFile::Symlink(_))));
}

/// Engines unpack a device 0/0 into the directory of an overlay, where it removes what is below.
#[test]
fn overlay_removes_files_in_its_own_spelling() {
    let whiteout = |name: &str| Item { kind: tar::EntryType::Char, ..file(name, "") };
    check_paths("whiteout", &[whiteout("nix/store/a")], &["b"]);
    check_paths("whiteout within", &[whiteout("nix/store/a/f")], &["b"]);
    check_paths("whiteout of the store", &[whiteout("nix/store")], &[]);
    check_read("whiteout", &[whiteout("nix/var/db")], None);
    check_read("whiteout above", &[whiteout("nix/var")], None);
    let lower = [dir("etc/"), dir("etc/conf/"), file("etc/conf/x", ""), symlink("lib", "usr/lib")];
    let base = open(&[&lower, &[whiteout("etc/conf"), whiteout("lib")]]);
    for name in ["etc/conf", "etc/conf/x", "lib"] {
        assert_eq!(base.lower_files().get(&EntryName(name.into())), None, "{name}");
    }
    let opaque = |name: &str| [Item::new_pax("SCHILY.xattr.trusted.overlay.opaque", "y"), dir(name)];
    check_paths("opaque store", &opaque("nix/store/"), &[]);
    check_read("opaque", &opaque("nix/var/"), None);
    let base = open(&[&lower, &opaque("etc/conf/")]);
    assert!(base.lower_files().get(&EntryName("etc/conf".into())).is_some());
    assert_eq!(base.lower_files().get(&EntryName("etc/conf/x".into())), None);
}
