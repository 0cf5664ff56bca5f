//! Which documents a write by a filter is about. The query runs on a snapshot, in the thread of the caller;
//! the committer brings its answer up to date with what was changed since, and so decides on the newest
//! state without a scan.
//!
//! What must hold: a selection that is complete has every document that matched in its snapshot. One that
//! is not has every one up to its horizon, in the order of the search. Under rules it also says what they
//! looked at beside the documents: where that changed, the search runs again.

mod drafts;
mod looked_up;
#[cfg(test)]
mod tests;

use crate::committer::{Batch, Shared, Work};
use crate::document;
use crate::engine::{
    Actor, CollectionName, Commit, DatabaseName, DocumentId, FieldOrder, FindAndModify, FindRequest, WriteOp,
};
use crate::error::{EngineError, Limit};
use crate::find::{self, Seen, look};
use crate::history::{Hold, Holder};
use crate::layout::{self, Id, Space};
use crate::options::EngineOptions;
use crate::query::Query;
use crate::requests::Requests;
use crate::rules::{CompiledRules, Method};
use bson::{DateTime, Document, doc};
use drafts::Drafting;
pub(crate) use drafts::{After, Draft, Drafts, room};
pub(crate) use looked_up::LookedUp;
use looked_up::Noting;
use std::sync::Arc;

/// How often a query runs outside of the committer before it runs inside.
const ATTEMPTS: u32 = 3;
/// Candidates for the first document of a search; others may take those before. Each attempt has so many
/// times more.
const CANDIDATES: usize = 8;

/// What a search is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Most {
    /// Every document that matches.
    All,
    /// The first in the order, with so many candidates.
    First(usize),
}

/// A search of a write.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) filter: &'a Document,
    pub(crate) sort: &'a [FieldOrder],
    pub(crate) most: Most,
}

/// What a search found in a snapshot.
pub(crate) struct Selection {
    /// The collection; `None` where it was missing.
    pub(crate) collection: Option<Id>,
    /// The last commit in the snapshot.
    pub(crate) since: u64,
    pub(crate) ids: Vec<DocumentId>,
    /// The place of the last candidate, where there may be more behind it.
    pub(crate) horizon: Option<Vec<u8>>,
    /// The rules that decided, and what they saw beside the documents.
    pub(crate) ruled: Ruled,
    /// What is done to the documents, worked out so far.
    pub(crate) drafts: Drafts,
}

/// What decided which documents were found, beside the documents.
#[derive(Default)]
pub(crate) struct Ruled {
    pub(crate) rules: Option<Arc<CompiledRules>>,
    pub(crate) looked_up: LookedUp,
}

/// The selections of a batch, by operation, and what keeps the history since.
pub(crate) struct Selections {
    of: Vec<Option<Selection>>,
    /// What time it is for the batch, from the searches to the end.
    pub(crate) now: DateTime,
    _hold: Hold,
}

impl Selections {
    /// The selection of an operation.
    pub(crate) fn of(&self, index: usize) -> Option<&Selection> {
        self.of.get(index).and_then(Option::as_ref)
    }
}

impl<'a> Search<'a> {
    /// The search of an operation, if it has one.
    pub(crate) fn of(operation: &'a WriteOp, candidates: usize) -> Option<(&'a CollectionName, Self)> {
        let most = |many: bool| if many { Most::All } else { Most::First(candidates) };
        match operation {
            WriteOp::UpdateMatching { collection, filter, many, .. }
            | WriteOp::DeleteMatching { collection, filter, many } => {
                Some((collection, Self { filter, sort: &[], most: most(*many) }))
            }
            WriteOp::FindAndModify(FindAndModify { collection, filter, sort, .. }) => {
                Some((collection, Self { filter, sort, most: Most::First(candidates) }))
            }
            _ => None,
        }
    }

    fn request(&self, limit: usize) -> FindRequest {
        let (filter, sort) = (self.filter.clone(), self.sort.to_vec());
        FindRequest { filter, sort, limit, fields: doc! {"_id": 1}, ..FindRequest::default() }
    }

    /// The checked query.
    pub(crate) fn query(&self, collection: Id, options: &EngineOptions) -> Result<Query, EngineError> {
        Query::parse(&self.request(1), collection, options)
    }

    /// Runs it in a snapshot.
    pub(crate) fn run(
        &self,
        seen: &Seen<'_>,
        actor: &Actor,
        options: &EngineOptions,
    ) -> Result<Selection, EngineError> {
        if !seen.collection.rules.covers(actor, Method::List) {
            return Err(EngineError::Denied { collection: seen.collection.name.to_string() });
        }
        let limit = match self.most {
            Most::All => options.matching_documents_max + 1,
            Most::First(candidates) => candidates,
        };
        let (ids, more) = self.ids(seen, actor, (limit, options))?;
        let horizon = match (self.most, ids.last()) {
            (Most::All, _) if more || ids.len() >= limit => return Err(too_many(options)),
            (Most::First(_), Some(last)) if more => self.place(seen, last, options)?,
            _ => None,
        };
        let (collection, since) = (Some(seen.collection.id), seen.view.commit()?);
        Ok(Selection { collection, since, ids, horizon, ruled: Ruled::default(), drafts: Drafts::default() })
    }

    /// The first ids, and whether there may be more.
    fn ids(
        &self,
        seen: &Seen<'_>,
        actor: &Actor,
        (limit, options): (usize, &EngineOptions),
    ) -> Result<(Vec<DocumentId>, bool), EngineError> {
        let options = EngineOptions { find_limit_max: limit, ..options.clone() };
        let mut ids = Vec::new();
        let mut request = self.request(limit);
        loop {
            let page = find::find(seen, &request, actor, &options, None)?;
            for found in &page.documents {
                ids.extend(document::id_of(&found.document)?);
            }
            request.cursor = page.next_cursor;
            if ids.len() >= limit || request.cursor.is_none() {
                return Ok((ids, request.cursor.is_some()));
            }
            // The page ended early for its bytes.
            request.limit = limit - ids.len();
        }
    }

    /// Where a document of the snapshot stands.
    fn place(
        &self,
        seen: &Seen<'_>,
        id: &DocumentId,
        options: &EngineOptions,
    ) -> Result<Option<Vec<u8>>, EngineError> {
        let query = self.query(seen.collection.id, options)?;
        let key = layout::document(seen.database.id, seen.collection.id, id.as_str());
        let Some(stored) = seen.view.get(Space::Documents, &key)? else { return Ok(None) };
        let (_, document) = document::split(&stored)?;
        Ok(Some(query.sort.bytes(&query.sort.place(document, id.as_str())?)))
    }
}

/// The refusal of a write that is about too much.
pub(crate) fn too_many(options: &EngineOptions) -> EngineError {
    EngineError::limit(
        Limit::MatchingDocuments,
        format!(
            "the filter matches more than {} documents: split the work by ranges of `_id` or of another field",
            options.matching_documents_max
        ),
    )
}

/// Whether a batch has operations with a filter.
pub(crate) fn has_searches(operations: &[WriteOp]) -> bool {
    operations.iter().any(|operation| Search::of(operation, 1).is_some())
}

/// Runs the searches of a batch, each in a snapshot of its own.
fn select_all(
    shared: &Shared,
    database: &DatabaseName,
    batch: &Batch,
    candidates: usize,
) -> Result<Selections, EngineError> {
    let hold = shared.history.hold(database, Holder::Write)?;
    let now = DateTime::now();
    let mut of = Vec::with_capacity(batch.operations.len());
    for (index, operation) in batch.operations.iter().enumerate() {
        let selection = Search::of(operation, candidates).map(|(collection, search)| {
            let place = Place { shared, database, collection };
            place.select(operation, &search, (&batch.actor, now))
        });
        of.push(selection.transpose().map_err(|error| batch.at(index, error))?);
    }
    if let Some(oldest) = of.iter().flatten().map(|selection| selection.since).min() {
        hold.needs_after(oldest);
    }
    Ok(Selections { of, now, _hold: hold })
}

/// Where a search looks.
struct Place<'a> {
    shared: &'a Shared,
    database: &'a DatabaseName,
    collection: &'a CollectionName,
}

impl Place<'_> {
    fn select(
        &self,
        operation: &WriteOp,
        search: &Search<'_>,
        (actor, now): (&Actor, DateTime),
    ) -> Result<Selection, EngineError> {
        let Self { shared, database, collection } = *self;
        let Some(seen) = look(&shared.store, &shared.catalog, database, collection) else {
            return self.nothing(search, actor);
        };
        let noting = Noting::new(&seen, now);
        let looking_up = seen.looking_up(&noting);
        let selection = search.run(&looking_up, actor, &shared.options)?;
        let drafts = Drafting::new(shared, &looking_up, (actor, now))
            .drafts(operation, &selection.ids)
            .unwrap_or_default();
        let (rules, looked_up) = (Some(Arc::clone(&seen.collection.rules)), noting.into_looked_up());
        Ok(Selection { ruled: Ruled { rules, looked_up }, drafts, ..selection })
    }

    fn nothing(&self, search: &Search<'_>, actor: &Actor) -> Result<Selection, EngineError> {
        if matches!(actor, Actor::Ruled(_)) {
            return Err(EngineError::Denied { collection: self.collection.to_string() });
        }
        search.query(0, &self.shared.options)?;
        Ok(Selection {
            collection: None,
            since: self.shared.store.view().commit()?,
            ids: Vec::new(),
            horizon: None,
            ruled: Ruled::default(),
            drafts: Drafts::default(),
        })
    }
}

impl Requests {
    /// Writes a batch with searches. Where the candidates were used up by others meanwhile, the searches
    /// run again with more of them; at last they run inside the committer, where nobody is ahead.
    pub(crate) async fn write_matching(
        &self,
        database: &DatabaseName,
        batch: Batch,
    ) -> Result<Commit, EngineError> {
        let mut candidates = CANDIDATES;
        for _ in 0..ATTEMPTS {
            let selections = self.select(database, batch.clone(), candidates).await?;
            let attempt = Batch { selections: Some(Arc::new(selections)), ..batch.clone() };
            match self.write(database, Work::Batch(attempt)).await {
                Err(EngineError::TransactionConflict) => candidates *= CANDIDATES,
                answer => return answer,
            }
        }
        // A rule that looks elsewhere may deny every candidate that it allowed a moment ago.
        let busy = |error| match error {
            EngineError::TransactionConflict => EngineError::Busy,
            error => error,
        };
        self.write(database, Work::Batch(batch)).await.map_err(busy)
    }

    async fn select(
        &self,
        database: &DatabaseName,
        batch: Batch,
        candidates: usize,
    ) -> Result<Selections, EngineError> {
        let permit = Arc::clone(&self.shared.matching_queries).acquire_owned().await;
        let permit = permit.map_err(|_| EngineError::Closed)?;
        let (shared, database) = (Arc::clone(&self.shared), database.clone());
        let select = move || {
            let _permit = permit;
            select_all(&shared, &database, &batch, candidates)
        };
        tokio::task::spawn_blocking(select).await.unwrap_or(Err(EngineError::Closed))
    }
}
