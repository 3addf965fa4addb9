//! Everything that has to hold before a change is taken.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::run::run as execute;
use crate::{architecture, setup};

/// Sets up, checks and tests.
pub(crate) fn run(workspace: &Path) -> Result<()> {
    setup::toolchain()?;
    setup::clients(workspace)?;
    let cargo = |words: &[&str]| {
        let mut command = Command::new("cargo");
        command.current_dir(workspace).args(words);
        command
    };
    architecture::check(workspace)?;
    execute(&mut cargo(&["fmt", "--all", "--check"]))?;
    execute(&mut cargo(&["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]))?;
    execute(
        cargo(&["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"])
            .env("RUSTDOCFLAGS", "--deny warnings"),
    )?;
    // The tests of the program from outside run the one that is built here.
    execute(&mut cargo(&["build", "--package", "layerwright", "--locked"]))?;
    execute(&mut cargo(&["test", "--workspace", "--locked"]))
}
