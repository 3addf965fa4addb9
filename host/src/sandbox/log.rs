//! What a strategy says while it runs.

use layerwright_planner::Level;

use super::limits::Limits;
use super::untrusted::printable;

/// Longest line that is kept, in bytes.
const LINE_BYTES: usize = 2000;

/// One message, made printable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogLine {
    /// How much it matters.
    pub(crate) level: Level,
    /// One line of text.
    pub(crate) text: String,
}

/// All messages of one call.
#[derive(Debug, Default)]
pub(super) struct Log {
    lines: Vec<LogLine>,
    bytes: usize,
}

/// More was said than allowed.
#[derive(Debug, thiserror::Error)]
#[error("logged more than {} lines or {} bytes", Limits::LOG_LINES, Limits::LOG_BYTES)]
pub(super) struct LogFlood;

impl Log {
    /// Keeps a message. The quota counts over the whole call: each message costs the host time that no fuel pays for.
    pub(super) fn add(&mut self, level: Level, message: &str) -> Result<(), LogFlood> {
        self.bytes = self.bytes.saturating_add(message.len());
        if self.bytes > Limits::LOG_BYTES {
            return Err(LogFlood);
        }
        for line in message.lines() {
            if self.lines.len() == Limits::LOG_LINES {
                return Err(LogFlood);
            }
            self.lines.push(LogLine { level, text: printable(line, LINE_BYTES) });
        }
        Ok(())
    }

    pub(super) fn into_lines(self) -> Vec<LogLine> {
        self.lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_counts_over_all_messages() {
        let mut log = Log::default();
        let message = "x".repeat(1 << 16);
        for _ in 0..16 {
            log.add(Level::Info, &message).unwrap();
        }
        assert!(log.add(Level::Info, "one more").is_err());
    }

    #[test]
    fn lines_are_counted_not_messages() {
        let mut log = Log::default();
        log.add(Level::Info, &"\n".repeat(Limits::LOG_LINES)).unwrap();
        assert!(log.add(Level::Info, "one more").is_err());
        assert_eq!(log.into_lines().len(), Limits::LOG_LINES);
    }
}
