//! `/collections/{c}/documents` and `/collections/{c}/documents/{id}`: one document at a time.

use super::change::array_filters;
use super::extract::{InCollection, InDocument, Params};
use super::{Endpoint, Mounted, Server, paths, preconditions};
use crate::metrics::Operation;
use crate::{error, json};
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use bundoc::engine::{StoredDocument, UpdateSpec, WriteOp, Written};
use bundoc::error::EngineError;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use ports::access::Action;
use routes::Route;
use serde::Deserialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::JsonBytes;
use utoipa::ToSchema;

/// A document: a JSON object with `_id` and any other fields. Types that JSON lacks are written as in
/// MongoDB Extended JSON v2, relaxed: `{"$date": "2026-01-31T08:30:00Z"}`.
#[derive(ToSchema)]
#[schema(as = Document, value_type = Object)]
pub(super) struct DocumentSchema(());

/// An update: fields to set (dot paths allowed), or operators such as `$set`, `$inc` and `$push`.
#[derive(ToSchema)]
#[schema(as = Update, value_type = Object)]
struct UpdateSchema(());

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UpdateParams {
    array_filters: Option<String>,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let mounted = mounted.both(
        &Endpoint {
            method: Route::post,
            paths: paths!("/collections/{c}/documents"),
            action: Action::DocumentWrite,
            operation: Operation::Insert,
            describe: |route| {
                route
                    .summary("Create a document; without `_id` it is given one")
                    .body::<DocumentSchema>()
                    .answers::<DocumentSchema>(201, "the document; its version is in `ETag`")
                    .errors(&[ErrorCode::InvalidDocument, ErrorCode::DocumentExists, ErrorCode::Forbidden])
            },
        },
        insert,
    );
    // A document may be called like what can be done with documents: its path is a fixed one to the router.
    let fixed = [
        paths!("/collections/{c}/documents/query"),
        paths!("/collections/{c}/documents/count"),
        paths!("/collections/{c}/documents/distinct"),
        paths!("/collections/{c}/documents/explain"),
        paths!("/collections/{c}/documents/update"),
        paths!("/collections/{c}/documents/delete"),
        paths!("/collections/{c}/documents/find-and-modify"),
    ];
    let mounted = fixed.into_iter().fold(mounted, mount_document);
    mount_document(mounted, paths!("/collections/{c}/documents/{id}"))
}

fn mount_document(mounted: Mounted, paths: [&'static str; 2]) -> Mounted {
    let reads = Endpoint {
        method: Route::get,
        paths,
        action: Action::DocumentRead,
        operation: Operation::Get,
        describe: |route| {
            route
                .summary("Read a document")
                .answers::<DocumentSchema>(200, "the document; its version is in `ETag`")
                .answers_plain("304", "`If-None-Match` names this version")
                .errors(&[ErrorCode::DocumentNotFound, ErrorCode::Forbidden])
        },
    };
    let replaces = Endpoint {
        method: Route::put,
        paths,
        action: Action::DocumentWrite,
        operation: Operation::Replace,
        describe: |route| {
            route
                .summary("Put a whole document in place")
                .body::<DocumentSchema>()
                .answers::<DocumentSchema>(200, "the document, replaced")
                .answers::<DocumentSchema>(201, "the document, created")
                .errors(&[ErrorCode::InvalidDocument, ErrorCode::PreconditionFailed, ErrorCode::Forbidden])
        },
    };
    let updates = Endpoint {
        method: Route::patch,
        paths,
        action: Action::DocumentWrite,
        operation: Operation::Update,
        describe: |route| {
            route
                .summary("Change fields of a document")
                .query("array_filters", "what `$[name]` stands for, as JSON: a list of filters")
                .body::<UpdateSchema>()
                .answers::<DocumentSchema>(200, "the whole document as it is now")
                .errors(&[ErrorCode::InvalidUpdate, ErrorCode::DocumentNotFound])
                .errors(&[ErrorCode::PreconditionFailed, ErrorCode::Forbidden])
        },
    };
    let deletes = Endpoint {
        method: Route::delete,
        paths,
        action: Action::DocumentWrite,
        operation: Operation::Delete,
        describe: |route| {
            route.summary("Remove a document").answers_plain("204", "removed").errors(&[
                ErrorCode::DocumentNotFound,
                ErrorCode::PreconditionFailed,
                ErrorCode::Forbidden,
            ])
        },
    };
    mounted.both(&reads, get).both(&replaces, replace).both(&updates, update).both(&deletes, delete)
}

async fn insert(
    State(server): State<Server>,
    at: InCollection,
    uri: Uri,
    JsonBytes(text): JsonBytes,
) -> Result<Response, ApiError> {
    let document = json::convert(text.len(), move || json::read_document(&text)).await?;
    let operation = WriteOp::Insert { collection: at.collection, document };
    let written = server.write_one(&at.scope, operation).await?;
    let location = location(&uri, &written);
    let mut response = answer_written(written).await?;
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

async fn get(State(server): State<Server>, at: InDocument, headers: HeaderMap) -> Result<Response, ApiError> {
    let found = server.get(&at.scope, &at.collection, &at.id).await?;
    let stored = found.ok_or_else(|| not_found(&at))?;
    if preconditions::is_known(&headers, stored.version) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().insert(header::ETAG, preconditions::etag(stored.version));
        return Ok(response);
    }
    answer_stored(stored, StatusCode::OK).await
}

async fn replace(
    State(server): State<Server>,
    at: InDocument,
    headers: HeaderMap,
    JsonBytes(text): JsonBytes,
) -> Result<Response, ApiError> {
    let precondition = preconditions::of_replace(&headers)?;
    let document = json::convert(text.len(), move || json::read_document(&text)).await?;
    let InDocument { scope, collection, id } = at;
    let operation = WriteOp::Replace { collection, id, document, precondition };
    answer_written(server.write_one(&scope, operation).await?).await
}

async fn update(
    State(server): State<Server>,
    at: InDocument,
    headers: HeaderMap,
    Params(params): Params<UpdateParams>,
    JsonBytes(text): JsonBytes,
) -> Result<Response, ApiError> {
    let precondition = preconditions::of_change(&headers)?;
    let array_filters = params.array_filters.as_deref().map(array_filters).transpose()?.unwrap_or_default();
    let update = json::convert(text.len(), move || json::read_update(&text)).await?;
    let update = UpdateSpec { update, array_filters };
    let InDocument { scope, collection, id } = at;
    let operation = WriteOp::Update { collection, id, update, precondition };
    answer_written(server.write_one(&scope, operation).await?).await
}

async fn delete(
    State(server): State<Server>,
    at: InDocument,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let precondition = preconditions::of_change(&headers)?;
    let InDocument { scope, collection, id } = at;
    let operation = WriteOp::Delete { collection, id, precondition };
    answer_written(server.write_one(&scope, operation).await?).await
}

fn not_found(at: &InDocument) -> ApiError {
    error::engine(EngineError::DocumentNotFound {
        collection: at.collection.to_string(),
        id: at.id.to_string(),
    })
}

async fn answer_written(written: Written) -> Result<Response, ApiError> {
    match written {
        Written::Created(stored) => answer_stored(stored, StatusCode::CREATED).await,
        Written::Changed(stored) => answer_stored(stored, StatusCode::OK).await,
        Written::Removed(_) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NO_CONTENT;
            Ok(response)
        }
        Written::Updated { .. } | Written::Deleted(_) | Written::Found(_) | Written::Noted => {
            Err(ApiError::new(ErrorCode::Internal, "the store did not say what it wrote"))
        }
    }
}

async fn answer_stored(stored: StoredDocument, status: StatusCode) -> Result<Response, ApiError> {
    let version = stored.version;
    let mut response = json::answer_document(stored).await?;
    *response.status_mut() = status;
    // What a transaction wrote has no version before its commit.
    if version > 0 {
        response.headers_mut().insert(header::ETAG, preconditions::etag(version));
    }
    Ok(response)
}

/// Where a document that was just created is found: below the path that it was sent to.
fn location(uri: &Uri, written: &Written) -> Option<HeaderValue> {
    let id = json::id_of(written)?;
    let mut path = String::with_capacity(uri.path().len() + 1 + id.len());
    path.push_str(uri.path().trim_end_matches('/'));
    path.push('/');
    push_segment(&mut path, id);
    HeaderValue::from_maybe_shared(Bytes::from(path)).ok()
}

/// Percent-encodes `text` as one path segment (RFC 3986 §2.3).
fn push_segment(path: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            path.push(byte.into());
        } else {
            path.push('%');
            path.push(HEX[usize::from(byte >> 4)].into());
            path.push(HEX[usize::from(byte & 15)].into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_one_segment_of_the_location() {
        let mut path = String::new();
        push_segment(&mut path, "a b?#%é-._~");
        assert_eq!(path, "a%20b%3F%23%25%C3%A9-._~");
    }
}
