//! The files of an archive by name, and the links to them.

use std::collections::BTreeMap;

use super::{Member, MembersError, shown};

/// An archive of an image has a few hundred members.
const MAX_MEMBERS: usize = 100_000;

/// All names of an archive together, several times what so many blobs of a layout need.
const MAX_NAME_BYTES: usize = 32 << 20;

/// A symlink to a symlink is as far as `docker save` ever went.
const MAX_LINKS: usize = 4;

/// What is known of the files of an archive.
pub(crate) struct MemberMap<T> {
    members: BTreeMap<Vec<u8>, Held<T>>,
    count: usize,
    name_bytes: usize,
}

pub(crate) enum Held<T> {
    File(T),
    /// The name of the member that is meant.
    Link(Vec<u8>),
}

impl<T> MemberMap<T> {
    pub(crate) fn new() -> Self {
        Self { members: BTreeMap::new(), count: 0, name_bytes: 0 }
    }

    /// Counts a member, whether or not it will be held. A sparse one is refused: no tool writes an image like that, and a
    /// few bytes could say more zeros than anybody can read.
    pub(crate) fn count(&mut self, member: &Member) -> Result<(), MembersError> {
        if member.is_sparse {
            let name = shown(&member.name);
            return Err(MembersError::Damaged(format!(
                "it holds `{name}` as a sparse file, as no image has it; pack it without `--sparse`"
            )));
        }
        self.count += 1;
        self.name_bytes += member.name_bytes().sum::<usize>();
        if self.count > MAX_MEMBERS || self.name_bytes > MAX_NAME_BYTES {
            return Err(MembersError::Damaged("it has more members, or longer names, than any image".into()));
        }
        Ok(())
    }

    /// Holds a member. The last one of a name stands, as if the archive were unpacked. Returns the one before.
    pub(crate) fn insert(&mut self, name: Vec<u8>, held: Held<T>) -> Option<Held<T>> {
        self.members.insert(name, held)
    }

    /// The file that a member is or leads to.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&T> {
        match self.members.get(self.resolve(name)?)? {
            Held::File(file) => Some(file),
            Held::Link(_) => None,
        }
    }

    /// The name of the file that a member is or leads to.
    pub(crate) fn resolve<'a>(&'a self, mut name: &'a [u8]) -> Option<&'a [u8]> {
        for _ in 0..=MAX_LINKS {
            match self.members.get(name)? {
                Held::File(_) => return Some(name),
                Held::Link(target) => name = target,
            }
        }
        None
    }
}
