//! Documents between JSON and BSON, without a tree of values in between, and the envelopes around them,
//! written by hand. Large texts are read and written off the threads that serve connections.

use axum::response::Response;
use bson::{Bson, Document, RawDocument, RawDocumentBuf, doc};
use bundoc::engine::{GroupPage, Page, StoredDocument, Written};
use bundoc::error::EngineError;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{parse, raw};

use crate::error;

/// Below this many bytes reading or writing takes less than moving to another thread is worth.
const INLINE_BYTES_MAX: usize = 128 * 1024;

/// Runs `work` over about `bytes` bytes of text: here, or on a thread for blocking work where it is large.
pub(crate) async fn convert<T, F>(bytes: usize, work: F) -> Result<T, ApiError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, ApiError> + Send + 'static,
{
    if bytes <= INLINE_BYTES_MAX {
        return work();
    }
    match tokio::task::spawn_blocking(work).await {
        Ok(converted) => converted,
        Err(broken) => Err(ApiError::internal(&broken)),
    }
}

/// Reads a document that is to be stored.
pub(crate) fn read_document(text: &[u8]) -> Result<RawDocumentBuf, ApiError> {
    bundoc::json::from_json(text).map_err(|refused| explained(text, refused, ErrorCode::InvalidDocument))
}

/// Reads the filter of a query.
pub(crate) fn read_filter(text: &[u8]) -> Result<Document, ApiError> {
    bundoc::json::query_from_json(text).map_err(|refused| explained(text, refused, ErrorCode::InvalidQuery))
}

/// Reads the filter of a query; without one everything matches.
pub(crate) fn filter_or_all(text: Option<&RawValue>) -> Result<Document, ApiError> {
    text.map(|text| read_filter(text.get().as_bytes())).transpose().map(Option::unwrap_or_default)
}

/// Reads an update.
pub(crate) fn read_update(text: &[u8]) -> Result<Document, ApiError> {
    bundoc::json::query_from_json(text).map_err(|refused| explained(text, refused, ErrorCode::InvalidUpdate))
}

/// The field that a value stands in where only documents can cross.
pub(crate) const PAYLOAD_FIELD: &str = "value";

/// Reads any value: what an event or a job carries.
pub(crate) fn read_value(text: &RawValue) -> Result<Bson, ApiError> {
    let wrapped = format!("{{\"{PAYLOAD_FIELD}\":{}}}", text.get());
    let mut wrapped = read_filter(wrapped.as_bytes())?;
    Ok(wrapped.remove(PAYLOAD_FIELD).unwrap_or(Bson::Null))
}

/// A refusal as `code`, unless the text is no JSON at all, or nested beyond what any body may be.
fn explained(text: &[u8], refused: EngineError, code: ErrorCode) -> ApiError {
    let mut refused = error::engine(refused);
    let is_json = std::str::from_utf8(text).is_ok() && parse::<IgnoredAny>(text).is_ok();
    refused.code = if is_json { code } else { ErrorCode::InvalidJson };
    refused
}

/// The id of a document that was written.
pub(crate) fn id_of(written: &Written) -> Option<&str> {
    match written {
        Written::Created(stored) | Written::Changed(stored) => stored.document.get_str("_id").ok(),
        Written::Removed(id) => Some(id.as_str()),
        Written::Updated { upserted_id, .. } => upserted_id.as_ref().map(|id| id.as_str()),
        Written::Found(stored) => stored.as_ref().and_then(|stored| stored.document.get_str("_id").ok()),
        Written::Deleted(_) | Written::Noted => None,
    }
}

/// The answer whose body is one document.
pub(crate) async fn answer_document(stored: StoredDocument) -> Result<Response, ApiError> {
    let bytes = stored.document.as_bytes().len();
    convert(bytes, move || {
        let mut out = Vec::with_capacity(bytes + bytes / 2 + 32);
        write_document(&stored.document, &mut out)?;
        Ok(raw(out))
    })
    .await
}

/// A page as `{"documents": […], "next_cursor": …}`.
pub(crate) fn write_page(page: &Page) -> Result<Vec<u8>, ApiError> {
    let bytes: usize = page.documents.iter().map(|stored| stored.document.as_bytes().len()).sum();
    let mut out = Vec::with_capacity(bytes + bytes / 2 + 64);
    out.extend_from_slice(b"{\"documents\":[");
    for (index, stored) in page.documents.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_document(&stored.document, &mut out)?;
    }
    out.extend_from_slice(b"],\"next_cursor\":");
    write_json(&page.next_cursor, &mut out)?;
    out.push(b'}');
    Ok(out)
}

/// A page of several collections as `{"documents": [{"collection", "document"}], "next_cursor": …}`.
pub(crate) fn write_group_page(page: &GroupPage) -> Result<Vec<u8>, ApiError> {
    let mut out = b"{\"documents\":[".to_vec();
    for (index, found) in page.documents.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"collection\":");
        write_json(found.collection.as_str(), &mut out)?;
        out.extend_from_slice(b",\"document\":");
        write_document(&found.document.document, &mut out)?;
        out.push(b'}');
    }
    out.extend_from_slice(b"],\"next_cursor\":");
    write_json(&page.next_cursor, &mut out)?;
    out.push(b'}');
    Ok(out)
}

/// Values as `{"values": […]}`.
pub(crate) fn write_values(values: Vec<Bson>) -> Result<Vec<u8>, ApiError> {
    let document = raw_document(&doc! { "values": values })?;
    let mut out = Vec::with_capacity(document.as_bytes().len() * 2);
    write_document(&document, &mut out)?;
    Ok(out)
}

/// The answer `{"document": …}`; null where there is none.
pub(crate) async fn answer_found(found: Option<StoredDocument>) -> Result<Response, ApiError> {
    let bytes = found.as_ref().map_or(0, |stored| stored.document.as_bytes().len());
    convert(bytes, move || {
        let mut out = b"{\"document\":".to_vec();
        match &found {
            Some(stored) => write_document(&stored.document, &mut out)?,
            None => out.extend_from_slice(b"null"),
        }
        out.push(b'}');
        Ok(raw(out))
    })
    .await
}

/// Any value as JSON text.
pub(crate) fn write_value(value: &Bson) -> Result<Vec<u8>, ApiError> {
    const BEFORE: usize = "{\"v\":".len();
    let mut out = Vec::new();
    write_document(&raw_document(&doc! { "v": value })?, &mut out)?;
    out.truncate(out.len().saturating_sub(1));
    Ok(out.split_off(BEFORE.min(out.len())))
}

/// A document as JSON text, to stand inside of another answer.
pub(crate) fn text_of_raw(document: &RawDocument) -> Result<Box<RawValue>, ApiError> {
    let mut out = Vec::new();
    write_document(document, &mut out)?;
    let text = String::from_utf8(out).map_err(|broken| ApiError::internal(&broken))?;
    RawValue::from_string(text).map_err(|broken| ApiError::internal(&broken))
}

/// The same of a filter.
pub(crate) fn text_of(document: &Document) -> Result<Box<RawValue>, ApiError> {
    text_of_raw(&raw_document(document)?)
}

fn raw_document(document: &Document) -> Result<RawDocumentBuf, ApiError> {
    RawDocumentBuf::try_from(document).map_err(|broken| ApiError::internal(&broken))
}

fn write_json<T: Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) -> Result<(), ApiError> {
    serde_json::to_writer(out, value).map_err(|broken| ApiError::internal(&broken))
}

fn write_document(document: &RawDocument, out: &mut Vec<u8>) -> Result<(), ApiError> {
    bundoc::json::to_json(document, out).map_err(error::engine)
}
