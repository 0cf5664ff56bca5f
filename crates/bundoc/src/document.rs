//! Documents as they come in and go out: checked, put in the stored shape, and split again.
//! A stored document is its version (8 bytes, big endian) and then BSON with `_id` first.

use crate::engine::{DocumentId, StoredDocument};
use crate::error::EngineError;
use crate::options::EngineOptions;
use bson::{RawArray, RawBsonRef, RawDocument};

/// Bytes before the BSON.
const VERSION_BYTES: usize = 8;

fn invalid(text: impl Into<String>) -> EngineError {
    EngineError::InvalidDocument(text.into())
}

/// The `_id` of a document that comes in, if it has one.
pub(crate) fn id_of(document: &RawDocument) -> Result<Option<DocumentId>, EngineError> {
    match document.get("_id").map_err(malformed)? {
        None => Ok(None),
        Some(RawBsonRef::String(id)) => DocumentId::parse(id).map(Some),
        Some(_) => Err(invalid("`_id` is a string")),
    }
}

fn malformed(error: impl std::fmt::Display) -> EngineError {
    invalid(format!("the document is not valid BSON: {error}"))
}

/// The stored bytes of `document` under `id`, version still zero.
pub(crate) fn prepare(
    document: &RawDocument,
    id: &DocumentId,
    options: &EngineOptions,
) -> Result<Vec<u8>, EngineError> {
    check_fields(document, options.document_depth_max)?;
    let mut out = Vec::with_capacity(document.as_bytes().len() + id.as_str().len() + VERSION_BYTES + 16);
    out.extend_from_slice(&[0; VERSION_BYTES + 4]);
    append_text_element(&mut out, "_id", id.as_str());
    copy_other_elements(document, &mut out)?;
    out.push(0);
    let bytes = out.len() - VERSION_BYTES;
    if bytes > options.document_bytes_max {
        return Err(invalid(format!(
            "the document has {bytes} bytes as BSON, {} are allowed",
            options.document_bytes_max
        )));
    }
    out[VERSION_BYTES..VERSION_BYTES + 4].copy_from_slice(&(bytes as u32).to_le_bytes());
    Ok(out)
}

fn append_text_element(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(0x02);
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.extend_from_slice(&(text.len() as u32 + 1).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
    out.push(0);
}

fn copy_other_elements(document: &RawDocument, out: &mut Vec<u8>) -> Result<(), EngineError> {
    let bytes = document.as_bytes();
    let mut offset = 4;
    let mut ids = 0;
    for element in document.iter_elements() {
        let element = element.map_err(malformed)?;
        let end = offset + 1 + element.key().len() + 1 + element.size();
        if element.key().as_str() == "_id" {
            ids += 1;
        } else {
            out.extend_from_slice(bytes.get(offset..end).ok_or_else(|| malformed("short"))?);
        }
        offset = end;
    }
    if ids > 1 {
        return Err(invalid("the document has several `_id`"));
    }
    Ok(())
}

fn check_fields(document: &RawDocument, depth_left: usize) -> Result<(), EngineError> {
    for field in document {
        let (name, value) = field.map_err(malformed)?;
        if name.as_str().starts_with('$') {
            return Err(invalid(format!("field `{}` begins with `$`, which operators do", name.as_str())));
        }
        check_value(value, depth_left)?;
    }
    Ok(())
}

fn check_elements(array: &RawArray, depth_left: usize) -> Result<(), EngineError> {
    for element in array {
        check_value(element.map_err(malformed)?, depth_left)?;
    }
    Ok(())
}

fn check_value(value: RawBsonRef<'_>, depth_left: usize) -> Result<(), EngineError> {
    let too_deep = || invalid("the document is nested too deeply");
    match value {
        RawBsonRef::Document(inner) => check_fields(inner, depth_left.checked_sub(1).ok_or_else(too_deep)?),
        RawBsonRef::Array(inner) => check_elements(inner, depth_left.checked_sub(1).ok_or_else(too_deep)?),
        RawBsonRef::JavaScriptCode(_)
        | RawBsonRef::JavaScriptCodeWithScope(_)
        | RawBsonRef::DbPointer(_)
        | RawBsonRef::Undefined => Err(invalid("code, pointers and undefined are not stored")),
        _ => Ok(()),
    }
}

/// Writes the version into stored bytes.
pub(crate) fn set_version(stored: &mut [u8], version: u64) {
    stored[..VERSION_BYTES].copy_from_slice(&version.to_be_bytes());
}

/// The stored form of a part of a document, whose version is not known.
pub(crate) fn without_version(document: &RawDocument) -> Vec<u8> {
    [&[0; VERSION_BYTES], document.as_bytes()].concat()
}

/// Splits stored bytes into version and document.
pub(crate) fn split(stored: &[u8]) -> Result<(u64, &RawDocument), EngineError> {
    let damaged =
        |_| EngineError::Damaged("a stored document is not valid: restore the store from a copy".into());
    let (version, document) = stored
        .split_first_chunk::<VERSION_BYTES>()
        .ok_or_else(|| EngineError::Damaged("a stored document is too short: restore from a copy".into()))?;
    Ok((u64::from_be_bytes(*version), RawDocument::from_bytes(document).map_err(damaged)?))
}

/// The id in the key of a document.
pub(crate) fn id_text(id: &[u8]) -> Result<&str, EngineError> {
    std::str::from_utf8(id)
        .map_err(|_| EngineError::Damaged("a stored id is not text: restore the store from a copy".into()))
}

/// The stored bytes as an owned document.
pub(crate) fn to_stored(stored: &[u8]) -> Result<StoredDocument, EngineError> {
    let (version, document) = split(stored)?;
    Ok(StoredDocument { document: document.to_owned(), version })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{Bson, RawDocumentBuf, doc, rawdoc};

    fn id() -> DocumentId {
        DocumentId::parse("x").unwrap()
    }

    #[test]
    fn the_id_comes_first_and_the_rest_keeps_its_order() {
        let stored =
            prepare(&rawdoc! {"b": 1, "_id": "x", "a": [1, {"c": null}]}, &id(), &EngineOptions::default())
                .unwrap();
        let (version, document) = split(&stored).unwrap();
        assert_eq!(version, 0);
        assert_eq!(document, &*rawdoc! {"_id": "x", "b": 1, "a": [1, {"c": null}]});
    }

    #[test]
    fn documents_that_break_a_limit_are_refused() {
        let mut deep = doc! {};
        for _ in 0..101 {
            deep = doc! {"a": Bson::Document(deep)};
        }
        let options = EngineOptions { document_bytes_max: 4_000, ..EngineOptions::default() };
        let long = "x".repeat(4_000);
        for document in [deep, doc! {"a": long}, doc! {"a": {"$set": 1}}] {
            let raw = RawDocumentBuf::try_from(&document).unwrap();
            assert!(matches!(prepare(&raw, &id(), &options), Err(EngineError::InvalidDocument(_))));
        }
        assert!(matches!(id_of(&rawdoc! {"_id": 1}), Err(EngineError::InvalidDocument(_))));
    }
}
