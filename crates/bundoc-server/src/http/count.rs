//! How many documents match, and which values a field has: `POST /collections/{c}/documents/count` and
//! `…/distinct`.

use super::extract::InCollection;
use super::object::Object;
use super::{Endpoint, Mounted, Server, paths};
use crate::json;
use crate::metrics::Operation;
use crate::reader::Reader;
use axum::extract::State;
use axum::response::Response;
use ports::access::Action;
use routes::Route;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{Json, raw};
use utoipa::ToSchema;

/// What is counted.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CountBody {
    /// Filter; without one every document counts.
    #[schema(value_type = Option<Object>)]
    query: Option<Box<RawValue>>,
}

/// How many match.
#[derive(Serialize, ToSchema)]
struct CountAnswer {
    /// Documents that match and that the caller may list.
    count: u64,
}

/// Whose values are asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct DistinctBody {
    /// Dot path; each element of an array counts by itself.
    field: String,
    /// Filter; without one every document counts.
    #[schema(value_type = Option<Object>)]
    query: Option<Box<RawValue>>,
}

/// The different values of a field.
#[derive(ToSchema)]
#[allow(dead_code)] // Documented here, written by `json::write_values`.
struct DistinctAnswer {
    /// In BSON order.
    #[schema(value_type = Vec<Object>)]
    values: Vec<()>,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let counts = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/documents/count"),
        action: Action::DocumentRead,
        operation: Operation::Count,
        describe: |route| {
            route
                .summary("Count the documents that match")
                .body::<CountBody>()
                .answers::<CountAnswer>(200, "how many there are")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::QueryTooExpensive])
                .errors(&[ErrorCode::Forbidden, ErrorCode::Overloaded])
        },
    };
    let distinguishes = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/documents/distinct"),
        action: Action::DocumentRead,
        operation: Operation::Count,
        describe: |route| {
            route
                .summary("The different values of a field")
                .body::<DistinctBody>()
                .answers::<DistinctAnswer>(200, "the values")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::QueryTooExpensive])
                .errors(&[ErrorCode::Forbidden, ErrorCode::Overloaded])
        },
    };
    mounted.both(&counts, count).both(&distinguishes, distinct)
}

async fn count(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
    Json(Object(body)): Json<Object<CountBody>>,
) -> Result<Json<CountAnswer>, ApiError> {
    let filter = json::filter_or_all(body.query.as_deref())?;
    let count = move |reader: &mut Reader<'_>| reader.count(&collection, &filter);
    Ok(Json(CountAnswer { count: server.read(&scope, count).await? }))
}

async fn distinct(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
    Json(Object(body)): Json<Object<DistinctBody>>,
) -> Result<Response, ApiError> {
    let filter = json::filter_or_all(body.query.as_deref())?;
    let distinct = move |reader: &mut Reader<'_>| {
        let values = reader.distinct(&collection, &body.field, &filter)?;
        Ok(json::write_values(values))
    };
    Ok(raw(server.read(&scope, distinct).await??))
}
