//! Delivery of events: how far a subscriber has read a source is moved in the transaction that enqueues the jobs
//! for what was read, so that a crash neither loses nor doubles an event.

use crate::error::JobsError;
use crate::job::NewJob;
use crate::names;
use service_kit::ids::ProjectId;

/// Bytes of a position.
const POSITION_BYTES_MAX: usize = 1_024;

/// A subscriber of a source: a topic's log, or a change feed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CursorKey {
    /// Whose.
    pub project: ProjectId,
    /// Such as `topic/orders`: 1 to 255 bytes.
    pub source: String,
    /// Such as a trigger of a function: 1 to 255 bytes.
    pub subscriber: String,
}

/// What was read from a source, and where the reading goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Whose cursor.
    pub cursor: CursorKey,
    /// Where it stood when this was read; `None` where there was none.
    pub expected: Option<String>,
    /// Where it goes; opaque, 1 to 1,024 bytes without NUL.
    pub position: String,
    /// The jobs for what was read; with the event's id as the unique key, reading it again enqueues nothing.
    /// May be empty.
    pub jobs: Vec<NewJob>,
}

impl Delivery {
    pub(crate) fn check(&self) -> Result<(), JobsError> {
        names::check("a source of events", &self.cursor.source)?;
        names::check("a subscriber", &self.cursor.subscriber)?;
        let length = self.position.len();
        if length == 0 || length > POSITION_BYTES_MAX || self.position.contains('\0') {
            let rule =
                format!("the position of a cursor has 1 to {POSITION_BYTES_MAX} bytes, none of them 0");
            return Err(JobsError::Invalid(rule));
        }
        Ok(())
    }
}
