//! `POST /batch`: several writes, all or nothing.

mod operation;

use self::operation::{OperationBody, OperationTexts};
use super::object::Object;
use super::{Endpoint, Mounted, Server, paths};
use crate::metrics::Operation;
use crate::scope::Scope;
use crate::{error, json};
use axum::extract::State;
use bundoc::engine::{Commit, WriteOp, Written};
use ports::access::Action;
use routes::Route;
use serde::{Deserialize, Serialize};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{Json, JsonBytes, parse};
use utoipa::ToSchema;

/// Several writes, all or nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Batch)]
struct BatchBody {
    /// The writes, in order.
    #[schema(value_type = Vec<OperationBody>)]
    operations: OperationTexts,
}

/// What a batch did.
#[derive(Serialize, ToSchema)]
struct BatchAnswer {
    /// The number of the commit.
    commit: u64,
    /// One result for each operation, in order.
    results: Vec<BatchResult>,
}

/// What one operation of a batch did.
#[derive(Serialize, ToSchema)]
struct BatchResult {
    /// The document.
    id: String,
    /// Its version, where it was not removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    /// `created`, `changed` or `removed`.
    status: &'static str,
}

impl From<Written> for BatchResult {
    fn from(written: Written) -> Self {
        let id = json::id_of(&written).unwrap_or_default().to_owned();
        let (version, status) = match written {
            Written::Created(stored) => (Some(stored.version), "created"),
            Written::Changed(stored) => (Some(stored.version), "changed"),
            Written::Removed(_) | Written::Deleted(_) => (None, "removed"),
            Written::Updated { .. } | Written::Found(_) => (None, "changed"),
            Written::Noted => (None, "noted"),
        };
        Self { id, version, status }
    }
}

impl From<Commit> for BatchAnswer {
    fn from(commit: Commit) -> Self {
        let results = commit.written.into_iter().map(BatchResult::from).collect();
        Self { commit: commit.number, results }
    }
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let batches = Endpoint {
        method: Route::post,
        paths: paths!("/batch"),
        action: Action::DocumentWrite,
        operation: Operation::Batch,
        describe: |route| {
            route
                .summary(
                    "Write several documents, all or none; an error names the operation in `details.index`",
                )
                .body::<BatchBody>()
                .answers::<BatchAnswer>(200, "all are written")
                .errors(&[ErrorCode::InvalidRequest, ErrorCode::DocumentNotFound, ErrorCode::Forbidden])
                .errors(&[
                    ErrorCode::DocumentExists,
                    ErrorCode::PreconditionFailed,
                    ErrorCode::UniqueViolation,
                ])
                .errors(&[ErrorCode::LimitExceeded])
        },
    };
    mounted.both(&batches, batch)
}

async fn batch(
    State(server): State<Server>,
    scope: Scope,
    JsonBytes(text): JsonBytes,
) -> Result<Json<BatchAnswer>, ApiError> {
    let operations = json::convert(text.len(), move || read(&text)).await?;
    for (index, operation) in operations.iter().enumerate() {
        if let Some(name) = operation.collection() {
            let collection = scope.collection(name.as_str());
            collection.map_err(|refused| error::at_operation(index, refused))?;
        }
    }
    let commit = server.engine.write(&scope.database, operations, &scope.actor).await;
    let commit = commit.map_err(|failed| error::engine(scope.visible(failed)))?;
    Ok(Json(commit.into()))
}

fn read(text: &[u8]) -> Result<Vec<WriteOp>, ApiError> {
    let Object(body) = parse::<Object<BatchBody>>(text)?;
    let texts = body.operations.within_limit()?;
    let read_one = |(index, text): (usize, &[u8])| {
        let operation = parse::<Object<OperationBody>>(text).and_then(|body| body.0.into_write());
        operation.map_err(|refused| error::at_operation(index, refused))
    };
    texts.iter().map(|text| text.get().as_bytes()).enumerate().map(read_one).collect()
}
