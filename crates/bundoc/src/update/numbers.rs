//! Arithmetic of `$inc`, `$mul` and `$bit`. The result has the wider type of the two: int (32 bits), long
//! (64 bits), double, decimal; an int that no longer fits becomes a long, a long that no longer fits is an
//! error.

use crate::decimal::{self, Decimal, Decoded};
use bson::Bson;

/// One kind of arithmetic, for each type of number.
pub(super) struct Arithmetic {
    integers: fn(i64, i64) -> Option<i64>,
    doubles: fn(f64, f64) -> f64,
    decimals: fn(Decimal, Decimal) -> Decoded,
}

/// `$inc`.
pub(super) const ADD: Arithmetic =
    Arithmetic { integers: i64::checked_add, doubles: |a, b| a + b, decimals: Decimal::add };

/// `$mul`.
pub(super) const MULTIPLY: Arithmetic =
    Arithmetic { integers: i64::checked_mul, doubles: |a, b| a * b, decimals: Decimal::multiply };

impl Arithmetic {
    /// The result for two numbers; `None` where it does not fit 64 bits.
    pub(super) fn apply(&self, left: &Bson, right: &Bson) -> Option<Bson> {
        if let (Some(a), Some(b)) = (exact_integer(left), exact_integer(right)) {
            return (self.integers)(a, b).map(|result| narrowest(result, left, right));
        }
        if matches!(left, Bson::Decimal128(_)) || matches!(right, Bson::Decimal128(_)) {
            let result = match (decoded(left)?, decoded(right)?) {
                (Decoded::Finite(a), Decoded::Finite(b)) => (self.decimals)(a, b),
                // NaN and infinities: of the other number only its sign counts, and whether it is zero.
                (a, b) => Decoded::Special((self.doubles)(signum(a), signum(b))),
            };
            return Some(Bson::Decimal128(result.encode()));
        }
        Some(Bson::Double((self.doubles)(double(left)?, double(right)?)))
    }
}

/// An int where both are and it fits, else a long.
fn narrowest(result: i64, left: &Bson, right: &Bson) -> Bson {
    match (i32::try_from(result), left, right) {
        (Ok(result), Bson::Int32(_), Bson::Int32(_)) => Bson::Int32(result),
        _ => Bson::Int64(result),
    }
}

/// The integer in an int or a long.
pub(super) fn exact_integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(value) => Some(i64::from(*value)),
        Bson::Int64(value) => Some(*value),
        _ => None,
    }
}

fn double(value: &Bson) -> Option<f64> {
    match value {
        Bson::Double(value) => Some(*value),
        other => exact_integer(other).map(|value| value as f64),
    }
}

fn decoded(value: &Bson) -> Option<Decoded> {
    match value {
        Bson::Decimal128(decimal) => Some(decimal::decode(*decimal)),
        Bson::Double(double) => {
            Decimal::from_double(*double).map(Decoded::Finite).or(Some(Decoded::Special(*double)))
        }
        other => exact_integer(other).map(|integer| Decoded::Finite(Decimal::from(integer))),
    }
}

fn signum(number: Decoded) -> f64 {
    match number {
        Decoded::Special(double) => double,
        Decoded::Finite(decimal) if decimal.is_zero() => 0.0,
        Decoded::Finite(decimal) if decimal.is_negative() => -1.0,
        Decoded::Finite(_) => 1.0,
    }
}

/// Whether a value is a number.
pub(super) fn is_number(value: &Bson) -> bool {
    matches!(value, Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) | Bson::Decimal128(_))
}

/// Zero of the type of a number.
pub(super) fn zero_like(value: &Bson) -> Bson {
    match value {
        Bson::Int64(_) => Bson::Int64(0),
        Bson::Double(_) => Bson::Double(0.0),
        Bson::Decimal128(_) => Bson::Decimal128(Decimal::from(0).encode()),
        _ => Bson::Int32(0),
    }
}

/// One operation of `$bit`.
#[derive(Debug, Clone, Copy)]
pub(super) enum BitOperator {
    And,
    Or,
    Xor,
}

impl BitOperator {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "and" => Some(Self::And),
            "or" => Some(Self::Or),
            "xor" => Some(Self::Xor),
            _ => None,
        }
    }

    /// The result for two integers; `None` where one is none.
    pub(super) fn apply(self, left: &Bson, right: &Bson) -> Option<Bson> {
        let (a, b) = (exact_integer(left)?, exact_integer(right)?);
        let result = match self {
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
        };
        Some(narrowest(result, left, right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Bson {
        Bson::Decimal128(text.parse().unwrap())
    }

    #[test]
    fn the_result_has_the_wider_type() {
        let max = i64::from(i32::MAX);
        let cases = [
            (&ADD, Bson::Int32(1), Bson::Int32(2), Some(Bson::Int32(3))),
            (&ADD, Bson::Int32(1), Bson::Int64(2), Some(Bson::Int64(3))),
            (&ADD, Bson::Int32(i32::MAX), Bson::Int32(1), Some(Bson::Int64(max + 1))),
            (&ADD, Bson::Int64(i64::MAX), Bson::Int32(1), None),
            (&ADD, Bson::Int64(i64::MAX), Bson::Double(1.0), Some(Bson::Double(i64::MAX as f64 + 1.0))),
            (&ADD, Bson::Int32(1), decimal("0.1"), Some(decimal("1.1"))),
            (&ADD, Bson::Int64(i64::MAX), decimal("1"), Some(decimal("9223372036854775808"))),
            (&ADD, decimal("1"), Bson::Double(0.1), Some(decimal("1.1"))),
            (&ADD, decimal("Infinity"), decimal("-1E-6176"), Some(decimal("Infinity"))),
            (&ADD, decimal("Infinity"), Bson::Double(f64::NEG_INFINITY), Some(decimal("NaN"))),
            (
                &ADD,
                decimal("9.999999999999999999999999999999999E+6144"),
                decimal("1E+6144"),
                Some(decimal("Infinity")),
            ),
            (&MULTIPLY, decimal("-Infinity"), decimal("1E-6176"), Some(decimal("-Infinity"))),
            (&MULTIPLY, decimal("Infinity"), Bson::Int32(0), Some(decimal("NaN"))),
            (&MULTIPLY, Bson::Int32(1 << 20), Bson::Int32(1 << 20), Some(Bson::Int64(1 << 40))),
            (&MULTIPLY, Bson::Int64(1 << 40), Bson::Int64(1 << 40), None),
            (&MULTIPLY, Bson::Int32(3), Bson::Double(1.5), Some(Bson::Double(4.5))),
            (&MULTIPLY, decimal("1.5"), Bson::Int32(3), Some(decimal("4.5"))),
        ];
        for (arithmetic, left, right, expected) in cases {
            assert_eq!(arithmetic.apply(&left, &right), expected, "{left} {right}");
        }
    }

    #[test]
    fn bits_keep_the_wider_integer() {
        assert_eq!(BitOperator::And.apply(&Bson::Int32(13), &Bson::Int32(10)), Some(Bson::Int32(8)));
        assert_eq!(BitOperator::Or.apply(&Bson::Int32(3), &Bson::Int64(5)), Some(Bson::Int64(7)));
        assert_eq!(BitOperator::Xor.apply(&Bson::Int32(-1), &Bson::Int32(5)), Some(Bson::Int32(-6)));
        assert_eq!(BitOperator::Xor.apply(&Bson::Double(1.0), &Bson::Int32(5)), None);
    }
}
