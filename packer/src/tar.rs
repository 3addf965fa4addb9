//! The bytes of a tar, exactly as CPython's `tarfile` writes them in its PAX format.
//!
//! Registries hold layers that were made by it; the same files should be the same blob. In short:
//!
//! 1. A header is a ustar block. Numbers are octal, padded with zeros; the `prefix` field is never used; the fields for
//!    devices are empty for everything else.
//! 2. What does not fit into it, or is no ASCII, is told by a pax header before it: an `x` block named
//!    `././@PaxHeader`, and records `LENGTH KEY=VALUE\n` whose length counts itself. The ustar header then has what can
//!    be had: text cut off, with a `?` for each other character, and 0 for a number.
//! 3. Where a text is not even UTF-8, the first record says that all are bytes.
//! 4. Content is padded with zeros to whole blocks. Two zero blocks end the tar, and zeros up to a multiple of 10,240.

use std::borrow::Cow;

use crate::Stamp;
use crate::entry::{Entry, EntryKind};

/// The unit of everything.
pub(crate) const BLOCK: usize = 512;

/// A tar is a multiple of this long.
const RECORD: u64 = 20 * BLOCK as u64;

/// What a header can say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header<'a> {
    /// With `/` at the end for a directory.
    pub(crate) name: &'a [u8],
    pub(crate) type_flag: u8,
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) uname: &'a [u8],
    pub(crate) gname: &'a [u8],
    pub(crate) size: u64,
    /// In seconds since the epoch.
    pub(crate) modified: u64,
    pub(crate) link: &'a [u8],
    pub(crate) device: Option<(u32, u32)>,
    pub(crate) capability: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    /// A regular file of root, one second after the epoch, for archives made of layers.
    pub(crate) fn file(name: &'a [u8], size: u64) -> Self {
        Self {
            name,
            type_flag: b'0',
            mode: 0o644,
            uid: 0,
            gid: 0,
            uname: b"root",
            gname: b"root",
            size,
            modified: 1,
            link: b"",
            device: None,
            capability: None,
        }
    }

    /// A symlink of root, for archives made of layers.
    pub(crate) fn symlink(name: &'a [u8], link: &'a [u8]) -> Self {
        Self { type_flag: b'2', mode: 0o777, link, ..Self::file(name, 0) }
    }

    /// A directory of root, for archives made of layers. `name` ends in `/`.
    pub(crate) fn directory(name: &'a [u8]) -> Self {
        Self { type_flag: b'5', mode: 0o755, ..Self::file(name, 0) }
    }

    /// Appends the header, with the pax header before it where one is needed.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        let records = self.pax_records();
        if !records.is_empty() {
            let file = Self::file(b"././@PaxHeader", records.len() as u64);
            let pax = Self { type_flag: b'x', mode: 0, uname: b"", gname: b"", modified: 0, ..file };
            pax.append_ustar(out);
            out.extend_from_slice(&records);
            out.resize(out.len() + usize::from(padding(records.len() as u64)), 0);
        }
        self.append_ustar(out);
    }

    /// How long what [`Self::append_to`] appends is.
    fn length(&self) -> u64 {
        let block = BLOCK as u64;
        match self.pax_records().len() as u64 {
            0 => block,
            records => 2 * block + records.next_multiple_of(block),
        }
    }

    /// In the order in which `tarfile` looks at the fields. Extended attributes come first, as they would be given to it
    /// from outside; their values are bytes whatever the character set, and readers treat them so.
    fn pax_records(&self) -> Vec<u8> {
        if self.fits_ustar() {
            return Vec::new();
        }
        let mut fields: Vec<(&str, &[u8])> = Vec::new();
        if let Some(capability) = self.capability {
            fields.push(("SCHILY.xattr.security.capability", capability));
        }
        let texts = [
            ("path", self.name, 100),
            ("linkpath", self.link, 100),
            ("uname", self.uname, 32),
            ("gname", self.gname, 32),
        ];
        fields.extend(texts.iter().filter(|(_, text, width)| !fits(text, *width)).map(|(key, text, _)| (*key, *text)));
        let numbers = [
            ("uid", u64::from(self.uid), octal_limit(8)),
            ("gid", u64::from(self.gid), octal_limit(8)),
            ("size", self.size, octal_limit(12)),
            ("mtime", self.modified, octal_limit(12)),
        ]
        .map(|(key, value, limit)| (key, (value >= limit).then(|| value.to_string())));
        fields.extend(numbers.iter().filter_map(|(key, text)| Some((*key, text.as_ref()?.as_bytes()))));

        let is_text = |bytes: &[u8]| std::str::from_utf8(bytes).is_ok();
        let mut records = Vec::new();
        if ![self.name, self.link, self.uname, self.gname].into_iter().all(is_text) {
            append_record(&mut records, "hdrcharset", b"BINARY");
        }
        for (key, value) in fields {
            append_record(&mut records, key, value);
        }
        records
    }

    /// Nearly always, so it is worth a look of its own.
    fn fits_ustar(&self) -> bool {
        let ids = [self.uid, self.gid].into_iter().all(|id| u64::from(id) < octal_limit(8));
        let numbers = ids && self.size.max(self.modified) < octal_limit(12);
        let names = fits(self.name, 100) && fits(self.link, 100) && fits(self.uname, 32) && fits(self.gname, 32);
        numbers && names && self.capability.is_none()
    }

    fn append_ustar(&self, out: &mut Vec<u8>) {
        let mut block = [0; BLOCK];
        let mut fields = Fields { block: &mut block, at: 0 };
        fields.text(self.name, 100);
        fields.octal(u64::from(self.mode & 0o7777), 8);
        fields.octal(u64::from(self.uid), 8);
        fields.octal(u64::from(self.gid), 8);
        fields.octal(self.size, 12);
        fields.octal(self.modified, 12);
        fields.text(b"        ", 8);
        fields.text(&[self.type_flag], 1);
        fields.text(self.link, 100);
        fields.text(b"ustar\x0000", 8);
        fields.text(self.uname, 32);
        fields.text(self.gname, 32);
        if let Some((major, minor)) = self.device {
            fields.octal(u64::from(major), 8);
            fields.octal(u64::from(minor), 8);
        }
        // The checksum counts itself as the eight spaces above, of which the last one stays.
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        write_octal(&mut block[148..155], u64::from(sum));
        out.extend_from_slice(&block);
    }
}

/// Appends the header of an entry.
pub(crate) fn append_header(entry: &Entry, stamp: &Stamp, out: &mut Vec<u8>) {
    header(entry, &name(entry), stamp).append_to(out);
}

/// Returns how long an entry is, with its headers and padding. `None` for more than a number can say.
pub(crate) fn entry_length(entry: &Entry, stamp: &Stamp) -> Option<u64> {
    let header = header(entry, &name(entry), stamp).length();
    entry.size().checked_next_multiple_of(BLOCK as u64)?.checked_add(header)
}

fn name(entry: &Entry) -> Cow<'_, [u8]> {
    match &entry.kind {
        EntryKind::Directory => Cow::Owned([&entry.name.0[..], b"/"].concat()),
        _ => Cow::Borrowed(&entry.name.0),
    }
}

fn header<'a>(entry: &'a Entry, name: &'a [u8], stamp: &'a Stamp) -> Header<'a> {
    let (type_flag, link, device): (u8, &[u8], _) = match &entry.kind {
        EntryKind::Directory => (b'5', b"", None),
        EntryKind::File(_) => (b'0', b"", None),
        EntryKind::Symlink { target } => (b'2', target, None),
        EntryKind::Fifo => (b'6', b"", None),
        EntryKind::CharDevice { major, minor } => (b'3', b"", Some((*major, *minor))),
        EntryKind::BlockDevice { major, minor } => (b'4', b"", Some((*major, *minor))),
    };
    let Entry { mode, uid, gid, .. } = *entry;
    let (uname, gname) = (owner(uid, stamp.uid, &stamp.uname), owner(gid, stamp.gid, &stamp.gname));
    let (size, modified, capability) = (entry.size(), stamp.modified, entry.capability.as_deref());
    Header { name, type_flag, mode, uid, gid, uname, gname, size, modified, link, device, capability }
}

/// The name of an owner.
fn owner(id: u32, stamped: u32, name: &str) -> &[u8] {
    match id {
        id if id == stamped => name.as_bytes(),
        0 => b"root",
        _ => b"",
    }
}

/// Returns how many zeros follow `size` bytes of content.
pub(crate) fn padding(size: u64) -> u16 {
    u16::try_from(size.next_multiple_of(BLOCK as u64) - size).expect("less than a block")
}

/// Returns how many zeros end a tar whose entries are `length` bytes.
pub(crate) fn trailer(length: u64) -> usize {
    let end = (length + 2 * BLOCK as u64).next_multiple_of(RECORD);
    usize::try_from(end - length).expect("at most a record and two blocks")
}

fn fits(text: &[u8], limit: usize) -> bool {
    text.is_ascii() && text.len() <= limit
}

/// The first number that an octal field of `width` bytes with a NUL at its end cannot hold.
fn octal_limit(width: u32) -> u64 {
    8_u64.pow(width - 1)
}

fn append_record(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    // A space, `=`, the newline, and the digits of the length itself.
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    out.extend_from_slice(format!("{length} {key}=").as_bytes());
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// Fills a block, field after field.
struct Fields<'a> {
    block: &'a mut [u8; BLOCK],
    at: usize,
}

impl Fields<'_> {
    /// A `?` for each character that is not ASCII, or byte that belongs to none; cut off without a NUL.
    fn text(&mut self, text: &[u8], width: usize) {
        let field = &mut self.block[self.at..self.at + width];
        self.at += width;
        if text.is_ascii() {
            let length = text.len().min(width);
            field[..length].copy_from_slice(&text[..length]);
            return;
        }
        let characters = text.utf8_chunks().flat_map(|chunk| {
            let valid = chunk.valid().chars().map(|c| u8::try_from(c).ok().filter(u8::is_ascii).unwrap_or(b'?'));
            valid.chain(chunk.invalid().iter().map(|_| b'?'))
        });
        for (byte, character) in field.iter_mut().zip(characters) {
            *byte = character;
        }
    }

    /// 0 where the number does not fit; a pax record has it then.
    fn octal(&mut self, number: u64, width: u32) {
        let number = if number < octal_limit(width) { number } else { 0 };
        let end = self.at + width as usize;
        write_octal(&mut self.block[self.at..end], number);
        self.at = end;
    }
}

/// Digits with zeros before them, and a NUL at the end.
fn write_octal(field: &mut [u8], mut number: u64) {
    let Some((nul, digits)) = field.split_last_mut() else { return };
    *nul = 0;
    for digit in digits.iter_mut().rev() {
        *digit = b"01234567"[(number & 7) as usize];
        number >>= 3;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    /// Compares a header with the one that CPython 3.11 writes, by the begin of its digest.
    fn check(header: Header<'_>, python: &str) {
        let mut bytes = Vec::new();
        header.append_to(&mut bytes);
        assert_eq!(&Digest::of(&bytes).hex()[..16], python, "{header:?}");
    }

    fn named(name: &[u8]) -> Header<'_> {
        Header { mode: 0o444, ..Header::file(name, 0) }
    }

    fn typed(type_flag: u8) -> Header<'static> {
        Header { type_flag, ..named(b"d") }
    }

    #[test]
    fn names_that_fit_have_no_pax_header() {
        check(named(&[b'n'; 100]), "2d39182b6c663f0f");
        check(Header { type_flag: b'5', ..named(&[&[b'n'; 99], &b"/"[..]].concat()) }, "f146f25cd947b2b9");
    }

    #[test]
    fn long_names_have_a_pax_header() {
        check(named(&[b'n'; 101]), "d439edfb83fb8d12");
        check(Header { type_flag: b'5', ..named(&[&[b'n'; 100], &b"/"[..]].concat()) }, "68656acde337c1e4");
        // The length of a record counts its own digits; these are at the change from three to four.
        check(named(&[b'n'; 988]), "0727a14c15478339");
        check(named(&[b'n'; 989]), "5f1a2263b0f273a3");
    }

    #[test]
    fn other_names_than_ascii_have_a_pax_header() {
        check(named("é".as_bytes()), "56944b7e3dc8af51");
        check(named("é".repeat(60).as_bytes()), "4cee06cdee5864c7");
        check(named("\u{1f600}".as_bytes()), "4fe19e7f70c7f95f");
    }

    #[test]
    fn names_that_are_no_text_say_so() {
        check(named(b"a\xff\xc3"), "4d28f2d059bd0b65");
        check(named(&[0xff; 200]), "e7b0c952819a2020");
        check(Header { type_flag: b'2', link: b"\x80", ..named("é".as_bytes()) }, "4346c77483ce2beb");
    }

    #[test]
    fn long_link_targets_have_a_pax_header() {
        check(Header { type_flag: b'2', link: &[b'n'; 101], ..named(b"l") }, "8250e3c2ce8dbe60");
    }

    #[test]
    fn numbers_that_do_not_fit_have_a_pax_header() {
        let eight_gib = 8 << 30;
        check(Header { size: eight_gib - 1, ..named(b"f") }, "d79da37805b9e583");
        check(Header { size: eight_gib, ..named(b"f") }, "4649a387df3d9d22");
        check(Header { size: eight_gib, ..named(&[b'n'; 101]) }, "951aa10d607821bf");
        check(Header { uid: 1 << 21, gid: 1 << 21, uname: b"", gname: b"", ..named(b"f") }, "695966b5e7d32459");
    }

    #[test]
    fn only_devices_have_device_numbers() {
        check(Header { device: Some((4, 0xf_ffff)), ..typed(b'3') }, "927ff5a0cf46f4fd");
        check(Header { device: Some((259, 7)), ..typed(b'4') }, "e6be653bad11b46a");
        check(Header { type_flag: b'6', ..named(b"p") }, "04630d11a136bef9");
    }

    #[test]
    fn capabilities_are_bytes_in_a_record() {
        let mut bytes = Vec::new();
        Header { capability: Some(b"\x01\0\xff"), ..named(b"ping") }.append_to(&mut bytes);
        assert_eq!(bytes[512..512 + 42], *b"40 SCHILY.xattr.security.capability=\x01\0\xff\n\0\0");
        assert_eq!(bytes.len(), 3 * BLOCK);
    }

    #[test]
    fn tars_end_on_whole_records() {
        for (length, expected) in [(0, 10_240), (9_216, 1_024), (9_728, 10_752), (10_240, 10_240)] {
            assert_eq!(trailer(length), expected);
        }
    }
}
