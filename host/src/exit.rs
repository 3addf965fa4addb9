//! What an error becomes: a message, a hint and an exit code. The only place that knows the codes.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;

use layerwright_packer::{PackError, SourceError};
use layerwright_planner::chain::ChainError;

use crate::console::Console;
use crate::interrupt;
use crate::planner_file::{NoPlanner, PinError};
use crate::sandbox::{Failed, StrategyError};
use crate::settings::SettingsError;

/// The command line is wrong, in a way that its parser does not see.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) anyhow::Error);

impl Display for Usage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl Error for Usage {}

/// The input, the files or the destination do not allow it.
const INPUT: u8 = 1;
/// As the command line's parser exits.
const USAGE: u8 = 2;
/// A planner said no.
const REFUSED: u8 = 3;
/// A planner broke a limit or a rule.
pub(crate) const MISBEHAVED: u8 = 4;
/// A file is no planner.
const NOT_A_PLANNER: u8 = 5;
/// As shells report a program that wrote to a closed pipe.
pub(crate) const CLOSED_PIPE: u8 = 141;
/// `verify` or `cache verify` found something.
pub(crate) const MISMATCH: u8 = 6;

/// The image is there, and something beside it is not.
pub(crate) const INCOMPLETE: u8 = 7;

const CODES: &str = "\
Exit codes:
  0    done
  1    the closure, a file or the destination does not allow it
  2    the command line is wrong, or names a place where nothing can be written
  3    a planner refused, with its own message
  4    a planner misbehaved: a trap, a limit, a proposal that breaks the rules
  5    a file is not a planner, or not the one that was pinned, or not pinned with --locked
  6    `verify` found mismatches, or `cache verify` damage
  7    the image is complete, but not what was to be kept beside it: a plan, a report, a state
  129  ended by SIGHUP, as when a terminal is closed
  130  ended by SIGINT, as by Ctrl-C
  141  whoever reads standard output has stopped reading
  143  ended by SIGTERM";

/// Returns `text` and the exit codes, for the help.
pub(crate) fn with_codes(text: &str) -> String {
    format!("{text}\n\n{CODES}")
}

/// Prints what the command line's parser has to say: help, which goes to standard output and must arrive there, or what is
/// wrong.
pub(crate) fn of_parser(told: &clap::Error) -> ExitCode {
    match told.print() {
        Err(error) if !told.use_stderr() && error.kind() == std::io::ErrorKind::BrokenPipe => CLOSED_PIPE.into(),
        Err(_) if !told.use_stderr() => INPUT.into(),
        _ => u8::try_from(told.exit_code()).unwrap_or(USAGE).into(),
    }
}

/// Tells the user, and returns the exit code.
pub(crate) fn report(error: &anyhow::Error, console: &Console) -> ExitCode {
    if is_cancelled(error) {
        console.warn("interrupted; nothing was written");
        return ExitCode::from(interrupt::exit_code());
    }
    // Whoever closed the pipe has seen enough.
    if is_broken_pipe(error) {
        return ExitCode::from(CLOSED_PIPE);
    }
    let Report { code, error, notes } = Report::of(error);
    console.error(&error);
    notes.iter().for_each(|note| console.note(note));
    ExitCode::from(code)
}

/// What the user is told of an error.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) code: u8,
    pub(crate) error: String,
    /// Who it was, where in it, and what it had said.
    pub(crate) notes: Vec<String>,
}

impl Report {
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let notes = match (strategy_error(error), chain_error(error)) {
            (Some(StrategyError::Misbehaved(failed)), _) => about_failed(failed),
            (Some(StrategyError::NotAStrategy { digest: Some(digest), .. }), _) => vec![about_digest(digest)],
            (_, Some(ChainError::BrokenProposal { planner, .. })) => vec![about_digest(&planner.digest)],
            _ => Vec::new(),
        };
        Self { code: code(error), error: chain_of_causes(error), notes }
    }
}

fn code(error: &anyhow::Error) -> u8 {
    if find::<Usage>(error).is_some() || find::<SourceError>(error).is_some() {
        return USAGE;
    }
    if find::<PackError>(error).is_some_and(is_of_the_command_line) {
        return USAGE;
    }
    match find::<SettingsError>(error) {
        Some(SettingsError::Misfit(_)) => return USAGE,
        Some(SettingsError::BadSchema { .. }) => return MISBEHAVED,
        None => {}
    }
    if find::<PinError>(error).is_some() || matches!(find(error), Some(NoPlanner::NotRegular { .. })) {
        return NOT_A_PLANNER;
    }
    if let Some(ChainError::BrokenProposal { .. }) = chain_error(error) {
        return MISBEHAVED;
    }
    match strategy_error(error) {
        Some(StrategyError::Refused { .. }) => REFUSED,
        Some(StrategyError::Misbehaved(_)) => MISBEHAVED,
        Some(StrategyError::NotAStrategy { .. }) => NOT_A_PLANNER,
        Some(StrategyError::Machine { .. }) | None => INPUT,
    }
}

/// What no input could mend: something is asked for that cannot be, or somewhere where it cannot be.
fn is_of_the_command_line(error: &PackError) -> bool {
    use PackError::{CompressedStream, LegacyElsewhere, NoPlace, Occupied};
    matches!(error, CompressedStream | LegacyElsewhere | NoPlace { .. } | Occupied { .. })
}

/// What a planner did, when it was loaded or when it was asked.
fn strategy_error(error: &anyhow::Error) -> Option<&StrategyError> {
    match chain_error(error) {
        Some(ChainError::NoProposal(error)) => Some(error),
        _ => find(error),
    }
}

fn chain_error(error: &anyhow::Error) -> Option<&ChainError<StrategyError>> {
    find(error)
}

/// `what: because: because`, with causes that only repeat what stands before them left out.
pub(crate) fn chain_of_causes(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            if !text.is_empty() {
                text += ": ";
            }
            text += &cause;
        }
    }
    text
}

/// How many of the last lines that a planner said are shown: enough for a traceback.
pub(crate) const LOG_TAIL: usize = 25;

fn about_failed(failed: &Failed) -> Vec<String> {
    let mut notes = vec![about_digest(failed.digest)];
    for (at, frame) in failed.frames.iter().enumerate() {
        notes.push(format!("{} {frame}", if at == 0 { "it was in" } else { "called by" }));
    }
    let tail = failed.log.len().saturating_sub(LOG_TAIL);
    if tail > 0 {
        notes.push(format!("it said {} lines, of which these are the last", failed.log.len()));
    }
    notes.extend(failed.log[tail..].iter().map(|line| format!("it said: {}", line.text)));
    notes
}

fn about_digest(digest: impl Display) -> String {
    format!("the planner's digest is {digest}")
}

fn is_cancelled(error: &anyhow::Error) -> bool {
    matches!(find::<PackError>(error), Some(PackError::Cancelled))
}

pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = match find::<PackError>(error) {
        Some(PackError::Write(error)) => Some(error),
        _ => find::<std::io::Error>(error),
    };
    error.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

fn find<E: Error + 'static>(error: &anyhow::Error) -> Option<&E> {
    error.chain().find_map(|cause| cause.downcast_ref::<E>())
}
