//! Text that Nix writes about store paths, with a field on each line.
//!
//! | who writes it | lines of each store path |
//! |---|---|
//! | `exportReferencesGraph` without structured attributes | path, deriver, number of references, references |
//! | `nix-store --dump-db`; the `registration` of closureInfo | path, hash, size, deriver, number of references, references |
//!
//! A deriver is empty or a store path, and a hash is neither, so that the second line tells the form; all paths of a text
//! have the same. The text is untrusted: counts and sizes are digits, nothing stands between two paths, and there are no
//! more paths and references than anybody has.

use std::str::Lines;

use layerwright_planner::{NamedNode, lineage_of_store_path};
use thiserror::Error;

use super::store_json::{MAX_HASH_BYTES, MAX_NODES, MAX_REFERENCES, StorePath, beginning, is_name};
use crate::nar_hash::NarHash;

/// What a text tells of each path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// What it refers to. Sizes are 0.
    References,
    /// Also hash and size.
    Registration,
}

/// Why a text tells no store paths. Lines count from 1.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum StoreTextError {
    #[error("line {line} of the text: `{found}` is no {what}")]
    Unexpected { line: usize, what: &'static str, found: String },
    #[error("the text ends after line {lines}, where a {what} is to follow")]
    Cut { lines: usize, what: &'static str },
    #[error(
        "it is a list of store paths, which tells neither what they refer to nor their sizes; take --from nix:PATH, or \
         what `nix path-info --json -r` prints"
    )]
    PathsOnly,
    #[error("there are more than {MAX_NODES} store paths")]
    TooManyNodes,
    #[error("line {line} of the text: there are more than {MAX_REFERENCES} references with these")]
    TooManyReferences { line: usize },
}

/// Whether something is such a text, and no JSON.
pub(super) fn is_text(text: &str) -> bool {
    text.starts_with('/')
}

/// Returns the store paths of a text, in its order, with duplicates.
pub(super) fn parse(text: &str) -> Result<(Form, Vec<StorePath>), StoreTextError> {
    if text.lines().all(|line| line.is_empty() || line.starts_with('/')) {
        return Err(StoreTextError::PathsOnly);
    }
    let form = if text.lines().nth(1).is_some_and(is_deriver) { Form::References } else { Form::Registration };
    // What comes last is a number or a path.
    let mut fields = Fields { rest: text.trim_ascii_end().lines(), line: 0, references: 0 };
    let mut paths = Vec::new();
    while fields.rest.clone().next().is_some() {
        if paths.len() == MAX_NODES {
            return Err(StoreTextError::TooManyNodes);
        }
        paths.push(fields.store_path(form)?);
    }
    Ok((form, paths))
}

fn is_deriver(field: &str) -> bool {
    field.is_empty() || is_path(field)
}

fn is_path(field: &str) -> bool {
    field.starts_with('/') && is_name(field)
}

/// Nix spells it in several ways, of which one is to be known, and any can be compared.
fn is_hash(field: &str) -> bool {
    !field.is_empty() && field.len() <= MAX_HASH_BYTES && field.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_number(field: &str) -> bool {
    !field.is_empty() && field.bytes().all(|byte| byte.is_ascii_digit())
}

/// The lines that are left.
struct Fields<'t> {
    rest: Lines<'t>,
    /// How many there were.
    line: usize,
    references: usize,
}

impl<'t> Fields<'t> {
    fn store_path(&mut self, form: Form) -> Result<StorePath, StoreTextError> {
        let name = self.next("store path", is_path)?;
        let (hash, size) = match form {
            Form::References => (None, 0),
            Form::Registration => (Some(self.next("hash", is_hash)?), self.number("size in bytes")?),
        };
        self.next("deriver", is_deriver)?;
        let count = self.number("number of references")?;
        let references = self.references(count)?;
        let nar_hash = hash.and_then(nar_hash);
        let other_hash = hash.filter(|_| nar_hash.is_none()).map(|hash| format!("{hash:?}"));
        let node = NamedNode { name: name.to_owned(), lineage: lineage_of_store_path(name), size, references };
        Ok(StorePath { node, nar_hash, other_hash })
    }

    /// Room is made for those that are there, whatever their number says.
    fn references(&mut self, count: u64) -> Result<Vec<String>, StoreTextError> {
        let total = usize::try_from(count).ok().and_then(|count| self.references.checked_add(count));
        let total = total.filter(|total| *total <= MAX_REFERENCES);
        self.references = total.ok_or(StoreTextError::TooManyReferences { line: self.line })?;
        (0..count).map(|_| self.next("store path", is_path).map(str::to_owned)).collect()
    }

    fn number(&mut self, what: &'static str) -> Result<u64, StoreTextError> {
        let found = self.next(what, is_number)?;
        found.parse().map_err(|_| self.unexpected(what, found))
    }

    fn next(&mut self, what: &'static str, is_such: fn(&str) -> bool) -> Result<&'t str, StoreTextError> {
        let field = self.rest.next().ok_or(StoreTextError::Cut { lines: self.line, what })?;
        self.line += 1;
        if is_such(field) { Ok(field) } else { Err(self.unexpected(what, field)) }
    }

    fn unexpected(&self, what: &'static str, found: &str) -> StoreTextError {
        StoreTextError::Unexpected { line: self.line, what, found: beginning(found) }
    }
}

/// `nix-store --dump-db` leaves out which hash it is.
fn nar_hash(text: &str) -> Option<NarHash> {
    text.parse().or_else(|_| format!("sha256:{text}").parse()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "/nix/store/h-app-1.0";
    const LIB: &str = "/nix/store/h-lib-2.0-dev";

    fn shown(text: &str) -> String {
        match parse(text) {
            Ok((form, paths)) => {
                let show = |StorePath { node, nar_hash, .. }: &StorePath| {
                    let references = node.references.join(" ");
                    format!("{} {} {} {references} {}", node.name, node.lineage, node.size, nar_hash.is_some())
                };
                format!("{form:?}\n{}", paths.iter().map(show).collect::<Vec<_>>().join("\n"))
            }
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn each_form_is_told_by_its_second_line() {
        let told = |form: &str, sizes: [u64; 2], known: bool| {
            format!("{form}\n{APP} app {} {LIB} {APP} {known}\n{LIB} lib-dev {}  {known}", sizes[0], sizes[1])
        };
        for deriver in ["", "/nix/store/d-app.drv"] {
            let text = format!("{APP}\n{deriver}\n2\n{LIB}\n{APP}\n{LIB}\n\n0\n");
            assert_eq!(shown(&text), told("References", [0, 0], false));
            let [hex, base_32] = ["0f".repeat(32), "0".repeat(52)];
            for hash in [hex.clone(), format!("sha256:{hex}"), format!("sha256:{base_32}"), base_32] {
                let text = format!("{APP}\n{hash}\n120\n{deriver}\n2\n{LIB}\n{APP}\n{LIB}\n{hash}\n7\n\n0\n");
                assert_eq!(shown(&text), told("Registration", [120, 7], true));
                // From other systems, and with what editors leave.
                assert_eq!(shown(&text.replace('\n', "\r\n")), shown(&text));
                assert_eq!(shown(&format!("{text}\n \n")), shown(&text));
                assert_eq!(shown(text.trim_end()), shown(&text));
            }
            let other = format!("{APP}\nmd5:0\n120\n{deriver}\n0\n");
            assert_eq!(parse(&other).unwrap().1[0].other_hash.as_deref(), Some("\"md5:0\""));
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, message) in [
            (format!("{APP}\n\n2\n{LIB}\n"), "the text ends after line 4, where a store path is to follow"),
            (format!("{APP}\nh\n1\n\n"), "the text ends after line 3, where a deriver is to follow"),
            (format!("{APP}\nh\nmany\n\n0\n"), "line 3 of the text: `many` is no size in bytes"),
            (format!("{APP}\nh\n-1\n\n0\n"), "line 3 of the text: `-1` is no size in bytes"),
            (
                format!("{APP}\nh\n99999999999999999999\n\n0\n"),
                "line 3 of the text: `99999999999999999999` is no size in bytes",
            ),
            (format!("{APP}\nh\n1\nx.drv\n0\n"), "line 4 of the text: `x.drv` is no deriver"),
            (format!("{APP}\n\n+1\n{LIB}\n"), "line 3 of the text: `+1` is no number of references"),
            (format!("{APP}\n\n0\n\n{LIB}\n\n0\n"), "line 4 of the text: `` is no store path"),
            (format!("{APP}\nh\n1\n\n0\n{LIB}\n\n0\n"), "line 7 of the text: `` is no hash"),
            (format!("{APP}\u{1b}[2J\n\n0\n"), "line 1 of the text: `/nix/store/h-app-1.0\u{1b}[2J` is no store path"),
            (format!("{APP}\n\n1\nlib\n"), "line 4 of the text: `lib` is no store path"),
        ] {
            assert_eq!(shown(&text), message, "{text:?}");
        }
        for list in [APP.to_owned(), format!("{APP}\n{LIB}\n\n"), format!("{APP} 120\n{LIB} 7\n")] {
            assert_eq!(parse(&list).unwrap_err(), StoreTextError::PathsOnly);
        }
    }

    #[test]
    fn what_could_fill_the_memory_is_refused() {
        for count in ["4000001", "18446744073709551615"] {
            let message = "line 3 of the text: there are more than 4000000 references with these";
            assert_eq!(shown(&format!("/a\n\n{count}\n/b\n")), message);
        }
        let half = format!("/a\n\n{}\n{}", MAX_REFERENCES / 2, "/\n".repeat(MAX_REFERENCES / 2));
        assert!(shown(&format!("{half}{half}/a\n\n1\n/b\n")).ends_with("references with these"));
        assert_eq!(shown(&"/a\n\n0\n".repeat(MAX_NODES + 1)), "there are more than 500000 store paths");
    }
}
