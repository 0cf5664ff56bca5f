//! Operands of single operators: what each takes, and what is said where it is something else.

use crate::error::EngineError;
use crate::value::{compare, number};
use bson::{Bson, RawBson};

pub(super) fn invalid(text: impl Into<String>) -> EngineError {
    EngineError::InvalidQuery(text.into())
}

/// Any value.
pub(super) fn any(value: &Bson) -> Result<RawBson, EngineError> {
    RawBson::try_from(value.clone())
        .map_err(|error| invalid(format!("a value of the filter is malformed: {error}")))
}

/// Any value but a regular expression, which only equality knows.
pub(super) fn comparable(name: &str, value: &Bson) -> Result<RawBson, EngineError> {
    match value {
        Bson::RegularExpression(_) => {
            Err(invalid(format!("`{name}` takes no regular expression; use `$not` or `$regex`")))
        }
        value => any(value),
    }
}

/// A list.
pub(super) fn list<'a>(name: &str, value: &'a Bson) -> Result<&'a Vec<Bson>, EngineError> {
    value.as_array().ok_or_else(|| invalid(format!("`{name}` takes a list")))
}

/// Puts values in order, each once, so that they can be searched.
pub(super) fn sorted(mut values: Vec<RawBson>) -> Vec<RawBson> {
    values.sort_by(|a, b| compare(a.as_raw_bson_ref(), b.as_raw_bson_ref()));
    values.dedup_by(|a, b| compare(a.as_raw_bson_ref(), b.as_raw_bson_ref()).is_eq());
    values
}

/// The integer that a number of any type is, if it is one.
pub(crate) fn whole_number(value: &Bson) -> Option<i64> {
    number(any(value).ok()?.as_raw_bson_ref())?.whole()
}

/// What MongoDB takes for true: booleans, and numbers that are not zero.
pub(super) fn truth(name: &str, value: &Bson) -> Result<bool, EngineError> {
    match value {
        Bson::Boolean(truth) => Ok(*truth),
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => Ok(whole_number(value) != Some(0)),
        _ => Err(invalid(format!("`{name}` takes true or false"))),
    }
}

/// A size of an array.
pub(super) fn size(value: &Bson) -> Result<usize, EngineError> {
    whole_number(value)
        .and_then(|size| usize::try_from(size).ok())
        .ok_or_else(|| invalid("`$size` takes a whole number that is not negative"))
}

/// `[divisor, remainder]`; fractions are cut off.
pub(super) fn modulo(value: &Bson) -> Result<(i64, i64), EngineError> {
    let integer = |value: &Bson| number(any(value).ok()?.as_raw_bson_ref())?.to_integer();
    let pair = match value.as_array().map(Vec::as_slice) {
        Some([divisor, remainder]) => integer(divisor).zip(integer(remainder)),
        _ => None,
    };
    match pair {
        Some((0, _)) => Err(invalid("the divisor of `$mod` is not zero")),
        Some(pair) => Ok(pair),
        None => Err(invalid("`$mod` takes two numbers: [divisor, remainder]")),
    }
}
