//! Functions of arrays.

use super::function::Out;
use super::value::Value;
use crate::value::compare;
use bson::{RawArray, RawArrayBuf, RawBson, RawBsonRef};

/// `[value, array]`.
pub(super) fn contains<'a>(value: &Value<'a>, array: &Value<'a>) -> Out<'a> {
    let array = array.as_ref().as_array().ok_or("takes an array as its second argument")?;
    let found = array.into_iter().flatten().any(|element| compare(element, value.as_ref()).is_eq());
    Ok(found.into())
}

pub(super) fn size<'a>(value: &Value<'a>) -> Out<'a> {
    let array = value.as_ref().as_array().ok_or("takes an array")?;
    let count = i32::try_from(array.iter_elements().count()).map_err(|_| "takes a smaller array")?;
    Ok(count.into())
}

/// The element at a position, from the end where that is negative; missing where there is none.
pub(super) fn element_at<'a>(array: &Value<'a>, position: &Value<'a>) -> Out<'a> {
    if array.is_nothing() || position.is_nothing() {
        return Ok(Value::NULL);
    }
    let position = position.whole().ok_or("takes a whole number as the position")?;
    match array {
        Value::Borrowed(RawBsonRef::Array(array)) => {
            Ok(element(array, position).map_or(Value::MISSING, Value::Borrowed))
        }
        Value::Owned(RawBson::Array(array)) => {
            Ok(element(array, position).map_or(Value::MISSING, |value| Value::Owned(RawBson::from(value))))
        }
        _ => Err("takes an array"),
    }
}

fn element(array: &RawArray, position: i64) -> Option<RawBsonRef<'_>> {
    let position = if position < 0 {
        let count = i64::try_from(array.iter_elements().count()).ok()?;
        count.checked_add(position)?
    } else {
        position
    };
    array.get(usize::try_from(position).ok()?).ok().flatten()
}

pub(super) fn concat<'a>(arguments: &[Value<'a>]) -> Out<'a> {
    let mut all = RawArrayBuf::new();
    for argument in arguments {
        if argument.is_nothing() {
            return Ok(Value::NULL);
        }
        let array = argument.as_ref().as_array().ok_or("takes arrays")?;
        array.into_iter().flatten().for_each(|element| all.push(element));
        if all.as_bytes().len() > super::MADE_BYTES_MAX {
            return Err("makes an array that is too large");
        }
    }
    Ok(Value::Owned(RawBson::Array(all)))
}
