//! Whether an index that has only some documents has all that a query asks for. Conservative: what is not
//! plainly implied is not.

use super::wanted::Wanted;
use crate::catalog::IndexShape;
use crate::filter::{Comparison, Condition, Filter};
use crate::value::{Rank, compare, equal, number, rank};
use bson::RawBson;

/// Whether every answer has an entry in the index.
pub(super) fn has_all(shape: &IndexShape, wanted: &Wanted<'_>) -> bool {
    let sparse_has = !shape.sparse || shape.fields.iter().any(|field| wanted.implies_existence(&field.path));
    sparse_has && shape.partial.as_ref().is_none_or(|partial| implies(wanted, &partial.filter))
}

fn implies(wanted: &Wanted<'_>, filter: &Filter) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| implies(wanted, part)),
        Filter::Or(parts) => parts.iter().any(|part| implies(wanted, part)),
        Filter::Field { path, condition: Condition::Exists(true) } => wanted.implies_existence(path),
        Filter::Field { path, condition } => wanted.of(path).any(|own| stronger(own, condition)),
        Filter::Nor(_) | Filter::Expression(_) => false,
    }
}

/// Whether a value that fulfils `own` fulfils `other`.
fn stronger(own: &Condition, other: &Condition) -> bool {
    match (own, other) {
        (Condition::Equal(value), _) => fulfils(value, other),
        (Condition::In(values), _) => !values.is_empty() && values.iter().all(|value| fulfils(value, other)),
        (Condition::Compare(own, own_bound), Condition::Compare(other, other_bound)) => {
            comparison_implies((*own, own_bound), (*other, other_bound))
        }
        (Condition::NotEqual(own), Condition::NotEqual(other)) => {
            rank_of(own) == rank_of(other) && equal(own.as_raw_bson_ref(), other)
        }
        (Condition::Exists(own), Condition::Exists(other)) => own == other,
        _ => false,
    }
}

fn rank_of(value: &RawBson) -> Rank {
    rank(value.as_raw_bson_ref())
}

fn is_nan(value: &RawBson) -> bool {
    number(value.as_raw_bson_ref()).is_some_and(|number| number.is_nan())
}

/// Whether the value itself, as an element or as a whole, fulfils the condition.
fn fulfils(value: &RawBson, condition: &Condition) -> bool {
    match condition {
        Condition::Equal(other) => equal(value.as_raw_bson_ref(), other),
        Condition::In(others) => others.iter().any(|other| equal(value.as_raw_bson_ref(), other)),
        Condition::Compare(comparison, bound) => {
            comparison.holds_between(value.as_raw_bson_ref(), bound.as_raw_bson_ref())
        }
        _ => false,
    }
}

fn comparison_implies(
    (own, own_bound): (Comparison, &RawBson),
    (other, other_bound): (Comparison, &RawBson),
) -> bool {
    if rank_of(own_bound) != rank_of(other_bound) || is_nan(own_bound) || is_nan(other_bound) {
        return false;
    }
    let order = compare(own_bound.as_raw_bson_ref(), other_bound.as_raw_bson_ref());
    match (own, other) {
        (Comparison::GreaterOrEqual, Comparison::Greater) => order.is_gt(),
        (
            Comparison::Greater | Comparison::GreaterOrEqual,
            Comparison::Greater | Comparison::GreaterOrEqual,
        ) => order.is_ge(),
        (Comparison::LessOrEqual, Comparison::Less) => order.is_lt(),
        (Comparison::Less | Comparison::LessOrEqual, Comparison::Less | Comparison::LessOrEqual) => {
            order.is_le()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::parse;
    use bson::{Document, doc};

    #[expect(clippy::needless_pass_by_value, reason = "the cases read better")]
    fn implied(query: Document, partial: Document) -> bool {
        let (query, partial) = (parse(&query).unwrap(), parse(&partial).unwrap());
        let mut wanted = Wanted::default();
        wanted.add(&query);
        implies(&wanted, &partial)
    }

    #[test]
    fn what_a_query_says_of_a_field_may_imply_the_filter_of_an_index() {
        let implied_ones = [
            (doc! {"a": 5}, doc! {"a": 5.0}),
            (doc! {"a": 5}, doc! {"a": {"$gt": 4}}),
            (doc! {"a": {"$gt": 5}, "b": 1}, doc! {"a": {"$gte": 5}}),
            (doc! {"a": {"$gte": 6}}, doc! {"a": {"$gt": 5}}),
            (doc! {"a": {"$lt": 5}}, doc! {"a": {"$lte": 5}}),
            (doc! {"a": {"$in": [5, 6]}}, doc! {"a": {"$in": [4, 5, 6]}}),
            (doc! {"a": {"$in": [5, 6]}}, doc! {"a": {"$gte": 5}}),
            (doc! {"a": "x"}, doc! {"a": {"$exists": true}}),
            (doc! {"a": {"$gt": 1}, "b": true}, doc! {"a": {"$exists": true}, "b": true}),
            (doc! {"a": {"$ne": null}}, doc! {"a": {"$exists": true}}),
            (doc! {"$and": [{"a": 1}, {"b": 2}]}, doc! {"b": 2}),
            (doc! {"a": 1}, doc! {"$or": [{"a": 1}, {"b": 1}]}),
            (doc! {}, doc! {}),
        ];
        for (query, partial) in implied_ones {
            assert!(implied(query.clone(), partial.clone()), "{query} implies {partial}");
        }
        let others = [
            (doc! {}, doc! {"a": 5}),
            (doc! {"a": 4}, doc! {"a": 5}),
            (doc! {"a": {"$gte": 5}}, doc! {"a": {"$gt": 5}}),
            (doc! {"a": {"$gt": "5"}}, doc! {"a": {"$gt": 5}}),
            (doc! {"a": {"$lt": 9}}, doc! {"a": {"$gt": 5}}),
            (doc! {"a": {"$in": [5, 9]}}, doc! {"a": 5}),
            (doc! {"a": null}, doc! {"a": {"$exists": true}}),
            (doc! {"a": {"$gte": null}}, doc! {"a": {"$exists": true}}),
            // `{a: [1]}` has no value at the path, so also none that is null.
            (doc! {"a.k": {"$ne": null}}, doc! {"a.k": {"$exists": true}}),
            (doc! {"a.k": {"$nin": [null]}}, doc! {"a.k": {"$exists": true}}),
            (doc! {"$or": [{"a": 5}, {"b": 1}]}, doc! {"a": 5}),
            (doc! {"a": {"$not": {"$lt": 5}}}, doc! {"a": {"$gte": 5}}),
            (doc! {"a": f64::NAN}, doc! {"a": {"$lte": 5}}),
            (doc! {"a": 5}, doc! {"$nor": [{"a": 6}]}),
        ];
        for (query, partial) in others {
            assert!(!implied(query.clone(), partial.clone()), "{query} does not imply {partial}");
        }
    }
}
