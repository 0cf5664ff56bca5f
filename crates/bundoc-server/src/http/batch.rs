//! `POST /batch`: several writes, all or nothing.

mod operation;
mod result;
mod texts;

use self::operation::OperationBody;
use self::result::BatchResult;
use self::texts::OperationTexts;
use super::object::Object;
use super::{Endpoint, Mounted, Server, paths};
use crate::metrics::Operation;
use crate::reader::Outcome;
use crate::scope::Scope;
use crate::{error, json};
use axum::extract::State;
use bundoc::engine::WriteOp;
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
    /// The number of the commit; null inside a transaction, which is committed later.
    commit: Option<u64>,
    /// One result for each operation, in order.
    results: Vec<BatchResult>,
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
                .errors(&[ErrorCode::InvalidUpdate, ErrorCode::QueryTooExpensive, ErrorCode::LimitExceeded])
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
    server.check_operations(&scope, &operations)?;
    let Outcome { commit, written } = server.write(&scope, operations, error::engine).await?;
    let bytes = written.iter().map(result::bytes_of).sum();
    let write = move || written.into_iter().map(BatchResult::new).collect::<Result<_, _>>();
    Ok(Json(BatchAnswer { commit, results: json::convert(bytes, write).await? }))
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
