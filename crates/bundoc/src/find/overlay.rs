//! Changed documents of one collection laid over a snapshot: what a transaction wrote and others do not see
//! yet. What the snapshot has of them does not count; they are matched by themselves and put in their
//! places in the order.

use super::reader::Reader;
use super::source::{Found, Source};
use crate::catalog::Collection;
use crate::engine::DocumentId;
use crate::error::EngineError;
use fjall::Slice;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// Stored bytes (`document.rs`) by id; `None` where the document was removed.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    documents: BTreeMap<DocumentId, Option<Slice>>,
}

impl Overlay {
    /// Puts the newest state of a document.
    pub(crate) fn set(&mut self, id: DocumentId, stored: Option<Slice>) {
        self.documents.insert(id, stored);
    }

    /// Whether the snapshot is not to be asked about the document.
    pub(super) fn has(&self, id: &[u8]) -> bool {
        std::str::from_utf8(id).is_ok_and(|id| self.documents.contains_key(id))
    }

    /// Those that pass filter and rules.
    pub(super) fn matching(
        &self,
        collection: &Arc<Collection>,
        reader: &mut Reader<'_>,
    ) -> Result<Vec<Found>, EngineError> {
        let mut matching = Vec::new();
        for (id, stored) in &self.documents {
            let Some(stored) = stored else { continue };
            reader.spend()?;
            reader.documents += 1;
            if reader.passes(collection, stored)? {
                let (id, stored) = (Slice::from(id.as_str()), stored.clone());
                matching.push(Found { collection: Arc::clone(collection), id, stored, in_store: false });
            }
        }
        Ok(matching)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
}

/// A source with the documents of an overlay in their places.
pub(super) struct Merged<S> {
    inner: S,
    ahead: Option<(Vec<u8>, Found)>,
    own: VecDeque<(Vec<u8>, Found)>,
}

impl<S: Source> Merged<S> {
    pub(super) fn new(
        inner: S,
        overlay: &Overlay,
        collection: &Arc<Collection>,
        reader: &mut Reader<'_>,
    ) -> Result<Self, EngineError> {
        let after = reader.query.after.as_ref().map(|place| reader.query.sort.bytes(place));
        let mut own = Vec::new();
        for found in overlay.matching(collection, reader)? {
            let place = reader.query.sort.bytes(&found.place(reader)?);
            if after.as_ref().is_none_or(|after| place > *after) {
                own.push((place, found));
            }
        }
        own.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Self { inner, ahead: None, own: own.into() })
    }
}

impl<S: Source> Source for Merged<S> {
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<Found>, EngineError> {
        if self.own.is_empty() && self.ahead.is_none() {
            return self.inner.next(reader);
        }
        if self.ahead.is_none()
            && let Some(found) = self.inner.next(reader)?
        {
            self.ahead = Some((reader.query.sort.bytes(&found.place(reader)?), found));
        }
        let own_is_next = match (&self.ahead, self.own.front()) {
            (Some((ahead, _)), Some((own, _))) => own < ahead,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        let next = if own_is_next { self.own.pop_front() } else { self.ahead.take() };
        Ok(next.map(|(_, found)| found))
    }

    fn may_have_more(&mut self, reader: &Reader<'_>) -> Result<bool, EngineError> {
        Ok(!self.own.is_empty() || self.ahead.is_some() || self.inner.may_have_more(reader)?)
    }
}
