//! Documents that a service keeps for itself in a project's database, in collections that begin with
//! `_system/` and are not seen from outside. They leave with the project.

use crate::events::{InvalidTopic, Topic};
use async_trait::async_trait;
use bson::{Document, RawDocumentBuf};
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::ProjectId;

/// Collections of services begin with this; routes for developers and applications refuse such names.
pub const SYSTEM_PREFIX: &str = "_system/";

/// The topic on which changes of a collection are published: `db.<collection>`. What cannot stand in a segment of
/// a topic is percent-encoded, `%` too.
///
/// # Errors
/// It is longer than a topic may be.
pub fn topic_of_changes(collection: &str) -> Result<Topic, InvalidTopic> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut topic = String::with_capacity(3 + collection.len());
    topic.push_str("db.");
    for byte in collection.bytes() {
        if byte.is_ascii_graphic() && !matches!(byte, b'.' | b'*' | b'>' | b'%') {
            topic.push(byte.into());
        } else {
            topic.push('%');
            topic.push(HEX[usize::from(byte >> 4)].into());
            topic.push(HEX[usize::from(byte & 15)].into());
        }
    }
    Topic::parse(&topic)
}

/// A collection of a project.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    /// The project.
    pub project: &'a ProjectId,
    /// The collection, with `SYSTEM_PREFIX`.
    pub collection: &'a str,
}

/// A document as it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The whole document, `_id` first.
    pub document: RawDocumentBuf,
    /// What `Precondition::Version` compares with.
    pub version: u64,
}

/// A query: filter in the query language, in `_id` order or in that of one field.
#[derive(Debug, Clone, Default)]
pub struct Find {
    /// Filter; empty matches all.
    pub filter: Document,
    /// A field to sort by, ascending; `_id` without.
    pub sort: Option<String>,
    /// Documents at the most, 1 to 1000.
    pub limit: usize,
    /// The cursor of an earlier page.
    pub cursor: Option<String>,
}

/// One page.
#[derive(Debug, Clone)]
pub struct Found {
    /// The documents.
    pub documents: Vec<Stored>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<String>,
}

/// A condition, evaluated when the write is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// None.
    Any,
    /// The document exists with this version.
    Version(u64),
    /// There is no such document.
    Absent,
}

/// One write of a batch.
#[derive(Debug, Clone)]
pub enum Write {
    /// Puts a whole document, `_id` in it.
    Put {
        /// The collection, with `SYSTEM_PREFIX`.
        collection: String,
        /// What.
        document: RawDocumentBuf,
        /// Condition.
        condition: Condition,
    },
    /// Removes a document; a missing one is `NotFound`.
    Delete {
        /// The collection, with `SYSTEM_PREFIX`.
        collection: String,
        /// Which.
        id: String,
        /// Condition.
        condition: Condition,
    },
}

/// Why documents were not read or written.
#[derive(Debug, thiserror::Error)]
pub enum DocumentsError {
    /// There is no such document.
    #[error("there is no such document")]
    NotFound,
    /// A condition does not hold.
    #[error("the document was changed by somebody else")]
    Conflict,
    /// Another document has this key in a unique index.
    #[error("another document has this key")]
    Duplicate,
    /// The request is malformed; a defect of the caller.
    #[error("documents were asked for wrongly: {0}")]
    Invalid(String),
    /// The store cannot be reached, or refuses (disk full, overload).
    #[error("documents cannot be read or written at the moment")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for DocumentsError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound => ErrorCode::DocumentNotFound,
            Self::Conflict => ErrorCode::PreconditionFailed,
            Self::Duplicate => ErrorCode::UniqueViolation,
            Self::Invalid(_) => ErrorCode::Internal,
            Self::Unavailable(_) => ErrorCode::Unavailable,
        }
    }
}

/// The project's database, for services.
#[async_trait]
pub trait Documents: Send + Sync {
    /// Declares a unique or plain index and waits until it is in use. Idempotent.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn ensure_index(
        &self,
        at: At<'_>,
        fields: &[&str],
        unique: Uniqueness,
    ) -> Result<(), DocumentsError>;

    /// One document.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn get(&self, at: At<'_>, id: &str) -> Result<Option<Stored>, DocumentsError>;

    /// One page of a query.
    ///
    /// # Errors
    /// `Invalid`, `Unavailable`.
    async fn find(&self, at: At<'_>, find: Find) -> Result<Found, DocumentsError>;

    /// Commits all writes or none; durable on return.
    ///
    /// # Errors
    /// `NotFound`, `Conflict`, `Duplicate`, `Unavailable`.
    async fn write(&self, project: &ProjectId, writes: Vec<Write>) -> Result<(), DocumentsError>;
}

/// Whether two documents may share a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uniqueness {
    /// They may.
    Shared,
    /// They may not.
    Unique,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_collection_has_a_topic_of_its_own() {
        for (collection, wanted) in [
            ("users", "db.users"),
            ("users/1/posts", "db.users/1/posts"),
            ("a.b", "db.a%2Eb"),
            ("a%2Eb", "db.a%252Eb"),
            ("ä *>", "db.%C3%A4%20%2A%3E"),
        ] {
            assert_eq!(topic_of_changes(collection).unwrap().as_str(), wanted);
        }
        assert!(topic_of_changes(&"ä".repeat(127)).is_ok());
    }
}
