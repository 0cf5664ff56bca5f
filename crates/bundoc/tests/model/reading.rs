//! What the engine shows, against the model: all there is, queries, counts, pages, the feed.

use crate::change::Change;
use crate::select::{Select, Sort};
use crate::shape::{Fields, Model, id};
use crate::world::{World, collection, database, pattern};
use bson::Bson;
use bundoc::engine::{Actor, Change as Entry, ChangeKind, ChangePosition, Engine, FindRequest, Order, Page};
use std::collections::BTreeSet;

/// Pages that a query over the model may have, many times over.
const PAGES_MAX: usize = 1_000;

impl World {
    /// All of it agrees.
    pub(crate) fn check(&self) {
        let all = self.find(&Select::All, &Sort::by_id());
        assert_eq!(all, self.expected(&Select::All, &Sort::by_id()));
        let selects = [
            Select::AtLeast(0),
            Select::Between(-2, 2),
            Select::Text("a".into()),
            Select::NoText,
            Select::Listed(1),
            Select::ListedAbove(1),
            Select::Inside(1),
            Select::Either(1, 2),
            Select::Both(1, "a".into()),
        ];
        let sorts = [
            Sort::by_id(),
            Sort::of(&[("n", Order::Descending)]),
            Sort::of(&[("s", Order::Ascending), ("n", Order::Descending)]),
        ];
        for select in &selects {
            for sort in &sorts {
                assert_eq!(self.find(select, sort), self.expected(select, sort), "{select:?} by {sort:?}");
            }
            let count = self.engine.count(&database(), &collection(), &select.filter(), &Actor::Trusted);
            let expected = self.expected(select, &Sort::by_id()).len() as u64;
            assert_eq!(count.unwrap_or_default(), expected, "{select:?}");
        }
        self.check_distinct();
        self.check_group(&Select::AtLeast(0), &Sort::of(&[("n", Order::Ascending)]));
        let Some(info) = self.engine.collection(&database(), &collection()).unwrap() else { return };
        assert_eq!(info.documents, self.model.len() as u64);
        assert_eq!(self.replayed(), self.model);
    }

    fn check_distinct(&self) {
        let numbers: BTreeSet<i32> = self.model.values().filter_map(|fields| fields.n).collect();
        let listed: BTreeSet<i32> =
            self.model.values().flat_map(|fields| fields.l.iter().flatten().copied()).collect();
        for (field, expected) in [("n", numbers), ("l", listed)] {
            let filter = Select::All.filter();
            let found = self.engine.distinct(&database(), &collection(), field, &filter, &Actor::Trusted);
            let expected: Vec<Bson> = expected.into_iter().map(Bson::Int32).collect();
            assert_eq!(found.unwrap_or_default(), expected, "{field}");
        }
    }

    fn check_group(&self, select: &Select, sort: &Sort) {
        let request = request(select, sort, 1_000, None);
        let page = self.engine.find_group(&database(), &pattern(), &request, &Actor::Trusted).unwrap();
        let found: Vec<_> =
            page.documents.iter().map(|found| Fields::read(&found.document.document)).collect();
        assert_eq!(found, self.expected(select, sort), "{select:?} by {sort:?} in the group");
    }

    fn expected(&self, select: &Select, sort: &Sort) -> Vec<(String, Fields)> {
        let ids = self.matching(select, sort);
        ids.into_iter().map(|id| (id.clone(), self.model[&id].clone())).collect()
    }

    pub(crate) fn find(&self, select: &Select, sort: &Sort) -> Vec<(String, Fields)> {
        let page = self.page(select, sort, 1_000, None);
        page.documents.iter().map(|stored| Fields::read(&stored.document)).collect()
    }

    fn page(&self, select: &Select, sort: &Sort, limit: usize, cursor: Option<String>) -> Page {
        let request = request(select, sort, limit, cursor);
        self.engine.find(&database(), &collection(), &request, &Actor::Trusted).unwrap()
    }

    /// Reads pages, with writes in between: what nobody touched is there once and in its order.
    pub(crate) async fn pages(
        &mut self,
        select: &Select,
        sort: &Sort,
        limit: usize,
        between: Vec<(u8, Change)>,
    ) {
        let mut expected = self.expected(select, sort);
        let mut between = between.into_iter();
        let mut touched = Vec::new();
        let mut found = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES_MAX {
            let page = self.page(select, sort, limit, cursor);
            assert!(page.documents.len() <= limit);
            found.extend(page.documents.iter().map(|stored| Fields::read(&stored.document)));
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
            if let Some((key, change)) = between.next() {
                self.update(key, &change).await;
                touched.push(id(key).to_string());
            }
        }
        assert!(cursor.is_none(), "the pages do not end");
        expected.retain(|(id, _)| !touched.contains(id));
        found.retain(|(id, _)| !touched.contains(id));
        assert_eq!(found, expected, "{select:?} by {sort:?}, {limit} at a time");
    }

    pub(crate) fn feed(&self) -> Vec<Entry> {
        self.engine.changes(&database(), ChangePosition::default(), 10_000).unwrap()
    }

    /// The feed from its beginning, applied to nothing, is what is there.
    fn replayed(&self) -> Model {
        let mut model = Model::new();
        for change in self.feed() {
            match change.kind {
                ChangeKind::Added(document) | ChangeKind::Modified { after: document, .. } => {
                    model.extend([Fields::read(&document)]);
                }
                ChangeKind::Removed { .. } => {
                    model.remove(change.id.unwrap().as_str());
                }
                ChangeKind::Dropped => model.clear(),
                ChangeKind::RulesReplaced => {}
            }
        }
        model
    }
}

fn request(select: &Select, sort: &Sort, limit: usize, cursor: Option<String>) -> FindRequest {
    FindRequest { filter: select.filter(), sort: sort.fields(), limit, cursor, ..FindRequest::default() }
}
