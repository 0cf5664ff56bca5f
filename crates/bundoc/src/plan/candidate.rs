//! The plans that a query may be answered by.

use super::order::{self, Prefix, higher, lower};
use super::wanted::Wanted;
use super::{Asked, Goal, Plan, PlanOrder, Scan, partial};
use crate::catalog::IndexShape;
use crate::engine::Order;
use crate::filter::{Comparison, Condition};
use crate::layout::{Id, pair};
use crate::store::KeyRange;
use bson::RawBson;
use std::ops::Bound;
use std::sync::Arc;

/// Ranges of one plan: the product of all `$in` lists.
const RANGES_MAX: usize = 1_000;

/// A plan to compare with others.
#[derive(Clone)]
pub(super) struct Candidate {
    pub(super) plan: Plan,
    /// Fields that equality, `$in` or a range narrows.
    pub(super) bound_fields: usize,
    /// Whether it finds one document at the most.
    pub(super) single: bool,
}

impl Candidate {
    /// Whether no other plan can be better by more than a trifle: it reads what is asked for and nothing else.
    pub(super) fn is_obvious(&self, goal: Goal) -> bool {
        let in_order = self.plan.order != PlanOrder::Other && goal == Goal::Page;
        self.single || (self.bound_fields > 0 && self.plan.exact && in_order)
    }
}

/// By id: single documents, a range, or all.
pub(super) fn by_id(asked: &Asked<'_>, collection: Id, wanted: &Wanted<'_>) -> Candidate {
    let prefix = pair(asked.database, collection);
    let sort = &asked.query.sort;
    let order = match (sort.fields.is_empty(), sort.id) {
        (false, _) => PlanOrder::Other,
        (true, Order::Ascending) => PlanOrder::Forward,
        (true, Order::Descending) => PlanOrder::Backward,
    };
    let on_id = wanted.of("_id").count();
    let alone = !wanted.more && wanted.conditions.len() == on_id;
    let key = |value: &RawBson| match value {
        RawBson::String(id) => Some([prefix.as_slice(), id.as_bytes()].concat()),
        _ => None,
    };
    if let Some(points) = wanted.of("_id").find_map(|condition| points(condition, &key)) {
        let single = points.len() <= 1;
        let range = |key: Vec<u8>| KeyRange { from: Bound::Included(key.clone()), to: Bound::Included(key) };
        let mut ranges: Vec<_> = points.into_iter().map(range).collect();
        if order == PlanOrder::Backward {
            ranges.reverse();
        }
        let plan = id_plan(ranges, order, alone && on_id == 1);
        return Candidate { plan, bound_fields: 1, single };
    }
    let mut range = KeyRange::prefix(&prefix);
    let mut bounds = 0;
    for condition in wanted.of("_id") {
        let Condition::Compare(comparison, bound) = condition else { continue };
        let Some(key) = key(bound) else { continue };
        bounds += 1;
        match comparison {
            Comparison::Greater => range.from = higher(range.from, Bound::Excluded(key)),
            Comparison::GreaterOrEqual => range.from = higher(range.from, Bound::Included(key)),
            Comparison::Less => range.to = lower(range.to, Bound::Excluded(key)),
            Comparison::LessOrEqual => range.to = lower(range.to, Bound::Included(key)),
        }
    }
    let plan = id_plan(vec![range], order, alone && bounds == on_id);
    Candidate { plan, bound_fields: usize::from(bounds > 0), single: false }
}

/// The keys of the ids that a condition names, sorted; ids are strings, so that other values name none.
fn points(condition: &Condition, key: &dyn Fn(&RawBson) -> Option<Vec<u8>>) -> Option<Vec<Vec<u8>>> {
    let mut keys: Vec<_> = match condition {
        Condition::Equal(value) => key(value).into_iter().collect(),
        Condition::In(values) => values.iter().filter_map(key).collect(),
        _ => return None,
    };
    keys.sort_unstable();
    keys.dedup();
    Some(keys)
}

fn id_plan(ranges: Vec<KeyRange>, order: PlanOrder, exact: bool) -> Plan {
    let scan = Scan { index: None, ranges, prefix: Prefix::default() };
    Plan { scans: vec![scan], order, repeats: false, exact, covered: false }
}

/// All collections of a group, one after the other.
pub(super) fn collection_by_collection(asked: &Asked<'_>) -> Candidate {
    let sort = &asked.query.sort;
    let order = match (sort.fields.is_empty(), sort.id) {
        (false, _) => PlanOrder::Other,
        (true, Order::Ascending) => PlanOrder::Forward,
        (true, Order::Descending) => PlanOrder::Backward,
    };
    let plan = Plan { order, ..Plan::nothing() };
    Candidate { plan, bound_fields: 0, single: false }
}

/// By an index; `None` where it lacks documents, or neither narrows nor orders anything.
pub(super) fn by_index(asked: &Asked<'_>, shape: &Arc<IndexShape>, wanted: &Wanted<'_>) -> Option<Candidate> {
    if !partial::has_all(shape, wanted) {
        return None;
    }
    let multikey = shape.is_multikey();
    let narrowed = Narrowed::by(shape, asked.database, wanted, multikey);
    let sort = &asked.query.sort;
    let order = order::of_index(&shape.fields, narrowed.prefix.fields, sort, multikey);
    let covered = !multikey && asked.fields.as_ref().is_some_and(|fields| has_fields(shape, fields));
    // Reading a whole index pays only where it saves the sort, or documents.
    let ordered = order != PlanOrder::Other && !sort.fields.is_empty();
    let smaller = shape.partial.is_some() || shape.sparse;
    if narrowed.fields == 0 && !ordered && !covered && !smaller {
        return None;
    }
    let exact = narrowed.exact && !multikey && !wanted.more;
    let single = shape.unique && narrowed.prefix.fields == shape.fields.len();
    let mut ranges = narrowed.ranges;
    if order == PlanOrder::Backward {
        ranges.reverse();
    }
    let scan = Scan { index: Some(Arc::clone(shape)), ranges, prefix: narrowed.prefix };
    let repeats = multikey && order == PlanOrder::Other;
    let plan = Plan { scans: vec![scan], order, repeats, exact, covered };
    Some(Candidate { plan, bound_fields: narrowed.fields, single })
}

fn has_fields(shape: &IndexShape, fields: &[String]) -> bool {
    fields.iter().all(|path| path == "_id" || shape.fields.iter().any(|field| field.path == *path))
}

/// The ranges of an index that what is asked narrows it to.
struct Narrowed {
    /// In the order of keys, apart from each other.
    ranges: Vec<KeyRange>,
    prefix: Prefix,
    fields: usize,
    /// Whether the ranges say all that is asked, where no document has an array.
    exact: bool,
}

impl Narrowed {
    fn by(shape: &IndexShape, database: Id, wanted: &Wanted<'_>, multikey: bool) -> Self {
        let begin = pair(database, shape.id).to_vec();
        let mut prefix = Prefix { key: begin.clone(), fields: 0 };
        let mut beginnings = vec![begin];
        let mut ranges = None;
        let (mut fields, mut exact_conditions) = (0, 0);
        for field in &shape.fields {
            let Some(bounds) = wanted.bounds(&field.path, multikey) else { break };
            if beginnings.len() * bounds.spans.len() > RANGES_MAX {
                break;
            }
            fields += 1;
            if bounds.exact {
                exact_conditions += wanted.of(&field.path).count();
            }
            let product = |begin: &Vec<u8>| {
                let spans = bounds.spans.iter();
                spans.map(|span| span.keys(begin, field.order)).collect::<Vec<_>>()
            };
            if !bounds.spans.iter().all(super::Span::is_point) {
                ranges = Some(beginnings.iter().flat_map(product).collect::<Vec<_>>());
                break;
            }
            beginnings = beginnings
                .iter()
                .flat_map(|begin| {
                    bounds.spans.iter().map(move |span| {
                        let mut key = begin.clone();
                        span.append_to(&mut key, field.order);
                        key
                    })
                })
                .collect();
            if let [only] = beginnings.as_slice() {
                prefix = Prefix { key: only.clone(), fields };
            }
        }
        let mut ranges =
            ranges.unwrap_or_else(|| beginnings.iter().map(|begin| KeyRange::prefix(begin)).collect());
        ranges.sort_by(|left, right| order::bytes(&left.from).cmp(&order::bytes(&right.from)));
        Self { ranges, prefix, fields, exact: exact_conditions == wanted.conditions.len() }
    }
}

/// By the ranges of several indexes, where one of some filters has to hold and each of them has an index.
pub(super) fn by_union(
    asked: &Asked<'_>,
    shapes: &[&Arc<IndexShape>],
    wanted: &Wanted<'_>,
) -> Option<Candidate> {
    wanted.alternatives.iter().find_map(|alternatives| {
        let mut union = Plan { repeats: true, ..Plan::nothing() };
        let mut bound_fields = usize::MAX;
        for alternative in *alternatives {
            let mut own = Wanted { alternatives: Vec::new(), ..wanted.clone() };
            own.add(alternative);
            own.more = true;
            let by_index = shapes.iter().filter_map(|shape| by_index(asked, shape, &own));
            let by_id = match asked.place {
                super::Place::Collection(collection) => Some(by_id(asked, collection, &own)),
                super::Place::Group(_) => None,
            };
            // Most fields, then a narrower index before a wider one.
            let best =
                by_index.chain(by_id).max_by_key(|candidate| (candidate.single, candidate.bound_fields))?;
            if best.bound_fields == 0 {
                return None;
            }
            bound_fields = bound_fields.min(best.bound_fields);
            union.scans.extend(best.plan.scans);
        }
        let ranges: usize = union.scans.iter().map(|scan| scan.ranges.len()).sum();
        (ranges <= RANGES_MAX).then_some(Candidate { plan: union, bound_fields, single: false })
    })
}
