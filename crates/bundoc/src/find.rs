//! Runs queries over one snapshot: pages, counts, the different values of a field. A plan says which entries
//! are read; filter and rules are checked on every document that they lead to. What a transaction wrote may
//! be laid over the snapshot.

mod distinct;
mod overlay;
mod page;
mod reader;
mod source;

use crate::catalog::record::{self, count_key};
use crate::catalog::{Catalog, Collection, Database};
use crate::document;
use crate::engine::{Actor, CollectionName, DatabaseName, FindRequest, Page, StoredDocument};
use crate::error::EngineError;
use crate::layout::Space;
use crate::options::EngineOptions;
use crate::path;
use crate::plan::{self, Plan, PlanOrder};
use crate::projection::Projection;
use crate::query::Query;
use crate::store::{Store, View};
use bson::{Bson, Document};
use distinct::Values;
use overlay::Merged;
pub(crate) use overlay::Overlay;
use page::Arrival;
use reader::{Reader, Scope};
use source::{Found, Planned, Source};
use std::sync::Arc;

/// A collection as one snapshot has it.
pub(crate) struct Seen<'a> {
    pub(crate) view: View<'a>,
    pub(crate) database: Arc<Database>,
    pub(crate) collection: Arc<Collection>,
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
            return Some(Seen { view, database: after.0, collection: after.1 });
        }
        before = after;
    }
}

impl<'a> Seen<'a> {
    fn scope(&'a self, actor: &'a Actor, options: &'a EngineOptions) -> Scope<'a> {
        Scope { view: &self.view, database: self.database.id, actor, options }
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

/// One page of a query.
pub(crate) fn find(
    seen: &Seen<'_>,
    request: &FindRequest,
    actor: &Actor,
    options: &EngineOptions,
    overlay: Option<&Overlay>,
) -> Result<Page, EngineError> {
    let query = Query::parse(request, seen.collection.id, options)?;
    let plan = plan::choose(seen.database.id, &seen.collection, &query);
    let mut reader = Reader::new(seen.scope(actor, options), &query);
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

fn arrival(plan: &Plan) -> Arrival {
    if plan.order == PlanOrder::Other { Arrival::Unordered } else { Arrival::Ordered }
}

/// The answer where there is no collection: the query is checked all the same.
pub(crate) fn nothing(request: &FindRequest, options: &EngineOptions) -> Result<Page, EngineError> {
    Query::parse(&FindRequest { cursor: None, ..request.clone() }, 0, options)?;
    Ok(Page { documents: Vec::new(), next_cursor: None, examined: 0, index: None })
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
    let request = FindRequest { filter: filter.clone(), limit: 1, ..FindRequest::default() };
    Query::parse(&request, seen.collection.id, options)
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
    let plan = plan::choose(seen.database.id, &seen.collection, &query);
    let mut reader = Reader::new(seen.scope(actor, options), &query);
    let mut source = seen.source(plan, overlay, &mut reader)?;
    let mut count = 0;
    while source.next(&mut reader)?.is_some() {
        count += 1;
    }
    Ok(count)
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
    let plan = plan::choose(seen.database.id, &seen.collection, &query);
    let mut reader = Reader::new(seen.scope(actor, options), &query);
    let mut source = seen.source(plan, overlay, &mut reader)?;
    Values::collect(&mut *source, field, &mut reader)
}
