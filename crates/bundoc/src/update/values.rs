//! Values as updates compare them: by the order of BSON, or as the very same bytes.

use crate::engine::Order;
use crate::key;
use crate::value;
use bson::{Bson, RawBson, RawBsonRef};
use std::cmp::Ordering;

/// Runs `look` on the raw form of a value; what is no list, object or the like is not copied.
fn with_raw<R>(value: &Bson, look: impl FnOnce(RawBsonRef<'_>) -> R) -> R {
    let raw = match value {
        Bson::Null => RawBsonRef::Null,
        Bson::Boolean(value) => RawBsonRef::Boolean(*value),
        Bson::Int32(value) => RawBsonRef::Int32(*value),
        Bson::Int64(value) => RawBsonRef::Int64(*value),
        Bson::Double(value) => RawBsonRef::Double(*value),
        Bson::Decimal128(value) => RawBsonRef::Decimal128(*value),
        Bson::String(value) => RawBsonRef::String(value),
        Bson::ObjectId(value) => RawBsonRef::ObjectId(*value),
        Bson::DateTime(value) => RawBsonRef::DateTime(*value),
        Bson::Timestamp(value) => RawBsonRef::Timestamp(*value),
        other => return look(to_raw(other).as_raw_bson_ref()),
    };
    look(raw)
}

/// The raw form of a value. The only values without one have NUL in the name of a field; an update with
/// such a name is refused and no stored document has one.
pub(super) fn to_raw(value: &Bson) -> RawBson {
    RawBson::try_from(value.clone()).unwrap_or(RawBson::Null)
}

/// Compares by the order of BSON.
pub(super) fn compare(left: &Bson, right: &Bson) -> Ordering {
    with_raw(left, |left| with_raw(right, |right| value::compare(left, right)))
}

/// Replaces what is in `key` by bytes that two values have in common where they compare equal.
pub(super) fn write_key(value: &Bson, key: &mut Vec<u8>) {
    key.clear();
    with_raw(value, |value| key::encode(value, Order::Ascending, key));
}

/// Such bytes.
pub(super) fn key_of(value: &Bson) -> Vec<u8> {
    let mut key = Vec::new();
    write_key(value, &mut key);
    key
}

/// Whether nothing tells the values apart: their types are the same, and the order of their fields.
pub(super) fn identical(left: &Bson, right: &Bson) -> bool {
    match (left, right) {
        (Bson::Double(left), Bson::Double(right)) => left.to_bits() == right.to_bits(),
        (Bson::Array(left), Bson::Array(right)) => identical_arrays(left, right),
        (Bson::Document(left), Bson::Document(right)) => {
            left.len() == right.len()
                && left.iter().zip(right).all(|(left, right)| left.0 == right.0 && identical(left.1, right.1))
        }
        _ => left == right,
    }
}

/// The same for the elements of arrays.
pub(super) fn identical_arrays(left: &[Bson], right: &[Bson]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(left, right)| identical(left, right))
}

/// The name of a value's type in messages, as `$type` has it.
pub(super) fn type_name(value: &Bson) -> &'static str {
    with_raw(value, crate::filter::type_name)
}
