//! Index keys: bytes whose order is the order of values (`value::compare`). Each encoded value delimits
//! itself, so encoded fields can be joined, and inverting all bytes of a field turns its order round.
//!
//! A value is its rank byte and then: text with `00` as `00 FF` and `00 00` at the end; numbers as eight
//! bytes of the nearest double, order-preserving, and a byte that says whether the number is that double,
//! or less or more, where it follows exactly as a decimal; documents as (rank, name, value)* `00`; arrays as
//! (value)* `00`.

mod decode;

use crate::decimal::Decimal;
use crate::engine::Order;
use crate::value::{Number, compare_integer_with_double, number, rank};
use bson::RawBsonRef;
pub(crate) use decode::{Kind, decode, length};
use std::cmp::Ordering;

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

/// Every integer and every decimal between two doubles is a decimal of 34 digits, so equal numbers get equal
/// bytes whatever their type.
fn encode_number(number: Number, out: &mut Vec<u8>) {
    let (double, side, exactly) = match number {
        Number::Double(double) => (double, Ordering::Equal, None),
        Number::Integer(integer) => {
            let double = integer as f64;
            (double, compare_integer_with_double(integer, double), Some(Decimal::from(integer)))
        }
        Number::Decimal(decimal) => {
            let double = decimal.to_double();
            (double, decimal.compare_with_nearest(double), Some(decimal))
        }
    };
    out.extend_from_slice(&order_preserving_double(double).to_be_bytes());
    out.push(match side {
        Ordering::Less => 1,
        Ordering::Equal => 2,
        Ordering::Greater => 3,
    });
    if let Some(decimal) = exactly.filter(|_| side.is_ne()) {
        out.extend_from_slice(&decimal.ordered_bytes());
    }
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
pub(crate) mod tests {
    use super::*;
    use crate::value::compare;
    use bson::{Bson, RawBson, doc};
    use proptest::prelude::*;

    fn any_number() -> impl Strategy<Value = Bson> {
        let decimal = |text: String| Bson::Decimal128(text.parse().unwrap());
        prop_oneof![
            any::<i32>().prop_map(Bson::Int32),
            (-4_i32..4).prop_map(Bson::Int32),
            any::<i64>().prop_map(Bson::Int64),
            any::<f64>().prop_map(Bson::Double),
            proptest::num::f64::ANY.prop_map(Bson::Double),
            (-4_i32..4).prop_map(|n| Bson::Double(f64::from(n) / 2.0)),
            (-40_i32..40).prop_map(|n| Bson::Double(f64::from(n) / 10.0)),
            any::<i64>().prop_map(|n| Bson::Double(n as f64)),
            any::<i64>().prop_map(move |n| decimal(n.to_string())),
            (any::<i64>(), -1_i32..3).prop_map(move |(n, by)| decimal(format!("{n}E{by}"))),
            (-40_i32..40, -2_i32..2).prop_map(move |(n, by)| decimal(format!("{n}E{by}"))),
            (any::<i64>(), -400_i32..400).prop_map(move |(n, by)| decimal(format!("{n}E{by}"))),
            (0_u128..10_u128.pow(34), -6_176_i32..=6_111)
                .prop_map(move |(n, by)| decimal(format!("-{n}E{by}"))),
            // A double written out, and the decimals right next to it.
            (any::<i32>(), 1_u32..20, -1_i128..2).prop_map(move |(n, halved, by)| {
                let scale = 10_i128.pow(halved + 2);
                let unit = scale >> halved;
                decimal(format!("{}E-{}", i128::from(n) * unit + by, halved + 2))
            }),
            (any::<i32>(), 1_u32..20)
                .prop_map(|(n, halved)| Bson::Double(f64::from(n) / f64::from(1 << halved))),
            proptest::sample::select(vec!["NaN", "Infinity", "-Infinity", "-0", "0E+10"])
                .prop_map(move |text| decimal(text.to_owned())),
        ]
    }

    fn any_text_or_bytes() -> impl Strategy<Value = Bson> {
        prop_oneof![
            "[a-c\0]{0,4}".prop_map(Bson::String),
            any::<String>().prop_map(Bson::String),
            "[ab]{0,2}".prop_map(Bson::Symbol),
            (0_u8..6, proptest::collection::vec(any::<u8>(), 0..4)).prop_map(|(subtype, bytes)| {
                Bson::Binary(bson::Binary { subtype: subtype.into(), bytes })
            }),
            ("[ab]{0,2}", "[im]{0,2}").prop_map(|(pattern, options)| {
                Bson::RegularExpression(bson::Regex {
                    pattern: pattern.try_into().unwrap(),
                    options: options.try_into().unwrap(),
                })
            }),
        ]
    }

    fn any_other() -> impl Strategy<Value = Bson> {
        prop_oneof![
            Just(Bson::Null),
            Just(Bson::Undefined),
            Just(Bson::MinKey),
            Just(Bson::MaxKey),
            any::<bool>().prop_map(Bson::Boolean),
            any::<i64>().prop_map(|n| Bson::DateTime(bson::DateTime::from_millis(n))),
            any::<(u32, u32)>()
                .prop_map(|(time, increment)| { Bson::Timestamp(bson::Timestamp { time, increment }) }),
            any::<[u8; 12]>().prop_map(|b| Bson::ObjectId(bson::oid::ObjectId::from_bytes(b))),
        ]
    }

    pub(crate) fn any_value() -> impl Strategy<Value = Bson> {
        let leaf = prop_oneof![any_number(), any_number(), any_text_or_bytes(), any_other()];
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
