//! Writes of single documents: existence, preconditions, rules, updates, unique indexes; and from them
//! documents and index entries in the group, and a note of what happened. Used by the committer on the
//! newest state, and by transactions on theirs.

use super::change::{Change, Outcome, Present, replacement};
use super::refusals::{check_precondition, not_there};
use super::{Group, Shared};
use crate::catalog::{Collection, Database};
use crate::document;
use crate::engine::{Actor, CollectionName, DocumentId, Precondition, WriteOp, Written};
use crate::error::{EngineError, Limit};
use crate::filter::Filter;
use crate::history::Changed;
use crate::layout::{self, Id, Space};
use crate::matching::Selection;
use crate::outbox::{self, Counts, Noted};
use crate::rules::{Documents, Lookup, Lookups, Method};
use crate::scope::Scope;
use crate::update::{Context, Update};
use bson::{DateTime, RawDocument};
use fjall::Slice;
use std::sync::Arc;

/// One batch while it is applied, or the writes of a transaction.
pub(crate) struct Writer<'a, 'g> {
    pub(crate) shared: &'a Shared,
    pub(crate) group: &'a mut Group<'g>,
    pub(crate) database: &'a Arc<Database>,
    pub(crate) scope: &'a dyn Scope,
    pub(crate) actor: &'a Actor,
    /// What the group has changed in the database before.
    pub(crate) earlier: &'a [Changed],
    /// What waits in the outboxes of the database before it.
    pub(crate) waiting: Counts,
    /// The version of documents that are written.
    pub(crate) number: u64,
    /// What `$currentDate` writes and rules see, the same for all of it.
    pub(crate) now: DateTime,
    pub(crate) done: Done,
}

/// What was done.
#[derive(Default)]
pub(crate) struct Done {
    /// In order; the place of each is its index in the commit.
    pub(crate) effects: Vec<Effect>,
    /// Stored bytes more or fewer.
    pub(crate) bytes: i64,
    /// Bytes of the entries in the change feed.
    pub(crate) feed_bytes: u64,
    /// Bytes of documents that operations with a filter read and wrote.
    pub(crate) matching_bytes: usize,
}

/// One thing that happened.
pub(crate) enum Effect {
    Document(Changed),
    Outgoing(Noted),
}

/// The state that is written to, for the look-ups of rules: with what was written before, and noted as read.
pub(crate) struct State<'a> {
    group: &'a Group<'a>,
    database: Id,
    scope: &'a dyn Scope,
    time_ms: i64,
}

impl Lookup for State<'_> {
    fn document(&self, collection: &CollectionName, id: &DocumentId) -> Result<Option<Slice>, EngineError> {
        let Some(collection) = self.scope.collection(collection)? else { return Ok(None) };
        self.scope.read(&collection.name, id);
        self.group.get(Space::Documents, &layout::document(self.database, collection.id, id.as_str()))
    }

    fn time_ms(&self) -> i64 {
        self.time_ms
    }
}

impl Writer<'_, '_> {
    /// Does one operation.
    pub(crate) fn operation(
        &mut self,
        operation: &WriteOp,
        selection: Option<&Selection>,
    ) -> Result<Written, EngineError> {
        if let Some(noted) = outbox::note(operation, &self.shared.options)? {
            return self.note(noted);
        }
        let collection = operation.collection().map(|name| self.scope.collection(name)).transpose()?;
        let Some(collection) = collection.flatten() else {
            return not_there(self.actor, operation, &self.shared.options);
        };
        match operation {
            WriteOp::Insert { document, .. } => self.insert(&collection, document),
            WriteOp::Replace { id, document, precondition, .. } => {
                self.replace(&collection, id, document, *precondition)
            }
            WriteOp::Update { id, update, precondition, .. } => {
                let change = Change::Update(Update::parse(update)?);
                self.update(&collection, id, &change, *precondition)
            }
            WriteOp::Delete { id, precondition, .. } => self.delete(&collection, id, *precondition),
            _ => self.matching(&collection, operation, selection),
        }
    }

    /// Takes an entry for an outbox.
    pub(super) fn note(&mut self, noted: Noted) -> Result<Written, EngineError> {
        if matches!(self.actor, Actor::Ruled(_)) {
            return Err(EngineError::Denied { collection: "events and jobs".into() });
        }
        let own = |effect: &&Effect| matches!(effect, Effect::Outgoing(own) if own.outbox == noted.outbox);
        let waiting = self.waiting.of(noted.outbox) + self.done.effects.iter().filter(own).count() as u64;
        let most = self.shared.options.outbox_entries_max;
        if waiting >= most {
            return Err(EngineError::limit(
                Limit::OutboxEntries,
                format!(
                    "{most} events or jobs of the database wait to be handed on; no more are taken until some were"
                ),
            ));
        }
        self.done.effects.push(Effect::Outgoing(noted));
        Ok(Written::Noted)
    }

    /// The stored bytes of a document.
    pub(crate) fn present(
        &self,
        collection: &Collection,
        id: &DocumentId,
    ) -> Result<Option<Slice>, EngineError> {
        self.scope.read(&collection.name, id);
        self.group.get(Space::Documents, &layout::document(self.database.id, collection.id, id.as_str()))
    }

    /// The state that is written to, as it is now.
    pub(crate) fn state(&self) -> State<'_> {
        let time_ms = self.now.timestamp_millis();
        State { group: self.group, database: self.database.id, scope: self.scope, time_ms }
    }

    /// Whether the rules allow it.
    pub(crate) fn allows(
        &self,
        collection: &Collection,
        method: Method,
        documents: Documents<'_>,
    ) -> Result<bool, EngineError> {
        collection.rules.allow(self.actor, method, documents, &Lookups::new(&self.state()))
    }

    pub(crate) fn allow(
        &self,
        collection: &Collection,
        method: Method,
        documents: Documents<'_>,
    ) -> Result<(), EngineError> {
        if self.allows(collection, method, documents)? {
            Ok(())
        } else {
            Err(EngineError::Denied { collection: collection.name.to_string() })
        }
    }

    fn insert(&mut self, collection: &Arc<Collection>, given: &RawDocument) -> Result<Written, EngineError> {
        let id = document::id_of(given)?;
        let (_, stored) = self.create(collection, id, given)?;
        Ok(Written::Created(document::to_stored(&stored)?))
    }

    /// Creates a document, under a new id where none is given.
    pub(crate) fn create(
        &mut self,
        collection: &Arc<Collection>,
        id: Option<DocumentId>,
        given: &RawDocument,
    ) -> Result<(DocumentId, Slice), EngineError> {
        let id = match id {
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
        let stored = self.put(collection, &id, None, stored)?;
        Ok((id, stored))
    }

    fn allow_create(&self, collection: &Collection, stored: &[u8]) -> Result<(), EngineError> {
        let (_, new) = document::split(stored)?;
        self.allow(collection, Method::Create, Documents { present: Some(new), new: Some(new) })
    }

    fn replace(
        &mut self,
        collection: &Arc<Collection>,
        id: &DocumentId,
        given: &RawDocument,
        precondition: Precondition,
    ) -> Result<Written, EngineError> {
        let stored = replacement(given, id, &self.shared.options)?;
        let Some(before) = self.present(collection, id)? else {
            self.allow_create(collection, &stored)?;
            check_precondition(precondition, None, id)?;
            let stored = self.put(collection, id, None, stored)?;
            return Ok(Written::Created(document::to_stored(&stored)?));
        };
        let (version, present) = document::split(&before)?;
        let (_, new) = document::split(&stored)?;
        self.allow(collection, Method::Update, Documents { present: Some(present), new: Some(new) })?;
        check_precondition(precondition, Some(version), id)?;
        let stored = self.put(collection, id, Some(&before), stored)?;
        Ok(Written::Changed(document::to_stored(&stored)?))
    }

    fn update(
        &mut self,
        collection: &Arc<Collection>,
        id: &DocumentId,
        change: &Change<'_>,
        precondition: Precondition,
    ) -> Result<Written, EngineError> {
        let Some(before) = self.present(collection, id)? else {
            return self.missing(collection, id, Method::Update, precondition);
        };
        let present = Present { collection, id, stored: &before };
        let outcome = self.change(present, change, None, precondition)?;
        Ok(Written::Changed(document::to_stored(&outcome.stored)?))
    }

    /// Changes a document. Where it would stay as it is, nothing is written.
    pub(crate) fn change(
        &mut self,
        Present { collection, id, stored: before }: Present<'_>,
        change: &Change<'_>,
        filter: Option<&Filter>,
        precondition: Precondition,
    ) -> Result<Outcome, EngineError> {
        let (version, present) = document::split(before)?;
        let context = Context { filter, inserting: false, now: self.now };
        let stored = change.apply((id, present), &context, &self.shared.options)?;
        let new = match &stored {
            Some(stored) => document::split(stored)?.1,
            None => present,
        };
        self.allow(collection, Method::Update, Documents { present: Some(present), new: Some(new) })?;
        check_precondition(precondition, Some(version), id)?;
        let Some(stored) = stored else { return Ok(Outcome { stored: before.clone(), is_other: false }) };
        let stored = self.put(collection, id, Some(before), stored)?;
        Ok(Outcome { stored, is_other: true })
    }

    /// The answer where a document that has to exist does not: one that a ruled actor cannot learn from.
    fn missing(
        &self,
        collection: &Collection,
        id: &DocumentId,
        method: Method,
        precondition: Precondition,
    ) -> Result<Written, EngineError> {
        self.allow(collection, method, Documents::default())?;
        check_precondition(precondition, None, id)?;
        Err(EngineError::DocumentNotFound { collection: collection.name.to_string(), id: id.to_string() })
    }

    fn delete(
        &mut self,
        collection: &Arc<Collection>,
        id: &DocumentId,
        precondition: Precondition,
    ) -> Result<Written, EngineError> {
        let Some(before) = self.present(collection, id)? else {
            return self.missing(collection, id, Method::Delete, precondition);
        };
        self.remove(Present { collection, id, stored: &before }, precondition)?;
        Ok(Written::Removed(id.clone()))
    }

    /// Removes a document, if the rules allow it.
    pub(crate) fn remove(
        &mut self,
        document: Present<'_>,
        precondition: Precondition,
    ) -> Result<(), EngineError> {
        let (version, present) = document::split(document.stored)?;
        self.allow(document.collection, Method::Delete, Documents { present: Some(present), new: None })?;
        check_precondition(precondition, Some(version), document.id)?;
        self.take_out(document)
    }

    /// Removes a document.
    pub(crate) fn take_out(
        &mut self,
        Present { collection, id, stored: before }: Present<'_>,
    ) -> Result<(), EngineError> {
        let (_, present) = document::split(before)?;
        self.index(collection, id, Some(present), None)?;
        self.erase(Present { collection, id, stored: before });
        Ok(())
    }

    /// Removes a document whose index entries are gone.
    pub(super) fn erase(&mut self, Present { collection, id, stored: before }: Present<'_>) {
        let key = layout::document(self.database.id, collection.id, id.as_str());
        self.done.bytes -= (key.len() + before.len()) as i64;
        self.group.remove(Space::Documents, key);
        self.happened(collection, id, (Some(before.clone()), None));
    }

    /// Puts a document in place; returns what is stored.
    pub(crate) fn put(
        &mut self,
        collection: &Arc<Collection>,
        id: &DocumentId,
        before: Option<&Slice>,
        stored: Vec<u8>,
    ) -> Result<Slice, EngineError> {
        let present = before.map(|before| document::split(before)).transpose()?;
        let (_, new) = document::split(&stored)?;
        if let Err(error) = self.index(collection, id, present.map(|(_, present)| present), Some(new)) {
            if matches!(error, EngineError::UniqueViolation { .. }) {
                self.scope.read_all(&collection.name);
            }
            return Err(error);
        }
        Ok(self.store(collection, id, before, stored))
    }

    /// Puts a document in place whose index entries are there.
    pub(super) fn store(
        &mut self,
        collection: &Arc<Collection>,
        id: &DocumentId,
        before: Option<&Slice>,
        mut stored: Vec<u8>,
    ) -> Slice {
        document::set_version(&mut stored, self.number);
        let key = layout::document(self.database.id, collection.id, id.as_str());
        self.done.bytes += stored.len() as i64 - before.map_or(0, |before| before.len()) as i64;
        if before.is_none() {
            self.done.bytes += key.len() as i64;
        }
        let stored = Slice::from(stored);
        self.group.put(Space::Documents, key, stored.clone());
        self.happened(collection, id, (before.cloned(), Some(stored.clone())));
        stored
    }

    fn happened(
        &mut self,
        collection: &Arc<Collection>,
        id: &DocumentId,
        (before, after): (Option<Slice>, Option<Slice>),
    ) {
        let (commit, collection, id) = (self.number, Arc::clone(collection), id.clone());
        self.done.effects.push(Effect::Document(Changed { commit, collection, id, before, after }));
    }
}
