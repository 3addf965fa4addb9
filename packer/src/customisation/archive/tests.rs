use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use proptest::collection::vec;
use proptest::prelude::*;

use super::super::tests::{Setting, add, entries, link, mkdir, tar_of};
use crate::customisation::Operation;
use crate::fixture::pseudo_random;

/// A tar, member by member, with whatever one likes in its headers.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn member(self, name: &[u8], flag: u8, link: &[u8], content: &[u8]) -> Self {
        self.member_with(name, flag, link, content, |_| {})
    }

    fn member_with(
        mut self,
        name: &[u8],
        flag: u8,
        link: &[u8],
        content: &[u8],
        change: impl FnOnce(&mut tar::Header),
    ) -> Self {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.set_mode(0o100_644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        header.as_old_mut().linkflag = [flag];
        change(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.member(name.as_bytes(), b'0', b"", content.as_bytes())
    }

    fn dir(self, name: &str) -> Self {
        self.member_with(name.as_bytes(), b'5', b"", b"", |header| header.set_mode(0o755))
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.member(name.as_bytes(), b'2', target.as_bytes(), b"")
    }

    fn hard_link(self, name: &str, target: &str) -> Self {
        self.member(name.as_bytes(), b'1', target.as_bytes(), b"")
    }

    fn records(self, flag: u8, records: &[(&str, &[u8])]) -> Self {
        let mut content = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let length = (rest + 1..).find(|length| rest + length.to_string().len() == *length).unwrap();
            content.extend_from_slice(format!("{length} {key}=").as_bytes());
            content.extend_from_slice(value);
            content.push(b'\n');
        }
        self.member(b"pax", flag, b"", &content)
    }

    fn then(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn import(setting: &Setting, bytes: &[u8]) -> Operation {
    let file = tempfile::Builder::new().disable_cleanup(true).tempfile_in(setting.sources.root()).unwrap();
    file.as_file().write_all(bytes).unwrap();
    Operation::Import(file.path().into())
}

fn check(tar: Tar, expected: &[&str]) {
    let setting = Setting::new();
    setting.check(&[import(&setting, &tar.end())], expected);
}

fn error_of(bytes: &[u8]) -> String {
    let setting = Setting::new();
    setting.error(&[import(&setting, bytes)])
}

/// Expects an error that names a member.
fn check_refused(tar: Tar, member: &str, reason: &str) {
    let error = error_of(&tar.end());
    assert!(error.contains(&format!(": its member `{member}` ")) && error.contains(reason), "{error}");
}

#[test]
fn members_keep_modes_and_owners() {
    let owned = |header: &mut tar::Header| {
        header.set_mode(0o104_750);
        header.set_uid(1000);
        header.set_gid(100);
    };
    let tar = Tar::default()
        .member_with(b"./opt/", b'5', b"", b"", owned)
        .member_with(b"opt/x", b'0', b"", b"content", owned)
        .member_with(b"opt/l", b'2', b"../x", b"", owned)
        .member_with(b"opt/old", 0, b"", b"", owned)
        .member_with(b"opt/old-dir/", 0, b"", b"", owned)
        .member_with(b"opt/contiguous", b'7', b"", b"7", owned);
    let expected = [
        "opt/ 4750 1000:100",
        "opt/contiguous 4750 1000:100 = 7",
        "opt/l 777 1000:100 -> ../x",
        "opt/old 4750 1000:100 = ",
        "opt/old-dir/ 4750 1000:100",
        "opt/x 4750 1000:100 = content",
    ];
    check(tar, &expected);
}

#[test]
fn directories_that_are_not_listed_are_made() {
    check(Tar::default().file("a/b/c", "c").dir("./").dir("."), &["a/ 755", "a/b/ 755", "a/b/c 644 = c"]);
    // Also where they are listed behind.
    let late = Tar::default().file("a/b", "b").member_with(b"a", b'5', b"", b"", |header| header.set_mode(0o700));
    check(late, &["a/ 700", "a/b 644 = b"]);
}

#[test]
fn owners_may_be_large_in_either_spelling() {
    let gnu = |header: &mut tar::Header| header.set_uid(u64::from(u32::MAX - 1));
    check(Tar::default().member_with(b"x", b'0', b"", b"", gnu), &["x 644 4294967294:0 = "]);
    let pax = Tar::default().records(b'x', &[("uid", b"3000000"), ("gid", b"7")]).file("x", "");
    check(pax, &["x 644 3000000:7 = "]);
    let too_large = Tar::default().records(b'x', &[("uid", b"4294967296")]).file("x", "");
    assert!(error_of(&too_large.end()).ends_with("the archive is damaged: the header of `x` has no valid numbers"));
}

#[test]
fn hard_links_are_files_of_the_same_content() {
    let tar = Tar::default()
        .member_with(b"a/x", b'0', b"", b"content", |header| header.set_mode(0o755))
        .hard_link("b/y", "./a/x")
        .link("l", "a")
        .hard_link("z", "l/x")
        .hard_link("l2", "l")
        .hard_link("a/x", "a/x");
    let expected =
        ["a/ 755", "a/x 755 = content", "b/ 755", "b/y 755 = content", "l 777 -> a", "l2 777 -> a", "z 755 = content"];
    check(tar, &expected);
    check_refused(Tar::default().hard_link("x", "gone"), "x", "`gone` is not in the customisation layer");
    check_refused(Tar::default().dir("d").hard_link("x", "d"), "x", "is a hard link to a directory");
    check_refused(Tar::default().hard_link("x", "/"), "x", "is a hard link to the root");
    check_refused(Tar::default().hard_link("x", "../../etc/passwd"), "x", "has `..` in it");
}

#[test]
fn devices_and_fifos_are_kept() {
    let device = |header: &mut tar::Header| {
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
    };
    let tar = Tar::default()
        .member_with(b"dev/null", b'3', b"", b"", device)
        .member_with(b"dev/ram3", b'4', b"", b"", device)
        .member(b"pipe", b'6', b"", b"");
    check(
        tar,
        &["dev/ 755", "dev/null 644 Char Some(1) Some(3)", "dev/ram3 644 Block Some(1) Some(3)", "pipe 644 fifo"],
    );
}

#[test]
fn capabilities_are_kept_of_files() {
    let value = b"\x01\0\0\x02\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let records: [(&str, &[u8]); 3] = [
        ("SCHILY.xattr.security.capability", value),
        ("SCHILY.xattr.user.mine", b"not kept"),
        ("mtime", b"1700000000.5"),
    ];
    let tar = Tar::default().records(b'x', &records).file("ping", "").records(b'x', &records).dir("d");
    let setting = Setting::new();
    let written = tar_of(&setting.build(&[import(&setting, &tar.end())]).unwrap());
    let record = [b"SCHILY.xattr.security.capability=".as_slice(), value, b"\n"].concat();
    assert_eq!(written.windows(record.len()).filter(|window| *window == record).count(), 1);
    assert!(!written.windows(8).any(|window| window == b"not kept"));
    assert_eq!(entries(&written), ["d/ 755", "ping 644 = "]);
    let long = Tar::default().records(b'x', &[("SCHILY.xattr.security.capability", &[1; 257])]).file("ping", "");
    check_refused(long, "ping", "has longer capabilities than Linux knows");
}

#[test]
fn names_stay_within_the_layer() {
    check(Tar::default().file("/etc/x", "x").file(".//./y", "y"), &["etc/ 755", "etc/x 644 = x", "y 644 = y"]);
    for name in ["../x", "a/../x", "/../x", "a/.."] {
        check_refused(
            Tar::default().file(name, ""),
            name.trim_start_matches('/'),
            "has `..` in it, which may lead anywhere",
        );
        check_refused(Tar::default().dir(name), name.trim_start_matches('/'), "has `..` in it");
        check_refused(Tar::default().link(name, "x"), name.trim_start_matches('/'), "has `..` in it");
    }
    check_refused(Tar::default().records(b'x', &[("path", b"a\0b")]).file("x", ""), "a\\u{0}b", "has a NUL in it");
    check_refused(Tar::default().file("./", ""), "", "is the root of the image");
    let deep = [b"x/".repeat(2000), b"x".to_vec()].concat();
    let error = error_of(&Tar::default().records(b'x', &[("path", &[&deep[..], &deep].concat())]).file("x", "").end());
    assert!(error.contains("has a name longer than 4096 bytes"), "{error}");
    let wide = vec![b'x'; 256];
    let error = error_of(&Tar::default().records(b'x', &[("path", &wide)]).file("x", "").end());
    assert!(error.contains("is longer than any path can be"), "{error}");
}

#[test]
fn links_of_a_tar_do_not_lead_out() {
    // As in the image, where they would lead.
    let within =
        Tar::default().dir("etc").link("a", "/").file("a/etc/x", "x").link("b", "../../../etc").file("b/y", "y");
    let expected = ["a 777 -> /", "b 777 -> ../../../etc", "etc/ 755", "etc/x 644 = x", "etc/y 644 = y"];
    check(within, &expected);
    let outside = tempfile::tempdir().unwrap();
    let path = outside.path().to_str().unwrap();
    check_refused(Tar::default().link("a", path).file("a/x", "x"), "a/x", "is in neither the customisation layer nor");
    check_refused(Tar::default().link("a", path).dir("a"), "a", "is in neither the customisation layer nor");
    check_refused(Tar::default().link("a", path).hard_link("x", "a/x"), "x", "is in neither the customisation layer");
    check_refused(Tar::default().link("a", "b").link("b", "a").file("a/x", ""), "a/x", "more than 40 symlinks");
    assert_eq!(crate::fixture::list(outside.path()), [""; 0]);
    // A file replaces a link, and is not written through it.
    check(Tar::default().link("a", path).file("a", "x"), &["a 644 = x"]);
    check_refused(Tar::default().link("a", ""), "a", "it says is empty");
}

#[test]
fn what_a_layer_cannot_hold_is_refused() {
    check_refused(Tar::default().file("a/.wh.x", ""), "a/.wh.x", "begins with `.wh.`");
    check_refused(Tar::default().file(".wh..wh..opq", ""), ".wh..wh..opq", "begins with `.wh.`");
    for flag in [b'V', b'M', b'D', b'Z'] {
        check_refused(Tar::default().member(b"x", flag, b"", b""), "x", "is of a kind that a layer cannot hold");
    }
}

/// A file of 12 bytes of which three are stored, in the four ways that there are.
fn sparse_tars() -> [Tar; 4] {
    let in_content = [b"2\n3\n2\n9\n1\n".as_slice(), &[0; 502], b"abc"].concat();
    let version: [(&str, &[u8]); 2] = [("GNU.sparse.major", b"1"), ("GNU.sparse.minor", b"0")];
    let name: [(&str, &[u8]); 1] = [("GNU.sparse.name", b"dir/f")];
    let size: [(&str, &[u8]); 2] = [("GNU.sparse.size", b"12"), ("GNU.sparse.numblocks", b"2")];
    let pairs: [(&str, &[u8]); 4] = [
        ("GNU.sparse.offset", b"3"),
        ("GNU.sparse.numbytes", b"2"),
        ("GNU.sparse.offset", b"9"),
        ("GNU.sparse.numbytes", b"1"),
    ];
    let latest = [&version[..], &name, &[("GNU.sparse.realsize", b"12")]].concat();
    let with_map = [&size[..], &name, &[("GNU.sparse.map", b"3,2,9,1")]].concat();
    let gnu = |header: &mut tar::Header| {
        let bytes = header.as_mut_bytes();
        bytes[257..265].copy_from_slice(b"ustar  \0");
        for (at, number) in [(386, "3"), (398, "2"), (410, "9"), (422, "1"), (483, "14")] {
            bytes[at..at + number.len()].copy_from_slice(number.as_bytes());
        }
        // Nine in octal.
        bytes[410..412].copy_from_slice(b"11");
    };
    let named = |tar: Tar, content: &[u8]| tar.member(b"GNUSparseFile.0/f", b'0', b"", content);
    [
        named(Tar::default().records(b'x', &latest), &in_content),
        named(Tar::default().records(b'x', &with_map), b"abc"),
        Tar::default().records(b'x', &[&size[..], &pairs].concat()).member(b"dir/f", b'0', b"", b"abc"),
        Tar::default().member_with(b"dir/f", b'S', b"", b"abc", gnu),
    ]
}

#[test]
fn sparse_files_are_had_with_their_zeros() {
    for tar in sparse_tars() {
        let expected = ["dir/ 755", r"dir/f 644 = \x00\x00\x00ab\x00\x00\x00\x00c\x00\x00", "next 644 = next"];
        check(Tar::default().dir("dir").then(tar).file("next", "next"), &expected);
    }
}

#[test]
fn sparse_files_that_cannot_be_are_refused() {
    let with_map = |map: &[u8], size: &[u8]| {
        let records = [("GNU.sparse.map", map), ("GNU.sparse.size", size)];
        Tar::default().records(b'x', &records).file("x", "abc").end()
    };
    for (map, size, expected) in [
        (&b"9,1,3,2"[..], &b"12"[..], "whose parts do not follow each other"),
        (b"3,2,4,1", b"12", "whose parts do not follow each other"),
        (b"3,20", b"12", "whose parts do not follow each other"),
        (b"18446744073709551615,1", b"12", "whose parts do not follow each other"),
        (b"3,2,9", b"12", "has a map that is none"),
        (b"x,2", b"12", "has a map that is none"),
        (b"3,2", b"", "has no size"),
        (b"0,3", b"70000000000", "there is too much: more than 64 GiB of content"),
        (b"0,2,2,2", b"12", "ends too early"),
    ] {
        let error = error_of(&with_map(map, size));
        assert!(error.contains(expected), "{error}");
    }
    let endless = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"12")];
    let error = error_of(&Tar::default().records(b'x', &endless).file("x", "abc").end());
    assert!(error.contains("has a map without end"), "{error}");
}

#[test]
fn records_without_value_say_nothing() {
    let records: [(&str, &[u8]); 5] = [("path", b""), ("size", b""), ("uid", b""), ("gid", b""), ("linkpath", b"")];
    check(Tar::default().records(b'x', &records).file("x", "x"), &["x 644 = x"]);
}

/// To give a file to such an owner changes nothing.
#[test]
fn owners_that_mean_no_change_are_refused() {
    for key in ["uid", "gid"] {
        let tar = Tar::default().records(b'x', &[(key, b"4294967295")]).file("x", "x");
        check_refused(tar, "x", "has an owner that nobody can be");
    }
}

/// What a program makes of an archive. `None` where the machine does not have it.
fn packed_by(program: &str, tar: &[u8]) -> Option<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.tar");
    fs_err::write(&path, tar).unwrap();
    let packed = std::process::Command::new(program).arg("-c").arg(&path).output();
    let packed = packed.ok().filter(|packed| packed.status.success()).map(|packed| packed.stdout);
    if packed.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{program} is missing");
        eprintln!("skipped: {program} is missing");
    }
    packed
}

const PROGRAMS: [&str; 4] = ["xz", "bzip2", "gzip", "zstd"];

#[test]
fn archives_compressed_in_any_way_are_unpacked() {
    let tar = Tar::default().file("x", "content").end();
    for packed in PROGRAMS.iter().filter_map(|program| packed_by(program, &tar)) {
        let setting = Setting::new();
        setting.check(&[import(&setting, &packed)], &["x 644 = content"]);
    }
}

/// All that they hold can be unpacked before their ends tell that it is not what was packed.
#[test]
fn archives_that_are_damaged_behind_their_last_member_are_refused() {
    let content = pseudo_random(200_000);
    let tar = Tar::default().member(b"x", b'0', b"", &content).end();
    for program in PROGRAMS {
        let Some(packed) = packed_by(program, &tar) else { continue };
        let mut other = packed.clone();
        other[packed.len() / 2] ^= 1;
        let cut = |bytes: usize| packed[..packed.len() - bytes].to_vec();
        let damaged = [other, cut(1), cut(4), cut(8), [&packed[..], b"garbage at the end"].concat()];
        for (index, damaged) in damaged.iter().enumerate() {
            let error = error_of(damaged);
            assert!(error.contains(": the archive is damaged: "), "{program} {index}: {error}");
        }
    }
}

/// What overlay has on its own disk removes files of the layers below, as names with `.wh.` do.
#[test]
fn removals_in_the_spelling_of_overlay_are_refused() {
    for (major, minor, is_refused) in [(0, 0, true), (0, 1, false), (1, 0, false)] {
        let device = |header: &mut tar::Header| {
            header.set_device_major(major).unwrap();
            header.set_device_minor(minor).unwrap();
        };
        let tar = Tar::default().member_with(b"etc/shadow", b'3', b"", b"", device);
        match is_refused {
            true => check_refused(tar, "etc/shadow", "is a whiteout of overlayfs, which removes a file"),
            false => check(tar, &["etc/ 755", &format!("etc/shadow 644 Char Some({major}) Some({minor})")]),
        }
    }
    for (key, value, reason) in [
        ("SCHILY.xattr.trusted.overlay.opaque", b"y".as_slice(), "is an opaque directory of overlayfs"),
        ("SCHILY.xattr.user.overlay.opaque", b"y", "is an opaque directory of overlayfs"),
        ("LIBARCHIVE.xattr.trusted.overlay.opaque", b"eQ==", "is an opaque directory of overlayfs"),
        ("SCHILY.xattr.user.overlay.whiteout", b"", "is a whiteout of overlayfs"),
        ("SCHILY.xattr.trusted.overlay.redirect", b"/x", "has its content elsewhere"),
    ] {
        check_refused(Tar::default().records(b'x', &[(key, value)]).dir("etc"), "etc", reason);
    }
    check(Tar::default().records(b'x', &[("SCHILY.xattr.trusted.overlay.origin", b"x")]).dir("etc"), &["etc/ 755"]);
}

/// Devices can be made by root only, and attributes `user.` not everywhere.
#[test]
fn directories_of_an_overlay_are_refused() {
    let setting = Setting::new();
    setting.sources.dir("/upper/etc", 0o755);
    let etc = setting.source("upper/etc");
    let flags = rustix::fs::XattrFlags::empty();
    if let Err(error) = rustix::fs::setxattr(&etc, "user.overlay.opaque", b"y", flags) {
        eprintln!("not tested, because attributes cannot be set here: {error}");
    } else {
        for operation in [Operation::Import(setting.source("upper")), add(setting.source("upper/"), "/")] {
            let error = setting.error(&[operation]);
            assert!(error.contains("upper/etc` is an opaque directory of overlayfs"), "{error}");
        }
        rustix::fs::removexattr(&etc, "user.overlay.opaque").unwrap();
    }
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    if rustix::fs::mknodat(rustix::fs::CWD, etc.join("x"), rustix::fs::FileType::CharacterDevice, mode, 0).is_ok() {
        let error = setting.error(&[Operation::Import(setting.source("upper"))]);
        assert!(error.contains("etc/x` is a whiteout of overlayfs"), "{error}");
    }
}

#[test]
fn later_members_replace_earlier_ones() {
    check(Tar::default().file("x", "one").file("x", "two"), &["x 644 = two"]);
    check(Tar::default().file("x", "one").link("x", "two"), &["x 777 -> two"]);
    check(Tar::default().dir("d").dir("d/"), &["d/ 755"]);
    check_refused(Tar::default().dir("x").file("x", ""), "x", "is a directory already");
    check_refused(Tar::default().file("x", "").dir("x"), "x", "is a file, and no directory");
    check_refused(Tar::default().file("x", "").file("x/y", ""), "x/y", "is a file, and no directory");
}

#[test]
fn tars_are_merged_with_what_is_there() {
    let setting = Setting::new();
    setting.sources.file("/x", 0o600, b"added");
    let tar = Tar::default().file("bin/x", "tar").end();
    let before = [mkdir("/usr/bin"), link("usr/bin", "/bin"), add(setting.source("x"), "/usr/bin/x")];
    let expected = ["bin 777 -> usr/bin", "usr/ 755", "usr/bin/ 755", "usr/bin/x 644 = tar"];
    setting.check(&[&before[..], &[import(&setting, &tar)]].concat(), &expected);
}

#[test]
fn global_headers_must_not_matter() {
    check(Tar::default().records(b'g', &[("comment", b"0123abcd")]).file("x", "x"), &["x 644 = x"]);
    for (key, value) in [("path", b"y"), ("size", b"7"), ("uid", b"7"), ("gid", b"7"), ("linkpath", b"7")] {
        let error = error_of(&Tar::default().records(b'g', &[(key, value)]).file("x", "x").end());
        assert!(error.contains("a global header says names, sizes or owners"), "{key}: {error}");
    }
}

#[test]
fn sizes_are_not_believed() {
    let lie = |size: u64| Tar::default().member_with(b"x", b'0', b"", b"short", |header| header.set_size(size)).end();
    assert!(error_of(&lie(1_000_000)).ends_with("the archive is damaged: it ends too early"));
    assert!(error_of(&lie(1 << 40)).contains("there is too much: more than 64 GiB of content"));
    assert!(error_of(&lie(u64::MAX)).contains("there is too much: more than 64 GiB of content"));
}

#[test]
fn damaged_archives_are_told() {
    let mut tar = Tar::default().file("x", "content").end();
    for cut in [100, 515] {
        assert!(error_of(&tar[..cut]).contains("the archive is damaged: it ends"), "{cut}");
    }
    assert!(error_of(b"no tar at all").contains("the archive is damaged: it ends within a header"));
    assert!(error_of(&[b'x'; 2048]).contains("has a wrong checksum"));
    tar[0] ^= 1;
    assert!(error_of(&tar).contains("has a wrong checksum"));
    let gzip = gzip(&Tar::default().file("x", "content").end());
    assert!(error_of(&gzip[..gzip.len() / 2]).contains("the archive is damaged: "));
    assert!(error_of(b"\x1f\x8bnot really").contains("the archive is damaged: "));
    assert!(error_of(b"\x28\xb5\x2f\xfdnot really").contains("the archive is damaged: "));
}

#[test]
fn nothing_of_a_tar_becomes_a_path() {
    let setting = Setting::new();
    let tar = Tar::default().file("evil", "x").file("/tmp/evil", "y").file("a/evil", "z").end();
    let built = setting.build(&[import(&setting, &tar)]).unwrap();
    assert_eq!(entries(&tar_of(&built)).len(), 5);
    let aside = walk(setting.scratch());
    assert_eq!(aside.iter().filter(|path| path.is_file()).count(), 3);
    assert!(aside.iter().all(|path| !path.to_str().unwrap().contains("evil")), "{aside:?}");
    assert!(aside.iter().all(|path| path.is_dir() || path.metadata().unwrap().mode() & 0o777 == 0o600));
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    for child in fs_err::read_dir(dir).unwrap() {
        let path = child.unwrap().path();
        if path.is_dir() {
            paths.extend(walk(&path));
        }
        paths.push(path);
    }
    paths
}

#[test]
fn what_is_no_archive_is_not_imported() {
    let setting = Setting::new();
    setting.sources.fifo("/pipe");
    let import = |path: &str| Operation::Import(setting.source(path));
    assert!(setting.error(&[import("pipe")]).ends_with("/pipe` is a FIFO, and neither a tar nor a directory"));
    assert!(setting.error(&[import("nowhere")]).ends_with("/nowhere` does not exist"));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// What is put into a directory, below a name.
#[derive(Clone, Debug)]
enum Node {
    File { mode: u32, content: Vec<u8> },
    Symlink(Vec<u8>),
    Fifo,
    Directory { mode: u32, children: Vec<(Vec<u8>, Node)> },
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![8 => any::<u8>(), 2 => Just(b'-'), 2 => Just(b'.'), 1 => Just(0xc3), 1 => Just(0xa9)];
    vec(byte, 0..120).prop_map(|mut name| {
        name.iter_mut().filter(|byte| matches!(**byte, 0 | b'/' | b'\n')).for_each(|byte| *byte = b'x');
        // Neither `.` nor `..` nor a whiteout.
        name.insert(0, b'n');
        name
    })
}

fn directory() -> impl Strategy<Value = Vec<(Vec<u8>, Node)>> {
    let file = (0..0o10000_u32, vec(any::<u8>(), 0..2000))
        .prop_map(|(mode, content)| Node::File { mode: mode | 0o400, content });
    let leaf = prop_oneof![4 => file, 2 => name().prop_map(Node::Symlink), 1 => Just(Node::Fifo)];
    let node = leaf.prop_recursive(3, 20, 6, |inner| {
        (0..0o2000_u32, vec((name(), inner), 0..6))
            .prop_map(|(mode, children)| Node::Directory { mode: mode | 0o700, children })
    });
    vec((name(), node), 0..8)
}

fn create(dir: &Path, children: &[(Vec<u8>, Node)]) {
    for (name, node) in children {
        let path = dir.join(OsStr::from_bytes(name));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        let set_mode = |mode: u32| fs_err::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        match node {
            Node::File { mode, content } => {
                fs_err::write(&path, content).unwrap();
                set_mode(*mode);
            }
            Node::Symlink(target) => symlink(OsStr::from_bytes(target), &path).unwrap(),
            Node::Fifo => {
                let mode = rustix::fs::Mode::from_raw_mode(0o644);
                rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            }
            Node::Directory { mode, children } => {
                fs_err::create_dir(&path).unwrap();
                create(&path, children);
                set_mode(*mode);
            }
        }
    }
}

/// A tar of a directory, made by another program.
fn tar_of_dir(dir: &Path) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all("", dir).unwrap();
    builder.into_inner().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn a_directory_and_its_tar_give_the_same_layer(children in directory()) {
        let setting = Setting::new();
        let dir = setting.source("dir");
        fs_err::create_dir(&dir).unwrap();
        create(&dir, &children);
        let import_of = |operation: Operation| tar_of(&setting.build(&[operation]).unwrap());
        let from_dir = import_of(Operation::Import(dir.clone()));
        let theirs = tar_of_dir(&dir);
        prop_assert!(import_of(import(&setting, &theirs)) == from_dir, "from a tar");
        prop_assert!(import_of(import(&setting, &gzip(&theirs))) == from_dir, "from a tar with gzip");
        let zstd = zstd::encode_all(theirs.as_slice(), 1).unwrap();
        prop_assert!(import_of(import(&setting, &zstd)) == from_dir, "from a tar with zstd");
        // Our own has pax headers where the other one has GNU's.
        prop_assert!(import_of(import(&setting, &from_dir)) == from_dir, "from a tar of our own");
    }

    #[test]
    fn no_bytes_are_more_than_an_error(mut bytes in vec(any::<u8>(), 0..3000), flag in any::<u8>()) {
        let setting = Setting::new();
        let _ = setting.build(&[import(&setting, &bytes)]);
        // And with a header that is believed.
        if bytes.len() >= 512 {
            bytes[156] = flag;
            let mut header = tar::Header::new_old();
            header.as_mut_bytes().copy_from_slice(&bytes[..512]);
            header.set_size(300);
            header.set_cksum();
            bytes[..512].copy_from_slice(header.as_bytes());
            let _ = setting.build(&[import(&setting, &bytes)]);
        }
    }
}
