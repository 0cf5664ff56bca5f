//! The JSON border: relaxed Extended JSON v2
//! (<https://github.com/mongodb/specifications/blob/master/source/extended-json/extended-json.md>) from
//! and to BSON bytes, with nothing in between.
//!
//! An integer is Int32 where it fits, else Int64, else a double, as is everything with a fraction or an
//! exponent. `{"$date": …}`, `{"$oid": …}`, `{"$binary": …}`, `{"$numberDecimal": …}` and their kin stand
//! for what JSON lacks. Duplicate and NUL-bearing keys are refused, and nesting beyond `DEPTH_MAX`.

mod extended;
mod parse;
mod write;

use crate::error::EngineError;
use bson::{Document, RawDocument, RawDocumentBuf};

/// Levels of nesting that are read.
pub const DEPTH_MAX: usize = 100;

/// Reads a JSON object as a document.
///
/// # Errors
/// `InvalidDocument` with the place of the first error.
pub fn from_json(json: &[u8]) -> Result<RawDocumentBuf, EngineError> {
    let malformed = |text: String| EngineError::InvalidDocument(text);
    let bytes = parse::object(json).map_err(malformed)?;
    RawDocumentBuf::from_bytes(bytes).map_err(|error| malformed(error.to_string()))
}

/// Reads a JSON object as a filter or an update.
///
/// # Errors
/// `InvalidQuery` with the place of the first error.
pub fn query_from_json(json: &[u8]) -> Result<Document, EngineError> {
    let malformed = |text: String| EngineError::InvalidQuery(text);
    let bytes = parse::object(json).map_err(malformed)?;
    Document::from_reader(bytes.as_slice()).map_err(|error| malformed(error.to_string()))
}

/// Appends a document as a JSON object.
///
/// # Errors
/// `Damaged` where the BSON is malformed, which stored documents are not.
pub fn to_json(document: &RawDocument, out: &mut Vec<u8>) -> Result<(), EngineError> {
    write::document(document, out)
        .map_err(|error| EngineError::Damaged(format!("a stored document is not valid BSON: {error}")))
}
