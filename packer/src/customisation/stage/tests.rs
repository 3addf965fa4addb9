use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use super::super::tests::{
    A, Attributes, B, Setting, chmod, chown, entries, files, link, links, mkdir, staged, tar_of,
};
use super::*;
use crate::customisation::{Operation, StagedAttributes};
use crate::lower::LowerFile;
use crate::progress::Unobserved;

/// What scripts do in a folder, and whom they give which file.
type Script<'a> = (&'a dyn Fn(&Path), &'a [(&'a str, (u64, u64))]);

/// Expects these entries after a script has worked on what operations make.
fn check(setting: &Setting, operations: &[Operation], (script, owners): Script<'_>, expected: &[&str]) {
    let dir = setting.stage(operations).unwrap();
    script(&dir);
    let staged = staged(setting.packed(&dir, &owners.iter().copied().collect()), StagedAttributes::Changed);
    let built = setting.build(&[operations, &[staged]].concat()).unwrap();
    assert_eq!(entries(&tar_of(&built)), expected);
}

/// The same for a script under fakeroot, where every file has an owner: what it makes is root's, and it may change modes
/// to what they are.
fn check_as_root(
    setting: &Setting,
    operations: &[Operation],
    script: Script<'_>,
    modes: &[(&str, u32)],
    expected: &[&str],
) {
    let dir = setting.stage(operations).unwrap();
    let mut told = setting.attributes(operations, &dir);
    (script.0)(&dir);
    for (name, owner) in script.1 {
        told.entry(name.into()).or_default().owner = Some(*owner);
    }
    for (name, mode) in modes {
        told.entry(name.into()).or_default().mode = Some(*mode);
    }
    let staged = staged(setting.packed_as(&dir, &told), StagedAttributes::All);
    let built = setting.build(&[operations, &[staged]].concat()).unwrap();
    assert_eq!(entries(&tar_of(&built)), expected);
}

/// A store path with a program and a text.
fn with_package() -> Setting {
    let setting = Setting::new();
    for path in [A, &format!("{A}/bin"), &format!("{A}/etc")] {
        setting.root.dir(path, 0o555);
    }
    setting.root.file(&format!("{A}/bin/tool"), 0o555, b"tool");
    setting.root.file(&format!("{A}/etc/text"), 0o444, b"text");
    setting
}

fn set_mode_of(path: impl AsRef<Path>, mode: u32) {
    fs::set_permissions(path.as_ref(), PermissionsExt::from_mode(mode)).unwrap();
}

#[test]
fn scripts_see_files_where_contents_have_them() {
    let mut setting = with_package();
    setting.lower.insert(Path::new("/bin"), LowerFile::Symlink(b"/usr/bin".into()));
    setting.lower.insert(Path::new("/usr/bin"), LowerFile::Directory { mode: 0o2555, uid: 5, gid: 6 });
    let dir = setting.stage(&[links(A)]).unwrap();
    assert_eq!(fs::read_link(dir.join("bin/tool")).unwrap(), Path::new(&format!("{A}/bin/tool")));
    assert!(!dir.join("usr").exists());
    assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o7777, 0o755);
    let tool = format!("usr/bin/tool 777 -> {A}/bin/tool");
    let made = format!("usr/bin/made 777 -> {B}");
    let text = format!("etc/text 777 -> {A}/etc/text");
    let script = |dir: &Path| fs::os::unix::fs::symlink(B, dir.join("bin/made")).unwrap();
    let expected = ["etc/ 755", &text, "usr/ 755", "usr/bin/ 2555 5:6", &made, &tool];
    check(&setting, &[links(A)], (&script, &[]), &expected);
}

#[test]
fn what_scripts_change_is_taken_and_what_they_remove_is_gone() {
    let setting = with_package();
    let script = |dir: &Path| {
        fs::remove_file(dir.join("bin/tool")).unwrap();
        fs::write(dir.join("bin/other"), "other").unwrap();
        set_mode_of(dir.join("bin/other"), 0o4711);
        set_mode_of(dir.join("etc/text"), 0o600);
        fs::write(dir.join("etc/text"), "another text").unwrap();
        fs::create_dir(dir.join("tmp")).unwrap();
        set_mode_of(dir.join("tmp"), 0o755);
    };
    let owners = [("bin/other", (1000, 2000)), ("etc", (7, 8))];
    let expected =
        ["bin/ 755", "bin/other 4711 1000:2000 = other", "etc/ 755 7:8", "etc/text 600 = another text", "tmp/ 755"];
    check(&setting, &[files(A)], (&script, &owners), &expected);
}

#[test]
fn what_a_folder_does_not_tell_is_kept() {
    let setting = with_package();
    let operations =
        [files(A), chown(1000, 2000, "/etc"), chmod("6755", "/bin/tool"), chmod("2500", "/etc"), mkdir("/root")];
    let expected =
        ["bin/ 755", "bin/tool 6755 = tool", "etc/ 2500 1000:2000", "etc/text 444 1000:2000 = text", "root/ 700"];
    check(&setting, &operations, (&|_| (), &[]), &expected);
    // Another mode is no other owner.
    let script = |dir: &Path| set_mode_of(dir.join("etc"), 0o711);
    let expected =
        ["bin/ 755", "bin/tool 6755 9:9 = tool", "etc/ 711 1000:2000", "etc/text 444 1000:2000 = text", "root/ 700"];
    check(&setting, &operations, (&script, &[("bin/tool", (9, 9))]), &expected);
}

#[test]
fn directories_of_the_base_stay_as_they_are_unless_scripts_say_otherwise() {
    let mut setting = with_package();
    let directory = |mode, uid| LowerFile::Directory { mode, uid, gid: uid };
    setting.lower.insert(Path::new("/etc"), directory(0o555, 3));
    setting.lower.insert(Path::new("/tmp"), directory(0o1777, 0));
    setting.lower.insert(Path::new("/home"), directory(0o711, 4));
    setting.lower.insert(Path::new("/bin"), directory(0o755, 0));
    let script = |dir: &Path| {
        for (name, mode) in [("tmp", 0o755), ("home", 0o700), ("new", 0o755)] {
            fs::create_dir(dir.join(name)).unwrap();
            set_mode_of(dir.join(name), mode);
        }
        // Although the base has it read-only.
        fs::write(dir.join("etc/new"), "").unwrap();
        set_mode_of(dir.join("etc/new"), 0o644);
    };
    let expected = [
        "bin/ 755 9:9",
        "bin/tool 555 = tool",
        "etc/ 555 3:3",
        "etc/new 644 = ",
        "etc/text 444 = text",
        "home/ 700",
        "new/ 755",
        "tmp/ 1777",
    ];
    check(&setting, &[files(A)], (&script, &[("bin", (9, 9))]), &expected);
}

/// Whoever the default owner is, and whoever has made the directory: `mkdir` says nothing of that of the base.
#[test]
fn directories_of_the_base_stay_as_they_are_for_every_owner() {
    let mut setting = with_package();
    setting.lower.insert(Path::new("/tmp"), LowerFile::Directory { mode: 0o1777, uid: 0, gid: 0 });
    setting.lower.insert(Path::new("/opt"), LowerFile::Directory { mode: 0o700, uid: 7, gid: 8 });
    let script = |dir: &Path| {
        for name in ["tmp", "opt", "home"] {
            fs::create_dir(dir.join(name)).unwrap();
            set_mode_of(dir.join(name), 0o755);
            fs::write(dir.join(name).join("x"), "").unwrap();
            set_mode_of(dir.join(name).join("x"), 0o644);
        }
    };
    for owner in [(0, 0), (1000, 1001)] {
        setting.owner = owner;
        let of = |(uid, gid): (u32, u32)| if (uid, gid) == (0, 0) { String::new() } else { format!(" {uid}:{gid}") };
        let expected = |made: &str| {
            let (ours, made) = (of(owner), made.to_owned());
            [
                format!("bin/ 755{ours}"),
                format!("bin/tool 555{ours} = tool"),
                format!("etc/ 755{ours}"),
                format!("etc/text 444{ours} = text"),
                format!("home/ 755{made}"),
                format!("home/x 644{made} = "),
                "opt/ 700 7:8".to_owned(),
                format!("opt/x 644{made} = "),
                "tmp/ 1777".to_owned(),
                format!("tmp/x 644{made} = "),
            ]
        };
        let ours = expected(&of(owner));
        check(&setting, &[files(A)], (&script, &[]), &ours.each_ref().map(String::as_str));
        let owners = ["home", "home/x", "opt", "opt/x", "tmp", "tmp/x"].map(|name| (name, (0, 0)));
        let roots = expected("");
        check_as_root(&setting, &[files(A)], (&script, &owners), &[], &roots.each_ref().map(String::as_str));
    }
}

/// Under fakeroot everything is told, so that nothing has to be guessed.
#[test]
fn owners_and_modes_that_are_the_usual_ones_are_taken_where_all_are_told() {
    let mut setting = with_package();
    setting.owner = (7, 7);
    setting.lower.insert(Path::new("/etc"), LowerFile::Directory { mode: 0o2555, uid: 3, gid: 4 });
    setting.lower.insert(Path::new("/bin"), LowerFile::Symlink(b"/usr/bin".into()));
    setting.lower.insert(Path::new("/usr/bin"), LowerFile::Directory { mode: 0o555, uid: 5, gid: 6 });
    let nothing =
        ["etc/ 2555 3:4", "etc/text 444 7:7 = text", "usr/ 755", "usr/bin/ 555 5:6", "usr/bin/tool 555 7:7 = tool"];
    check_as_root(&setting, &[files(A)], (&|_| (), &[]), &[], &nothing);
    let owners = ["etc", "etc/text", "bin", "bin/tool"].map(|name| (name, (0, 0)));
    let modes = [("etc", 0o755), ("bin", 0o755), ("bin/tool", 0o4555)];
    let expected = ["etc/ 755", "etc/text 444 = text", "usr/ 755", "usr/bin/ 755", "usr/bin/tool 4555 = tool"];
    check_as_root(&setting, &[files(A)], (&|_| (), &owners), &modes, &expected);
}

/// Names of a base image may be anybody's, and so may what other scripts have made since.
#[test]
fn the_script_of_attributes_gives_only_what_is_still_there() {
    let mut setting = Setting::new();
    let odd = "it's $(a) -x\n`b`";
    let directory = LowerFile::Directory { mode: 0o750, uid: 1, gid: 2 };
    for name in [odd, "a", "b", "c"] {
        setting.lower.insert(Path::new(name), directory.clone());
    }
    let operations = [odd, "a", "b", "c"].map(|name| mkdir(&format!("/{name}")));
    let dir = setting.stage(&operations).unwrap();
    fs::remove_dir(dir.join("a")).unwrap();
    fs::os::unix::fs::symlink("/", dir.join("a")).unwrap();
    fs::remove_dir(dir.join("b")).unwrap();
    set_mode_of(dir.join("c"), 0o711);
    let told = setting.attributes(&operations, &dir);
    let given = |mode| Attributes { owner: Some((1, 2)), mode };
    assert_eq!(told, BTreeMap::from([(odd.into(), given(Some(0o750))), ("c".into(), given(None))]));
}

#[test]
fn a_directory_of_the_base_is_not_replaced() {
    let mut setting = Setting::new();
    setting.lower.insert(Path::new("/etc"), LowerFile::Directory { mode: 0o755, uid: 0, gid: 0 });
    let dir = setting.stage(&[]).unwrap();
    fs::write(dir.join("etc"), "").unwrap();
    let staged = setting.packed(&dir, &BTreeMap::new());
    let error = setting.error(&[self::staged(staged.clone(), StagedAttributes::Changed)]);
    assert!(error.starts_with(&format!("taking back `{}`: ", staged.display())) && error.contains("etc"), "{error}");
}

#[test]
fn a_folder_is_never_written_into_another_one() {
    let setting = with_package();
    let operations = [files(A), link("/nowhere", "/link")];
    let dir = setting.stage(&operations).unwrap();
    let made = setting.build(&operations).unwrap();
    assert!(made.stage(&dir, &Unobserved).is_err());
    assert!(dir.join("bin/tool").exists(), "what was there is still there");
    // What fails halfway leaves nothing.
    setting.root.chmod(&format!("{A}/bin"), 0o755);
    fs::remove_file(setting.root.at(&format!("{A}/bin/tool"))).unwrap();
    let other = dir.with_extension("other");
    assert!(made.stage(&other, &Unobserved).is_err());
    assert!(!other.exists());
}

#[test]
fn devices_are_refused_and_nothing_else_is() {
    let setting = Setting::new();
    let dir = setting.stage(&[]).unwrap();
    fs::os::unix::fs::symlink("x", dir.join("link")).unwrap();
    let mut tar = tar::Builder::new(fs::File::create(dir.join("with-device.tar")).unwrap());
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Char);
    header.set_size(0);
    header.set_mode(0o600);
    // Not 0/0, which overlay has for what is gone.
    header.set_device_major(1).unwrap();
    header.set_device_minor(3).unwrap();
    tar.append_data(&mut header, "null", io::empty()).unwrap();
    tar.into_inner().unwrap();
    let made = setting.build(&[Operation::Import(dir.join("with-device.tar"))]).unwrap();
    let error = made.stage(&dir.with_extension("other"), &Unobserved).unwrap_err().to_string();
    assert!(error.contains("is a device"), "{error}");
}
