//! `layerwright compile-planner`, hidden: what the program starts itself for, see [`crate::sandbox`].

use std::io::Write;
use std::process::ExitCode;

use crate::sandbox::compile_in_child;

pub(crate) fn run(memory_bytes: u64, seconds: u64) -> ExitCode {
    match compile_in_child(memory_bytes, seconds) {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // For the parent, which decides how it is shown.
            std::io::stderr().write_all(reason.as_bytes()).ok();
            ExitCode::FAILURE
        }
    }
}
