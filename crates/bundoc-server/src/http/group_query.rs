//! `POST /group/query`: one query over all collections whose name matches a pattern.

use super::change::sort_fields;
use super::documents::DocumentSchema;
use super::fields::Fields;
use super::object::Object;
use super::query::{Query, Sort, limit};
use super::{Endpoint, Mounted, Server, paths};
use crate::json;
use crate::metrics::Operation;
use crate::scope::Scope;
use axum::extract::State;
use axum::response::Response;
use bundoc::engine::FindRequest;
use ports::access::Action;
use routes::Route;
use serde::Deserialize;
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

/// A query over several collections.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupQuery {
    /// Names of collections in which `*` stands for one whole segment: `users/*/posts`.
    pattern: String,
    /// Filter; without one every document matches.
    #[schema(value_type = Option<Object>)]
    query: Option<Box<RawValue>>,
    /// `{"at": -1}` in order, or `[{"path": "at", "order": -1}]`.
    #[schema(value_type = Option<Object>)]
    sort: Option<Sort>,
    /// Documents in the page, 1 to 1000, by default 100.
    limit: Option<usize>,
    /// `next_cursor` of the page before, of the same query.
    cursor: Option<String>,
    /// A list of paths to keep, or a projection.
    #[schema(value_type = Option<Object>)]
    fields: Option<Fields>,
}

impl GroupQuery {
    fn into_request(self) -> Result<FindRequest, ApiError> {
        Ok(FindRequest {
            filter: json::filter_or_all(self.query.as_deref())?,
            sort: sort_fields(self.sort),
            limit: limit(self.limit)?,
            cursor: self.cursor,
            fields: Fields::projection(self.fields)?,
            ..FindRequest::default()
        })
    }
}

/// A page of documents of several collections.
#[derive(ToSchema)]
#[schema(as = GroupPage)]
#[allow(dead_code)] // Documented here, written by `json::write_group_page`.
struct GroupPageSchema {
    /// The documents, in order.
    documents: Vec<GroupDocumentSchema>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

/// A document and where it is.
#[derive(ToSchema)]
#[schema(as = GroupDocument)]
#[allow(dead_code)] // As above.
struct GroupDocumentSchema {
    /// Its collection.
    collection: String,
    /// The document.
    document: DocumentSchema,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let queries = Endpoint {
        method: Route::post,
        paths: paths!("/group/query"),
        action: Action::DocumentRead,
        operation: Operation::Find,
        describe: |route| {
            route
                .summary("Query all collections that match a pattern")
                .body::<GroupQuery>()
                .answers::<GroupPageSchema>(200, "a page of documents, each with its collection")
                .errors(&[ErrorCode::InvalidName, ErrorCode::InvalidQuery, ErrorCode::QueryTooExpensive])
                .errors(&[ErrorCode::Overloaded])
        },
    };
    mounted.both(&queries, query)
}

async fn query(
    State(server): State<Server>,
    scope: Scope,
    Json(Object(body)): Json<Object<GroupQuery>>,
) -> Result<Response, ApiError> {
    let pattern = scope.pattern(&body.pattern)?;
    server.find_group(scope, pattern, body.into_request()?).await
}

/// The same query with the pattern outside of it.
pub(super) async fn in_pattern(
    server: &Server,
    scope: Scope,
    pattern: &str,
    query: Query,
) -> Result<Response, ApiError> {
    let pattern = scope.pattern(pattern)?;
    server.find_group(scope, pattern, query.into_request()?).await
}
