//! Arithmetic. The result has the widest type of its numbers (int, long, double, decimal); an int that
//! does not fit becomes a long, a long a double. With null or a missing value the result is null.

use super::function::Out;
use super::value::Value;
use crate::decimal::{Decimal, Decoded, Rounding};
use crate::value::Number;
use bson::RawBsonRef;

const NUMBERS: &str = "takes numbers";

/// Two numbers of one type.
enum Pair {
    /// Whether both were ints of 32 bits.
    Integers(i64, i64, bool),
    Doubles(f64, f64),
    Decimals(Decimal, Decimal),
}

fn is_long(value: RawBsonRef<'_>) -> bool {
    matches!(value, RawBsonRef::Int64(_))
}

fn to_double(number: Number) -> f64 {
    match number {
        Number::Integer(integer) => integer as f64,
        Number::Double(double) => double,
        Number::Decimal(decimal) => decimal.to_double(),
    }
}

fn to_decimal(number: Number) -> Option<Decimal> {
    match number {
        Number::Integer(integer) => Some(Decimal::from(integer)),
        Number::Double(double) => Decimal::from_double(double),
        Number::Decimal(decimal) => Some(decimal),
    }
}

fn pair(left: &Value<'_>, right: &Value<'_>) -> Result<Pair, &'static str> {
    let (a, b) = left.number().zip(right.number()).ok_or(NUMBERS)?;
    let decimals = matches!(a, Number::Decimal(_)) || matches!(b, Number::Decimal(_));
    Ok(match (a, b) {
        (Number::Integer(a), Number::Integer(b)) => {
            Pair::Integers(a, b, !is_long(left.as_ref()) && !is_long(right.as_ref()))
        }
        (a, b) => match (to_decimal(a), to_decimal(b)) {
            (Some(a), Some(b)) if decimals => Pair::Decimals(a, b),
            // Infinities and what is no number are the same in both types.
            _ => Pair::Doubles(to_double(a), to_double(b)),
        },
    })
}

fn integer<'a>(exact: i128, small: bool) -> Value<'a> {
    match (i32::try_from(exact), i64::try_from(exact)) {
        (Ok(int), _) if small => int.into(),
        (_, Ok(long)) => long.into(),
        _ => (exact as f64).into(),
    }
}

fn decimal<'a>(decoded: Decoded) -> Value<'a> {
    Value::Borrowed(RawBsonRef::Decimal128(decoded.encode()))
}

fn date<'a>(millis: i128) -> Out<'a> {
    let millis = i64::try_from(millis).map_err(|_| "gives a date that is out of range")?;
    Ok(Value::Borrowed(RawBsonRef::DateTime(bson::DateTime::from_millis(millis))))
}

fn millis(value: &Value<'_>) -> Option<i128> {
    Some(i128::from(value.as_ref().as_datetime()?.timestamp_millis()))
}

/// A number as milliseconds.
fn rounded_millis(value: &Value<'_>) -> Result<i128, &'static str> {
    match value.number().ok_or("takes numbers, and one date at the most")? {
        Number::Double(double) => Ok(double.round_ties_even() as i128),
        Number::Decimal(decimal) => {
            decimal.rounded(0, Rounding::HalfToEven).to_integer().map(i128::from).ok_or(NUMBERS)
        }
        Number::Integer(integer) => Ok(i128::from(integer)),
    }
}

pub(super) fn add<'a>(left: &Value<'a>, right: &Value<'a>) -> Out<'a> {
    if left.is_nothing() || right.is_nothing() {
        return Ok(Value::NULL);
    }
    match (millis(left), millis(right)) {
        (Some(_), Some(_)) => return Err("takes one date at the most"),
        (Some(date_millis), None) => return date(date_millis + rounded_millis(right)?),
        (None, Some(date_millis)) => return date(date_millis + rounded_millis(left)?),
        (None, None) => {}
    }
    Ok(match pair(left, right)? {
        Pair::Integers(a, b, small) => integer(i128::from(a) + i128::from(b), small),
        Pair::Doubles(a, b) => (a + b).into(),
        Pair::Decimals(a, b) => decimal(a.add(b)),
    })
}

pub(super) fn subtract<'a>(left: &Value<'a>, right: &Value<'a>) -> Out<'a> {
    if left.is_nothing() || right.is_nothing() {
        return Ok(Value::NULL);
    }
    match (millis(left), millis(right)) {
        (Some(a), Some(b)) => return Ok(integer(a - b, false)),
        (Some(a), None) => return date(a - rounded_millis(right)?),
        (None, Some(_)) => return Err("takes no date from a number"),
        (None, None) => {}
    }
    Ok(match pair(left, right)? {
        Pair::Integers(a, b, small) => integer(i128::from(a) - i128::from(b), small),
        Pair::Doubles(a, b) => (a - b).into(),
        Pair::Decimals(a, b) => decimal(a.add(b.negated())),
    })
}

pub(super) fn multiply<'a>(left: &Value<'a>, right: &Value<'a>) -> Out<'a> {
    if left.is_nothing() || right.is_nothing() {
        return Ok(Value::NULL);
    }
    Ok(match pair(left, right)? {
        Pair::Integers(a, b, small) => integer(i128::from(a) * i128::from(b), small),
        Pair::Doubles(a, b) => (a * b).into(),
        Pair::Decimals(a, b) => decimal(a.multiply(b)),
    })
}

pub(super) fn divide<'a>(left: &Value<'a>, right: &Value<'a>) -> Out<'a> {
    const BY_ZERO: &str = "divides by zero";
    if left.is_nothing() || right.is_nothing() {
        return Ok(Value::NULL);
    }
    match pair(left, right)? {
        Pair::Integers(_, 0, _) => Err(BY_ZERO),
        Pair::Integers(a, b, _) => Ok((a as f64 / b as f64).into()),
        Pair::Doubles(_, 0.0) => Err(BY_ZERO),
        Pair::Doubles(a, b) => Ok((a / b).into()),
        Pair::Decimals(_, b) if b.is_zero() => Err(BY_ZERO),
        Pair::Decimals(a, b) => Ok(decimal(a.divide(b))),
    }
}

pub(super) fn modulo<'a>(left: &Value<'a>, right: &Value<'a>) -> Out<'a> {
    const BY_ZERO: &str = "divides by zero";
    if left.is_nothing() || right.is_nothing() {
        return Ok(Value::NULL);
    }
    match pair(left, right)? {
        Pair::Integers(_, 0, _) => Err(BY_ZERO),
        Pair::Integers(a, b, small) => Ok(integer(i128::from(a) % i128::from(b), small)),
        Pair::Doubles(_, 0.0) => Err(BY_ZERO),
        Pair::Doubles(a, b) => Ok((a % b).into()),
        Pair::Decimals(_, b) if b.is_zero() => Err(BY_ZERO),
        Pair::Decimals(a, b) => Ok(decimal(Decoded::Finite(a.remainder(b)))),
    }
}

pub(super) fn abs<'a>(value: &Value<'a>) -> Out<'a> {
    if value.is_nothing() {
        return Ok(Value::NULL);
    }
    Ok(match value.number().ok_or(NUMBERS)? {
        Number::Integer(whole) => integer(i128::from(whole).abs(), !is_long(value.as_ref())),
        Number::Double(double) => double.abs().into(),
        Number::Decimal(own) => decimal(Decoded::Finite(own.abs())),
    })
}

pub(super) fn floor<'a>(value: &Value<'a>) -> Out<'a> {
    rounded(value, 0, Rounding::Down)
}

pub(super) fn ceil<'a>(value: &Value<'a>) -> Out<'a> {
    rounded(value, 0, Rounding::Up)
}

pub(super) fn round<'a>(arguments: &[Value<'a>]) -> Out<'a> {
    to_place(arguments, Rounding::HalfToEven)
}

pub(super) fn trunc<'a>(arguments: &[Value<'a>]) -> Out<'a> {
    to_place(arguments, Rounding::TowardsZero)
}

fn to_place<'a>(arguments: &[Value<'a>], rounding: Rounding) -> Out<'a> {
    const PLACE: &str = "takes a place of -20 to 100";
    let (value, place) = match arguments {
        [value] => (value, 0),
        [_, place] if place.is_nothing() => return Ok(Value::NULL),
        [value, place] => {
            let place = place.whole().filter(|place| (-20..=100).contains(place)).ok_or(PLACE)?;
            (value, i32::try_from(place).map_err(|_| PLACE)?)
        }
        _ => return Err(PLACE),
    };
    rounded(value, place, rounding)
}

fn rounded<'a>(value: &Value<'a>, place: i32, rounding: Rounding) -> Out<'a> {
    if value.is_nothing() {
        return Ok(Value::NULL);
    }
    match value.number().ok_or(NUMBERS)? {
        Number::Integer(_) if place >= 0 => Ok(value.clone()),
        Number::Integer(whole) => {
            let exact = Decimal::from(whole).rounded(place, rounding);
            let exact = exact.to_integer().ok_or("gives a number that is too large")?;
            Ok(integer(i128::from(exact), !is_long(value.as_ref())))
        }
        Number::Double(double) => Ok(rounded_double(double, place, rounding).into()),
        Number::Decimal(own) => Ok(decimal(Decoded::Finite(own.rounded(place, rounding)))),
    }
}

/// Other places than the point are found in the decimal notation of the double, where `1.005` is what it
/// looks like.
fn rounded_double(double: f64, place: i32, rounding: Rounding) -> f64 {
    match (place, rounding) {
        _ if !double.is_finite() => double,
        (0, Rounding::HalfToEven) => double.round_ties_even(),
        (0, Rounding::TowardsZero) => double.trunc(),
        (0, Rounding::Down) => double.floor(),
        (0, Rounding::Up) => double.ceil(),
        _ => match shortest_decimal(double) {
            Some(decimal) => decimal.rounded(place, rounding).to_double(),
            None => double,
        },
    }
}

fn shortest_decimal(double: f64) -> Option<Decimal> {
    match crate::decimal::decode(format!("{double:e}").parse().ok()?) {
        Decoded::Finite(decimal) => Some(decimal),
        Decoded::Special(_) => None,
    }
}
