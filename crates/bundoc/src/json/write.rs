//! BSON to JSON text.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bson::{RawArray, RawBsonRef, RawDocument};
use std::io::Write;

type Result = std::result::Result<(), bson::error::Error>;

/// Appends an object.
pub(super) fn document(document: &RawDocument, out: &mut Vec<u8>) -> Result {
    out.push(b'{');
    for (position, field) in document.iter().enumerate() {
        let (name, field) = field?;
        if position > 0 {
            out.push(b',');
        }
        text(name.as_str(), out);
        out.push(b':');
        value(field, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn array(array: &RawArray, out: &mut Vec<u8>) -> Result {
    out.push(b'[');
    for (position, element) in array.into_iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        value(element?, out)?;
    }
    out.push(b']');
    Ok(())
}

fn value(value: RawBsonRef<'_>, out: &mut Vec<u8>) -> Result {
    match value {
        RawBsonRef::Null | RawBsonRef::Undefined => out.extend_from_slice(b"null"),
        RawBsonRef::Boolean(true) => out.extend_from_slice(b"true"),
        RawBsonRef::Boolean(false) => out.extend_from_slice(b"false"),
        RawBsonRef::Int32(integer) => display(integer, out),
        RawBsonRef::Int64(integer) => display(integer, out),
        RawBsonRef::Double(double) => self::double(double, out),
        RawBsonRef::String(string) | RawBsonRef::Symbol(string) => text(string, out),
        RawBsonRef::Document(inner) => document(inner, out)?,
        RawBsonRef::Array(inner) => array(inner, out)?,
        other => extended(other, out)?,
    }
    Ok(())
}

/// Numbers and fixed text; writing to memory does not fail.
fn display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    let _ = write!(out, "{value}");
}

fn double(double: f64, out: &mut Vec<u8>) {
    if double.is_finite() {
        // `Debug` is the shortest text that reads back as the same double, and keeps `.0`.
        let _ = write!(out, "{double:?}");
        return;
    }
    let name = match (double.is_nan(), double > 0.0) {
        (true, _) => "NaN",
        (false, true) => "Infinity",
        (false, false) => "-Infinity",
    };
    object("$numberDouble", name, out);
}

fn object(name: &str, content: &str, out: &mut Vec<u8>) {
    out.push(b'{');
    text(name, out);
    out.push(b':');
    text(content, out);
    out.push(b'}');
}

fn extended(value: RawBsonRef<'_>, out: &mut Vec<u8>) -> Result {
    match value {
        RawBsonRef::ObjectId(id) => object("$oid", &id.to_hex(), out),
        RawBsonRef::DateTime(date) => match date.try_to_rfc3339_string() {
            Ok(text) if (0..=LAST_ISO_MILLIS).contains(&date.timestamp_millis()) => {
                object("$date", &text, out);
            }
            _ => {
                out.extend_from_slice(b"{\"$date\":");
                object("$numberLong", &date.timestamp_millis().to_string(), out);
                out.push(b'}');
            }
        },
        RawBsonRef::Decimal128(decimal) => object("$numberDecimal", &decimal.to_string(), out),
        RawBsonRef::Binary(binary) => {
            out.extend_from_slice(b"{\"$binary\":{\"base64\":");
            text(&STANDARD.encode(binary.bytes), out);
            let _ = write!(out, ",\"subType\":\"{:02x}\"}}}}", u8::from(binary.subtype));
        }
        RawBsonRef::Timestamp(time) => {
            let _ = write!(out, "{{\"$timestamp\":{{\"t\":{},\"i\":{}}}}}", time.time, time.increment);
        }
        RawBsonRef::RegularExpression(regex) => {
            out.extend_from_slice(b"{\"$regularExpression\":{\"pattern\":");
            text(regex.pattern.as_str(), out);
            out.extend_from_slice(b",\"options\":");
            text(regex.options.as_str(), out);
            out.extend_from_slice(b"}}");
        }
        RawBsonRef::MinKey => out.extend_from_slice(b"{\"$minKey\":1}"),
        RawBsonRef::MaxKey => out.extend_from_slice(b"{\"$maxKey\":1}"),
        // Code and pointers are never stored.
        _ => out.extend_from_slice(b"null"),
    }
    Ok(())
}

/// The last millisecond of the year 9999, up to which relaxed JSON writes dates as text.
const LAST_ISO_MILLIS: i64 = 253_402_300_799_999;

fn text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut written = 0;
    for (position, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[written..position]);
        written = position + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[written..]);
    out.push(b'"');
}
