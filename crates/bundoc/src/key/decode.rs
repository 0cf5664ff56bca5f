//! Encoded values taken apart again: where one ends, and what it was. Numbers that are equal have one
//! encoding whatever their type, so the caller says which type it was.

use super::{invert, order_preserving_double};
use crate::engine::Order;
use crate::value::Rank;
use bson::raw::RawBinaryRef;
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, RawBson, RawBsonRef, Timestamp, oid::ObjectId};

/// Levels of nesting that are followed.
const DEPTH_MAX: usize = 200;

/// What an encoding does not say of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The encoding does not give the value back.
    Opaque = 0,
    /// It does.
    Plain = 1,
    Double = 2,
    MinusZero = 3,
    Int32 = 4,
    /// Only those that are a double, too.
    Int64 = 5,
}

/// What follows the nearest double of a number that is another one.
const DECIMAL_BYTES: usize = 17;
/// The byte behind the double of a number that is this double.
const IS_DOUBLE: u8 = 2;

impl Kind {
    /// That of a value.
    pub(crate) fn of(value: RawBsonRef<'_>) -> Self {
        match value {
            RawBsonRef::Double(double) if double == 0.0 && double.is_sign_negative() => Self::MinusZero,
            RawBsonRef::Double(double) if double.is_nan() && double.to_bits() != f64::NAN.to_bits() => {
                Self::Opaque
            }
            RawBsonRef::Double(_) => Self::Double,
            RawBsonRef::Int32(_) => Self::Int32,
            RawBsonRef::Int64(integer) if i128::from(integer) == (integer as f64) as i128 => Self::Int64,
            RawBsonRef::Binary(RawBinaryRef { subtype: BinarySubtype::BinaryOld, .. }) => Self::Opaque,
            RawBsonRef::Null
            | RawBsonRef::String(_)
            | RawBsonRef::Boolean(_)
            | RawBsonRef::DateTime(_)
            | RawBsonRef::ObjectId(_)
            | RawBsonRef::Binary(_)
            | RawBsonRef::Timestamp(_)
            | RawBsonRef::MinKey
            | RawBsonRef::MaxKey => Self::Plain,
            _ => Self::Opaque,
        }
    }

    /// The kind with this number.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        [Self::Opaque, Self::Plain, Self::Double, Self::MinusZero, Self::Int32, Self::Int64]
            .get(usize::from(number))
            .copied()
    }
}

/// How many bytes at the beginning of `bytes` are one encoded value; `None` where they are none.
pub(crate) fn length(bytes: &[u8], order: Order) -> Option<usize> {
    let mask = if order == Order::Ascending { 0 } else { 0xFF };
    let mut cursor = Cursor { bytes, mask, at: 0 };
    cursor.value(0)?;
    Some(cursor.at)
}

struct Cursor<'a> {
    bytes: &'a [u8],
    mask: u8,
    at: usize,
}

impl Cursor<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)? ^ self.mask;
        self.at += 1;
        Some(byte)
    }

    fn skip(&mut self, bytes: usize) -> Option<()> {
        self.at = self.at.checked_add(bytes)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    fn value(&mut self, depth: usize) -> Option<()> {
        let rank = self.byte()?;
        self.payload(rank, depth)
    }

    fn payload(&mut self, rank: u8, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        match Rank::from_number(rank)? {
            Rank::MinKey | Rank::Undefined | Rank::Null | Rank::MaxKey | Rank::DbPointer => Some(()),
            Rank::Number => self.number(),
            Rank::String | Rank::Code => self.text(),
            Rank::Document => self.document(depth),
            Rank::Array => loop {
                match self.byte()? {
                    0 => return Some(()),
                    rank => self.payload(rank, depth + 1)?,
                }
            },
            Rank::Binary => {
                let mut bytes = 0;
                for _ in 0..4 {
                    bytes = (bytes << 8) | usize::from(self.byte()?);
                }
                self.skip(bytes + 1)
            }
            Rank::ObjectId => self.skip(12),
            Rank::Boolean => self.skip(1),
            Rank::DateTime | Rank::Timestamp => self.skip(8),
            Rank::Regex => self.text().and_then(|()| self.text()),
            Rank::CodeWithScope => self.text().and_then(|()| self.document(depth)),
        }
    }

    fn number(&mut self) -> Option<()> {
        self.skip(8)?;
        if self.byte()? == IS_DOUBLE { Some(()) } else { self.skip(DECIMAL_BYTES) }
    }

    fn document(&mut self, depth: usize) -> Option<()> {
        loop {
            match self.byte()? {
                0 => return Some(()),
                rank => {
                    self.text()?;
                    self.payload(rank, depth + 1)?;
                }
            }
        }
    }

    fn text(&mut self) -> Option<()> {
        loop {
            if self.byte()? == 0 && self.byte()? == 0 {
                return Some(());
            }
        }
    }
}

/// The value that `bytes`, one encoded value as a whole, was made of; `None` where they do not say.
pub(crate) fn decode(bytes: &[u8], order: Order, kind: Kind) -> Option<RawBson> {
    if kind == Kind::Opaque {
        return None;
    }
    match order {
        Order::Ascending => decode_ascending(bytes, kind),
        Order::Descending => {
            let mut bytes = bytes.to_vec();
            invert(&mut bytes);
            decode_ascending(&bytes, kind)
        }
    }
}

fn decode_ascending(bytes: &[u8], kind: Kind) -> Option<RawBson> {
    let (rank, payload) = bytes.split_first()?;
    Some(match Rank::from_number(*rank)? {
        Rank::Null => RawBson::Null,
        Rank::MinKey => RawBson::MinKey,
        Rank::MaxKey => RawBson::MaxKey,
        Rank::Number => decode_number(payload, kind)?,
        Rank::String => RawBson::String(decode_text(payload)?),
        Rank::Boolean => RawBson::Boolean(*payload.first()? == 1),
        Rank::DateTime => {
            let bits = u64::from_be_bytes(payload.try_into().ok()?);
            RawBson::DateTime(DateTime::from_millis((bits ^ (1 << 63)) as i64))
        }
        Rank::ObjectId => RawBson::ObjectId(ObjectId::from_bytes(payload.try_into().ok()?)),
        Rank::Timestamp => {
            let (time, increment) = payload.split_first_chunk::<4>()?;
            let increment = u32::from_be_bytes(increment.try_into().ok()?);
            RawBson::Timestamp(Timestamp { time: u32::from_be_bytes(*time), increment })
        }
        Rank::Binary => {
            let (subtype, bytes) = payload.get(4..)?.split_first()?;
            RawBson::Binary(Binary { subtype: BinarySubtype::from(*subtype), bytes: bytes.to_vec() })
        }
        _ => return None,
    })
}

fn decode_text(payload: &[u8]) -> Option<String> {
    let text = payload.strip_suffix(&[0, 0])?;
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(*byte);
        if *byte == 0 {
            rest.next()?;
        }
    }
    String::from_utf8(bytes).ok()
}

fn decode_number(payload: &[u8], kind: Kind) -> Option<RawBson> {
    let (bits, side) = payload.split_first_chunk::<8>()?;
    if side != [IS_DOUBLE] {
        return None;
    }
    let bits = u64::from_be_bytes(*bits);
    let double = if bits == order_preserving_double(f64::NAN) {
        f64::NAN
    } else if bits >> 63 == 1 {
        f64::from_bits(bits & !(1 << 63))
    } else {
        f64::from_bits(!bits)
    };
    let integer = || i64::try_from(double as i128).ok();
    Some(match kind {
        Kind::Double => RawBson::Double(double),
        Kind::MinusZero => RawBson::Double(-0.0),
        Kind::Int32 => RawBson::Int32(i32::try_from(integer()?).ok()?),
        Kind::Int64 => RawBson::Int64(integer()?),
        Kind::Opaque | Kind::Plain => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::encode;
    use crate::key::tests::any_value;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn an_encoded_value_ends_where_it_ends_and_gives_itself_back(
            value in any_value(), rest in proptest::collection::vec(any::<u8>(), 0..4)
        ) {
            let value = RawBson::try_from(value).unwrap();
            for order in [Order::Ascending, Order::Descending] {
                let mut bytes = Vec::new();
                encode(value.as_raw_bson_ref(), order, &mut bytes);
                let own = bytes.len();
                bytes.extend_from_slice(&rest);
                prop_assert_eq!(length(&bytes, order), Some(own));
                let kind = Kind::of(value.as_raw_bson_ref());
                let decoded = decode(&bytes[..own], order, kind);
                if kind == Kind::Opaque {
                    prop_assert_eq!(decoded, None);
                } else {
                    // Compared as bytes: NaN is not equal to itself, and -0.0 is equal to 0.0.
                    let of = |value: &RawBson| {
                        let mut document = bson::RawDocumentBuf::new();
                        document.append(bson::raw::cstr!("v"), value.as_raw_bson_ref());
                        document.into_bytes()
                    };
                    prop_assert_eq!(of(&decoded.unwrap()), of(&value));
                }
            }
        }

        #[test]
        fn foreign_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            for order in [Order::Ascending, Order::Descending] {
                if let Some(length) = length(&bytes, order) {
                    prop_assert!(length <= bytes.len());
                    let _ = decode(&bytes[..length], order, Kind::Plain);
                }
            }
        }
    }
}
