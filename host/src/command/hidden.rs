//! `layerwright compile-planner` and `layerwright locate-frames`, hidden: what the program starts itself for, see
//! [`crate::sandbox`].

use std::io::Write;
use std::process::ExitCode;

use crate::sandbox::{compile_in_child, locate_in_child};

pub(crate) fn compile_planner(memory_bytes: u64, seconds: u64) -> ExitCode {
    ended(compile_in_child(memory_bytes, seconds))
}

pub(crate) fn locate_frames(memory_bytes: u64, seconds: u64, offsets: &[usize]) -> ExitCode {
    ended(locate_in_child(memory_bytes, seconds, offsets))
}

fn ended(result: Result<(), String>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            // For the parent, which decides how it is shown.
            std::io::stderr().write_all(reason.as_bytes()).ok();
            ExitCode::FAILURE
        }
    }
}
