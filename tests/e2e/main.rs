//! End-to-end tests: layerwright from outside, with the real clients.
//!
//! A case is a function in a file of [`cases`], which names what it needs of the machine ([`need`]). Where a tool is
//! missing, the case is reported as ignored, or fails with the environment variable `CI=true`. `LAYERWRIGHT_BIN` names
//! another program to be tested than the one that Cargo builds.

mod browser;
mod case;
mod cases;
mod docker;
mod hand_made;
mod hostile;
mod image;
mod invocation;
mod library;
mod need;
mod opened;
mod podman;
mod registry;
mod run;
mod staging;
mod store;
mod template;
mod tree;
mod which_nix;

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !arguments.list
        && let Err(error) = run::begin()
    {
        eprintln!("the tests cannot begin: {error:#}");
        return ExitCode::FAILURE;
    }
    let conclusion = libtest_mimic::run(&arguments, cases::trials());
    docker::stop();
    run::end();
    conclusion.exit_code()
}
