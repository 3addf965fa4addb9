//! What a file is that should have been WebAssembly. Most often something went wrong on its way: a page was saved in its
//! place, or it still lies in an archive.

use thiserror::Error;

/// Where the header of a tar says that it is one.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;

/// As much of a text as is looked at.
const START_BYTES: usize = 512;

/// What files are taken for planners, and what to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum FileKind {
    #[error("it is empty; it may not have been downloaded or built to its end")]
    Empty,
    #[error("it is a web page; download the file itself, which a page about it links to as `raw` or as `download`")]
    WebPage,
    #[error("it is a pointer that Git LFS left in its place; `git lfs pull` fetches the file")]
    LfsPointer,
    #[error("it is a pointer that git-annex left in its place; `git annex get` fetches the file")]
    AnnexPointer,
    #[error("it is packed with {0}; unpack it with `{1}` first")]
    Packed(&'static str, &'static str),
    #[error("it is {0}; take the .wasm file out of it")]
    Archive(&'static str),
    #[error("it is {0} for a machine; build it for wasm32-wasip2")]
    Program(&'static str),
    #[error("it is WebAssembly as text; compile it with `wasm-tools parse`")]
    WebAssemblyText,
    #[error("it is JSON; settings of a planner are written config=FILE")]
    Json,
    #[error("it is a script; a planner is a compiled component")]
    Script,
    #[error("it is cut off within its first 8 bytes; it may not have been downloaded or built to its end")]
    Cut,
}

/// How files begin.
const STARTS: &[(&[u8], FileKind)] = &[
    (b"\x1f\x8b", FileKind::Packed("gzip", "gunzip")),
    (b"\x28\xb5\x2f\xfd", FileKind::Packed("zstd", "unzstd")),
    (b"\xfd7zXZ\0", FileKind::Packed("xz", "unxz")),
    (b"BZh", FileKind::Packed("bzip2", "bunzip2")),
    (b"PK\x03\x04", FileKind::Archive("a zip archive")),
    (b"PK\x05\x06", FileKind::Archive("an empty zip archive")),
    (b"!<arch>\n", FileKind::Archive("an archive of ar, as Debian packages are")),
    (b"7z\xbc\xaf\x27\x1c", FileKind::Archive("a 7z archive")),
    (b"\x7fELF", FileKind::Program("a program or library (ELF)")),
    (b"\xcf\xfa\xed\xfe", FileKind::Program("a program or library (Mach-O)")),
    (b"\xca\xfe\xba\xbe", FileKind::Program("a program or library (Mach-O)")),
    (b"MZ", FileKind::Program("a program or library (Windows)")),
    (b"#!", FileKind::Script),
    (b"version https://git-lfs.github.com/spec/", FileKind::LfsPointer),
    (b"/annex/objects/", FileKind::AnnexPointer),
];

/// The same of texts, which may begin with white space, and are written in any case.
const TEXT_STARTS: &[(&str, FileKind)] = &[
    ("<!doctype html", FileKind::WebPage),
    ("<html", FileKind::WebPage),
    ("<head", FileKind::WebPage),
    ("<body", FileKind::WebPage),
    ("(module", FileKind::WebAssemblyText),
    ("(component", FileKind::WebAssemblyText),
    ("{", FileKind::Json),
    ("[", FileKind::Json),
];

impl FileKind {
    /// `None` for what is WebAssembly by its first bytes, and for what is like nothing known.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let is_wasm = bytes.starts_with(b"\0asm");
        match bytes {
            [] => return Some(Self::Empty),
            _ if is_wasm || b"\0asm".starts_with(bytes) => return (bytes.len() < 8).then_some(Self::Cut),
            _ => {}
        }
        if bytes.get(TAR_MAGIC) == Some(b"ustar") {
            return Some(Self::Archive("a tar archive"));
        }
        let start = STARTS.iter().find(|(start, _)| bytes.starts_with(start)).map(|(_, kind)| *kind);
        start.or_else(|| of_text(&bytes[..bytes.len().min(START_BYTES)]))
    }
}

fn of_text(start: &[u8]) -> Option<FileKind> {
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start().to_ascii_lowercase();
    // A page may be XML, which says first which one it is and what its kind is called.
    let is_page = text.starts_with(b"<?xml") && text.windows(5).any(|part| part == b"<html");
    let begins = TEXT_STARTS.iter().find(|(start, _)| text.starts_with(start.as_bytes()));
    if is_page { Some(FileKind::WebPage) } else { begins.map(|(_, kind)| *kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_for_a_planner_is_told_as_what_it_is() {
        let mut tar = vec![0; 512];
        tar[..6].copy_from_slice(b"x.wasm");
        tar[257..263].copy_from_slice(b"ustar\0");
        let gzip = FileKind::Packed("gzip", "gunzip");
        for (bytes, kind) in [
            (&b""[..], Some(FileKind::Empty)),
            (b"<!DOCTYPE html>\n<html>", Some(FileKind::WebPage)),
            (b"\n\n  <HTML lang=en>", Some(FileKind::WebPage)),
            (b"\xef\xbb\xbf<!doctype HTML>", Some(FileKind::WebPage)),
            (b"<?xml version='1.0'?><!DOCTYPE x><html xmlns='y'>", Some(FileKind::WebPage)),
            (b"<?xml version='1.0'?><svg>", None),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", Some(FileKind::LfsPointer)),
            (b"/annex/objects/SHA256E-s1--00.wasm\n", Some(FileKind::AnnexPointer)),
            (b"\x1f\x8b\x08\0", Some(gzip)),
            (b"PK\x03\x04....", Some(FileKind::Archive("a zip archive"))),
            (&tar, Some(FileKind::Archive("a tar archive"))),
            (b"\x7fELF\x02\x01", Some(FileKind::Program("a program or library (ELF)"))),
            (b"(module)", Some(FileKind::WebAssemblyText)),
            (b"  (component\n", Some(FileKind::WebAssemblyText)),
            (b"{\"groups\": []}", Some(FileKind::Json)),
            (b"#!/bin/sh\n", Some(FileKind::Script)),
            (b"\0as", Some(FileKind::Cut)),
            (b"\0asm\x0d", Some(FileKind::Cut)),
            (b"\0asm\x0d\0\x01\0", None),
            (b"\0asm\x01\0\0\0", None),
            (b"noise of some kind", None),
        ] {
            assert_eq!(FileKind::of(bytes), kind, "{}", bytes.escape_ascii());
        }
    }
}
