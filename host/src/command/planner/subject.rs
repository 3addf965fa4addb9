//! What a strategy is asked about: a closure that was read or generated.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use layerwright_planner::shapes::Shape;
use layerwright_planner::{Closure, NodeKind};

use crate::arguments::SubjectArguments;
use crate::source::Source;

pub(super) struct Subject {
    /// As the user named it.
    pub(super) name: String,
    pub(super) kind: NodeKind,
    pub(super) closure: Closure,
    /// What names it on the command line.
    pub(super) flags: Vec<String>,
}

impl Subject {
    pub(super) fn of_arguments(arguments: &SubjectArguments) -> Result<Self> {
        match (&arguments.from, arguments.shape) {
            (Some(source), _) => Self::read(source, &arguments.root),
            (None, Some(shape)) => Ok(Self::generated(shape)),
            (None, None) => unreachable!("one of the two is required"),
        }
    }

    pub(super) fn read(source: &Source, root: &Path) -> Result<Self> {
        let read = source.read(root, &BTreeSet::new(), &[])?;
        let name = source.to_string();
        let mut flags = vec!["--from".to_owned(), name.clone()];
        if root != Path::new("/") {
            flags.extend(["--root".to_owned(), root.display().to_string()]);
        }
        Ok(Self { name, kind: read.files.kind(), closure: read.closure, flags })
    }

    pub(super) fn generated(shape: Shape) -> Self {
        let name = shape.to_string();
        let flags = vec!["--shape".to_owned(), name.clone()];
        Self { name, kind: NodeKind::StorePath, closure: shape.closure(), flags }
    }

    /// All references together.
    pub(super) fn references(&self) -> usize {
        self.closure.nodes().iter().map(|node| node.references.len()).sum()
    }
}
