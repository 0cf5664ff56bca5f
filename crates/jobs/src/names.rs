//! Names of queues and schedules, and the texts that callers choose as keys: short, and without control
//! characters.

use crate::error::JobsError;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Bytes of a name or a key.
pub const NAME_BYTES_MAX: usize = 255;

/// Refuses what is no name.
pub(crate) fn check(what: &str, text: &str) -> Result<(), JobsError> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        let rule = format!("{what} has 1 to {NAME_BYTES_MAX} bytes and no control characters");
        return Err(JobsError::InvalidName(rule));
    }
    Ok(())
}

macro_rules! name_type {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes `text` if it is such a name.
            ///
            /// # Errors
            /// `InvalidName`.
            pub fn parse(text: &str) -> Result<Self, JobsError> {
                check($what, text)?;
                Ok(Self(text.into()))
            }

            /// A name that was checked when it was stored.
            pub(crate) fn stored(text: &str) -> Self {
                Self(text.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name_type!(
    /// A queue of a project: 1 to 255 bytes, no control characters. A queue is there while it has jobs.
    QueueName, "the name of a queue");
name_type!(
    /// A schedule of a project: 1 to 255 bytes, no control characters.
    ScheduleName, "the name of a schedule");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_printable() {
        assert!(QueueName::parse("mails/welcome").is_ok());
        for text in ["", "a\nb", &"x".repeat(256)] {
            assert!(QueueName::parse(text).is_err(), "{text}");
        }
    }
}
