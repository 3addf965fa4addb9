//! Reads a file as one sees it in an image.
//!
//! 1. Layers are asked from the top-most one down, each for all that it says about the path and the directories on the
//!    way to it: whether it has them, as what, and whether it hides those of the layers below.
//! 2. The first one that says something decides. A link begins anew with the path that it leads to: a symlink from the
//!    top-most layer again, a hard link from its own one. There is nothing above `/`, so no link leads out of the
//!    image.
//!
//! This costs no memory however many files there are. Layers that have nothing beside the path are not read, see
//! [`Heads`](super::store_paths::Heads).

use std::io::Read;

use super::error::{BaseError, Problem};
use super::place::is_of_machine;
use super::removal::{OPAQUE, WHITEOUT, spelled};
use super::{BaseImage, BaseLayer};
use crate::Mismatch;
use crate::image_files::{Member, MemberKind, Members, MembersError, shown};

/// As many as Linux follows.
const MAX_LINKS: usize = 40;

type Parts = Vec<Vec<u8>>;

pub(super) fn read_file(image: &BaseImage, path: &str, limit: u64) -> Result<Option<Vec<u8>>, BaseError> {
    let file = || shown(path.as_bytes());
    let mut wanted = append(Parts::new(), path.as_bytes());
    let mut layers = image.layers.as_slice();
    for _ in 0..=MAX_LINKS {
        let (verdict, decider) = ask(layers, &wanted, limit).map_err(|problem| problem.of(&image.path))?;
        match verdict {
            Verdict::Content(content) => return Ok(Some(content)),
            Verdict::Nothing | Verdict::Undecided { .. } => return Ok(None),
            Verdict::TooLong => return Err(BaseError::FileTooLong { path: image.path.clone(), file: file(), limit }),
            Verdict::Symlink { depth, target } => {
                let from = if target.starts_with(b"/") { Parts::new() } else { wanted[..depth].to_vec() };
                let rest = wanted[depth + 1..].join(&b'/');
                wanted = append(append(from, &target), &rest);
                layers = image.layers.as_slice();
            }
            Verdict::HardLink(target) => {
                wanted = append(Parts::new(), &target);
                layers = &layers[..=decider];
            }
        }
    }
    Err(BaseError::TooManyLinks { path: image.path.clone(), file: file() })
}

/// Goes on from a directory, by names alone.
fn append(mut parts: Parts, path: &[u8]) -> Parts {
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part.to_vec()),
        }
    }
    parts
}

/// Returns what the image says, and which layer decided it.
fn ask(layers: &[BaseLayer], wanted: &Parts, limit: u64) -> Result<(Verdict, usize), Problem> {
    let Some(first) = wanted.first() else { return Ok((Verdict::Nothing, 0)) };
    let mut directories = 0;
    for (index, layer) in layers.iter().enumerate().rev() {
        if !layer.heads.may_say(wanted) {
            directories = directories.max(usize::from(layer.heads.has_directory(first)));
            continue;
        }
        match read_layer(layer, wanted, limit)?.verdict(directories) {
            Verdict::Undecided { directories: more } => directories = more,
            verdict => return Ok((verdict, index)),
        }
    }
    Ok((Verdict::Nothing, 0))
}

fn read_layer(layer: &BaseLayer, wanted: &Parts, limit: u64) -> Result<Statement, Problem> {
    let fail = |error: std::io::Error| match is_of_machine(&error) {
        true => Problem::Read(error),
        false => {
            let reason = shown(error.to_string().as_bytes());
            Mismatch::Undecodable { layer: layer.digest.to_string(), reason }.into()
        }
    };
    let fail_member = |error| match error {
        MembersError::Read(error) => fail(error),
        MembersError::Damaged(reason) => Problem::UnusableLayer { layer: layer.digest.to_string(), reason },
    };
    let mut statement = Statement::new(wanted.len());
    let mut members = Members::new(layer.tar().map_err(fail)?);
    while let Some(member) = members.next().map_err(fail_member)? {
        let (member, removal) = spelled(member, members.attributes().ok().as_ref());
        if let Some(removal) = removal {
            statement.note(wanted, &removal);
        }
        if statement.note(wanted, &member) {
            statement.content = None;
            statement.is_too_long = member.size > limit;
            if member.kind == MemberKind::File && !statement.is_too_long {
                let mut content = Vec::new();
                members.read_to_end(&mut content).map_err(fail)?;
                statement.content = Some(content);
            }
        }
    }
    // To the end, where it turns out whether these are still the bytes that were verified.
    members.trailing().map_err(fail)?;
    Ok(statement)
}

/// What an image says about a path.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Content(Vec<u8>),
    TooLong,
    /// That part of the path is a symlink.
    Symlink {
        depth: usize,
        target: Vec<u8>,
    },
    HardLink(Vec<u8>),
    /// There is no such file, whatever the layers below have.
    Nothing,
    /// The layers below decide. So many parts of the path are directories, whatever they say.
    Undecided {
        directories: usize,
    },
}

/// What a layer says about a path.
struct Statement {
    /// As what it has each part of the path.
    parts: Vec<Option<MemberKind>>,
    /// Whether it hides what the layers below have there, or where a part of it is.
    hides: bool,
    content: Option<Vec<u8>>,
    is_too_long: bool,
}

impl Statement {
    fn new(length: usize) -> Self {
        Self { parts: vec![None; length], hides: false, content: None, is_too_long: false }
    }

    /// Notes what a member says. Returns whether it is what is wanted.
    fn note(&mut self, wanted: &Parts, member: &Member) -> bool {
        let parts: Vec<&[u8]> = member.name.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
        let Some((last, directory)) = parts.split_last() else { return false };
        let common = directory.iter().zip(wanted).take_while(|(part, wanted)| **part == wanted.as_slice()).count();
        // Whoever has a file has the directories that it is in.
        for part in &mut self.parts[..common] {
            part.get_or_insert(MemberKind::Directory);
        }
        if common < directory.len() || common == wanted.len() {
            return false;
        }
        if *last == OPAQUE || last.strip_prefix(WHITEOUT) == Some(&wanted[common]) {
            self.hides = true;
        }
        if *last != wanted[common].as_slice() {
            return false;
        }
        if member.kind != MemberKind::Directory {
            self.parts[common..].fill(None);
        }
        self.parts[common] = Some(member.kind.clone());
        common + 1 == wanted.len()
    }

    /// `above` is how many parts of the path are directories in the layers above.
    fn verdict(self, above: usize) -> Verdict {
        let last = self.parts.len() - 1;
        for (depth, part) in self.parts.into_iter().enumerate() {
            match part {
                None if self.hides => return Verdict::Nothing,
                None => return Verdict::Undecided { directories: depth.max(above) },
                Some(MemberKind::Directory) => {}
                Some(_) if depth < above => return Verdict::Nothing,
                Some(MemberKind::Symlink(target)) => return Verdict::Symlink { depth, target },
                Some(MemberKind::HardLink(target)) if depth == last => return Verdict::HardLink(target),
                Some(MemberKind::File) if depth == last && self.is_too_long => return Verdict::TooLong,
                Some(MemberKind::File) if depth == last => {
                    return self.content.map_or(Verdict::Nothing, Verdict::Content);
                }
                Some(_) => return Verdict::Nothing,
            }
        }
        Verdict::Nothing
    }
}
