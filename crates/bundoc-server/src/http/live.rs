//! Streams of changes: `GET /collections/{c}/subscribe` and `POST /collections/{c}/documents/query/subscribe`.

use super::extract::{InCollection, Params};
use super::object::Object;
use super::query::Query;
use super::{Endpoint, Mounted, Server, paths};
use crate::live::Wish;
use crate::metrics::Operation;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use ports::access::Action;
use routes::{Route, Standing};
use serde::Deserialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

/// The header with which a browser says what it got last.
const LAST_EVENT_ID: &str = "last-event-id";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SubscribeParams {
    last_event_id: Option<String>,
    /// The public key of a browser, which was read before.
    #[serde(rename = "key")]
    _key: Option<String>,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let collections = Endpoint {
        method: Route::get,
        paths: paths!("/collections/{c}/subscribe"),
        action: Action::DocumentRead,
        operation: Operation::Subscribe,
        describe: |route| {
            route
                .summary("Changes of a collection as they happen (server-sent events)")
                .query(
                    "last_event_id",
                    "begin after this event, where the header `Last-Event-ID` is not sent",
                )
                .answers_plain("200", "`connected`, `change`, `resync`, `close`")
                .errors(&[ErrorCode::Forbidden, ErrorCode::RateLimited, ErrorCode::Overloaded])
        },
    };
    let queries = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/documents/query/subscribe"),
        action: Action::DocumentRead,
        operation: Operation::Subscribe,
        describe: |route| {
            route
                .summary("The result of a query, and then its changes (server-sent events)")
                .body::<Query>()
                .answers_plain("200", "`connected`, `change`, `ready`, `resync`, `close`")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::QueryTooExpensive, ErrorCode::Forbidden])
                .errors(&[ErrorCode::RateLimited, ErrorCode::Overloaded])
        },
    };
    mounted.both(&collections, subscribe).both(&queries, subscribe_to_query)
}

async fn subscribe(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
    Extension(standing): Extension<Standing>,
    Params(params): Params<SubscribeParams>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let header = headers.get(LAST_EVENT_ID).map(|id| id.to_str().unwrap_or_default());
    let last = header.or(params.last_event_id.as_deref());
    server.live.collection(Wish { scope, collection, standing }, last)
}

async fn subscribe_to_query(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
    Extension(standing): Extension<Standing>,
    Json(Object(body)): Json<Object<Query>>,
) -> Result<Response, ApiError> {
    let request = body.into_live(&collection)?;
    server.live.query(Wish { scope, collection, standing }, request).await
}
