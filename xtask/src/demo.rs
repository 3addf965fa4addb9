//! The main job, on real input: what this machine has.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::run::{exists, run as execute};
use crate::setup;

/// What there is to pack.
struct Closure {
    from: String,
    root: PathBuf,
    name: &'static str,
    /// The program that tells its version, where there is one.
    entrypoint: Option<String>,
}

/// Sets up, builds the program, and packs a closure into `target/demo`.
pub(crate) fn run(workspace: &Path) -> Result<()> {
    setup::toolchain()?;
    execute(Command::new("cargo").current_dir(workspace).args([
        "build",
        "--release",
        "--package",
        "layerwright",
        "--locked",
    ]))?;
    // Relative to the workspace, in which everything here runs, because that is how one types it.
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| "target".into(), PathBuf::from);
    let (program, demo) = (target.join("release/layerwright"), target.join("demo"));
    fs::create_dir_all(workspace.join(&demo))?;

    let Closure { from, root, name, entrypoint } = find_closure()?;
    let (plan, image) = (demo.join("plan.json"), demo.join(format!("{name}.tar")));
    let layerwright = |words: &[&str]| {
        let mut command = Command::new(workspace.join(&program));
        command.current_dir(workspace).args(words);
        command
    };
    execute(layerwright(&["plan", "--from", &from, "--max-layers", "40", "--format", "table", "--root"]).arg(&root))?;

    let destination = format!("docker-archive:{}:{name}:latest", image.display());
    let mut build = layerwright(&["build", "--from", &from, "--max-layers", "40"]);
    // Anew each time: to see it work is what it is for.
    build.args(["--no-cache", "--to", &destination]).arg("--root").arg(&root).arg("--save-plan").arg(&plan);
    execute(build.args(entrypoint.iter().flat_map(|program| ["--entrypoint", program])))?;
    execute(layerwright(&["verify"]).arg(&image))?;

    println!("\nThe plan is {}", plan.display());
    println!("The image is {}", image.display());
    println!("Load it and run it:");
    for client in ["podman", "docker"] {
        let then = match &entrypoint {
            Some(_) => format!("run --rm {name}:latest --version"),
            None => format!("image inspect {name}:latest"),
        };
        println!("  {client} load -i {} && {client} {then}", image.display());
    }
    Ok(())
}

/// A Debian package with what it needs, a store path, or the small closure that this repository brings.
fn find_closure() -> Result<Closure> {
    if Path::new("/var/lib/dpkg/status").exists() {
        let has_git = Path::new("/var/lib/dpkg/info/git.list").exists();
        let name = if has_git { "git" } else { "bash" };
        return Ok(Closure {
            from: format!("dpkg:{name}"),
            root: "/".into(),
            name,
            entrypoint: Some(format!("/usr/bin/{name}")),
        });
    }
    if exists("nix") && Path::new("/nix/store").exists() {
        let nix = which("nix").context("finding nix")?.canonicalize()?;
        return Ok(Closure {
            from: format!("nix:{}", nix.display()),
            root: "/".into(),
            name: "nix",
            entrypoint: Some(nix.display().to_string()),
        });
    }
    Ok(Closure {
        from: "graph:xtask/demo/closure.json".into(),
        root: "xtask/demo/root".into(),
        name: "site",
        entrypoint: None,
    })
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| file.is_file())
}
