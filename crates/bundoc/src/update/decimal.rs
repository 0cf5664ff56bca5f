//! Sums and products of decimal128 (IEEE 754-2008): exact, then rounded half to even to 34 digits. Nobody
//! computes with them in bulk, so digits are kept one by one, which is short and plain.

use bson::{Bson, Decimal128};
use std::cmp::Ordering;

/// Digits of a decimal128.
const DIGITS_MAX: usize = 34;
const COEFFICIENT_MAX: u128 = 10_u128.pow(DIGITS_MAX as u32) - 1;
/// What is added to an exponent to store it, and the smallest and largest one.
const BIAS: i32 = 6_176;
const EXPONENT_MIN: i32 = -BIAS;
const EXPONENT_MAX: i32 = 6_111;
/// The exponent stands above 113 bits of coefficient.
const COEFFICIENT_BITS: u32 = 113;
const EXPONENT_MASK: u128 = 0x3FFF;

/// A decimal, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Decimal {
    NotANumber,
    Infinite { negative: bool },
    Finite(Finite),
}

/// `digits * 10^exponent`. Digits come with the most significant first; zero has none.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finite {
    negative: bool,
    digits: Vec<u8>,
    exponent: i32,
}

impl Decimal {
    pub(super) fn from_integer(integer: i64) -> Self {
        let digits = digits_of(u128::from(integer.unsigned_abs()));
        Self::Finite(Finite { negative: integer < 0, digits, exponent: 0 })
    }

    /// A double with 15 significant digits, which every double keeps; as MongoDB converts them.
    fn from_double(double: f64) -> Self {
        if double.is_nan() {
            return Self::NotANumber;
        }
        let negative = double.is_sign_negative();
        if double.is_infinite() {
            return Self::Infinite { negative };
        }
        let text = format!("{:.14e}", double.abs());
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = digits.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let exponent = exponent.parse().unwrap_or(0) - 14;
        if double == 0.0 {
            return Self::Finite(Finite { negative, digits: Vec::new(), exponent: 0 });
        }
        Self::Finite(Finite { negative, digits, exponent })
    }

    /// The number in a value, if it is one.
    pub(super) fn from_bson(value: &Bson) -> Option<Self> {
        match value {
            Bson::Int32(integer) => Some(Self::from_integer(i64::from(*integer))),
            Bson::Int64(integer) => Some(Self::from_integer(*integer)),
            Bson::Double(double) => Some(Self::from_double(*double)),
            Bson::Decimal128(decimal) => Some((*decimal).into()),
            _ => None,
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Finite(left), Self::Finite(right)) => Self::Finite(left.plus(right)),
            (Self::Infinite { negative }, Self::Infinite { negative: other }) if negative == other => {
                Self::Infinite { negative }
            }
            (Self::Infinite { negative }, Self::Finite(_))
            | (Self::Finite(_), Self::Infinite { negative }) => Self::Infinite { negative },
            _ => Self::NotANumber,
        }
    }

    pub(super) fn times(self, other: Self) -> Self {
        let negative = self.is_negative() != other.is_negative();
        match (self, other) {
            (Self::Finite(left), Self::Finite(right)) => Self::Finite(left.times(&right)),
            (Self::NotANumber, _) | (_, Self::NotANumber) => Self::NotANumber,
            (Self::Finite(zero), _) | (_, Self::Finite(zero)) if zero.digits.is_empty() => Self::NotANumber,
            _ => Self::Infinite { negative },
        }
    }

    fn is_negative(&self) -> bool {
        match self {
            Self::NotANumber => false,
            Self::Infinite { negative } | Self::Finite(Finite { negative, .. }) => *negative,
        }
    }
}

impl Finite {
    /// Exponents are between -6176 and 6111, so that one of the two gets 12,287 zeros at the most.
    fn plus(mut self, mut other: Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        self.lower_exponent(exponent);
        other.lower_exponent(exponent);
        if self.negative == other.negative {
            let digits = sum(&self.digits, &other.digits);
            return Self { digits, ..self };
        }
        match compare(&self.digits, &other.digits) {
            Ordering::Equal => Self { negative: false, digits: Vec::new(), exponent },
            Ordering::Greater => Self { digits: difference(&self.digits, &other.digits), ..self },
            Ordering::Less => Self { digits: difference(&other.digits, &self.digits), ..other },
        }
    }

    fn lower_exponent(&mut self, exponent: i32) {
        let zeros = (self.exponent - exponent) as usize;
        if !self.digits.is_empty() {
            self.digits.resize(self.digits.len() + zeros, 0);
        }
        self.exponent = exponent;
    }

    fn times(self, other: &Self) -> Self {
        Self {
            negative: self.negative != other.negative,
            digits: product(&self.digits, &other.digits),
            exponent: self.exponent + other.exponent,
        }
    }

    /// With a coefficient and an exponent that can be stored; `None` where it is too large.
    fn rounded(mut self) -> Option<Self> {
        self.drop_digits(self.digits.len().saturating_sub(DIGITS_MAX));
        self.drop_digits(usize::try_from(EXPONENT_MIN - self.exponent).unwrap_or(0));
        while self.exponent > EXPONENT_MAX && self.digits.len() < DIGITS_MAX && !self.digits.is_empty() {
            self.digits.push(0);
            self.exponent -= 1;
        }
        if self.digits.is_empty() {
            self.exponent = self.exponent.min(EXPONENT_MAX);
        }
        (self.exponent <= EXPONENT_MAX).then_some(self)
    }

    /// Drops digits at the end, rounding half to even.
    fn drop_digits(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        self.exponent += count as i32;
        if count > self.digits.len() {
            self.digits.clear();
            return;
        }
        let dropped = self.digits.split_off(self.digits.len() - count);
        let is_odd = self.digits.last().is_some_and(|digit| digit % 2 == 1);
        let half_and_more = dropped[1..].iter().any(|digit| *digit != 0);
        let up = dropped[0] > 5 || (dropped[0] == 5 && (half_and_more || is_odd));
        if up {
            self.digits = sum(&self.digits, &[1]);
        }
        // 99…9 became 100…0.
        if self.digits.len() > DIGITS_MAX {
            self.digits.pop();
            self.exponent += 1;
        }
    }
}

fn digits_of(mut coefficient: u128) -> Vec<u8> {
    let mut digits = Vec::new();
    while coefficient > 0 {
        digits.push((coefficient % 10) as u8);
        coefficient /= 10;
    }
    digits.reverse();
    digits
}

fn without_leading_zeros(mut digits: Vec<u8>) -> Vec<u8> {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    digits.drain(..zeros);
    digits
}

fn compare(left: &[u8], right: &[u8]) -> Ordering {
    left.len().cmp(&right.len()).then_with(|| left.cmp(right))
}

/// A digit counted from the least significant one.
fn digit(digits: &[u8], place: usize) -> u8 {
    digits.len().checked_sub(place + 1).map_or(0, |index| digits[index])
}

fn sum(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut digits: Vec<u8> = (0..=left.len().max(right.len()))
        .map(|place| {
            let total = digit(left, place) + digit(right, place) + carry;
            carry = total / 10;
            total % 10
        })
        .collect();
    digits.reverse();
    without_leading_zeros(digits)
}

/// `left - right`, where left is not less.
fn difference(left: &[u8], right: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut digits: Vec<u8> = (0..left.len())
        .map(|place| {
            let total = 10 + digit(left, place) - digit(right, place) - borrow;
            borrow = u8::from(total < 10);
            total % 10
        })
        .collect();
    digits.reverse();
    without_leading_zeros(digits)
}

fn product(left: &[u8], right: &[u8]) -> Vec<u8> {
    // A place gets 34 products of two digits at the most.
    let mut places = vec![0_u32; left.len() + right.len()];
    for (i, a) in left.iter().enumerate() {
        for (j, b) in right.iter().enumerate() {
            places[i + j + 1] += u32::from(*a) * u32::from(*b);
        }
    }
    let mut carry = 0;
    for place in places.iter_mut().rev() {
        let total = *place + carry;
        *place = total % 10;
        carry = total / 10;
    }
    without_leading_zeros(places.into_iter().map(|digit| digit as u8).collect())
}

impl From<Decimal128> for Decimal {
    fn from(decimal: Decimal128) -> Self {
        let bits = u128::from_le_bytes(decimal.bytes());
        let negative = bits >> 127 == 1;
        match (bits >> 122) & 0x1F {
            0x1F => return Self::NotANumber,
            0x1E => return Self::Infinite { negative },
            _ => {}
        }
        // With two set bits before the exponent the coefficient is above what can be stored, and counts as 0.
        let (shift, coefficient) = if (bits >> 125) & 3 == 3 {
            (COEFFICIENT_BITS - 2, 0)
        } else {
            (COEFFICIENT_BITS, bits & ((1 << COEFFICIENT_BITS) - 1))
        };
        let coefficient = if coefficient > COEFFICIENT_MAX { 0 } else { coefficient };
        let exponent = ((bits >> shift) & EXPONENT_MASK) as i32 - BIAS;
        Self::Finite(Finite { negative, digits: digits_of(coefficient), exponent })
    }
}

impl From<Decimal> for Decimal128 {
    fn from(decimal: Decimal) -> Self {
        let negative = decimal.is_negative();
        let sign = u128::from(negative) << 127;
        let bits = match decimal {
            Decimal::NotANumber => 0x1F << 122,
            Decimal::Infinite { .. } => sign | (0x1E << 122),
            Decimal::Finite(finite) => match finite.rounded() {
                None => sign | (0x1E << 122),
                Some(Finite { digits, exponent, .. }) => {
                    let coefficient = digits.iter().fold(0_u128, |all, digit| all * 10 + u128::from(*digit));
                    sign | (((exponent + BIAS) as u128) << COEFFICIENT_BITS) | coefficient
                }
            },
        };
        Self::from_bytes(bits.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Operation = fn(Decimal, Decimal) -> Decimal;

    fn computed(operation: Operation, left: &str, right: &str) -> String {
        let decimal = |text: &str| Decimal::from(text.parse::<Decimal128>().unwrap());
        Decimal128::from(operation(decimal(left), decimal(right))).to_string()
    }

    #[test]
    fn sums_and_products_are_exact_and_rounded_half_to_even() {
        let nines = "9".repeat(34);
        let cases: &[(Operation, &str, &str, &str)] = &[
            (Decimal::plus, "0.1", "0.2", "0.3"),
            (Decimal::plus, "1.10", "2", "3.10"),
            (Decimal::plus, "1", "-1", "0"),
            (Decimal::plus, "-1", "3", "2"),
            (Decimal::plus, "1", "-3.5", "-2.5"),
            (Decimal::plus, &nines, "1", "1.000000000000000000000000000000000E+34"),
            (Decimal::plus, "1E+40", "1", "1.000000000000000000000000000000000E+40"),
            (Decimal::plus, &nines, "0.5", "1.000000000000000000000000000000000E+34"),
            (
                Decimal::plus,
                "2000000000000000000000000000000000",
                "0.5",
                "2000000000000000000000000000000000",
            ),
            (
                Decimal::plus,
                "2000000000000000000000000000000000",
                "0.51",
                "2000000000000000000000000000000001",
            ),
            (Decimal::plus, "Infinity", "1", "Infinity"),
            (Decimal::plus, "Infinity", "-Infinity", "NaN"),
            (Decimal::plus, "9.999999999999999999999999999999999E+6144", "1E+6144", "Infinity"),
            (Decimal::times, "1.5", "-2", "-3.0"),
            (Decimal::times, "0", "Infinity", "NaN"),
            (Decimal::times, "-2", "Infinity", "-Infinity"),
            (Decimal::times, "1E+6000", "1E+6000", "Infinity"),
            (Decimal::times, "1E-6000", "1E-6000", "0E-6176"),
            (Decimal::times, "1E+6111", "10", "1.0E+6112"),
            (Decimal::times, &nines, &nines, "9.999999999999999999999999999999998E+67"),
            (Decimal::times, "0", "5", "0"),
            (Decimal::times, "NaN", "5", "NaN"),
        ];
        for (operation, left, right, expected) in cases {
            assert_eq!(computed(*operation, left, right), *expected, "{left} {right}");
        }
    }

    #[test]
    fn a_double_counts_with_fifteen_digits() {
        let text = |double| Decimal128::from(Decimal::from_double(double)).to_string();
        assert_eq!(text(0.1), "0.100000000000000");
        assert_eq!(text(-0.0), "-0");
        assert_eq!(text(1e300), "1.00000000000000E+300");
        assert_eq!(text(f64::NEG_INFINITY), "-Infinity");
    }

    proptest! {
        #[test]
        fn small_decimals_agree_with_integers(a in -1_000_000_000_i128..1_000_000_000, b in -1_000_000_000_i128..1_000_000_000, e in -20_i32..20) {
            let decimal = |n: i128| Decimal::Finite(Finite { negative: n < 0, digits: digits_of(n.unsigned_abs()), exponent: e });
            let (sum, product) = (decimal(a).plus(decimal(b)), decimal(a).times(decimal(b)));
            let expected = |n: i128, e: i32| format!("{n}E{e}").parse::<Decimal128>().unwrap().to_string();
            prop_assert_eq!(Decimal128::from(sum).to_string(), expected(a + b, e));
            let product = Decimal128::from(product).to_string();
            prop_assert_eq!(product.trim_start_matches('-'), expected((a * b).abs(), 2 * e));
        }

        #[test]
        fn every_decimal_comes_back_as_it_was(bytes in any::<[u8; 16]>()) {
            let given = Decimal128::from_bytes(bytes);
            let back = Decimal128::from(Decimal::from(given));
            prop_assert_eq!(back.to_string(), given.to_string());
        }
    }
}
