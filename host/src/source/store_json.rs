//! JSON that Nix writes about store paths, in all its shapes.
//!
//! | who writes it | shape |
//! |---|---|
//! | `exportReferencesGraph` with structured attributes | a list of objects, under a key of `.attrs.json` |
//! | `nix path-info --json`, up to 2.18, and Lix | a list of objects with `path` |
//! | 2.19 to 2.32, and `--json-format 1` | an object: path -> object, or null where the path is not valid |
//! | `--json-format 2` and 3 | an object with `version`, `storeDir` and `info`: base name -> object |
//!
//! Of each object, `path`, `narSize`, `narHash`, `references` and `valid` are read. The text is untrusted, so that keys that are
//! there twice, sizes that are none and names that would spoil a terminal are errors.
//!
//! Beside a graph under a key, `exclude_paths` may list paths that are not part of it: what only leads to the closure, such
//! as the tar of a customisation layer. nixpkgs' flatten_references_graph reads the same.

use std::collections::BTreeSet;
use std::fmt;

use layerwright_planner::{NamedNode, is_printable, lineage_of_node};
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;
use thiserror::Error;

use crate::nar_hash::NarHash;

/// The key of paths that a graph is read without.
const EXCLUDED: &str = "exclude_paths";

/// Longest name that is taken, in bytes: the longest path that Linux takes.
const MAX_NAME_BYTES: usize = 4096;

/// Longest `narHash` that is kept, in bytes. The longest that Nix writes, in an object, has less than 200.
pub(super) const MAX_HASH_BYTES: usize = 256;

/// Most nodes that a text may tell. A small packed file can tell more than memory holds, and no store has as many.
pub(super) const MAX_NODES: usize = 500_000;

/// Most references of all nodes together, repeated ones too: ten times what all packages of Debian have.
pub(super) const MAX_REFERENCES: usize = 4_000_000;

/// Why a text tells no nodes.
#[derive(Debug, Error)]
pub(crate) enum StoreJsonError {
    #[error("not JSON of a known shape: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("there is no key `{key}`{}", list_keys(candidates))]
    NoSuchKey { key: String, candidates: Vec<String> },
    #[error(
        "this is an object without a graph of its own; name the key that holds one: graph:FILE#KEY{}",
        list_keys(candidates)
    )]
    KeyNeeded { candidates: Vec<String> },
    #[error("entry {at} (counting from 0){}: {reason}", path.as_ref().map(|path| format!(", `{path}`")).unwrap_or_default())]
    BadEntry { at: usize, path: Option<String>, reason: String },
    #[error("entry {at} (counting from 0), `{path}`: narSize is {value}, which is no size in bytes")]
    BadSize { at: usize, path: String, value: String },
    #[error("`{path}` is not valid in the store: it was never built or is deleted")]
    NotValid { path: String },
    #[error("entry {at} (counting from 0), `{path}`: there are more than {MAX_REFERENCES} references with it")]
    TooManyReferences { at: usize, path: String },
    #[error("there are more than {MAX_NODES} store paths")]
    TooManyNodes,
    #[error("entry {at} (counting from 0) has a name that is empty, too long or not printable: {name:?}")]
    BadName { at: usize, name: String },
}

fn list_keys(candidates: &[String]) -> String {
    if candidates.is_empty() { String::new() } else { format!("; there are {}", candidates.join(", ")) }
}

/// A node, with what tells its content.
#[derive(Debug)]
pub(crate) struct StorePath {
    pub(crate) node: NamedNode,
    /// `None` where there is none, or something else.
    pub(crate) nar_hash: Option<NarHash>,
    /// What is there instead, as JSON. It can be compared, and not be relied on.
    pub(crate) other_hash: Option<String>,
}

/// Returns the nodes that the text tells, in its order, with duplicates.
pub(crate) fn parse(text: &str, key: Option<&str>) -> Result<Vec<StorePath>, StoreJsonError> {
    let document: Document = serde_json::from_str(text)?;
    match (document, key) {
        (Document::Object(members), Some(key)) => {
            let found = members.iter().find(|(name, _)| name == key);
            let (_, value) = found
                .ok_or_else(|| StoreJsonError::NoSuchKey { key: key.to_owned(), candidates: graph_keys(&members) })?;
            // Some versions of Nix leave out the graph of an empty list of roots, or write null for it.
            let nodes = if value.get() == "null" { Vec::new() } else { parse(value.get(), None)? };
            let excluded = members.iter().find(|(name, _)| name == EXCLUDED).map(|(_, list)| excluded_paths(list));
            Ok(without(nodes, &excluded.transpose()?.unwrap_or_default()))
        }
        (Document::List(_), Some(key)) => {
            Err(StoreJsonError::NoSuchKey { key: key.to_owned(), candidates: Vec::new() })
        }
        (Document::List(nodes), None) => nodes,
        (Document::Object(members), None) => parse_object(&members),
    }
}

fn excluded_paths(list: &RawValue) -> Result<BTreeSet<String>, StoreJsonError> {
    // Names of store paths have no comma.
    if list.get().bytes().filter(|byte| *byte == b',').count() >= MAX_NODES {
        return Err(StoreJsonError::TooManyNodes);
    }
    Ok(serde_json::from_str(list.get())?)
}

/// Takes nodes out, and with them the references to them.
fn without(mut nodes: Vec<StorePath>, excluded: &BTreeSet<String>) -> Vec<StorePath> {
    if !excluded.is_empty() {
        nodes.retain(|path| !excluded.contains(&path.node.name));
        for path in &mut nodes {
            path.node.references.retain(|reference| !excluded.contains(reference));
        }
    }
    nodes
}

fn parse_object(members: &[(String, Box<RawValue>)]) -> Result<Vec<StorePath>, StoreJsonError> {
    let member = |name: &str| members.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    if let (Some(info), Some(_)) = (member("info"), member("version")) {
        let store_dir = member("storeDir").map(|dir| serde_json::from_str::<String>(dir.get())).transpose()?;
        let store_dir = store_dir.unwrap_or_else(|| "/nix/store".into());
        let Document::Object(entries) = serde_json::from_str(info.get())? else {
            return Err(serde_json::Error::custom("`info` is no object").into());
        };
        return by_path(&entries, Some(&store_dir));
    }
    if members.iter().all(|(key, _)| key.starts_with('/')) {
        return by_path(members, None);
    }
    Err(StoreJsonError::KeyNeeded { candidates: graph_keys(members) })
}

fn by_path(entries: &[(String, Box<RawValue>)], store_dir: Option<&str>) -> Result<Vec<StorePath>, StoreJsonError> {
    let mut nodes = Nodes::default();
    entries.iter().try_for_each(|(path, entry)| nodes.read(Some(path), entry, store_dir))?;
    Ok(nodes.read)
}

/// Keys whose value looks like a graph.
fn graph_keys(members: &[(String, Box<RawValue>)]) -> Vec<String> {
    let is_graph = |value: &RawValue| value.get().starts_with('[') && value.get().contains("\"references\"");
    members.iter().filter(|(_, value)| is_graph(value)).map(|(key, _)| key.clone()).collect()
}

/// Nodes, in the order of the text, as long as there are no more than anybody has.
#[derive(Default)]
struct Nodes {
    read: Vec<StorePath>,
    references: usize,
}

impl Nodes {
    fn read(&mut self, key: Option<&str>, entry: &RawValue, store_dir: Option<&str>) -> Result<(), StoreJsonError> {
        let at = self.read.len();
        if at == MAX_NODES {
            return Err(StoreJsonError::TooManyNodes);
        }
        let path = node(at, key, entry, store_dir)?;
        self.references += path.node.references.len();
        if self.references > MAX_REFERENCES {
            return Err(StoreJsonError::TooManyReferences { at, path: path.node.name });
        }
        self.read.push(path);
        Ok(())
    }
}

/// What is read of one store path. What may be anything stays text, which is the smallest form of it, until it is known
/// to be what it should.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PathInfo<'a> {
    path: Option<String>,
    valid: Option<bool>,
    #[serde(borrow)]
    nar_size: Option<&'a RawValue>,
    #[serde(borrow)]
    nar_hash: Option<&'a RawValue>,
    #[serde(borrow)]
    references: Option<&'a RawValue>,
}

fn node(at: usize, key: Option<&str>, entry: &RawValue, store_dir: Option<&str>) -> Result<StorePath, StoreJsonError> {
    let bad =
        |path: Option<&str>, reason: String| StoreJsonError::BadEntry { at, path: path.map(str::to_owned), reason };
    let full = |name: &str| match store_dir {
        Some(dir) if !name.starts_with('/') => format!("{dir}/{name}"),
        _ => name.to_owned(),
    };
    let info: Option<PathInfo<'_>> = serde_json::from_str(entry.get()).map_err(|error| bad(key, error.to_string()))?;
    let path = key.map(str::to_owned).or_else(|| info.as_ref().and_then(|info| info.path.clone()));
    let name = full(&path.ok_or_else(|| bad(None, "it has no `path`".into()))?);
    check_name(at, &name)?;
    let Some(info) = info.filter(|info| info.valid != Some(false)) else {
        return Err(StoreJsonError::NotValid { path: name });
    };
    let size = info.nar_size.ok_or_else(|| bad(Some(&name), "it has no `narSize`".into()))?;
    let bad_size = |_| StoreJsonError::BadSize { at, path: name.clone(), value: beginning(size.get()) };
    let size = serde_json::from_str(size.get()).map_err(bad_size)?;
    let references = info.references.ok_or_else(|| bad(Some(&name), "it has no `references`".into()))?;
    // Names of store paths have no comma, and so there are at most as many in the text as references.
    if references.get().bytes().filter(|byte| *byte == b',').count() > MAX_REFERENCES {
        return Err(StoreJsonError::TooManyReferences { at, path: name });
    }
    let references: Vec<String> =
        serde_json::from_str(references.get()).map_err(|error| bad(Some(&name), error.to_string()))?;
    let references = references.into_iter().map(|reference| full(&reference)).collect();
    let said = info.nar_hash.map_or("null", RawValue::get);
    if said.len() > MAX_HASH_BYTES {
        return Err(bad(Some(&name), format!("its `narHash` is longer than {MAX_HASH_BYTES} bytes")));
    }
    let said = serde_json::from_str::<Value>(said).map_err(|error| bad(Some(&name), error.to_string()))?;
    let nar_hash = NarHash::from_json(&said);
    let other_hash = (nar_hash.is_none() && !said.is_null()).then(|| said.to_string());
    let node = NamedNode { lineage: lineage_of_node(&name), name, size, references };
    Ok(StorePath { node, nar_hash, other_hash })
}

/// As much of a text as a message can take.
pub(super) fn beginning(text: &str) -> String {
    text.chars().take(100).collect()
}

fn check_name(at: usize, name: &str) -> Result<(), StoreJsonError> {
    if is_name(name) { Ok(()) } else { Err(StoreJsonError::BadName { at, name: beginning(name) }) }
}

/// Whether a message, a plan and a file system can take a name.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MAX_NAME_BYTES && name.chars().all(is_printable)
}

/// JSON of which only the outermost shape is known. An object keeps members of one name apart. A list is read at once,
/// entry by entry: kept as text, a small packed file of many tiny entries would fill the memory.
enum Document {
    List(Result<Vec<StorePath>, StoreJsonError>),
    Object(Vec<(String, Box<RawValue>)>),
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of store paths, or an object of them")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Document, A::Error> {
        let (mut nodes, mut read) = (Nodes::default(), Ok(()));
        while let Some(entry) = list.next_element::<&RawValue>()? {
            read = read.and_then(|()| nodes.read(None, entry, None));
        }
        Ok(Document::List(read.map(|()| nodes.read)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Document, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            if members.len() == MAX_NODES {
                return Err(A::Error::custom(StoreJsonError::TooManyNodes));
            }
            members.push(member);
        }
        Ok(Document::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, key: Option<&str>) -> String {
        match parse(text, key) {
            Ok(nodes) => {
                let show = |StorePath { node: n, .. }: &StorePath| {
                    format!("{} {} {} {:?}", n.name, n.lineage, n.size, n.references)
                };
                nodes.iter().map(show).collect::<Vec<_>>().join("\n")
            }
            Err(error) => error.to_string(),
        }
    }

    const ONE: &str = "/nix/store/h-glibc-2.40 glibc 7 [\"/nix/store/h-x\"]";

    #[test]
    fn every_shape_tells_the_same() {
        let body = r#""narSize": 7, "references": ["/nix/store/h-x"], "narHash": "sha256:0", "ca": null"#;
        let list = format!(r#"[{{"path": "/nix/store/h-glibc-2.40", {body}}}]"#);
        let object = format!(r#"{{"/nix/store/h-glibc-2.40": {{{body}}}}}"#);
        let attributes = format!(r#"{{"builder": "x", "closure": {list}, "outputs": {{}}}}"#);
        let wrapped = r#"{"version": 2, "storeDir": "/nix/store", "info": {"h-glibc-2.40":
            {"narSize": 7, "references": ["h-x"], "narHash": {"algorithm": "sha256"}, "version": 2}}}"#;
        assert_eq!(shown(&list, None), ONE);
        assert_eq!(shown(&object, None), ONE);
        assert_eq!(shown(&attributes, Some("closure")), ONE);
        assert_eq!(shown(wrapped, None), ONE);
        assert_eq!(shown("[]", None), "");
        assert_eq!(shown(r#"{"graph": null}"#, Some("graph")), "");
    }

    #[test]
    fn excluded_paths_and_references_to_them_are_not_there() {
        let graph = r#"[{"path": "/a", "narSize": 1, "references": ["/b", "/c"]}, {"path": "/b", "narSize": 1, "references": []},
            {"path": "/c", "narSize": 1, "references": []}]"#;
        let attributes = |excluded: &str| format!(r#"{{"exclude_paths": {excluded}, "g": {graph}}}"#);
        assert_eq!(shown(&attributes(r#"["/b"]"#), Some("g")), "/a a 1 [\"/c\"]\n/c c 1 []");
        assert_eq!(shown(&attributes(r#"["/a", "/nowhere"]"#), Some("g")), "/b b 1 []\n/c c 1 []");
        assert_eq!(shown(&attributes("[]"), Some("g")).lines().count(), 3);
        assert!(shown(&attributes("7"), Some("g")).starts_with("not JSON of a known shape"));
        let many = format!("[{}\"/b\"]", "\"/a\",".repeat(MAX_NODES));
        assert_eq!(shown(&attributes(&many), Some("g")), "there are more than 500000 store paths");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, key, message) in [
            (
                r#"[{"path": "/a", "narSize": -1, "references": []}]"#,
                None,
                "entry 0 (counting from 0), `/a`: narSize is -1, which is no size in bytes",
            ),
            (
                r#"[{"path": "/a", "narSize": "12", "references": []}]"#,
                None,
                "entry 0 (counting from 0), `/a`: narSize is \"12\", which is no size in bytes",
            ),
            (r#"[{"path": "/a", "references": []}]"#, None, "entry 0 (counting from 0), `/a`: it has no `narSize`"),
            (r#"[{"path": "/a", "narSize": 1}]"#, None, "entry 0 (counting from 0), `/a`: it has no `references`"),
            (r#"[{"narSize": 1}]"#, None, "entry 0 (counting from 0): it has no `path`"),
            (r#"{"/a": null}"#, None, "`/a` is not valid in the store: it was never built or is deleted"),
            (
                r#"[{"path": "/a", "valid": false}]"#,
                None,
                "`/a` is not valid in the store: it was never built or is deleted",
            ),
            (r#"{"x": 1}"#, Some("y"), "there is no key `y`"),
            (
                r#"{"x": 1, "g": [{"references": []}]}"#,
                None,
                "this is an object without a graph of its own; name the key that holds one: graph:FILE#KEY; there are g",
            ),
            (
                "[{\"path\": \"/a\\u001b\", \"narSize\": 1, \"references\": []}]",
                None,
                "entry 0 (counting from 0) has a name that is empty, too long or not printable: \"/a\\u{1b}\"",
            ),
        ] {
            assert_eq!(shown(text, key), message);
        }
        assert!(shown("[1", None).starts_with("not JSON of a known shape: EOF"));
        assert!(shown("[7]", None).starts_with("entry 0 (counting from 0): invalid type: integer `7`"));
    }

    #[test]
    fn what_could_fill_the_memory_is_refused() {
        let entry = |more: &str| format!(r#"{{"path": "/a", "narSize": 1, {more}}}"#);
        let references = |count: usize| format!(r#""references": [{}""]"#, "\"\",".repeat(count - 1));
        let hash = |json: &str| entry(&format!(r#""references": [], "narHash": {json}"#));
        let long = format!("[{}]", " ".repeat(MAX_HASH_BYTES - 1));
        let half = entry(&references(MAX_REFERENCES / 2));
        for (text, message) in [
            (
                entry(&references(MAX_REFERENCES + 2)),
                "entry 0 (counting from 0), `/a`: there are more than 4000000 references with it",
            ),
            (
                format!("{half}, {half}, {}", entry(&references(1))),
                "entry 2 (counting from 0), `/a`: there are more than 4000000 references with it",
            ),
            (hash(&long), "entry 0 (counting from 0), `/a`: its `narHash` is longer than 256 bytes"),
            (
                r#"{"path": "/a", "narSize": ["#.to_owned() + &"[],".repeat(99) + r#"[]], "references": []}"#,
                &format!(
                    "entry 0 (counting from 0), `/a`: narSize is [{}, which is no size in bytes",
                    "[],".repeat(33)
                ),
            ),
            (
                format!("{}{}", (hash("null") + ",").repeat(MAX_NODES), hash("null")),
                "there are more than 500000 store paths",
            ),
        ] {
            assert_eq!(shown(&format!("[{text}]"), None), message);
        }
        let object = (0..=MAX_NODES).map(|at| format!("\"/{at}\":0")).collect::<Vec<_>>().join(",");
        let message = shown(&format!("{{{object}}}"), None);
        assert!(message.starts_with("not JSON of a known shape: there are more than 500000 store paths"), "{message}");
        let longest = format!("\"{}\"", "x".repeat(MAX_HASH_BYTES - 2));
        assert_eq!(parse(&format!("[{}]", hash(&longest)), None).unwrap()[0].other_hash, Some(longest));
    }

    #[test]
    fn keys_that_are_there_twice_are_kept_apart() {
        let body = r#"{"narSize": 1, "references": []}"#;
        assert_eq!(parse(&format!(r#"{{"/a": {body}, "/a": {body}}}"#), None).unwrap().len(), 2);
    }
}
