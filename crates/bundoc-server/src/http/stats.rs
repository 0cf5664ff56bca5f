//! `GET /stats`: what a project has and does now, beside what it may.

use super::{Endpoint, Mounted, Server, paths};
use crate::error;
use crate::metrics::Operation;
use crate::scope::Scope;
use crate::system::is_system;
use axum::extract::State;
use bundoc::engine::Engine;
use ports::access::Action;
use routes::Route;
use serde::Serialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

/// What a project has and does.
#[derive(Serialize, ToSchema)]
#[schema(as = DatabaseStats)]
struct StatsBody {
    /// Bytes of documents and index entries, before compression; what was dropped counts until it is removed
    /// in the background.
    bytes: u64,
    /// Collections.
    collections: usize,
    /// Documents in them.
    documents: u64,
    /// Indexes of all collections.
    indexes: usize,
    /// Requests that are being answered, this one included.
    requests: Usage,
    /// Open transactions.
    transactions: Usage,
    /// Open streams of changes.
    subscriptions: Usage,
    /// Live queries among them.
    live_queries: Usage,
}

/// How much of a limit is used.
#[derive(Serialize, ToSchema)]
struct Usage {
    /// Now.
    open: usize,
    /// At the most.
    max: usize,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let reads = Endpoint {
        method: Route::get,
        paths: paths!("/stats"),
        action: Action::DatabaseRead,
        operation: Operation::Inspect,
        describe: |route| {
            route
                .summary("What the project has and does now, beside its limits")
                .answers::<StatsBody>(200, "the numbers")
                .errors(&[ErrorCode::Overloaded])
        },
    };
    mounted.both(&reads, stats)
}

async fn stats(State(server): State<Server>, scope: Scope) -> Result<Json<StatsBody>, ApiError> {
    let Scope { project, database, .. } = scope;
    let look = move |engine: &dyn Engine| {
        let bytes = engine.database_stats(&database)?.bytes;
        Ok((bytes, engine.collections(&database, "")?))
    };
    let look = move |engine: &dyn Engine| look(engine).map_err(error::engine);
    let (bytes, mut found) = server.blocking(&project, look).await?;
    found.retain(|info| !is_system(info.name.as_str()));
    let (config, (subscriptions, live_queries)) = (&server.config, server.live.open_of(&project));
    let usage = |open, max| Usage { open, max };
    Ok(Json(StatsBody {
        bytes,
        collections: found.len(),
        documents: found.iter().map(|info| info.documents).sum(),
        indexes: found.iter().map(|info| info.indexes.len()).sum(),
        requests: usage(server.requests.of(&project), config.requests_per_project_max),
        transactions: usage(server.transactions.of(&project), config.transactions_per_project_max),
        subscriptions: usage(subscriptions, config.subscriptions_per_project_max),
        live_queries: usage(live_queries, config.live_queries_per_project_max),
    }))
}
