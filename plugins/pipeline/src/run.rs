//! One operation, done.

use layerwright_planner::{Closure, Failure, Level, Surroundings};

use crate::graph::{Graph, Split};
use crate::operation::{Kind, Operation, Place};
use crate::value::{Key, Value};

/// What the operation makes of the value. It recurses as deep as operations are nested.
pub(crate) fn run(
    operation: &Operation,
    value: Value,
    closure: &Closure,
    surroundings: &dyn Surroundings,
) -> Result<Value, Failure> {
    let Operation { place, kind } = operation;
    Ok(match kind {
        Kind::PopularityContest => list(graph(place, value)?.popularity_contest(closure)),
        Kind::SplitPaths { paths, children_of } => {
            let graph = graph(place, value)?;
            let mut ids = graph.children_of(children_of);
            ids.extend(paths);
            ids.sort_unstable();
            ids.dedup();
            parts_of(graph.split(&ids))
        }
        Kind::Subcomponent { of, direction } => {
            let [main, rest] = graph(place, value)?.subcomponent(of, *direction);
            Value::Dictionary(vec![(Key::Main, Value::Graph(main)), (Key::Rest, Value::Graph(rest))])
        }
        Kind::SplitEvery(count) => list(graph(place, value)?.split_every(*count)),
        Kind::RemovePaths(ids) => Value::Graph(graph(place, value)?.without(ids)),
        Kind::LimitLayers(count) => limit_layers(place, elements(place, value)?, *count)?,
        Kind::Reverse => Value::List(elements(place, value)?.into_iter().rev().collect()),
        Kind::Flatten => list(value.into_graphs()),
        Kind::Map(each) => {
            let values = elements(place, value)?;
            Value::List(
                values.into_iter().map(|value| run(each, value, closure, surroundings)).collect::<Result<_, _>>()?,
            )
        }
        Kind::Over(key, inner) => {
            let mut members = members(place, value)?;
            match members.iter_mut().find(|(other, _)| other == key) {
                Some((_, member)) => {
                    let taken = std::mem::replace(member, Value::List(Vec::new()));
                    *member = run(inner, taken, closure, surroundings)?;
                }
                None => {
                    let message = format!("{place} did nothing: there is nothing in `{}`", key.name());
                    surroundings.log(Level::Warn, &message);
                }
            }
            Value::Dictionary(members)
        }
        Kind::Pipe(operations) => {
            operations.iter().try_fold(value, |value, operation| run(operation, value, closure, surroundings))?
        }
        Kind::Reorder(keys) => {
            let mut members = members(place, value)?;
            // Stable: what is not named follows in its order.
            members.sort_by_key(|(key, _)| keys.iter().position(|other| other == key).unwrap_or(keys.len()));
            Value::Dictionary(members)
        }
    })
}

fn list(graphs: Vec<Graph>) -> Value {
    Value::List(graphs.into_iter().map(Value::Graph).collect())
}

/// Without the empty ones, unless all are.
fn parts_of(Split { main, common, rest }: Split) -> Value {
    if main.is_empty() && common.is_empty() {
        return Value::Dictionary(vec![(Key::Rest, Value::Graph(rest))]);
    }
    let parts = [(Key::Main, main), (Key::Common, common), (Key::Rest, rest)].into_iter();
    Value::Dictionary(parts.filter(|(_, part)| !part.is_empty()).map(|(key, part)| (key, Value::Graph(part))).collect())
}

fn limit_layers(place: &Place, mut values: Vec<Value>, count: usize) -> Result<Value, Failure> {
    let together = values.split_off(values.len().min(count - 1));
    let mut graphs = Vec::with_capacity(together.len());
    for value in together {
        match value {
            Value::Graph(graph) => graphs.push(graph),
            other => {
                return Err(place.wrong(format!(r#"it cannot join {other} with others; put ["flatten"] before it"#)));
            }
        }
    }
    // Where nothing is left to join, that is an empty graph, which counts like any other on the way.
    values.push(Value::Graph(Graph::concat(graphs)));
    Ok(Value::List(values))
}

fn graph(place: &Place, value: Value) -> Result<Graph, Failure> {
    let hint = match value {
        Value::Graph(graph) => return Ok(graph),
        Value::List(_) => r#"write ["map", ...] around it to do it to each"#,
        Value::Dictionary(_) => r#"write ["over", KEY, ...] around it to do it to one of them"#,
    };
    Err(place.wrong(format!("it takes a graph, and this is {value}; {hint}")))
}

fn elements(place: &Place, value: Value) -> Result<Vec<Value>, Failure> {
    let hint = match value {
        Value::List(values) => return Ok(values),
        Value::Graph(_) => r#"make one with ["popularity_contest"] or ["split_every", N] before it"#,
        Value::Dictionary(_) => r#"put ["flatten"] before it"#,
    };
    Err(place.wrong(format!("it takes a list, and this is {value}; {hint}")))
}

fn members(place: &Place, value: Value) -> Result<Vec<(Key, Value)>, Failure> {
    match value {
        Value::Dictionary(members) => Ok(members),
        other => Err(place.wrong(format!(
            "it takes a dictionary, and this is {other}; `split_paths`, `subcomponent_out` and `subcomponent_in` make one"
        ))),
    }
}
