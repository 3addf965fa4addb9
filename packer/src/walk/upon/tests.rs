use std::path::Path;

use super::*;

/// `name/` is a directory, `name -> target` a symlink, and all else a file; of a directory, ` MODE` may follow.
fn parse(spec: &str) -> (EntryName, EntryKind, u32) {
    let name = |name: &str| EntryName(name.into());
    if let Some((link, target)) = spec.split_once(" -> ") {
        return (name(link), EntryKind::Symlink { target: target.into() }, 0o777);
    }
    let (path, mode) =
        spec.split_once(' ').map_or((spec, 0o755), |(path, mode)| (path, u32::from_str_radix(mode, 8).unwrap()));
    match path.strip_suffix('/') {
        Some(directory) => (name(directory), EntryKind::Directory, mode),
        // As good as a file, and without one on a disk.
        None => (name(path), EntryKind::Fifo, 0o644),
    }
}

fn lay(lower: &[&str], listed: &[&str]) -> Result<(Vec<String>, bool), String> {
    let mut below = LowerFiles::default();
    for spec in lower {
        let (name, kind, mode) = parse(spec);
        let file = match kind {
            EntryKind::Directory => LowerFile::Directory { mode, uid: 0, gid: 0 },
            EntryKind::Symlink { target } => LowerFile::Symlink(target),
            _ => LowerFile::File,
        };
        below.insert(&Path::new("/").join(name.as_path()), file);
    }
    let entry = |spec: &&str| {
        let (name, kind, mode) = parse(spec);
        (name.clone(), ("node", Entry::new(name, kind, mode)))
    };
    let (laid, is_adapted) = upon(&below, listed.iter().map(entry).collect()).map_err(|error| error.to_string())?;
    let describe = |entry: Entry| {
        let name = String::from_utf8(entry.name.0).unwrap();
        match entry.kind {
            EntryKind::Directory if entry.mode == 0o755 => format!("{name}/"),
            EntryKind::Directory => format!("{name}/ {:o}", entry.mode),
            EntryKind::Symlink { target } => format!("{name} -> {}", String::from_utf8(target).unwrap()),
            _ => name,
        }
    };
    Ok((laid.into_values().map(describe).collect(), is_adapted))
}

fn check(lower: &[&str], listed: &[&str], expected: &[&str]) {
    let (laid, is_adapted) = lay(lower, listed).unwrap();
    assert_eq!(laid, expected, "{listed:?} upon {lower:?}");
    assert_eq!(is_adapted, listed != expected);
}

fn check_refused(lower: &[&str], listed: &[&str], reason: &str) {
    let error = lay(lower, listed).unwrap_err();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn what_is_alike_stays_as_it_is() {
    let merged = ["bin -> usr/bin", "usr/", "usr/bin/", "usr/bin/x"];
    check(&[], &merged, &merged);
    check(&merged, &merged, &merged);
    check(&["etc/", "opt -> /nowhere"], &merged, &merged);
    check(&["bin/", "bin/sh"], &["bin/", "bin/x"], &["bin/", "bin/x"]);
}

#[test]
fn directories_go_to_where_links_lead() {
    let unmerged = ["bin/", "bin/x", "lib/", "lib/a/", "lib/a/y"];
    let expected = ["usr/ 711", "usr/bin/", "usr/bin/x", "usr/lib/ 700", "usr/lib/a/", "usr/lib/a/y"];
    for (bin, lib) in [("usr/bin", "usr/lib"), ("/usr/bin", "../usr/./lib"), ("more/bin", "usr/sub/../lib")] {
        let (bin, lib) = (format!("bin -> {bin}"), format!("lib -> {lib}"));
        let lower = ["more -> usr", "usr/ 711", "usr/bin/", "usr/lib/ 700", "usr/sub/", &bin, &lib];
        check(&lower, &unmerged, &expected);
    }
    // Also within other directories, through several links, and to what nobody has made yet.
    let nested = ["var/", "var/run/", "var/run/x/", "var/run/x/pid"];
    check(&["var/run -> /run"], &nested, &["run/", "run/x/", "run/x/pid", "var/"]);
    check(&["var/run -> ../one", "one -> two", "two/ 1777"], &nested, &["two/ 1777", "two/x/", "two/x/pid", "var/"]);
    check(&["etc/foo -> .."], &["etc/", "etc/foo/", "etc/foo/x"], &["etc/", "x"]);
}

#[test]
fn links_do_not_replace_directories() {
    // What is found through them is found as before, in the directory that is there.
    let merged = ["bin -> usr/bin", "usr/", "usr/bin/", "usr/bin/x"];
    check(&["bin/", "bin/sh"], &merged, &["bin/", "bin/x -> /usr/bin/x", "usr/", "usr/bin/", "usr/bin/x"]);
    let libraries = ["lib -> usr/lib", "usr/", "usr/lib/", "usr/lib/a/", "usr/lib/a/c.so", "usr/lib/b/", "usr/lib/b/d"];
    let expected = [
        "lib/ 700",
        "lib/a/",
        "lib/a/c.so -> /usr/lib/a/c.so",
        "lib/b -> /usr/lib/b",
        "usr/",
        "usr/lib/",
        "usr/lib/a/",
        "usr/lib/a/c.so",
        "usr/lib/b/",
        "usr/lib/b/d",
    ];
    check(&["lib/ 700", "lib/a/", "lib/a/old.so", "lib/a/c.so"], &libraries, &expected);
    // A link of the base that leads elsewhere is as good as a directory.
    let lib64 = ["lib64 -> usr/lib64", "usr/", "usr/lib64/", "usr/lib64/ld.so"];
    check(
        &["lib64 -> lib", "lib/"],
        &lib64,
        &["lib/", "lib/ld.so -> /usr/lib64/ld.so", "usr/", "usr/lib64/", "usr/lib64/ld.so"],
    );
    // One that leads to the same place says the same.
    check(&["lib64 -> /usr/lib64", "usr/lib64/"], &lib64, &lib64[1..]);
    check(&["lib64 -> usr/lib64", "usr/lib64/"], &lib64, &lib64);
    // Both are there, and one is the other.
    check(&["bin/", "usr/bin -> ../bin"], &merged, &["bin/", "bin/x", "usr/"]);
    check(&["bin/", "bin/x -> ../usr/bin/x"], &merged, &["usr/", "usr/bin/", "usr/bin/x"]);
}

#[test]
fn nested_links_are_left_out_where_a_directory_is() {
    let doc = ["usr/", "usr/share/", "usr/share/a -> b", "usr/share/b/", "usr/share/b/x"];
    check(&["usr/share/a/"], &doc, &["usr/", "usr/share/", "usr/share/b/", "usr/share/b/x"]);
    check(&["etc/up/"], &["etc/", "etc/up -> ..", "x"], &["etc/", "x"]);
    check(&["up/"], &["etc/", "up -> .", "x"], &["etc/", "x"]);
}

#[test]
fn files_replace_files_and_links() {
    let file = ["etc/", "etc/x"];
    for below in ["etc/x", "etc/x -> y", "etc/x -> /nowhere", "etc/x -> x"] {
        check(&[below, "etc/y"], &file, &file);
    }
    check(&["etc/x -> y", "etc/y"], &["etc/", "etc/x -> z"], &["etc/", "etc/x -> z"]);
}

#[test]
fn modes_of_directories_are_those_below() {
    check(&["tmp/ 1777", "srv/ 700"], &["srv/", "srv/x", "tmp/"], &["srv/ 700", "srv/x", "tmp/ 1777"]);
}

#[test]
fn a_compatibility_link_gives_way_to_its_file() {
    let unmerged = ["bin/", "bin/touch", "usr/", "usr/bin/", "usr/bin/touch -> /bin/touch"];
    check(&["bin -> usr/bin", "usr/bin/"], &unmerged, &["usr/", "usr/bin/", "usr/bin/touch"]);
    let unmerged = ["bin/", "bin/which -> ../usr/bin/which", "usr/", "usr/bin/", "usr/bin/which"];
    check(&["bin -> usr/bin", "usr/bin/"], &unmerged, &["usr/", "usr/bin/", "usr/bin/which"]);
    // Links lead to where they did.
    check(
        &["lib -> usr/lib", "usr/lib/"],
        &["etc/", "etc/x", "lib/", "lib/a -> ../etc/x", "lib/b -> b.1"],
        &["etc/", "etc/x", "usr/", "usr/lib/", "usr/lib/a -> /etc/x", "usr/lib/b -> b.1"],
    );
    // A circle of the package's own is nothing to us.
    let circle = ["usr/", "usr/x -> x"];
    check(&["etc/"], &circle, &circle);
}

#[test]
fn what_would_hide_something_is_refused() {
    check_refused(&["lib/", "lib/libc.so"], &["lib"], "`/lib` of node `node` is no directory, and a directory in the");
    check_refused(&["lib -> usr/lib", "usr/lib/"], &["lib"], "`/lib` of node `node` is no directory, and a directory");
    check_refused(&["etc/x"], &["etc/", "etc/x/"], "`/etc/x` of node `node` is a directory, and no directory in the");
    check_refused(&["etc/x -> y", "etc/y"], &["etc/", "etc/x/"], "`/etc/x` of node `node` is a directory");
    check_refused(&["etc/x -> x"], &["etc/", "etc/x/"], "`/etc/x` of node `node` is a directory");
    check_refused(
        &["bin -> nix/store/a/bin", "nix/store/a/bin/"],
        &["bin/", "bin/x"],
        "`/bin` of node `node` is a directory, and a link into a store path in the layers below",
    );
    check_refused(
        &["bin -> usr/bin", "usr/bin/"],
        &["bin/", "bin/x", "usr/", "usr/bin/", "usr/bin/x -> y"],
        "`/bin/x` and `/usr/bin/x` of node `node` are different files, and both would be `/usr/bin/x` in the base image",
    );
    check_refused(
        &["bin/", "bin/x/"],
        &["bin -> usr/bin", "usr/", "usr/bin/", "usr/bin/x"],
        "`/bin/x` of node `node` is no directory, and a directory in the layers below",
    );
    check_refused(
        &["a -> b", "b/"],
        &["a/", "a/x/", "a/x/y", "b/", "b/x -> /else"],
        "both would be `/b/x` in the base image",
    );
}
