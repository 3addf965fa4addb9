use super::super::tests::{A, B, Setting, add, files, link, links, mkdir};
use std::path::Path;

use crate::customisation::Operation;
use crate::lower::LowerFile;

const C: &str = "/nix/store/22222222222222222222222222222222-c";

/// Makes the files of a store path: a name with `/` at its end is a directory, with ` -> ` a link, with ` = ` a file.
fn store(setting: &Setting, path: &str, files: &[&str]) {
    setting.root.dir(path, 0o755);
    for file in files {
        if let Some((name, target)) = file.split_once(" -> ") {
            setting.root.symlink(&format!("{path}/{name}"), target);
        } else if let Some((name, content)) = file.split_once(" = ") {
            setting.root.file(&format!("{path}/{name}"), 0o444, content.as_bytes());
        } else {
            setting.root.dir(&format!("{path}/{file}"), 0o755);
        }
    }
}

/// Expects directories, and links: ` @A` behind a name is one to what `A` has under that name.
fn check(setting: &Setting, operations: &[Operation], expected: &[&str]) {
    let describe = |entry: &&str| match (entry.split_once(" @"), entry.split_once(" -> ")) {
        (Some((name, "A")), _) => format!("{name} 777 -> {A}/{name}"),
        (Some((name, _)), _) => format!("{name} 777 -> {B}/{name}"),
        (_, Some((name, target))) => format!("{name} 777 -> {target}"),
        _ => format!("{entry} 755"),
    };
    let expected: Vec<String> = expected.iter().map(describe).collect();
    setting.check(operations, &expected.iter().map(String::as_str).collect::<Vec<_>>());
}

fn in_a(name: &str) -> String {
    format!("{A}/{name}")
}

fn in_b(name: &str) -> String {
    format!("{B}/{name}")
}

#[test]
fn leaves_are_links_and_directories_are_real() {
    let setting = Setting::new();
    store(&setting, A, &["bin/", "bin/x = x", "bin/y -> x", "empty/", "z = z", "etc -> bin", "gone -> nowhere"]);
    setting.root.chmod(&in_a("bin"), 0o500);
    let expected =
        ["bin/", "bin/x @A", "bin/y @A", "empty/", "etc/", "etc/x @A", "etc/y @A", "gone -> nowhere", "z @A"];
    check(&setting, &[links(A)], &expected);
    // Twice is as good as once, and so is a slash.
    check(&setting, &[links(A), links(A), links(&format!("{A}/"))], &expected);
}

#[test]
fn copies_have_modes_and_links_of_their_own() {
    let setting = Setting::new();
    store(&setting, A, &["bin/", "bin/x = x", "bin/y -> x", "gone -> nowhere"]);
    setting.root.chmod(&in_a("bin/x"), 0o555);
    setting.root.chmod(&in_a("bin"), 0o555);
    let expected = ["bin/ 755", "bin/x 555 = x", "bin/y 777 -> x", "gone 777 -> nowhere"];
    setting.check(&[files(A), files(A)], &expected);
}

#[test]
fn directories_are_merged() {
    let setting = Setting::new();
    store(&setting, A, &["bin/", "bin/a = a", "share/", "share/doc/", "share/doc/a = a"]);
    store(&setting, B, &["bin/", "bin/b = b", "share/", "share/man/", "share/man/b = b"]);
    let expected =
        ["bin/", "bin/a @A", "bin/b @B", "share/", "share/doc/", "share/doc/a @A", "share/man/", "share/man/b @B"];
    check(&setting, &[links(A), links(B)], &expected);
    check(&setting, &[links(B), links(A)], &expected);
}

#[test]
fn links_to_directories_are_expanded_where_they_meet_directories() {
    let setting = Setting::new();
    store(&setting, A, &["lib/", "lib/a = a", "lib64 -> lib"]);
    store(&setting, B, &["lib64/", "lib64/b = b"]);
    let expected = ["lib/", "lib/a @A", "lib64/", "lib64/a @A", "lib64/b @B"];
    check(&setting, &[links(A), links(B)], &expected);
    check(&setting, &[links(B), links(A)], &expected);
    let copies = ["lib/ 755", "lib/a 444 = a", "lib64/ 755", "lib64/a 444 = a", "lib64/b 444 = b"];
    setting.check(&[files(A), files(B)], &copies);
    setting.check(&[files(B), files(A)], &copies);
}

#[test]
fn links_to_different_directories_are_joined() {
    let setting = Setting::new();
    store(&setting, A, &["share/", "share/a = a", "data -> share"]);
    store(&setting, B, &["share/", "share/b = b", &format!("data -> {B}/share")]);
    store(&setting, C, &[&format!("data -> {A}/share")]);
    let joined = ["data/", "data/a @A", "data/b @B", "share/", "share/a @A", "share/b @B"];
    check(&setting, &[links(A), links(B)], &joined);
    // The same directory, reached in two ways.
    check(&setting, &[links(A), links(C)], &["data/", "data/a @A", "share/", "share/a @A"]);
}

#[test]
fn files_of_one_name_have_to_be_the_same() {
    let setting = Setting::new();
    store(&setting, A, &["same = same", "link -> same", "x = one"]);
    store(&setting, B, &["same = same", &format!("link -> {A}/same"), "y = y"]);
    let expected = ["link @A", "same @A", "x @A", "y @B"];
    check(&setting, &[links(A), links(B)], &expected);
    setting.check(&[files(A), files(B)], &["link 777 -> same", "same 444 = same", "x 444 = one", "y 444 = y"]);

    store(&setting, C, &["x = two"]);
    let conflict = |mode: fn(&str) -> Operation| setting.error(&[mode(A), mode(C)]);
    let expected = format!("copying `{C}` to the root: `/x` would be both `{A}/x` and `{C}/x`; leave one out");
    assert_eq!((conflict(links), conflict(files)), (expected.clone(), expected));
    let [one, two] = ["one", "two"].map(|name| setting.source(name));
    setting.sources.file("/one", 0o444, b"one");
    setting.sources.file("/two", 0o444, b"two");
    setting.check(&[add(&two, "/x")], &["x 444 = two"]);
    assert!(
        setting.error(&[add(&one, "/x"), links(C)]).contains("`/x` would be both a file that was put there before")
    );
    setting.check(&[add(&two, "/x"), links(C)], &["x 444 = two"]);
    setting.check(&[links(C), add(&one, "/x")], &["x 444 = one"]);
}

#[test]
fn files_of_one_content_and_two_modes_are_not_the_same() {
    let setting = Setting::new();
    store(&setting, A, &["x = x"]);
    store(&setting, B, &["x = x"]);
    setting.root.chmod(&in_b("x"), 0o555);
    assert!(setting.error(&[links(A), links(B)]).contains("would be both"));
}

#[test]
fn large_files_are_compared_to_their_ends() {
    let setting = Setting::new();
    let mut content = crate::fixture::pseudo_random(300_000);
    setting.root.dir(A, 0o755);
    setting.root.dir(B, 0o755);
    setting.root.file(&in_a("x"), 0o444, &content);
    setting.root.file(&in_b("x"), 0o444, &content);
    assert!(setting.build(&[links(A), links(B)]).is_ok());
    *content.last_mut().unwrap() ^= 1;
    setting.root.file(&in_b("x"), 0o444, &content);
    assert!(setting.error(&[links(A), links(B)]).contains("would be both"));
}

#[test]
fn file_and_directory_are_a_conflict() {
    let setting = Setting::new();
    store(&setting, A, &["x = x", "dangling -> nowhere"]);
    store(&setting, B, &["x/", "x/y = y"]);
    store(&setting, C, &["dangling -> elsewhere"]);
    let (forth, back) = (setting.error(&[links(A), links(B)]), setting.error(&[links(B), links(A)]));
    assert!(forth.contains(&format!("`/x` would be both `{A}/x` and the directory `{B}/x`")), "{forth}");
    assert!(back.contains(&format!("`/x` would be both a directory and `{A}/x`")), "{back}");
    assert!(setting.error(&[links(A), links(C)]).contains("`/dangling` would be both"));
}

#[test]
fn what_was_made_before_is_respected() {
    let setting = Setting::new();
    store(&setting, A, &["bin/", "bin/x = x"]);
    // Into the directory that a link of the layer leads to.
    let in_place = format!("usr/bin/x -> {}", in_a("bin/x"));
    let expected = ["bin -> usr/bin", "usr/", "usr/bin/", &in_place];
    check(&setting, &[mkdir("/usr/bin"), link("usr/bin", "/bin"), links(A)], &expected);
    assert!(setting.error(&[link("/nowhere", "/bin"), links(A)]).contains("`/bin` is a symlink to `/nowhere`"));
    let made = [mkdir("/bin"), link(&in_a("bin/x"), "/bin/x")];
    check(&setting, &[&made[..], &[links(A)]].concat(), &["bin/", "bin/x @A"]);
    let other = [mkdir("/bin"), link("y", "/bin/x"), links(A)];
    assert!(setting.error(&other).contains("`/bin/x` would be both a symlink to `y` and"));
}

#[test]
fn links_to_directories_are_real_ones_where_asked_for() {
    let setting = Setting::new();
    store(&setting, A, &["share/", "share/more/", "share/more/x = x", "share/data -> more"]);
    setting.sources.file("/y", 0o644, b"y");
    let add_y = add(setting.source("y"), "/share/data/y");
    let error = setting.error(&[links(A), add_y.clone()]);
    let expected = format!(
        "`/share/data` is a link to `{A}/share/data`, through which nothing can be changed; make a directory of this name"
    );
    assert!(error.contains(&expected), "{error}");
    let x = ["data", "more"].map(|name| format!("share/{name}/x 777 -> {A}/share/{name}/x"));
    let expected = ["share/ 755", "share/data/ 755", &x[0], "share/data/y 644 = y", "share/more/ 755", &x[1]];
    setting.check(&[mkdir("/share/data"), links(A), add_y], &expected);
}

/// Layers above, ours or anybody's, can then have a directory of that name without hiding anything.
#[test]
fn links_to_directories_at_the_root_are_real_ones() {
    let setting = Setting::new();
    store(&setting, A, &["bin/", "bin/x = x", "lib/", "lib/y = y"]);
    store(
        &setting,
        B,
        &[&format!("bin -> {A}/bin"), "lib64 -> lib", "lib -> ../00000000000000000000000000000000-a/lib"],
    );
    let expected = ["bin/", "bin/x @B", "lib/", "lib/y @B", "lib64/", "lib64/y @B"];
    check(&setting, &[links(B)], &expected);
    setting.sources.file("/z", 0o644, b"z");
    setting.check(
        &[files(B), add(setting.source("z"), "/bin/")],
        &[
            "bin/ 755",
            &format!("bin/x 777 -> {A}/bin/x"),
            "bin/z 644 = z",
            "lib/ 755",
            &format!("lib/y 777 -> {A}/lib/y"),
            "lib64/ 755",
            &format!("lib64/y 777 -> {A}/lib/y"),
        ],
    );
    // What leads to another part of the copy stays as it is.
    store(&setting, C, &["usr/", "usr/bin/", "usr/bin/x = x", "bin -> usr/bin", "sbin -> bin"]);
    let merged = ["bin 777 -> usr/bin", "sbin 777 -> bin", "usr/ 755", "usr/bin/ 755", "usr/bin/x 444 = x"];
    setting.check(&[files(C)], &merged);
}

/// Which a package is where its builder was `ln -s`.
#[test]
fn a_link_to_a_directory_is_as_good_as_that() {
    let setting = Setting::new();
    store(&setting, A, &["bin/", "bin/x = x", "lib64 -> lib", "lib/", "lib/y = y"]);
    setting.root.symlink(B, "00000000000000000000000000000000-a");
    setting.root.symlink(C, B);
    for link in [B, C] {
        let [x, y, y64] = ["bin/x", "lib/y", "lib64/y"].map(|name| format!("{name} 777 -> {link}/{name}"));
        setting.check(&[links(link)], &["bin/ 755", &x, "lib/ 755", &y, "lib64/ 755", &y64]);
        // Twice the same.
        let both = setting.build(&[links(A), links(link)]);
        assert!(both.is_ok(), "{both:?}");
        let copies = ["bin/ 755", "bin/x 444 = x", "lib/ 755", "lib/y 444 = y", "lib64 777 -> lib"];
        setting.check(&[files(link)], &copies);
    }
}

/// What a package says of another layer, it says in the image.
#[test]
fn links_that_lead_nowhere_in_their_package_say_the_same_in_the_image() {
    let mut setting = Setting::new();
    let package = ["opt/", "opt/current -> v2", "opt/up -> ../v2", "opt/out -> ../../v2", "opt/far -> /v2"];
    store(&setting, A, &package);
    store(&setting, B, &["opt/", "opt/current -> v2", "opt/out -> ../../v2"]);
    let out = |package: &str| format!("opt/out -> {package}/opt/out");
    let expected = ["opt/", "opt/current -> v2", "opt/far @A", &out(A), "opt/up -> ../v2"];
    check(&setting, &[links(A)], &expected);
    assert!(setting.error(&[links(A), links(B)]).contains("`/opt/out` would be both"));
    store(&setting, C, &["opt/", "opt/current -> v3"]);
    assert!(setting.error(&[links(A), links(C)]).contains("`/opt/current` would be both"));
    // And may so lead elsewhere than the link of a lower layer.
    for name in ["v1", "v2"] {
        let directory = LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 };
        setting.lower.insert(&Path::new("/opt").join(name), directory);
    }
    setting.lower.insert(Path::new("/opt/current"), LowerFile::Symlink(b"v1".into()));
    check(&setting, &[links(C)], &["opt/", "opt/current -> v3"]);
    check(&setting, &[files(C)], &["opt/", "opt/current -> v3"]);
    // But no file takes its place.
    let other = C.replace('2', "3");
    store(&setting, &other, &["opt/", "opt/current = text"]);
    for mode in [links, files] {
        assert!(setting.error(&[mode(&other)]).contains("would be hidden"));
    }
}

#[test]
fn only_directories_are_copied_to_the_root() {
    let setting = Setting::new();
    store(&setting, A, &["x = x"]);
    setting.root.symlink(B, &in_a("x"));
    setting.root.symlink(&in_a("gone"), "/nowhere");
    let hint = "put the file into one, by the name that it is to have at the root, and name that directory";
    for (path, message) in [
        (in_a("x"), format!("is a file, and no directory; {hint}")),
        (B.to_owned(), format!("`{B}` is a symlink to `{A}/x`, and that is no directory; {hint}")),
        (in_a("gone"), "is a symlink to `/nowhere`, and that is no directory".to_owned()),
        ("result".to_owned(), "is no absolute path; write it as it is in the image".to_owned()),
        (format!("{A}/.."), "has `..` in it".to_owned()),
        (C.to_owned(), "does not exist below the root".to_owned()),
    ] {
        let error = setting.error(&[links(&path)]);
        assert!(error.contains(&message), "{error}");
    }
}

#[test]
fn odd_files_are_refused() {
    let setting = Setting::new();
    store(&setting, A, &[]);
    setting.root.fifo(&in_a("pipe"));
    assert!(setting.error(&[links(A)]).ends_with("is a FIFO, which cannot be copied to the root"));
    store(&setting, B, &[".wh.x = x"]);
    assert!(setting.error(&[links(B)]).contains("begins with `.wh.`"));
}

#[test]
fn what_every_package_has_is_left_out() {
    let setting = Setting::new();
    let files =
        ["nix-support/", "nix-support/x = x", "share/", "share/info/", "share/info/dir = dir", "share/info/x = x"];
    store(&setting, A, &files);
    store(&setting, B, &["nix-support/", "nix-support/x = y", "share/", "share/info/", "share/info/dir = other"]);
    let expected = ["share/", "share/info/", "share/info/x @A"];
    check(&setting, &[links(A), links(B)], &expected);
}

#[test]
fn directories_that_hold_themselves_are_not_followed_for_ever() {
    let setting = Setting::new();
    store(&setting, A, &["X11 -> .", "a = a"]);
    store(&setting, B, &["X11/", "X11/b = b"]);
    let expected = ["X11/", "X11/X11 @A", "X11/a @A", "X11/b @B"];
    let both = [links(A), links(B)];
    check(&setting, &both, &[&expected[..], &["a @A"]].concat());
    store(&setting, C, &["X11 -> .", "c = c"]);
    assert!(setting.error(&[links(A), links(C)]).contains("leads through more than 40 symlinks"));
}

#[test]
fn many_directories_that_hold_themselves_are_too_much() {
    let setting = Setting::new();
    let circles: Vec<String> = (0..40).map(|number| format!("{number} -> .")).collect();
    let circles: Vec<&str> = circles.iter().map(String::as_str).collect();
    store(&setting, A, &circles);
    store(&setting, B, &circles);
    let error = setting.error(&[links(A), links(B)]);
    assert!(error.contains("more than 40 symlinks") || error.contains("there is too much"), "{error}");
}

#[test]
fn store_behind_a_link_of_the_root_is_named_as_in_the_image() {
    let setting = Setting::new();
    setting.root.dir("/data/store", 0o755);
    let data = A.replace("/nix", "/data");
    store(&setting, &data, &["x = x"]);
    fs_err::remove_dir_all(setting.root.at("/nix")).unwrap();
    setting.root.symlink("/nix", "/data");
    check(&setting, &[links(A)], &["x @A"]);
}
