//! What changed from the old one to the new one, by lineage: `git 2.39.5 -> 2.39.6`, what was added, and what is gone.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::sandbox::printable;

/// More lines than these of a kind are only counted. `--json` has all.
const SHOWN: usize = 50;

/// Longest text of one node, in bytes.
const TEXT_BYTES: usize = 200;

/// Lineages and names of all nodes.
pub(super) type Names<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// By lineage, ascending. What `--json` prints.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Changes {
    /// Another version.
    changed: Vec<Change>,
    /// The same version made of other things: its store path has another hash.
    rebuilt: Vec<Change>,
    /// The old one has nothing of this lineage.
    added: Vec<Change>,
    /// The new one has nothing of it.
    gone: Vec<Change>,
}

/// The nodes of a lineage that only one of the two has. What both have is left out.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    lineage: String,
    old: Vec<Version>,
    new: Vec<Version>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Version {
    /// Of the node.
    name: String,
    /// As its name says it; empty where that has none.
    version: String,
}

impl Changes {
    pub(super) fn new(old: &Names<'_>, new: &Names<'_>) -> Self {
        let none = BTreeSet::new();
        let lineages: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
        let mut changes = Self::default();
        for lineage in lineages {
            let [in_old, in_new] = [old, new].map(|names| names.get(lineage).unwrap_or(&none));
            let versions = |names: &BTreeSet<&str>, others: &BTreeSet<&str>| -> Vec<Version> {
                names.difference(others).map(|name| Version::new(name, lineage)).collect()
            };
            let change =
                Change { lineage: lineage.to_owned(), old: versions(in_old, in_new), new: versions(in_new, in_old) };
            let list = match (change.old.is_empty(), change.new.is_empty()) {
                (true, true) => continue,
                (true, false) => &mut changes.added,
                (false, true) => &mut changes.gone,
                (false, false) if change.is_rebuilt() => &mut changes.rebuilt,
                (false, false) => &mut changes.changed,
            };
            list.push(change);
        }
        changes
    }

    /// A line for each, but for what was only rebuilt: of an update that is most of it, and follows from the rest.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { changed, rebuilt, added, gone } = self;
        let mut lines = Vec::new();
        lines.extend(listed("changed:", changed, |change| {
            format!("{} -> {}", change.versions(&change.old), change.versions(&change.new))
        }));
        lines.extend(listed("added:", added, |change| change.versions(&change.new)));
        lines.extend(listed("gone:", gone, |change| change.versions(&change.old)));
        if !rebuilt.is_empty() {
            let names = rebuilt.iter().take(5).map(|change| printable(&change.lineage, TEXT_BYTES));
            let more = if rebuilt.len() > 5 { format!(" and {} more", rebuilt.len() - 5) } else { String::new() };
            let names = names.collect::<Vec<_>>().join(", ");
            lines.push(format!("rebuilt: {names}{more}, of the same version"));
        }
        lines
    }
}

fn listed(what: &str, changes: &[Change], show: impl Fn(&Change) -> String) -> Vec<String> {
    let line = |change: &Change| format!("{} {}", printable(&change.lineage, TEXT_BYTES), show(change));
    let mut lines: Vec<String> = changes.iter().take(SHOWN).map(|change| line(change).trim_end().to_owned()).collect();
    if changes.len() > SHOWN {
        lines.push(format!("and {} more, which --json lists", changes.len() - SHOWN));
    }
    let lines = lines.into_iter().enumerate();
    lines.map(|(at, line)| format!("{:8} {line}", if at == 0 { what } else { "" })).collect()
}

impl Change {
    fn is_rebuilt(&self) -> bool {
        let versions = |side: &[Version]| side.iter().map(|node| node.version.clone()).collect::<BTreeSet<_>>();
        let is_path = |node: &Version| node.name.starts_with('/');
        self.old.iter().chain(&self.new).all(is_path) && versions(&self.old) == versions(&self.new)
    }

    /// What tells the nodes of a side from those of the other: their names, where versions do not.
    fn versions(&self, side: &[Version]) -> String {
        let is_told = self.old.is_empty() || self.new.is_empty() || {
            let has = |side: &[Version], node: &Version| side.iter().any(|other| other.version == node.version);
            !self.old.iter().any(|node| has(&self.new, node))
        };
        let text = |node: &Version| if is_told { node.version.clone() } else { node.name.clone() };
        let texts: BTreeSet<String> = side.iter().map(|node| printable(&text(node), TEXT_BYTES)).collect();
        Vec::from_iter(texts).join(", ")
    }
}

impl Version {
    fn new(name: &str, lineage: &str) -> Self {
        Self { name: name.to_owned(), version: version(name, lineage).to_owned() }
    }
}

/// What a lineage leaves out of a name: `2.40-66` of `/nix/store/<hash>-glibc-2.40-66-dev`, whose lineage is
/// `glibc-dev`, and `2.36-9` of `libc6_2.36-9_amd64`. The whole name where it is none of both.
fn version<'n>(name: &'n str, lineage: &str) -> &'n str {
    if !name.starts_with('/') {
        // Behind the colon is the architecture of a foreign package.
        let package = lineage.split(':').next().unwrap_or(lineage);
        let rest = name.strip_prefix(package).and_then(|rest| rest.strip_prefix('_'));
        return rest.and_then(|rest| rest.rsplit_once('_')).map_or(name, |(version, _)| version);
    }
    let base = name.rsplit('/').next().unwrap_or(name);
    let base = base.split_once('-').map_or(base, |(_, base)| base);
    if base == lineage {
        return "";
    }
    let behind = |lineage: &str| base.strip_prefix(lineage)?.strip_prefix('-');
    let of_output = || {
        let (lineage, output) = lineage.rsplit_once('-')?;
        behind(lineage)?.strip_suffix(output)?.strip_suffix('-')
    };
    behind(lineage).or_else(of_output).unwrap_or(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(hash: char, name: &str) -> String {
        format!("/nix/store/{}-{name}", hash.to_string().repeat(32))
    }

    fn changes(old: &[(&str, &str)], new: &[(&str, &str)]) -> Changes {
        let [old, new] = [old, new].map(|nodes| {
            let mut names = Names::new();
            nodes.iter().for_each(|(lineage, name)| _ = names.entry(lineage).or_default().insert(name));
            names
        });
        Changes::new(&old, &new)
    }

    #[test]
    fn versions_are_what_a_lineage_leaves_out() {
        for (name, lineage, expected) in [
            (&*path('a', "git-2.39.5"), "git", "2.39.5"),
            (&path('a', "glibc-2.40-66-dev"), "glibc-dev", "2.40-66"),
            (&path('a', "source"), "source", ""),
            (&path('a', "odd"), "another", "odd"),
            ("git_1:2.39.5-0+deb12u3_amd64", "git", "1:2.39.5-0+deb12u3"),
            ("libc6_2.36-9_i386", "libc6:i386", "2.36-9"),
            ("odd", "another", "odd"),
        ] {
            assert_eq!(version(name, lineage), expected, "{name}");
        }
    }

    #[test]
    fn what_changed_is_named() {
        let (git, newer, lib) = (path('a', "git-2.39.5"), path('b', "git-2.39.6"), path('c', "lib-1"));
        let (rebuilt, app) = (path('d', "lib-1"), path('e', "app-1"));
        let found = changes(&[("git", &git), ("lib", &lib), ("app", &app)], &[("git", &newer), ("lib", &rebuilt)]);
        assert_eq!(
            found.lines(),
            ["changed: git 2.39.5 -> 2.39.6", "gone:    app 1", "rebuilt: lib, of the same version"]
        );
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(json["changed"][0]["new"][0], serde_json::json!({"name": newer, "version": "2.39.6"}));
        assert_eq!(json["rebuilt"][0]["lineage"], "lib");
        assert!(changes(&[("git", &git)], &[("git", &git)]).lines().is_empty());
        assert_eq!(changes(&[], &[("dash", "dash_0.5_amd64")]).lines(), ["added:   dash 0.5"]);
    }

    #[test]
    fn several_of_a_lineage_are_told_together_and_what_both_have_is_left_out() {
        let old = [("python", "python_3.11_amd64"), ("python", "python_3.12_amd64")];
        let new = [("python", "python_3.12_amd64"), ("python", "python_3.13_amd64"), ("python", "python_3.14_amd64")];
        assert_eq!(changes(&old, &new).lines(), ["changed: python 3.11 -> 3.13, 3.14"]);
        // The same version for another machine.
        let found = changes(&[("x", "x_1_amd64")], &[("x", "x_1_arm64")]);
        assert_eq!(found.lines(), ["changed: x x_1_amd64 -> x_1_arm64"]);
    }

    #[test]
    fn many_are_counted_and_nothing_commands_a_terminal() {
        let names: Vec<(String, String)> = (100..160).map(|at| (format!("l{at}"), format!("l{at}_1_amd64"))).collect();
        let new: Vec<(&str, &str)> = names.iter().map(|(lineage, name)| (&**lineage, &**name)).collect();
        let lines = changes(&[], &new).lines();
        assert_eq!((lines.len(), &*lines[1]), (51, "         l101 1"));
        assert_eq!(lines[50], "         and 10 more, which --json lists");
        let lines = changes(&[], &[("\u{1b}[2J", "\u{1b}[2J_1_all")]).lines();
        assert!(!lines[0].contains('\u{1b}'), "{lines:?}");
    }
}
