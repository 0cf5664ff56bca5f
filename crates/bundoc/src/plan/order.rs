//! The order in which an index gives documents, and where a cursor stands in it.

use super::{Asked, Place, Plan, PlanOrder};
use crate::catalog::IndexShape;
use crate::engine::{FieldOrder, Order};
use crate::indexing::{append_id, id_order};
use crate::key::invert;
use crate::layout::pair;
use crate::query::{self, Sort};
use std::ops::Bound;

/// The beginning that all keys of a scan share: so many fields, each bound to one value.
#[derive(Debug, Clone, Default)]
pub(super) struct Prefix {
    pub(super) key: Vec<u8>,
    pub(super) fields: usize,
}

/// The key of an end.
pub(super) fn bytes(bound: &Bound<Vec<u8>>) -> Option<&Vec<u8>> {
    match bound {
        Bound::Included(key) | Bound::Excluded(key) => Some(key),
        Bound::Unbounded => None,
    }
}

/// The higher of two lower ends.
pub(super) fn higher(left: Bound<Vec<u8>>, right: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    if bytes(&left) > bytes(&right) { left } else { right }
}

/// The lower of two upper ends.
pub(super) fn lower(left: Bound<Vec<u8>>, right: Bound<Vec<u8>>) -> Bound<Vec<u8>> {
    match (bytes(&left), bytes(&right)) {
        (Some(a), Some(b)) if a < b => left,
        _ => right,
    }
}

/// Whether ranges of an index, in the order of keys, come in the order of the sort. Of the fields the first
/// `bound` have one value each.
pub(super) fn of_index(fields: &[FieldOrder], bound: usize, sort: &Sort, multikey: bool) -> PlanOrder {
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

impl Plan {
    /// Leaves out what a cursor has passed. Without the order of the query nothing can be left out here.
    pub(super) fn begin_after(&mut self, after: &query::Place, asked: &Asked<'_>) {
        if self.order == PlanOrder::Other {
            return;
        }
        for place in 0..self.scans.len() {
            let scan = &self.scans[place];
            let key = match (&scan.index, asked.place) {
                (Some(shape), _) => index_key(shape, &scan.prefix, after, &asked.query.sort),
                (None, Place::Collection(collection)) => {
                    [pair(asked.database, collection).as_slice(), after.id.as_bytes()].concat()
                }
                (None, Place::Group(_)) => continue,
            };
            self.pass(&key);
        }
    }

    /// Leaves out all that stands, in the order of the plan, before `key` and at it.
    pub(super) fn pass(&mut self, key: &[u8]) {
        let backward = self.order == PlanOrder::Backward;
        for range in self.scans.iter_mut().flat_map(|scan| &mut scan.ranges) {
            let end = Bound::Excluded(key.to_vec());
            if backward {
                range.to = lower(std::mem::replace(&mut range.to, Bound::Unbounded), end);
            } else {
                range.from = higher(std::mem::replace(&mut range.from, Bound::Unbounded), end);
            }
        }
    }
}

/// The key that a document at `place` has in the index: what equality binds, then its sort values.
fn index_key(shape: &IndexShape, bound: &Prefix, place: &query::Place, sort: &Sort) -> Vec<u8> {
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
