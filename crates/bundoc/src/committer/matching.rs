//! Writes by a filter on the newest state: the candidates that a search found in an older snapshot, and
//! every document that was changed since, are looked at as they are now.

use super::writer::{Change, Effect, Outcome, Present, Writer, raw, shown};
use crate::catalog::Collection;
use crate::document;
use crate::engine::{
    Actor, DocumentId, FindAndModify, Modification, Precondition, Returning, WriteOp, Written,
};
use crate::error::{EngineError, Limit};
use crate::find::Seen;
use crate::history::Changed;
use crate::layout::{self, Space};
use crate::matching::{Most, Ruled, Search, Selection, too_many};
use crate::options::EngineOptions;
use crate::projection::Projection;
use crate::query::Query;
use crate::rules::{Documents, Lookups, Method};
use crate::update::{Update, fields_of};
use bson::{Bson, Document, RawDocument};
use fjall::Slice;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How long a search may take inside the committer, where all others wait for it.
const SEARCH_TIME_MAX: Duration = Duration::from_millis(500);

/// Which documents are meant.
struct Asked<'q> {
    query: &'q Query,
    /// What time it is for the rules.
    time_ms: i64,
}

/// What a search found, in the newest state.
struct Matched {
    query: Query,
    documents: Vec<(DocumentId, Slice)>,
}

impl Writer<'_, '_> {
    /// Does one operation with a filter.
    pub(super) fn matching(
        &mut self,
        collection: &Arc<Collection>,
        operation: &WriteOp,
        selection: Option<&Selection>,
    ) -> Result<Written, EngineError> {
        match operation {
            WriteOp::UpdateMatching { filter, change, upsert, .. } => {
                let change = update_by_filter(change)?;
                let matched = self.search(collection, operation, selection)?;
                if matched.documents.is_empty() && *upsert {
                    let (id, _) = self.upsert(collection, &change, (&matched.query, filter))?;
                    return Ok(Written::Updated { matched: 0, modified: 0, upserted_id: Some(id) });
                }
                self.update_all(collection, &change, &matched)
            }
            WriteOp::DeleteMatching { .. } => {
                let matched = self.search(collection, operation, selection)?;
                for (id, stored) in &matched.documents {
                    self.take_bytes(stored.len())?;
                    self.remove(Present { collection, id, stored }, Precondition::Any)?;
                }
                Ok(Written::Deleted(matched.documents.len() as u64))
            }
            WriteOp::FindAndModify(asked) => {
                let change = modification(&asked.change)?;
                let matched = self.search(collection, operation, selection)?;
                self.find_and_modify(collection, asked, (change.as_ref(), &matched)).map(Written::Found)
            }
            _ => Err(EngineError::InvalidQuery("the operation has no filter".into())),
        }
    }

    fn update_all(
        &mut self,
        collection: &Arc<Collection>,
        change: &Change<'_>,
        Matched { query, documents }: &Matched,
    ) -> Result<Written, EngineError> {
        let mut modified = 0;
        for (id, stored) in documents {
            let present = Present { collection, id, stored };
            let outcome = self.change(present, change, Some(&query.filter), Precondition::Any)?;
            self.take_bytes(stored.len() + outcome.stored.len())?;
            modified += u64::from(outcome.is_other);
        }
        Ok(Written::Updated { matched: documents.len() as u64, modified, upserted_id: None })
    }

    fn find_and_modify(
        &mut self,
        collection: &Arc<Collection>,
        asked: &FindAndModify,
        (change, Matched { query, documents }): (Option<&Change<'_>>, &Matched),
    ) -> Result<Option<crate::engine::StoredDocument>, EngineError> {
        let fields = Projection::parse(&asked.fields)?;
        let Some((id, stored)) = documents.first() else {
            let Some(change) = change.filter(|_| asked.upsert) else { return Ok(None) };
            let (_, stored) = self.upsert(collection, change, (query, &asked.filter))?;
            let after = asked.returning == Returning::After;
            return after.then(|| shown(&stored, &fields)).transpose();
        };
        let present = Present { collection, id, stored };
        let Some(change) = change else {
            self.remove(present, Precondition::Any)?;
            return shown(stored, &fields).map(Some);
        };
        let Outcome { stored: after, .. } =
            self.change(present, change, Some(&query.filter), Precondition::Any)?;
        let given = if asked.returning == Returning::After { &after } else { stored };
        shown(given, &fields).map(Some)
    }

    /// Creates the document that a filter did not find.
    fn upsert(
        &mut self,
        collection: &Arc<Collection>,
        change: &Change<'_>,
        (query, filter): (&Query, &Document),
    ) -> Result<(DocumentId, Slice), EngineError> {
        let new = match change {
            Change::Update(update) => raw(&update.on_insert(&query.filter, self.now)?)?,
            Change::Replace(given) => (*given).to_owned(),
        };
        let id = match document::id_of(&new)? {
            Some(id) => Some(id),
            None => id_in(filter, &fields_of(&query.filter)?)?,
        };
        self.create(collection, id, &new)
    }

    /// Counts bytes that operations with a filter touch, as those of a batch are counted.
    fn take_bytes(&mut self, bytes: usize) -> Result<(), EngineError> {
        self.done.matching_bytes += bytes;
        let most = self.shared.options.batch_bytes_max.saturating_mul(2);
        if self.done.matching_bytes > most && self.done.effects.len() > 1 {
            return Err(EngineError::limit(Limit::MatchingBytes, format!(
                "the filter matches documents that have, before and after, more than {most} bytes together: \
                 split the work by ranges of `_id` or of another field"
            )));
        }
        Ok(())
    }

    /// The documents that an operation is about.
    fn search(
        &mut self,
        collection: &Arc<Collection>,
        operation: &WriteOp,
        selection: Option<&Selection>,
    ) -> Result<Matched, EngineError> {
        let options = &self.shared.options;
        let Some((name, search)) = Search::of(operation, self.pending(collection).count() + 1) else {
            return Err(EngineError::InvalidQuery("the operation has no filter".into()));
        };
        self.scope.searched(name, search.filter)?;
        let query = search.query(collection.id, options)?;
        let (mut ids, horizon) = match selection {
            Some(selection) => self.up_to_date(collection, selection)?,
            None => self.search_here(collection, &search)?,
        };
        ids.extend(self.pending(collection).map(|changed| changed.id.clone()));
        // The time of the search: what came into sight since by time alone was not looked for.
        let time_ms = selection.map_or(self.now.timestamp_millis(), |selection| selection.ruled.time_ms);
        let asked = Asked { query: &query, time_ms };
        let documents = match search.most {
            Most::All => self.all_of(collection, &asked, ids)?,
            Most::First(_) => self.first_of(collection, &asked, (ids, horizon))?.into_iter().collect(),
        };
        Ok(Matched { query, documents })
    }

    /// Documents of the collection that the group and this batch changed already.
    fn pending<'c>(&'c self, collection: &'c Collection) -> impl Iterator<Item = &'c Changed> {
        self.pending_everywhere().filter(|changed| changed.collection.id == collection.id)
    }

    fn pending_everywhere(&self) -> impl Iterator<Item = &Changed> {
        let own = self.done.effects.iter().filter_map(|effect| match effect {
            Effect::Document(changed) => Some(changed),
            Effect::Outgoing(_) => None,
        });
        self.earlier.iter().chain(own)
    }

    /// Whether the rules would let the same documents be found as when they were looked for, as far as
    /// those did not change themselves.
    fn finds_the_same(
        &self,
        collection: &Collection,
        ruled: &Ruled,
        history: &[Arc<[Changed]>],
    ) -> bool {
        let same_rules = ruled.rules.as_ref().is_none_or(|rules| Arc::ptr_eq(rules, &collection.rules));
        let mut changes = history.iter().flat_map(|group| group.iter()).chain(self.pending_everywhere());
        matches!(self.actor, Actor::Trusted)
            || (same_rules && !changes.any(|changed| ruled.looked_up.has(changed)))
    }

    /// What was found in an older snapshot, and what earlier groups changed since.
    fn up_to_date(
        &self,
        collection: &Collection,
        selection: &Selection,
    ) -> Result<(BTreeSet<DocumentId>, Option<Vec<u8>>), EngineError> {
        // A history that does not reach back is a reason to search again.
        let history = self.shared.history.since(&self.database.name, selection.since);
        let history = history.map_err(|_| EngineError::TransactionConflict)?;
        if !self.finds_the_same(collection, &selection.ruled, &history) {
            return Err(EngineError::TransactionConflict);
        }
        let mut ids: BTreeSet<DocumentId> = if selection.collection == Some(collection.id) {
            selection.ids.iter().cloned().collect()
        } else {
            BTreeSet::new()
        };
        let changes = history.iter().flat_map(|group| group.iter());
        let of_here = changes.filter(|changed| changed.collection.id == collection.id);
        ids.extend(of_here.map(|changed| changed.id.clone()));
        Ok((ids, selection.horizon.clone()))
    }

    /// Searches the state that the group is laid over. One candidate more than the group has changed is
    /// enough for one that is there.
    fn search_here(
        &self,
        collection: &Arc<Collection>,
        search: &Search<'_>,
    ) -> Result<(BTreeSet<DocumentId>, Option<Vec<u8>>), EngineError> {
        let options = EngineOptions { find_time_max: SEARCH_TIME_MAX, ..self.shared.options.clone() };
        let state = self.state();
        let seen = Seen {
            view: self.group.view(),
            database: Arc::clone(self.database),
            collection: Arc::clone(collection),
            lookup: Some(&state),
        };
        let selection = search.run(&seen, self.actor, &options)?;
        Ok((selection.ids.into_iter().collect(), selection.horizon))
    }

    fn all_of(
        &self,
        collection: &Collection,
        asked: &Asked<'_>,
        ids: BTreeSet<DocumentId>,
    ) -> Result<Vec<(DocumentId, Slice)>, EngineError> {
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            if let Some(stored) = self.match_of(collection, asked, &id)? {
                found.push((id, stored));
            }
        }
        if found.len() > self.shared.options.matching_documents_max {
            return Err(too_many(&self.shared.options));
        }
        Ok(found)
    }

    /// The first document in the order of the query. One behind the horizon may not be the first.
    fn first_of(
        &self,
        collection: &Collection,
        asked: &Asked<'_>,
        (ids, horizon): (BTreeSet<DocumentId>, Option<Vec<u8>>),
    ) -> Result<Option<(DocumentId, Slice)>, EngineError> {
        let sort = &asked.query.sort;
        let mut first: Option<(Vec<u8>, DocumentId, Slice)> = None;
        for id in ids {
            let Some(stored) = self.match_of(collection, asked, &id)? else { continue };
            let (_, document) = document::split(&stored)?;
            let place = sort.bytes(&sort.place(document, id.as_str())?);
            if first.as_ref().is_none_or(|(before, _, _)| place < *before) {
                first = Some((place, id, stored));
            }
        }
        match (first, horizon) {
            (None, Some(_)) => Err(EngineError::TransactionConflict),
            (Some((place, _, _)), Some(horizon)) if place > horizon => Err(EngineError::TransactionConflict),
            (first, _) => Ok(first.map(|(_, id, stored)| (id, stored))),
        }
    }

    /// The document, if it matches as it is now and the actor may list it.
    fn match_of(
        &self,
        collection: &Collection,
        Asked { query, time_ms }: &Asked<'_>,
        id: &DocumentId,
    ) -> Result<Option<Slice>, EngineError> {
        // Not `present`: that the filter was asked is remembered already.
        let key = layout::document(self.database.id, collection.id, id.as_str());
        let Some(stored) = self.group.get(Space::Documents, &key)? else { return Ok(None) };
        let (_, document) = document::split(&stored)?;
        if !query.filter.matches(document) {
            return Ok(None);
        }
        let (documents, state) =
            (Documents { present: Some(document), new: None }, self.state_at(*time_ms));
        let listed = collection.rules.allow(self.actor, Method::List, documents, &Lookups::new(&state))?;
        Ok(listed.then_some(stored))
    }
}

/// `None` is a removal.
pub(super) fn modification(change: &Modification) -> Result<Option<Change<'_>>, EngineError> {
    match change {
        Modification::Update(spec) => Update::parse(spec).map(|update| Some(Change::Update(update))),
        Modification::Replace(document) => Ok(Some(Change::Replace(document as &RawDocument))),
        Modification::Remove => Ok(None),
    }
}

pub(super) fn update_by_filter(change: &Modification) -> Result<Change<'_>, EngineError> {
    let removal = || EngineError::InvalidUpdate("an update by a filter removes nothing".into());
    modification(change)?.ok_or_else(removal)
}

/// The id that a filter asks for.
fn id_in(filter: &Document, fixed: &Document) -> Result<Option<DocumentId>, EngineError> {
    match fixed.get("_id") {
        None => Ok(None),
        Some(Bson::String(id)) => DocumentId::parse(id).map(Some),
        Some(_) => Err(EngineError::InvalidDocument(format!(
            "`_id` is a string, which the filter {filter} does not make it"
        ))),
    }
}
