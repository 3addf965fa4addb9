//! A planner's bytes: where they are, and whether they are those that the user meant.

use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use anyhow::Result;
use fs_err as fs;
use layerwright_packer::Digest;
use layerwright_planner::PlannerSource;
use thiserror::Error;

use crate::planner_spec::{PlannerSpec, is_file_name};
use crate::sandbox::{Limits, NotAStrategy, StrategyError};

/// Name and component of each planner that is part of the program.
pub(crate) const BUILT_IN: &[(&str, &[u8])] = &include!(concat!(env!("OUT_DIR"), "/built_in.rs"));

/// A component's bytes, not looked at yet.
pub(crate) struct Component {
    pub(crate) bytes: Vec<u8>,
    pub(crate) source: PlannerSource,
}

/// What becomes of planners that are neither built in nor pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unpinned {
    /// They are used.
    Allowed,
    /// They are refused before anything is made of their bytes.
    Refused,
}

/// A planner that the user did not vouch for. Its bytes were hashed at most.
#[derive(Debug, Error)]
pub(crate) enum PinError {
    /// Other bytes than the pin says.
    #[error(
        "planner `{planner}` is not the one that is pinned\n  pinned  {pinned}\n  found   {found}\n\
         {}`layerwright planner digest {planner}` prints the digest to pin, if this is the one you want",
        if *is_hidden { format!("it is the built-in one; the file of this name is written ./{planner}\n") }
        else { String::new() }
    )]
    Mismatch {
        /// How the user named it.
        planner: String,
        /// What was wanted.
        pinned: Digest,
        /// What is there.
        found: Digest,
        /// It is built in, and a file of that name lies where the user is.
        is_hidden: bool,
    },
    /// No pin, where one is asked for.
    #[error(
        "planner `{planner}` is a file without a pin, and --locked takes none\n\
         if you trust the file as it is now, write\n  --planner {pinned}"
    )]
    Missing {
        /// How the user named it.
        planner: String,
        /// What to write instead.
        pinned: String,
    },
}

/// What is no file, and no built-in planner either.
#[derive(Debug, Error)]
pub(crate) enum NoPlanner {
    /// A word that is neither the name of one nor looks like a file.
    #[error(
        "planner `{name}` is not built in, {}\nbuilt in are {}",
        if *is_there { format!("and a file is written with a slash: ./{name}") }
        else { "and a file has a slash in its name, or ends in .wasm".to_owned() },
        names()
    )]
    Unknown {
        /// As the user wrote it.
        name: String,
        /// A file of that name is where the user is.
        is_there: bool,
    },
    /// Nothing is there.
    #[error("planner `{file}` does not exist{}", if built_in(file.trim_end_matches(".wasm")).is_ok() {
        format!("; the built-in planner is written {}", file.trim_end_matches(".wasm"))
    } else { String::new() })]
    Missing {
        /// As the user wrote it.
        file: String,
    },
    /// What is read once, or is nothing to read.
    #[error("planner `{file}` is {what}; name a regular file")]
    NotRegular {
        /// As the user wrote it.
        file: String,
        /// What it is instead.
        what: &'static str,
    },
}

/// Finds a planner and verifies its pin.
pub(crate) fn find(spec: &PlannerSpec, unpinned: Unpinned, limits: &Limits) -> Result<Component> {
    if unpinned == Unpinned::Refused && spec.pin.is_none() && is_file_name(&spec.planner) {
        return Err(unpinned_file(spec)?.into());
    }
    let component = component(&spec.planner, limits)?;
    if let Some(pinned) = spec.pin {
        let found = Digest::of(&component.bytes);
        if found != pinned {
            let (planner, is_hidden) = (spec.planner.clone(), is_hidden(&spec.planner));
            return Err(PinError::Mismatch { planner, pinned, found, is_hidden }.into());
        }
    }
    Ok(component)
}

/// Reads the file only to tell what could be pinned.
fn unpinned_file(spec: &PlannerSpec) -> Result<PinError> {
    check_regular(&spec.planner)?;
    let pinned = match read_file(&spec.planner, &to_hash()) {
        Ok(component) => PlannerSpec { pin: Some(Digest::of(&component.bytes)), ..spec.clone() }.to_string(),
        Err(_) => format!("{}@sha256:...", spec.planner),
    };
    Ok(PinError::Missing { planner: spec.planner.clone(), pinned })
}

/// For what is only hashed, whatever else would be refused.
pub(crate) fn to_hash() -> Limits {
    Limits { component_bytes: 1 << 30, ..Limits::default() }
}

/// The bytes of a planner that nothing is known of.
pub(crate) fn component(planner: &str, limits: &Limits) -> Result<Component> {
    if is_file_name(planner) { read_file(planner, limits) } else { built_in(planner) }
}

/// Whether a file has a name that stands for something else.
fn is_hidden(name: &str) -> bool {
    !is_file_name(name) && Path::new(name).is_file()
}

fn read_file(file: &str, limits: &Limits) -> Result<Component> {
    // Whoever opens a pipe waits for its writer.
    check_regular(file)?;
    let (mut open, limit) = (fs::File::open(file)?, limits.component_bytes);
    let size = open.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(size.min(limit))?);
    open.by_ref().take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let reason = NotAStrategy::TooLarge { bytes: size, limit };
        return Err(StrategyError::NotAStrategy { planner: file.to_owned(), digest: None, reason }.into());
    }
    Ok(Component { bytes, source: PlannerSource::File })
}

fn check_regular(file: &str) -> Result<()> {
    let kind = match fs::metadata(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Err(NoPlanner::Missing { file: file.to_owned() }.into());
        }
        found => found?.file_type(),
    };
    let what = match kind {
        _ if kind.is_file() => return Ok(()),
        _ if kind.is_dir() => "a folder",
        _ if kind.is_fifo() => "a pipe, which is there once",
        _ if kind.is_socket() => "a socket",
        _ => "a device",
    };
    Err(NoPlanner::NotRegular { file: file.to_owned(), what }.into())
}

/// Returns a planner that is part of the program.
pub(crate) fn built_in(name: &str) -> Result<Component> {
    let found = BUILT_IN.iter().find(|(known, _)| *known == name);
    let (_, bytes) = found.ok_or_else(|| NoPlanner::Unknown { name: name.to_owned(), is_there: is_hidden(name) })?;
    Ok(Component { bytes: bytes.to_vec(), source: PlannerSource::BuiltIn })
}

fn names() -> String {
    BUILT_IN.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}
