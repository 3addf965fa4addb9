//! The settings of a planner: read, joined, and checked before the planner sees them.
//!
//! 1. [`read`] takes the object in a file, JSON or TOML.
//! 2. Single settings from the command line join it, and win. The schema says whether `12` is a number or a text.
//! 3. [`schema`] checks the whole against the JSON Schema in the planner's description, and [`mistake`] says what does
//!    not fit, where, and what was probably meant. Defaults are left to the planner.
//!
//! A schema is a stranger's text. [`bounds`] refuses what would keep a validator busy, and what it does not foresee happens
//! in a process that can be stopped, see [`check`].

mod bounds;
mod check;
mod guarded;
mod json;
mod mistake;
mod nearest;
mod place;
mod read;
mod schema;

use std::fmt;

use anyhow::{Context, Result};
use layerwright_planner::Description;
use serde_json::{Map, Value};
use thiserror::Error;

use self::check::{Answer, Question};
pub(crate) use self::check::{COMMAND as CHECK_COMMAND, Place as CheckPlace, in_child as check_in_child};
use self::mistake::Mistake;
use self::schema::{MAX_MISTAKES, SchemaFault};
use crate::planner_spec::PlannerSpec;
use crate::sandbox::printable;

/// How many mistakes are shown.
const SHOWN: usize = 10;

/// Longest text about one mistake, in bytes. Names in it may be the planner's.
const MISTAKE_BYTES: usize = 1000;

/// Why a planner cannot have its settings.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    /// The user's part: they do not fit the schema.
    #[error("{0}")]
    Misfit(Misfit),
    /// The planner's part: nothing can be checked with its schema.
    #[error("planner `{planner}` {version} gives a `config-schema` that cannot be used: {}", printable(&fault.to_string(), MISTAKE_BYTES))]
    BadSchema {
        /// How the user named it.
        planner: String,
        /// Its version.
        version: String,
        /// What is wrong.
        fault: SchemaFault,
    },
}

/// Settings that do not fit.
#[derive(Debug)]
pub(crate) struct Misfit {
    planner: String,
    /// Each with where it was written, where it was.
    mistakes: Vec<(Option<String>, Mistake)>,
}

/// Reads, joins and checks the settings of a planner. The schema is looked at in this place.
///
/// # Errors
///
/// [`SettingsError`], or a file that cannot be read.
pub(crate) fn settings(spec: &PlannerSpec, description: &Description, place: CheckPlace) -> Result<Map<String, Value>> {
    let joined = spec.config.as_deref().map(read::read).transpose()?.unwrap_or_default();
    let singles = spec.settings.clone().into_iter().collect();
    let question = Question { schema: description.config_schema.clone(), joined, singles };
    let bad_schema =
        |fault| SettingsError::BadSchema { planner: spec.planner.clone(), version: description.version.clone(), fault };
    let Answer { joined, mistakes } = match question.ask(place) {
        Err(SchemaFault::NotChecked(error)) => {
            let planner = &spec.planner;
            return Err(error).with_context(|| format!("starting a process that checks the settings of `{planner}`"));
        }
        answer => answer.map_err(bad_schema)?,
    };
    if mistakes.is_empty() {
        return Ok(joined);
    }
    let mistakes = mistakes.into_iter().map(|mistake| (origin(spec, &mistake), mistake)).collect();
    Err(SettingsError::Misfit(Misfit { planner: spec.planner.clone(), mistakes }).into())
}

/// Where a setting was written. What is not there at all belongs into the file.
fn origin(spec: &PlannerSpec, mistake: &Mistake) -> Option<String> {
    if mistake.setting.as_ref().is_some_and(|setting| spec.settings.contains_key(setting)) {
        return Some("command line".into());
    }
    spec.config.as_ref().map(|file| file.display().to_string())
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { planner, mistakes } = self;
        let nothing_is_given = mistakes.iter().all(|(origin, _)| origin.is_none());
        write!(
            f,
            "planner `{planner}` {}",
            if nothing_is_given { "needs settings" } else { "does not take these settings" }
        )?;
        for (origin, mistake) in mistakes.iter().take(SHOWN) {
            let origin = origin.as_ref().map(|origin| format!("{origin}: ")).unwrap_or_default();
            write!(f, "\n  {}", printable(&format!("{origin}{mistake}"), MISTAKE_BYTES))?;
        }
        if let more @ 1.. = mistakes.len().saturating_sub(SHOWN) {
            let at_least = if mistakes.len() < MAX_MISTAKES { "" } else { "at least " };
            write!(f, "\n  and {at_least}{more} more")?;
        }
        if nothing_is_given {
            write!(
                f,
                "\n`layerwright planner inspect {planner}` lists them; write {planner},KEY=VALUE or {planner},config=FILE"
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUPS: &str = include_str!("../../../plugins/groups/src/settings.schema.json");
    const PIPELINE: &str = include_str!("../../../plugins/pipeline/src/settings.schema.json");

    fn take(schema: &str, spec: &str) -> Result<String, String> {
        let description =
            Description { name: "p".into(), version: "1.0".into(), summary: "s".into(), config_schema: schema.into() };
        let taken = settings(&spec.parse().unwrap(), &description, CheckPlace::Here);
        taken.map(|taken| Value::Object(taken).to_string()).map_err(|error| error.to_string())
    }

    fn said(schema: &str, spec: &str) -> Vec<String> {
        let said = take(schema, spec).expect_err("it does not fit");
        said.lines().filter_map(|line| line.strip_prefix("  ")).map(str::to_owned).collect()
    }

    #[test]
    fn single_settings_have_the_type_that_fits() {
        let schema = r##"{
            "$defs": {"name": {"type": "string"}, "count": {"type": ["integer", "null"]}},
            "properties": {
                "text": {"$ref": "#/$defs/name"},
                "count": {"$ref": "#/$defs/count"},
                "either": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
                "choice": {"enum": ["1", "2"]},
                "list": {"type": "array"}
            },
            "additionalProperties": false
        }"##;
        for (spec, taken) in [
            ("p", "{}"),
            ("p,text=12", r#"{"text":"12"}"#),
            ("p,text=null", r#"{"text":"null"}"#),
            ("p,text=a=b", r#"{"text":"a=b"}"#),
            (r#"p,text="12""#, r#"{"text":"12"}"#),
            ("p,count=12", r#"{"count":12}"#),
            ("p,count=null", r#"{"count":null}"#),
            ("p,either=12", r#"{"either":12}"#),
            ("p,either=1.5", r#"{"either":"1.5"}"#),
            ("p,choice=2", r#"{"choice":"2"}"#),
            ("p,list=[1]", r#"{"list":[1]}"#),
        ] {
            assert_eq!(take(schema, spec).unwrap(), taken, "{spec}");
        }
        assert_eq!(take("{}", "p,c=1,d=x").unwrap(), r#"{"c":1,"d":"x"}"#);
        for (spec, said_of_it) in [
            ("p,count=x", r#"command line: count: wants null or a whole number, not "x""#),
            ("p,count=1.5", "command line: count: wants null or a whole number, not 1.5"),
            ("p,list=1", "command line: list: wants a list, not 1"),
            ("p,choice=3", r#"command line: choice: is 3; allowed is "1", "2""#),
            ("p,cuont=1", "command line: cuont: there is no such setting; did you mean `count`?"),
            ("p,q=1", "command line: q: there is no such setting; there is choice, count, either, list, text"),
        ] {
            assert_eq!(said(schema, spec), [said_of_it], "{spec}");
        }
    }

    #[test]
    fn the_command_line_wins_over_the_file_and_each_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("s.toml");
        fs_err::write(&file, "a = 1\nb = 2\n").unwrap();
        let (file, schema) = (
            file.display(),
            r#"{"properties": {"a": {"type": "integer", "maximum": 5}, "b": {"maximum": 1}}, "required": ["c"]}"#,
        );
        assert_eq!(take("{}", &format!("p,config={file},a=3")).unwrap(), r#"{"a":3,"b":2}"#);
        assert_eq!(
            said(schema, &format!("p,config={file},a=9")),
            [
                "command line: a: is 9; at most 5 is allowed".to_owned(),
                format!("{file}: b: is 2; at most 1 is allowed"),
                format!("{file}: c: is missing"),
            ]
        );
        assert_eq!(said(schema, "p"), ["c: is missing"]);
    }

    #[test]
    fn mistakes_in_a_pipeline_are_told_with_what_was_meant() {
        for (written, expected) in [
            (
                r#"[["popularity_contst"]]"#,
                "pipeline[0][0]: is \"popularity_contst\"; did you mean \"popularity_contest\"?",
            ),
            (r#"["reverse"]"#, "pipeline[0]: wants a list, not \"reverse\""),
            (r#"{}"#, "pipeline: wants a list, not an object"),
        ] {
            let found = said(PIPELINE, &format!("p,pipeline={written}"));
            assert_eq!(found, [format!("command line: {expected}")], "{written}");
        }
    }

    #[test]
    fn mistakes_in_groups_are_told_with_what_was_meant() {
        let dir = tempfile::tempdir().unwrap();
        for (written, said_of_it) in [
            (
                r#"{"groups": [{"label": "x", "lineage": ["a"]}]}"#,
                &["groups[0].lineage: there is no such setting; did you mean `lineages`?"][..],
            ),
            (r#"{"group": []}"#, &["group: there is no such setting; did you mean `groups`?"]),
            (r#"{}"#, &["groups: is missing"]),
            (r#"{"groups": {"label": "x"}}"#, &["groups: wants a list, not an object"]),
            (
                r#"{"groups": [{"label": 3}, {"names": "a"}]}"#,
                &[
                    "groups[0].label: wants a text, not 3",
                    "groups[1].names: wants a list, not \"a\"",
                    "groups[1].label: is missing",
                ],
            ),
            (
                r#"{"groups": [{"label": "x", "with_dependencies": true}]}"#,
                &["groups[0].with_dependencies: there is no such setting; did you mean `with-dependencies`?"],
            ),
        ] {
            let file = dir.path().join("groups.json");
            fs_err::write(&file, written).unwrap();
            let found = said(GROUPS, &format!("groups,config={}", file.display()));
            let expected: Vec<String> = said_of_it.iter().map(|said| format!("{}: {said}", file.display())).collect();
            assert_eq!(found, expected, "{written}");
        }
    }

    #[test]
    fn ten_mistakes_are_shown_and_the_rest_is_counted() {
        let schema = r#"{"additionalProperties": false}"#;
        let keys: String = (10..25).map(|at| format!(",key{at}=1")).collect();
        let said = said(schema, &format!("p{keys}"));
        assert_eq!(said.len(), 11);
        assert_eq!(said[0], "command line: key10: there is no such setting; none is taken here");
        assert_eq!(said[10], "and 5 more");
    }

    #[test]
    fn a_schema_cannot_write_lines_of_its_own() {
        let schema = r#"{"required": ["a\nerror: all is lost\u001b[2J"]}"#;
        assert_eq!(said(schema, "p"), [r#"["a\nerror: all is lost\u{1b}[2J"]: is missing"#]);
        let said = take(r#"{"$ref": "a\nb"}"#, "p").unwrap_err();
        assert!(
            said.starts_with("planner `p` 1.0 gives a `config-schema` that cannot be used: its `$ref` to `a\\nb`"),
            "{said}"
        );
    }
}
