//! Reads the members of an archive, one after the other, believing nothing.
//!
//! Only what an image needs: regular files, and links to them by name. Everything is bounded by constants, and names are
//! bytes to be compared, never paths. The crate `tar`, which tests here read with, keeps headers before headers in memory
//! whatever their length; a few kilobytes of gzip would be enough to exhaust it.

use std::io::{self, Read};

use super::sparse::{ContentMap, HeaderMap, MapPlace, Next, Sparse, SparseRecords};
use super::{OverlayNote, shown};

const BLOCK: usize = 512;

/// Longest header before a header: a pax header, or GNU's long names.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;

/// As long as any path that Linux takes. Names are kept, other than what comes before a header.
const MAX_NAME_BYTES: usize = 4096;

/// A member of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    /// Without `./` before it.
    pub(crate) name: Vec<u8>,
    pub(crate) kind: MemberKind,
    /// Of the content as it is read.
    pub(crate) size: u64,
    /// Whether the archive leaves out zeros of it.
    pub(crate) is_sparse: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MemberKind {
    File,
    Directory,
    /// The name of the file that is meant, from the top of the archive.
    HardLink(Vec<u8>),
    /// What the link says.
    Symlink(Vec<u8>),
    /// A device, a FIFO, or what no archive of an image holds.
    Other,
}

impl Member {
    /// The lengths of its names.
    pub(crate) fn name_bytes(&self) -> impl Iterator<Item = usize> {
        let link = match &self.kind {
            MemberKind::HardLink(link) | MemberKind::Symlink(link) => Some(link.len()),
            _ => None,
        };
        [self.name.len()].into_iter().chain(link)
    }

    /// The member that a link leads to, by names alone. In an archive of an image nothing is taken from elsewhere.
    pub(crate) fn target(&self) -> Option<Vec<u8>> {
        match &self.kind {
            MemberKind::HardLink(link) => Some(link.clone()),
            MemberKind::Symlink(link) => Some(beside(&self.name, link)),
            _ => None,
        }
    }
}

/// What a header says about its member besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) type_flag: u8,
    /// Permissions with set-id and sticky bits.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Major and minor number, which mean something for devices only.
    pub(crate) device: (u32, u32),
    /// The extended attribute `security.capability`.
    pub(crate) capability: Option<Vec<u8>>,
    /// What it is to overlayfs.
    pub(crate) overlay: Option<OverlayNote>,
}

/// Why an archive cannot be read on.
pub(crate) enum MembersError {
    Read(io::Error),
    Damaged(String),
}

impl From<io::Error> for MembersError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early".into()),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                Self::Damaged(shown(error.to_string().as_bytes()))
            }
            _ => Self::Read(error),
        }
    }
}

/// The members of an archive. What is not read of a member's content is skipped.
pub(crate) struct Members<R> {
    reader: R,
    /// Of the current member: content that is not read yet, and the padding after it.
    left: u64,
    padding: u64,
    /// Of the current member. An error where a number in it is none.
    attributes: Result<Attributes, String>,
    /// Of the current member, where it is sparse. An error where it cannot be read, which only who does so is told.
    sparse: Option<Result<Sparse, &'static str>>,
    /// Whether something was said about all members.
    has_rules: bool,
    skip: Skip<R>,
}

/// Leaves out so many bytes. Returns how many there were.
type Skip<R> = fn(&mut R, u64) -> io::Result<u64>;

/// What headers before a header have said about it.
#[derive(Default)]
struct Extension {
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
    uid: Option<u64>,
    gid: Option<u64>,
    capability: Option<Vec<u8>>,
    sparse: SparseRecords,
    overlay: Option<OverlayNote>,
}

impl<R: Read> Members<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self::skipping(reader, |reader, count| io::copy(&mut reader.by_ref().take(count), &mut io::sink()))
    }

    /// For a reader that can leave out bytes without reading them.
    pub(crate) fn skipping(reader: R, skip: Skip<R>) -> Self {
        let attributes = Err("there is no member yet".into());
        Self { reader, left: 0, padding: 0, attributes, sparse: None, has_rules: false, skip }
    }

    /// Stands at the current member's content, as far as it was not read.
    pub(crate) fn reader(&self) -> &R {
        &self.reader
    }

    /// Goes to the next member. `None` at the end of the archive.
    pub(crate) fn next(&mut self) -> Result<Option<Member>, MembersError> {
        let mut extension = Extension::default();
        loop {
            self.skip_exactly(self.left)?;
            self.skip_padding()?;
            (self.left, self.padding, self.sparse) = (0, 0, None);
            let mut header = [0; BLOCK];
            if !self.read_header(&mut header)? {
                return Ok(None);
            }
            let type_flag = header[156];
            let is_extension = matches!(type_flag, b'x' | b'g' | b'L' | b'K');
            let stated = number(&header[124..136]).ok_or_else(|| damaged(&header, "has no valid size"))?;
            let size = if is_extension { stated } else { extension.size.unwrap_or(stated) };
            self.left = if matches!(type_flag, b'1'..=b'6') { 0 } else { size };
            self.padding = self.left.wrapping_neg() % BLOCK as u64;
            if is_extension {
                let content = self.extension(&header)?;
                self.has_rules |= type_flag == b'g' && is_rule(&content);
                extension.add(type_flag, content).ok_or_else(|| damaged(&header, "is no valid extension"))?;
                continue;
            }
            self.sparse = self.read_map(&header, &extension.sparse)?;
            let size = match &self.sparse {
                Some(Ok(sparse)) => sparse.size(),
                _ => self.left,
            };
            let member = member(&header, &mut extension, size, self.sparse.is_some());
            self.attributes =
                attributes(&header, extension).ok_or_else(|| damaged_text(&header, "has no valid numbers"));
            return if member.name_bytes().max() > Some(MAX_NAME_BYTES) {
                Err(damaged(&header, "has a name longer than 4096 bytes"))
            } else {
                Ok(Some(member))
            };
        }
    }

    /// What the header of the current member says besides.
    pub(crate) fn attributes(&self) -> Result<Attributes, MembersError> {
        if self.has_rules {
            let reason = "a global header says names, sizes or owners for all members, which few tools understand";
            return Err(MembersError::Damaged(reason.into()));
        }
        if let Some(Err(reason)) = &self.sparse {
            return Err(MembersError::Damaged(format!("a sparse file {reason}")));
        }
        self.attributes.clone().map_err(MembersError::Damaged)
    }

    /// Whether anything but zeros follows the end of the archive, and how much, counted from the first such byte.
    pub(crate) fn trailing(&mut self) -> io::Result<u64> {
        let mut buffer = vec![0; 64 << 10];
        let mut count = 0;
        loop {
            let read = self.reader.read(&mut buffer)?;
            if read == 0 {
                return Ok(count);
            }
            count += match buffer[..read].iter().position(|byte| *byte != 0) {
                _ if count > 0 => read as u64,
                Some(at) => (read - at) as u64,
                None => 0,
            };
        }
    }

    /// Returns `false` at the end: a block of zeros, or nothing more.
    fn read_header(&mut self, header: &mut [u8; BLOCK]) -> Result<bool, MembersError> {
        let mut filled = 0;
        while filled < BLOCK {
            match self.reader.read(&mut header[filled..])? {
                0 if filled == 0 => return Ok(false),
                0 => return Err(MembersError::Damaged("it ends within a header".into())),
                count => filled += count,
            }
        }
        if header.iter().all(|byte| *byte == 0) {
            return Ok(false);
        }
        let sum = |range: &[u8]| range.iter().map(|byte| u64::from(*byte)).sum::<u64>();
        let expected = sum(&header[..148]) + 8 * u64::from(b' ') + sum(&header[156..]);
        match number(&header[148..156]) {
            Some(stated) if stated == expected => Ok(true),
            _ => Err(damaged(header, "has a wrong checksum")),
        }
    }

    fn extension(&mut self, header: &[u8; BLOCK]) -> Result<Vec<u8>, MembersError> {
        if self.left > MAX_EXTENSION_BYTES {
            return Err(damaged(header, "is longer than 1 MiB"));
        }
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        Ok(content)
    }

    /// Reads which parts of a sparse file are stored. `None` for any other file.
    fn read_map(
        &mut self,
        header: &[u8; BLOCK],
        records: &SparseRecords,
    ) -> Result<Option<Result<Sparse, &'static str>>, MembersError> {
        match (header[156], records.place()) {
            (b'S', _) => self.read_header_map(header).map(Some),
            (b'0' | 0 | b'7', Some(MapPlace::Headers)) => Ok(Some(records.sparse(None))),
            (b'0' | 0 | b'7', Some(MapPlace::Content)) => {
                let map = self.read_content_map()?;
                Ok(Some(map.and_then(|map| records.sparse(Some(map.numbers())))))
            }
            _ => Ok(None),
        }
    }

    fn read_header_map(&mut self, header: &[u8; BLOCK]) -> Result<Result<Sparse, &'static str>, MembersError> {
        let mut map = HeaderMap::default();
        let mut has_more = map.add(&header[386..482], header[482]);
        while has_more {
            let block = self.read_block()?;
            has_more = map.add(&block[..504], block[504]);
        }
        Ok(map.sparse(number(&header[483..495])))
    }

    /// The map takes whole blocks of the content.
    fn read_content_map(&mut self) -> Result<Result<ContentMap, &'static str>, MembersError> {
        let mut map = ContentMap::default();
        while self.left >= BLOCK as u64 {
            let block = self.read_block()?;
            self.left -= BLOCK as u64;
            match map.add(&block) {
                Ok(true) => return Ok(Ok(map)),
                Ok(false) => {}
                Err(reason) => return Ok(Err(reason)),
            }
        }
        Ok(Err("has a map without end"))
    }

    fn read_block(&mut self) -> Result<[u8; BLOCK], MembersError> {
        let mut block = [0; BLOCK];
        self.reader.read_exact(&mut block)?;
        Ok(block)
    }

    /// Some archives end with the last byte of their last content.
    fn skip_padding(&mut self) -> Result<(), MembersError> {
        let skipped = (self.skip)(&mut self.reader, self.padding)?;
        let is_end = skipped < self.padding && self.reader.read(&mut [0])? == 0;
        match skipped == self.padding || is_end {
            true => Ok(()),
            false => Err(MembersError::Damaged("it ends within a member".into())),
        }
    }

    fn skip_exactly(&mut self, count: u64) -> Result<(), MembersError> {
        match (self.skip)(&mut self.reader, count)? {
            skipped if skipped == count => Ok(()),
            _ => Err(MembersError::Damaged("it ends within a member".into())),
        }
    }
}

/// The content of the current member, with the zeros that the archive leaves out. An archive that ends within it is an
/// error.
impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let next = match &self.sparse {
            None => return self.read_stored(buffer),
            Some(Ok(sparse)) => sparse.next(),
            Some(Err(reason)) => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a sparse file {reason}")));
            }
        };
        let up_to = |count: u64| usize::try_from(count).unwrap_or(usize::MAX).min(buffer.len());
        let count = match next {
            Next::End => 0,
            Next::Zeros(count) => {
                let count = up_to(count);
                buffer[..count].fill(0);
                count
            }
            Next::Stored(_) if self.left == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            Next::Stored(count) => {
                let count = up_to(count);
                self.read_stored(&mut buffer[..count])?
            }
        };
        if let Some(Ok(sparse)) = &mut self.sparse {
            sparse.advance(count as u64);
        }
        Ok(count)
    }
}

impl<R: Read> Members<R> {
    /// The content as far as it is stored.
    fn read_stored(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        if wanted == 0 {
            return Ok(0);
        }
        match self.reader.read(&mut buffer[..wanted])? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.left -= count as u64;
                Ok(count)
            }
        }
    }
}

impl Extension {
    /// Returns `None` for what is no valid extension.
    fn add(&mut self, type_flag: u8, mut content: Vec<u8>) -> Option<()> {
        match type_flag {
            b'x' => self.add_records(&content)?,
            b'L' | b'K' => {
                content.truncate(content.iter().position(|byte| *byte == 0).unwrap_or(content.len()));
                *(if type_flag == b'L' { &mut self.name } else { &mut self.link }) = Some(content);
            }
            // What holds for all members of an archive is no name.
            _ => {}
        }
        Some(())
    }

    fn add_records(&mut self, mut rest: &[u8]) -> Option<()> {
        while !rest.is_empty() {
            let space = rest.iter().position(|byte| *byte == b' ')?;
            let length: usize = std::str::from_utf8(&rest[..space]).ok()?.parse().ok()?;
            let record = rest.get(space + 1..length)?.strip_suffix(b"\n")?;
            rest = &rest[length..];
            let equals = record.iter().position(|byte| *byte == b'=')?;
            let value = &record[equals + 1..];
            match &record[..equals] {
                // What is empty is not said, and the header says it.
                b"path" => self.name = said(value),
                b"linkpath" => self.link = said(value),
                b"size" if value.is_empty() => self.size = None,
                b"size" => self.size = Some(decimal(value)?),
                b"uid" => self.uid = owner_of(value),
                b"gid" => self.gid = owner_of(value),
                b"SCHILY.xattr.security.capability" => self.capability = Some(value.to_vec()),
                key => match key.strip_prefix(b"GNU.sparse.") {
                    Some(key) => self.sparse.add(key, value),
                    None => self.overlay = OverlayNote::of_record(key, value).or(self.overlay),
                },
            }
        }
        Some(())
    }
}

/// Whether a global header says what would change how members are read.
fn is_rule(content: &[u8]) -> bool {
    let mut said = Extension::default();
    let Extension { name, link, size, uid, gid, capability, sparse, overlay } = match said.add_records(content) {
        Some(()) => said,
        None => return true,
    };
    let texts = name.is_some() || link.is_some() || capability.is_some() || overlay.is_some();
    texts || !sparse.is_empty() || [size, uid, gid].iter().any(Option::is_some)
}

fn said(value: &[u8]) -> Option<Vec<u8>> {
    Some(value.to_vec()).filter(|value| !value.is_empty())
}

/// What is no number is none that an owner has, and is told of to whom it matters.
fn owner_of(value: &[u8]) -> Option<u64> {
    (!value.is_empty()).then(|| decimal(value).unwrap_or(u64::MAX))
}

fn member(header: &[u8; BLOCK], extension: &mut Extension, size: u64, is_sparse: bool) -> Member {
    let of_sparse = extension.sparse.take_name().filter(|_| is_sparse);
    let name = of_sparse.or_else(|| extension.name.take()).unwrap_or_else(|| ustar_name(header));
    let is_directory = name.ends_with(b"/");
    let name = normalise(&name);
    let link = || extension.link.clone().unwrap_or_else(|| text(&header[157..257]).to_vec());
    let kind = match header[156] {
        // Before there was a type for directories, they ended like this.
        0 if is_directory => MemberKind::Directory,
        b'0' | 0 | b'7' | b'S' => MemberKind::File,
        b'1' => MemberKind::HardLink(normalise(&link())),
        b'2' => MemberKind::Symlink(link()),
        b'5' => MemberKind::Directory,
        _ => MemberKind::Other,
    };
    Member { name, kind, size, is_sparse }
}

/// `None` where a number is none, or larger than it can be.
fn attributes(header: &[u8; BLOCK], extension: Extension) -> Option<Attributes> {
    let field = |begin: usize, end: usize| number(&header[begin..end]);
    let narrow = |number: u64| u32::try_from(number).ok();
    let owner = |said: Option<u64>, begin| said.or_else(|| field(begin, begin + 8)).and_then(narrow);
    let type_flag = header[156];
    let device = match type_flag {
        b'3' | b'4' => (narrow(field(329, 337)?)?, narrow(field(337, 345)?)?),
        _ => (0, 0),
    };
    let of_device = if type_flag == b'3' { OverlayNote::of_device(device.0, device.1) } else { None };
    Some(Attributes {
        type_flag,
        // Some put the kind of the file there, too.
        mode: narrow(field(100, 108)? & 0o7777)?,
        uid: owner(extension.uid, 108)?,
        gid: owner(extension.gid, 116)?,
        device,
        capability: extension.capability,
        overlay: of_device.or(extension.overlay),
    })
}

pub(super) fn decimal(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn ustar_name(header: &[u8; BLOCK]) -> Vec<u8> {
    let name = text(&header[..100]);
    // GNU's own form has other things there.
    let prefix = text(&header[345..500]);
    match &header[257..263] == b"ustar\0" && !prefix.is_empty() {
        true => [prefix, name].join(&b'/'),
        false => name.to_vec(),
    }
}

fn normalise(name: &[u8]) -> Vec<u8> {
    let parts: Vec<&[u8]> = name.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
    parts.join(&b'/')
}

/// Resolves `link` from the directory of `name`, by names alone.
fn beside(name: &[u8], link: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = name.split(|byte| *byte == b'/').collect();
    parts.pop();
    for part in link.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join(&b'/')
}

/// Up to the first NUL.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// Octal digits between spaces and NULs, or GNU's binary form with the first bit set.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    if field[0] == 0x80 {
        return field[1..]
            .iter()
            .try_fold(0_u64, |number, byte| number.checked_mul(256)?.checked_add(u64::from(*byte)));
    }
    let digits = text(field).trim_ascii();
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' => number.checked_mul(8)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}

fn damaged(header: &[u8; BLOCK], what: &str) -> MembersError {
    MembersError::Damaged(damaged_text(header, what))
}

fn damaged_text(header: &[u8; BLOCK], what: &str) -> String {
    format!("the header of `{}` {what}", shown(text(&header[..100])))
}
