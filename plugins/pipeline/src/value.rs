//! What goes from operation to operation.

use std::fmt;

use crate::graph::Graph;

/// Never nested deeper than operations are, by more than one.
pub(crate) enum Value {
    Graph(Graph),
    List(Vec<Value>),
    /// In the order in which it is flattened.
    Dictionary(Vec<(Key, Value)>),
}

/// The names of parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Main,
    Common,
    Rest,
}

impl Key {
    pub(crate) const ALL: [Self; 3] = [Self::Main, Self::Common, Self::Rest];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Common => "common",
            Self::Rest => "rest",
        }
    }
}

impl Value {
    /// All graphs, from the first to the last.
    pub(crate) fn into_graphs(self) -> Vec<Graph> {
        let mut graphs = Vec::new();
        self.collect(&mut graphs);
        graphs
    }

    fn collect(self, graphs: &mut Vec<Graph>) {
        match self {
            Self::Graph(graph) => graphs.push(graph),
            Self::List(values) => values.into_iter().for_each(|value| value.collect(graphs)),
            Self::Dictionary(values) => values.into_iter().for_each(|(_, value)| value.collect(graphs)),
        }
    }
}

/// For messages.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graph(_) => f.write_str("a graph"),
            Self::List(values) => write!(f, "a list of {}", values.len()),
            Self::Dictionary(values) => {
                let keys: Vec<String> = values.iter().map(|(key, _)| format!("`{}`", key.name())).collect();
                write!(f, "a dictionary of {}", keys.join(" and "))
            }
        }
    }
}
