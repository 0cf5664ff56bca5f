//! Runs queries over one snapshot: pages, counts, the different values of a field. A plan says which entries
//! are read; filter and rules are checked on every document that they lead to. What a transaction wrote may
//! be laid over the snapshot.

mod distinct;
mod group;
mod overlay;
mod page;
mod reader;
mod source;

use crate::catalog::record::{self, count_key};
use crate::catalog::{Catalog, Collection, Database};
use crate::document;
use crate::engine::{
    Actor, CollectionName, DatabaseName, DocumentId, Explanation, FindRequest, Page, PlanSummary,
    StoredDocument,
};
use crate::error::EngineError;
use crate::layout::{self, Space};
use crate::options::EngineOptions;
use crate::path;
use crate::plan::{self, Asked, Choice, Estimator, Goal, Place, Plan, PlanOrder};
use crate::projection::Projection;
use crate::query::Query;
use crate::rules::Lookup;
use crate::store::{Store, View};
use bson::{Bson, Document};
use distinct::Values;
use fjall::Slice;
pub(crate) use group::find_group;
use overlay::Merged;
pub(crate) use overlay::Overlay;
use page::Arrival;
use reader::{Reader, Scope};
use source::{Cursor, Found, Planned, Source};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A collection as one snapshot has it.
pub(crate) struct Seen<'a> {
    pub(crate) view: View<'a>,
    pub(crate) database: Arc<Database>,
    pub(crate) collection: Arc<Collection>,
    /// Where rules look other documents up, if not in the snapshot.
    pub(crate) lookup: Option<&'a dyn Lookup>,
}

/// A snapshot in which the collection is as the catalog says. The catalog follows the store, so a
/// collection that is still the same after the snapshot was taken is the one in it.
pub(crate) fn look<'a>(
    store: &'a Store,
    catalog: &Catalog,
    database: &DatabaseName,
    collection: &CollectionName,
) -> Option<Seen<'a>> {
    let mut before = catalog.collection(database, collection)?;
    loop {
        let view = store.view();
        let after = catalog.collection(database, collection)?;
        if Arc::ptr_eq(&before.1, &after.1) {
            return Some(Seen { view, database: after.0, collection: after.1, lookup: None });
        }
        before = after;
    }
}

/// The stored bytes of a document in a snapshot.
fn stored(
    view: &View<'_>,
    database: &Database,
    collection: &CollectionName,
    id: &DocumentId,
) -> Result<Option<Slice>, EngineError> {
    let Some(collection) = database.collection(collection) else { return Ok(None) };
    view.get(Space::Documents, &layout::document(database.id, collection.id, id.as_str()))
}

impl Lookup for Seen<'_> {
    fn document(&self, collection: &CollectionName, id: &DocumentId) -> Result<Option<Slice>, EngineError> {
        stored(&self.view, &self.database, collection, id)
    }
}

impl<'a> Seen<'a> {
    /// The same, where rules look other documents up elsewhere.
    pub(crate) fn looking_up<'l>(&'l self, lookup: &'l dyn Lookup) -> Seen<'l> {
        Seen {
            view: self.view.clone(),
            database: Arc::clone(&self.database),
            collection: Arc::clone(&self.collection),
            lookup: Some(lookup),
        }
    }

    fn scope(&'a self, actor: &'a Actor, options: &'a EngineOptions) -> Scope<'a> {
        Scope {
            view: &self.view,
            database: &self.database,
            actor,
            options,
            lookup: self.lookup.unwrap_or(self),
        }
    }

    /// The question for the planner. `fields` are enough to answer it, where no rule looks at documents.
    fn asked<'q>(&self, query: &'q Query, goal: Goal, fields: Option<Vec<String>>) -> Asked<'q> {
        Asked {
            database: self.database.id,
            place: Place::Collection(self.collection.id),
            query,
            narrowing: None,
            goal,
            fields,
            documents: self.collection.documents.load(Ordering::Relaxed),
        }
    }

    /// How a query is answered: by what it asks, and by what the rules can let its actor see.
    fn plan(&self, asked: Asked<'_>, reader: &Reader<'_>) -> Result<Plan, EngineError> {
        let listed = self.collection.rules.list_filter(reader.actor, &reader.lookups)?;
        let asked = Asked { narrowing: listed.as_ref(), ..asked };
        Ok(plan::choose(&asked, &self.collection.indexes, &Estimator(&self.view)))
    }

    /// The documents of a plan, those of the overlay in their places.
    fn source<'o>(
        &self,
        plan: Plan,
        overlay: Option<&'o Overlay>,
        reader: &mut Reader<'_>,
    ) -> Result<Box<dyn Source + 'o>, EngineError> {
        let overlay = overlay.filter(|overlay| !overlay.is_empty());
        let planned = Planned::new(Arc::clone(&self.collection), plan, overlay);
        Ok(match overlay {
            None => Box::new(planned),
            Some(overlay) => Box::new(Merged::new(planned, overlay, &self.collection, reader)?),
        })
    }
}

/// The fields that tell whether a document matches, together with `others`; `None` where that may be any.
fn fields(query: &Query, others: Option<Vec<String>>, actor: &Actor) -> Option<Vec<String>> {
    // Rules may look at the whole document.
    let mut fields = others.filter(|_| matches!(actor, Actor::Trusted))?;
    fields.extend(query.sort.fields.iter().map(|field| field.path.clone()));
    query.filter.add_paths(&mut fields).then_some(fields)
}

/// One page of a query.
pub(crate) fn find(
    seen: &Seen<'_>,
    request: &FindRequest,
    actor: &Actor,
    options: &EngineOptions,
    overlay: Option<&Overlay>,
) -> Result<Page, EngineError> {
    let query = Query::parse(request, seen.collection.id, options)?;
    page_of(seen, Reader::new(seen.scope(actor, options), &query), overlay)
}

/// The same where it takes no longer than a moment; else `None`, without having done much.
pub(crate) fn find_at_once(
    seen: &Seen<'_>,
    request: &FindRequest,
    actor: &Actor,
    options: &EngineOptions,
) -> Result<Option<Page>, EngineError> {
    let query = Query::parse(request, seen.collection.id, options)?;
    let reader = Reader::new(seen.scope(actor, options), &query).at_once();
    match page_of(seen, reader, None) {
        Err(EngineError::QueryTooExpensive { .. }) => Ok(None),
        other => other.map(Some),
    }
}

fn page_of(seen: &Seen<'_>, mut reader: Reader<'_>, overlay: Option<&Overlay>) -> Result<Page, EngineError> {
    let query = reader.query;
    let asked = seen.asked(query, Goal::Page, fields(query, query.fields.needed_paths(), reader.actor));
    let plan = seen.plan(asked, &reader)?;
    let (arrival, index) = (arrival(&plan), plan.index_name());
    let mut source = seen.source(plan, overlay, &mut reader)?;
    let (found, next) = page::fill(&mut *source, arrival, &mut reader)?;
    let documents = found.iter().map(|found| output(found, &query.fields)).collect::<Result<_, _>>()?;
    Ok(Page {
        documents,
        next_cursor: next.map(|place| query.cursor(&place)),
        examined: reader.examined(),
        index,
    })
}

/// Runs the first page and says how.
pub(crate) fn explain(
    seen: &Seen<'_>,
    request: &FindRequest,
    options: &EngineOptions,
) -> Result<Explanation, EngineError> {
    let begun = Instant::now();
    let query = Query::parse(request, seen.collection.id, options)?;
    let actor = Actor::Trusted;
    let asked = seen.asked(&query, Goal::Page, fields(&query, query.fields.needed_paths(), &actor));
    let mut choices = plan::compare(&asked, &seen.collection.indexes, &Estimator(&seen.view)).into_iter();
    let Some(Choice { plan, summary }) = choices.next() else {
        return explain_nothing(request, options);
    };
    let mut reader = Reader::new(seen.scope(&actor, options), &query);
    let arrival = arrival(&plan);
    let mut source = seen.source(plan, None, &mut reader)?;
    let (found, _) = page::fill(&mut *source, arrival, &mut reader)?;
    Ok(Explanation {
        plan: summary,
        rejected: choices.map(|choice| choice.summary).collect(),
        returned: found.len() as u64,
        keys_examined: reader.keys,
        documents_examined: reader.documents,
        time: begun.elapsed(),
    })
}

/// The explanation where there is no collection.
pub(crate) fn explain_nothing(
    request: &FindRequest,
    options: &EngineOptions,
) -> Result<Explanation, EngineError> {
    nothing(request, options)?;
    let plan = PlanSummary {
        index: None,
        bound_fields: 0,
        ordered: true,
        covered: false,
        estimated_examined: 0,
        estimated_cost: 0.0,
    };
    Ok(Explanation {
        plan,
        rejected: Vec::new(),
        returned: 0,
        keys_examined: 0,
        documents_examined: 0,
        time: Duration::ZERO,
    })
}

fn arrival(plan: &Plan) -> Arrival {
    if plan.order == PlanOrder::Other { Arrival::Unordered } else { Arrival::Ordered }
}

/// The answer where there is no collection: the query is checked all the same.
pub(crate) fn nothing(request: &FindRequest, options: &EngineOptions) -> Result<Page, EngineError> {
    Query::parse(&FindRequest { cursor: None, ..request.clone() }, 0, options)?;
    Ok(Page { documents: Vec::new(), next_cursor: None, examined: 0, index: None })
}

/// The same for a count.
pub(crate) fn count_nothing(filter: &Document, options: &EngineOptions) -> Result<u64, EngineError> {
    Query::parse(&all_that(filter), 0, options)?;
    Ok(0)
}

/// The same for the values of a field.
pub(crate) fn distinct_nothing(
    (field, filter): (&str, &Document),
    options: &EngineOptions,
) -> Result<Vec<Bson>, EngineError> {
    path::check(field).map_err(EngineError::InvalidQuery)?;
    Query::parse(&all_that(filter), 0, options)?;
    Ok(Vec::new())
}

fn output(found: &Found, fields: &Projection) -> Result<StoredDocument, EngineError> {
    if fields.is_everything() {
        return document::to_stored(&found.stored);
    }
    let (version, document) = document::split(&found.stored)?;
    Ok(StoredDocument { document: fields.apply(document)?, version })
}

/// A query for all that a filter matches, in no order.
fn all(seen: &Seen<'_>, filter: &Document, options: &EngineOptions) -> Result<Query, EngineError> {
    Query::parse(&all_that(filter), seen.collection.id, options)
}

fn all_that(filter: &Document) -> FindRequest {
    FindRequest { filter: filter.clone(), limit: 1, ..FindRequest::default() }
}

/// How many documents match.
pub(crate) fn count(
    seen: &Seen<'_>,
    filter: &Document,
    actor: &Actor,
    options: &EngineOptions,
    overlay: Option<&Overlay>,
) -> Result<u64, EngineError> {
    let query = all(seen, filter, options)?;
    if filter.is_empty() && matches!(actor, Actor::Trusted) && overlay.is_none_or(Overlay::is_empty) {
        let count = seen.view.get(Space::Catalog, &count_key(seen.database.id, seen.collection.id))?;
        return count.map_or(Ok(0), |count| record::number(&count));
    }
    let mut reader = Reader::new(seen.scope(actor, options), &query);
    let plan = seen.plan(seen.asked(&query, Goal::All, fields(&query, Some(Vec::new()), actor)), &reader)?;
    if plan.exact && matches!(actor, Actor::Trusted) {
        return count_entries(seen, plan, overlay, &mut reader);
    }
    let mut source = seen.source(plan, overlay, &mut reader)?;
    let mut count = 0;
    while source.next(&mut reader)?.is_some() {
        count += 1;
    }
    Ok(count)
}

/// Counts without a look at documents, where the ranges of a plan decide alone.
fn count_entries(
    seen: &Seen<'_>,
    plan: Plan,
    overlay: Option<&Overlay>,
    reader: &mut Reader<'_>,
) -> Result<u64, EngineError> {
    let mut entries = Cursor::new(plan);
    let mut count = 0;
    while let Some(entry) = entries.next(reader.view)? {
        reader.spend()?;
        if let Some(overlay) = overlay
            && overlay.has(&entry.id()?)
        {
            continue;
        }
        count += 1;
    }
    let own = overlay.map(|overlay| overlay.matching(&seen.collection, reader)).transpose()?;
    Ok(count + own.map_or(0, |own| own.len() as u64))
}

/// The different values of a field in documents that match, in their order.
pub(crate) fn distinct(
    seen: &Seen<'_>,
    (field, filter): (&str, &Document),
    actor: &Actor,
    options: &EngineOptions,
    overlay: Option<&Overlay>,
) -> Result<Vec<Bson>, EngineError> {
    path::check(field).map_err(EngineError::InvalidQuery)?;
    let query = all(seen, filter, options)?;
    let mut reader = Reader::new(seen.scope(actor, options), &query);
    let fields = fields(&query, Some(vec![field.to_owned()]), actor);
    let plan = seen.plan(seen.asked(&query, Goal::All, fields), &reader)?;
    if overlay.is_none_or(Overlay::is_empty)
        && matches!(actor, Actor::Trusted)
        && let Some(values) = Values::from_index(&plan, field, &mut reader)?
    {
        return Ok(values);
    }
    let mut source = seen.source(plan, overlay, &mut reader)?;
    Values::collect(&mut *source, field, &mut reader)
}
