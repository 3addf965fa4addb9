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
    case!(what_people_remove_to_save_space_is_left_out_and_counted, Root),
    case!(files_may_be_missing_where_the_user_says_so, Root),
    case!(names_and_versions_with_underscores_are_packages_everywhere, Root),
    case!(an_image_without_dpkg_is_read, Root),
    case!(a_package_that_is_of_no_use_alone_is_told, Root),
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

/// What Dockerfiles do to make images smaller; and a diversion that was told not to move anything.
fn what_people_remove_to_save_space_is_left_out_and_counted() -> Result<()> {
    let root = debian()?;
    let folder = Folder::new()?;
    let to = |name: &str| format!("oci:{}:t", folder.path(name));
    root.write("var/lib/dpkg/diversions", "/bin/app\n/bin/app.distrib\n:\n")?;
    let whole = build(&root, "app", &to("whole")).ok()?;
    ensure!(!whole.stderr.contains("left out"), "{}", whole.report());
    fs::remove_dir_all(root.path("usr/share/doc"))?;
    fs::create_dir_all(root.path("etc/dpkg/dpkg.cfg.d"))?;
    root.write("etc/dpkg/dpkg.cfg.d/slim", "path-exclude=/lib64/*\n")?;
    fs::remove_file(root.path("usr/lib64/ld.so"))?;
    let slim = build(&root, "app", &to("slim")).args(["--save-plan", &folder.path("plan.json")]).ok()?;
    let told =
        "left out 2 files that are not there: 1 of documentation, manuals and translations, 1 by path-exclude of dpkg";
    slim.says(&[told])?;
    ensure!(slim.stderr.matches("left out").count() == 1, "{}", slim.report());

    // The same bytes, whichever way.
    let root_flag = ["--root", &root.path(".")];
    let plan = folder.path("plan.json");
    let tool_layer = layerwright(&["layer", "--plan", &plan, "--output", &folder.path("layer"), "--index", "1"]);
    tool_layer.args(root_flag).ok()?;
    let packed = layerwright(&["pack", "--plan", &plan, "--to", &to("packed")]).args(root_flag).ok()?;
    packed.says(&[told])?;
    let joined = ["pack", "--plan", &plan, "--to", &to("joined"), "--layers", &folder.path("layer")];
    layerwright(&joined).args(root_flag).ok()?;
    let config = |name: &str| Ok::<_, anyhow::Error>(Layout::open(&folder.path(name), "t")?.config);
    ensure!(config("packed")? == config("slim")? && config("joined")? == config("slim")?);
    Layout::open(&folder.path("slim"), "t")?.unpack(&folder.path("unpacked"))?;
    let found = tree::read(&folder.path("unpacked"))?;
    ensure!(found.contains_key("/usr/bin/app") && !found.contains_key("/usr/bin/app.distrib"), "{:?}", found.keys());
    Ok(())
}

fn files_may_be_missing_where_the_user_says_so() -> Result<()> {
    let root = debian()?;
    let folder = Folder::new()?;
    let to = format!("oci:{}:t", folder.path("oci"));
    fs::remove_file(root.path("usr/bin/app"))?;
    fs::remove_dir_all(root.path("var/lib/app"))?;
    build(&root, "app", &to).exits(1)?.says(&["2 files do not exist", "--allow-missing '/usr/bin/app'"])?;
    let allowed = ["--allow-missing", "/usr/bin/app", "--allow-missing", "/var/lib/app/*"];
    let plan = folder.path("plan.json");
    let built = build(&root, "app", &to).args(allowed).args(["--save-plan", &plan]).ok()?;
    built.says(&["left out 2 files", "2 by --allow-missing"])?;
    let expected = Layout::open(&folder.path("oci"), "t")?.config;

    let at_root = |words: &[&str]| layerwright(words).args(["--root", &root.path(".")]);
    at_root(&["plan", "--from", "dpkg:app", "-o", &plan]).args(allowed).ok()?;
    let again = format!("oci:{}:t", folder.path("again"));
    let pack = ["pack", "--plan", &plan, "--to", &again];
    at_root(&pack).exits(1)?.says(&["--allow-missing"])?;
    at_root(&pack).args(allowed).ok()?;
    ensure!(Layout::open(&folder.path("again"), "t")?.config == expected);
    let layer = ["layer", "--plan", &plan, "--index", "0", "--output", &folder.path("layer")];
    at_root(&layer).args(allowed).ok()?;

    let graph = ["plan", "--from", "graph:-", "--allow-missing", "*"];
    layerwright(&graph).stdin("[]").exits(2)?.says(&["--allow-missing is about files of Debian packages"])?;
    layerwright(&["plan", "--from", "dpkg:app", "--allow-missing", "x"]).exits(2)?.says(&["absolute"])
}

/// Policy forbids them, and dpkg installs them all the same; it also takes versions that it warns of, and packages of which
/// nobody knows the architecture any more.
fn names_and_versions_with_underscores_are_packages_everywhere() -> Result<()> {
    let root = Folder::new()?;
    let folder = Folder::new()?;
    fs::create_dir_all(root.path("usr/bin"))?;
    fs::create_dir_all(root.path("var/lib/dpkg/info"))?;
    let installed = |name: &str, rest: &str| format!("Package: {name}\nStatus: install ok installed\n{rest}\n\n");
    let status = |version: &str| {
        let packages = [
            installed("pg_back", &format!("Version: {version}\nArchitecture: amd64\nDepends: my-db (>= 1.0_b), odd")),
            installed("my-db", "Version: 1.0_beta3-1\nArchitecture: amd64"),
            installed("odd", "Version: 1.0/2^git"),
            installed("odder", "Version: 1 beta\nArchitecture: ../x\nDepends: (("),
        ];
        root.write("var/lib/dpkg/status", packages.concat())
    };
    for name in ["pg_back", "my-db", "odd"] {
        root.write(&format!("var/lib/dpkg/info/{name}.list"), format!("/usr/bin/{name}\n"))?;
        root.write(&format!("usr/bin/{name}"), name)?;
    }
    status("1.0")?;
    let to = |name: &str| format!("oci:{}:t", folder.path(name));
    let plan = folder.path("plan.json");
    let state = folder.path("state");
    build(&root, "pg_back", &to("old")).args(["--save-plan", &plan, "--state", &state]).ok()?;
    let lists = folder.path("lists.json");
    let listed = ["plan", "--from", "dpkg:pg_back", "--format", "store-layers", "-o", &lists];
    layerwright(&listed).args(["--root", &root.path("."), "--history", &to("old")]).ok()?;
    layerwright(&["pack", "--plan", &lists, "--root", &root.path("."), "--to", &to("listed")]).ok()?;
    let diff_ids = |name: &str| Ok::<_, anyhow::Error>(Layout::open(&folder.path(name), "t")?.config["rootfs"].clone());
    ensure!(diff_ids("listed")? == diff_ids("old")?);
    let explained = layerwright(&["explain", "--plan", &plan, "pg_back"]).ok()?;
    ensure!(explained.text()?.contains("pg_back_1.0_amd64"), "{}", explained.report());

    status("1.1")?;
    let groups = folder.write("groups.json", r#"{"groups": [{"label": "db", "lineages": ["pg_back", "my-db"]}]}"#)?;
    let planners = ["--planner", &format!("groups,config={groups}"), "--planner", "foresight"];
    build(&root, "pg_back", &to("new")).args(planners).args(["--state", &state, "--save-plan", &plan]).ok()?;
    let planned: serde_json::Value = serde_json::from_str(&fs::read_to_string(&plan)?)?;
    ensure!(column(&planned["layers"][0]["nodes"], "lineage")? == ["my-db", "pg_back"], "{planned}");
    let compared = layerwright(&["compare", &to("old"), &to("new"), "--json"]).ok()?.json()?;
    ensure!(compared["nodes"]["new"] == 1, "{compared}");
    build(&root, "odder", &to("odder")).exits(1)?.says(&["package `odder`: field `Version` is `1 beta`"])
}

/// As distroless images are: no dpkg, no `status`, and no list that knows links.
fn an_image_without_dpkg_is_read() -> Result<()> {
    let root = Folder::new()?;
    let folder = Folder::new()?;
    let sum = "d41d8cd98f00b204e9800998ecf8427e";
    for dir in ["usr/bin", "usr/lib", "usr/lib64", "usr/share/doc/a b", "var/lib/dpkg/status.d"] {
        fs::create_dir_all(root.path(dir))?;
    }
    for (name, says, files) in [
        ("app", "Package: app\nVersion: 1\nArchitecture: amd64\nDepends: libz1\n", "usr/bin/app"),
        ("bGliejE", "Package: libz1\nVersion: 1.3\nArchitecture: amd64\n", "usr/lib/libz.so.1.3"),
    ] {
        root.write(&format!("var/lib/dpkg/status.d/{name}"), says)?;
        let sums = format!("{sum}  {files}\n{sum} *usr/share/doc/a b/{name}\n{sum}  usr/share/man/gone.1\n");
        root.write(&format!("var/lib/dpkg/status.d/{name}.md5sums"), sums)?;
        root.write(files, "")?;
        root.write(&format!("usr/share/doc/a b/{name}"), "")?;
    }
    let links =
        [("usr/lib64", "lib64"), ("libz.so.1.3", "usr/lib/libz.so.1"), ("/usr/lib/libz.so.1.3", "usr/lib64/ld.so")];
    for (target, link) in links {
        fs::os::unix::fs::symlink(target, root.path(link))?;
    }
    let built = build(&root, "app", &format!("oci:{}:t", folder.path("oci"))).ok()?;
    built.says(&["left out 1 file that is not there"])?;
    Layout::open(&folder.path("oci"), "t")?.unpack(&folder.path("unpacked"))?;
    let mut expected = timeless(tree::read(&root.path("."))?);
    expected.retain(|name, _| !name.starts_with("/var") && name != "/usr/share/man");
    tree::expect_equal(&expected, &timeless(tree::read(&folder.path("unpacked"))?))
}

/// The bundle of certificates is made by a script, and belongs to no package.
fn a_package_that_is_of_no_use_alone_is_told() -> Result<()> {
    let root = Folder::new()?;
    fs::create_dir_all(root.path("var/lib/dpkg/info"))?;
    fs::create_dir_all(root.path("usr/share/ca-certificates"))?;
    fs::create_dir_all(root.path("etc/ssl/certs"))?;
    let package = "Package: ca-certificates\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n";
    root.write("var/lib/dpkg/status", package)?;
    root.write("usr/share/ca-certificates/one.crt", "one")?;
    root.write("var/lib/dpkg/info/ca-certificates.list", "/.\n/usr/share/ca-certificates/one.crt\n")?;
    let to = Folder::new()?;
    let build = || build(&root, "ca-certificates", &format!("oci:{}:x", to.path("oci")));
    let bundle = root.path("etc/ssl/certs/ca-certificates.crt");
    build().ok()?.says(&["ca-certificates.crt", "make it with `update-ca-certificates`", "--add"])?;
    fs::write(&bundle, "one")?;
    // As the root is written, with a dot at its end.
    let add = format!("{}:/etc/ssl/certs/", root.path("./etc/ssl/certs/ca-certificates.crt"));
    let told = build().ok()?;
    told.says(&[&format!("--add {add}")])?;
    ensure!(!told.report().contains("update-ca-certificates"), "{}", told.report());
    let silent = build().args(["--add", &add]).ok()?;
    ensure!(!silent.report().contains("trust"), "{}", silent.report());
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
