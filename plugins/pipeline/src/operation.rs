//! Operations, as the user writes them and as they are run.

use std::collections::BTreeSet;
use std::fmt;

use layerwright_planner::{Closure, Failure, NodeId};
use serde_json::Value as Json;

use crate::graph::Direction;
use crate::value::Key;

/// Operations within operations: more than anybody writes, and no more than a stack holds.
const MAX_DEPTH: usize = 40;

/// One step, with its place in the settings.
pub(crate) struct Operation {
    pub(crate) place: Place,
    pub(crate) kind: Kind,
}

/// What is done. Nodes are those that exist, ascending: names of others are ignored.
pub(crate) enum Kind {
    PopularityContest,
    SplitPaths { paths: Vec<NodeId>, children_of: Vec<NodeId> },
    Subcomponent { of: Vec<NodeId>, direction: Direction },
    SplitEvery(usize),
    RemovePaths(Vec<NodeId>),
    LimitLayers(usize),
    Reverse,
    Flatten,
    Map(Box<Operation>),
    Over(Key, Box<Operation>),
    Pipe(Vec<Operation>),
    Reorder(Vec<Key>),
}

/// Where an operation stands: `pipeline[1][2]`, counted from 0, and its name.
pub(crate) struct Place {
    path: String,
    name: String,
}

impl Place {
    /// The user's mistake at this place.
    pub(crate) fn wrong(&self, what: impl fmt::Display) -> Failure {
        Failure::InvalidConfig(format!("{self}: {what}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (`{}`)", self.path, self.name)
    }
}

/// Reads a whole pipeline.
pub(crate) fn read(pipeline: &[Json], closure: &Closure) -> Result<Vec<Operation>, Failure> {
    Reader { closure, depth: 0 }.operations(pipeline, "pipeline")
}

#[derive(Clone, Copy)]
struct Reader<'c> {
    closure: &'c Closure,
    depth: usize,
}

impl Reader<'_> {
    fn operations(self, list: &[Json], path: &str) -> Result<Vec<Operation>, Failure> {
        list.iter().enumerate().map(|(at, json)| self.operation(json, format!("{path}[{at}]"))).collect()
    }

    fn operation(self, json: &Json, path: String) -> Result<Operation, Failure> {
        let wrong = |what: &str| Failure::InvalidConfig(format!("{path}: {what}"));
        if self.depth > MAX_DEPTH {
            return Err(wrong(&format!("operations are nested deeper than {MAX_DEPTH} levels")));
        }
        let Some([Json::String(name), arguments @ ..]) = json.as_array().map(Vec::as_slice) else {
            return Err(wrong(r#"an operation is a list that begins with its name, such as ["limit_layers", 100]"#));
        };
        let place = Place { path, name: name.clone() };
        let within = Self { depth: self.depth + 1, ..self };
        let kind = within.kind(&place, arguments)?;
        Ok(Operation { place, kind })
    }

    fn kind(self, place: &Place, arguments: &[Json]) -> Result<Kind, Failure> {
        Ok(match (place.name.as_str(), arguments) {
            ("popularity_contest", []) => Kind::PopularityContest,
            ("reverse", []) => Kind::Reverse,
            ("flatten", []) => Kind::Flatten,
            ("split_paths", [specs]) => self.split_paths(place, specs)?,
            ("subcomponent_out", [paths]) => {
                Kind::Subcomponent { of: self.nodes(place, paths)?, direction: Direction::Out }
            }
            ("subcomponent_in", [paths]) => {
                Kind::Subcomponent { of: self.nodes(place, paths)?, direction: Direction::In }
            }
            ("remove_paths", [paths]) => Kind::RemovePaths(self.nodes(place, paths)?),
            ("split_every", [count]) => Kind::SplitEvery(positive(place, count)?),
            ("limit_layers", [count]) => Kind::LimitLayers(positive(place, count)?),
            ("map", [operation]) => Kind::Map(Box::new(self.operation(operation, format!("{}[1]", place.path))?)),
            ("over", [name, operation]) => {
                let operation = self.operation(operation, format!("{}[2]", place.path))?;
                Kind::Over(key(place, name)?, Box::new(operation))
            }
            ("pipe", [operations]) => {
                let list = operations.as_array().ok_or_else(|| place.wrong("it takes a list of operations"))?;
                Kind::Pipe(self.operations(list, &format!("{}[1]", place.path))?)
            }
            ("reorder", [keys]) => {
                let list = keys.as_array().ok_or_else(|| place.wrong("it takes a list of keys"))?;
                Kind::Reorder(list.iter().map(|name| key(place, name)).collect::<Result<_, _>>()?)
            }
            (name, arguments) => return Err(place.wrong(misfit(name, arguments.len()))),
        })
    }

    fn split_paths(self, place: &Place, specs: &Json) -> Result<Kind, Failure> {
        let specs = specs.as_array().map_or(std::slice::from_ref(specs), Vec::as_slice);
        let (mut paths, mut children_of) = (BTreeSet::new(), BTreeSet::new());
        for spec in specs {
            match spec {
                Json::Object(members) if members.len() == 1 && members.contains_key("children_of") => {
                    children_of.extend(self.nodes(place, &members["children_of"])?);
                }
                Json::String(name) => paths.extend(self.closure.find(name)),
                other => {
                    let shown = shown(other);
                    return Err(
                        place.wrong(format!(r#"it takes names of nodes and {{"children_of": NAMES}}, not {shown}"#))
                    );
                }
            }
        }
        Ok(Kind::SplitPaths { paths: paths.into_iter().collect(), children_of: children_of.into_iter().collect() })
    }

    /// A name, or a list of names.
    fn nodes(self, place: &Place, names: &Json) -> Result<Vec<NodeId>, Failure> {
        let names = names.as_array().map_or(std::slice::from_ref(names), Vec::as_slice);
        let mut nodes = BTreeSet::new();
        for name in names {
            let wrong = || place.wrong(format!("it takes names of nodes, not {}", shown(name)));
            nodes.extend(self.closure.find(name.as_str().ok_or_else(wrong)?));
        }
        Ok(nodes.into_iter().collect())
    }
}

fn positive(place: &Place, count: &Json) -> Result<usize, Failure> {
    let number = count.as_u64().and_then(|count| usize::try_from(count).ok()).filter(|count| *count > 0);
    number.ok_or_else(|| place.wrong(format!("it takes a number from 1 on, not {}", shown(count))))
}

fn key(place: &Place, name: &Json) -> Result<Key, Failure> {
    let found = Key::ALL.into_iter().find(|key| name == key.name());
    found.ok_or_else(|| place.wrong(format!("the keys are `main`, `common` and `rest`, not {}", shown(name))))
}

/// Why a name with so many arguments is none of [`Kind`].
fn misfit(name: &str, count: usize) -> String {
    let takes = match name {
        "popularity_contest" | "reverse" | "flatten" => "no argument",
        "split_paths" => r#"one argument, a list of names and {"children_of": NAMES}"#,
        "subcomponent_out" | "subcomponent_in" | "remove_paths" => "one argument, a list of names",
        "split_every" | "limit_layers" => "one argument, a number",
        "map" => "one argument, an operation",
        "over" => "two arguments, a key and an operation",
        "pipe" => "one argument, a list of operations",
        "reorder" => "one argument, a list of keys",
        _ => {
            return "there is no such operation; there are popularity_contest, split_paths, subcomponent_out, subcomponent_in, \
                    split_every, remove_paths, limit_layers, reverse, flatten, map, over, pipe and reorder"
                .into();
        }
    };
    format!("it takes {takes}, and here are {count}")
}

/// A little of what was written.
fn shown(json: &Json) -> String {
    const MOST: usize = 60;
    let text = json.to_string();
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).chain("...".chars()).collect() }
}
