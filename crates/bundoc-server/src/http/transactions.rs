//! `/transactions`: opened, committed, aborted. Calls belong to one by the header `X-Bunbase-Transaction`.

use super::extract::InTransaction;
use super::{Endpoint, Mounted, Server, paths};
use crate::metrics::Operation;
use crate::scope::Scope;
use axum::extract::State;
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use serde::Serialize;
use service_kit::clock::{now_ms, rfc3339};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::TransactionId;
use service_kit::json::Json;
use std::time::Duration;
use utoipa::ToSchema;

/// An open transaction.
#[derive(Serialize, ToSchema)]
#[schema(as = Transaction)]
struct TransactionBody {
    /// What stands in `X-Bunbase-Transaction`.
    #[schema(value_type = String)]
    id: TransactionId,
    /// When it is aborted, however busy it is (RFC 3339).
    expires_at: String,
    /// After how many milliseconds without a call it is aborted.
    idle_timeout_ms: u64,
}

/// A transaction that was committed.
#[derive(Serialize, ToSchema)]
struct CommitAnswer {
    /// The number of the commit.
    commit: u64,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let opens = Endpoint {
        method: Route::post,
        paths: paths!("/transactions"),
        action: Action::DocumentRead,
        operation: Operation::Transaction,
        describe: |route| {
            route
                .summary("Open a transaction")
                .answers::<TransactionBody>(201, "the transaction")
                .errors(&[ErrorCode::RateLimited, ErrorCode::Overloaded])
        },
    };
    let commits = Endpoint {
        method: Route::post,
        paths: paths!("/transactions/{transaction}/commit"),
        action: Action::DocumentRead,
        operation: Operation::Transaction,
        describe: |route| {
            route
                .summary("Commit a transaction")
                .answers::<CommitAnswer>(200, "everything in it is written, durably")
                .errors(&[ErrorCode::TransactionConflict, ErrorCode::TransactionExpired])
                .errors(&[ErrorCode::TransactionNotFound, ErrorCode::UniqueViolation])
        },
    };
    let aborts = Endpoint {
        method: Route::post,
        paths: paths!("/transactions/{transaction}/abort"),
        action: Action::DocumentRead,
        operation: Operation::Transaction,
        describe: |route| {
            route
                .summary("Abort a transaction")
                .answers_plain("204", "nothing of it was written")
                .errors(&[ErrorCode::TransactionExpired, ErrorCode::TransactionNotFound])
        },
    };
    mounted.both(&opens, open).both(&commits, commit).both(&aborts, abort)
}

async fn open(
    State(server): State<Server>,
    scope: Scope,
) -> Result<(StatusCode, Json<TransactionBody>), ApiError> {
    let opened = server.transactions.open(&scope).await?;
    let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let expires_at = now_ms().saturating_add_unsigned(milliseconds(opened.expires_in));
    let body = TransactionBody {
        id: opened.id,
        expires_at: rfc3339(expires_at),
        idle_timeout_ms: milliseconds(opened.idle),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

async fn commit(
    State(server): State<Server>,
    InTransaction { scope, id }: InTransaction,
) -> Result<Json<CommitAnswer>, ApiError> {
    Ok(Json(CommitAnswer { commit: server.transactions.commit(&scope, &id).await?.number }))
}

async fn abort(
    State(server): State<Server>,
    InTransaction { scope, id }: InTransaction,
) -> Result<StatusCode, ApiError> {
    server.transactions.abort(&scope, &id)?;
    Ok(StatusCode::NO_CONTENT)
}
