//! Decimal128 as a number: decoded from its 16 bytes (IEEE 754-2008, binary integer coefficient, as BSON
//! has it), compared without rounding, and the arithmetic that updates and expressions need. Results are
//! rounded to 34 digits, half to even.

use bson::Decimal128;
use std::cmp::Ordering;
use std::io::Write;

/// Digits of a coefficient.
pub(crate) const DIGITS_MAX: u32 = 34;
const COEFFICIENT_MAX: u128 = 10_u128.pow(DIGITS_MAX) - 1;
const EXPONENT_BIAS: i32 = 6_176;
const EXPONENT_MIN: i32 = -6_176;
const EXPONENT_MAX: i32 = 6_111;
/// Digits that any `u128` has room for.
const ROOM: u32 = 38;
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

/// Where a decimal between two goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounding {
    HalfToEven,
    TowardsZero,
    Down,
    Up,
}

/// A result before it is cut to 34 digits; `inexact` where something below the last digit was left out.
#[derive(Clone, Copy)]
struct Wide {
    negative: bool,
    coefficient: u128,
    exponent: i32,
    inexact: bool,
}

impl Wide {
    /// Leaves out `places` digits.
    fn shortened(self, places: u32, rounding: Rounding) -> Self {
        if places == 0 {
            return self;
        }
        let unit = 10_u128.checked_pow(places);
        let (kept, rest) =
            unit.map_or((0, self.coefficient), |unit| (self.coefficient / unit, self.coefficient % unit));
        let rest_is_something = rest != 0 || self.inexact;
        // An even unit: its half is exact.
        let above_half = unit.map_or(Ordering::Less, |unit| rest.cmp(&(unit / 2)));
        let up = match rounding {
            Rounding::TowardsZero => false,
            Rounding::Down => self.negative && rest_is_something,
            Rounding::Up => !self.negative && rest_is_something,
            Rounding::HalfToEven => match above_half {
                Ordering::Less => false,
                Ordering::Greater => true,
                Ordering::Equal => self.inexact || kept % 2 == 1,
            },
        };
        Self {
            coefficient: kept + u128::from(up),
            exponent: self.exponent.saturating_add_unsigned(places),
            inexact: rest_is_something,
            ..self
        }
    }

    /// The decimal128 nearest to it; an infinity where it is too large.
    fn decoded(mut self) -> Decoded {
        // Rounding up may add a digit, once.
        while digits(self.coefficient) > DIGITS_MAX {
            self = self.shortened(digits(self.coefficient) - DIGITS_MAX, Rounding::HalfToEven);
        }
        if self.exponent < EXPONENT_MIN {
            self = self.shortened(self.exponent.abs_diff(EXPONENT_MIN), Rounding::HalfToEven);
            self.exponent = EXPONENT_MIN;
        }
        if self.exponent > EXPONENT_MAX {
            let zeros = self.exponent.abs_diff(EXPONENT_MAX);
            if self.coefficient != 0 {
                if zeros > DIGITS_MAX - digits(self.coefficient) {
                    let infinity = if self.negative { f64::NEG_INFINITY } else { f64::INFINITY };
                    return Decoded::Special(infinity);
                }
                self.coefficient *= 10_u128.pow(zeros);
            }
            self.exponent = EXPONENT_MAX;
        }
        let Self { negative, coefficient, exponent, .. } = self;
        Decoded::Finite(Decimal { negative, coefficient, exponent })
    }
}

impl Decimal {
    fn wide(self) -> Wide {
        let Self { negative, coefficient, exponent } = self;
        Wide { negative, coefficient, exponent, inexact: false }
    }

    /// `self + other`.
    pub(crate) fn add(self, other: Self) -> Decoded {
        let (high, low) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        if high.is_zero() {
            return low.wide().decoded();
        }
        let apart = high.exponent.abs_diff(low.exponent);
        let raised = apart.min(ROOM - 1 - digits(high.coefficient));
        let high_coefficient = high.coefficient * 10_u128.pow(raised);
        // What is still apart is far below the last digit of the result: whether it is there is enough.
        let low = low.wide().shortened(apart - raised, Rounding::TowardsZero);
        let exponent = high.exponent.saturating_sub_unsigned(raised);
        if high.negative == low.negative {
            let coefficient = high_coefficient + low.coefficient;
            return Wide { negative: high.negative, coefficient, exponent, inexact: low.inexact }.decoded();
        }
        let taken = low.coefficient + u128::from(low.inexact);
        let (negative, coefficient) = match high_coefficient.checked_sub(taken) {
            Some(left) => (high.negative && left != 0, left),
            None => (low.negative, taken - high_coefficient),
        };
        Wide { negative, coefficient, exponent, inexact: low.inexact }.decoded()
    }

    /// `self * other`.
    pub(crate) fn multiply(self, other: Self) -> Decoded {
        let product = product_digits(self.coefficient, other.coefficient);
        let first = product.iter().position(|digit| *digit != 0).unwrap_or(product.len() - 1);
        let (kept, left_out) = product[first..].split_at((product.len() - first).min(ROOM as usize - 1));
        let coefficient = kept.iter().fold(0_u128, |number, digit| number * 10 + u128::from(*digit));
        Wide {
            negative: self.negative != other.negative,
            coefficient,
            exponent: self.exponent + other.exponent + left_out.len() as i32,
            inexact: left_out.iter().any(|digit| *digit != 0),
        }
        .decoded()
    }

    /// `self / other`, which is not zero.
    pub(crate) fn divide(self, other: Self) -> Decoded {
        let divisor = other.coefficient.max(1);
        let mut quotient = self.coefficient / divisor;
        let mut rest = self.coefficient % divisor;
        let mut exponent = self.exponent - other.exponent;
        while rest != 0 && digits(quotient) < ROOM - 1 {
            rest *= 10;
            quotient = quotient * 10 + rest / divisor;
            rest %= divisor;
            exponent -= 1;
        }
        let negative = self.negative != other.negative;
        Wide { negative, coefficient: quotient, exponent, inexact: rest != 0 }.decoded()
    }

    /// What is left of a division towards zero by `other`, which is not zero.
    pub(crate) fn remainder(self, other: Self) -> Self {
        if self.exponent >= other.exponent {
            let divisor = other.coefficient.max(1);
            let mut rest = self.coefficient % divisor;
            for _ in other.exponent..self.exponent {
                rest = rest * 10 % divisor;
            }
            return Self { negative: self.negative, coefficient: rest, exponent: other.exponent };
        }
        let raised = 10_u128.checked_pow(self.exponent.abs_diff(other.exponent));
        let divisor = raised.and_then(|raised| other.coefficient.checked_mul(raised));
        // A divisor that is too large for 128 bits is larger than any coefficient.
        let coefficient = divisor.map_or(self.coefficient, |divisor| self.coefficient % divisor.max(1));
        Self { coefficient, ..self }
    }

    /// Rounded to `places` digits behind the point; before it, where that is negative.
    pub(crate) fn rounded(self, places: i32, rounding: Rounding) -> Self {
        let left_out = -places - self.exponent;
        if left_out <= 0 {
            return self;
        }
        match self.wide().shortened(left_out.unsigned_abs(), rounding).decoded() {
            Decoded::Finite(decimal) => decimal,
            Decoded::Special(_) => self,
        }
    }
}

/// The decimal digits of a product, most significant first.
fn product_digits(left: u128, right: u128) -> [u8; 72] {
    const LIMB: u128 = 1_000_000_000;
    let limbs = |mut number: u128| {
        let mut limbs = [0_u64; 4];
        for limb in &mut limbs {
            *limb = (number % LIMB) as u64;
            number /= LIMB;
        }
        limbs
    };
    let mut sums = [0_u128; 8];
    for (position, a) in limbs(left).into_iter().enumerate() {
        for (other, b) in limbs(right).into_iter().enumerate() {
            sums[position + other] += u128::from(a) * u128::from(b);
        }
    }
    let mut digits = [0; 72];
    let mut carry = 0;
    for (position, sum) in sums.into_iter().enumerate() {
        let total = sum + carry;
        carry = total / LIMB;
        let mut limb = total % LIMB;
        for place in 0..9 {
            digits[71 - position * 9 - place] = (limb % 10) as u8;
            limb /= 10;
        }
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        match decode(text.parse().unwrap()) {
            Decoded::Finite(decimal) => decimal,
            Decoded::Special(double) => panic!("{double}"),
        }
    }

    fn shown(decoded: Decoded) -> String {
        match decoded {
            Decoded::Finite(decimal) => decimal.encode().to_string(),
            Decoded::Special(double) => double.to_string(),
        }
    }

    #[test]
    fn arithmetic_is_exact_to_34_digits() {
        let nines = "9999999999999999999999999999999999";
        let (two, three) = (decimal("2"), decimal("3"));
        assert_eq!(shown(decimal("0.1").add(decimal("0.2"))), "0.3");
        assert_eq!(shown(decimal("1.10").add(decimal("-1.1"))), "0.00");
        assert_eq!(shown(decimal(nines).add(decimal("1"))), "1.000000000000000000000000000000000E+34");
        assert_eq!(
            shown(decimal("1E+6000").add(decimal("-1E-6000"))),
            "1.000000000000000000000000000000000E+6000"
        );
        assert_eq!(shown(decimal("0.10").multiply(three)), "0.30");
        assert_eq!(shown(decimal(nines).multiply(decimal(nines))), "9.999999999999999999999999999999998E+67");
        assert_eq!(shown(decimal("1E+6000").multiply(decimal("1E+6000"))), "inf");
        assert_eq!(shown(two.divide(three)), "0.6666666666666666666666666666666667");
        assert_eq!(shown(decimal("1").divide(decimal("8"))), "0.125");
        assert_eq!(shown(Decoded::Finite(decimal("-7.5").remainder(two))), "-1.5");
        assert_eq!(shown(Decoded::Finite(decimal("1E+3").remainder(decimal("7")))), "6");
        assert_eq!(shown(Decoded::Finite(decimal("2.5").rounded(0, Rounding::HalfToEven))), "2");
        assert_eq!(shown(Decoded::Finite(decimal("-2.5").rounded(0, Rounding::Down))), "-3");
        assert_eq!(decimal("-12.9").to_integer(), Some(-12));
        assert_eq!(decimal("1E+30").to_integer(), None);
    }

    proptest! {
        #[test]
        fn small_decimals_do_as_integers_do(
            a in -1_000_000_i64..1_000_000, b in -1_000_000_i64..1_000_000, scale in 0_i32..4
        ) {
            let unit = 10_i64.pow(scale.unsigned_abs());
            let make = |n: i64| Decimal { exponent: -scale, ..Decimal::from(n) };
            let (x, y) = (make(a), make(b));
            prop_assert_eq!(x.compare(y), a.cmp(&b));
            let is = |found: Decoded, expected: i64, exponent: i32| match found {
                Decoded::Finite(found) => {
                    found.compare(Decimal { exponent, ..Decimal::from(expected) }).is_eq()
                }
                Decoded::Special(_) => false,
            };
            prop_assert!(is(x.add(y), a + b, -scale));
            prop_assert!(is(x.multiply(y), a * b, -2 * scale));
            if b != 0 {
                prop_assert!(is(Decoded::Finite(x.remainder(y)), a % b, -scale));
            }
            prop_assert_eq!(x.to_integer(), Some(a / unit));
        }

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
