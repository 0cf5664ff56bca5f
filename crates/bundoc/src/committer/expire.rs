//! Documents that expire: removed by an index on a date, in chunks, the way any other document is removed, so
//! that the change feed, the counters and all indexes are right.

use super::background::Target;
use super::effects::Effects;
use super::write::{self, Batch, Work};
use super::{Committer, Group};
use crate::catalog::{BuildState, Database, IndexShape};
use crate::engine::{Actor, CollectionName, DocumentId, Precondition, WriteOp};
use crate::error::EngineError;
use crate::indexing::entry::EntryValue;
use crate::layout::{Space, pair};
use crate::plan::Span;
use crate::store::{KeyRange, View};
use bson::{DateTime, RawBsonRef};
use fjall::Slice;
use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

/// Entries of one chunk.
const CHUNK: usize = 200;

/// One walk over the expired entries of an index.
pub(super) struct Sweep {
    target: Target,
    /// The last entry of the chunk before.
    after: Option<Slice>,
}

impl Sweep {
    pub(super) fn new(target: Target) -> Self {
        Self { target, after: None }
    }
}

/// What a chunk found.
struct Expired {
    documents: BTreeSet<(CollectionName, DocumentId)>,
    last: Option<Slice>,
    entries: usize,
}

impl Committer {
    pub(super) fn expire_chunk(&mut self, sweep: Sweep) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let Some((database, index)) = sweep.target.find(&shared.catalog) else {
            let catalog = &shared.catalog;
            self.background.expiring.retain(|target| target.find(catalog).is_some());
            return Ok(());
        };
        if index.state != BuildState::Ready {
            return Ok(());
        }
        let now_ms = shared.options.clock.now_ms();
        let range = expired_range(&database, &index.shape, now_ms, sweep.after);
        let expired =
            find(&shared.store.view(), range, (&database, &index.shape), sweep.target.collection.as_ref())?;
        let removed = expired.documents.len() as u64;
        if removed > 0 {
            self.remove_expired(&database, expired.documents)?;
            metrics::counter!("bunbase_documents_expired_total").increment(removed);
        }
        if expired.entries == CHUNK {
            self.background.sweeps.push_back(Sweep { target: sweep.target, after: expired.last });
        }
        Ok(())
    }

    fn remove_expired(
        &mut self,
        database: &Database,
        documents: BTreeSet<(CollectionName, DocumentId)>,
    ) -> Result<(), EngineError> {
        let shared = Arc::clone(&self.shared);
        let delete = |(collection, id)| WriteOp::Delete { collection, id, precondition: Precondition::Any };
        let operations = documents.into_iter().map(delete).collect();
        let work = Work::Batch(Batch::new(operations, &Actor::Trusted));
        let mut group = Group::new(&shared.store);
        let mut effects = Effects::new(self.last_commit);
        write::apply(&shared, &mut group, &mut effects, (&database.name, &work))?;
        effects.record(&mut group)?;
        self.commit(group, effects.last_commit())?;
        self.take_over(&mut effects);
        Ok(())
    }
}

/// The entries of dates that lie far enough back. The earliest date of an array is among its entries.
fn expired_range(database: &Database, shape: &IndexShape, now_ms: i64, after: Option<Slice>) -> KeyRange {
    let after_ms = shape.expire_after.map_or(i64::MAX, |after| after.as_millis() as i64);
    let latest = DateTime::from_millis(now_ms.saturating_sub(after_ms));
    let span = Span::up_to(RawBsonRef::DateTime(latest));
    let order = shape.fields.first().map_or(crate::engine::Order::Ascending, |field| field.order);
    let mut range = span.keys(&pair(database.id, shape.id), order);
    if let Some(after) = after {
        range.from = Bound::Excluded(after.to_vec());
    }
    range
}

fn find(
    view: &View<'_>,
    range: KeyRange,
    (database, shape): (&Database, &IndexShape),
    collection: Option<&CollectionName>,
) -> Result<Expired, EngineError> {
    let damaged =
        || EngineError::Damaged("an entry of an index is damaged: drop the index and create it again".into());
    let mut expired = Expired { documents: BTreeSet::new(), last: None, entries: 0 };
    for entry in view.ascending(Space::Indexes, range).take(CHUNK) {
        let (key, value) = entry?;
        let entry = EntryValue::parse(shape, &value).ok_or_else(damaged)?;
        let name = match (collection, entry.collection) {
            (Some(name), _) => Some(name.clone()),
            // An entry of a collection that was dropped waits for its removal.
            (None, Some((number, name))) => database
                .collection_named(name)
                .filter(|known| known.id == number)
                .map(|known| known.name.clone()),
            (None, None) => None,
        };
        if let Some(name) = name {
            expired.documents.insert((name, DocumentId::parse(entry.id)?));
        }
        expired.entries += 1;
        expired.last = Some(key);
    }
    Ok(expired)
}
