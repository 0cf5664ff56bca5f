//! Chooses how a query is answered: by ranges of an index, by ranges of ids, or by a scan. The filter is
//! checked on every document afterwards, so a plan may find too much and never too little.

use crate::catalog::{BuildState, Collection, Index, IndexShape};
use crate::engine::{FieldOrder, Order};
use crate::filter::{Comparison, Condition};
use crate::indexing::{append_id, id_order};
use crate::key::{encode, invert, prefix_end};
use crate::layout::{Id, pair};
use crate::query::{Place, Query, Sort};
use crate::store::KeyRange;
use crate::value::{Rank, rank};
use bson::RawBson;
use std::ops::Bound;
use std::sync::Arc;

/// Ranges of one plan: the product of all `$in` lists.
const RANGES_MAX: usize = 200;

/// How a query is answered.
pub(crate) struct Plan {
    /// What is read, one after the other.
    pub(crate) scans: Vec<Scan>,
    /// Whether documents come in the order of the query.
    pub(crate) order: PlanOrder,
    /// Whether a document may come more than once.
    pub(crate) repeats: bool,
}

/// Ranges of one index, or of ids.
pub(crate) struct Scan {
    /// The index; `None` reads documents by id.
    pub(crate) index: Option<Arc<IndexShape>>,
    /// What is read, in this order.
    pub(crate) ranges: Vec<KeyRange>,
    /// What equality binds of the index.
    prefix: Prefix,
}

/// The beginning that all keys of a scan share.
#[derive(Default)]
struct Prefix {
    key: Vec<u8>,
    fields: usize,
}

/// In which order a plan finds documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlanOrder {
    /// That of the query, reading forward.
    Forward,
    /// That of the query, reading backward.
    Backward,
    /// Another.
    Other,
}

/// How good a candidate is: fields bound by equality, a range, and the order.
type Score = (usize, bool, bool);

/// Everything that is asked of documents, by path.
struct Wanted<'a>(Vec<(&'a str, &'a Condition)>);

/// One end of a range of values.
#[derive(Debug, Clone)]
enum End {
    /// All values of the type.
    Type(u8),
    Inclusive(Vec<u8>),
    Exclusive(Vec<u8>),
}

/// Chooses the plan.
pub(crate) fn choose(database: Id, collection: &Collection, query: &Query) -> Plan {
    let wanted = Wanted(query.filter.required());
    let ready = collection.indexes.iter().filter(|index| index.state == BuildState::Ready);
    let by_id = id_plan(database, collection.id, &wanted, &query.sort);
    let best = ready
        .map(|index| index_plan(database, index, &wanted, &query.sort))
        .filter(|(score, _)| *score != (0, false, false))
        .fold(by_id, |best, other| if other.0 > best.0 { other } else { best });
    let mut plan = best.1;
    if let Some(after) = &query.after {
        plan.begin_after(after, &query.sort, database, collection.id);
    }
    plan
}

/// The fields that an index for this query would have.
pub(crate) fn suggestion(query: &Query) -> String {
    let wanted = query.filter.required();
    let mut fields: Vec<(&str, Order)> = Vec::new();
    let mut add = |path, order| {
        if path != "_id" && !fields.iter().any(|(known, _)| *known == path) {
            fields.push((path, order));
        }
    };
    for (path, condition) in &wanted {
        if matches!(condition, Condition::Equal(_) | Condition::In(_)) {
            add(path, Order::Ascending);
        }
    }
    query.sort.fields.iter().for_each(|field| add(&field.path, field.order));
    for (path, condition) in &wanted {
        if matches!(condition, Condition::Compare(..)) {
            add(path, Order::Ascending);
        }
    }
    let field = |(path, order): &(&str, Order)| {
        format!("{{\"path\": \"{path}\", \"order\": {}}}", if *order == Order::Ascending { 1 } else { -1 })
    };
    fields.iter().map(field).collect::<Vec<_>>().join(", ")
}

fn id_plan(database: Id, collection: Id, wanted: &Wanted<'_>, sort: &Sort) -> (Score, Plan) {
    let prefix = pair(database, collection);
    let order = match (sort.fields.is_empty(), sort.id) {
        (false, _) => PlanOrder::Other,
        (true, Order::Ascending) => PlanOrder::Forward,
        (true, Order::Descending) => PlanOrder::Backward,
    };
    let ids = |value: &RawBson| match value {
        RawBson::String(id) => Some([prefix.as_slice(), id.as_bytes()].concat()),
        _ => None,
    };
    if let Some(points) = wanted.points("_id") {
        let mut keys: Vec<_> = points.into_iter().filter_map(ids).collect();
        keys.sort_unstable();
        keys.dedup();
        let range = |key: Vec<u8>| KeyRange { from: Bound::Included(key.clone()), to: Bound::Included(key) };
        let mut ranges: Vec<_> = keys.into_iter().map(range).collect();
        if order == PlanOrder::Backward {
            ranges.reverse();
        }
        return ((usize::MAX, false, true), id_scan(ranges, order));
    }
    let mut range = KeyRange::prefix(&prefix);
    let mut bounded = false;
    for (comparison, bound) in wanted.comparisons("_id") {
        let Some(key) = ids(bound) else { continue };
        bounded = true;
        match comparison {
            Comparison::Greater => range.from = higher(range.from, Bound::Excluded(key)),
            Comparison::GreaterOrEqual => range.from = higher(range.from, Bound::Included(key)),
            Comparison::Less => range.to = lower(range.to, Bound::Excluded(key)),
            Comparison::LessOrEqual => range.to = lower(range.to, Bound::Included(key)),
        }
    }
    ((0, bounded, order != PlanOrder::Other), id_scan(vec![range], order))
}

fn id_scan(ranges: Vec<KeyRange>, order: PlanOrder) -> Plan {
    let scan = Scan { index: None, ranges, prefix: Prefix::default() };
    Plan { scans: vec![scan], order, repeats: false }
}

fn bytes(bound: &Bound<Vec<u8>>) -> Option<&Vec<u8>> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

fn higher(left: Bound<Vec<u8>>, right: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    if bytes(&left) > bytes(&right) { left } else { right }
}

fn lower(left: Bound<Vec<u8>>, right: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match (bytes(&left), bytes(&right)) {
        (Some(a), Some(b)) if a < b => left,
        _ => right,
    }
}

fn index_plan(database: Id, index: &Index, wanted: &Wanted<'_>, sort: &Sort) -> (Score, Plan) {
    let shape = &index.shape;
    let multikey = index.is_multikey();
    let mut prefixes = vec![pair(database, shape.id).to_vec()];
    let mut bound_fields = 0;
    for field in &shape.fields {
        let Some(points) = wanted.points(&field.path) else { break };
        if prefixes.len() * points.len() > RANGES_MAX {
            break;
        }
        prefixes = extend(&prefixes, &points, field.order);
        bound_fields += 1;
    }
    let rest = &shape.fields[bound_fields..];
    let range = rest.first().and_then(|field| wanted.range(&field.path, multikey).map(|ends| (field, ends)));
    let has_range = range.is_some();
    let ranges: Vec<KeyRange> = match &range {
        None => prefixes.iter().map(|prefix| KeyRange::prefix(prefix)).collect(),
        Some((field, ends)) => prefixes.iter().map(|prefix| key_range(prefix, field.order, ends)).collect(),
    };
    let order = if ranges.len() == 1 {
        index_order(&shape.fields, bound_fields, sort, multikey)
    } else {
        PlanOrder::Other
    };
    // Reading a whole index pays only where it saves the sort.
    let ordered = order != PlanOrder::Other && (bound_fields > 0 || has_range || !sort.fields.is_empty());
    let prefix = Prefix { key: prefixes.into_iter().next().unwrap_or_default(), fields: bound_fields };
    let scan = Scan { index: Some(Arc::clone(shape)), ranges, prefix };
    let repeats = multikey && order == PlanOrder::Other;
    ((bound_fields, has_range, ordered), Plan { scans: vec![scan], order, repeats })
}

fn extend(prefixes: &[Vec<u8>], points: &[&RawBson], order: Order) -> Vec<Vec<u8>> {
    let mut extended: Vec<Vec<u8>> = prefixes
        .iter()
        .flat_map(|prefix| {
            points.iter().map(move |point| {
                let mut key = prefix.clone();
                encode(point.as_raw_bson_ref(), order, &mut key);
                key
            })
        })
        .collect();
    extended.sort_unstable();
    extended.dedup();
    extended
}

/// Whether one range of an index comes in the order of the sort.
fn index_order(fields: &[FieldOrder], bound: usize, sort: &Sort, multikey: bool) -> PlanOrder {
    let (equal, rest) = fields.split_at(bound);
    if multikey && !(rest.is_empty() && sort.fields.is_empty()) {
        // Entries of elements are not in the order of documents, and a document comes several times.
        return PlanOrder::Other;
    }
    let is_equal = |field: &&FieldOrder| equal.iter().any(|bound| bound.path == field.path);
    let wanted: Vec<&FieldOrder> = sort.fields.iter().filter(|field| !is_equal(field)).collect();
    let same_paths =
        wanted.len() == rest.len() && wanted.iter().zip(rest).all(|(wanted, own)| wanted.path == own.path);
    if !same_paths {
        return PlanOrder::Other;
    }
    let turned = id_order(fields) != sort.id;
    let all_alike = wanted.iter().zip(rest).all(|(wanted, own)| (wanted.order != own.order) == turned);
    match (all_alike, turned) {
        (false, _) => PlanOrder::Other,
        (true, false) => PlanOrder::Forward,
        (true, true) => PlanOrder::Backward,
    }
}

fn key_range(prefix: &[u8], order: Order, (low, high): &(End, End)) -> KeyRange {
    let (low, high) = match order {
        Order::Ascending => (low.clone(), high.clone()),
        Order::Descending => (high.inverted(), low.inverted()),
    };
    let join = |bytes: &[u8]| [prefix, bytes].concat();
    let behind = |bytes: &[u8]| prefix_end(&join(bytes));
    let from = match &low {
        End::Type(byte) => Bound::Included(join(&[*byte])),
        End::Inclusive(key) => Bound::Included(join(key)),
        End::Exclusive(key) => behind(key).map_or(Bound::Excluded(join(key)), Bound::Included),
    };
    let to = match &high {
        End::Type(byte) => behind(&[*byte]).map_or(Bound::Unbounded, Bound::Excluded),
        End::Inclusive(key) => behind(key).map_or(Bound::Unbounded, Bound::Excluded),
        End::Exclusive(key) => Bound::Excluded(join(key)),
    };
    KeyRange { from, to }
}

impl End {
    fn inverted(&self) -> Self {
        let turned = |key: &Vec<u8>| {
            let mut key = key.clone();
            invert(&mut key);
            key
        };
        match self {
            Self::Type(byte) => Self::Type(!*byte),
            Self::Inclusive(key) => Self::Inclusive(turned(key)),
            Self::Exclusive(key) => Self::Exclusive(turned(key)),
        }
    }
}

impl<'a> Wanted<'a> {
    /// The values one of which the path has to have; `None` where any will do. An array as a value is
    /// matched as a whole, which entries of elements cannot tell.
    fn points(&self, path: &str) -> Option<Vec<&'a RawBson>> {
        let usable = |value: &RawBson| rank(value.as_raw_bson_ref()) != Rank::Array;
        self.0.iter().filter(|(wanted, _)| *wanted == path).find_map(|(_, condition)| match condition {
            Condition::Equal(value) if usable(value) => Some(vec![value]),
            Condition::In(values) if values.iter().all(usable) => Some(values.iter().collect()),
            _ => None,
        })
    }

    fn comparisons(&self, path: &str) -> Vec<(Comparison, &'a RawBson)> {
        let of_path = self.0.iter().filter(|(wanted, _)| *wanted == path);
        of_path
            .filter_map(|(_, condition)| match condition {
                Condition::Compare(comparison, bound) => Some((*comparison, bound)),
                _ => None,
            })
            .collect()
    }

    /// The range of values of a path. With arrays two comparisons may hold for two elements, so only the
    /// first counts.
    fn range(&self, path: &str, multikey: bool) -> Option<(End, End)> {
        let mut comparisons = self.comparisons(path);
        comparisons.retain(|(_, bound)| rank(bound.as_raw_bson_ref()) != Rank::Array);
        if multikey {
            comparisons.truncate(1);
        }
        let kind = rank(comparisons.first()?.1.as_raw_bson_ref());
        let (mut low, mut high) = (End::Type(kind as u8), End::Type(kind as u8));
        for (comparison, bound) in comparisons {
            if rank(bound.as_raw_bson_ref()) != kind {
                continue;
            }
            let mut key = Vec::new();
            encode(bound.as_raw_bson_ref(), Order::Ascending, &mut key);
            match comparison {
                Comparison::Greater => low = End::Exclusive(key),
                Comparison::GreaterOrEqual => low = End::Inclusive(key),
                Comparison::Less => high = End::Exclusive(key),
                Comparison::LessOrEqual => high = End::Inclusive(key),
            }
        }
        Some((low, high))
    }
}

impl Plan {
    /// Leaves out what a cursor has passed. Without the order of the query nothing can be left out here.
    fn begin_after(&mut self, after: &Place, sort: &Sort, database: Id, collection: Id) {
        if self.order == PlanOrder::Other {
            return;
        }
        for scan in &mut self.scans {
            let key = match &scan.index {
                None => [pair(database, collection).as_slice(), after.id.as_bytes()].concat(),
                Some(shape) => index_key(shape, &scan.prefix, after, sort),
            };
            for range in &mut scan.ranges {
                match self.order {
                    PlanOrder::Backward => range.to = lower(range.to.clone(), Bound::Excluded(key.clone())),
                    _ => range.from = higher(range.from.clone(), Bound::Excluded(key.clone())),
                }
            }
        }
    }

    /// The name of the first index.
    pub(crate) fn index_name(&self) -> Option<String> {
        self.scans.iter().find_map(|scan| scan.index.as_ref().map(|shape| shape.name.clone()))
    }
}

/// The key that a document at `place` has in the index: what equality binds, then its sort values.
fn index_key(shape: &IndexShape, bound: &Prefix, place: &Place, sort: &Sort) -> Vec<u8> {
    let mut key = bound.key.clone();
    for field in &shape.fields[bound.fields..] {
        let value = sort.fields.iter().position(|by| by.path == field.path).map(|at| &place.values[at]);
        let begin = key.len();
        key.extend_from_slice(value.map_or(&[], Vec::as_slice));
        if field.order == Order::Descending {
            invert(&mut key[begin..]);
        }
    }
    if !shape.unique {
        append_id(&mut key, &place.id, id_order(&shape.fields));
    }
    key
}
