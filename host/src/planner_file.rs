//! A planner's bytes: where they are, and whether they are those that the user meant.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use layerwright_packer::Digest;
use layerwright_planner::PlannerSource;
use thiserror::Error;

use crate::planner_spec::PlannerSpec;
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
         `layerwright planner digest {planner}` prints the digest to pin, if this is the one you want"
    )]
    Mismatch {
        /// How the user named it.
        planner: String,
        /// What was wanted.
        pinned: Digest,
        /// What is there.
        found: Digest,
    },
    /// No pin, where one is asked for.
    #[error(
        "planner `{planner}` is a file without a pin, and --locked takes none{}\n\
         if you trust the file as it is now, write\n  --planner {pinned}",
        if *hides_built_in { "; it stands before the built-in planner of this name" } else { "" }
    )]
    Missing {
        /// How the user named it.
        planner: String,
        /// What to write instead.
        pinned: String,
        /// Without the file, a built-in planner would have been used.
        hides_built_in: bool,
    },
}

/// Finds a planner and verifies its pin: a file that exists wins, otherwise a built-in one of that name.
pub(crate) fn find(spec: &PlannerSpec, unpinned: Unpinned, limits: &Limits) -> Result<Component> {
    let is_refused = unpinned == Unpinned::Refused && spec.pin.is_none();
    // Looked at once: what is no file now may be one a moment later.
    let is_file = is_file(&spec.planner);
    if is_refused && is_file {
        return Err(unpinned_file(spec).into());
    }
    let component = if is_file { read_file(&spec.planner, limits)? } else { built_in(&spec.planner)? };
    if let Some(pinned) = spec.pin {
        let found = Digest::of(&component.bytes);
        if found != pinned {
            return Err(PinError::Mismatch { planner: spec.planner.clone(), pinned, found }.into());
        }
    }
    Ok(component)
}

/// Reads the file only to tell what could be pinned.
fn unpinned_file(spec: &PlannerSpec) -> PinError {
    let planner = &spec.planner;
    let pinned = match read_file(planner, &to_hash()) {
        Ok(component) => PlannerSpec { pin: Some(Digest::of(&component.bytes)), ..spec.clone() }.to_string(),
        Err(_) => format!("{planner}@sha256:..."),
    };
    PinError::Missing { planner: planner.clone(), pinned, hides_built_in: built_in(planner).is_ok() }
}

/// For what is only hashed, whatever else would be refused.
pub(crate) fn to_hash() -> Limits {
    Limits { component_bytes: 1 << 30, ..Limits::default() }
}

/// Whether it names a file, which wins over a built-in planner of that name.
pub(crate) fn is_file(planner: &str) -> bool {
    Path::new(planner).is_file()
}

/// The bytes of a planner that nothing is known of.
pub(crate) fn component(planner: &str, limits: &Limits) -> Result<Component> {
    if is_file(planner) { read_file(planner, limits) } else { built_in(planner) }
}

fn read_file(file: &str, limits: &Limits) -> Result<Component> {
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

/// Returns a planner that is part of the program.
pub(crate) fn built_in(name: &str) -> Result<Component> {
    let wanted = name.strip_suffix(".wasm").unwrap_or(name);
    let found = BUILT_IN.iter().find(|(name, _)| *name == wanted);
    let (_, bytes) = found.with_context(|| {
        let names: Vec<&str> = BUILT_IN.iter().map(|(name, _)| *name).collect();
        format!("planner `{name}` is neither a file nor built in; built in are {}", names.join(", "))
    })?;
    Ok(Component { bytes: bytes.to_vec(), source: PlannerSource::BuiltIn })
}
