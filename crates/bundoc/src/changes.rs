//! The change feed on disk. A value is: time of writing (milliseconds since 1970, 8 bytes), kind (1), number
//! of the collection (4), length of its name (2) and the name, length of the id (2) and the id, length of
//! the document before (4) and that document, the document as BSON. Format 1 had kinds 1 to 3, without
//! number and document before; such entries are read until they are trimmed.

use crate::catalog::{Collection, record};
use crate::engine::{Change, ChangeKind, ChangePosition, CollectionName, DocumentId};
use crate::error::EngineError;
use crate::layout::{self, Id, Space};
use crate::options::EngineOptions;
use crate::store::{KeyRange, View};
use bson::RawDocumentBuf;
use std::ops::Bound;
use std::time::{SystemTime, UNIX_EPOCH};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Added = 4,
    Modified = 5,
    Removed = 6,
    Dropped = 7,
    RulesReplaced = 8,
}

/// An entry before it is stored. What does not apply is empty.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Texts<'a> {
    pub(crate) id: &'a str,
    /// As it was.
    pub(crate) before: &'a [u8],
    /// As it is.
    pub(crate) document: &'a [u8],
}

/// Now, in milliseconds since 1970.
pub(crate) fn now_millis() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// The stored bytes of a change that happens now.
pub(crate) fn encode(collection: &Collection, kind: Kind, texts: Texts<'_>) -> Vec<u8> {
    let Texts { id, before, document } = texts;
    let name = collection.name.as_str();
    let mut out = Vec::with_capacity(21 + name.len() + id.len() + before.len() + document.len());
    out.extend_from_slice(&now_millis().to_be_bytes());
    out.push(kind as u8);
    out.extend_from_slice(&collection.id.to_be_bytes());
    for text in [name, id] {
        // Names and ids are far shorter than 64 KiB.
        out.extend_from_slice(&(text.len() as u16).to_be_bytes());
        out.extend_from_slice(text.as_bytes());
    }
    // Documents are far shorter than 4 GiB.
    out.extend_from_slice(&(before.len() as u32).to_be_bytes());
    out.extend_from_slice(before);
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

/// Up to `limit` changes after a place, as many as make a page.
///
/// # Errors
/// `FeedTrimmed` where the feed does not reach back to it.
pub(crate) fn read(
    view: &View<'_>,
    database: Id,
    (after, limit): (ChangePosition, usize),
    options: &EngineOptions,
) -> Result<Vec<Change>, EngineError> {
    let feed = view.get(Space::Catalog, &record::feed_key(database))?;
    let feed = feed.map(|feed| record::decode_feed(&feed)).transpose()?.unwrap_or_default();
    if after < feed.floor {
        return Err(EngineError::FeedTrimmed);
    }
    let mut bytes = 0;
    let mut found = Vec::new();
    for entry in view.ascending(Space::Changes, range(database, after)).take(limit) {
        let (key, value) = entry?;
        bytes += value.len();
        found.push(decode(&key, &value)?);
        if bytes >= options.find_page_bytes_max {
            break;
        }
    }
    Ok(found)
}

/// The change under a key.
pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Change, EngineError> {
    let (kind, rest) = value.get(8..).and_then(<[u8]>::split_first).ok_or_else(damaged)?;
    let change = if (1..=3).contains(kind) { parse_first(key, *kind, rest) } else { parse(key, *kind, rest) };
    change.ok_or_else(damaged)
}

fn damaged() -> EngineError {
    EngineError::Damaged("an entry of the change feed is damaged: restore the store from a copy".into())
}

fn parse(key: &[u8], kind: u8, rest: &[u8]) -> Option<Change> {
    let (number, rest) = rest.split_first_chunk::<4>()?;
    let (collection, rest) = take_text(rest)?;
    let (id, rest) = take_text(rest)?;
    let (before_bytes, rest) = rest.split_first_chunk::<4>()?;
    let (before, document) = rest.split_at_checked(u32::from_be_bytes(*before_bytes) as usize)?;
    let before = if before.is_empty() { None } else { Some(parse_document(before)?) };
    let kind = match kind {
        4 => ChangeKind::Added(parse_document(document)?),
        5 => ChangeKind::Modified { before, after: parse_document(document)? },
        6 => ChangeKind::Removed { before },
        7 => ChangeKind::Dropped,
        8 => ChangeKind::RulesReplaced,
        _ => return None,
    };
    Some(Change {
        position: layout::change_position(key)?,
        collection: CollectionName::parse(collection).ok()?,
        number: Some(Id::from_be_bytes(*number)),
        id: if id.is_empty() { None } else { Some(DocumentId::parse(id).ok()?) },
        kind,
    })
}

fn parse_first(key: &[u8], kind: u8, rest: &[u8]) -> Option<Change> {
    let (collection, rest) = take_text(rest)?;
    let (id, document) = take_text(rest)?;
    let kind = match kind {
        1 => ChangeKind::Added(parse_document(document)?),
        2 => ChangeKind::Modified { before: None, after: parse_document(document)? },
        _ => ChangeKind::Removed { before: None },
    };
    Some(Change {
        position: layout::change_position(key)?,
        collection: CollectionName::parse(collection).ok()?,
        number: None,
        id: Some(DocumentId::parse(id).ok()?),
        kind,
    })
}

fn parse_document(bytes: &[u8]) -> Option<RawDocumentBuf> {
    RawDocumentBuf::from_bytes(bytes.to_vec()).ok()
}

fn take_text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some((std::str::from_utf8(text).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::rawdoc;

    #[test]
    fn entries_survive_being_stored_and_those_of_format_1_are_still_read() {
        let collection = Collection::new(7, CollectionName::parse("c").unwrap(), Default::default());
        let (before, after) = (rawdoc! {"_id": "a", "n": 1}, rawdoc! {"_id": "a", "n": 2});
        let position = ChangePosition { commit: 3, index: 1 };
        let key = layout::change(5, position);
        let texts = Texts { id: "a", before: before.as_bytes(), document: after.as_bytes() };
        let modified = decode(&key, &encode(&collection, Kind::Modified, texts)).unwrap();
        assert_eq!((modified.position, modified.number), (position, Some(7)));
        assert_eq!(modified.kind, ChangeKind::Modified { before: Some(before), after: after.clone() });
        let dropped = decode(&key, &encode(&collection, Kind::Dropped, Texts::default())).unwrap();
        assert_eq!((dropped.id, dropped.kind), (None, ChangeKind::Dropped));

        let mut first = [now_millis().to_be_bytes().as_slice(), &[2, 0, 1, b'c', 0, 1, b'a']].concat();
        first.extend_from_slice(after.as_bytes());
        let old = decode(&key, &first).unwrap();
        assert_eq!((old.number, old.kind), (None, ChangeKind::Modified { before: None, after }));
        assert!(decode(&key, &first[..12]).is_err());
    }
}
