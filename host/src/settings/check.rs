//! Settings and schema, looked at in a process that can be stopped, see [`crate::child`].
//!
//! What a schema comes to when a validator compiles it and checks with it depends on the validator. [`super::bounds`] counts
//! what is known of that, and this is for what is not. Schemas of planners that are built in are no stranger's, and are
//! looked at here.

use std::io::Write;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::guarded;
use super::mistake::Mistake;
use super::schema::{Schema, SchemaFault};
use crate::child::{self, Job, Stopped};

/// The hidden command by which the program is its own validator.
pub(crate) const COMMAND: &str = "check-settings";

/// What [`super::bounds`] lets through takes a second at most.
const TIME: Duration = Duration::from_secs(10);

/// What [`super::bounds`] lets through takes less than 100 MiB, and the stack is as large.
pub(super) const MEMORY_BYTES: u64 = 512 << 20;

/// The settings come back, which have a bound of their own, and a hundred mistakes.
const OUTPUT_BYTES: u64 = 256 << 20;

/// Where a schema is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// In this process: what is ours, and what a test has made.
    Here,
    /// In a child of this process.
    InChild,
}

/// A schema, and settings that may fit it.
#[derive(Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) schema: String,
    /// From a file.
    #[serde(with = "as_text")]
    pub(super) joined: Map<String, Value>,
    /// From the command line.
    pub(super) singles: Vec<(String, String)>,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
pub(super) struct Answer {
    #[serde(with = "as_text")]
    pub(super) joined: Map<String, Value>,
    /// None where everything fits.
    pub(super) mistakes: Vec<Mistake>,
}

impl Question {
    /// Joins and checks.
    pub(super) fn ask(self, place: Place) -> Result<Answer, SchemaFault> {
        match place {
            Place::Here => guarded::guarded(|| self.answer()).unwrap_or_else(|stopped| Err(stopped.into())),
            Place::InChild => self.in_child(),
        }
    }

    fn answer(self) -> Result<Answer, SchemaFault> {
        let Self { schema, mut joined, singles } = self;
        let schema = Schema::new(&schema)?;
        for (key, text) in singles {
            let value = schema.reading(&key, &text)?;
            joined.insert(key, value);
        }
        let joined = Value::Object(joined);
        let mistakes = schema.mistakes(&joined)?;
        let Value::Object(joined) = joined else { unreachable!("an object went in") };
        Ok(Answer { joined, mistakes })
    }

    fn in_child(&self) -> Result<Answer, SchemaFault> {
        let job = Job {
            command: COMMAND,
            arguments: Vec::new(),
            memory_bytes: MEMORY_BYTES,
            time: TIME,
            output_bytes: OUTPUT_BYTES,
        };
        let question = serde_json::to_vec(self).expect("texts and JSON can be written");
        let answered = job.run(&question, &|| ()).map_err(|stopped| match stopped {
            Stopped::NotRun(error) => SchemaFault::NotChecked(error),
            Stopped::OutOfTime(clock) => SchemaFault::TooLong(clock.limit(TIME)),
            Stopped::OutOfMemory => SchemaFault::TooMuchMemory,
            Stopped::Failed { status, .. } => SchemaFault::Told(format!("the validator failed on it: {status}")),
        })?;
        let answer: Result<Answer, String> = serde_json::from_slice(&answered)
            .map_err(|error| SchemaFault::Told(format!("the validator failed on it: {error}")))?;
        answer.map_err(SchemaFault::Told)
    }
}

/// Settings as a text in a text: whoever reads JSON here allows a number of levels, and the user's may be as many.
mod as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::{Map, Value};

    pub(super) fn serialize<S: Serializer>(settings: &Map<String, Value>, to: S) -> Result<S::Ok, S::Error> {
        serde_json::to_string(settings).expect("JSON can be written").serialize(to)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Map<String, Value>, D::Error> {
        serde_json::from_str(&String::deserialize(from)?).map_err(D::Error::custom)
    }
}

/// What the child does. Writes JSON to standard output.
pub(crate) fn in_child(memory_bytes: u64, seconds: u64) -> Result<(), String> {
    let question = child::begin(memory_bytes, seconds)?;
    let question: Question = serde_json::from_slice(&question).map_err(|error| error.to_string())?;
    let answer = question.ask(Place::Here).map_err(|fault| fault.to_string());
    let answer = serde_json::to_vec(&answer).map_err(|error| error.to_string())?;
    std::io::stdout().lock().write_all(&answer).map_err(|error| error.to_string())
}
