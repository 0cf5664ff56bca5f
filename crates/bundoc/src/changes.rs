//! The change feed on disk. A value is: time of writing (milliseconds since 1970, 8 bytes), kind (1), length
//! of the collection's name (2) and the name, length of the id (2) and the id, the document as BSON.

use crate::engine::{Change, ChangeKind, ChangePosition, CollectionName, DocumentId};
use crate::error::EngineError;
use crate::layout::{self, Id};
use crate::store::KeyRange;
use bson::RawDocumentBuf;
use std::ops::Bound;
use std::time::{SystemTime, UNIX_EPOCH};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Added = 1,
    Modified = 2,
    Removed = 3,
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The stored bytes of a change that happens now.
pub(crate) fn encode(collection: &str, id: &str, kind: Kind, document: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(13 + collection.len() + id.len() + document.len());
    out.extend_from_slice(&now_millis().to_be_bytes());
    out.push(kind as u8);
    for text in [collection, id] {
        // Names and ids are far shorter than 64 KiB.
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(document);
    out
}

/// When a change was written.
pub(crate) fn written_at(value: &[u8]) -> Option<u64> {
    value.first_chunk::<8>().map(|time| u64::from_be_bytes(*time))
}

/// The keys after a position.
pub(crate) fn range(database: Id, after: ChangePosition) -> KeyRange {
    let to = crate::key::prefix_end(&database.to_be_bytes()).map_or(Bound::Unbounded, Bound::Excluded);
    KeyRange { from: Bound::Excluded(layout::change(database, after).to_vec()), to }
}

/// The change under a key.
pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Change, EngineError> {
    parse(key, value).ok_or_else(|| {
        EngineError::Damaged("an entry of the change feed is damaged: restore the store from a copy".into())
    })
}

fn parse(key: &[u8], value: &[u8]) -> Option<Change> {
    let position = layout::change_position(key)?;
    let (kind, rest) = value.get(8..)?.split_first()?;
    let (collection, rest) = take_text(rest)?;
    let (id, document) = take_text(rest)?;
    let kind = match kind {
        1 => ChangeKind::Added(RawDocumentBuf::from_bytes(document.to_vec()).ok()?),
        2 => ChangeKind::Modified(RawDocumentBuf::from_bytes(document.to_vec()).ok()?),
        3 => ChangeKind::Removed,
        _ => return None,
    };
    Some(Change {
        position,
        collection: CollectionName::parse(collection).ok()?,
        id: DocumentId::parse(id).ok()?,
        kind,
    })
}

fn take_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}
