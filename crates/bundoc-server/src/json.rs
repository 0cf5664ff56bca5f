//! Documents between JSON and BSON, without a tree of values in between, and the envelopes around them,
//! written by hand. Large texts are read and written off the threads that serve connections.

use axum::response::Response;
use bson::{Document, RawDocument, RawDocumentBuf};
use bundoc::engine::{Page, StoredDocument, Written};
use bundoc::error::EngineError;
use serde::de::IgnoredAny;
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

/// Reads an update.
pub(crate) fn read_update(text: &[u8]) -> Result<Document, ApiError> {
    bundoc::json::query_from_json(text).map_err(|refused| explained(text, refused, ErrorCode::InvalidUpdate))
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
    serde_json::to_writer(&mut out, &page.next_cursor).map_err(|error| ApiError::internal(&error))?;
    out.push(b'}');
    Ok(out)
}

fn write_document(document: &RawDocument, out: &mut Vec<u8>) -> Result<(), ApiError> {
    bundoc::json::to_json(document, out).map_err(error::engine)
}
