//! What a write by a filter does to the documents that it found, worked out where they were looked for: their new
//! bytes and the index entries before and after. The committer, where all others wait, has only to put it in place,
//! for documents that are still as they were found; the rest, and what has no draft, it works out itself.
//!
//! What must hold: a draft is what the committer would do with the same document, at the same time of the
//! batch, under the same rules, as long as nothing changed that these looked up (`LookedUp`).

use crate::catalog::{Collection, Index};
use crate::committer::{Change, Moves, Shared, maintained, update_by_filter};
use crate::document;
use crate::engine::{Actor, DocumentId, WriteOp};
use crate::error::EngineError;
use crate::filter::{self, Filter};
use crate::find::Seen;
use crate::indexing::Owner;
use crate::layout::{self, Space};
use crate::rules::{Documents, Lookups, Method};
use crate::update::Context;
use bson::{DateTime, RawDocument};
use fjall::Slice;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of drafts that are asked for at once.
const ROOM_BYTES: usize = 64 * 1024;

/// A document before and after.
pub(crate) struct Draft {
    pub(crate) before: Slice,
    pub(crate) after: After,
    /// In each maintained index of the collection and then of the groups.
    moves: Vec<Moves>,
}

/// What becomes of a document.
pub(crate) enum After {
    Same,
    /// Stored bytes, without version.
    Changed(Vec<u8>),
    Removed,
}

/// The drafts of one operation.
#[derive(Default)]
pub(crate) struct Drafts {
    of: HashMap<DocumentId, Draft>,
    /// The indexes that the entries are for.
    indexes: Option<(Arc<Collection>, Arc<[Index]>)>,
    /// Their part of the memory for all drafts.
    _room: Option<OwnedSemaphorePermit>,
}

impl Drafts {
    pub(crate) fn of(&self, id: &DocumentId) -> Option<&Draft> {
        self.of.get(id)
    }

    /// The index entries of a draft, where they are those of these indexes.
    pub(crate) fn moves<'d>(
        &self,
        draft: &'d Draft,
        (collection, groups): (&Arc<Collection>, &Arc<[Index]>),
    ) -> Option<&'d [Moves]> {
        let (known, known_groups) = self.indexes.as_ref()?;
        (Arc::ptr_eq(known, collection) && Arc::ptr_eq(known_groups, groups))
            .then_some(draft.moves.as_slice())
    }
}

/// Memory for drafts, as it is taken.
struct Room<'a> {
    shared: &'a Shared,
    taken: Option<OwnedSemaphorePermit>,
    left: usize,
}

impl Room<'_> {
    /// Whether there is room for so many bytes more.
    fn take(&mut self, bytes: usize) -> bool {
        while self.left < bytes {
            let Ok(room) = Arc::clone(&self.shared.drafts).try_acquire_owned() else { return false };
            match &mut self.taken {
                Some(taken) => taken.merge(room),
                None => self.taken = Some(room),
            }
            self.left += ROOM_BYTES;
        }
        self.left -= bytes;
        true
    }
}

/// How many parts of the memory there are for drafts of so many bytes.
pub(crate) fn room(bytes: usize) -> usize {
    bytes / ROOM_BYTES
}

/// Works drafts out, in a snapshot.
pub(super) struct Drafting<'a> {
    shared: &'a Shared,
    seen: &'a Seen<'a>,
    actor: &'a Actor,
    now: DateTime,
    lookups: Lookups<'a>,
    groups: Arc<[Index]>,
}

/// What is done to each document; `None` is its removal.
struct Asked<'a> {
    change: Option<Change<'a>>,
    filter: Filter,
}

impl<'a> Drafting<'a> {
    /// `seen` says where rules look other documents up.
    pub(super) fn new(shared: &'a Shared, seen: &'a Seen<'a>, (actor, now): (&'a Actor, DateTime)) -> Self {
        let lookups = Lookups::new(seen.lookup.unwrap_or(seen));
        Self { shared, seen, actor, now, lookups, groups: seen.database.groups() }
    }

    /// Drafts for an operation on many documents. What is malformed is for the committer to refuse.
    pub(super) fn drafts(&self, operation: &WriteOp, ids: &[DocumentId]) -> Option<Drafts> {
        let asked = match operation {
            WriteOp::UpdateMatching { filter, change, many: true, .. } => {
                Asked { change: Some(update_by_filter(change).ok()?), filter: filter::parse(filter).ok()? }
            }
            WriteOp::DeleteMatching { filter, many: true, .. } => {
                Asked { change: None, filter: filter::parse(filter).ok()? }
            }
            _ => return None,
        };
        let mut room = Room { shared: self.shared, taken: None, left: 0 };
        let mut of = HashMap::with_capacity(ids.len());
        for id in ids {
            let Ok(Some(draft)) = self.draft(&asked, id) else { continue };
            if !room.take(draft.bytes()) {
                break;
            }
            of.insert(id.clone(), draft);
        }
        let indexes = Some((Arc::clone(&self.seen.collection), Arc::clone(&self.groups)));
        Some(Drafts { of, indexes, _room: room.taken })
    }

    /// `None` where the rules deny it, or the document is not there.
    fn draft(&self, asked: &Asked<'_>, id: &DocumentId) -> Result<Option<Draft>, EngineError> {
        let Seen { view, database, collection, .. } = self.seen;
        let key = layout::document(database.id, collection.id, id.as_str());
        let Some(before) = view.get(Space::Documents, &key)? else { return Ok(None) };
        let (_, present) = document::split(&before)?;
        let Some(change) = &asked.change else {
            let documents = Documents { present: Some(present), new: None };
            if !collection.rules.allow(self.actor, Method::Delete, documents, &self.lookups)? {
                return Ok(None);
            }
            let moves = self.moves(id, (Some(present), None))?;
            return Ok(Some(Draft { after: After::Removed, moves, before }));
        };
        let context = Context { filter: Some(&asked.filter), inserting: false, now: self.now };
        let stored = change.apply((id, present), &context, &self.shared.options)?;
        let new = stored.as_deref().map(document::split).transpose()?.map_or(present, |(_, new)| new);
        let documents = Documents { present: Some(present), new: Some(new) };
        if !collection.rules.allow(self.actor, Method::Update, documents, &self.lookups)? {
            return Ok(None);
        }
        let Some(stored) = stored else {
            return Ok(Some(Draft { after: After::Same, moves: Vec::new(), before }));
        };
        let moves = self.moves(id, (Some(present), Some(document::split(&stored)?.1)))?;
        Ok(Some(Draft { after: After::Changed(stored), moves, before }))
    }

    fn moves(
        &self,
        id: &DocumentId,
        change: (Option<&RawDocument>, Option<&RawDocument>),
    ) -> Result<Vec<Moves>, EngineError> {
        let (database, collection) = (self.seen.database.id, &self.seen.collection);
        let owner = Owner { database, collection, id: id.as_str() };
        maintained(collection, &self.groups).map(|index| Moves::of(index, change, owner)).collect()
    }
}

impl Draft {
    fn bytes(&self) -> usize {
        let after = match &self.after {
            After::Changed(stored) => stored.len(),
            After::Same | After::Removed => 0,
        };
        size_of::<Self>() + self.before.len() + after + self.moves.iter().map(Moves::bytes).sum::<usize>()
    }
}
