//! A shell script that gives the files in a folder for scripts the owners and modes that the folder does not have.
//!
//! Only under fakeroot can anybody give files away, and what it remembers is gone with it. So whoever runs scripts there has
//! to begin with this one; then they see whose each file is, and all that the folder tells is meant.
//!
//! 1. Everything is the default owner's, also what other scripts have made before.
//! 2. What is to be otherwise is given its owner and its mode, unless something else is there by now, or somebody has
//!    changed the mode.

use std::io::{self, Write};

use super::stage::written_mode;
use super::tree::FileTree;
use crate::entry::{Entry, EntryKind, EntryName};
use crate::walk::LastLink;

/// `give KIND WRITTEN-MODE MODE OWNER NAME`
const GIVE: &str = r#"give() {
  case $1 in
    directory) [ ! -L "$5" ] && [ -d "$5" ] ;;
    symlink) [ -L "$5" ] ;;
    *) [ ! -L "$5" ] && [ -e "$5" ] && [ ! -d "$5" ] ;;
  esac || return 0
  chown -h "$4" "$5"
  [ "$1" = symlink ] || [ "$(stat -c %a "$5")" != "$2" ] || chmod "$3" "$5"
}
"#;

/// `written` has the names of the folder, `tree` those of the image.
pub(super) fn write(tree: &FileTree, written: &FileTree, out: &mut impl Write) -> io::Result<()> {
    out.write_all(GIVE.as_bytes())?;
    let (uid, gid) = tree.owner();
    if (uid, gid) != (0, 0) {
        writeln!(out, "chown -hR {uid}:{gid} .")?;
    }
    for entry in written.entries() {
        if let Some(to_be) = in_image(tree, entry).filter(|to_be| is_otherwise(to_be, entry, (uid, gid))) {
            let (before, mode) = (written_mode(entry), to_be.mode);
            write!(out, "give {} {before:o} {mode:o} {}:{} ", kind(entry), to_be.uid, to_be.gid)?;
            write_quoted(&entry.name, out)?;
        }
    }
    Ok(())
}

/// What a file of the folder is to be. It may be behind a link of a lower layer.
fn in_image<'a>(tree: &'a FileTree, entry: &Entry) -> Option<&'a Entry> {
    let last = if entry.kind == EntryKind::Directory { LastLink::Follow } else { LastLink::Keep };
    let name = tree.find(&entry.name.0, last).ok()?;
    tree.get(&name).map(|node| &node.entry).filter(|to_be| kind(to_be) == kind(entry))
}

fn is_otherwise(to_be: &Entry, written: &Entry, default_owner: (u32, u32)) -> bool {
    let is_link = matches!(written.kind, EntryKind::Symlink { .. });
    (to_be.uid, to_be.gid) != default_owner || !is_link && to_be.mode != written_mode(written)
}

fn kind(entry: &Entry) -> &'static str {
    match entry.kind {
        EntryKind::Directory => "directory",
        EntryKind::Symlink { .. } => "symlink",
        _ => "file",
    }
}

/// As one word of a shell, which is no option either. It may be anybody's.
fn write_quoted(name: &EntryName, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"'./")?;
    for part in name.0.split_inclusive(|byte| *byte == b'\'') {
        match part.strip_suffix(b"'") {
            Some(before) => out.write_all(&[before, b"'\\''"].concat())?,
            None => out.write_all(part)?,
        }
    }
    out.write_all(b"'\n")
}
