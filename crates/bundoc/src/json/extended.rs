//! What JSON lacks: objects such as `{"$oid": "…"}` become the BSON value they stand for.

use super::parse::Reason;
use bson::oid::ObjectId;
use bson::spec::BinarySubtype;
use bson::{Binary, Bson, DateTime, Decimal128, Document, RawDocumentBuf, Regex, Timestamp, doc};

/// Whether a first key announces such an object.
pub(super) fn is_known(key: &str) -> bool {
    matches!(
        key,
        "$oid"
            | "$date"
            | "$numberInt"
            | "$numberLong"
            | "$numberDouble"
            | "$numberDecimal"
            | "$binary"
            | "$uuid"
            | "$timestamp"
            | "$regularExpression"
            | "$minKey"
            | "$maxKey"
    )
}

/// The element type and the bytes of the value that an object stands for.
pub(super) fn convert(object: &[u8]) -> Result<(u8, Vec<u8>), Reason> {
    let object = Document::from_reader(object).map_err(|error| error.to_string())?;
    let mut fields = object.iter();
    let (Some((name, content)), None) = (fields.next(), fields.next()) else {
        return Err("an object that begins with a `$` type has one field".to_owned());
    };
    let value = value(name, content).ok_or_else(|| format!("`{name}` is malformed"))?;
    let carrier = RawDocumentBuf::try_from(&doc! {"v": value}).map_err(|error| error.to_string())?;
    // A carrier is: length (4), element type (1), `v`, NUL, the value, NUL.
    let bytes = carrier.as_bytes();
    Ok((bytes[4], bytes[7..bytes.len() - 1].to_vec()))
}

fn value(name: &str, content: &Bson) -> Option<Bson> {
    let text = content.as_str();
    match name {
        "$oid" => ObjectId::parse_str(text?).ok().map(Bson::ObjectId),
        "$date" => date(content).map(Bson::DateTime),
        "$numberInt" => text?.parse().ok().map(Bson::Int32),
        "$numberLong" => text?.parse().ok().map(Bson::Int64),
        "$numberDouble" => double(text?).map(Bson::Double),
        "$numberDecimal" => text?.parse::<Decimal128>().ok().map(Bson::Decimal128),
        "$binary" => binary(content.as_document()?).map(Bson::Binary),
        "$uuid" => uuid(text?).map(Bson::Binary),
        "$timestamp" => timestamp(content.as_document()?).map(Bson::Timestamp),
        "$regularExpression" => regex(content.as_document()?).map(Bson::RegularExpression),
        "$minKey" => (integer(content)? == 1).then_some(Bson::MinKey),
        "$maxKey" => (integer(content)? == 1).then_some(Bson::MaxKey),
        _ => None,
    }
}

fn double(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|double: &f64| double.is_finite()),
    }
}

fn integer(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(value) => Some(i64::from(*value)),
        Bson::Int64(value) => Some(*value),
        _ => None,
    }
}

/// RFC 3339 text, or milliseconds since 1970.
fn date(content: &Bson) -> Option<DateTime> {
    match content {
        Bson::String(text) => DateTime::parse_rfc3339_str(text).ok(),
        content => integer(content).map(DateTime::from_millis),
    }
}

fn binary(content: &Document) -> Option<Binary> {
    let subtype = u8::from_str_radix(content.get_str("subType").ok()?, 16).ok()?;
    let bytes = Binary::from_base64(content.get_str("base64").ok()?, None).ok()?.bytes;
    (content.len() == 2).then_some(Binary { subtype: BinarySubtype::from(subtype), bytes })
}

fn uuid(text: &str) -> Option<Binary> {
    let bytes = uuid::Uuid::parse_str(text).ok()?.into_bytes().to_vec();
    Some(Binary { subtype: BinarySubtype::Uuid, bytes })
}

fn timestamp(content: &Document) -> Option<Timestamp> {
    let part = |name: &str| u32::try_from(integer(content.get(name)?)?).ok();
    let timestamp = Timestamp { time: part("t")?, increment: part("i")? };
    (content.len() == 2).then_some(timestamp)
}

/// BSON has the options in the order of the alphabet.
fn regex(content: &Document) -> Option<Regex> {
    let pattern = content.get_str("pattern").ok()?.to_owned().try_into().ok()?;
    let mut options: Vec<char> = content.get_str("options").ok()?.chars().collect();
    options.sort_unstable();
    let options = options.into_iter().collect::<String>().try_into().ok()?;
    (content.len() == 2).then_some(Regex { pattern, options })
}
