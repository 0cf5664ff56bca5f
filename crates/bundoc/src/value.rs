//! The order of BSON values: which type comes before which, and how two values of one type compare.
//! The order is that of MongoDB ("BSON types, comparison and sort order" in its manual). Numbers of all
//! types compare by value, and nothing is rounded for it.

use crate::decimal::{self, Decimal, Decoded};
use bson::{Decimal128, RawArray, RawBson, RawBsonRef, RawDocument};
use std::cmp::Ordering;

/// The place of a type in the order; values of different ranks never compare equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Rank {
    MinKey = 0x08,
    /// Never stored: an empty array in a sort or an index, a missing value in an expression.
    Undefined = 0x0C,
    Null = 0x10,
    Number = 0x18,
    String = 0x20,
    Document = 0x28,
    Array = 0x30,
    Binary = 0x38,
    ObjectId = 0x40,
    Boolean = 0x48,
    DateTime = 0x50,
    Timestamp = 0x58,
    Regex = 0x60,
    DbPointer = 0x68,
    Code = 0x70,
    CodeWithScope = 0x78,
    MaxKey = 0x80,
}

impl Rank {
    const ALL: [Self; 17] = [
        Self::MinKey,
        Self::Undefined,
        Self::Null,
        Self::Number,
        Self::String,
        Self::Document,
        Self::Array,
        Self::Binary,
        Self::ObjectId,
        Self::Boolean,
        Self::DateTime,
        Self::Timestamp,
        Self::Regex,
        Self::DbPointer,
        Self::Code,
        Self::CodeWithScope,
        Self::MaxKey,
    ];

    /// The rank with this number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|rank| *rank as u8 == number)
    }
}

/// The rank of a value.
pub(crate) fn rank(value: RawBsonRef<'_>) -> Rank {
    match value {
        RawBsonRef::MinKey => Rank::MinKey,
        RawBsonRef::Undefined => Rank::Undefined,
        RawBsonRef::Null => Rank::Null,
        RawBsonRef::Int32(_) | RawBsonRef::Int64(_) | RawBsonRef::Double(_) | RawBsonRef::Decimal128(_) => {
            Rank::Number
        }
        RawBsonRef::String(_) | RawBsonRef::Symbol(_) => Rank::String,
        RawBsonRef::Document(_) => Rank::Document,
        RawBsonRef::Array(_) => Rank::Array,
        RawBsonRef::Binary(_) => Rank::Binary,
        RawBsonRef::ObjectId(_) => Rank::ObjectId,
        RawBsonRef::Boolean(_) => Rank::Boolean,
        RawBsonRef::DateTime(_) => Rank::DateTime,
        RawBsonRef::Timestamp(_) => Rank::Timestamp,
        RawBsonRef::RegularExpression(_) => Rank::Regex,
        RawBsonRef::DbPointer(_) => Rank::DbPointer,
        RawBsonRef::JavaScriptCode(_) => Rank::Code,
        RawBsonRef::JavaScriptCodeWithScope(_) => Rank::CodeWithScope,
        RawBsonRef::MaxKey => Rank::MaxKey,
    }
}

/// A number of any BSON type, exactly. Decimals that are no numbers or infinite are doubles here.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    Integer(i64),
    Double(f64),
    Decimal(Decimal),
}

impl Number {
    /// Whether it is the value that is no number.
    pub(crate) fn is_nan(self) -> bool {
        matches!(self, Self::Double(double) if double.is_nan())
    }

    /// The integer towards zero, where it is one of 64 bits.
    pub(crate) fn to_integer(self) -> Option<i64> {
        match self {
            Self::Integer(integer) => Some(integer),
            Self::Double(double) => (-TWO_POW_63..TWO_POW_63).contains(&double).then_some(double as i64),
            Self::Decimal(decimal) => decimal.to_integer(),
        }
    }

    /// The integer that it is, where it has no fraction.
    pub(crate) fn whole(self) -> Option<i64> {
        self.to_integer().filter(|integer| compare_numbers(self, Self::Integer(*integer)).is_eq())
    }
}

const TWO_POW_63: f64 = 9_223_372_036_854_775_808.0;

/// The number in a value, if it is one.
pub(crate) fn number(value: RawBsonRef<'_>) -> Option<Number> {
    match value {
        RawBsonRef::Int32(integer) => Some(Number::Integer(i64::from(integer))),
        RawBsonRef::Int64(integer) => Some(Number::Integer(integer)),
        RawBsonRef::Double(double) => Some(Number::Double(double)),
        RawBsonRef::Decimal128(decimal) => Some(match decimal::decode(decimal) {
            Decoded::Finite(decimal) => Number::Decimal(decimal),
            Decoded::Special(double) => Number::Double(double),
        }),
        _ => None,
    }
}

/// The double nearest to a decimal.
pub(crate) fn decimal_to_double(decimal: Decimal128) -> f64 {
    match decimal::decode(decimal) {
        Decoded::Finite(decimal) => decimal.to_double(),
        Decoded::Special(double) => double,
    }
}

/// Compares numbers by value: NaN first, and nothing is rounded.
pub(crate) fn compare_numbers(left: Number, right: Number) -> Ordering {
    match (left, right) {
        (Number::Integer(left), Number::Integer(right)) => left.cmp(&right),
        (Number::Double(left), Number::Double(right)) => compare_doubles(left, right),
        (Number::Integer(left), Number::Double(right)) => compare_integer_with_double(left, right),
        (Number::Double(left), Number::Integer(right)) => compare_integer_with_double(right, left).reverse(),
        (Number::Decimal(left), Number::Decimal(right)) => left.compare(right),
        (Number::Decimal(left), Number::Integer(right)) => left.compare(Decimal::from(right)),
        (Number::Integer(left), Number::Decimal(right)) => Decimal::from(left).compare(right),
        (Number::Decimal(left), Number::Double(right)) => compare_decimal_with_double(left, right),
        (Number::Double(left), Number::Decimal(right)) => compare_decimal_with_double(right, left).reverse(),
    }
}

fn compare_doubles(left: f64, right: f64) -> Ordering {
    match (left.is_nan(), right.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => left.partial_cmp(&right).unwrap_or(Ordering::Equal),
    }
}

/// Rounding keeps the order, so that only the double next to the decimal needs a closer look.
fn compare_decimal_with_double(decimal: Decimal, double: f64) -> Ordering {
    let nearest = decimal.to_double();
    compare_doubles(nearest, double).then_with(|| decimal.compare_with_nearest(nearest))
}

pub(crate) fn compare_integer_with_double(integer: i64, double: f64) -> Ordering {
    if double.is_nan() || double < -TWO_POW_63 {
        return Ordering::Greater;
    }
    if double >= TWO_POW_63 {
        return Ordering::Less;
    }
    // In this range the truncated double is an exact i64.
    let truncated = double.trunc();
    integer
        .cmp(&(truncated as i64))
        .then_with(|| if truncated < double { Ordering::Less } else { Ordering::Equal })
        .then_with(|| if truncated > double { Ordering::Greater } else { Ordering::Equal })
}

/// Compares two values. Malformed nested bytes end the comparison there.
pub(crate) fn compare(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
    if let (Some(left), Some(right)) = (number(left), number(right)) {
        return compare_numbers(left, right);
    }
    rank(left).cmp(&rank(right)).then_with(|| compare_same_rank(left, right))
}

fn compare_same_rank(left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
    use RawBsonRef as B;
    match (left, right) {
        (B::String(a) | B::Symbol(a), B::String(b) | B::Symbol(b)) => a.as_bytes().cmp(b.as_bytes()),
        (B::Document(a), B::Document(b)) => compare_documents(a, b),
        (B::Array(a), B::Array(b)) => compare_arrays(a, b),
        (B::Binary(a), B::Binary(b)) => {
            let key = |x: bson::raw::RawBinaryRef<'_>| (x.bytes.len(), u8::from(x.subtype));
            key(a).cmp(&key(b)).then_with(|| a.bytes.cmp(b.bytes))
        }
        (B::ObjectId(a), B::ObjectId(b)) => a.bytes().cmp(&b.bytes()),
        (B::Boolean(a), B::Boolean(b)) => a.cmp(&b),
        (B::DateTime(a), B::DateTime(b)) => a.timestamp_millis().cmp(&b.timestamp_millis()),
        (B::Timestamp(a), B::Timestamp(b)) => (a.time, a.increment).cmp(&(b.time, b.increment)),
        (B::RegularExpression(a), B::RegularExpression(b)) => {
            (a.pattern.as_str(), a.options.as_str()).cmp(&(b.pattern.as_str(), b.options.as_str()))
        }
        (B::JavaScriptCode(a), B::JavaScriptCode(b)) => a.cmp(b),
        (B::JavaScriptCodeWithScope(a), B::JavaScriptCodeWithScope(b)) => {
            a.code.cmp(b.code).then_with(|| compare_documents(a.scope, b.scope))
        }
        // Null, MinKey and MaxKey have one value each; a pointer (deprecated) is refused on write.
        _ => Ordering::Equal,
    }
}

fn compare_documents(left: &RawDocument, right: &RawDocument) -> Ordering {
    let (mut left, mut right) = (left.iter(), right.iter());
    loop {
        match (left.next(), right.next()) {
            (Some(Ok((left_key, left_value))), Some(Ok((right_key, right_value)))) => {
                let ordering = rank(left_value)
                    .cmp(&rank(right_value))
                    .then_with(|| left_key.as_str().cmp(right_key.as_str()))
                    .then_with(|| compare(left_value, right_value));
                if ordering.is_ne() {
                    return ordering;
                }
            }
            (left, right) => return left.is_some().cmp(&right.is_some()),
        }
    }
}

fn compare_arrays(left: &RawArray, right: &RawArray) -> Ordering {
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    loop {
        match (left.next(), right.next()) {
            (Some(Ok(left_value)), Some(Ok(right_value))) => {
                let ordering = compare(left_value, right_value);
                if ordering.is_ne() {
                    return ordering;
                }
            }
            (left, right) => return left.is_some().cmp(&right.is_some()),
        }
    }
}

/// Whether two values are equal in a query.
pub(crate) fn equal(left: RawBsonRef<'_>, right: &RawBson) -> bool {
    compare(left, right.as_raw_bson_ref()).is_eq()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> RawBson {
        RawBson::Decimal128(text.parse().unwrap())
    }

    #[test]
    fn numbers_compare_without_rounding() {
        let big = (1_i64 << 53) + 1;
        let cases = [
            (RawBson::Int64(big), RawBson::Double((1_u64 << 53) as f64), Ordering::Greater),
            (RawBson::Int64(i64::MAX), RawBson::Double(9_223_372_036_854_775_808.0), Ordering::Less),
            (RawBson::Int32(3), RawBson::Double(3.0), Ordering::Equal),
            (RawBson::Int32(-3), RawBson::Double(-3.5), Ordering::Greater),
            (RawBson::Int32(3), RawBson::Double(3.5), Ordering::Less),
            (RawBson::Int64(i64::MIN), RawBson::Double(f64::NAN), Ordering::Greater),
            (decimal("3.0"), RawBson::Int32(3), Ordering::Equal),
            (decimal("3.0"), decimal("3.000"), Ordering::Equal),
            (decimal("1.5"), RawBson::Double(1.5), Ordering::Equal),
            // The double is a little more than a tenth.
            (decimal("0.1"), RawBson::Double(0.1), Ordering::Less),
            (decimal("-0.1"), RawBson::Double(-0.1), Ordering::Greater),
            (decimal("0.1"), RawBson::Double(0.099_999_999_999_999), Ordering::Greater),
            (decimal("9007199254740993"), RawBson::Int64(9_007_199_254_740_993), Ordering::Equal),
            (decimal("9223372036854775807.5"), RawBson::Int64(i64::MAX), Ordering::Greater),
            (decimal("1E+400"), RawBson::Double(f64::MAX), Ordering::Greater),
            (decimal("1E+400"), RawBson::Double(f64::INFINITY), Ordering::Less),
            (decimal("1E-400"), RawBson::Double(0.0), Ordering::Greater),
            (decimal("-1E-400"), RawBson::Double(0.0), Ordering::Less),
            (decimal("0E-5"), RawBson::Double(-0.0), Ordering::Equal),
            (decimal("NaN"), RawBson::Double(f64::NAN), Ordering::Equal),
            (decimal("Infinity"), RawBson::Double(f64::INFINITY), Ordering::Equal),
            (decimal("1.000000000000000000000000000000001"), decimal("1"), Ordering::Greater),
        ];
        for (left, right, expected) in cases {
            assert_eq!(
                compare(left.as_raw_bson_ref(), right.as_raw_bson_ref()),
                expected,
                "{left:?} {right:?}"
            );
            assert_eq!(
                compare(right.as_raw_bson_ref(), left.as_raw_bson_ref()),
                expected.reverse(),
                "{left:?} {right:?}"
            );
        }
    }
}
