//! Queries over all collections of a database that match a pattern: by a group index, or collection by
//! collection. Each document is decided by the rules of its own collection.

use super::page::{self, Arrival};
use super::reader::{Reader, Scope};
use super::source::{Cursor, Entry, Found, Once, Planned, Source};
use crate::catalog::{Catalog, Collection, Database, Index};
use crate::engine::{
    Actor, CollectionName, CollectionPattern, DatabaseName, DocumentId, FindRequest, GroupDocument, GroupPage,
};
use crate::error::EngineError;
use crate::options::EngineOptions;
use crate::plan::{self, Asked, Estimator, Goal, Place, Plan, PlanOrder};
use crate::query::Query;
use crate::rules::{Lookup, Method};
use crate::store::{Store, View};
use fjall::Slice;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Documents up to which a collection is read without a look at its indexes.
const SMALL: u64 = 256;

/// The collections as one snapshot has them.
struct Seen<'a> {
    view: View<'a>,
    database: Arc<Database>,
    groups: Arc<[Index]>,
    collections: Vec<Arc<Collection>>,
}

impl Lookup for Seen<'_> {
    fn document(&self, collection: &CollectionName, id: &DocumentId) -> Result<Option<Slice>, EngineError> {
        super::stored(&self.view, &self.database, collection, id)
    }
}

/// A snapshot in which the group indexes are as the catalog says.
fn look<'a>(store: &'a Store, database: Arc<Database>, pattern: &CollectionPattern) -> Seen<'a> {
    loop {
        let groups = database.groups();
        let collections = database.matching(pattern);
        let view = store.view();
        if Arc::ptr_eq(&groups, &database.groups()) {
            return Seen { view, database, groups, collections };
        }
    }
}

/// One page of a query over a group of collections.
pub(crate) fn find_group(
    (store, catalog): (&Store, &Catalog),
    (database, pattern): (&DatabaseName, &CollectionPattern),
    request: &FindRequest,
    actor: &Actor,
    options: &EngineOptions,
) -> Result<GroupPage, EngineError> {
    let query = Query::parse_for_group(request, pattern, options)?;
    let Some(database) = catalog.database(database) else {
        return Ok(GroupPage { documents: Vec::new(), next_cursor: None, examined: 0, index: None });
    };
    let seen = look(store, database, pattern);
    let scope = Scope { view: &seen.view, database: &seen.database, actor, options, lookup: &seen };
    let mut reader = Reader::new(scope, &query);
    let plan = choose(&seen, pattern, &query);
    let index = plan.index_name();
    let arrival = if plan.order == PlanOrder::Other { Arrival::Unordered } else { Arrival::Ordered };
    let mut source: Box<dyn Source + '_> = if plan.scans.is_empty() {
        Box::new(Walk::new(&seen, &query, plan.order))
    } else {
        Box::new(Indexed::new(pattern, plan))
    };
    let (found, next) = page::fill(&mut *source, arrival, &mut reader)?;
    let document = |found: &Found| {
        let document = super::output(found, &query.fields)?;
        Ok(GroupDocument { collection: found.collection.name.clone(), document })
    };
    let documents = found.iter().map(document).collect::<Result<_, EngineError>>()?;
    let next_cursor = next.map(|place| query.cursor(&place));
    Ok(GroupPage { documents, next_cursor, examined: reader.examined(), index })
}

fn choose(seen: &Seen<'_>, pattern: &CollectionPattern, query: &Query) -> Plan {
    let of_pattern = |index: &&Index| index.shape.pattern.as_ref() == Some(pattern);
    let indexes: Vec<Index> = seen.groups.iter().filter(of_pattern).cloned().collect();
    let documents = seen.collections.iter().map(|collection| collection.documents.load(Ordering::Relaxed));
    let asked = Asked {
        database: seen.database.id,
        place: Place::Group(seen.collections.len() as u64),
        query,
        narrowing: None,
        goal: Goal::Page,
        fields: None,
        documents: documents.sum(),
    };
    plan::choose(&asked, &indexes, &Estimator(&seen.view))
}

/// The documents that the entries of a group index lead to.
struct Indexed<'a> {
    pattern: &'a CollectionPattern,
    cursor: Cursor,
    once: Option<Once>,
}

impl<'a> Indexed<'a> {
    fn new(pattern: &'a CollectionPattern, plan: Plan) -> Self {
        let once = plan.repeats.then(Once::default);
        Self { pattern, cursor: Cursor::new(plan), once }
    }

    fn document(&mut self, reader: &mut Reader<'_>, entry: &Entry) -> Result<Option<Found>, EngineError> {
        let Some(shape) = &entry.index else { return Ok(None) };
        let parsed = entry.parsed(shape)?;
        let Some((number, name)) = parsed.collection else { return Ok(None) };
        // An entry of a collection that was dropped waits for its removal.
        let collection = reader.database.collection_named(name).filter(|known| known.id == number);
        let Some(collection) = collection.filter(|known| self.pattern.matches(&known.name)) else {
            return Ok(None);
        };
        if !collection.rules.covers(reader.actor, Method::List) {
            return Ok(None);
        }
        let id = Slice::from(parsed.id.as_bytes());
        if let Some(once) = &mut self.once
            && !once.is_new(&Slice::from([name.as_bytes(), &[0], &*id].concat()), reader)?
        {
            return Ok(None);
        }
        reader.documents += 1;
        let Some(stored) = reader.fetch(collection.id, &id)? else { return Ok(None) };
        let passes = reader.passes(&collection, &stored)?;
        Ok(passes.then_some(Found { collection, id, stored, in_store: true }))
    }
}

impl Source for Indexed<'_> {
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<Found>, EngineError> {
        while let Some(entry) = self.cursor.next(reader.view)? {
            reader.spend()?;
            reader.keys += 1;
            if let Some(found) = self.document(reader, &entry)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn may_have_more(&mut self, reader: &Reader<'_>) -> Result<bool, EngineError> {
        self.cursor.has_next(reader.view)
    }
}

/// The documents of one collection after the other; in the order of the query where that has no fields.
struct Walk<'a> {
    seen: &'a Seen<'a>,
    query: &'a Query,
    order: PlanOrder,
    rest: std::vec::IntoIter<Arc<Collection>>,
    current: Option<Planned<'a>>,
}

impl<'a> Walk<'a> {
    fn new(seen: &'a Seen<'a>, query: &'a Query, order: PlanOrder) -> Self {
        let mut collections = seen.collections.clone();
        if order == PlanOrder::Backward {
            collections.reverse();
        }
        if let Some((after, _)) = Self::after(query, order) {
            collections.retain(|collection| match order {
                PlanOrder::Backward => collection.name.as_str() <= after,
                _ => collection.name.as_str() >= after,
            });
        }
        Self { seen, query, order, rest: collections.into_iter(), current: None }
    }

    /// The collection and the id at which a cursor stands, where collections come in its order.
    fn after(query: &Query, order: PlanOrder) -> Option<(&str, &str)> {
        let after = query.after.as_ref().filter(|_| order != PlanOrder::Other)?;
        after.id.split_once('\0')
    }

    /// The documents of a collection; `None` where it has none for the actor.
    fn open(&self, collection: &Arc<Collection>, actor: &Actor) -> Option<Planned<'a>> {
        let present = self.seen.database.collection(&collection.name)?;
        if present.id != collection.id || !present.rules.covers(actor, Method::List) {
            return None;
        }
        let documents = collection.documents.load(Ordering::Relaxed);
        let asked = Asked {
            database: self.seen.database.id,
            place: Place::Collection(collection.id),
            query: self.query,
            narrowing: None,
            goal: Goal::All,
            fields: None,
            documents,
        };
        // Indexes that changed since may not be in the snapshot.
        let by_id =
            self.order != PlanOrder::Other || documents <= SMALL || !Arc::ptr_eq(&present, collection);
        let plan = if by_id {
            let after = Self::after(self.query, self.order);
            let after = after.filter(|(name, _)| *name == collection.name.as_str()).map(|(_, id)| id);
            plan::by_id(&asked, collection.id, after)
        } else {
            plan::choose(&asked, &collection.indexes, &Estimator(&self.seen.view))
        };
        Some(Planned::new(present, plan, None))
    }
}

impl Source for Walk<'_> {
    fn next(&mut self, reader: &mut Reader<'_>) -> Result<Option<Found>, EngineError> {
        loop {
            if let Some(current) = &mut self.current
                && let Some(found) = current.next(reader)?
            {
                return Ok(Some(found));
            }
            let Some(collection) = self.rest.next() else { return Ok(None) };
            reader.spend()?;
            self.current = self.open(&collection, reader.actor);
        }
    }

    fn may_have_more(&mut self, reader: &Reader<'_>) -> Result<bool, EngineError> {
        let current = self.current.as_mut().map_or(Ok(false), |current| current.may_have_more(reader))?;
        Ok(current || self.rest.len() > 0)
    }
}
