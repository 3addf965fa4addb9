//! The settings, as the user writes them and as the strategy uses them.

use std::collections::BTreeSet;
use std::fmt;

use layerwright_planner::{Failure, MAX_LABEL_BYTES, Node, is_printable};
use serde::Deserialize;

/// As written; `settings.schema.json` tells what each means.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Settings {
    groups: Vec<WrittenGroup>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct WrittenGroup {
    label: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    lineages: Vec<String>,
    #[serde(default)]
    with_dependencies: bool,
}

/// A group with its patterns compiled.
pub(crate) struct Group {
    pub(crate) label: String,
    pub(crate) patterns: Vec<Pattern>,
    pub(crate) with_dependencies: bool,
}

impl Group {
    pub(crate) fn matches(&self, node: &Node) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(node))
    }
}

/// One glob, for names or for lineages. `*` matches slashes too.
pub(crate) struct Pattern {
    of: Subject,
    glob: glob::Pattern,
}

#[derive(Clone, Copy)]
enum Subject {
    Name,
    Lineage,
}

impl Pattern {
    pub(crate) fn matches(&self, node: &Node) -> bool {
        self.glob.matches(match self.of {
            Subject::Name => &node.name,
            Subject::Lineage => &node.lineage,
        })
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pattern `{}`", self.of, self.glob)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "name",
            Self::Lineage => "lineage",
        })
    }
}

impl Settings {
    /// Compiles every pattern.
    pub(crate) fn compile(self) -> Result<Vec<Group>, Failure> {
        let mut labels = BTreeSet::new();
        for (at, WrittenGroup { label, .. }) in self.groups.iter().enumerate() {
            check_label(at, label)?;
            if !labels.insert(label) {
                return Err(Failure::InvalidConfig(format!("two groups have the label `{label}`")));
            }
        }
        self.groups.into_iter().map(WrittenGroup::compile).collect()
    }
}

/// A label that breaks the contract is the user's mistake here, and not this strategy's.
fn check_label(at: usize, label: &str) -> Result<(), Failure> {
    let shown = label.escape_default();
    if label.is_empty() {
        return Err(Failure::InvalidConfig(format!("the label of group {at} (counting from 0) is empty")));
    }
    if label.len() > MAX_LABEL_BYTES {
        let length = label.len();
        return Err(Failure::InvalidConfig(format!(
            "the label `{shown}` has {length} bytes; at most {MAX_LABEL_BYTES} are allowed"
        )));
    }
    if !label.chars().all(is_printable) {
        return Err(Failure::InvalidConfig(format!("the label `{shown}` has a character that cannot be printed")));
    }
    Ok(())
}

impl WrittenGroup {
    fn compile(self) -> Result<Group, Failure> {
        let Self { label, names, lineages, with_dependencies } = self;
        let names = names.iter().map(|text| (Subject::Name, text));
        let lineages = lineages.iter().map(|text| (Subject::Lineage, text));
        let patterns =
            names.chain(lineages).map(|(of, text)| compile(&label, of, text)).collect::<Result<Vec<_>, _>>()?;
        if patterns.is_empty() {
            return Err(Failure::InvalidConfig(format!("group `{label}` has no pattern in `names` or `lineages`")));
        }
        Ok(Group { label, patterns, with_dependencies })
    }
}

fn compile(label: &str, of: Subject, text: &str) -> Result<Pattern, Failure> {
    let glob = glob::Pattern::new(text).map_err(|error| {
        Failure::InvalidConfig(format!("group `{label}`: {of} pattern `{text}` is malformed: {error}"))
    })?;
    Ok(Pattern { of, glob })
}
