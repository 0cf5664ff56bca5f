//! Decimal128 as a number: decoded from its 16 bytes (IEEE 754-2008, binary integer coefficient, as BSON
//! has it) and compared without rounding. Arithmetic is in `arithmetic`.

mod arithmetic;

pub(crate) use arithmetic::Rounding;

use bson::Decimal128;
use std::cmp::Ordering;
use std::io::Write;

/// Digits of a coefficient.
const DIGITS_MAX: u32 = 34;
const COEFFICIENT_MAX: u128 = 10_u128.pow(DIGITS_MAX) - 1;
const EXPONENT_BIAS: i32 = 6_176;
/// Significant decimal digits of a double, written out exactly, are at most 767.
const DOUBLE_DIGITS_MAX: usize = 767;

/// A finite decimal: `coefficient * 10^exponent`, at most 34 digits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decimal {
    negative: bool,
    coefficient: u128,
    exponent: i32,
}

/// What a decimal128 holds.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Decoded {
    Finite(Decimal),
    /// NaN or an infinity.
    Special(f64),
}

/// Decodes the bytes.
pub(crate) fn decode(decimal: Decimal128) -> Decoded {
    let bits = u128::from_le_bytes(decimal.bytes());
    let negative = bits >> 127 == 1;
    match (bits >> 122) & 0x1F {
        0x1F => return Decoded::Special(f64::NAN),
        0x1E => return Decoded::Special(if negative { f64::NEG_INFINITY } else { f64::INFINITY }),
        _ => {}
    }
    // The second form of a coefficient is always above 34 digits, which counts as zero.
    let second_form = (bits >> 125) & 3 == 3;
    let exponent = (bits >> if second_form { 111 } else { 113 }) & 0x3FFF;
    let coefficient = if second_form { 0 } else { bits & ((1 << 113) - 1) };
    let coefficient = if coefficient > COEFFICIENT_MAX { 0 } else { coefficient };
    Decoded::Finite(Decimal { negative, coefficient, exponent: exponent as i32 - EXPONENT_BIAS })
}

impl Decoded {
    /// The decimal128.
    pub(crate) fn encode(self) -> Decimal128 {
        let bits: u128 = match self {
            Self::Finite(decimal) => return decimal.encode(),
            Self::Special(double) if double.is_nan() => 0x1F << 122,
            Self::Special(double) => (u128::from(double < 0.0) << 127) | (0x1E << 122),
        };
        Decimal128::from_bytes(bits.to_le_bytes())
    }
}

fn digits(coefficient: u128) -> u32 {
    coefficient.checked_ilog10().map_or(1, |log| log + 1)
}

impl From<i64> for Decimal {
    fn from(integer: i64) -> Self {
        Self { negative: integer < 0, coefficient: u128::from(integer.unsigned_abs()), exponent: 0 }
    }
}

impl Decimal {
    /// A finite double rounded to 15 digits, as MongoDB does where doubles meet decimals.
    pub(crate) fn from_double(double: f64) -> Option<Self> {
        match decode(format!("{double:.14e}").parse().ok()?) {
            Decoded::Finite(decimal) => Some(decimal.without_trailing_zeros()),
            Decoded::Special(_) => None,
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self.coefficient == 0
    }

    pub(crate) fn is_negative(self) -> bool {
        self.negative && !self.is_zero()
    }

    pub(crate) fn abs(self) -> Self {
        Self { negative: false, ..self }
    }

    pub(crate) fn negated(self) -> Self {
        Self { negative: !self.negative, ..self }
    }

    /// The place of the first digit: 0 for 1 to 9, 1 for 10 to 99.
    fn adjusted_exponent(self) -> i32 {
        self.exponent + digits(self.coefficient) as i32 - 1
    }

    /// The coefficient with zeros at the end up to 34 digits.
    fn full_coefficient(self) -> u128 {
        self.coefficient * 10_u128.pow(DIGITS_MAX - digits(self.coefficient))
    }

    fn without_trailing_zeros(mut self) -> Self {
        while self.coefficient != 0 && self.coefficient.is_multiple_of(10) {
            self.coefficient /= 10;
            self.exponent += 1;
        }
        self
    }

    fn compare_magnitude(self, other: Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            (false, false) => self
                .adjusted_exponent()
                .cmp(&other.adjusted_exponent())
                .then_with(|| self.full_coefficient().cmp(&other.full_coefficient())),
        }
    }

    /// Compares by value.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        match (self.is_negative(), other.is_negative()) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
        }
    }

    /// The nearest double.
    pub(crate) fn to_double(self) -> f64 {
        let mut buffer = [0; 64];
        let text = written(&mut buffer, format_args!("{}e{}", self.coefficient, self.exponent));
        let magnitude: f64 = text.parse().unwrap_or(f64::NAN);
        if self.negative { -magnitude } else { magnitude }
    }

    /// Compares with the double that is nearest to it, without rounding.
    pub(crate) fn compare_with_nearest(self, nearest: f64) -> Ordering {
        const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;
        if nearest.is_infinite() {
            return if nearest > 0.0 { Ordering::Less } else { Ordering::Greater };
        }
        if nearest.trunc() == nearest && nearest.abs() <= EXACT_INTEGERS {
            return self.compare(Self::from(nearest as i64));
        }
        let ordering = self.compare_magnitude_with_digits(nearest.abs());
        if self.negative { ordering.reverse() } else { ordering }
    }

    /// Neither is zero, and both have the same sign.
    fn compare_magnitude_with_digits(self, double: f64) -> Ordering {
        let mut buffer = [0; DOUBLE_DIGITS_MAX + 16];
        let text = written(&mut buffer, format_args!("{double:.*e}", DOUBLE_DIGITS_MAX - 1));
        let Some((mantissa, exponent)) = text.split_once('e') else { return Ordering::Equal };
        let exponent: i32 = exponent.parse().unwrap_or_default();
        let mut buffer = [0; 64];
        let own = written(&mut buffer, format_args!("{}", self.full_coefficient()));
        let theirs = mantissa.bytes().filter(u8::is_ascii_digit);
        let own = own.bytes().chain(std::iter::repeat(b'0')).take(DOUBLE_DIGITS_MAX);
        self.adjusted_exponent().cmp(&exponent).then_with(|| own.cmp(theirs))
    }

    /// Bytes in the order of values of one sign, the same for the same value; not for zero.
    pub(crate) fn ordered_bytes(self) -> [u8; 17] {
        let mut out = [0; 17];
        let exponent = (self.adjusted_exponent() + 0x8000) as u16;
        out[..2].copy_from_slice(&exponent.to_be_bytes());
        out[2..].copy_from_slice(&self.full_coefficient().to_be_bytes()[1..]);
        if self.negative { out.map(|byte| !byte) } else { out }
    }

    /// The integer towards zero, where it is one of 64 bits.
    pub(crate) fn to_integer(self) -> Option<i64> {
        let whole = self.rounded(0, Rounding::TowardsZero);
        if whole.is_zero() {
            return Some(0);
        }
        // What was rounded has the exponent zero.
        let zeros = 10_u128.checked_pow(u32::try_from(whole.exponent).ok()?)?;
        let magnitude = whole.coefficient.checked_mul(zeros)?;
        let magnitude = i128::try_from(magnitude).ok()?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// The decimal128.
    pub(crate) fn encode(self) -> Decimal128 {
        let exponent = (self.exponent + EXPONENT_BIAS) as u128;
        let bits = (u128::from(self.negative) << 127) | (exponent << 113) | self.coefficient;
        Decimal128::from_bytes(bits.to_le_bytes())
    }
}

/// Writes into a buffer that is large enough for it.
fn written<'a>(buffer: &'a mut [u8], text: std::fmt::Arguments<'_>) -> &'a str {
    let room = buffer.len();
    let mut rest = &mut *buffer;
    let left = match rest.write_fmt(text) {
        Ok(()) => rest.len(),
        Err(_) => room,
    };
    std::str::from_utf8(&buffer[..room - left]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bytes_are_decoded_as_text_is_read(coefficient in 0_u128..=COEFFICIENT_MAX, exponent in -6176_i32..=6111) {
            let text: Decimal128 = format!("{coefficient}E{exponent}").parse().unwrap();
            let Decoded::Finite(decimal) = decode(text) else { panic!("{text}") };
            prop_assert_eq!((decimal.coefficient, decimal.exponent), (coefficient, exponent));
            prop_assert_eq!(decimal.encode(), text);
            prop_assert_eq!(decimal.to_double(), text.to_string().parse::<f64>().unwrap());
        }
    }
}
