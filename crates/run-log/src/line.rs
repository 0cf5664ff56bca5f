//! The plain types of lines: one as it is written, a query, one as it is read.

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
    /// A JSON object as text. Other JSON is kept as `{"value": …}`.
    pub fields: Option<String>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

impl LogLine {
    /// What the line takes in memory, about.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + self.message.len() + self.fields.as_ref().map_or(0, String::len)
    }
}

/// In which order lines are answered, and with that where a page begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// With `after` as `OldestFirst`; without it the newest lines, the oldest of them first.
    #[default]
    Latest,
    /// From the oldest on; the next page has [`LogPage::next`] as `after`.
    OldestFirst,
    /// From the newest back; the next page has [`LogPage::next`] as `before`.
    NewestFirst,
}

/// A field that a line has to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFilter {
    /// Names from the outside in, such as `["user", "id"]`.
    pub path: Vec<String>,
    /// The value: a string as it is, anything else as JSON writes it (`12`, `true`, `null`).
    pub value: String,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Of this call only.
    pub invocation_id: Option<String>,
    /// Of this version only.
    pub version: Option<String>,
    /// Of this severity and above.
    pub level: Option<Level>,
    /// Written at or after this moment, in milliseconds since the epoch.
    pub since_ms: Option<i64>,
    /// Written before this moment.
    pub until_ms: Option<i64>,
    /// The message has this text in it; the case of ASCII letters does not count.
    pub text: Option<String>,
    /// Each of these holds.
    pub fields: Vec<FieldFilter>,
    /// Lines at most; the configuration caps it.
    pub limit: usize,
    /// Lines after this cursor.
    pub after: Option<i64>,
    /// Lines before this cursor.
    pub before: Option<i64>,
    /// In which order.
    pub order: Order,
}

impl LogQuery {
    /// Whether cursors rise from line to line as they are read from the store.
    pub(crate) fn is_forward(&self) -> bool {
        match self.order {
            Order::Latest => self.after.is_some(),
            Order::OldestFirst => true,
            Order::NewestFirst => false,
        }
    }

    /// Whether lines have to be looked at one by one.
    pub(crate) fn is_filtered(&self) -> bool {
        self.version.is_some()
            || self.level.is_some()
            || self.since_ms.is_some()
            || self.until_ms.is_some()
            || self.text.is_some()
            || !self.fields.is_empty()
    }
}

/// One line out of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLine {
    /// Its place in the log.
    pub cursor: i64,
    /// Whose it is.
    pub function: String,
    /// The version that ran.
    pub version: String,
    /// The call that wrote it.
    pub invocation_id: Option<String>,
    /// Severity.
    pub level: Level,
    /// Text.
    pub message: String,
    /// A JSON object as text.
    pub fields: Option<String>,
    /// Milliseconds since the epoch.
    pub at_ms: i64,
}

/// Lines in the order that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<StoredLine>,
    /// The cursor that asks for what comes next; none where nothing was found and none was given.
    pub next: Option<i64>,
    /// Whether there is more already: the page is full, or the query looked at as many lines as it may.
    pub more: bool,
}

/// Cuts `text` to `bytes_max` at a character boundary; returns how many bytes are gone.
pub(crate) fn cut_silently(text: &mut String, bytes_max: usize) -> usize {
    if text.len() <= bytes_max {
        return 0;
    }
    let missing = text.len() - text.floor_char_boundary(bytes_max);
    text.truncate(text.len() - missing);
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        let mut text = "ä".repeat(10);
        assert_eq!(cut_silently(&mut text, 5), 16);
        assert_eq!(text, "ää");
        assert_eq!(cut_silently(&mut text, 4), 0);
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
