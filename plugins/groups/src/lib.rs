//! Fixed groups: what the user wants together goes together.
//!
//! 1. Groups are taken in the order in which they are written. A group takes every node that one of its patterns
//!    matches and that no earlier group took.
//! 2. With dependencies, it also takes everything those nodes refer to, directly or not, and that no earlier group took.
//! 3. Each group that took something is a layer, in the same order, bottom-most first.
//! 4. What no group took is left to the next planner.
//!
//! A pattern that matches nothing is a warning and no error: package sets change, and the image is still right.

mod settings;

use layerwright_planner::{
    Closure, Description, Failure, Level, NodeId, Proposal, ProposedLayer, Request, Strategy, Surroundings,
};

use crate::settings::{Group, Settings};

/// See the head of this file.
pub struct Groups;

layerwright_planner::export!(Groups);

impl Strategy for Groups {
    fn describe() -> Description {
        Description {
            name: "groups".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            summary: "Puts nodes that match fixed patterns together; what matches nothing is left to the next planner"
                .into(),
            config_schema: include_str!("settings.schema.json").into(),
        }
    }

    fn plan(request: &Request, surroundings: &dyn Surroundings) -> Result<Proposal, Failure> {
        let groups = request.settings::<Settings>()?.compile()?;
        let closure = &request.closure;
        let mut taken = Taken { closure, by: vec![false; closure.len()], left: closure.len() };
        let mut layers = Vec::new();
        for group in &groups {
            let matches_something = warn_of_idle_patterns(closure, group, surroundings);
            let members = taken.take(group);
            if !members.is_empty() {
                layers.push(ProposedLayer { label: group.label.clone(), members });
            } else if matches_something {
                let message = format!("group `{}` is empty: earlier groups took all that it matches", group.label);
                surroundings.log(Level::Warn, &message);
            }
        }
        fits(layers.len(), taken.left, request.max_layers.get())?;
        Ok(Proposal { layers })
    }
}

/// Returns whether any pattern is not idle.
fn warn_of_idle_patterns(closure: &Closure, group: &Group, surroundings: &dyn Surroundings) -> bool {
    let mut matches_something = false;
    for pattern in &group.patterns {
        if closure.nodes().iter().any(|node| pattern.matches(node)) {
            matches_something = true;
        } else {
            surroundings.log(Level::Warn, &format!("group `{}`: {pattern} matches nothing", group.label));
        }
    }
    matches_something
}

/// Which nodes some group has.
struct Taken<'c> {
    closure: &'c Closure,
    by: Vec<bool>,
    left: usize,
}

impl Taken<'_> {
    fn take(&mut self, group: &Group) -> Vec<NodeId> {
        let closure = self.closure;
        let matching: Vec<NodeId> = closure.ids().filter(|id| group.matches(closure.node(*id))).collect();
        // The way to a dependency may lead through nodes of earlier groups, so the search does not stop at those.
        let mut met = vec![false; closure.len()];
        let mut open = matching;
        let mut members = Vec::new();
        while let Some(id) = open.pop() {
            if std::mem::replace(&mut met[id.index()], true) {
                continue;
            }
            if !std::mem::replace(&mut self.by[id.index()], true) {
                members.push(id);
            }
            if group.with_dependencies {
                open.extend(&closure.node(id).references);
            }
        }
        self.left -= members.len();
        members.sort_unstable();
        members
    }
}

fn fits(layers: usize, left: usize, max_layers: u32) -> Result<(), Failure> {
    let needed = layers + usize::from(left > 0);
    if needed <= max_layers as usize {
        return Ok(());
    }
    let rest = if left > 0 { format!(" and one layer for the {left} nodes that match none") } else { String::new() };
    Err(Failure::Unsatisfiable(format!(
        "{layers} groups{rest} make {needed} layers, but at most {max_layers} are allowed"
    )))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use layerwright_planner::testing::{Recorded, assert_keeps_the_contract, closure};

    use super::*;

    const GRAPH: &str = "app-1 -> lib-2 tool-3\nlib-2 -> libc-4\ntool-3 -> libc-4 data-5";

    /// Layers as `label: member member`, and what was said.
    fn plan(max_layers: u32, config: &str) -> Result<(Vec<String>, Vec<String>), Failure> {
        let closure = closure(GRAPH);
        let max_layers = NonZeroU32::new(max_layers).unwrap();
        let request = Request { closure, max_layers, config: config.into() };
        let surroundings = Recorded::default();
        let proposal = Groups::plan(&request, &surroundings)?;
        let name = |id: &NodeId| request.closure.node(*id).name.clone();
        let show = |layer: &ProposedLayer| {
            format!("{}: {}", layer.label, layer.members.iter().map(name).collect::<Vec<_>>().join(" "))
        };
        let said = surroundings.messages().into_iter().map(|(_, text)| text).collect();
        Ok((proposal.layers.iter().map(show).collect(), said))
    }

    #[test]
    fn groups_take_what_they_match_in_order() {
        let config =
            r#"{"groups": [{"label": "c", "lineages": ["libc"]}, {"label": "rest of lib", "names": ["lib*"]}]}"#;
        assert_eq!(plan(9, config).unwrap().0, ["c: libc-4", "rest of lib: lib-2"]);
    }

    #[test]
    fn dependencies_come_along_where_asked_for_and_not_taken() {
        let config = r#"{"groups": [
            {"label": "lib", "names": ["lib-?"], "with-dependencies": true},
            {"label": "tool", "lineages": ["tool"], "with-dependencies": true}
        ]}"#;
        assert_eq!(plan(3, config).unwrap().0, ["lib: lib-2 libc-4", "tool: data-5 tool-3"]);
    }

    #[test]
    fn what_matches_nothing_or_comes_too_late_is_a_warning() {
        let config = r#"{"groups": [
            {"label": "all", "names": ["*"]},
            {"label": "late", "names": ["lib*"], "lineages": ["gone*"]},
            {"label": "idle", "names": ["nothing*"]}
        ]}"#;
        let (layers, said) = plan(1, config).unwrap();
        assert_eq!(layers.len(), 1);
        assert_eq!(
            said,
            [
                "group `late`: lineage pattern `gone*` matches nothing",
                "group `late` is empty: earlier groups took all that it matches",
                "group `idle`: name pattern `nothing*` matches nothing"
            ]
        );
    }

    #[test]
    fn a_limit_that_cannot_be_kept_is_said_with_the_numbers() {
        let config = r#"{"groups": [{"label": "c", "names": ["libc*"]}, {"label": "lib", "names": ["lib-*"]}]}"#;
        let failure = plan(2, config).unwrap_err();
        let text = "2 groups and one layer for the 3 nodes that match none make 3 layers, but at most 2 are allowed";
        assert_eq!(failure, Failure::Unsatisfiable(text.into()));
    }

    #[test]
    fn settings_that_are_wrong_are_named() {
        for (config, reason) in [
            ("{}", "missing field `groups`"),
            (r#"{"groups": [{"label": "x", "names": ["a["]}]}"#, "group `x`: name pattern `a[` is malformed"),
            (
                r#"{"groups": [{"label": "x", "names": ["a"]}, {"label": "x", "names": ["b"]}]}"#,
                "two groups have the label `x`",
            ),
            (r#"{"groups": [{"label": "x"}]}"#, "group `x` has no pattern"),
            (r#"{"groups": [{"label": "x", "name": ["a"]}]}"#, "groups[0].name: unknown field `name`"),
            (r#"{"groups": [{"label": "", "names": ["a"]}]}"#, "the label of group 0 (counting from 0) is empty"),
            (r#"{"groups": [{"label": "a\u0007", "names": ["a"]}]}"#, "the label `a\\u{7}` has a character that"),
        ] {
            let Failure::InvalidConfig(text) = plan(9, config).unwrap_err() else { panic!("{config}") };
            assert!(text.contains(reason), "{text}");
        }
    }

    #[test]
    fn the_contract_is_kept() {
        assert_keeps_the_contract::<Groups>(r#"{"groups": []}"#);
        assert_keeps_the_contract::<Groups>(
            r#"{"groups": [{"label": "x", "names": ["*1*"], "with-dependencies": true}]}"#,
        );
    }

    #[test]
    fn the_schema_names_every_setting() {
        let schema: serde_json::Value = serde_json::from_str(&Groups::describe().config_schema).unwrap();
        let group = &schema["properties"]["groups"]["items"]["properties"];
        let names: Vec<&String> = group.as_object().unwrap().keys().collect();
        assert_eq!(names, ["label", "lineages", "names", "with-dependencies"]);
    }
}
