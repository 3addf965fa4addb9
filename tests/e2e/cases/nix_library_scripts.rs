//! Images by the Nix library upon whose files scripts have worked.

use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::case::{Case, case};
use crate::image::text;
use crate::invocation::tool;
use crate::library::{DockerArchive, Library, expect, library};
use crate::run::Folder;

pub(super) const CASES: &[Case] = &[
    case!(files_are_joined_with_and_without_scripts, Nix, Busybox, Fakeroot, Tar),
    case!(files_go_where_the_base_has_them_with_and_without_scripts, Nix, Busybox, Fakeroot, Tar),
    case!(scripts_write_into_no_store_path, Nix, Busybox, Fakeroot, Tar),
    case!(folders_of_the_base_stay_whose_they_are_for_every_owner, Nix, Busybox, Fakeroot, Tar),
    case!(what_fakeroot_is_told_is_meant, Nix, Busybox, Fakeroot, Tar),
    case!(scripts_say_whose_the_nix_store_is, Nix, Busybox, Fakeroot, Tar, Root),
    case!(a_nix_database_has_an_owner_with_and_without_scripts, Nix, Busybox, Fakeroot, Tar),
    case!(folders_of_the_machine_hide_nothing_of_the_image, Nix, Busybox, Fakeroot, Proot, Tar),
    case!(what_scripts_write_onto_the_machine_is_an_error, Nix, Busybox, Fakeroot, Proot, Tar),
    case!(scripts_have_the_standard_environment_of_nixpkgs, Nix, Busybox, Fakeroot, Tar),
];

/// What scripts make.
const MADE: &str = "made";

fn files_are_joined_with_and_without_scripts() -> Result<()> {
    let images = built(library()?, "scripts.joined")?;
    for images in images.chunks(3) {
        let [without, after, as_root] = images else { unreachable!("there are three of each") };
        expect_same_but_made(without, after, "extraCommands")?;
        expect_same_but_made(without, as_root, "fakeRootCommands")?;
        for kept in ["d0755 0/0 bin/", "d0755 0/0 lib/", "d0755 0/0 lib64/", "d0755 0/0 share/licences/"] {
            ensure!(after.contains(&kept.to_owned()), "no {kept}: {after:#?}");
        }
        ensure!(!after.iter().any(|line| line.contains("nix-support/")), "{after:#?}");
    }
    Ok(())
}

fn files_go_where_the_base_has_them_with_and_without_scripts() -> Result<()> {
    let images = built(library()?, "scripts.joinedOnBase")?;
    for images in images.chunks(3) {
        let [without, after, as_root] = images else { unreachable!("there are three of each") };
        expect_same_but_made(without, after, "extraCommands")?;
        expect_same_but_made(without, as_root, "fakeRootCommands")?;
        // As the base has them.
        for kept in ["d0555 0/0 usr/bin/", "d1777 7/8 var/spool/", "-0644 0/0 usr/bin/made"] {
            ensure!(after.contains(&kept.to_owned()), "no {kept}: {after:#?}");
        }
        ensure!(!after.iter().any(|line| line.contains(" bin")), "{after:#?}");
    }
    let (layered, streamed) = (&images[..3], &images[3..6]);
    expect(&streamed, &layered)
}

/// Where a package has a link to a directory at its top, the image has a directory.
fn scripts_write_into_no_store_path() -> Result<()> {
    let library = library()?;
    for lines in built(library, "scripts.alone")? {
        for is_there in ["d0755 0/0 bin/", "-0644 0/0 bin/made"] {
            ensure!(lines.contains(&is_there.to_owned()), "no {is_there}: {lines:#?}");
        }
        ensure!(lines.iter().any(|line| line.starts_with('l') && line.contains(" bin/")), "{lines:#?}");
    }
    let tools = library.evaluate("files.tools.outPath")?;
    ensure!(!Path::new(&library.physical(&format!("{}/bin/made", text(&tools)?))).exists(), "it was made in the store");
    Ok(())
}

/// By whatever script and builder, and a link is what the script says.
fn folders_of_the_base_stay_whose_they_are_for_every_owner() -> Result<()> {
    let images = built(library()?, "scripts.ownedUpon")?;
    for (lines, made_by) in images.iter().zip(["1000/1001", "1000/1001", "0/0", "0/0"]) {
        let made = [("-0644", "opt/x"), ("-0644", "tmp/x"), ("l0777", "opt/current -> v2")];
        let made = made.map(|(mode, name)| format!("{mode} {made_by} {name}"));
        let others = ["d0700 7/8 opt/", "d1777 0/0 tmp/", "d1777 7/8 var/spool/", "d0755 1000/1001 share/"];
        for is_there in others.map(String::from).iter().chain(&made) {
            ensure!(lines.contains(is_there), "no {is_there}: {lines:#?}");
        }
    }
    Ok(())
}

fn what_fakeroot_is_told_is_meant() -> Result<()> {
    let lines = &built(library()?, "scripts.rootsAgain")?[0];
    let is_changed = |line: &&String| line.contains(" nix/") || line.contains(" var/");
    let (changed, others): (Vec<_>, Vec<_>) = lines.iter().partition(is_changed);
    ensure!(changed.iter().all(|line| line.contains(" 0/0 ")), "{changed:#?}");
    ensure!(changed.iter().any(|line| line.contains("l0777 0/0 nix/var/nix/gcroots/docker/")), "{changed:#?}");
    ensure!(changed.contains(&&"d0755 0/0 var/spool/".to_owned()), "{changed:#?}");
    ensure!(others.contains(&&"-0444 1000/1001 share/licences/text".to_owned()), "{others:#?}");
    Ok(())
}

/// And that Nix in the image knows all that is there.
fn scripts_say_whose_the_nix_store_is() -> Result<()> {
    let library = library()?;
    let images = built(library, "scripts.databases")?;
    for lines in &images {
        let of_nix: Vec<&String> = lines.iter().filter(|line| line.contains(" nix/")).collect();
        ensure!(of_nix.iter().all(|line| line.contains(" 999/998 ")), "{of_nix:#?}");
        ensure!(!of_nix.iter().any(|line| line.ends_with("reserved")), "{of_nix:#?}");
        for is_there in [
            "d0755 999/998 nix/",
            "d1777 999/998 nix/store/",
            "-0644 999/998 nix/var/nix/db/db.sqlite",
            "d0750 999/998 nix/var/nix/profiles/",
            "l0777 999/998 nix/var/nix/gcroots/profiles -> /nix/var/nix/profiles",
        ] {
            ensure!(lines.contains(&is_there.to_owned()), "no {is_there}: {of_nix:#?}");
        }
    }
    let upon = built(library, "scripts.databaseUpon")?;
    for is_there in
        ["d1777 999/998 nix/store/", "d0755 999/998 nix/var/nix/db/", "-0644 999/998 nix/var/nix/db/db.sqlite"]
    {
        ensure!(upon[0].contains(&is_there.to_owned()), "no {is_there}: {:#?}", upon[0]);
    }
    for attribute in ["scripts.databases", "scripts.databaseUpon"] {
        for archive in archives(library, attribute)? {
            let folder = Folder::new()?;
            archive.unpack(&folder.path("root"))?;
            let root = folder.path("root");
            let nix = |arguments: &[&str]| library.store.nix("nix-store", &["--store", &root]).args(arguments);
            for path in ["app.outPath", "single.outPath", "scripts.extra.outPath"] {
                let path = library.evaluate(path)?;
                nix(&["--query", "--requisites", text(&path)?]).ok().context("not registered")?;
            }
            let verified = nix(&["--verify", "--check-contents"]).ok()?;
            ensure!(!verified.stderr.contains("disappeared"), "{}", verified.report());
        }
    }
    Ok(())
}

fn a_nix_database_has_an_owner_with_and_without_scripts() -> Result<()> {
    for lines in built(library()?, "scripts.ownedDatabases")? {
        let others: Vec<&String> = lines.iter().filter(|line| !line.contains(" 1000/1001 ")).collect();
        ensure!(others.is_empty(), "{others:#?}");
        ensure!(lines.contains(&"-0644 1000/1001 nix/var/nix/db/db.sqlite".to_owned()), "{lines:#?}");
    }
    Ok(())
}

fn folders_of_the_machine_hide_nothing_of_the_image() -> Result<()> {
    let images = built(library()?, "scripts.chrooted")?;
    let lines = &images[0];
    // What a script has not changed is not the machine's.
    for (lines, store) in images.iter().zip(["d1777 5/6 nix/store/", "d0755 5/6 nix/store/", "d1777 0/0 nix/store/"]) {
        for is_there in ["d0755 0/0 usr/bin/", store, "d0755 0/0 data/"] {
            ensure!(lines.contains(&is_there.to_owned()), "no {is_there}: {lines:#?}");
        }
    }
    ensure!(lines.iter().any(|line| line.contains(" usr/bin/env -> ")), "{lines:#?}");
    // And nothing of the machine.
    let is_of_machine =
        |line: &&String| ["/dev/", "/proc/", " build/", "/usr/share"].iter().any(|name| line.contains(name));
    let of_machine: Vec<&String> = lines.iter().filter(is_of_machine).collect();
    ensure!(of_machine.is_empty(), "{of_machine:#?}");
    Ok(())
}

fn what_scripts_write_onto_the_machine_is_an_error() -> Result<()> {
    let build = library()?.nix_build("scripts.chrootedOntoTheMachine").args(crate::library::WITH_TOOLS);
    let says =
        "/build/machine/share was written while fakeRootCommands ran, and it is this machine's and not the image's";
    build.exits(100)?.says(&[says])
}

fn scripts_have_the_standard_environment_of_nixpkgs() -> Result<()> {
    let images = built(library()?, "overlaid.scripted")?;
    ensure!(images[0].contains(&"-0644 7/0 substituted".to_owned()), "{:#?}", images[0]);
    // Nothing of it needs what only `enableFakechroot` does, which is not there.
    library()?.evaluate("overlaid.helpers").map(drop)
}

/// Expects a script to have made its files, and no other difference.
fn expect_same_but_made(without: &[String], with: &[String], script: &str) -> Result<()> {
    let (made, rest): (Vec<String>, Vec<String>) = with.iter().cloned().partition(|line| line.ends_with(MADE));
    expect(&made.len(), &5).context(script.to_owned())?;
    expect(&rest, &without).context(script.to_owned())
}

/// What is in the top-most layers of some images: kind and mode, owner, name.
fn built(library: &Library, attribute: &str) -> Result<Vec<Vec<String>>> {
    archives(library, attribute)?.iter().map(top_layer).collect()
}

/// Builds an image, or a list of them, of which some are streams.
fn archives(library: &Library, attribute: &str) -> Result<Vec<DockerArchive>> {
    let paths = library.build_path(attribute, &crate::library::WITH_TOOLS)?;
    let open = |path: &str| match path.contains("-stream-") {
        true => DockerArchive::read(library.run(path, &[])?.stdout),
        false => DockerArchive::open(library.physical(path)),
    };
    paths.lines().map(open).collect()
}

fn top_layer(archive: &DockerArchive) -> Result<Vec<String>> {
    let layers = archive.manifest[0]["Layers"].as_array().context("layers are a list")?;
    let layer = archive.member(text(layers.last().context("there is a layer")?)?)?;
    let listed = tool("tar", &["--list", "--verbose", "--numeric-owner"]).stdin(layer.to_vec()).ok()?;
    let describe = |line: &str| -> Option<String> {
        let mut fields = line.splitn(6, ' ').filter(|field| !field.is_empty());
        let (mode, owner) = (fields.next()?, fields.next()?);
        // Behind the size, the day and the time.
        let name = line.split_once(':')?.1.get(3..)?;
        Some(format!("{} {owner} {name}", octal(mode)?))
    };
    listed.text()?.lines().map(|line| describe(line).with_context(|| line.to_owned())).collect()
}

/// `drwxr-xr-t` as `d1755`.
fn octal(mode: &str) -> Option<String> {
    let (kind, bits) = mode.split_at_checked(1)?;
    let mut number = 0;
    for (at, bit) in bits.char_indices().take(9) {
        let special = match bit {
            's' | 'S' => 0o4000 >> (at / 3),
            't' | 'T' => 0o1000,
            _ => 0,
        };
        number |= special | (u32::from(!matches!(bit, '-' | 'S' | 'T')) << (8 - at));
    }
    Some(format!("{kind}{number:04o}"))
}
