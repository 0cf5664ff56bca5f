//! Index keys: bytes whose order is the order of values (`value::compare`). Each encoded value delimits
//! itself, so encoded fields can be joined, and inverting all bytes of a field turns its order round.
//!
//! A value is its rank byte and then: text with `00` as `00 FF` and `00 00` at the end; numbers as eight
//! bytes of an order-preserving double and two of what the rounding of an integer lost; documents as
//! (rank, name, value)* `00`; arrays as (value)* `00`.

use crate::engine::Order;
use crate::value::{Number, number, rank};
use bson::RawBsonRef;

/// Appends `value` in `order`.
pub(crate) fn encode(value: RawBsonRef<'_>, order: Order, out: &mut Vec<u8>) {
    let start = out.len();
    encode_ascending(value, out);
    if order == Order::Descending {
        invert(&mut out[start..]);
    }
}

/// Turns the order of encoded bytes round.
pub(crate) fn invert(bytes: &mut [u8]) {
    for byte in bytes {
        *byte = !*byte;
    }
}

/// The smallest bytes above all keys that begin with `prefix`; `None` where there are none.
pub(crate) fn prefix_end(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xFF)?;
    let mut end = prefix[..=last].to_vec();
    end[last] += 1;
    Some(end)
}

fn encode_ascending(value: RawBsonRef<'_>, out: &mut Vec<u8>) {
    out.push(rank(value) as u8);
    encode_payload(value, out);
}

fn encode_payload(value: RawBsonRef<'_>, out: &mut Vec<u8>) {
    use RawBsonRef as B;
    if let Some(number) = number(value) {
        return encode_number(number, out);
    }
    match value {
        B::String(text) | B::Symbol(text) | B::JavaScriptCode(text) => encode_text(text.as_bytes(), out),
        B::Document(document) => encode_document(document, out),
        B::Array(array) => {
            for element in array.into_iter().flatten() {
                encode_ascending(element, out);
            }
            out.push(0);
        }
        B::Binary(binary) => {
            out.extend_from_slice(&(binary.bytes.len() as u32).to_be_bytes());
            out.push(u8::from(binary.subtype));
            out.extend_from_slice(binary.bytes);
        }
        B::ObjectId(id) => out.extend_from_slice(&id.bytes()),
        B::Boolean(boolean) => out.push(u8::from(boolean)),
        B::DateTime(date) => out.extend_from_slice(&order_preserving(date.timestamp_millis())),
        B::Timestamp(timestamp) => {
            out.extend_from_slice(&timestamp.time.to_be_bytes());
            out.extend_from_slice(&timestamp.increment.to_be_bytes());
        }
        B::RegularExpression(regex) => {
            encode_text(regex.pattern.as_str().as_bytes(), out);
            encode_text(regex.options.as_str().as_bytes(), out);
        }
        B::JavaScriptCodeWithScope(code) => {
            encode_text(code.code.as_bytes(), out);
            encode_document(code.scope, out);
        }
        _ => {}
    }
}

fn encode_document(document: &bson::RawDocument, out: &mut Vec<u8>) {
    for (name, value) in document.iter().flatten() {
        out.push(rank(value) as u8);
        encode_text(name.as_str().as_bytes(), out);
        encode_payload(value, out);
    }
    out.push(0);
}

fn encode_text(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

fn encode_number(number: Number, out: &mut Vec<u8>) {
    let (double, residual) = match number {
        Number::Integer(integer) => {
            let double = integer as f64;
            // At most 512 for 64 bit integers, so it fits.
            (double, (i128::from(integer) - double as i128) as i16)
        }
        Number::Double(double) => (double, 0),
    };
    out.extend_from_slice(&order_preserving_double(double).to_be_bytes());
    out.extend_from_slice(&((residual as u16) ^ 0x8000).to_be_bytes());
}

fn order_preserving(integer: i64) -> [u8; 8] {
    ((integer as u64) ^ (1 << 63)).to_be_bytes()
}

fn order_preserving_double(double: f64) -> u64 {
    if double.is_nan() {
        return 0;
    }
    // Minus zero is zero.
    let bits = (double + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | (1 << 63) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::compare;
    use bson::{Bson, RawBson, doc};
    use proptest::prelude::*;

    pub(crate) fn any_value() -> impl Strategy<Value = Bson> {
        let leaf = prop_oneof![
            Just(Bson::Null),
            any::<bool>().prop_map(Bson::Boolean),
            any::<i32>().prop_map(Bson::Int32),
            (-4_i32..4).prop_map(Bson::Int32),
            any::<i64>().prop_map(Bson::Int64),
            any::<f64>().prop_map(Bson::Double),
            (-4_i32..4).prop_map(|n| Bson::Double(f64::from(n) / 2.0)),
            any::<i64>().prop_map(|n| Bson::Double(n as f64)),
            "[a-c\0]{0,4}".prop_map(Bson::String),
            any::<i64>().prop_map(|n| Bson::DateTime(bson::DateTime::from_millis(n))),
            any::<[u8; 12]>().prop_map(|b| Bson::ObjectId(bson::oid::ObjectId::from_bytes(b))),
            proptest::collection::vec(any::<u8>(), 0..4).prop_map(|bytes| {
                Bson::Binary(bson::Binary { subtype: bson::spec::BinarySubtype::Generic, bytes })
            }),
        ];
        leaf.prop_recursive(3, 12, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Bson::Array),
                proptest::collection::vec(("[ab]{0,2}", inner), 0..3)
                    .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
            ]
        })
    }

    fn encoded(value: &RawBson, order: Order) -> Vec<u8> {
        let mut out = Vec::new();
        encode(value.as_raw_bson_ref(), order, &mut out);
        out
    }

    fn raw(value: Bson) -> RawBson {
        RawBson::try_from(value).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_order_of_keys_is_the_order_of_values(left in any_value(), right in any_value()) {
            let (left, right) = (raw(left), raw(right));
            let expected = compare(left.as_raw_bson_ref(), right.as_raw_bson_ref());
            prop_assert_eq!(
                encoded(&left, Order::Ascending).cmp(&encoded(&right, Order::Ascending)),
                expected
            );
            prop_assert_eq!(
                encoded(&left, Order::Descending).cmp(&encoded(&right, Order::Descending)),
                expected.reverse()
            );
        }

        #[test]
        fn joined_fields_compare_field_by_field(
            left in (any_value(), any_value()), right in (any_value(), any_value())
        ) {
            let join = |(a, b): &(RawBson, RawBson)| {
                [encoded(a, Order::Ascending), encoded(b, Order::Descending)].concat()
            };
            let left = (raw(left.0), raw(left.1));
            let right = (raw(right.0), raw(right.1));
            let expected = compare(left.0.as_raw_bson_ref(), right.0.as_raw_bson_ref())
                .then(compare(left.1.as_raw_bson_ref(), right.1.as_raw_bson_ref()).reverse());
            prop_assert_eq!(join(&left).cmp(&join(&right)), expected);
        }
    }

    #[test]
    fn integers_next_to_a_double_keep_their_order() {
        let mut values = vec![RawBson::Double(9_007_199_254_740_992.0)];
        values.extend((9_007_199_254_740_989_i64..9_007_199_254_740_997).map(RawBson::Int64));
        for left in &values {
            for right in &values {
                assert_eq!(
                    encoded(left, Order::Ascending).cmp(&encoded(right, Order::Ascending)),
                    compare(left.as_raw_bson_ref(), right.as_raw_bson_ref())
                );
            }
        }
        assert_eq!(values.len(), 9);
        assert_ne!(doc! {"a": 1}, doc! {"a": 2});
    }
}
