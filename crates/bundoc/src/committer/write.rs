//! What is written at once, into the group: a batch, or what a transaction wrote. All of it or, on an
//! error, parts that the caller takes back.

use super::change::Present;
use super::effects::Effects;
use super::writer::{Done, Effect, Writer};
use super::{Committer, Group, Shared, WriteRequest};
use crate::catalog::Database;
use crate::changes::{self, Kind, Texts};
use crate::document;
use crate::engine::{Actor, ChangePosition, CollectionName, Commit, DatabaseName, WriteOp, Written};
use crate::error::{EngineError, Limit};
use crate::history::Changed;
use crate::layout::{self, Space};
use crate::matching::Selections;
use crate::outbox;
use crate::scope::{Created, Latest};
use crate::transaction::Prepared;
use bson::DateTime;
use std::sync::Arc;

/// Operations that are applied together.
#[derive(Clone)]
pub(crate) struct Batch {
    pub(crate) operations: Arc<Vec<WriteOp>>,
    pub(crate) actor: Actor,
    /// What searches found before; without, they run in the committer.
    pub(crate) selections: Option<Arc<Selections>>,
}

/// What is written at once.
pub(crate) enum Work {
    Batch(Batch),
    Transaction(Box<Prepared>),
}

/// Where it is written.
pub(super) struct Target<'a> {
    pub(super) shared: &'a Shared,
    pub(super) database: &'a Arc<Database>,
    /// Collections that the work needs and that were made for it.
    pub(super) created: &'a Created,
}

fn creates(operation: &WriteOp) -> bool {
    match operation {
        WriteOp::Insert { .. } | WriteOp::Replace { .. } => true,
        WriteOp::UpdateMatching { upsert, .. } => *upsert,
        WriteOp::FindAndModify(asked) => asked.upsert,
        _ => false,
    }
}

/// Collections that an operation of a trusted actor creates where they are missing.
pub(crate) fn created_by<'a>(
    actor: &Actor,
    operations: &'a [WriteOp],
) -> impl Iterator<Item = &'a CollectionName> + use<'a> {
    let trusted = matches!(actor, Actor::Trusted);
    operations.iter().filter(move |operation| trusted && creates(operation)).filter_map(WriteOp::collection)
}

impl Batch {
    pub(crate) fn new(operations: Vec<WriteOp>, actor: &Actor) -> Self {
        Self { operations: Arc::new(operations), actor: actor.clone(), selections: None }
    }

    /// Says which operation failed, where there are several.
    pub(crate) fn at(&self, index: usize, error: EngineError) -> EngineError {
        match error {
            // Not of the operation: the batch is tried again.
            EngineError::TransactionConflict => error,
            error if self.operations.len() > 1 => {
                EngineError::BatchOperation { index, source: Box::new(error) }
            }
            error => error,
        }
    }

    /// Does all operations.
    pub(crate) fn apply(&self, writer: &mut Writer<'_, '_>) -> Result<Vec<Written>, EngineError> {
        let mut written = Vec::with_capacity(self.operations.len());
        for (index, operation) in self.operations.iter().enumerate() {
            let selection = self.selections.as_ref().and_then(|selections| selections.of(index));
            let done = writer.operation(operation, selection);
            written.push(done.map_err(|error| self.at(index, error))?);
        }
        Ok(written)
    }
}

impl Work {
    /// What time it is for it.
    fn now(&self) -> DateTime {
        match self {
            Self::Batch(Batch { selections: Some(selections), .. }) => selections.now,
            _ => DateTime::now(),
        }
    }

    fn actor(&self) -> &Actor {
        match self {
            Self::Batch(batch) => &batch.actor,
            // Rules decided when the operations ran, on documents that are still the same.
            Self::Transaction(_) => &Actor::Trusted,
        }
    }

    /// Collections that it creates where they are missing.
    fn created(&self) -> Vec<&CollectionName> {
        match self {
            Self::Batch(batch) => created_by(&batch.actor, &batch.operations).collect(),
            Self::Transaction(prepared) => prepared.created().collect(),
        }
    }

    /// Whether it puts something into an outbox, which a database without collections has, too.
    fn notes(&self) -> bool {
        match self {
            Self::Batch(batch) => {
                let notes =
                    |operation: &WriteOp| matches!(operation, WriteOp::Emit { .. } | WriteOp::Enqueue { .. });
                matches!(batch.actor, Actor::Trusted) && batch.operations.iter().any(notes)
            }
            Self::Transaction(prepared) => !prepared.outgoing.is_empty(),
        }
    }
}

/// Collections that a request creates, each once.
fn missing_collections(shared: &Shared, request: &WriteRequest) -> Vec<CollectionName> {
    let database = shared.catalog.database(&request.database);
    let mut missing: Vec<CollectionName> = Vec::new();
    for name in request.work.created() {
        let known = database.as_ref().is_some_and(|database| database.collection(name).is_some());
        if !known && !missing.contains(name) {
            missing.push(name.clone());
        }
    }
    missing
}

/// Whether the request has to create its database or a collection.
pub(super) fn needs_definitions(shared: &Shared, request: &WriteRequest) -> bool {
    let is_new = || shared.catalog.database(&request.database).is_none();
    !missing_collections(shared, request).is_empty() || (request.work.notes() && is_new())
}

/// Applies work to the group.
pub(super) fn apply(
    shared: &Shared,
    group: &mut Group<'_>,
    effects: &mut Effects,
    (name, work): (&DatabaseName, &Work),
) -> Result<Commit, EngineError> {
    let database = shared.catalog.database(name);
    // Where there is no database there is nothing to find, and what would create it came another way.
    let database = database.unwrap_or_else(|| Arc::new(Database::new(0, name.clone())));
    let target = Target { shared, database: &database, created: &Created::default() };
    apply_in(&target, group, effects, work)
}

fn apply_in(
    target: &Target<'_>,
    group: &mut Group<'_>,
    effects: &mut Effects,
    work: &Work,
) -> Result<Commit, EngineError> {
    let Target { shared, database, created } = *target;
    let number = effects.last_commit() + 1;
    let mut writer = Writer {
        shared,
        group,
        database,
        scope: &Latest { database, created },
        actor: work.actor(),
        earlier: effects.changed(database.id),
        waiting: effects.outgoing(database, &shared.outboxes),
        number,
        now: work.now(),
        done: Done::default(),
    };
    let written = match work {
        Work::Batch(batch) => batch.apply(&mut writer)?,
        Work::Transaction(prepared) => {
            prepared.validate(shared, database, writer.earlier)?;
            write_net(&mut writer, prepared)?
        }
    };
    let mut done = writer.done;
    if done.effects.is_empty() {
        return Ok(Commit { number: effects.last_commit(), written });
    }
    check_bytes(target, effects, done.bytes)?;
    let feed_bytes = group.change_bytes();
    put_effects(database, group, number, &done.effects);
    done.feed_bytes = group.change_bytes() - feed_bytes;
    effects.merge(database, number, done);
    Ok(Commit { number, written })
}

/// Writes what a validated transaction wrote.
fn write_net(writer: &mut Writer<'_, '_>, prepared: &Prepared) -> Result<Vec<Written>, EngineError> {
    let mut written = Vec::new();
    for change in &prepared.changed {
        let collection = writer.scope.collection(&change.collection.name)?;
        let collection = collection.ok_or(EngineError::TransactionConflict)?;
        let present = writer.present(&collection, &change.id)?;
        if !prepared.is_unchecked(writer.shared) && present != change.before {
            return Err(EngineError::TransactionConflict);
        }
        match (&present, &change.after) {
            (_, Some(after)) => {
                let stored = writer.put(&collection, &change.id, present.as_ref(), after.to_vec())?;
                let document = document::to_stored(&stored)?;
                let is_new = present.is_none();
                written.push(if is_new { Written::Created(document) } else { Written::Changed(document) });
            }
            (Some(stored), None) => {
                writer.take_out(Present { collection: &collection, id: &change.id, stored })?;
                written.push(Written::Removed(change.id.clone()));
            }
            (None, None) => {}
        }
    }
    for noted in &prepared.outgoing {
        writer.note(noted.clone())?;
    }
    Ok(written)
}

/// Refuses growth beyond the budget of the database; what takes space away goes on.
fn check_bytes(target: &Target<'_>, effects: &Effects, more: i64) -> Result<(), EngineError> {
    let most = target.shared.options.database_bytes_max;
    if most == 0 || more <= 0 {
        return Ok(());
    }
    let bytes = effects.bytes(target.database).saturating_add_signed(more);
    if bytes > most {
        return Err(EngineError::limit(
            Limit::DatabaseBytes,
            format!("the database would have {bytes} bytes, {most} are allowed; remove documents or indexes"),
        ));
    }
    Ok(())
}

/// The change feed and the outbox.
fn put_effects(database: &Database, group: &mut Group<'_>, commit: u64, effects: &[Effect]) {
    for (index, effect) in (0..).zip(effects) {
        let position = ChangePosition { commit, index };
        match effect {
            Effect::Document(changed) => {
                group.put(Space::Changes, layout::change(database.id, position), entry(changed));
            }
            Effect::Outgoing(noted) => {
                let key = outbox::key(database.id, noted.outbox, position);
                group.put(Space::Catalog, key, noted.value.as_slice());
            }
        }
    }
}

fn entry(changed: &Changed) -> Vec<u8> {
    let kind = match (&changed.before, &changed.after) {
        (None, _) => Kind::Added,
        (Some(_), Some(_)) => Kind::Modified,
        (Some(_), None) => Kind::Removed,
    };
    let before = changed.before.as_deref().filter(|_| changed.collection.rules.listing_looks_at_documents());
    let texts =
        Texts { id: changed.id.as_str(), before: bytes(before), document: bytes(changed.after.as_deref()) };
    changes::encode(&changed.collection, kind, texts)
}

/// The document in stored bytes, without its version.
fn bytes(stored: Option<&[u8]>) -> &[u8] {
    let document = stored.and_then(|stored| document::split(stored).ok());
    document.map_or(&[], |(_, document)| document.as_bytes())
}

impl Committer {
    /// Creates the collections that a trusted write needs, and writes, in one commit.
    pub(super) fn create_and_write(&mut self, request: WriteRequest) {
        if request.answer.is_closed() {
            return;
        }
        let missing = missing_collections(&self.shared, &request);
        let WriteRequest { database, work, answer } = request;
        let result = self.write_with_new(missing, (&database, &work));
        if let (Work::Transaction(_), Err(EngineError::TransactionConflict)) = (&work, &result) {
            self.shared.history.count_conflict();
        }
        let _ = answer.send(result);
    }

    fn write_with_new(
        &mut self,
        missing: Vec<CollectionName>,
        (name, work): (&DatabaseName, &Work),
    ) -> Result<Commit, EngineError> {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let (database, new_database) = self.database_or_new(name, &mut group)?;
        if database.collection_count() + missing.len() > shared.options.collections_per_database_max {
            return Err(super::definitions::too_many_collections(&shared.options));
        }
        let mut created = Created::with_capacity(missing.len());
        for name in missing {
            let collection = self.new_collection(&database, name.clone(), Default::default(), &mut group)?;
            created.insert(name, collection);
        }
        let mut effects = Effects::new(self.last_commit);
        let target = Target { shared: &shared, database: &database, created: &created };
        let commit = apply_in(&target, &mut group, &mut effects, work)?;
        effects.record(&mut group)?;
        self.commit(group, effects.last_commit())?;
        created.into_values().for_each(|collection| database.put(collection));
        if new_database {
            shared.catalog.insert(database);
        }
        self.take_over(&mut effects);
        Ok(commit)
    }
}
