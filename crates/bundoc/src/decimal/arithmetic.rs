//! Arithmetic of decimals, as updates and expressions need it. Results are rounded to 34 digits, half to
//! even, and keep the exponent that IEEE 754-2008 prefers.

use super::{DIGITS_MAX, Decimal, Decoded, digits};
use std::cmp::Ordering;

const EXPONENT_MIN: i32 = -6_176;
const EXPONENT_MAX: i32 = 6_111;
/// Digits that any `u128` has room for.
const ROOM: u32 = 38;

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
    use super::super::decode;
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
    }
}
