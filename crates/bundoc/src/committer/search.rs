//! Which documents a write by a filter is about, in the newest state: the candidates that a search found in an
//! older snapshot, and every document that was changed since, are looked at as they are now.

use super::change::Present;
use super::writer::{Effect, Writer};
use crate::catalog::Collection;
use crate::document;
use crate::engine::{Actor, DocumentId, WriteOp};
use crate::error::EngineError;
use crate::find::Seen;
use crate::history::Changed;
use crate::layout::{self, Space};
use crate::matching::{Draft, Drafts, Most, Ruled, Search, Selection, too_many};
use crate::options::EngineOptions;
use crate::query::Query;
use crate::rules::{Documents, Method};
use fjall::Slice;
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a search may take inside the committer, where all others wait for it.
const SEARCH_TIME_MAX: Duration = Duration::from_millis(500);

/// What a search found, in the newest state.
pub(super) struct Matched<'s> {
    pub(super) query: Query,
    pub(super) documents: Vec<Found<'s>>,
    /// Of the selection that it began with.
    pub(super) drafts: Option<&'s Drafts>,
}

/// A document that is meant.
pub(super) struct Found<'s> {
    pub(super) id: DocumentId,
    pub(super) stored: Slice,
    /// What is done to it, where that is known.
    pub(super) draft: Option<&'s Draft>,
}

impl Found<'_> {
    pub(super) fn present<'f>(&'f self, collection: &'f Arc<Collection>) -> Present<'f> {
        Present { collection, id: &self.id, stored: &self.stored }
    }
}

/// What may be meant.
struct Candidates {
    ids: BTreeSet<DocumentId>,
    /// The place of the last, where there may be more behind it.
    horizon: Option<Vec<u8>>,
    /// Those that changed after they were found.
    changed: HashSet<DocumentId>,
}

impl Candidates {
    fn add_changed(&mut self, id: &DocumentId) {
        self.ids.insert(id.clone());
        self.changed.insert(id.clone());
    }
}

impl Writer<'_, '_> {
    /// The documents that an operation is about.
    pub(super) fn search<'s>(
        &mut self,
        collection: &Arc<Collection>,
        operation: &WriteOp,
        selection: Option<&'s Selection>,
    ) -> Result<Matched<'s>, EngineError> {
        let options = &self.shared.options;
        let Some((name, search)) = Search::of(operation, self.pending(collection).count() + 1) else {
            return Err(EngineError::InvalidQuery("the operation has no filter".into()));
        };
        self.scope.searched(name, search.filter)?;
        let query = search.query(collection.id, options)?;
        let mut candidates = match selection {
            Some(selection) => self.up_to_date(collection, selection)?,
            None => self.search_here(collection, &search)?,
        };
        self.pending(collection).for_each(|changed| candidates.add_changed(&changed.id));
        let drafts = selection.map(|selection| &selection.drafts);
        let documents = match search.most {
            Most::All => self.all_of(collection, &query, (candidates, drafts))?,
            Most::First(_) => self.first_of(collection, &query, candidates)?.into_iter().collect(),
        };
        Ok(Matched { query, documents, drafts })
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
    fn finds_the_same(&self, collection: &Collection, ruled: &Ruled, history: &[Arc<[Changed]>]) -> bool {
        let same_rules = ruled.rules.as_ref().is_none_or(|rules| Arc::ptr_eq(rules, &collection.rules));
        let mut changes = history.iter().flat_map(|group| group.iter()).chain(self.pending_everywhere());
        matches!(self.actor, Actor::Trusted)
            || (same_rules && !changes.any(|changed| ruled.looked_up.has(changed)))
    }

    /// What was found in an older snapshot, and what earlier groups changed since.
    fn up_to_date(&self, collection: &Collection, selection: &Selection) -> Result<Candidates, EngineError> {
        // A history that does not reach back is a reason to search again.
        let history = self.shared.history.since(&self.database.name, selection.since);
        let history = history.map_err(|_| EngineError::TransactionConflict)?;
        if !self.finds_the_same(collection, &selection.ruled, &history) {
            return Err(EngineError::TransactionConflict);
        }
        let ids = if selection.collection == Some(collection.id) {
            selection.ids.iter().cloned().collect()
        } else {
            BTreeSet::new()
        };
        let mut candidates = Candidates { ids, horizon: selection.horizon.clone(), changed: HashSet::new() };
        let changes = history.iter().flat_map(|group| group.iter());
        let of_here = changes.filter(|changed| changed.collection.id == collection.id);
        of_here.for_each(|changed| candidates.add_changed(&changed.id));
        Ok(candidates)
    }

    /// Searches the state that the group is laid over. One candidate more than the group has changed is
    /// enough for one that is there.
    fn search_here(
        &self,
        collection: &Arc<Collection>,
        search: &Search<'_>,
    ) -> Result<Candidates, EngineError> {
        let options = EngineOptions { find_time_max: SEARCH_TIME_MAX, ..self.shared.options.clone() };
        let state = self.state();
        let seen = Seen {
            view: self.group.view(),
            database: Arc::clone(self.database),
            collection: Arc::clone(collection),
            lookup: Some(&state),
        };
        let selection = search.run(&seen, self.actor, &options)?;
        let Selection { ids, horizon, .. } = selection;
        Ok(Candidates { ids: ids.into_iter().collect(), horizon, changed: HashSet::new() })
    }

    fn all_of<'s>(
        &self,
        collection: &Collection,
        query: &Query,
        (candidates, drafts): (Candidates, Option<&'s Drafts>),
    ) -> Result<Vec<Found<'s>>, EngineError> {
        let Candidates { ids, changed, .. } = candidates;
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            // What did not change since it was found still matches.
            let draft = drafts.filter(|_| !changed.contains(&id)).and_then(|drafts| drafts.of(&id));
            if let Some(draft) = draft {
                found.push(Found { id, stored: draft.before.clone(), draft: Some(draft) });
            } else if let Some(stored) = self.match_of(collection, query, &id)? {
                found.push(Found { id, stored, draft: None });
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
        query: &Query,
        Candidates { ids, horizon, .. }: Candidates,
    ) -> Result<Option<Found<'static>>, EngineError> {
        let sort = &query.sort;
        let mut first: Option<(Vec<u8>, DocumentId, Slice)> = None;
        for id in ids {
            let Some(stored) = self.match_of(collection, query, &id)? else { continue };
            let (_, document) = document::split(&stored)?;
            let place = sort.bytes(&sort.place(document, id.as_str())?);
            if first.as_ref().is_none_or(|(before, _, _)| place < *before) {
                first = Some((place, id, stored));
            }
        }
        match (first, horizon) {
            (None, Some(_)) => Err(EngineError::TransactionConflict),
            (Some((place, _, _)), Some(horizon)) if place > horizon => Err(EngineError::TransactionConflict),
            (first, _) => Ok(first.map(|(_, id, stored)| Found { id, stored, draft: None })),
        }
    }

    /// The document, if it matches as it is now and the actor may list it.
    fn match_of(
        &self,
        collection: &Collection,
        query: &Query,
        id: &DocumentId,
    ) -> Result<Option<Slice>, EngineError> {
        // Not `present`: that the filter was asked is remembered already.
        let key = layout::document(self.database.id, collection.id, id.as_str());
        let Some(stored) = self.group.get(Space::Documents, &key)? else { return Ok(None) };
        let (_, document) = document::split(&stored)?;
        let documents = Documents { present: Some(document), new: None };
        let matches = query.filter.matches(document)
            && (matches!(self.actor, Actor::Trusted) || self.allows(collection, Method::List, documents)?);
        Ok(matches.then_some(stored))
    }
}
