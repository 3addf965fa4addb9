//! The contract with strategies, and which of its versions are understood.
//!
//! Versions are those of semantic versioning, where `0.1` counts as a major version: within one, exported interfaces
//! never change and imported ones only grow. So a component for an older version runs; one for a newer version runs as
//! long as it imports nothing that is newer.

/// What this program offers, as authors read it.
pub(crate) const TEXT: &str = include_str!("../../../wit/planner.wit");

/// Version of [`TEXT`].
pub(super) const VERSION: &str = "0.1.0";

/// How the versions begin that fit.
const COMPATIBLE: &str = "0.1.";

/// What a strategy exports.
const EXPORT: &str = "layerwright:planner/strategy";

/// What a strategy may import. `types` holds no function.
const IMPORTS: [&str; 3] =
    ["layerwright:planner/diagnostics", "layerwright:planner/history", "layerwright:planner/types"];

/// Whether this is an interface of the contract that a strategy may import.
pub(super) fn offers(import: &str) -> bool {
    compatible(import).is_some_and(|interface| IMPORTS.contains(&interface))
}

/// Whether this export makes a component a strategy.
pub(super) fn is_strategy(export: &str) -> bool {
    compatible(export) == Some(EXPORT)
}

/// The version of the contract that an export was built for, if it is a strategy of any version.
pub(super) fn version_of(export: &str) -> Option<&str> {
    export.split_once('@').filter(|(interface, _)| *interface == EXPORT).map(|(_, version)| version)
}

fn compatible(name: &str) -> Option<&str> {
    name.split_once('@').filter(|(_, version)| version.starts_with(COMPATIBLE)).map(|(interface, _)| interface)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use fs_err as fs;
    use wit_component::semver_check;
    use wit_parser::{Resolve, WorldId};

    use super::*;

    /// Versions that were released, oldest first, with their texts.
    fn released() -> Vec<(String, String)> {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/released");
        let text = |entry: fs::DirEntry| {
            let text = fs::read_to_string(entry.path().join("planner.wit")).unwrap();
            (entry.file_name().into_string().unwrap(), text)
        };
        let mut released: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| text(entry.unwrap())).collect();
        let numbers = |version: &str| version.split('.').map(|part| part.parse().unwrap()).collect::<Vec<u32>>();
        released.sort_by_key(|(version, _)| numbers(version));
        released
    }

    fn world(resolve: &mut Resolve, text: &str) -> WorldId {
        let package = resolve.push_str("planner.wit", text).unwrap();
        resolve.select_world(&[package], Some("planner")).unwrap()
    }

    /// Whether strategies for `old` run where `new` is offered.
    fn keeps(old: &str, new: &str) -> bool {
        let mut resolve = Resolve::default();
        // Of one package there can be several versions, but each only once.
        let old = world(&mut resolve, &old.replacen(VERSION, "0.0.1", 1));
        let new = world(&mut resolve, new);
        semver_check(resolve, old, new).is_ok()
    }

    #[test]
    fn the_version_is_that_of_the_text() {
        assert!(TEXT.contains(&format!("package layerwright:planner@{VERSION};")));
        assert!(VERSION.starts_with(COMPATIBLE));
    }

    #[test]
    fn released_versions_are_frozen_and_kept() {
        let released = released();
        assert!(!released.is_empty());
        for (version, text) in &released {
            assert!(text.contains(&format!("package layerwright:planner@{version};")));
            if version == VERSION {
                assert_eq!(text, TEXT, "version {version} is released: change it under another version");
            }
            if version.starts_with(COMPATIBLE) {
                assert!(keeps(text, TEXT), "strategies for version {version} would not run any more");
            }
        }
    }

    #[test]
    fn what_would_break_strategies_is_found() {
        for (from, to) in [
            ("describe: func()", "describe: func(language: string)"),
            ("    size: u64,\n    /// Nodes it refers", "    size: u64,\n    hash: string,\n    /// Nodes it refers"),
            ("    other(string),", "    other(string),\n    later(string),"),
            ("describe: func() -> description;", "describe: func() -> description;\n  more: func();"),
            ("generations: func(limit: u32)", "generations: func(limit: u64)"),
        ] {
            assert!(TEXT.contains(from));
            assert!(!keeps(TEXT, &TEXT.replace(from, to)), "{to}");
        }
        let more = TEXT.replace("log: func", "more: func();\n  log: func");
        assert!(keeps(TEXT, &more), "imports may grow");
    }

    #[test]
    fn versions_that_differ_in_the_last_number_are_understood() {
        assert!(offers("layerwright:planner/history@0.1.7") && is_strategy("layerwright:planner/strategy@0.1.7"));
        for name in
            ["layerwright:planner/strategy@0.2.0", "layerwright:planner/strategy", "other:planner/strategy@0.1.0"]
        {
            assert!(!is_strategy(name) && !offers(name), "{name}");
        }
        assert_eq!(version_of("layerwright:planner/strategy@0.2.0"), Some("0.2.0"));
    }
}
