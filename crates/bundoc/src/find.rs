//! Runs a query: reads what the plan names from one snapshot, checks filter and rules on every document,
//! and makes a page. Where the plan does not give the order, the first places are kept in a bounded tree.

use crate::catalog::{Catalog, Collection, Database};
use crate::document;
use crate::engine::{Actor, CollectionName, DatabaseName, FindRequest, Page, StoredDocument};
use crate::error::EngineError;
use crate::layout::{self, PAIR_BYTES, Space};
use crate::options::EngineOptions;
use crate::plan::{self, Plan, PlanOrder};
use crate::projection::Projection;
use crate::query::{Place, Query};
use crate::rules::{Documents, Method};
use crate::store::{Entries, Store, View};
use bson::RawDocument;
use fjall::Slice;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

/// Documents between two looks at the clock.
const CLOCK_EVERY: u64 = 64;

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

/// One query while it runs.
struct Run<'a> {
    seen: &'a Seen<'a>,
    query: &'a Query,
    plan: &'a Plan,
    actor: &'a Actor,
    options: &'a EngineOptions,
    examined: u64,
    begun: Instant,
}

/// A document that passed.
struct Found {
    id: Slice,
    stored: Slice,
}

/// Answers a query.
pub(crate) fn find(
    seen: &Seen<'_>,
    request: &FindRequest,
    actor: &Actor,
    options: &EngineOptions,
) -> Result<Page, EngineError> {
    let query = Query::parse(request, seen.collection.id, options)?;
    let plan = plan::choose(seen.database.id, &seen.collection, &query);
    let begun = Instant::now();
    let mut run = Run { seen, query: &query, plan: &plan, actor, options, examined: 0, begun };
    let (found, next) = match plan.order {
        PlanOrder::Other => run.smallest()?,
        _ => run.in_order()?,
    };
    let documents = found.iter().map(|found| output(found, &query.fields)).collect::<Result<_, _>>()?;
    Ok(Page {
        documents,
        next_cursor: next.map(|place| query.cursor(&place)),
        examined: run.examined,
        index: plan.index.as_ref().map(|(shape, _)| shape.name.clone()),
    })
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

/// The entries of all ranges, one range after the other.
fn entries<'a>(
    seen: &'a Seen<'_>,
    plan: &'a Plan,
) -> impl Iterator<Item = Result<(Slice, Slice), EngineError>> + use<'a> {
    let space = if plan.index.is_some() { Space::Indexes } else { Space::Documents };
    let backward = plan.order == PlanOrder::Backward;
    plan.ranges.iter().flat_map(move |range| -> Entries {
        if backward {
            seen.view.descending(space, range.clone())
        } else {
            seen.view.ascending(space, range.clone())
        }
    })
}

impl<'a> Run<'a> {
    fn count(&mut self) -> Result<(), EngineError> {
        self.examined += 1;
        let too_many = self.examined > self.options.find_examined_max;
        let clock = self.examined.is_multiple_of(CLOCK_EVERY);
        if too_many || (clock && self.begun.elapsed() > self.options.find_time_max) {
            return Err(self.too_expensive());
        }
        Ok(())
    }

    fn too_expensive(&self) -> EngineError {
        let fields = plan::suggestion(self.query);
        let way_out = if fields.is_empty() {
            "ask for less".to_owned()
        } else {
            format!("create an index with the fields [{fields}], or ask for less")
        };
        EngineError::QueryTooExpensive(format!(
            "the query examined {} documents in {} ms, which is more than allowed; {way_out}",
            self.examined,
            self.begun.elapsed().as_millis()
        ))
    }

    /// The document of an entry, if it passes filter and rules.
    fn passes(&mut self, key: &Slice, value: Slice) -> Result<Option<Found>, EngineError> {
        self.count()?;
        let found = if self.plan.index.is_some() {
            let (database, collection) = (self.seen.database.id, self.seen.collection.id);
            let mut key = layout::pair(database, collection).to_vec();
            key.extend_from_slice(&value);
            match self.seen.view.get(Space::Documents, &key)? {
                Some(stored) => Found { id: value, stored },
                None => return Ok(None),
            }
        } else {
            Found { id: Slice::from(&key[PAIR_BYTES..]), stored: value }
        };
        let (_, document) = document::split(&found.stored)?;
        let passes = self.query.filter.matches(document) && self.allowed(document);
        Ok(passes.then_some(found))
    }

    fn allowed(&self, document: &RawDocument) -> bool {
        let documents = Documents { present: Some(document), new: None };
        self.seen.collection.rules.allow(self.actor, Method::List, documents)
    }

    fn place(&self, found: &Found) -> Result<Place, EngineError> {
        let (_, document) = document::split(&found.stored)?;
        let id = std::str::from_utf8(&found.id).map_err(|_| {
            EngineError::Damaged("a stored id is not text: restore the store from a copy".into())
        })?;
        self.query.sort.place(document, id)
    }

    /// A page where entries come in the order of the query.
    fn in_order(&mut self) -> Result<(Vec<Found>, Option<Place>), EngineError> {
        let mut page: Vec<Found> = Vec::with_capacity(self.query.limit.min(128));
        let (mut skip, mut bytes) = (self.query.skip, 0);
        let mut entries = entries(self.seen, self.plan);
        while let Some(entry) = entries.next() {
            let (key, value) = entry?;
            let Some(found) = self.passes(&key, value)? else { continue };
            if skip > 0 {
                skip -= 1;
                continue;
            }
            bytes += found.stored.len();
            page.push(found);
            if page.len() == self.query.limit || bytes >= self.options.find_page_bytes_max {
                let more = entries.next().transpose()?.is_some();
                let last = page.last().map(|last| self.place(last)).transpose()?;
                return Ok((page, last.filter(|_| more)));
            }
        }
        Ok((page, None))
    }

    fn smallest(&mut self) -> Result<(Vec<Found>, Option<Place>), EngineError> {
        let after = self.query.after.as_ref().map(|place| self.query.sort.bytes(place));
        let wanted = self.query.skip + self.query.limit + 1;
        let mut kept: BTreeMap<Vec<u8>, Slice> = BTreeMap::new();
        let mut bytes = 0;
        for entry in entries(self.seen, self.plan) {
            let (key, value) = entry?;
            let Some(found) = self.passes(&key, value)? else { continue };
            let place = self.query.sort.bytes(&self.place(&found)?);
            let passed = after.as_ref().is_some_and(|after| place <= *after);
            let beyond = kept.len() == wanted && kept.last_key_value().is_some_and(|(last, _)| place > *last);
            if passed || beyond {
                continue;
            }
            bytes += place.len() + found.id.len();
            kept.insert(place, found.id);
            if kept.len() > wanted {
                bytes -= kept.pop_last().map_or(0, |(place, id)| place.len() + id.len());
            }
            if bytes > self.options.find_sort_bytes_max {
                return Err(self.too_expensive());
            }
        }
        self.fetch(kept.into_values().skip(self.query.skip))
    }

    /// Reads the documents of a page; one id more than the page means that there is another.
    fn fetch(&self, ids: impl Iterator<Item = Slice>) -> Result<(Vec<Found>, Option<Place>), EngineError> {
        let mut page: Vec<Found> = Vec::with_capacity(self.query.limit.min(128));
        let mut bytes = 0;
        for id in ids {
            if page.len() == self.query.limit || bytes >= self.options.find_page_bytes_max {
                let last = page.last().map(|last| self.place(last)).transpose()?;
                return Ok((page, last));
            }
            let mut key = layout::pair(self.seen.database.id, self.seen.collection.id).to_vec();
            key.extend_from_slice(&id);
            if let Some(stored) = self.seen.view.get(Space::Documents, &key)? {
                bytes += stored.len();
                page.push(Found { id, stored });
            }
        }
        Ok((page, None))
    }
}
