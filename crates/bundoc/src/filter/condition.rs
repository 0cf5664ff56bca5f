//! What is asked of one path, and whether it holds: of all values that the path reaches, or of one value by
//! itself (inside `$elemMatch`).

use super::{Filter, Pattern, Types};
use crate::path::{Reached, any_reached};
use crate::value::{Rank, compare, equal, number, rank};
use bson::{RawArray, RawBson, RawBsonRef, RawDocument};
use std::cmp::Ordering;

/// What is asked of one path. An index can serve `Equal`, `In` and `Compare` by keys, `Matches` by the prefix
/// of its pattern, `Exists(true)` and `Type` by types; the rest has to look at documents.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Equal(RawBson),
    NotEqual(RawBson),
    /// Never with `MinKey` or `MaxKey`: those are `Beyond`.
    Compare(Comparison, RawBson),
    /// Any value but the extreme one (`{"$gt": MinKey}`, `{"$lt": MaxKey}`), of all types.
    Beyond(Rank),
    /// One of these, in order and each once.
    In(Vec<RawBson>),
    /// None of these, in order and each once.
    NotIn(Vec<RawBson>),
    Exists(bool),
    Not(Vec<Condition>),
    /// At least one of these holds: `$in` with patterns.
    Any(Vec<Condition>),
    Matches(Pattern),
    Type(Types),
    Size(usize),
    Modulo {
        divisor: i64,
        remainder: i64,
    },
    /// An array with an element that passes.
    Element(ElementTest),
}

/// What is asked of one element of an array.
#[derive(Debug, Clone)]
pub(crate) enum ElementTest {
    /// It is a document (or an array, by position) that passes.
    Document(Box<Filter>),
    /// All of these hold of the element itself.
    Value(Vec<Condition>),
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

    pub(crate) fn holds_between(self, value: RawBsonRef<'_>, bound: RawBsonRef<'_>) -> bool {
        rank(value) == rank(bound) && !either_is_nan(value, bound) && self.holds(compare(value, bound))
    }
}

/// NaN is equal to itself and neither less nor greater than any number.
fn either_is_nan(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> bool {
    let is_nan = |value| number(value).is_some_and(|number| number.is_nan());
    is_nan(left) != is_nan(right)
}

impl Condition {
    /// Whether it holds of what `path` reaches.
    pub(super) fn holds(&self, document: &RawDocument, path: &str) -> bool {
        match self {
            Self::NotEqual(wanted) => !any_value(document, path, |value| equal(value, wanted)),
            Self::NotIn(wanted) => !any_value(document, path, |value| is_in(value, wanted)),
            Self::Not(conditions) => !conditions.iter().all(|condition| condition.holds(document, path)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(document, path)),
            Self::Exists(wanted) => {
                any_reached(document, path, &mut |end| !matches!(end, Reached::Missing)) == *wanted
            }
            Self::Size(_) | Self::Element(_) => any_reached(document, path, &mut |end| match end {
                Reached::Missing => false,
                Reached::Value(value) | Reached::Element(value) => self.holds_of(value),
            }),
            // A missing value counts as null, and has no type.
            Self::Type(types) => any_present(document, path, |value| types.contain(value)),
            Self::Equal(_)
            | Self::Compare(..)
            | Self::Beyond(_)
            | Self::In(_)
            | Self::Matches(_)
            | Self::Modulo { .. } => any_value(document, path, |value| self.holds_of(value)),
        }
    }

    /// Whether it holds of one value, in which an array is only itself.
    fn holds_of(&self, value: RawBsonRef<'_>) -> bool {
        match self {
            Self::Equal(wanted) => equal(value, wanted),
            Self::NotEqual(wanted) => !equal(value, wanted),
            Self::Compare(comparison, bound) => comparison.holds_between(value, bound.as_raw_bson_ref()),
            Self::Beyond(extreme) => rank(value) != *extreme,
            Self::In(wanted) => is_in(value, wanted),
            Self::NotIn(wanted) => !is_in(value, wanted),
            Self::Exists(wanted) => *wanted,
            Self::Not(conditions) => !conditions.iter().all(|condition| condition.holds_of(value)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds_of(value)),
            Self::Matches(pattern) => pattern.matches(value),
            Self::Type(types) => types.contain(value),
            Self::Size(size) => value.as_array().is_some_and(|array| has_size(array, *size)),
            Self::Modulo { divisor, remainder } => number(value)
                .and_then(|number| number.to_integer())
                .is_some_and(|integer| integer.wrapping_rem(*divisor) == *remainder),
            Self::Element(test) => {
                value.as_array().is_some_and(|array| array.into_iter().flatten().any(|e| test.passes(e)))
            }
        }
    }
}

impl ElementTest {
    /// Whether one element passes.
    pub(crate) fn passes(&self, element: RawBsonRef<'_>) -> bool {
        match (self, element) {
            (Self::Value(conditions), element) => {
                conditions.iter().all(|condition| condition.holds_of(element))
            }
            (Self::Document(filter), RawBsonRef::Document(document)) => filter.matches(document),
            (Self::Document(filter), RawBsonRef::Array(array)) => {
                RawDocument::from_bytes(array.as_bytes()).is_ok_and(|fields| filter.matches(fields))
            }
            (Self::Document(_), _) => false,
        }
    }
}

/// `wanted` is in order.
fn is_in(value: RawBsonRef<'_>, wanted: &[RawBson]) -> bool {
    wanted.binary_search_by(|wanted| compare(wanted.as_raw_bson_ref(), value)).is_ok()
}

fn has_size(array: &RawArray, size: usize) -> bool {
    array.iter_elements().take(size + 1).count() == size
}

/// Whether any value at the path passes: a missing one as null, an array as itself and as its elements.
fn any_value(document: &RawDocument, path: &str, test: impl Fn(RawBsonRef<'_>) -> bool) -> bool {
    any_reached(document, path, &mut |end| match end {
        Reached::Missing => test(RawBsonRef::Null),
        Reached::Value(value) => itself_or_element(value, &test),
        Reached::Element(value) => test(value),
    })
}

/// Like `any_value`, without missing ones.
fn any_present(document: &RawDocument, path: &str, test: impl Fn(RawBsonRef<'_>) -> bool) -> bool {
    any_reached(document, path, &mut |end| match end {
        Reached::Missing => false,
        Reached::Value(value) => itself_or_element(value, &test),
        Reached::Element(value) => test(value),
    })
}

fn itself_or_element(value: RawBsonRef<'_>, test: &impl Fn(RawBsonRef<'_>) -> bool) -> bool {
    match value {
        RawBsonRef::Array(array) => test(value) || array.into_iter().flatten().any(test),
        value => test(value),
    }
}
