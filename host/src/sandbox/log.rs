//! What a strategy says while it runs: its messages, and what it writes to standard output and standard error.

use std::mem;

use layerwright_planner::Level;

use super::untrusted::{printable, printable_bytes};

/// Longest line that is kept, in bytes.
const LINE_BYTES: usize = 2000;

/// Lines that may be said for each MiB of the limit: an empty line costs something too.
const LINES_PER_MIB: u64 = 10_000;

/// One line of a message, made printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// How much it matters.
    pub(crate) level: Level,
    /// One line of text.
    pub(crate) text: String,
}

/// All that was said in one call. The quota counts over all of it: each message costs the host time that no fuel
/// pays for.
#[derive(Debug)]
pub(super) struct Log {
    limit_bytes: u64,
    bytes: u64,
    lines: Vec<LogLine>,
    /// What was written to a stream since its last end of line.
    unfinished: [(Level, Vec<u8>); 2],
}

/// More was said than allowed.
#[derive(Debug, thiserror::Error)]
#[error("it said more than {} KiB", limit_bytes >> 10)]
pub(super) struct LogFlood {
    pub(super) limit_bytes: u64,
}

impl Log {
    pub(super) fn new(limit_bytes: u64) -> Self {
        let unfinished = [(Level::Info, Vec::new()), (Level::Warn, Vec::new())];
        Self { limit_bytes, bytes: 0, lines: Vec::new(), unfinished }
    }

    /// Keeps a message.
    pub(super) fn add(&mut self, level: Level, message: &str) -> Result<(), LogFlood> {
        self.count(message.len())?;
        if message.is_empty() {
            return self.push(level, String::new());
        }
        message.lines().try_for_each(|line| self.push(level, printable(line, LINE_BYTES)))
    }

    /// Keeps what was written to a stream, line by line: standard output is `Info`, standard error is `Warn`.
    pub(super) fn write(&mut self, level: Level, bytes: &[u8]) -> Result<(), LogFlood> {
        self.count(bytes.len())?;
        let mut pieces = bytes.split(|byte| *byte == b'\n');
        self.unfinished(level).extend_from_slice(pieces.next().unwrap_or_default());
        for piece in pieces {
            let line = mem::replace(self.unfinished(level), piece.to_vec());
            self.push(level, printable_line(&line))?;
        }
        Ok(())
    }

    /// Returns all lines, those without an end among them, as if they had one.
    pub(super) fn into_lines(self) -> Vec<LogLine> {
        let unfinished = self.unfinished.into_iter().filter(|(_, line)| !line.is_empty());
        let ended = unfinished.map(|(level, line)| LogLine { level, text: printable_line(&line) });
        self.lines.into_iter().chain(ended).collect()
    }

    fn unfinished(&mut self, level: Level) -> &mut Vec<u8> {
        let stream = usize::from(level == Level::Warn);
        &mut self.unfinished[stream].1
    }

    fn count(&mut self, bytes: usize) -> Result<(), LogFlood> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > self.limit_bytes { Err(self.flood()) } else { Ok(()) }
    }

    fn push(&mut self, level: Level, text: String) -> Result<(), LogFlood> {
        let allowed = self.limit_bytes.saturating_mul(LINES_PER_MIB) >> 20;
        if self.lines.len() as u64 >= allowed {
            return Err(self.flood());
        }
        self.lines.push(LogLine { level, text });
        Ok(())
    }

    fn flood(&self) -> LogFlood {
        LogFlood { limit_bytes: self.limit_bytes }
    }
}

fn printable_line(line: &[u8]) -> String {
    printable_bytes(line.strip_suffix(b"\r").unwrap_or(line), LINE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_counts_over_all_messages() {
        let mut log = Log::new(1 << 20);
        let message = "x".repeat(1 << 16);
        for _ in 0..16 {
            log.add(Level::Info, &message).unwrap();
        }
        assert!(log.add(Level::Info, "x").is_err());
        assert!(log.write(Level::Info, b"x").is_err());
    }

    #[test]
    fn lines_are_counted_not_messages() {
        let mut log = Log::new(1 << 20);
        log.add(Level::Info, &"\n".repeat(10_000)).unwrap();
        assert!(log.add(Level::Info, "one more").is_err());
        assert!(log.write(Level::Info, b"one more\n").is_err());
        assert_eq!(log.into_lines().len(), 10_000);
    }

    #[test]
    fn streams_are_cut_into_lines() {
        let mut log = Log::new(1 << 20);
        log.write(Level::Warn, b"Trace").unwrap();
        log.write(Level::Info, b"out").unwrap();
        log.write(Level::Warn, b"back:\r\n  \xff\x1b[31m\n\nlast").unwrap();
        let lines: Vec<(Level, String)> = log.into_lines().into_iter().map(|line| (line.level, line.text)).collect();
        let line = |level, text: &str| (level, text.to_owned());
        assert_eq!(
            lines,
            [
                line(Level::Warn, "Traceback:"),
                line(Level::Warn, "  \\xff\\u{1b}[31m"),
                line(Level::Warn, ""),
                line(Level::Info, "out"),
                line(Level::Warn, "last")
            ]
        );
    }
}
