//! Which store paths a layer holds, and how large they are: for images that do not say so.
//!
//! A layer counts if it has nothing else: `/nix`, `/nix/store`, and store paths, each of them with the path itself. Then
//! all of it is known. One with other files, such as a customisation layer, or that removes something, is not.
//!
//! The size of a store path is that of its NAR, which follows from names, kinds and lengths: the same that Nix tells. Of
//! a hard link one does not know how long its file is, so that it counts as an empty one.

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::atomic::AtomicU64;

use layerwright_planner::lineage_of_node;

use super::error::{Excess, Problem};
use super::removal::{WHITEOUT, spelled};
use super::store_paths::{is_store_name, take};
use crate::contents::HeldNode;
use crate::image_files::{Member, MemberKind, Members};
use crate::nar::{NarFile, entry_bytes};

/// Reads a tar to its end. Returns the store paths ascending by name, and `None` where they are not all that there is.
/// `room` is how many paths may still be noted.
pub(super) fn store_contents(tar: impl Read, room: &AtomicU64) -> Result<Option<Vec<HeldNode>>, Problem> {
    let mut members = Members::new(tar);
    let mut found = BTreeMap::new();
    let mut has_only_these = true;
    while let Some(member) = members.next()? {
        let (member, removal) = spelled(member, members.attributes().ok().as_ref());
        has_only_these &= removal.is_none();
        let parts: Vec<&[u8]> = member.name.split(|byte| *byte == b'/').collect();
        let is_directory = member.kind == MemberKind::Directory;
        match parts.as_slice() {
            [b""] | [b"nix"] | [b"nix", b"store"] if is_directory => {}
            [b"nix", b"store", name, below @ ..] if is_store_name(name) && !is_removal(below) => {
                let is_executable = members.attributes().is_ok_and(|said| said.mode & 0o100 != 0);
                if !found.contains_key(*name) {
                    take(room, Excess::StorePaths).map_err(Problem::TooMuch)?;
                    // The path itself comes before what is in it.
                    has_only_these &= below.is_empty();
                    found.insert(name.to_vec(), 0_u64);
                }
                let bytes = entry_bytes(nar_file(&member, is_executable), below.last().copied());
                found.entry(name.to_vec()).and_modify(|size| *size = size.saturating_add(bytes));
            }
            _ => has_only_these = false,
        }
    }
    // Only at the end of its bytes does a layer that is compressed say whether they are the right ones.
    members.trailing()?;
    let node = |(name, size): (Vec<u8>, u64)| {
        // Names of store paths are ASCII.
        let name: String = "/nix/store/".chars().chain(name.into_iter().map(char::from)).collect();
        HeldNode { lineage: lineage_of_node(&name), name, size }
    };
    Ok((has_only_these && !found.is_empty()).then(|| found.into_iter().map(node).collect()))
}

fn is_removal(below: &[&[u8]]) -> bool {
    below.last().is_some_and(|name| name.starts_with(WHITEOUT))
}

fn nar_file(member: &Member, is_executable: bool) -> NarFile {
    match &member.kind {
        MemberKind::Directory => NarFile::Directory,
        MemberKind::Symlink(target) => NarFile::Symlink { target_bytes: target.len() as u64 },
        _ => NarFile::Regular { bytes: member.size, is_executable },
    }
}
