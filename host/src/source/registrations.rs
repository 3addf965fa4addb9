//! What a store says of its paths, besides the graph: what they hold, and which refer to themselves.

use std::collections::BTreeMap;

use layerwright_planner::{Closure, NamedNode, NodeId};
use thiserror::Error;

use super::store_json::StorePath;
use crate::nar_hash::NarHash;
use crate::nix_db::ValidPath;

/// Each store path as it is registered.
#[derive(Debug, Default)]
pub(crate) struct Registrations {
    by_path: BTreeMap<String, Registration>,
    author: Author,
}

/// Who said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Author {
    /// The store itself, so that files need not be looked at to know what they hold.
    Nix,
    /// Whoever wrote the graph. It can be said again, and not be believed.
    #[default]
    Anybody,
}

#[derive(Clone, Copy, Debug)]
struct Registration {
    nar_hash: Option<NarHash>,
    refers_to_itself: bool,
}

/// A path cannot be registered in an image's Nix database.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "the NAR hash of `{path}` is not known, and a Nix database has one of each path; take --from nix:PATH, or a graph \
     with a hash for each, as `nix path-info --json`, exportReferencesGraph with __structuredAttrs, the `registration` of \
     closureInfo and `nix-store --dump-db` write it"
)]
pub(crate) struct UnknownHash {
    path: String,
}

impl Registrations {
    /// Splits what was read into nodes and the rest. Of a path with two hashes, none is known.
    pub(super) fn split(paths: Vec<StorePath>, author: Author) -> (Vec<NamedNode>, Self) {
        let mut by_path: BTreeMap<String, Registration> = BTreeMap::new();
        let mut nodes = Vec::new();
        for StorePath { node, nar_hash, .. } in paths {
            let refers_to_itself = node.references.contains(&node.name);
            let known = by_path.entry(node.name.clone()).or_insert(Registration { nar_hash, refers_to_itself });
            if known.nar_hash != nar_hash {
                known.nar_hash = None;
            }
            nodes.push(node);
        }
        (nodes, Self { by_path, author })
    }

    /// Whether nothing is known at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }

    /// What a path holds, if one can rely on it.
    pub(crate) fn trusted_hash(&self, name: &str) -> Option<NarHash> {
        self.by_path.get(name).filter(|_| self.author == Author::Nix)?.nar_hash
    }

    /// All paths of a closure, as the Nix database of an image has them: without what two machines may say differently
    /// of one path, that is, who built it from what, and who signed it.
    ///
    /// # Errors
    ///
    /// The first path without a hash.
    pub(crate) fn valid_paths(&self, closure: &Closure) -> Result<Vec<ValidPath>, UnknownHash> {
        closure.ids().map(|id| self.valid_path(closure, id)).collect()
    }

    fn valid_path(&self, closure: &Closure, id: NodeId) -> Result<ValidPath, UnknownHash> {
        let node = closure.node(id);
        let unknown = || UnknownHash { path: node.name.clone() };
        let registration = self.by_path.get(&node.name).ok_or_else(unknown)?;
        let nar_hash = registration.nar_hash.ok_or_else(unknown)?;
        // The closure has no node refer to itself.
        let itself = registration.refers_to_itself.then_some(&node.name);
        let others = node.references.iter().map(|reference| &closure.node(*reference).name);
        let references = others.chain(itself).cloned().collect();
        Ok(ValidPath::new(node.name.clone(), nar_hash, node.size, references))
    }
}

#[cfg(test)]
mod tests {
    use super::super::store_json::parse;
    use super::*;

    fn read(text: &str, author: Author) -> (Vec<NamedNode>, Registrations) {
        Registrations::split(parse(text, None).unwrap(), author)
    }

    fn entry(path: &str, hash: &str, references: &str) -> String {
        format!(r#"{{"path": "/nix/store/{path}", "narSize": 1, "references": [{references}], "narHash": {hash}}}"#)
    }

    #[test]
    fn only_what_is_one_hash_is_known() {
        let [zeros, other, base64] = ["0".repeat(52), "1".repeat(52), "A".repeat(43) + "="];
        let entries = [
            entry("a", &format!(r#""sha256:{zeros}""#), ""),
            entry("b", &format!(r#""sha256-{base64}""#), ""),
            entry("c", r#""sha256:0""#, ""),
            entry("d", r#"{"algorithm": "sha256"}"#, ""),
            entry("e", "null", ""),
            entry("f", &format!(r#""sha256:{zeros}""#), ""),
            entry("f", &format!(r#""sha256:{other}""#), ""),
            entry("f", &format!(r#""sha256:{zeros}""#), ""),
            // Two spellings of one hash.
            entry("g", &format!(r#""sha256:{zeros}""#), ""),
            entry("g", &format!(r#""sha256-{base64}""#), ""),
        ];
        let text = format!("[{}]", entries.join(","));
        let (nodes, registrations) = read(&text, Author::Nix);
        assert_eq!(nodes.len(), 10);
        let known = ["a", "b", "c", "d", "e", "f", "g", "h"]
            .map(|name| registrations.trusted_hash(&format!("/nix/store/{name}")).is_some());
        assert_eq!(known, [true, true, false, false, false, false, true, false]);
        assert_eq!(read(&text, Author::Anybody).1.trusted_hash("/nix/store/a"), None);
    }

    #[test]
    fn a_closure_is_registered_with_references_to_itself() {
        let hash = format!(r#""sha256:{}""#, "0".repeat(64));
        let entries = [entry("b", &hash, r#""/nix/store/a""#), entry("a", &hash, r#""/nix/store/a", "/nix/store/c""#)];
        let text = format!("[{}, {}]", entries.join(","), entry("c", &hash, ""));
        let (nodes, registrations) = read(&text, Author::Anybody);
        let valid = registrations.valid_paths(&Closure::new(nodes, None).unwrap()).unwrap();
        let shown: Vec<_> = valid.iter().map(|path| (path.path.as_str(), path.references.join(" "))).collect();
        assert_eq!(
            shown,
            [
                ("/nix/store/a", "/nix/store/c /nix/store/a".into()),
                ("/nix/store/b", "/nix/store/a".into()),
                ("/nix/store/c", String::new())
            ]
        );
        assert_eq!(valid[0].nar_hash.to_string(), format!("sha256:{}", "0".repeat(64)));
    }

    #[test]
    fn a_path_without_a_hash_is_named() {
        let (nodes, registrations) = read(&format!("[{}]", entry("a", "null", "")), Author::Anybody);
        let error = registrations.valid_paths(&Closure::new(nodes, None).unwrap()).unwrap_err();
        assert!(error.to_string().starts_with("the NAR hash of `/nix/store/a` is not known"));
    }
}
