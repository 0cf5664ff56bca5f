//! Where the documents of an answer come from: the entries that a plan names, one after the other.

use super::overlay::Overlay;
use super::reader::Reader;
use crate::catalog::{Collection, IndexShape};
use crate::document;
use crate::error::{EngineError, Limit};
use crate::indexing::entry::EntryValue;
use crate::layout::{PAIR_BYTES, Space};
use crate::plan::{Plan, PlanOrder};
use crate::query::Place;
use crate::store::{Entries, KeyRange, View};
use fjall::Slice;
use std::collections::HashSet;
use std::sync::Arc;

/// A document that passed.
pub(super) struct Found {
    pub(super) collection: Arc<Collection>,
    pub(super) id: Slice,
    pub(super) stored: Slice,
    /// Whether the snapshot has these bytes under the id.
    pub(super) in_store: bool,
}

impl Found {
    /// Where it stands in the order of the query.
    pub(super) fn place(&self, reader: &Reader<'_>) -> Result<Place, EngineError> {
        let (_, document) = document::split(&self.stored)?;
        let id = document::id_text(&self.id)?;
        if reader.query.over_group {
            return reader.query.sort.place(document, &format!("{}\0{id}", self.collection.name));
        }
        reader.query.sort.place(document, id)
    }
}

/// Documents that pass filter and rules, each once.
pub(super) trait Source {
    /// The next of them.
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<Found>, EngineError>;

    /// Whether there may be another one; looks at no document.
    fn may_have_more(&mut self, reader: &Reader<'_>) -> Result<bool, EngineError>;
}

/// The documents of one collection by a plan, without those that an overlay has.
pub(super) struct Planned<'a> {
    collection: Arc<Collection>,
    overlay: Option<&'a Overlay>,
    cursor: Cursor,
    once: Option<Once>,
    covered: bool,
}

impl<'a> Planned<'a> {
    pub(super) fn new(collection: Arc<Collection>, plan: Plan, overlay: Option<&'a Overlay>) -> Self {
        let once = plan.repeats.then(Once::default);
        let covered = plan.covered;
        Self { collection, overlay, cursor: Cursor::new(plan), once, covered }
    }

    fn document(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Result<Option<Found>, EngineError> {
        let id = entry.id()?;
        if self.overlay.is_some_and(|overlay| overlay.has(&id)) {
            return Ok(None);
        }
        if let Some(once) = &mut self.once
            && !once.is_new(&id, reader)?
        {
            return Ok(None);
        }
        let covered = if self.covered { entry.document() } else { None };
        let in_store = covered.is_none();
        let stored = match covered {
            Some(document) => Some(document),
            None => entry.fetch(&self.collection, &id, reader)?,
        };
        let Some(stored) = stored else { return Ok(None) };
        let passes = reader.passes(&self.collection, &stored)?;
        Ok(passes.then(|| Found { collection: Arc::clone(&self.collection), id, stored, in_store }))
    }
}

impl Source for Planned<'_> {
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<Found>, EngineError> {
        while let Some(entry) = self.cursor.next(reader.view)? {
            reader.bytes += entry.value.len() as u64;
            reader.spend()?;
            reader.keys += u64::from(entry.index.is_some());
            if let Some(found) = self.document(reader, &entry)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn may_have_more(&mut self, reader: &Reader<'_>) -> Result<bool, EngineError> {
        self.cursor.has_next(reader.view)
    }
}

/// An entry of an index, or a document.
pub(super) struct Entry {
    /// The index; `None` where it is a document.
    pub(super) index: Option<Arc<IndexShape>>,
    pub(super) key: Slice,
    pub(super) value: Slice,
}

impl Entry {
    /// The id of the document.
    pub(super) fn id(&self) -> Result<Slice, EngineError> {
        match &self.index {
            None => Ok(Slice::from(&self.key[PAIR_BYTES..])),
            Some(shape) => Ok(Slice::from(self.parsed(shape)?.id.as_bytes())),
        }
    }

    pub(super) fn parsed(&self, shape: &IndexShape) -> Result<EntryValue<'_>, EngineError> {
        EntryValue::parse(shape, &self.value).ok_or_else(|| {
            EngineError::Damaged("an entry of an index is damaged: drop the index and create it again".into())
        })
    }

    /// What the entry alone says of the document, in the stored form, without a version.
    fn document(&self) -> Option<Slice> {
        let shape = self.index.as_ref()?;
        let document = EntryValue::parse(shape, &self.value)?.document(shape, &self.key)?;
        Some(Slice::from(document::without_version(&document)))
    }

    /// The whole document.
    fn fetch(
        &self,
        collection: &Collection,
        id: &[u8],
        reader: &mut Reader<'_>,
    ) -> Result<Option<Slice>, EngineError> {
        reader.documents += 1;
        match self.index {
            None => Ok(Some(self.value.clone())),
            Some(_) => reader.fetch(collection.id, id),
        }
    }
}

/// The entries of all ranges of a plan, one range after the other.
pub(super) struct Cursor {
    ranges: std::vec::IntoIter<(Option<Arc<IndexShape>>, KeyRange)>,
    backward: bool,
    open: Option<(Option<Arc<IndexShape>>, Entries)>,
    ahead: Option<Entry>,
}

impl Cursor {
    pub(super) fn new(plan: Plan) -> Self {
        let backward = plan.order == PlanOrder::Backward;
        let ranges: Vec<_> = plan
            .scans
            .into_iter()
            .flat_map(|scan| scan.ranges.into_iter().map(move |range| (scan.index.clone(), range)))
            .collect();
        Self { ranges: ranges.into_iter(), backward, open: None, ahead: None }
    }

    pub(super) fn next(&mut self, view: &View<'_>) -> Result<Option<Entry>, EngineError> {
        if self.ahead.is_some() {
            return Ok(self.ahead.take());
        }
        loop {
            if let Some((index, entries)) = &mut self.open
                && let Some(entry) = entries.next()
            {
                let (key, value) = entry?;
                return Ok(Some(Entry { index: index.clone(), key, value }));
            }
            let Some((index, range)) = self.ranges.next() else { return Ok(None) };
            let space = if index.is_some() { Space::Indexes } else { Space::Documents };
            let entries =
                if self.backward { view.descending(space, range) } else { view.ascending(space, range) };
            self.open = Some((index, entries));
        }
    }

    pub(super) fn has_next(&mut self, view: &View<'_>) -> Result<bool, EngineError> {
        self.ahead = self.next(view)?;
        Ok(self.ahead.is_some())
    }
}

/// The ids that came already, of a plan that gives documents several times.
#[derive(Default)]
pub(super) struct Once {
    ids: HashSet<Slice>,
    bytes: usize,
}

impl Once {
    pub(super) fn is_new(&mut self, id: &Slice, reader: &Reader<'_>) -> Result<bool, EngineError> {
        // A copy: a slice of an entry holds the whole block that it was read from.
        let is_new = self.ids.insert(Slice::from(&**id));
        if is_new {
            self.bytes += id.len() + size_of::<Slice>();
        }
        if self.bytes > reader.options.find_sort_bytes_max {
            return Err(reader.too_expensive(Limit::FindSortBytes));
        }
        Ok(is_new)
    }
}
