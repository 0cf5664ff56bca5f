//! Interactive transactions: a snapshot, the transaction's own writes over it, and what it read.
//!
//! Serializable by optimistic validation (Kung and Robinson, "On optimistic methods for concurrency control",
//! 1981, backward validation): the committer, which alone writes, lets a transaction pass only where no
//! commit since its snapshot changed a document that it read, or one that matches, before or after, a filter
//! that it asked. So the transaction is as if all of it had happened at its commit. One that wrote nothing
//! is as if it had happened at its snapshot, and always passes.
//!
//! What rules looked at is among what was read: a decision made when an operation ran is the one that the
//! state committed to would give.

#[cfg(test)]
mod checker;
mod prepared;
mod reads;
mod scope;
#[cfg(test)]
mod serializability;

use crate::batch;
use crate::catalog::{Collection, Database};
use crate::committer::{Batch, Done, Effect, Group, State, Writer, Writes, created_by};
use crate::document;
use crate::engine::{
    Actor, CollectionName, Commit, DatabaseName, DocumentId, FindRequest, Page, StoredDocument, Transaction,
    WriteOp, Written,
};
use crate::error::{EngineError, Limit};
use crate::find::{self, Overlay, Seen};
use crate::history::{Changed, Hold, Holder};
use crate::layout::Id;
use crate::outbox::{Counts, Noted};
use crate::requests::Requests;
use crate::rules::{Documents, Method};
use crate::scope::Created;
use bson::{Bson, Document};
use fjall::Snapshot;
pub(crate) use prepared::Prepared;
use reads::ReadSet;
use scope::SnapshotScope;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A transaction that is open.
pub(crate) struct FjallTransaction {
    requests: Requests,
    name: DatabaseName,
    actor: Actor,
    begun: Instant,
    hold: Hold,
    snapshot: Snapshot,
    /// The last commit in the snapshot.
    since: u64,
    /// The database; `None` where it was missing.
    known: Option<Arc<Database>>,
    reads: Mutex<ReadSet>,
    own: Own,
}

/// What the transaction wrote.
struct Own {
    /// The database, or one that stands for it until it is there.
    database: Arc<Database>,
    /// Stand for collections that its commit creates.
    created: Created,
    writes: Writes,
    changed: Vec<Changed>,
    outgoing: Vec<Noted>,
    operations: usize,
    bytes: usize,
}

/// Begins a transaction.
pub(crate) fn begin(
    requests: &Requests,
    name: &DatabaseName,
    actor: &Actor,
) -> Result<FjallTransaction, EngineError> {
    let shared = &requests.shared;
    let hold = shared.history.hold(name, Holder::Transaction)?;
    let mut known = shared.catalog.database(name);
    let snapshot = loop {
        let snapshot = shared.store.snapshot();
        let now = shared.catalog.database(name);
        if known.as_ref().map(Arc::as_ptr) == now.as_ref().map(Arc::as_ptr) {
            break snapshot;
        }
        known = now;
    };
    let since = shared.store.view_of(&snapshot).commit()?;
    hold.needs_after(since);
    let database = known.clone().unwrap_or_else(|| Arc::new(Database::new(0, name.clone())));
    let own = Own {
        database,
        created: Created::new(),
        writes: Writes::new(),
        changed: Vec::new(),
        outgoing: Vec::new(),
        operations: 0,
        bytes: 0,
    };
    Ok(FjallTransaction {
        requests: requests.clone(),
        name: name.clone(),
        actor: actor.clone(),
        begun: Instant::now(),
        hold,
        snapshot,
        since,
        known,
        reads: Mutex::new(ReadSet::new(shared.options.transaction_reads_max)),
        own,
    })
}

impl FjallTransaction {
    fn check(&self) -> Result<(), EngineError> {
        self.requests.check_open()?;
        if self.begun.elapsed() > self.requests.shared.options.transaction_age_max {
            return Err(EngineError::TransactionExpired);
        }
        Ok(())
    }

    /// Runs something on the snapshot and the own writes. What fails leaves no write behind; what it read
    /// stays read.
    fn with_writer<T>(
        &mut self,
        run: impl FnOnce(&mut Writer<'_, '_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        self.check()?;
        let shared = Arc::clone(&self.requests.shared);
        let view = shared.store.view_of(&self.snapshot);
        let writes = std::mem::take(&mut self.own.writes);
        let mut group = Group::over(&shared.store, view.clone(), writes);
        let scope = SnapshotScope {
            store: &shared.store,
            view,
            known: self.known.as_deref(),
            created: &self.own.created,
            reads: &self.reads,
        };
        let mut writer = Writer {
            shared: &shared,
            group: &mut group,
            database: &self.own.database,
            scope: &scope,
            actor: &self.actor,
            earlier: &self.own.changed,
            waiting: shared.outboxes.counts(&self.name).plus(self.own.noted()),
            number: 0,
            now: bson::DateTime::now(),
            done: Done::default(),
        };
        let result = run(&mut writer);
        let done = writer.done;
        if result.is_ok() {
            group.accept();
        } else {
            group.take_back();
        }
        self.own.writes = group.into_writes();
        let value = result?;
        self.own.take_over(done);
        Ok(value)
    }

    /// Collections that the commit creates, for operations that write to them.
    fn stand_in(&mut self, operations: &[WriteOp]) -> Result<(), EngineError> {
        for name in created_by(&self.actor, operations) {
            if self.own.created.contains_key(name)
                || self.with_writer(|w| w.scope.collection(name))?.is_some()
            {
                continue;
            }
            // Numbers of collections are given out from the other end.
            let id = Id::MAX - self.own.created.len() as Id;
            let collection = Collection::new(id, name.clone(), Default::default());
            self.own.created.insert(name.clone(), Arc::new(collection));
        }
        Ok(())
    }

    /// Counts operations and bytes against what one commit may have.
    fn admit(&self, operations: usize, bytes: usize) -> Result<(), EngineError> {
        let options = &self.requests.shared.options;
        let (count, bytes) = (self.own.operations + operations, self.own.bytes + bytes);
        if count > options.batch_operations_max {
            return Err(EngineError::limit(
                Limit::BatchOperations,
                format!("a transaction has {} operations at the most", options.batch_operations_max),
            ));
        }
        if bytes > options.batch_bytes_max && count > 1 {
            return Err(EngineError::limit(
                Limit::BatchBytes,
                format!(
                    "what a transaction writes has {} bytes together at the most",
                    options.batch_bytes_max
                ),
            ));
        }
        Ok(())
    }
}

impl Own {
    fn take_over(&mut self, done: Done) {
        self.bytes += done.matching_bytes / 2;
        for effect in done.effects {
            match effect {
                Effect::Document(changed) => self.changed.push(changed),
                Effect::Outgoing(noted) => self.outgoing.push(noted),
            }
        }
    }

    fn noted(&self) -> Counts {
        let mut counts = Counts::default();
        self.outgoing.iter().for_each(|noted| *counts.of_mut(noted.outbox) += 1);
        counts
    }

    fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.outgoing.is_empty()
    }
}

/// A collection that a query is asked of.
struct Searched<'a> {
    seen: Seen<'a>,
    own: Overlay,
}

impl<'a> Searched<'a> {
    /// Remembers that the filter was asked. `None` where the collection is missing.
    fn new(
        writer: &'a Writer<'_, '_>,
        state: &'a State<'a>,
        (name, filter): (&CollectionName, &Document),
    ) -> Result<Option<Self>, EngineError> {
        let collection = writer.scope.collection(name)?;
        let allowed = match &collection {
            Some(collection) => collection.rules.covers(writer.actor, Method::List),
            None => matches!(writer.actor, Actor::Trusted),
        };
        if !allowed {
            return Err(EngineError::Denied { collection: name.to_string() });
        }
        let Some(collection) = collection else { return Ok(None) };
        writer.scope.searched(name, filter)?;
        let mut own = Overlay::default();
        for changed in writer.earlier.iter().filter(|changed| changed.collection.id == collection.id) {
            own.set(changed.id.clone(), changed.after.clone());
        }
        let seen = Seen {
            view: writer.group.view(),
            database: Arc::clone(writer.database),
            collection,
            lookup: Some(state),
        };
        Ok(Some(Self { seen, own }))
    }
}

#[async_trait::async_trait]
impl Transaction for FjallTransaction {
    fn get(
        &mut self,
        collection: &CollectionName,
        id: &DocumentId,
    ) -> Result<Option<StoredDocument>, EngineError> {
        self.with_writer(|writer| {
            let Some(collection) = writer.scope.collection(collection)? else { return Ok(None) };
            let Some(stored) = writer.present(&collection, id)? else { return Ok(None) };
            let (_, document) = document::split(&stored)?;
            let documents = Documents { present: Some(document), new: None };
            if !writer.allows(&collection, Method::Get, documents)? {
                return Ok(None);
            }
            document::to_stored(&stored).map(Some)
        })
    }

    fn find(&mut self, collection: &CollectionName, request: &FindRequest) -> Result<Page, EngineError> {
        self.with_writer(|writer| {
            let options = &writer.shared.options;
            let state = writer.state();
            match Searched::new(writer, &state, (collection, &request.filter))? {
                Some(Searched { seen, own }) => find::find(&seen, request, writer.actor, options, Some(&own)),
                None => find::nothing(request, options),
            }
        })
    }

    fn count(&mut self, collection: &CollectionName, filter: &Document) -> Result<u64, EngineError> {
        self.with_writer(|writer| {
            let options = &writer.shared.options;
            let state = writer.state();
            match Searched::new(writer, &state, (collection, filter))? {
                Some(Searched { seen, own }) => find::count(&seen, filter, writer.actor, options, Some(&own)),
                None => find::count_nothing(filter, options),
            }
        })
    }

    fn distinct(
        &mut self,
        collection: &CollectionName,
        field: &str,
        filter: &Document,
    ) -> Result<Vec<Bson>, EngineError> {
        self.with_writer(|writer| {
            let options = &writer.shared.options;
            let state = writer.state();
            match Searched::new(writer, &state, (collection, filter))? {
                Some(Searched { seen, own }) => {
                    find::distinct(&seen, (field, filter), writer.actor, options, Some(&own))
                }
                None => find::distinct_nothing((field, filter), options),
            }
        })
    }

    fn write(&mut self, operations: Vec<WriteOp>) -> Result<Vec<Written>, EngineError> {
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        let (count, bytes) = (operations.len(), batch::bytes(&operations));
        self.admit(count, bytes)?;
        self.stand_in(&operations)?;
        let batch = Batch::new(operations, &self.actor);
        let written = self.with_writer(|writer| batch.apply(writer))?;
        self.own.operations += count;
        self.own.bytes += bytes;
        Ok(written)
    }

    async fn commit(self: Box<Self>) -> Result<Commit, EngineError> {
        self.check()?;
        let (requests, name) = (self.requests.clone(), self.name.clone());
        let read_only = Commit { number: self.since, written: Vec::new() };
        if self.own.is_empty() {
            return Ok(read_only);
        }
        let prepared = tokio::task::spawn_blocking(move || self.prepare()).await;
        match prepared.unwrap_or(Err(EngineError::Closed))? {
            Some(prepared) => requests.write(&name, crate::committer::Work::Transaction(prepared)).await,
            None => Ok(read_only),
        }
    }
}
