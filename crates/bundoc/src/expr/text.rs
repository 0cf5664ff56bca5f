//! Functions of text. Positions and lengths of `…CP` count code points.

use super::dates;
use super::function::Out;
use super::value::Value;
use bson::RawBsonRef;

pub(super) fn concat<'a>(arguments: &[Value<'a>]) -> Out<'a> {
    let mut all = String::new();
    for argument in arguments {
        match argument.as_ref() {
            RawBsonRef::Null | RawBsonRef::Undefined => return Ok(Value::NULL),
            RawBsonRef::String(text) if all.len() + text.len() <= super::MADE_BYTES_MAX => all.push_str(text),
            RawBsonRef::String(_) => return Err("makes text that is too long"),
            _ => return Err("takes text"),
        }
    }
    Ok(all.into())
}

/// Case of ASCII letters; null gives the empty text.
pub(super) fn cased<'a>(value: &Value<'_>, change: fn(&str) -> String) -> Out<'a> {
    match value.as_ref() {
        RawBsonRef::Null | RawBsonRef::Undefined => Ok(String::new().into()),
        RawBsonRef::String(text) => Ok(change(text).into()),
        _ => Err("takes text"),
    }
}

pub(super) fn length<'a>(value: &Value<'_>, count: fn(&str) -> usize) -> Out<'a> {
    let text = value.as_ref().as_str().ok_or("takes text")?;
    let length = i32::try_from(count(text)).map_err(|_| "takes shorter text")?;
    Ok(length.into())
}

/// `[text, start, count]`; null gives the empty text.
pub(super) fn substring<'a>(arguments: &[Value<'a>]) -> Out<'a> {
    const PLACE: &str = "takes a start and a count that are not negative";
    let [value, start, count] = arguments else { return Err(PLACE) };
    let place = |value: &Value<'_>| value.whole().and_then(|place| usize::try_from(place).ok()).ok_or(PLACE);
    let (start, count) = (place(start)?, place(count)?);
    match value.as_ref() {
        RawBsonRef::Null | RawBsonRef::Undefined => Ok(String::new().into()),
        RawBsonRef::String(text) => Ok(text.chars().skip(start).take(count).collect::<String>().into()),
        _ => Err("takes text"),
    }
}

/// Where the second text begins in the first; -1 where it is not there.
pub(super) fn index_of<'a>(value: &Value<'a>, wanted: &Value<'a>) -> Out<'a> {
    if value.is_nothing() {
        return Ok(Value::NULL);
    }
    let (text, wanted) = value.as_ref().as_str().zip(wanted.as_ref().as_str()).ok_or("takes text")?;
    let position = text.find(wanted).and_then(|byte| i32::try_from(text[..byte].chars().count()).ok());
    Ok(position.unwrap_or(-1).into())
}

pub(super) fn to_text<'a>(value: &Value<'_>) -> Out<'a> {
    Ok(match value.as_ref() {
        RawBsonRef::Null | RawBsonRef::Undefined => Value::NULL,
        RawBsonRef::String(text) => text.to_owned().into(),
        RawBsonRef::Boolean(truth) => truth.to_string().into(),
        RawBsonRef::Int32(integer) => integer.to_string().into(),
        RawBsonRef::Int64(integer) => integer.to_string().into(),
        RawBsonRef::Double(double) => of_double(double).into(),
        RawBsonRef::Decimal128(decimal) => decimal.to_string().into(),
        RawBsonRef::ObjectId(id) => id.to_hex().into(),
        RawBsonRef::DateTime(date) => dates::Date::of_millis(date.timestamp_millis()).to_string().into(),
        _ => return Err("takes text, a number, a boolean, a date or an id"),
    })
}

fn of_double(double: f64) -> String {
    if double.is_infinite() {
        return if double > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    double.to_string()
}
