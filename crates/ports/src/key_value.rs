//! The key-value store of each project: small values under text keys, with an expiry where one is wanted.
//! Every call is atomic: two increments or two conditional writes never both see the same state.

use async_trait::async_trait;
use bytes::Bytes;
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::ProjectId;
use std::sync::Arc;
use std::time::Duration;

/// The longest key, in bytes.
pub const KV_KEY_BYTES_MAX: usize = 1024;

/// A key: 1 to 1024 bytes of UTF-8 without control characters. Nothing else is special in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KvKey(Arc<str>);

impl KvKey {
    /// Takes `text` if it is a key.
    ///
    /// # Errors
    /// `InvalidKey`.
    pub fn parse(text: &str) -> Result<Self, KvError> {
        let sized = (1..=KV_KEY_BYTES_MAX).contains(&text.len());
        if sized && !text.chars().any(char::is_control) {
            Ok(Self(text.into()))
        } else {
            Err(KvError::InvalidKey)
        }
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    /// The value.
    pub value: Bytes,
    /// Its version; a key that was removed and set again never has an old one.
    pub version: u64,
    /// When it goes, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
}

/// A condition on a write, evaluated when it is applied. A key that has expired is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KvCondition {
    /// None.
    #[default]
    Any,
    /// The key is not there.
    Absent,
    /// The key is there.
    Present,
    /// The key is there with this version: compare and set.
    Version(u64),
}

/// What to set.
#[derive(Debug, Clone, Default)]
pub struct KvSet {
    /// The value.
    pub value: Bytes,
    /// How long it stays; `None` for ever. An earlier expiry is forgotten.
    pub ttl: Option<Duration>,
    /// When.
    pub condition: KvCondition,
}

/// What was set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvWritten {
    /// The new version.
    pub version: u64,
    /// Whether the key was not there before.
    pub created: bool,
    /// When it goes, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
}

/// Adds to a decimal integer; a key that is not there begins with 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvIncrement {
    /// How much; may be negative.
    pub by: i64,
    /// The expiry of a key that this call makes. A key that is there keeps its own, so that a counter with
    /// an expiry is a fixed window.
    pub ttl: Option<Duration>,
}

/// Which keys to list, in the order of their bytes.
#[derive(Debug, Clone, Default)]
pub struct KvList {
    /// Keys that begin with this.
    pub prefix: String,
    /// Keys of this form: `*` for any text, `?` for one character.
    pub pattern: Option<String>,
    /// Keys at the most, 1 to 1000.
    pub limit: usize,
    /// The cursor of an earlier page.
    pub cursor: Option<String>,
}

/// One key of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvRow {
    /// The key.
    pub key: KvKey,
    /// Its version.
    pub version: u64,
    /// Bytes of the value.
    pub bytes: u64,
    /// When it goes, in milliseconds since the epoch.
    pub expires_at: Option<i64>,
}

/// One page. It may be short, or empty, and still have a next one: a call looks at so many keys at the most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvPage {
    /// The keys.
    pub rows: Vec<KvRow>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<String>,
}

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error)]
pub enum KvError {
    /// The key breaks a rule.
    #[error("a key has 1 to {KV_KEY_BYTES_MAX} bytes of UTF-8 without control characters")]
    InvalidKey,
    /// A pattern, cursor, limit or expiry breaks a rule; the text says which.
    #[error("{0}")]
    Invalid(&'static str),
    /// The key is not there.
    #[error("there is no such key, or it has expired")]
    NotFound,
    /// The condition does not hold.
    #[error("the key is not as the condition says: read it and try again")]
    PreconditionFailed,
    /// The value is no decimal integer of 64 bits, or the sum would be none.
    #[error("the value is not a decimal integer of 64 bits, or would not be one after this")]
    NotANumber,
    /// A limit of the project; the text says which.
    #[error("{0}")]
    LimitExceeded(String),
    /// The queue of writes is full.
    #[error("too many writes are waiting: try again in a moment")]
    Overloaded,
    /// The disk is full.
    #[error("the disk is full: nothing was written, reading goes on")]
    DiskFull,
    /// The store has stopped, or the project is being removed.
    #[error("the key-value store does not take this any more")]
    Stopped,
    /// The store failed.
    #[error("the key-value store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for KvError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidKey => ErrorCode::InvalidName,
            Self::Invalid(_) => ErrorCode::InvalidRequest,
            Self::NotFound => ErrorCode::KvKeyNotFound,
            Self::PreconditionFailed => ErrorCode::PreconditionFailed,
            Self::NotANumber => ErrorCode::WrongType,
            Self::LimitExceeded(_) => ErrorCode::LimitExceeded,
            Self::Overloaded => ErrorCode::Overloaded,
            Self::DiskFull => ErrorCode::DiskFull,
            Self::Stopped => ErrorCode::Unavailable,
            Self::Failed(_) => ErrorCode::Internal,
        }
    }
}

/// The store. A write is durable when its call returns.
#[async_trait]
pub trait KeyValue: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// The store failed.
    async fn get(&self, project: &ProjectId, key: &KvKey) -> Result<Option<KvEntry>, KvError>;

    /// Sets a key.
    ///
    /// # Errors
    /// The condition does not hold, a limit is reached, or the store failed.
    async fn set(&self, project: &ProjectId, key: &KvKey, set: KvSet) -> Result<KvWritten, KvError>;

    /// Removes a key.
    ///
    /// # Errors
    /// `NotFound` under no condition; else `PreconditionFailed`; or the store failed.
    async fn delete(&self, project: &ProjectId, key: &KvKey, condition: KvCondition) -> Result<(), KvError>;

    /// Adds to a number and returns the sum.
    ///
    /// # Errors
    /// `NotANumber`, a limit is reached, or the store failed.
    async fn increment(
        &self,
        project: &ProjectId,
        key: &KvKey,
        increment: KvIncrement,
    ) -> Result<i64, KvError>;

    /// One page of keys.
    ///
    /// # Errors
    /// The cursor, pattern or limit is not valid, or the store failed.
    async fn list(&self, project: &ProjectId, list: KvList) -> Result<KvPage, KvError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_any_printable_text() {
        for text in ["a", "..", "../../etc/passwd", "users/ä b:1", &"x".repeat(1024)] {
            assert_eq!(KvKey::parse(text).unwrap().as_str(), text);
        }
        for text in ["", "a\0b", "a\nb", "a\u{85}", &"x".repeat(1025)] {
            assert!(matches!(KvKey::parse(text), Err(KvError::InvalidKey)), "{text}");
        }
    }
}
