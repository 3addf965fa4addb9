//! Debian packages, from this machine and from a small root made for the purpose.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use rustix::fs::{CWD, FileType, Gid, Mode, Uid, chownat, makedev, mknodat};

use crate::case::{Case, case};
use crate::image::{Layout, column};
use crate::invocation::{Invocation, tool};
use crate::run::{Folder, layerwright};
use crate::tree::{self, Kind, Tree};

pub(super) const CASES: &[Case] = &[
    case!(every_kind_of_file_is_packed_as_it_is, Root, Tar),
    case!(each_package_has_its_layer_with_all_it_needs, Root, Tar),
    case!(links_at_the_root_are_there_although_no_package_lists_them, Root),
    case!(a_package_that_is_not_there_is_refused_with_a_suggestion, Root),
    case!(a_missing_file_is_an_error_and_a_missing_setting_is_not, Root),
    case!(a_closure_of_this_machine_is_what_dpkg_knows, Debian, Git),
    case!(a_closure_of_this_machine_is_packed_as_it_lies_here, Debian, Git, Root, Tar),
];

const STATUS: &str = "\
Package: app
Status: install ok installed
Version: 1:2.0-1
Architecture: amd64
Depends: base (>= 1), tool
Conffiles:
 /etc/app.conf 0123
 /etc/gone.conf 0123

Package: base
Status: install ok installed
Version: 1.5
Architecture: amd64
Multi-Arch: same

Package: tool
Status: install ok installed
Version: 3
Architecture: all

Package: other
Status: install ok installed
Version: 4
Architecture: all
";

const LISTS: [(&str, &str); 4] = [
    ("app", "/.\n/etc\n/etc/app.conf\n/etc/gone.conf\n/bin\n/bin/app\n/usr/bin/helper\n/dev/null\n/var/lib/app/pipe\n"),
    ("base:amd64", "/.\n/lib64\n/lib64/ld.so\n/lib\n/lib/libbase.so.1\n/lib/libbase.so\n"),
    ("tool", "/.\n/usr/bin/helper\n/usr/share/doc/a b/café\n"),
    ("other", "/.\n/usr/bin/other\n"),
];

/// What the image is to hold: every listed path where it lies, and the way there. Escaped as in a tree.
const EXPECTED: [&str; 25] = [
    "/bin",
    "/dev",
    "/dev/null",
    "/etc",
    "/etc/app.conf",
    "/lib",
    "/lib64",
    "/usr",
    "/usr/bin",
    "/usr/bin/app",
    "/usr/bin/helper",
    "/usr/bin/helper.real",
    "/usr/lib",
    "/usr/lib/libbase.so",
    "/usr/lib/libbase.so.1",
    "/usr/lib64",
    "/usr/lib64/ld.so",
    "/usr/share",
    "/usr/share/doc",
    "/usr/share/doc/a b",
    "/usr/share/doc/a b/caf\\xc3\\xa9",
    "/var",
    "/var/lib",
    "/var/lib/app",
    "/var/lib/app/pipe",
];

/// Packages with files that are more than files.
fn debian() -> Result<Folder> {
    let root = Folder::new()?;
    for dir in
        ["usr/bin", "usr/lib", "usr/lib64", "usr/share/doc/a b", "etc", "dev", "var/lib/app", "var/lib/dpkg/info"]
    {
        fs::create_dir_all(root.path(dir))?;
    }
    root.write("var/lib/dpkg/status", STATUS)?;
    root.write("var/lib/dpkg/arch", "amd64\n")?;
    root.write("var/lib/dpkg/diversions", "/usr/bin/helper\n/usr/bin/helper.real\ntool\n")?;
    for (package, list) in LISTS {
        root.write(&format!("var/lib/dpkg/info/{package}.list"), list)?;
    }
    let links =
        [("usr/bin", "bin"), ("usr/lib", "lib"), ("usr/lib64", "lib64"), ("libbase.so.1", "usr/lib/libbase.so")];
    for (target, link) in links {
        fs::os::unix::fs::symlink(target, root.path(link))?;
    }
    for (file, mode) in [
        ("usr/bin/app", 0o4755),
        ("usr/bin/helper", 0o755),
        ("usr/bin/helper.real", 0o700),
        ("usr/bin/other", 0o755),
        ("usr/lib/libbase.so.1", 0o644),
        ("usr/lib64/ld.so", 0o755),
        ("usr/share/doc/a b/café", 0o644),
        ("etc/app.conf", 0o640),
        ("etc/nobody.owns.me", 0o644),
    ] {
        root.write(file, format!("content of {file}\n"))?;
        fs::set_permissions(root.path(file), PermissionsExt::from_mode(mode))?;
    }
    chownat(
        CWD,
        root.path("etc/app.conf"),
        Some(Uid::from_raw(101)),
        Some(Gid::from_raw(102)),
        rustix::fs::AtFlags::empty(),
    )?;
    fs::set_permissions(root.path("var/lib/app"), PermissionsExt::from_mode(0o2770))?;
    mknodat(CWD, root.path("var/lib/app/pipe"), FileType::Fifo, Mode::from_raw_mode(0o600), 0)?;
    mknodat(CWD, root.path("dev/null"), FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(1, 3))?;
    Ok(root)
}

fn build(root: &Folder, names: &str, to: &str) -> Invocation {
    layerwright(&["build", "--from", &format!("dpkg:{names}"), "--root", &root.path("."), "--to", to])
}

/// Times are not the point here.
fn timeless(mut tree: Tree) -> Tree {
    tree.values_mut().for_each(|found| found.modified = 0);
    tree
}

fn every_kind_of_file_is_packed_as_it_is() -> Result<()> {
    let root = debian()?;
    let folder = Folder::new()?;
    for max_layers in ["1", "100"] {
        let dir = folder.path(&format!("oci-{max_layers}"));
        build(&root, "app", &format!("oci:{dir}:t")).args(["--max-layers", max_layers]).ok()?;
        let unpacked = folder.path(&format!("unpacked-{max_layers}"));
        let layout = Layout::open(&dir, "t")?;
        layout.unpack(&unpacked)?;
        let found = timeless(tree::read(&unpacked)?);

        let mut expected = timeless(tree::read(&root.path("."))?);
        expected.retain(|name, _| EXPECTED.contains(&name.as_str()));
        ensure!(expected.len() == EXPECTED.len(), "{:?}", expected.keys());
        tree::expect_equal(&expected, &found)?;
        ensure!(found["/lib64"].kind == Kind::Symlink { target: "usr/lib64".into() });
        ensure!(layout.config["architecture"] == "amd64");
    }
    Ok(())
}

/// Docker and Podman unpack each layer over the ones below it, so that a link may never become a directory.
fn each_package_has_its_layer_with_all_it_needs() -> Result<()> {
    let root = debian()?;
    let folder = Folder::new()?;
    let to = format!("oci:{}:t", folder.path("oci"));
    let packed = build(&root, "app,other", &to).args(["--json"]).ok()?.json()?;
    let labels = column(&packed["layers"], "label")?;
    ensure!(labels.len() == 4, "{packed}");
    for (label, tar) in labels.iter().zip(Layout::open(&folder.path("oci"), "t")?.tars()?) {
        let alone = folder.path(&format!("alone-{label}"));
        fs::create_dir(&alone)?;
        tool("tar", &["-x", "-p", "-C", &alone]).stdin(tar).ok()?;
        let found = tree::read(&alone)?;
        let is_link = |name: &str| found.get(name).is_none_or(|found| matches!(found.kind, Kind::Symlink { .. }));
        ensure!(["/bin", "/lib", "/lib64"].into_iter().all(is_link), "{label}: {:?}", found.keys());
        let file = match *label {
            "app" => "/usr/bin/app",
            "base" => "/usr/lib64/ld.so",
            "tool" => "/usr/bin/helper",
            _ => "/usr/bin/other",
        };
        ensure!(found.contains_key(file), "{label}: {:?}", found.keys());
        ensure!(found["/usr"].mode == 0o755);
    }
    Ok(())
}

/// Newer Debian packages list `/usr/lib64/ld.so`, which programs ask for as `/lib64/ld.so`; the link belongs to
/// `base-files`, on which nothing depends.
fn links_at_the_root_are_there_although_no_package_lists_them() -> Result<()> {
    let root = debian()?;
    root.write(
        "var/lib/dpkg/info/base:amd64.list",
        "/.\n/usr\n/usr/lib64\n/usr/lib64/ld.so\n/usr/lib\n/usr/lib/libbase.so.1\n",
    )?;
    let folder = Folder::new()?;
    build(&root, "base", &format!("oci:{}:t", folder.path("oci"))).ok()?;
    let unpacked = folder.path("unpacked");
    Layout::open(&folder.path("oci"), "t")?.unpack(&unpacked)?;
    let found = tree::read(&unpacked)?;
    for link in ["/lib", "/lib64"] {
        let kind = found.get(link).map(|found| &found.kind);
        ensure!(matches!(kind, Some(Kind::Symlink { .. })), "{link} is {kind:?}, beside {:?}", found.keys());
    }
    Ok(())
}

fn a_package_that_is_not_there_is_refused_with_a_suggestion() -> Result<()> {
    let root = debian()?;
    let folder = Folder::new()?;
    let to = format!("oci:{}", folder.path("oci"));
    build(&root, "toool", &to).exits(1)?.says(&["`toool` is not installed", "did you mean `tool`"])?;
    build(&folder, "app", &to).exits(1)?.says(&["var/lib/dpkg"])?;
    ensure!(folder.names()?.is_empty());
    Ok(())
}

fn a_missing_file_is_an_error_and_a_missing_setting_is_not() -> Result<()> {
    let root = debian()?;
    let folder = Folder::new()?;
    let to = format!("oci:{}", folder.path("oci"));
    fs::remove_file(root.path("etc/app.conf"))?;
    build(&root, "app", &to).ok()?;
    fs::remove_dir_all(folder.path("oci"))?;
    fs::remove_file(root.path("usr/lib64/ld.so"))?;
    build(&root, "app", &to).exits(1)?.says(&["ld.so", "base_1.5_amd64", "1 file does not exist"])?;
    ensure!(folder.names()?.is_empty());
    Ok(())
}

fn a_closure_of_this_machine_is_what_dpkg_knows() -> Result<()> {
    let plan = layerwright(&["plan", "--from", "dpkg:git", "--max-layers", "1"]).ok()?.json()?;
    let format = "${Package}_${Version}_${Architecture}\n";
    let installed = tool("dpkg-query", &["--show", "--showformat", format]).ok()?;
    let installed: Vec<&str> = installed.text()?.lines().collect();
    let names = column(&plan["layers"][0]["nodes"], "name")?;
    let stranger = names.iter().find(|name| !installed.contains(name));
    ensure!(stranger.is_none(), "{stranger:?} is not installed");
    for package in ["git_", "libc6_", "perl-base_", "zlib1g_"] {
        let found = names.iter().find(|name| name.starts_with(package));
        found.with_context(|| format!("{package} is not in the closure: {names:?}"))?;
    }
    Ok(())
}

fn a_closure_of_this_machine_is_packed_as_it_lies_here() -> Result<()> {
    let folder = Folder::new()?;
    let to = format!("oci:{}:git", folder.path("oci"));
    layerwright(&["build", "--from", "dpkg:git", "--to", &to, "--compression", "none"]).ok()?;
    let unpacked = folder.path("unpacked");
    Layout::open(&folder.path("oci"), "git")?.unpack(&unpacked)?;
    let mut found = timeless(tree::read(&unpacked)?);
    // The names of a tree are escaped.
    found.retain(|name, _| !name.contains('\\'));
    let here = |name: &String| Ok((name.clone(), tree::Found::at(Path::new(name))?));
    let expected = timeless(found.keys().map(here).collect::<Result<Tree>>()?);
    tree::expect_equal(&expected, &found)?;

    let listed = tool("dpkg-query", &["--listfiles", "git", "libc6", "perl-base"]).ok()?;
    let is_link = |folder: &str| Path::new(folder).is_symlink();
    let missing: Vec<&str> = listed
        .text()?
        .lines()
        // Not the root, not what is said about diversions, not what this machine was told to leave out.
        .filter(|path| path.starts_with('/') && *path != "/." && Path::new(path).symlink_metadata().is_ok())
        .filter(|path| !["/bin", "/sbin", "/lib", "/lib64"].iter().any(|link| path.starts_with(link) && is_link(link)))
        .filter(|path| !path.contains('\\') && path.is_ascii() && !found.contains_key(*path))
        .collect();
    ensure!(missing.is_empty(), "{missing:?}");
    Ok(())
}
