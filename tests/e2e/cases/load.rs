//! Podman and Docker load every form from an empty store, and run what is in it.

use anyhow::{Result, ensure};
use fs_err as fs;

use crate::case::{Case, case};
use crate::docker::Docker;
use crate::hand_made::HandMade;
use crate::invocation::Invocation;
use crate::podman::Podman;
use crate::run::{Folder, layerwright};
use crate::store::nix_store;

pub(super) const CASES: &[Case] = &[
    case!(podman_loads_a_docker_archive, Nix, Busybox, Podman, Root),
    case!(podman_loads_an_oci_archive, Nix, Busybox, Podman, Root),
    case!(podman_loads_standard_input, Nix, Busybox, Podman, Root),
    case!(podman_runs_git_from_debian, Debian, Git, Podman, Root),
    case!(docker_loads_a_docker_archive, Nix, Busybox, Docker, Root),
    case!(docker_loads_standard_input, Nix, Busybox, Docker, Root),
    case!(docker_loads_the_most_layers_that_it_can, Docker, Root),
    case!(docker_runs_git_from_debian, Debian, Git, Docker, Root),
    case!(what_docker_saves_is_verified, Nix, Busybox, Docker, Root),
];

const SAYS: &str = "app says:\ntext from data\ntext from single\ntext from data\n";

fn podman_loads_a_docker_archive() -> Result<()> {
    let folder = Folder::new()?;
    let archive = folder.path("app.tar");
    pack_app(&format!("docker-archive:{archive}:team/app:1"))?;
    let podman = Podman::empty()?;
    let name = podman.load(Some(&archive), Vec::new())?;
    ensure!(name.ends_with("/team/app:1"), "{name}");
    expect(&podman.run(&name, &[])?, SAYS)
}

fn podman_loads_an_oci_archive() -> Result<()> {
    let folder = Folder::new()?;
    let archive = folder.path("app.tar");
    pack_app(&format!("oci-archive:{archive}:app:1"))?;
    let podman = Podman::empty()?;
    let name = podman.load(Some(&archive), Vec::new())?;
    ensure!(name.ends_with("/app:1"), "{name}");
    expect(&podman.run(&name, &[])?, SAYS)
}

fn podman_loads_standard_input() -> Result<()> {
    let stream = pack_app("-")?;
    let podman = Podman::empty()?;
    let name = podman.load(None, stream)?;
    ensure!(name.ends_with("/streamed:1"), "{name}");
    expect(&podman.run(&name, &[])?, SAYS)
}

fn podman_runs_git_from_debian() -> Result<()> {
    let folder = Folder::new()?;
    let archive = pack_git(&folder)?;
    let podman = Podman::empty()?;
    let name = podman.load(Some(&archive), Vec::new())?;
    let version = podman.run(&name, &["git", "--version"])?;
    ensure!(version.starts_with("git version "), "{version}");
    Ok(())
}

fn docker_loads_a_docker_archive() -> Result<()> {
    let folder = Folder::new()?;
    let archive = folder.path("app.tar");
    for compression in ["gzip", "none"] {
        pack_app_with(&format!("docker-archive:{archive}:team/app:1"), &["--compression", compression])?;
        let docker = Docker::empty()?;
        docker.client(&["load", "--input", &archive]).ok()?;
        expect(&docker.run("team/app:1", &[])?, SAYS)?;
    }
    Ok(())
}

fn docker_loads_standard_input() -> Result<()> {
    let stream = pack_app("-")?;
    let docker = Docker::empty()?;
    docker.client(&["load"]).stdin(stream).ok()?;
    expect(&docker.run("streamed:1", &[])?, SAYS)
}

/// 125, and one more is refused before Docker can choke on it.
fn docker_loads_the_most_layers_that_it_can() -> Result<()> {
    let mut store = HandMade::new()?;
    for number in 0..126 {
        store.add(&format!("node-{number}"), &[])?;
        store.file(&format!("node-{number}/number"), number.to_string())?;
    }
    let folder = Folder::new()?;
    let build = |max_layers: &str, to: &str| -> Result<Invocation> {
        let arguments = ["build", "--from", &store.source()?, "--root", &store.root(), "--max-layers", max_layers];
        Ok(layerwright(&arguments).args(["--to", to]))
    };
    let archive = folder.path("most.tar");
    build("125", &format!("docker-archive:{archive}:most:1"))?.ok()?;
    let docker = Docker::empty()?;
    docker.client(&["load", "--input", &archive]).ok()?;
    drop(docker);

    let refused = folder.path("refused.tar");
    build("126", &format!("docker-archive:{refused}"))?.exits(1)?.says(&["126 layers", "125"])?;
    ensure!(!fs::exists(&refused)?);
    build("126", &format!("oci:{}", folder.path("oci")))?.ok()?;
    Ok(())
}

fn docker_runs_git_from_debian() -> Result<()> {
    let folder = Folder::new()?;
    let archive = pack_git(&folder)?;
    let docker = Docker::empty()?;
    docker.client(&["load", "--input", &archive]).ok()?;
    let version = docker.run("git:latest", &["git", "--version"])?;
    ensure!(version.starts_with("git version "), "{version}");
    Ok(())
}

fn what_docker_saves_is_verified() -> Result<()> {
    let folder = Folder::new()?;
    let saved = folder.path("saved.tar");
    let stream = pack_app("-")?;
    let docker = Docker::empty()?;
    docker.client(&["load"]).stdin(stream).ok()?;
    docker.client(&["save", "--output", &saved, "streamed:1"]).ok()?;
    drop(docker);
    let verified = layerwright(&["verify", &format!("docker-archive:{saved}"), "--json"]).ok()?.json()?;
    ensure!(verified["images"] == 1 && verified["layers"].as_u64() > Some(3), "{verified}");
    Ok(())
}

/// Packs the app so that it runs; returns what went to standard output.
fn pack_app(to: &str) -> Result<Vec<u8>> {
    pack_app_with(to, if to == "-" { &["--tag", "streamed:1"] } else { &[] })
}

fn pack_app_with(to: &str, more: &[&str]) -> Result<Vec<u8>> {
    let store = nix_store()?;
    let program = format!("{}/bin/app", store.built("result")?);
    let arguments = ["build", "--from", &store.source(), "--root", &store.root(), "--to", to, "--cmd", &program];
    Ok(store.layerwright(&arguments).args(more).ok()?.stdout)
}

fn pack_git(folder: &Folder) -> Result<String> {
    let archive = folder.path("git.tar");
    let to = format!("docker-archive:{archive}:git:latest");
    layerwright(&["build", "--from", "dpkg:git", "--to", &to]).ok()?;
    Ok(archive)
}

fn expect(found: &str, expected: &str) -> Result<()> {
    ensure!(found == expected, "expected {expected:?}, found {found:?}");
    Ok(())
}
