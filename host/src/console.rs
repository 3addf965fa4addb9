//! Everything that is said to the user, on standard error. Standard output is for what was asked for.

use std::io::{IsTerminal, Write};

use clap::builder::styling::{AnsiColor, Style};
use indicatif::{BinaryBytes, HumanCount};
use layerwright_planner::Level;

use crate::sandbox::{LogLine, Notice, Usage, printable, without_commands};

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const NOTE: Style = AnsiColor::Cyan.on_default();
const DEBUG: Style = Style::new().dimmed();

/// Longest line that is shown, in bytes. Errors that list much come as several lines.
const LINE_BYTES: usize = 8000;

/// The one way to the terminal. What cannot be said is not: a full disk behind standard error changes no result.
fn show(heading: &str, text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{heading}{}", shown(text));
}

/// Text as it is shown: names of nodes, files and fields in a message may be anybody's.
pub(crate) fn shown(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| printable(line, LINE_BYTES)).collect();
    without_commands(&lines.join("\n")).into_owned()
}

/// How much is said. Colours follow the terminal, `NO_COLOR` and `CLICOLOR_FORCE`.
#[derive(Clone, Copy)]
pub(crate) struct Console {
    lowest: Level,
    verbose: bool,
    quiet: bool,
}

impl Console {
    pub(crate) fn new(verbose: u8, quiet: bool) -> Self {
        let lowest = match verbose {
            0 => Level::Warn,
            1 => Level::Info,
            _ => Level::Debug,
        };
        Self { lowest, verbose: verbose > 0, quiet }
    }

    /// The same for what is done again and again: silent, unless the user wants to know more.
    pub(crate) fn for_repetition(&self) -> Self {
        Self { quiet: !self.verbose, ..*self }
    }

    /// Whether moving progress bars make sense.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }

    pub(crate) fn error(&self, text: &str) {
        show(&format!("{ERROR}error:{ERROR:#} "), text);
    }

    pub(crate) fn warn(&self, text: &str) {
        if !self.quiet {
            show(&format!("{WARNING}warning:{WARNING:#} "), text);
        }
    }

    /// Also where the user wants to hear of errors only.
    pub(crate) fn warn_always(&self, text: &str) {
        Self { quiet: false, ..*self }.warn(text);
    }

    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            show(&format!("{NOTE}note:{NOTE:#} "), text);
        }
    }

    pub(crate) fn say(&self, text: &str) {
        if !self.quiet {
            show("", text);
        }
    }

    /// Tells why there is a pause, or why the next one will not be shorter.
    pub(crate) fn compiling(&self, notice: Notice<'_>) {
        match notice {
            Notice::Compiling { planner, is_kept: true } => {
                self.note(&format!("compiling planner `{planner}`, which is needed once"));
            }
            Notice::Compiling { planner, is_kept: false } => self.note(&format!("compiling planner `{planner}`")),
            Notice::DamagedEntry => {
                self.warn("a compiled planner was damaged, or not compiled here; it is compiled again");
            }
            Notice::NotKept(error) => self.warn(&format!("a compiled planner could not be kept: {error}")),
        }
    }

    /// Shows a line of a strategy's log, for its author, who wants to see all of them.
    pub(crate) fn log(&self, line: &LogLine) {
        let (style, level) = match line.level {
            Level::Warn => (WARNING, "warn"),
            Level::Info => (NOTE, "info"),
            Level::Debug => (DEBUG, "debug"),
        };
        if !self.quiet {
            show(&format!("{style}{level}:{style:#} "), &line.text);
        }
    }

    /// Shows what a planner said, as far as the user wants to know.
    pub(crate) fn said(&self, planner: &str, log: &[LogLine]) {
        for line in log.iter().filter(|line| line.level >= self.lowest) {
            match line.level {
                Level::Warn => self.warn(&format!("planner `{planner}`: {}", line.text)),
                Level::Info | Level::Debug => self.note(&format!("planner `{planner}`: {}", line.text)),
            }
        }
    }

    /// Shows what a planner used, to users who want to know.
    pub(crate) fn used(&self, planner: &str, usage: Usage) {
        if self.verbose {
            let Usage { fuel, memory_bytes, time, limits } = usage;
            let memory = format!("{} of {}", BinaryBytes(memory_bytes), BinaryBytes(limits.memory_bytes));
            let (time, timeout) = (time.as_secs_f64(), limits.timeout.as_secs());
            self.note(&format!(
                "planner `{planner}` used {} of {} instructions, {memory} of memory, {time:.3} of {timeout} s",
                HumanCount(fuel),
                HumanCount(limits.fuel),
            ));
        }
    }
}
