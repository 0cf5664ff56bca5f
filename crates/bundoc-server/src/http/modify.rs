//! Writes to what a query matches: `POST /collections/{c}/documents/update`, `…/delete` and
//! `…/find-and-modify`. Which documents match is decided where the write is applied.

pub(super) mod bodies;

use self::bodies::{DeleteAnswer, DeleteBody, FindAndModifyBody, ModifyAnswer, UpdateAnswer, UpdateBody};
use super::extract::InCollection;
use super::object::Object;
use super::{Endpoint, Mounted, Server, paths};
use crate::json;
use crate::metrics::Operation;
use axum::extract::State;
use axum::response::Response;
use bundoc::engine::Written;
use ports::access::Action;
use routes::Route;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{Json, JsonBytes, parse};

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let updates = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/documents/update"),
        action: Action::DocumentWrite,
        operation: Operation::Modify,
        describe: |route| {
            route
                .summary("Change the documents that match, or the first of them")
                .body::<UpdateBody>()
                .answers::<UpdateAnswer>(200, "how many there were")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::InvalidUpdate, ErrorCode::QueryTooExpensive])
                .errors(&[ErrorCode::UniqueViolation, ErrorCode::LimitExceeded, ErrorCode::Forbidden])
        },
    };
    let deletes = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/documents/delete"),
        action: Action::DocumentWrite,
        operation: Operation::Modify,
        describe: |route| {
            route
                .summary("Remove the documents that match, or the first of them")
                .body::<DeleteBody>()
                .answers::<DeleteAnswer>(200, "how many there were")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::QueryTooExpensive])
                .errors(&[ErrorCode::LimitExceeded, ErrorCode::Forbidden])
        },
    };
    let finds = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/documents/find-and-modify"),
        action: Action::DocumentWrite,
        operation: Operation::Modify,
        describe: |route| {
            route
                .summary("Change, replace or remove the first document that matches, and read it")
                .body::<FindAndModifyBody>()
                .answers::<ModifyAnswer>(200, "the document as it was, or as it is now")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::InvalidUpdate, ErrorCode::InvalidDocument])
                .errors(&[ErrorCode::QueryTooExpensive, ErrorCode::UniqueViolation, ErrorCode::Forbidden])
        },
    };
    mounted.both(&updates, update).both(&deletes, delete).both(&finds, find_and_modify)
}

async fn update(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
    JsonBytes(text): JsonBytes,
) -> Result<Json<UpdateAnswer>, ApiError> {
    let bytes = text.len();
    let read = move || parse::<Object<UpdateBody>>(&text)?.0.into_write(collection);
    let operation = json::convert(bytes, read).await?;
    match server.write_one(&scope, operation).await? {
        Written::Updated { matched, modified, upserted_id } => {
            let upserted_id = upserted_id.map(|id| id.to_string());
            Ok(Json(UpdateAnswer { matched, modified, upserted_id }))
        }
        _ => Err(unexpected()),
    }
}

async fn delete(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
    Json(Object(body)): Json<Object<DeleteBody>>,
) -> Result<Json<DeleteAnswer>, ApiError> {
    match server.write_one(&scope, body.into_write(collection)?).await? {
        Written::Deleted(deleted) => Ok(Json(DeleteAnswer { deleted })),
        _ => Err(unexpected()),
    }
}

async fn find_and_modify(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
    JsonBytes(text): JsonBytes,
) -> Result<Response, ApiError> {
    let bytes = text.len();
    let read = move || parse::<Object<FindAndModifyBody>>(&text)?.0.into_write(collection);
    let operation = json::convert(bytes, read).await?;
    match server.write_one(&scope, operation).await? {
        Written::Found(found) => json::answer_found(found).await,
        _ => Err(unexpected()),
    }
}

fn unexpected() -> ApiError {
    ApiError::new(ErrorCode::Internal, "the store did not say what it wrote")
}
