//! Images by the Nix library that have files of their own, lie upon others, or are made of others.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use anyhow::{Context, Result, ensure};
use fs_err as fs;
use serde_json::{Value, json};

use crate::case::{Case, case};
use crate::image::{Layout, sha256, skopeo, text};
use crate::invocation::tool;
use crate::library::{DockerArchive, expect, library};
use crate::podman::Podman;
use crate::registry::Registry;
use crate::run::Folder;

pub(super) const CASES: &[Case] = &[
    case!(contents_are_at_the_root, Nix, Busybox, Podman, Root),
    case!(a_stream_with_contents_is_the_same_image, Nix, Busybox),
    case!(files_are_copied_by_build_image, Nix, Busybox, Podman, Root),
    case!(copied_files_have_an_owner, Nix, Busybox, Tar, Root),
    case!(a_bare_folder_is_content, Nix, Busybox, Podman, Root),
    case!(contents_that_do_not_fit_together_are_named, Nix, Busybox),
    case!(without_store_paths_an_image_needs_those_of_the_machine, Nix, Busybox, Podman, Root),
    case!(without_store_paths_nothing_of_the_store_is_there, Nix, Busybox, Fakeroot, Tar),
    case!(anybody_can_use_the_store, Nix, Busybox, Podman, Root),
    case!(a_store_path_that_is_a_link_stays_one, Nix, Busybox, Podman, Root),
    case!(helpers_are_where_programs_look, Nix, Busybox, Podman, Root),
    case!(users_have_names, Nix, Busybox, Podman, Root),
    case!(the_store_can_belong_to_a_user, Nix, Busybox, Podman, Skopeo, Tar, Root),
    case!(nix_in_the_image_knows_its_store, Nix, Busybox, Skopeo, Tar, Root),
    case!(a_stream_has_the_same_nix_database, Nix, Busybox),
    case!(commands_make_files_with_modes_and_owners, Nix, Busybox, Fakeroot, Podman, Root),
    case!(commands_work_in_build_image, Nix, Busybox, Podman, Root),
    case!(an_image_of_commands_alone_has_no_store_path, Nix, Busybox),
    case!(what_commands_refer_to_is_in_the_image, Nix, Busybox, Fakeroot, Podman, Root),
    case!(commands_that_fail_fail_the_build, Nix, Busybox, Fakeroot),
    case!(commands_see_the_image_as_root_folder, Nix, Busybox, Fakeroot, Proot, Podman, Root),
    case!(variables_of_the_base_are_inherited, Nix, Busybox),
    case!(images_lie_upon_images, Nix, Busybox, Podman, Root),
    case!(layers_lie_in_order, Nix, Busybox, Podman, Root),
    case!(the_base_counts, Nix, Busybox, Podman, Root),
    case!(a_base_may_repeat_and_link_its_layers, Nix, Busybox, Podman, Tar, Root),
    case!(a_base_is_found_by_name, Nix, Busybox, Fakeroot),
    case!(a_base_for_another_processor_is_refused, Nix, Busybox),
    case!(merged_images_are_all_there, Nix, Busybox, Fakeroot, Podman, Root),
    case!(an_image_without_a_name_is_merged, Nix, Busybox, Tar),
    case!(an_export_is_what_a_container_sees, Nix, Busybox, Fakeroot, Tar),
    case!(an_export_leaves_out_what_was_removed, Nix, Busybox, Fakeroot, Tar),
    case!(an_export_stays_within_its_folder, Nix, Busybox, Fakeroot, Tar),
    case!(an_image_is_pulled_and_built_upon, Nix, Busybox, Skopeo, Podman, Root),
    case!(layers_by_derivations_of_their_own_are_the_same, Nix, Busybox),
    case!(scripts_give_the_same_bytes_again, Nix, Busybox, Fakeroot, Proot),
];

/// What the app prints.
const SAYS: &str = "app says:\ntext from data\ntext from single\ntext from data\n";

fn contents_are_at_the_root() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_image("files.contents")?)?;
    expect(&podman.run(&name, &[])?, &SAYS)?;
    // A link to a folder, and a folder.
    expect(&podman.run(&name, &["/bin/cat", "/sbin/more", "/usr/bin/more", "/etc/more"])?, &"more\nmore\nmore\n")?;
    ensure!(podman.run(&name, &["/bin/readlink", "/bin/app"])?.starts_with("/nix/store/"));
    Ok(())
}

fn a_stream_with_contents_is_the_same_image() -> Result<()> {
    let library = library()?;
    let streamed = library.run(&library.build_path("files.contentsStream", &[])?, &[])?;
    let built = DockerArchive::open(library.build_image("files.contents")?)?;
    expect(&DockerArchive::read(streamed.stdout)?.image_id()?, &built.image_id()?)
}

fn files_are_copied_by_build_image() -> Result<()> {
    let image = library()?.build_image("files.copied")?;
    expect(&DockerArchive::open(&image)?.layer_count()?, &2)?;
    let (podman, name) = loaded(&image)?;
    expect(&podman.run(&name, &[])?, &SAYS)?;
    expect(&podman.run(&name, &["/bin/stat", "-c", "%F %u", "/bin/app"])?, &"regular file 0\n")
}

fn copied_files_have_an_owner() -> Result<()> {
    let folder = Folder::new()?;
    Layout::open(&library()?.build_image("files.copiedOwned")?, "1")?.unpack(&folder.path("root"))?;
    let owner = |name: &str| -> Result<(u32, u32)> {
        let metadata = fs::symlink_metadata(folder.path(name))?;
        Ok((metadata.uid(), metadata.gid()))
    };
    expect(&owner("root/etc/more")?, &(1000, 2000))?;
    expect(&owner("root/usr/bin")?, &(1000, 2000))?;
    expect(&owner("root/nix/store")?, &(0, 0))
}

fn a_bare_folder_is_content() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_image("files.bare")?)?;
    expect(&podman.run(&name, &[])?, &"good morning\n")
}

fn contents_that_do_not_fit_together_are_named() -> Result<()> {
    let refused = library()?.nix_build("files.conflict").exits(100)?;
    refused.says(&["`/etc/more` would be both", "-more-tools-1.0/etc/more", "-conflicting-1.0/etc/more"])
}

fn without_store_paths_an_image_needs_those_of_the_machine() -> Result<()> {
    let library = library()?;
    let (podman, name) = loaded(&library.build_image("files.withoutStorePaths")?)?;
    ensure!(podman.run(&name, &[]).is_err(), "it runs without its store paths");
    let volume = format!("{}:/nix/store:ro", library.physical("/nix/store"));
    let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    let run = podman.client(&["run", "--rm", "--network", "none", "--volume", &volume]).args(limits).args([&name]);
    expect(&run.ok()?.text()?, &SAYS)
}

fn without_store_paths_nothing_of_the_store_is_there() -> Result<()> {
    let library = library()?;
    for attribute in ["files.exportedWithout", "files.exportedChrooted"] {
        let names = names_in(&library.build_with_tools(attribute)?)?;
        ensure!(names.contains(&"./bin/cat".to_owned()), "{attribute}: {names:?}");
        let found: Vec<&String> = names.iter().filter(|name| name.contains("nix/store/")).collect();
        ensure!(found.is_empty(), "{attribute} has {found:?}");
    }
    Ok(())
}

fn anybody_can_use_the_store() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_image("files.contents")?)?;
    let limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"];
    let run = podman.client(&["run", "--rm", "--network", "none", "--user", "1000:1000"]).args(limits);
    let run = run.args([&name, "/bin/stat", "-c", "%a %u", "/nix", "/nix/store"]);
    expect(&run.ok()?.text()?, &"755 0\n755 0\n")
}

fn a_store_path_that_is_a_link_stays_one() -> Result<()> {
    let library = library()?;
    let link = library.store.closure()?.into_iter().find(|path| path.ends_with("-link-1"));
    let link = link.context("the app refers to it")?;
    let (podman, name) = loaded(&library.build_image("files.contents")?)?;
    let target = fs::read_link(library.physical(&link))?;
    expect(&podman.run(&name, &["/bin/readlink", &link])?, &format!("{}\n", target.display()))
}

fn helpers_are_where_programs_look() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_image("files.helpers")?)?;
    let expected = "root:x:0:0:root user:/var/empty:/bin/sh\nnobody:x:65534:65534:nobody:/var/empty:/bin/sh\n\
        root:x:0:\nnobody:x:65534:\nhosts: files dns\nno certificates\nno certificates\nno certificates\n/var/empty\n";
    expect(&podman.run(&name, &[])?, &expected)
}

fn users_have_names() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_image("files.users")?)?;
    expect(&podman.run(&name, &[])?, &"7\n")
}

fn the_store_can_belong_to_a_user() -> Result<()> {
    let image = library()?.build_image("files.owned")?;
    let folder = Folder::new()?;
    unpack(&image, &folder)?;
    for name in ["root/nix", "root/nix/store", "root/bin/cat"] {
        let metadata = fs::symlink_metadata(folder.path(name))?;
        expect(&(metadata.uid(), metadata.gid(), metadata.mtime()), &(1234, 5678, 315_532_800)).context(name)?;
    }
    let (podman, name) = loaded(&image)?;
    expect(&podman.run(&name, &["/bin/stat", "-c", "%u:%g", "/nix/store"])?, &"1234:5678\n")
}

/// Also that nothing in the store differs from what Nix has built.
fn nix_in_the_image_knows_its_store() -> Result<()> {
    let library = library()?;
    for (attribute, tools) in [("files.nixDb", false), ("files.copiedNixDb", false), ("files.nixDbScripted", true)] {
        let image = if tools { library.build_with_tools(attribute)? } else { library.build_image(attribute)? };
        let folder = Folder::new()?;
        unpack(&image, &folder)?;
        let root = folder.path("root");
        let nix = |arguments: &[&str]| library.store.nix("nix-store", &["--store", &root]).args(arguments);
        let app = library.evaluate("app.outPath")?;
        let mut known: Vec<String> =
            nix(&["--query", "--requisites", text(&app)?]).ok()?.text()?.lines().map(str::to_owned).collect();
        let mut expected = library.store.closure()?;
        known.sort();
        expected.sort();
        expect(&known, &expected).context(attribute)?;
        let verified = nix(&["--verify", "--check-contents"]).ok()?;
        ensure!(
            !verified.stderr.contains("modified") && !verified.stderr.contains("disappeared"),
            "{}",
            verified.report()
        );
    }
    Ok(())
}

fn a_stream_has_the_same_nix_database() -> Result<()> {
    let library = library()?;
    let streamed = library.run(&library.build_path("files.nixDbStream", &[])?, &[])?;
    let built = DockerArchive::open(library.build_image("files.nixDb")?)?;
    expect(&DockerArchive::read(streamed.stdout)?.image_id()?, &built.image_id()?)
}

fn commands_make_files_with_modes_and_owners() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_with_tools("files.commands")?)?;
    let run = |command: &[&str]| podman.run(&name, command);
    expect(
        &run(&["/bin/stat", "-c", "%a %u:%g", "/tmp", "/home", "/home/me"])?,
        &"1777 0:0\n4755 0:0\n755 1000:2000\n",
    )?;
    expect(&run(&["/bin/cat", "/quoted"])?, &"it's \"quoted\" \\ $HOME\n")?;
    expect(&run(&["/bin/cat", "/listed"])?, &"cat\nid\nls\nreadlink\nsh\nstat\n")
}

fn commands_work_in_build_image() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_with_tools("files.imageCommands")?)?;
    expect(&podman.run(&name, &["/bin/cat", "/extra"])?, &"extra\n")
}

fn an_image_of_commands_alone_has_no_store_path() -> Result<()> {
    let archive = DockerArchive::open(library()?.build_with_tools("files.onlyCommands")?)?;
    expect(&archive.layer_count()?, &1)
}

fn what_commands_refer_to_is_in_the_image() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_with_tools("files.commandsThatRefer")?)?;
    expect(&podman.run(&name, &["/app"])?, &SAYS)
}

fn commands_that_fail_fail_the_build() -> Result<()> {
    let library = library()?;
    for attribute in ["files.commandsThatFail", "files.chrootedThatFails"] {
        ensure!(library.build_with_tools(attribute).is_err(), "{attribute} was built");
    }
    Ok(())
}

fn commands_see_the_image_as_root_folder() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_with_tools("files.chrooted")?)?;
    expect(&podman.run(&name, &["/bin/cat", "/data/made"])?, &"made\n")?;
    expect(&podman.run(&name, &["/bin/stat", "-c", "%u:%g", "/data"])?, &"12345:12345\n")?;
    let listing = podman.run(&name, &["/bin/cat", "/etc/listing"])?;
    ensure!(listing.contains("data\n") && listing.contains("bin\n") && !listing.contains("boot\n"), "{listing}");
    Ok(())
}

fn variables_of_the_base_are_inherited() -> Result<()> {
    let library = library()?;
    let config = |attribute: &str| -> Result<Value> {
        Ok(DockerArchive::open(library.build_image(attribute)?)?.config()?["config"].clone())
    };
    expect(&config("files.child")?, &json!({"Env": ["FROM=parent", "LAST=child", "OWN=child"]}))?;
    let all = config("files.childThatInherits")?;
    expect(
        &[&all["User"], &all["Cmd"], &all["Env"]],
        &[&json!("1000"), &json!(["/bin/id"]), &json!(["FROM=parent", "LAST=parent"])],
    )?;
    expect(&config("files.childThatInheritsNothing")?, &json!({}))
}

fn images_lie_upon_images() -> Result<()> {
    let library = library()?;
    for (attribute, command, expected) in [
        ("files.imageOnLayered", &[] as &[&str], SAYS),
        ("files.layeredOnImage", &["/bin/app"], SAYS),
        ("files.layeredOnOci", &[], SAYS),
        ("files.layeredOnOci", &["/bin/id", "-u"], "0\n"),
    ] {
        let (podman, name) = loaded(&library.build_image(attribute)?)?;
        expect(&podman.run(&name, command)?, &expected).context(attribute)?;
    }
    // The tools of the lowest, the app of the second, a file of the third.
    let layers = |attribute: &str| DockerArchive::open(library.build_image(attribute)?)?.layer_count();
    ensure!(layers("files.layeredOnImage")? >= layers("files.imageOnLayered")?);
    Ok(())
}

fn layers_lie_in_order() -> Result<()> {
    let (podman, name) = loaded(&library()?.build_with_tools("files.thirdOfThree")?)?;
    expect(&podman.run(&name, &["/bin/cat", "/order", "/one", "/two", "/three"])?, &"3\n1\n2\n3\n")
}

/// Two layers of the base, one that `contents` could have, and so two for the store paths.
fn the_base_counts() -> Result<()> {
    let image = library()?.build_image("files.fourLayers")?;
    expect(&DockerArchive::open(&image)?.layer_count()?, &4)?;
    loaded(&image).map(|_| ())
}

fn a_base_may_repeat_and_link_its_layers() -> Result<()> {
    let folder = Folder::new()?;
    let layers = [layer(&folder, "first", &[("file", "first\n")])?, layer(&folder, "second", &[("file", "second\n")])?];
    let order = ["a/layer.tar", "b/layer.tar", "c/layer.tar"];
    let archive =
        docker_archive(&folder, &[layers[0].clone(), layers[1].clone(), layers[0].clone()], &order, Value::Null)?;
    let library = library()?;
    let built = library.nix_build("files.on").args(["--arg", "base", &archive]).ok()?;
    let (podman, name) = loaded(&library.physical(built.text()?.trim()))?;
    expect(&podman.run(&name, &[])?, &SAYS)?;
    let busybox = library.evaluate("busybox")?;
    expect(&podman.run(&name, &[&format!("{}/bin/cat", text(&busybox)?), "/file"])?, &"first\n")
}

fn a_base_is_found_by_name() -> Result<()> {
    let library = library()?;
    let named = DockerArchive::open(library.build_with_tools("files.named")?)?;
    let parent = DockerArchive::open(library.build_image("files.parent")?)?;
    expect(&named.config()?["rootfs"], &parent.config()?["rootfs"])?;
    library.nix_build("files.unknownName").exits(100)?.says(&["holds no image `stepparent:1`", "`parent:1`"])
}

fn a_base_for_another_processor_is_refused() -> Result<()> {
    library()?.nix_build("files.otherArchitecture").exits(100)?.says(&["linux/amd64", "linux/s390x"])
}

fn merged_images_are_all_there() -> Result<()> {
    let library = library()?;
    let merged = library.build_with_tools("files.merged")?;
    let podman = Podman::empty()?;
    podman.client(&["load", "--input", &merged, "--signature-policy", &podman.policy()]).ok()?;
    let tag = library.evaluate("files.untagged.imageTag")?;
    let untagged = format!("localhost/untagged:{}", text(&tag)?);
    for name in ["localhost/parent:1", "localhost/plain:1", "localhost/app:1", &untagged] {
        podman.run(name, &["/bin/id"]).context(name.to_owned())?;
    }
    expect(&podman.run("localhost/streamed:1", &[])?, &SAYS)?;
    let owner = podman.run("localhost/app:1", &["/bin/stat", "-c", "%u:%g", "/home/me"])?;
    expect(&owner, &"1000:2000\n")
}

fn an_image_without_a_name_is_merged() -> Result<()> {
    let folder = Folder::new()?;
    let layers = [layer(&folder, "only", &[("file", "only\n")])?];
    let archive = docker_archive(&folder, &layers, &["only/layer.tar"], Value::Null)?;
    let library = library()?;
    let merged = library.build_with_tools_and("files.mergedWith", &["--arg", "archive", &archive])?;
    let merged = DockerArchive::open(merged)?;
    expect(&merged.manifest.as_array().map(Vec::len), &Some(2))?;
    expect(&merged.manifest[1]["RepoTags"], &Value::Null)?;
    ensure!(merged.member(text(&merged.manifest[1]["Config"])?).is_ok());
    Ok(())
}

fn an_export_is_what_a_container_sees() -> Result<()> {
    let library = library()?;
    let folder = Folder::new()?;
    let exported = library.build_with_tools("files.exported")?;
    fs::create_dir(folder.path("root"))?;
    tool("tar", &["--extract", "--file", &exported, "--directory", &folder.path("root")]).ok()?;
    expect(&fs::read_to_string(folder.path("root/order"))?, &"3\n")?;
    expect(&fs::read_to_string(folder.path("root/one"))?, &"1\n")?;
    let listed = tool("tar", &["--list", "--verbose", "--numeric-owner", "--file"])
        .args([library.build_with_tools("files.exportedCommands")?])
        .ok()?;
    let lines: Vec<&str> = listed.text()?.lines().collect();
    for (mode, owner, name) in [("drwxrwxrwt", "0/0", "./tmp/"), ("drwxr-xr-x", "1000/2000", "./home/me/")] {
        let found = |line: &&&str| line.starts_with(mode) && line.contains(owner) && line.ends_with(name);
        ensure!(lines.iter().find(found).is_some(), "{name} is not {mode} {owner}:\n{}", listed.text()?);
    }
    expect(&library.build_with_tools("files.exportedNamed").map(|_| ())?, &())
}

fn an_export_leaves_out_what_was_removed() -> Result<()> {
    let folder = Folder::new()?;
    let lower =
        [("gone", "1\n"), ("kept", "1\n"), ("replaced/by", "1\n"), ("full/old", "1\n"), ("folder/inside", "1\n")];
    let upper = [
        (".wh.gone", ""),
        ("full/.wh..wh..opq", ""),
        ("full/new", "2\n"),
        ("folder/.wh.inside", ""),
        ("replaced", "2\n"),
    ];
    let layers = [layer(&folder, "lower", &lower)?, layer(&folder, "upper", &upper)?];
    let archive = docker_archive(&folder, &layers, &["lower/layer.tar", "upper/layer.tar"], json!(["removed:1"]))?;
    let exported = library()?.build_with_tools_and("files.exportedOf", &["--arg", "archive", &archive])?;
    expect(&names_in(&exported)?, &["./", "./folder/", "./full/", "./full/new", "./kept", "./replaced"])
}

/// The builder's folder is `/build`.
fn an_export_stays_within_its_folder() -> Result<()> {
    let folder = Folder::new()?;
    fs::create_dir_all(folder.path("tree-lower"))?;
    fs::os::unix::fs::symlink("/build", folder.path("tree-lower/way-out"))?;
    let lower = layer(&folder, "lower", &[("kept", "1\n")])?;
    for (at, name) in ["way-out/.wh.image", "way-out/written"].into_iter().enumerate() {
        // An entry of the folder would take the link's place.
        layer(&folder, "upper", &[(name, "")])?;
        let upper = tool("tar", &["--create", "--directory", &folder.path("tree-upper"), name]).ok()?.stdout;
        let names = [format!("lower-{at}/layer.tar"), format!("upper-{at}/layer.tar")];
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let archive = docker_archive(&folder, &[lower.clone(), upper], &names, Value::Null)?;
        let export = library()?.build_with_tools_and("files.exportedOf", &["--arg", "archive", &archive]);
        let refused = format!("{:#}", export.err().context("it was exported")?);
        ensure!(refused.contains("a link leads the image's /way-out to /build"), "{refused}");
    }
    Ok(())
}

fn an_image_is_pulled_and_built_upon() -> Result<()> {
    let library = library()?;
    let registry = Registry::of_layout(&library.build_image("files.toPull")?, "1")?;
    let name = format!("{}/team/app", registry.host);
    let arguments = |hash: &str| -> Vec<String> {
        let digest = &registry.manifest_digest;
        ["--argstr", "name", &name, "--argstr", "digest", digest, "--argstr", "hash", hash].map(str::to_owned).to_vec()
    };
    // Nix tells the hash.
    let tools = ["--option", "extra-sandbox-paths", "/usr /lib /lib64"];
    let told = library.nix_build("files.pulled").args(tools).args(arguments("")).finish()?;
    let hash = told.stderr.split("got:").nth(1).and_then(|rest| rest.split_whitespace().next());
    let hash = hash.with_context(|| format!("no hash is told: {}", told.report()))?.to_owned();

    let pulled = library.nix_build("files.pulled").args(tools).args(arguments(&hash)).ok()?;
    let archive = library.physical(pulled.text()?.trim());
    // As skopeo completes it.
    expect(&DockerArchive::open(&archive)?.name()?, &"docker.io/library/pulled:2")?;
    let built = library.nix_build("files.on").args(["--arg", "base", &archive]).ok()?;
    let (podman, name) = loaded(&library.physical(built.text()?.trim()))?;
    expect(&podman.run(&name, &[])?, &SAYS)?;
    expect(&podman.run(&name, &["/bin/id", "-u"])?, &"0\n")
}

fn layers_by_derivations_of_their_own_are_the_same() -> Result<()> {
    let library = library()?;
    let id = |attribute: &str| DockerArchive::open(library.build_image(attribute)?)?.image_id();
    expect(&id("files.derivations")?, &id("files.together")?)?;
    let layers = library.nix_build("files.derivations.layers").ok()?;
    let layers: Vec<&str> = layers.text()?.lines().collect();
    expect(&layers.len(), &7)?;
    let is_empty = |layer: &&str| fs::read_dir(library.physical(layer)).is_ok_and(|mut files| files.next().is_none());
    // Seven can be planned beside the one with contents. The planner makes six: one more primary would make eight.
    expect(&layers.iter().filter(|layer| is_empty(layer)).count(), &1)?;
    let few = library.nix_build("files.fewDerivations.layers").ok()?;
    expect(&few.text()?.lines().filter(|layer| is_empty(layer)).count(), &6)
}

fn scripts_give_the_same_bytes_again() -> Result<()> {
    let library = library()?;
    for attribute in ["files.commands.customisation", "files.chrooted.customisation", "files.exported", "files.merged"]
    {
        library.build_with_tools(attribute)?;
        library.build_with_tools_and(attribute, &["--check"]).context(attribute)?;
    }
    Ok(())
}

/// Loads an archive into a podman of its own.
fn loaded(image: &str) -> Result<(Podman, String)> {
    let podman = Podman::empty()?;
    let name = podman.load(Some(image), Vec::new())?;
    Ok((podman, name))
}

/// Unpacks an archive into the folder `root`, by skopeo and GNU tar.
fn unpack(image: &str, folder: &Folder) -> Result<()> {
    skopeo(&["copy", &format!("docker-archive:{image}"), &format!("oci:{}:1", folder.path("oci"))]).ok()?;
    Layout::open(&folder.path("oci"), "1")?.unpack(&folder.path("root"))
}

fn names_in(tar: &str) -> Result<Vec<String>> {
    let listed = tool("tar", &["--list", "--file", tar]).ok()?;
    Ok(listed.text()?.lines().map(str::to_owned).collect())
}

/// Makes the tar of a layer of some files, and returns it.
fn layer(folder: &Folder, name: &str, files: &[(&str, &str)]) -> Result<Vec<u8>> {
    let root = folder.path(&format!("tree-{name}"));
    for (file, content) in files {
        let path = format!("{root}/{file}");
        fs::create_dir_all(path.rsplit_once('/').context("it is below a folder")?.0)?;
        fs::write(&path, content)?;
        fs::set_permissions(&path, PermissionsExt::from_mode(0o644))?;
    }
    let arguments = ["--create", "--sort=name", "--mtime=@1", "--owner=0", "--group=0", "--directory", &root, "."];
    Ok(tool("tar", &arguments).ok()?.stdout)
}

/// Makes an archive as old tools do: equal layers are links to the first of them.
fn docker_archive(folder: &Folder, layers: &[Vec<u8>], names: &[&str], tags: Value) -> Result<String> {
    let root = folder.path("archive");
    for (at, (layer, name)) in layers.iter().zip(names).enumerate() {
        let path = format!("{root}/{name}");
        fs::create_dir_all(path.rsplit_once('/').context("it is below a folder")?.0)?;
        match layers[..at].iter().position(|earlier| earlier == layer) {
            Some(first) => fs::os::unix::fs::symlink(format!("../{}", names[first]), path)?,
            None => fs::write(path, layer)?,
        }
    }
    let diff_ids: Vec<String> = layers.iter().map(|layer| sha256(layer)).collect();
    let config = json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }, "os": "linux", "config": {},
        "created": "1970-01-01T00:00:01Z", "rootfs": {"type": "layers", "diff_ids": diff_ids},
    });
    fs::write(format!("{root}/config.json"), config.to_string())?;
    let manifest = json!([{"Config": "config.json", "RepoTags": tags, "Layers": names}]);
    fs::write(format!("{root}/manifest.json"), manifest.to_string())?;
    let archive = folder.path("base.tar");
    tool("tar", &["--create", "--file", &archive, "--directory", &root, "."]).ok()?;
    Ok(archive)
}
