//! One batch of writes: existence, preconditions, rules, updates, unique indexes; and from them documents,
//! index entries, changes and counters, all into the group.

use super::effects::{Delta, Effects};
use super::{Committer, Group, Shared, WriteRequest};
use crate::catalog::{Collection, Database};
use crate::changes::{self, Kind, Texts};
use crate::document;
use crate::engine::{
    Actor, ChangePosition, CollectionName, Commit, DatabaseName, DocumentId, Precondition, UpdateSpec,
    WriteOp, Written,
};
use crate::error::EngineError;
use crate::layout::{self, Space};
use crate::rules::{Documents, Method};
use crate::update::{Context, Update};
use bson::RawDocument;
use fjall::Slice;
use std::sync::Arc;

/// A batch to apply.
pub(super) struct Batch {
    pub(super) database: DatabaseName,
    pub(super) operations: Vec<WriteOp>,
    pub(super) actor: Actor,
}

/// What one batch did.
struct Applied {
    number: u64,
    written: Vec<Written>,
    deltas: Vec<Delta>,
}

/// One batch while it is applied.
pub(super) struct Writer<'a, 'g> {
    shared: &'a Shared,
    pub(super) group: &'a mut Group<'g>,
    pub(super) database: &'a Arc<Database>,
    actor: &'a Actor,
    applied: Applied,
}

/// A document on its way into the store.
struct Put<'a> {
    collection: &'a Arc<Collection>,
    id: &'a DocumentId,
    present: Option<&'a RawDocument>,
    /// Stored bytes, version not yet set.
    stored: Vec<u8>,
}

fn creates(operation: &WriteOp) -> bool {
    matches!(operation, WriteOp::Insert { .. } | WriteOp::Replace { .. })
}

/// Collections that a request of a trusted actor writes to and that are not there, each once.
pub(super) fn missing_collections(shared: &Shared, request: &WriteRequest) -> Vec<CollectionName> {
    if matches!(request.actor, Actor::Ruled(_)) {
        return Vec::new();
    }
    let database = shared.catalog.database(&request.database);
    let mut missing: Vec<CollectionName> = Vec::new();
    for operation in request.operations.iter().filter(|operation| creates(operation)) {
        let Some(name) = operation.collection() else { continue };
        let known = database.as_ref().is_some_and(|database| database.collection(name).is_some());
        if !known && !missing.contains(name) {
            missing.push(name.clone());
        }
    }
    missing
}

/// Whether the request has to create a collection.
pub(super) fn needs_collection(shared: &Shared, request: &WriteRequest) -> bool {
    !missing_collections(shared, request).is_empty()
}

/// Applies a batch to the group: all of it or, on an error, parts that the caller takes back.
pub(super) fn apply(
    shared: &Shared,
    group: &mut Group<'_>,
    effects: &mut Effects,
    batch: Batch,
) -> Result<Commit, EngineError> {
    let database = shared.catalog.database(&batch.database);
    let Some(database) = database else { return Err(nothing_there(&batch)) };
    apply_in(shared, group, effects, &database, batch)
}

/// The same in a database that may not be in the catalog yet.
pub(super) fn apply_in(
    shared: &Shared,
    group: &mut Group<'_>,
    effects: &mut Effects,
    database: &Arc<Database>,
    batch: Batch,
) -> Result<Commit, EngineError> {
    let number = effects.last_commit() + 1;
    let applied = Applied { number, written: Vec::with_capacity(batch.operations.len()), deltas: Vec::new() };
    let mut writer = Writer { shared, group, database, actor: &batch.actor, applied };
    let several = batch.operations.len() > 1;
    for (index, operation) in batch.operations.into_iter().enumerate() {
        writer.operation(operation).map_err(|error| at(several, index, error))?;
    }
    let Applied { written, deltas, .. } = writer.applied;
    effects.merge(database, number, written.len() as u64, deltas);
    Ok(Commit { number, written })
}

fn at(several: bool, index: usize, error: EngineError) -> EngineError {
    if several { EngineError::BatchOperation { index, source: Box::new(error) } } else { error }
}

fn nothing_there(batch: &Batch) -> EngineError {
    let Some(operation) = batch.operations.first() else {
        return EngineError::InvalidQuery("a batch has at least one operation".into());
    };
    at(batch.operations.len() > 1, 0, not_there(&batch.actor, operation))
}

fn not_there(actor: &Actor, operation: &WriteOp) -> EngineError {
    let collection = operation.collection().map(ToString::to_string).unwrap_or_default();
    match (actor, operation) {
        (Actor::Ruled(_), _) => EngineError::Denied { collection },
        (Actor::Trusted, WriteOp::Update { id, .. } | WriteOp::Delete { id, .. }) => {
            EngineError::DocumentNotFound { collection, id: id.to_string() }
        }
        (Actor::Trusted, _) => EngineError::CollectionNotFound(collection),
    }
}

impl Writer<'_, '_> {
    fn operation(&mut self, operation: WriteOp) -> Result<(), EngineError> {
        let collection = operation.collection().and_then(|name| self.database.collection(name));
        let Some(collection) = collection else {
            return Err(not_there(self.actor, &operation));
        };
        match operation {
            WriteOp::Insert { document, .. } => self.insert(&collection, &document),
            WriteOp::Replace { id, document, precondition, .. } => {
                self.replace(&collection, &id, &document, precondition)
            }
            WriteOp::Update { id, update, precondition, .. } => {
                self.update(&collection, &id, &update, precondition)
            }
            WriteOp::Delete { id, precondition, .. } => self.delete(&collection, &id, precondition),
            WriteOp::UpdateMatching { .. }
            | WriteOp::DeleteMatching { .. }
            | WriteOp::FindAndModify(_)
            | WriteOp::Emit { .. }
            | WriteOp::Enqueue { .. } => Err(EngineError::Closed),
        }
    }

    fn present(&self, collection: &Collection, id: &DocumentId) -> Result<Option<Slice>, EngineError> {
        let key = layout::document(self.database.id, collection.id, id.as_str());
        self.group.get(Space::Documents, &key)
    }

    fn allow(
        &self,
        collection: &Collection,
        method: Method,
        documents: Documents<'_>,
    ) -> Result<(), EngineError> {
        if collection.rules.allow(self.actor, method, documents) {
            Ok(())
        } else {
            Err(EngineError::Denied { collection: collection.name.to_string() })
        }
    }

    fn allow_create(&self, collection: &Collection, stored: &[u8]) -> Result<(), EngineError> {
        let (_, new) = document::split(stored)?;
        self.allow(collection, Method::Create, Documents { present: Some(new), new: Some(new) })
    }

    fn insert(&mut self, collection: &Arc<Collection>, given: &RawDocument) -> Result<(), EngineError> {
        let id = match document::id_of(given)? {
            Some(id) => id,
            None => DocumentId::parse(&uuid::Uuid::now_v7().simple().to_string())?,
        };
        let stored = document::prepare(given, &id, &self.shared.options)?;
        self.allow_create(collection, &stored)?;
        if self.present(collection, &id)?.is_some() {
            return Err(EngineError::DocumentExists {
                collection: collection.name.to_string(),
                id: id.to_string(),
            });
        }
        self.put(Put { collection, id: &id, present: None, stored })
    }

    fn replace(
        &mut self,
        collection: &Arc<Collection>,
        id: &DocumentId,
        given: &RawDocument,
        precondition: Precondition,
    ) -> Result<(), EngineError> {
        if document::id_of(given)?.is_some_and(|own| own != *id) {
            return Err(EngineError::InvalidDocument("`_id` in the document is another one".into()));
        }
        let stored = document::prepare(given, id, &self.shared.options)?;
        let Some(before) = self.present(collection, id)? else {
            self.allow_create(collection, &stored)?;
            check_precondition(precondition, None, id)?;
            return self.put(Put { collection, id, present: None, stored });
        };
        let (version, present) = document::split(&before)?;
        let (_, new) = document::split(&stored)?;
        self.allow(collection, Method::Update, Documents { present: Some(present), new: Some(new) })?;
        check_precondition(precondition, Some(version), id)?;
        self.put(Put { collection, id, present: Some(present), stored })
    }

    fn update(
        &mut self,
        collection: &Arc<Collection>,
        id: &DocumentId,
        update: &UpdateSpec,
        precondition: Precondition,
    ) -> Result<(), EngineError> {
        let update = Update::parse(update)?;
        let Some(before) = self.present(collection, id)? else {
            return self.missing(collection, id, Method::Update, precondition);
        };
        let (version, present) = document::split(&before)?;
        let context = Context { filter: None, inserting: false, now: bson::DateTime::now() };
        let changed = update.apply_to(present, &context)?;
        let new = changed.as_deref().unwrap_or(present);
        let stored = document::prepare(new, id, &self.shared.options)?;
        self.allow(collection, Method::Update, Documents { present: Some(present), new: Some(new) })?;
        check_precondition(precondition, Some(version), id)?;
        if changed.is_none() {
            self.applied.written.push(Written::Changed(document::to_stored(&before)?));
            return Ok(());
        }
        self.put(Put { collection, id, present: Some(present), stored })
    }

    /// The answer where a document that has to exist does not: one that a ruled actor cannot learn from.
    fn missing(
        &self,
        collection: &Collection,
        id: &DocumentId,
        method: Method,
        precondition: Precondition,
    ) -> Result<(), EngineError> {
        self.allow(collection, method, Documents::default())?;
        check_precondition(precondition, None, id)?;
        Err(EngineError::DocumentNotFound { collection: collection.name.to_string(), id: id.to_string() })
    }

    fn delete(
        &mut self,
        collection: &Arc<Collection>,
        id: &DocumentId,
        precondition: Precondition,
    ) -> Result<(), EngineError> {
        let Some(before) = self.present(collection, id)? else {
            return self.missing(collection, id, Method::Delete, precondition);
        };
        let (version, present) = document::split(&before)?;
        self.allow(collection, Method::Delete, Documents { present: Some(present), new: None })?;
        check_precondition(precondition, Some(version), id)?;
        self.index(collection, id, Some(present), None)?;
        let key = layout::document(self.database.id, collection.id, id.as_str());
        self.group.remove(Space::Documents, key);
        self.change(collection, id, Kind::Removed, (Some(present), &[]));
        self.applied.deltas.push((Arc::clone(collection), -1));
        self.applied.written.push(Written::Removed(id.clone()));
        Ok(())
    }

    fn put(&mut self, put: Put<'_>) -> Result<(), EngineError> {
        let Put { collection, id, present, mut stored } = put;
        document::set_version(&mut stored, self.applied.number);
        let written = document::to_stored(&stored)?;
        self.index(collection, id, present, Some(&written.document))?;
        let kind = if present.is_some() { Kind::Modified } else { Kind::Added };
        self.change(collection, id, kind, (present, written.document.as_bytes()));
        let key = layout::document(self.database.id, collection.id, id.as_str());
        self.group.put(Space::Documents, key, stored);
        if present.is_none() {
            self.applied.deltas.push((Arc::clone(collection), 1));
            self.applied.written.push(Written::Created(written));
        } else {
            self.applied.written.push(Written::Changed(written));
        }
        Ok(())
    }

    fn change(
        &mut self,
        collection: &Collection,
        id: &DocumentId,
        kind: Kind,
        (before, document): (Option<&RawDocument>, &[u8]),
    ) {
        let index = self.applied.written.len() as u32;
        let key = layout::change(self.database.id, ChangePosition { commit: self.applied.number, index });
        let before = before.filter(|_| collection.rules.listing_looks_at_documents());
        let before = before.map_or(&[][..], RawDocument::as_bytes);
        let texts = Texts { id: id.as_str(), before, document };
        self.group.put(Space::Changes, key, changes::encode(collection, kind, texts));
    }
}

fn check_precondition(
    precondition: Precondition,
    present: Option<u64>,
    id: &DocumentId,
) -> Result<(), EngineError> {
    let holds = match precondition {
        Precondition::Any => true,
        Precondition::Version(version) => present == Some(version),
        Precondition::Absent => present.is_none(),
    };
    if holds { Ok(()) } else { Err(EngineError::PreconditionFailed { id: id.to_string() }) }
}

impl Committer {
    /// Creates the collections that a trusted write needs, and writes, in one commit.
    pub(super) fn create_and_write(&mut self, request: WriteRequest) {
        let WriteRequest { answer, .. } = &request;
        if answer.is_closed() {
            return;
        }
        let missing = missing_collections(&self.shared, &request);
        let WriteRequest { database, operations, actor, answer } = request;
        let result = self.write_with_new(missing, Batch { database, operations, actor });
        let _ = answer.send(result);
    }

    fn write_with_new(&mut self, missing: Vec<CollectionName>, batch: Batch) -> Result<Commit, EngineError> {
        let shared = Arc::clone(&self.shared);
        let mut group = Group::new(&shared.store);
        let (database, new_database) = self.database_or_new(&batch.database, &mut group)?;
        // Evaluated in a copy of the database that has the new collections: nobody else sees them yet.
        let staged = Arc::new(Database::new(database.id, database.name.clone()));
        staged.set_feed(database.feed());
        database.collections("").into_iter().for_each(|collection| staged.put(collection));
        let mut created = Vec::with_capacity(missing.len());
        for name in missing {
            let collection = self.new_collection(&database, name, Default::default(), &mut group)?;
            staged.put(Arc::clone(&collection));
            created.push(collection);
        }
        if staged.collection_count() > shared.options.collections_per_database_max {
            return Err(super::definitions::too_many_collections(&shared.options));
        }
        let mut effects = Effects::new(self.last_commit);
        let commit = apply_in(&shared, &mut group, &mut effects, &staged, batch)?;
        effects.record(&mut group)?;
        self.commit(group, effects.last_commit())?;
        effects.publish();
        database.set_feed(staged.feed());
        created.into_iter().for_each(|collection| database.put(collection));
        if new_database {
            shared.catalog.insert(database);
        }
        self.shared.announce(std::iter::once(&staged.name), self.last_commit);
        Ok(commit)
    }
}
