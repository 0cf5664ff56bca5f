//! Ranges of values of one field, as encoded bytes, and the keys of an index that they mean.

use crate::engine::Order;
use crate::filter::Comparison;
use crate::key::{encode, invert, prefix_end};
use crate::store::KeyRange;
use crate::value::{Rank, rank};
use bson::RawBsonRef;
use std::ops::Bound;

/// Values from one (inclusive) to another (exclusive), by their ascending encoding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    from: Vec<u8>,
    to: Vec<u8>,
    /// Whether it is one value.
    point: bool,
}

fn encoded(value: RawBsonRef<'_>) -> Vec<u8> {
    let mut key = Vec::with_capacity(16);
    encode(value, Order::Ascending, &mut key);
    key
}

/// The first bytes behind everything that begins with `key`, which is never all ones.
fn behind(key: &[u8]) -> Vec<u8> {
    prefix_end(key).unwrap_or_default()
}

impl Span {
    /// One value, and all that are equal to it.
    pub(crate) fn point(value: RawBsonRef<'_>) -> Self {
        let from = encoded(value);
        Self { to: behind(&from), from, point: true }
    }

    /// All values of the type of `value` that are not greater.
    pub(crate) fn up_to(value: RawBsonRef<'_>) -> Self {
        Self { from: vec![rank(value) as u8], to: behind(&encoded(value)), point: false }
    }

    /// All values of a type.
    pub(super) fn of_type(rank: Rank) -> Self {
        Self { from: vec![rank as u8], to: vec![rank as u8 + 1], point: false }
    }

    /// Strings that begin with `prefix`.
    pub(super) fn beginning_with(prefix: &str) -> Self {
        let mut from = encoded(RawBsonRef::String(prefix));
        // Without the two bytes at the end.
        from.truncate(from.len() - 2);
        Self { to: behind(&from), from, point: false }
    }

    /// The values that compare so with `bound`; none where there can be no such values.
    pub(super) fn compared(comparison: Comparison, bound: RawBsonRef<'_>) -> Option<Self> {
        let own = encoded(bound);
        let Self { from: mut lowest, to: highest, .. } = Self::of_type(rank(bound));
        if rank(bound) == Rank::Number {
            // NaN is the smallest number in the order, and neither less nor greater in a comparison.
            let nan = Self::point(RawBsonRef::Double(f64::NAN));
            if own == nan.from {
                return matches!(comparison, Comparison::GreaterOrEqual | Comparison::LessOrEqual)
                    .then_some(nan);
            }
            lowest = nan.to;
        }
        let (from, to) = match comparison {
            Comparison::Greater => (behind(&own), highest),
            Comparison::GreaterOrEqual => (own, highest),
            Comparison::Less => (lowest, own),
            Comparison::LessOrEqual => (lowest, behind(&own)),
        };
        (from < to).then_some(Self { from, to, point: false })
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Self) -> Option<Self> {
        let from = self.from.clone().max(other.from.clone());
        let to = self.to.clone().min(other.to.clone());
        (from < to).then_some(Self { from, to, point: self.point || other.point })
    }

    pub(super) fn is_point(&self) -> bool {
        self.point
    }

    /// The bytes of a point in an index key.
    pub(super) fn append_to(&self, key: &mut Vec<u8>, order: Order) {
        let begin = key.len();
        key.extend_from_slice(&self.from);
        if order == Order::Descending {
            invert(&mut key[begin..]);
        }
    }

    /// The keys behind `prefix` whose next field, in this order, is in the span.
    pub(crate) fn keys(&self, prefix: &[u8], order: Order) -> KeyRange {
        let join = |bytes: &[u8]| [prefix, bytes].concat();
        let (from, to) = match order {
            Order::Ascending => (join(&self.from), join(&self.to)),
            Order::Descending => {
                // Inverted bytes that have another as their beginning stay behind it, so the ends are those
                // behind everything that begins so.
                let turned = |bytes: &[u8]| {
                    let mut bytes = bytes.to_vec();
                    invert(&mut bytes);
                    behind(&join(&bytes))
                };
                (turned(&self.to), turned(&self.from))
            }
        };
        KeyRange { from: Bound::Included(from), to: Bound::Excluded(to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::tests::any_value;
    use bson::{RawBson, doc};
    use proptest::prelude::*;

    fn contains(range: &KeyRange, key: &Vec<u8>) -> bool {
        std::ops::RangeBounds::contains(&(range.from.clone(), range.to.clone()), key)
    }

    proptest! {
        // Most pairs of random values have no order in filters.
        #![proptest_config(ProptestConfig { cases: 2_000, max_global_rejects: 200_000, ..ProptestConfig::default() })]
        /// The keys of a span are those of the values that the filter lets through, in either order.
        #[test]
        fn a_span_has_what_the_comparison_has(bound in any_value(), value in any_value(), which in 0_usize..4) {
            let (name, comparison) = [
                ("$gt", Comparison::Greater),
                ("$gte", Comparison::GreaterOrEqual),
                ("$lt", Comparison::Less),
                ("$lte", Comparison::LessOrEqual),
            ][which];
            let is_array = |value: &bson::Bson| matches!(value, bson::Bson::Array(_));
            // A comparison with an extreme key is no comparison within a type.
            let is_extreme = |value: &bson::Bson| matches!(value, bson::Bson::MinKey | bson::Bson::MaxKey);
            prop_assume!(!is_array(&value) && !is_array(&bound) && !is_extreme(&bound));
            // Some values, such as patterns, are refused as a bound.
            let filter = crate::filter::parse(&doc! {"v": {name: bound.clone()}});
            prop_assume!(filter.is_ok());
            let filter = filter.unwrap();
            let document = bson::RawDocumentBuf::try_from(&doc! {"v": value.clone()}).unwrap();
            let (bound, value) = (RawBson::try_from(bound).unwrap(), RawBson::try_from(value).unwrap());
            let span = Span::compared(comparison, bound.as_raw_bson_ref());
            for order in [Order::Ascending, Order::Descending] {
                let mut key = vec![7, 0xFF];
                encode(value.as_raw_bson_ref(), order, &mut key);
                key.extend_from_slice(b"id\0");
                let inside = span.as_ref().is_some_and(|span| contains(&span.keys(&[7, 0xFF], order), &key));
                prop_assert_eq!(inside, filter.matches(&document), "{:?}", order);
            }
        }
    }

    #[test]
    fn strings_with_a_beginning_are_a_span() {
        for order in [Order::Ascending, Order::Descending] {
            let range = Span::beginning_with("ab").keys(&[1], order);
            let key = |text: &str| {
                let mut key = vec![1];
                encode(RawBsonRef::String(text), order, &mut key);
                key.push(5);
                key
            };
            for text in ["ab", "abc", "ab\0", "ab\u{10FFFF}"] {
                assert!(contains(&range, &key(text)), "{text}");
            }
            for text in ["a", "b", "ac", "aa"] {
                assert!(!contains(&range, &key(text)), "{text}");
            }
        }
    }
}
