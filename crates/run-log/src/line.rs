//! The plain types: a line as it is written, a query, a line as it is read.

use serde::Serialize;
use service_kit::ids::{FunctionId, ProjectId};
use std::sync::Arc;

/// Severity, in rising order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// For whoever debugs.
    Debug,
    /// What happened.
    Info,
    /// What may be wrong.
    Warn,
    /// What is wrong.
    Error,
}

impl Level {
    const ALL: [Self; 4] = [Self::Debug, Self::Info, Self::Warn, Self::Error];

    /// `debug`, `info`, `warn` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }

    /// Reads what `as_str` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == text)
    }

    pub(crate) fn rank(self) -> i64 {
        match self {
            Self::Debug => 0,
            Self::Info => 1,
            Self::Warn => 2,
            Self::Error => 3,
        }
    }

    pub(crate) fn of_rank(rank: i64) -> Self {
        Self::ALL.into_iter().find(|level| level.rank() == rank).unwrap_or(Self::Error)
    }
}

/// One line on its way into the log.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// Whose.
    pub project: ProjectId,
    /// Which function's.
    pub function: FunctionId,
    /// The version that ran.
    pub version: Arc<str>,
    /// The call that wrote it; none outside of a call.
    pub invocation_id: Option<Arc<str>>,
    /// Severity.
    pub level: Level,
    /// Text.
    pub message: String,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// Which lines of a function are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Of this call only.
    pub invocation_id: Option<String>,
    /// Of this severity and above.
    pub level: Option<Level>,
    /// Written at or after this moment, in milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Written before this moment.
    pub until_ms: Option<i64>,
    /// Lines at most; the configuration caps it.
    pub limit: usize,
    /// Lines after this cursor. Without it the newest lines are answered.
    pub after: Option<i64>,
}

/// One line out of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLine {
    /// Its place in the log.
    pub cursor: i64,
    /// The version that ran.
    pub version: String,
    /// The call that wrote it.
    pub invocation_id: Option<String>,
    /// Severity.
    pub level: Level,
    /// Text.
    pub message: String,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// Lines in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<StoredLine>,
    /// The cursor that asks for what comes after; none where nothing was found and none was given.
    pub next: Option<i64>,
}

/// Cuts `message` to `bytes_max` at a character boundary and says how much is missing.
pub(crate) fn cut(message: &mut String, bytes_max: usize) {
    if message.len() <= bytes_max {
        return;
    }
    let mut end = bytes_max;
    while !message.is_char_boundary(end) {
        end -= 1;
    }
    let missing = message.len() - end;
    message.truncate(end);
    message.push_str(&format!("… [{missing} bytes cut]"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_at_a_character_and_says_so() {
        let mut message = "ä".repeat(10);
        cut(&mut message, 5);
        assert_eq!(message, "ää… [16 bytes cut]");
        let mut short = "abc".to_owned();
        cut(&mut short, 3);
        assert_eq!(short, "abc");
    }

    #[test]
    fn levels_survive_being_stored() {
        for level in Level::ALL {
            assert_eq!(Level::of_rank(level.rank()), level);
            assert_eq!(Level::parse(level.as_str()), Some(level));
        }
        assert!(Level::Warn < Level::Error);
    }
}
