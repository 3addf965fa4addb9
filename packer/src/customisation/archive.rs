//! Imports a tar: whatever a script under fakeroot, or anybody else, has packed.
//!
//! 1. Members become entries one after the other, as unpacking them in order would. Later ones replace earlier ones.
//! 2. Names are places in the layer. `..` is refused, a `/` or `./` before a name means nothing, and symlinks on the way
//!    are followed within the layer.
//! 3. A hard link is a file of its own, with the content that its target has at that moment.
//! 4. Modes, owners, devices, FIFOs and capabilities are kept, times are not.
//! 5. Of a sparse file, the zeros that the archive leaves out are part of its content.
//! 6. What would remove files of the layers below is refused, however it is spelled.
//! 7. It is read to the last byte: a damaged archive is an error, however much of it can be unpacked.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::copy::content_at;
use super::error::{CustomisationProblem as Problem, shown_bytes};
use super::scratch::Scratch;
use super::tree::{FileTree, MAX_ENTRIES, MAX_PATH_BYTES, Node, Permissions};
use crate::entry::{Base, Content, Entry, EntryKind, EntryName, LinksBefore};
use crate::image_files::{Attributes, Member, MemberKind, Members, MembersError, decompressed, open_regular};
use crate::walk::{LastLink, MAX_CAPABILITY_BYTES};

pub(super) fn import(tree: &mut FileTree, file: &Path, scratch: &mut Scratch<'_>) -> Result<(), Problem> {
    let reader = decompressed(open_regular(file).map_err(Problem::Read)?).map_err(unreadable)?;
    let mut import = Import { tree, scratch, members: Members::new(reader) };
    // Members that replace others take no room in the layer, but on the disk.
    for _ in 0..=MAX_ENTRIES {
        let Some(member) = import.members.next().map_err(problem)? else {
            // Only at the end of its bytes does one that is compressed say whether they are the right ones.
            return import.members.trailing().map(drop).map_err(unreadable);
        };
        import.member(&member).map_err(|problem| of_member(&member, problem))?;
    }
    Err(Problem::TooMuch("a million members"))
}

struct Import<'a, 'b, R> {
    tree: &'a mut FileTree,
    scratch: &'a mut Scratch<'b>,
    members: Members<R>,
}

impl<R: io::Read> Import<'_, '_, R> {
    fn member(&mut self, member: &Member) -> Result<(), Problem> {
        let attributes = self.members.attributes().map_err(problem)?;
        let Attributes { mode, uid, gid, overlay, .. } = attributes;
        if [uid, gid].contains(&u32::MAX) {
            return Err(refused("has an owner that nobody can be: 4294967295 says to system calls that it stays"));
        }
        if let Some(note) = overlay {
            return Err(refused(note.refusal()));
        }
        let name = member.name.as_slice();
        match &member.kind {
            MemberKind::Directory => self.tree.put_directory(name, Permissions { mode, uid, gid }).map(drop),
            MemberKind::HardLink(target) => self.hard_link(name, target),
            MemberKind::File => {
                let name = self.tree.place(name)?;
                let aside = self.scratch.put(&mut self.members, member.size, unreadable)?;
                let content = content_at(&aside.path, LinksBefore::Never, &name, aside.seen);
                self.put(name, EntryKind::File(content), attributes)
            }
            MemberKind::Symlink(target) => {
                if target.is_empty() || target.contains(&0) || target.len() > MAX_PATH_BYTES {
                    return Err(refused(
                        "is a symlink that leads nowhere: what it says is empty, too long or has a NUL in it",
                    ));
                }
                let name = self.tree.place(name)?;
                self.put(name, EntryKind::Symlink { target: target.clone() }, Attributes { mode: 0o777, ..attributes })
            }
            MemberKind::Other => {
                let (major, minor) = attributes.device;
                let kind = match attributes.type_flag {
                    b'3' => EntryKind::CharDevice { major, minor },
                    b'4' => EntryKind::BlockDevice { major, minor },
                    b'6' => EntryKind::Fifo,
                    _ => return Err(refused("is of a kind that a layer cannot hold")),
                };
                let name = self.tree.place(name)?;
                self.put(name, kind, attributes)
            }
        }
    }

    fn put(&mut self, name: EntryName, kind: EntryKind, attributes: Attributes) -> Result<(), Problem> {
        let Attributes { mode, uid, gid, capability, .. } = attributes;
        let is_file = matches!(kind, EntryKind::File(_));
        let capability = capability.filter(|_| is_file);
        if capability.as_ref().is_some_and(|capability| capability.len() > MAX_CAPABILITY_BYTES) {
            return Err(refused("has longer capabilities than Linux knows"));
        }
        self.tree.put(Node::new(Entry { name, kind, mode, uid, gid, capability }))
    }

    fn hard_link(&mut self, name: &[u8], target: &[u8]) -> Result<(), Problem> {
        let from = self.tree.find(target, LastLink::Keep)?;
        let mut entry = self.tree.get(&from).ok_or_else(|| refused("is a hard link to the root"))?.entry.clone();
        let name = self.tree.place(name)?;
        match &mut entry.kind {
            EntryKind::Directory => return Err(refused("is a hard link to a directory")),
            EntryKind::File(content) => *content = moved(content, &from, &name),
            _ => {}
        }
        if name == from {
            return Ok(());
        }
        entry.name = name;
        self.tree.put(Node::new(entry))
    }
}

/// The same content under another name.
pub(super) fn moved(content: &Content, from: &EntryName, to: &EntryName) -> Content {
    let base = Base { path: content.base.path_of(from), prefix: to.0.len(), links: content.base.links };
    Content { base: Arc::new(base), ..content.clone() }
}

/// What is wrong with one member is told with its name.
fn of_member(member: &Member, problem: Problem) -> Problem {
    match problem {
        Problem::Read(_) | Problem::Write(_) | Problem::TooMuch(_) | Problem::DamagedArchive(_) => problem,
        Problem::Member { reason, .. } => Problem::Member { member: shown_bytes(&member.name), reason },
        other => Problem::Member { member: shown_bytes(&member.name), reason: format!("cannot be had: {other}") },
    }
}

fn refused(reason: &str) -> Problem {
    Problem::Member { member: String::new(), reason: reason.to_owned() }
}

fn unreadable(error: io::Error) -> Problem {
    problem(MembersError::from(error))
}

fn problem(error: MembersError) -> Problem {
    match error {
        // Machines fail in other ways; only decoders say nothing more.
        MembersError::Read(error) if error.kind() == io::ErrorKind::Other => {
            Problem::DamagedArchive(shown_bytes(error.to_string().as_bytes()))
        }
        MembersError::Read(error) => Problem::Read(error),
        MembersError::Damaged(reason) => Problem::DamagedArchive(reason),
    }
}

#[cfg(test)]
mod tests;
