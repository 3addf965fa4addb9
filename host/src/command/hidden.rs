//! `layerwright compile-planner`, `locate-frames` and `check-settings`, hidden: what the program starts itself for, see
//! [`crate::child`].

use std::io::Write;
use std::process::ExitCode;

use crate::sandbox::{Refusal, compile_in_child, locate_in_child};
use crate::settings::check_in_child;

pub(crate) fn compile_planner(memory_bytes: u64, seconds: u64) -> ExitCode {
    ended(compile_in_child(memory_bytes, seconds))
}

pub(crate) fn locate_frames(memory_bytes: u64, seconds: u64, offsets: &[usize]) -> ExitCode {
    ended(locate_in_child(memory_bytes, seconds, offsets))
}

pub(crate) fn check_settings(memory_bytes: u64, seconds: u64) -> ExitCode {
    ended(check_in_child(memory_bytes, seconds))
}

fn ended(result: Result<(), impl Into<Refusal>>) -> ExitCode {
    match result.map_err(Into::into) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Refusal { code, reason }) => {
            // For the parent, which decides how it is shown.
            std::io::stderr().write_all(reason.as_bytes()).ok();
            ExitCode::from(code)
        }
    }
}
