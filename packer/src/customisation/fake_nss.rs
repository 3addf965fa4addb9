//! The files by which a C library knows users, groups and names of machines, for images without any. What a base image
//! has of them stays: its programs and files belong to users of its own.

use super::copy::content_at;
use super::error::CustomisationProblem as Problem;
use super::scratch::Scratch;
use super::tree::{FileTree, Node};
use crate::entry::{EntryKind, EntryName, LinksBefore};

/// Programs refuse to start for a user that has no name; and without the last one, some never ask a name server.
const FILES: [(&[u8], &str); 3] = [
    (
        b"etc/passwd",
        "root:x:0:0:Administrator:/var/empty:/bin/sh\n\
         nobody:x:65534:65534:Nobody in particular:/var/empty:/bin/sh\n",
    ),
    (b"etc/group", "root:x:0:\nnobody:x:65534:\n"),
    (b"etc/nsswitch.conf", "hosts: files dns\n"),
];

/// The home of all of them, in which nobody is to put anything.
const HOME: &[u8] = b"var/empty";

pub(super) fn add(tree: &mut FileTree, scratch: &mut Scratch<'_>) -> Result<(), Problem> {
    for (path, text) in FILES {
        let name = tree.place(path)?;
        if tree.is_lower_file(&name) {
            continue;
        }
        if let Some(there) = tree.get(&name) {
            let (first, second) = (there.describe(), "that of fake NSS".into());
            return Err(Problem::Conflict { path: super::error::shown(&name), first, second });
        }
        let aside = scratch.put(&mut text.as_bytes(), text.len() as u64, Problem::Read)?;
        let content = content_at(&aside.path, LinksBefore::Never, &name, aside.seen);
        let entry = tree.entry(name, EntryKind::File(content), 0o644);
        tree.put(Node::new(entry))?;
    }
    if tree.may_be_directory(&EntryName(HOME.to_vec())) {
        return Ok(());
    }
    let permissions = tree.permissions(0o555);
    tree.put_directory(HOME, permissions).map(drop)
}
