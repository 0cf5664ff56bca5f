//! Filters: what a query asks of a document. Parsed once into a tree with a bounded depth, then matched
//! against raw documents. Semantics are those of MongoDB for `$eq $ne $gt $gte $lt $lte $in $nin $exists
//! $and $or $nor $not`: comparisons stay within one type, arrays match by any element.

use crate::error::EngineError;
use crate::path::{self, any_branch};
use crate::value::{compare, equal, rank};
use bson::{Bson, Document, RawBson, RawBsonRef, RawDocument};
use std::cmp::Ordering;

/// Levels of `$and`, `$or`, `$nor` and `$not` in a filter.
const DEPTH_MAX: usize = 20;
/// Conditions in a filter, and values in all `$in` lists together.
const TERMS_MAX: usize = 1_000;

/// A parsed filter.
#[derive(Debug, Clone)]
pub(crate) enum Filter {
    And(Vec<Filter>),
    Or(Vec<Filter>),
    Nor(Vec<Filter>),
    Field { path: String, condition: Condition },
}

/// What is asked of one path.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Equal(RawBson),
    NotEqual(RawBson),
    Compare(Comparison, RawBson),
    In(Vec<RawBson>),
    NotIn(Vec<RawBson>),
    Exists(bool),
    Not(Vec<Condition>),
}

/// An ordering comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Comparison {
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
}

impl Comparison {
    fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
        }
    }
}

fn invalid(text: String) -> EngineError {
    EngineError::InvalidQuery(text)
}

/// Parses a filter document.
pub(crate) fn parse(filter: &Document) -> Result<Filter, EngineError> {
    let mut budget = TERMS_MAX;
    parse_document(filter, 0, &mut budget)
}

fn spend(budget: &mut usize, terms: usize) -> Result<(), EngineError> {
    *budget = budget
        .checked_sub(terms)
        .ok_or_else(|| invalid(format!("a filter has {TERMS_MAX} conditions and values at the most")))?;
    Ok(())
}

fn parse_document(filter: &Document, depth: usize, budget: &mut usize) -> Result<Filter, EngineError> {
    if depth > DEPTH_MAX {
        return Err(invalid(format!("a filter is nested {DEPTH_MAX} levels deep at the most")));
    }
    let mut parts = Vec::with_capacity(filter.len());
    for (key, value) in filter {
        match key.as_str() {
            "$and" => parts.push(Filter::And(parse_list(key, value, depth, budget)?)),
            "$or" => parts.push(Filter::Or(parse_list(key, value, depth, budget)?)),
            "$nor" => parts.push(Filter::Nor(parse_list(key, value, depth, budget)?)),
            _ if key.starts_with('$') => return Err(unknown_operator(key)),
            path => {
                path::check(path).map_err(invalid)?;
                for condition in parse_conditions(value, depth, budget)? {
                    parts.push(Filter::Field { path: path.to_owned(), condition });
                }
            }
        }
    }
    Ok(Filter::And(parts))
}

fn unknown_operator(name: &str) -> EngineError {
    invalid(format!(
        "unknown operator `{name}`; known are $eq $ne $gt $gte $lt $lte $in $nin $exists $and $or $nor $not"
    ))
}

fn parse_list(key: &str, value: &Bson, depth: usize, budget: &mut usize) -> Result<Vec<Filter>, EngineError> {
    let list = value.as_array().filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| invalid(format!("`{key}` takes a list of at least one filter")))?;
    list.iter()
        .map(|part| match part {
            Bson::Document(part) => parse_document(part, depth + 1, budget),
            _ => Err(invalid(format!("every entry of `{key}` is a filter"))),
        })
        .collect()
}

fn parse_conditions(value: &Bson, depth: usize, budget: &mut usize) -> Result<Vec<Condition>, EngineError> {
    let operators = match value {
        Bson::Document(document) if document.keys().any(|key| key.starts_with('$')) => document,
        _ => {
            spend(budget, 1)?;
            return Ok(vec![Condition::Equal(operand(value)?)]);
        }
    };
    operators.iter().map(|(name, value)| parse_operator(name, value, depth, budget)).collect()
}

fn parse_operator(
    name: &str,
    value: &Bson,
    depth: usize,
    budget: &mut usize,
) -> Result<Condition, EngineError> {
    spend(budget, 1)?;
    Ok(match name {
        "$eq" => Condition::Equal(operand(value)?),
        "$ne" => Condition::NotEqual(operand(value)?),
        "$gt" => Condition::Compare(Comparison::Greater, operand(value)?),
        "$gte" => Condition::Compare(Comparison::GreaterOrEqual, operand(value)?),
        "$lt" => Condition::Compare(Comparison::Less, operand(value)?),
        "$lte" => Condition::Compare(Comparison::LessOrEqual, operand(value)?),
        "$in" => Condition::In(operands(name, value, budget)?),
        "$nin" => Condition::NotIn(operands(name, value, budget)?),
        "$exists" => {
            let exists = value.as_bool().ok_or_else(|| invalid("`$exists` takes true or false".into()))?;
            Condition::Exists(exists)
        }
        "$not" => parse_not(value, depth, budget)?,
        _ => return Err(unknown_operator(name)),
    })
}

fn parse_not(value: &Bson, depth: usize, budget: &mut usize) -> Result<Condition, EngineError> {
    let is_operators = |document: &Document| document.keys().all(|key| key.starts_with('$'));
    if depth >= DEPTH_MAX || !value.as_document().is_some_and(is_operators) {
        return Err(invalid(format!(
            "`$not` takes an object of operators and is nested {DEPTH_MAX} levels deep at the most"
        )));
    }
    Ok(Condition::Not(parse_conditions(value, depth + 1, budget)?))
}

fn operands(name: &str, value: &Bson, budget: &mut usize) -> Result<Vec<RawBson>, EngineError> {
    let list = value.as_array().ok_or_else(|| invalid(format!("`{name}` takes a list")))?;
    spend(budget, list.len())?;
    list.iter().map(operand).collect()
}

fn operand(value: &Bson) -> Result<RawBson, EngineError> {
    RawBson::try_from(value.clone())
        .map_err(|error| invalid(format!("a value of the filter is malformed: {error}")))
}

impl Filter {
    /// Whether `document` passes.
    pub(crate) fn matches(&self, document: &RawDocument) -> bool {
        match self {
            Self::And(parts) => parts.iter().all(|part| part.matches(document)),
            Self::Or(parts) => parts.iter().any(|part| part.matches(document)),
            Self::Nor(parts) => !parts.iter().any(|part| part.matches(document)),
            Self::Field { path, condition } => condition.holds(document, path),
        }
    }

    /// The conditions that every match fulfils: those under `$and` only.
    pub(crate) fn required(&self) -> Vec<(&str, &Condition)> {
        let mut found = Vec::new();
        self.collect_required(&mut found);
        found
    }

    fn collect_required<'a>(&'a self, found: &mut Vec<(&'a str, &'a Condition)>) {
        match self {
            Self::And(parts) => parts.iter().for_each(|part| part.collect_required(found)),
            Self::Field { path, condition } => found.push((path, condition)),
            Self::Or(_) | Self::Nor(_) => {}
        }
    }
}

impl Condition {
    fn holds(&self, document: &RawDocument, path: &str) -> bool {
        match self {
            Self::Equal(wanted) => any_value(document, path, &|value| equal(value, wanted)),
            Self::NotEqual(wanted) => !any_value(document, path, &|value| equal(value, wanted)),
            Self::Compare(comparison, bound) => {
                let bound = bound.as_raw_bson_ref();
                any_value(document, path, &|value| {
                    rank(value) == rank(bound)
                        && !either_is_nan(value, bound)
                        && comparison.holds(compare(value, bound))
                })
            }
            Self::In(wanted) => is_in(document, path, wanted),
            Self::NotIn(wanted) => !is_in(document, path, wanted),
            Self::Exists(wanted) => any_branch(document, path, &mut |branch| branch.is_some()) == *wanted,
            Self::Not(conditions) => !conditions.iter().all(|condition| condition.holds(document, path)),
        }
    }
}

/// NaN is equal to itself and neither less nor greater than any number.
fn either_is_nan(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> bool {
    let is_nan = |value: RawBsonRef<'_>| value.as_f64().is_some_and(f64::is_nan);
    is_nan(left) != is_nan(right)
}

fn is_in(document: &RawDocument, path: &str, wanted: &[RawBson]) -> bool {
    any_value(document, path, &|value| wanted.iter().any(|wanted| equal(value, wanted)))
}

/// Whether any value at the path passes: a missing one as null, an array as itself and as its elements.
fn any_value(document: &RawDocument, path: &str, test: &dyn Fn(RawBsonRef<'_>) -> bool) -> bool {
    any_branch(document, path, &mut |branch| match branch {
        None => test(RawBsonRef::Null),
        Some(RawBsonRef::Array(array)) => {
            test(RawBsonRef::Array(array)) || array.into_iter().flatten().any(test)
        }
        Some(value) => test(value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    #[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
    fn matches(filter: Document, document: Document) -> bool {
        let raw = bson::RawDocumentBuf::try_from(&document).unwrap();
        parse(&filter).unwrap().matches(&raw)
    }

    #[test]
    fn operators_hold_where_they_should() {
        let document = doc! {"n": 5, "s": "b", "list": [1, "x", {"k": 2}], "null": null, "d": {"e": 1.5}};
        let holds = [
            doc! {},
            doc! {"n": 5.0},
            doc! {"n": {"$gt": 4, "$lt": 6}},
            doc! {"n": {"$ne": 6}},
            doc! {"s": {"$gte": "b", "$lt": "c"}},
            doc! {"list": 1},
            doc! {"list": [1, "x", {"k": 2}]},
            doc! {"list.k": {"$gt": 1}},
            doc! {"list.2.k": 2},
            doc! {"null": null},
            doc! {"missing": null},
            doc! {"missing": {"$exists": false}},
            doc! {"null": {"$exists": true}},
            doc! {"n": {"$in": [1, 5]}},
            doc! {"n": {"$nin": [1, 2]}},
            doc! {"n": {"$not": {"$gt": 5}}},
            doc! {"$or": [{"n": 1}, {"s": "b"}]},
            doc! {"$nor": [{"n": 1}, {"s": "c"}]},
            doc! {"$and": [{"n": 5}, {"d.e": {"$gt": 1}}]},
        ];
        for filter in holds {
            assert!(matches(filter.clone(), document.clone()), "{filter} should match");
        }
        let fails = [
            doc! {"n": {"$gt": "4"}},
            doc! {"n": {"$gt": null}},
            doc! {"missing": {"$gt": 0}},
            doc! {"missing": {"$exists": true}},
            doc! {"n": {"$not": {"$gt": 4}}},
            doc! {"list": {"$ne": 1}},
            doc! {"d": {"e": 2}},
            doc! {"$nor": [{"n": 5}]},
        ];
        for filter in fails {
            assert!(!matches(filter.clone(), document.clone()), "{filter} should not match");
        }
    }

    #[test]
    fn malformed_filters_are_refused() {
        let mut deep = doc! {"a": 1};
        for _ in 0..50 {
            deep = doc! {"$and": [deep]};
        }
        let many: Vec<Bson> = (0..2_000).map(Bson::Int32).collect();
        let filters = [
            doc! {"$where": "x"},
            doc! {"a": {"$regex": "x"}},
            doc! {"$or": []},
            doc! {"$or": [1]},
            doc! {"a": {"$in": 1}},
            doc! {"a": {"$exists": 1}},
            doc! {"a": {"$not": 1}},
            doc! {"a..b": 1},
            doc! {"a": {"$in": many}},
            deep,
        ];
        for filter in filters {
            assert!(matches!(parse(&filter), Err(EngineError::InvalidQuery(_))), "{filter}");
        }
    }
}
