//! What can be read, and how a query was answered.

use super::{CollectionName, StoredDocument};
use bson::Document;
use std::time::Duration;

/// Sort direction of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Smallest first (`1`).
    Ascending,
    /// Largest first (`-1`).
    Descending,
}

/// One field of an index or a sort: a dot path and its direction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FieldOrder {
    /// Dot path.
    pub path: String,
    /// Direction.
    pub order: Order,
}

/// What a query asks for. The filter is in the query language (`$eq`, `$gt`, `$and`, …).
#[derive(Debug, Clone, Default)]
pub struct FindRequest {
    /// Filter; empty matches all.
    pub filter: Document,
    /// Sort keys; without any the order is that of `_id`. `_id` is always the last tie breaker, in the
    /// direction of the last sort key.
    pub sort: Vec<FieldOrder>,
    /// Documents at the most in this page; 1 to the engine's `limit_max`.
    pub limit: usize,
    /// Matching documents to pass over first; a cursor stands behind them already, so it counts without
    /// one only.
    pub skip: usize,
    /// Opaque token of an earlier page of the same query.
    pub cursor: Option<String>,
    /// Projection as MongoDB has it: fields to keep (`{"a": 1, "b.c": 1}`) or to leave out (`{"a": 0}`),
    /// `$slice` and `$elemMatch` for arrays. `_id` is kept unless it says `{"_id": 0}`. Empty keeps all.
    pub fields: Document,
}

/// One page of results.
#[derive(Debug, Clone)]
pub struct Page {
    /// The documents, in order.
    pub documents: Vec<StoredDocument>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<String>,
    /// How many documents (or, where the index alone answered, index entries) were examined.
    pub examined: u64,
    /// The index that served the query; `None` when documents were scanned in `_id` order.
    pub index: Option<String>,
}

/// A document of one of several collections.
#[derive(Debug, Clone)]
pub struct GroupDocument {
    /// Where it is.
    pub collection: CollectionName,
    /// The document.
    pub document: StoredDocument,
}

/// One page of a query over all collections that match a pattern.
#[derive(Debug, Clone)]
pub struct GroupPage {
    /// The documents, in order; documents with the same sort keys are in the order of collection and id.
    pub documents: Vec<GroupDocument>,
    /// Where the next page begins, if there may be one.
    pub next_cursor: Option<String>,
    /// How many documents or index entries were examined.
    pub examined: u64,
    /// The group index that served the query; `None` when the collections were scanned.
    pub index: Option<String>,
}

/// One way to answer a query.
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSummary {
    /// The index; `None` for a scan in `_id` order.
    pub index: Option<String>,
    /// How many fields of the index equality, `$in` or a range narrows.
    pub bound_fields: usize,
    /// Whether entries come in the order asked for, so that nothing is sorted.
    pub ordered: bool,
    /// Whether the index alone answers, without a look at documents.
    pub covered: bool,
    /// Entries that statistics make the engine expect to examine.
    pub estimated_examined: u64,
    /// What plans are compared by.
    pub estimated_cost: f64,
}

/// How a query was answered, and what was not chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The plan that ran.
    pub plan: PlanSummary,
    /// The others, cheapest first.
    pub rejected: Vec<PlanSummary>,
    /// Documents in the first page.
    pub returned: u64,
    /// Index entries looked at.
    pub keys_examined: u64,
    /// Documents looked at.
    pub documents_examined: u64,
    /// How long it took.
    pub time: Duration,
}
