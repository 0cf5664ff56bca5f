//! The objects of each project: files of any size under text names. Bytes cross as streams, never whole.

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use service_kit::error::{Classify, ErrorCode};
use service_kit::ids::ProjectId;
use std::ops::Range;
use std::sync::Arc;

/// The longest name, in bytes.
pub const OBJECT_NAME_BYTES_MAX: usize = 1024;
/// The longest content type, in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 255;

/// A name: 1 to 1024 bytes of UTF-8 without control characters. It never becomes the name of a file.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName(Arc<str>);

impl ObjectName {
    /// Takes `text` if it is a name.
    ///
    /// # Errors
    /// `InvalidName`.
    pub fn parse(text: &str) -> Result<Self, ObjectError> {
        let sized = (1..=OBJECT_NAME_BYTES_MAX).contains(&text.len());
        let plain = sized && !text.chars().any(char::is_control);
        if plain { Ok(Self(text.into())) } else { Err(ObjectError::InvalidName) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Bytes on their way in or out. An error ends them: what came before is not the whole.
pub type ObjectBytes = BoxStream<'static, std::io::Result<Bytes>>;

/// What is known of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Its name.
    pub name: ObjectName,
    /// Its bytes.
    pub size: u64,
    /// Its media type, as it was said when it was put.
    pub content_type: String,
    /// A hash of its bytes in hex, without quotes: another content has another one.
    pub etag: String,
    /// When it was put, in milliseconds since the epoch.
    pub modified_at: i64,
}

/// A condition on a write, evaluated when the object is put in place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ObjectCondition {
    /// None.
    #[default]
    Any,
    /// There is no such object.
    Absent,
    /// There is one.
    Present,
    /// There is one with one of these ETags.
    Etag(Vec<String>),
}

/// An object to be put.
pub struct PutObject {
    /// Its media type; without, `application/octet-stream`.
    pub content_type: Option<String>,
    /// When.
    pub condition: ObjectCondition,
    /// How many bytes were announced, so that what cannot be taken is refused before it comes.
    pub length: Option<u64>,
    /// Its bytes; read no faster than they are written.
    pub body: ObjectBytes,
}

/// Which part of an object to read (RFC 9110 §14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ObjectRange {
    /// All of it.
    #[default]
    All,
    /// From the first to the last of these positions, or to the end.
    From {
        /// The first.
        first: u64,
        /// The last, included.
        last: Option<u64>,
    },
    /// So many bytes at the end.
    Last(u64),
}

impl ObjectRange {
    /// The positions in an object of `size` bytes; `None` where there are none.
    pub fn within(self, size: u64) -> Option<Range<u64>> {
        match self {
            Self::All => Some(0..size),
            Self::From { first, last } => {
                let end = last.map_or(size, |last| last.saturating_add(1).min(size));
                (first < end).then_some(first..end)
            }
            Self::Last(bytes) => (bytes > 0 && size > 0).then(|| size.saturating_sub(bytes)..size),
        }
    }
}

/// An object that is being read.
pub struct ObjectRead {
    /// What it is.
    pub info: ObjectInfo,
    /// Which positions follow.
    pub range: Range<u64>,
    /// Their bytes.
    pub body: ObjectBytes,
}

/// Which objects to list, in the order of the bytes of their names.
#[derive(Debug, Clone, Default)]
pub struct ObjectList {
    /// Names that begin with this.
    pub prefix: String,
    /// Names that have this behind the prefix are brought together up to it.
    pub delimiter: Option<char>,
    /// Objects and prefixes at the most, 1 to 1000.
    pub limit: usize,
    /// The cursor of an earlier page.
    pub cursor: Option<String>,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<ObjectInfo>,
    /// What others have in common up to the delimiter.
    pub prefixes: Vec<String>,
    /// Where the next page begins, if there is one.
    pub next_cursor: Option<String>,
}

/// Why nothing was read or written.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// The name breaks a rule.
    #[error("a name has 1 to {OBJECT_NAME_BYTES_MAX} bytes of UTF-8 without control characters")]
    InvalidName,
    /// A content type, cursor, or limit breaks a rule; the text says which.
    #[error("{0}")]
    Invalid(&'static str),
    /// There is no such object.
    #[error("there is no such object")]
    NotFound,
    /// The condition does not hold.
    #[error("the object is not as the condition says: look at it and try again")]
    PreconditionFailed,
    /// The range has no byte of the object.
    #[error("the range lies outside of the object, which has {size} bytes")]
    RangeNotSatisfiable {
        /// Bytes of the object.
        size: u64,
    },
    /// A limit of the project or of objects; the text says which.
    #[error("{0}")]
    LimitExceeded(String),
    /// The bytes ended before they were all there.
    #[error("the body ended early: nothing was stored")]
    BrokenOff(#[source] std::io::Error),
    /// Too many transfers at once.
    #[error("too many objects are on their way: try again in a moment")]
    Overloaded,
    /// The disk is full.
    #[error("the disk is full: nothing was stored, reading goes on")]
    DiskFull,
    /// The store has stopped, or the project is being removed.
    #[error("the object store does not take this any more")]
    Stopped,
    /// The store failed.
    #[error("the object store failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Classify for ObjectError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::InvalidName => ErrorCode::InvalidName,
            Self::Invalid(_) | Self::BrokenOff(_) => ErrorCode::InvalidRequest,
            Self::NotFound => ErrorCode::ObjectNotFound,
            Self::PreconditionFailed => ErrorCode::PreconditionFailed,
            Self::RangeNotSatisfiable { .. } => ErrorCode::RangeNotSatisfiable,
            Self::LimitExceeded(_) => ErrorCode::LimitExceeded,
            Self::Overloaded => ErrorCode::Overloaded,
            Self::DiskFull => ErrorCode::DiskFull,
            Self::Stopped => ErrorCode::Unavailable,
            Self::Failed(_) => ErrorCode::Internal,
        }
    }
}

/// The store. What was put is durable when the call returns.
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Puts an object in place of what is there. Dropped before it returns, it leaves either all or nothing.
    ///
    /// # Errors
    /// The condition does not hold, a limit is reached, the bytes broke off, or the store failed.
    async fn put(
        &self,
        project: &ProjectId,
        name: &ObjectName,
        object: PutObject,
    ) -> Result<ObjectInfo, ObjectError>;

    /// Opens an object for reading. What is read stays as it was, even where it is replaced meanwhile.
    ///
    /// # Errors
    /// `NotFound`, `RangeNotSatisfiable`, or the store failed.
    async fn get(
        &self,
        project: &ProjectId,
        name: &ObjectName,
        range: ObjectRange,
    ) -> Result<ObjectRead, ObjectError>;

    /// What is known of an object.
    ///
    /// # Errors
    /// `NotFound`, or the store failed.
    async fn head(&self, project: &ProjectId, name: &ObjectName) -> Result<ObjectInfo, ObjectError>;

    /// Removes an object.
    ///
    /// # Errors
    /// `NotFound` under no condition; else `PreconditionFailed`; or the store failed.
    async fn delete(
        &self,
        project: &ProjectId,
        name: &ObjectName,
        condition: ObjectCondition,
    ) -> Result<(), ObjectError>;

    /// One page of objects.
    ///
    /// # Errors
    /// The cursor or limit is not valid, or the store failed.
    async fn list(&self, project: &ProjectId, list: ObjectList) -> Result<ObjectPage, ObjectError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_cut_to_the_object() {
        let from = |first, last| ObjectRange::From { first, last };
        let cases = [
            (ObjectRange::All, Some(0..10)),
            (from(0, Some(3)), Some(0..4)),
            (from(8, Some(u64::MAX)), Some(8..10)),
            (from(9, None), Some(9..10)),
            (from(10, None), None),
            (from(5, Some(4)), None),
            (ObjectRange::Last(3), Some(7..10)),
            (ObjectRange::Last(30), Some(0..10)),
            (ObjectRange::Last(0), None),
        ];
        for (range, expected) in cases {
            assert_eq!(range.within(10), expected, "{range:?}");
        }
        assert_eq!(ObjectRange::All.within(0), Some(0..0));
        assert_eq!(ObjectRange::Last(1).within(0), None);
    }
}
