//! What the store paths of a closure hold, by their NAR hashes.

use std::collections::BTreeMap;

use layerwright_planner::NamedNode;

use super::store_json::StorePath;

/// The NAR hash of each store path of which one is known.
#[derive(Debug, Default)]
pub(crate) struct NarHashes(BTreeMap<String, Option<String>>);

impl NarHashes {
    /// Splits what was read into nodes and hashes. Of a path with two hashes, none is known.
    pub(super) fn split(paths: Vec<StorePath>) -> (Vec<NamedNode>, Self) {
        let mut hashes = BTreeMap::new();
        let mut nodes = Vec::new();
        for StorePath { node, nar_hash } in paths {
            let known = hashes.entry(node.name.clone()).or_insert_with(|| nar_hash.clone());
            if *known != nar_hash {
                *known = None;
            }
            nodes.push(node);
        }
        (nodes, Self(hashes))
    }

    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name)?.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::super::store_json::parse;
    use super::*;

    #[test]
    fn only_what_is_one_hash_is_known() {
        let [long, other, base64] = ["0".repeat(52), "1".repeat(52), "A".repeat(43) + "="];
        let entry = |path: &str, hash: &str| {
            format!(r#"{{"path": "/nix/store/{path}", "narSize": 1, "references": [], "narHash": {hash}}}"#)
        };
        let entries = [
            entry("a", &format!(r#""sha256:{long}""#)),
            entry("b", &format!(r#""sha256-{base64}""#)),
            entry("c", r#""sha256:0""#),
            entry("d", r#"{"algorithm": "sha256"}"#),
            entry("e", "null"),
            entry("f", &format!(r#""sha256:{long}""#)),
            entry("f", &format!(r#""sha256:{other}""#)),
            entry("f", &format!(r#""sha256:{long}""#)),
        ];
        let (nodes, hashes) = NarHashes::split(parse(&format!("[{}]", entries.join(",")), None).unwrap());
        assert_eq!(nodes.len(), 8);
        let known = ["a", "b", "c", "d", "e", "f", "g"].map(|name| hashes.get(&format!("/nix/store/{name}")));
        let [a, b] = [format!("sha256:{long}"), format!("sha256-{base64}")];
        assert_eq!(known, [Some(a), Some(b), None, None, None, None, None]);
    }
}
