//! Routes that take the collection from the body or the query: `POST /documents/query` and `/indexes`, as
//! earlier installations have them. A collection with a `*` segment means all that match.

use super::extract::Params;
use super::group_indexes::{self, GroupIndexBody, GroupIndexList, NewGroupIndex};
use super::group_query;
use super::indexes::{IndexBody, IndexList};
use super::object::Object;
use super::query::Query;
use super::{Endpoint, Mounted, Server, paths};
use crate::error;
use crate::metrics::Operation;
use crate::scope::Scope;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use serde::Deserialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    collection: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DropParams {
    collection: String,
    /// The index by its name; or that over this one field.
    name: Option<String>,
    field: Option<String>,
}

impl DropParams {
    fn index_name(&self) -> Result<String, ApiError> {
        match (&self.name, &self.field) {
            (Some(name), None) => Ok(name.clone()),
            (None, Some(field)) => Ok(format!("{field}_1")),
            _ => Err(ApiError::new(ErrorCode::InvalidRequest, "send either `name` or `field`")),
        }
    }
}

/// Whether a name means several collections.
fn is_pattern(name: &str) -> bool {
    name.split('/').any(|segment| segment == "*")
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let queries = Endpoint {
        method: Route::post,
        paths: paths!("/documents/query"),
        action: Action::DocumentRead,
        operation: Operation::Find,
        describe: |route| {
            route
                .summary("Query documents of the `collection` in the body")
                .body::<Query>()
                .answers_plain("200", "a page of documents")
                .errors(&[ErrorCode::InvalidQuery, ErrorCode::QueryTooExpensive])
                .errors(&[ErrorCode::Forbidden, ErrorCode::Overloaded])
        },
    };
    let lists = Endpoint {
        method: Route::get,
        paths: paths!("/indexes"),
        action: Action::DatabaseRead,
        operation: Operation::Inspect,
        describe: |route| {
            route
                .summary("The indexes of a collection, or of a pattern")
                .query("collection", "its name; with `*` segments a pattern")
                .answers::<IndexList>(200, "the indexes")
                .errors(&[ErrorCode::CollectionNotFound])
        },
    };
    let creates = Endpoint {
        method: Route::post,
        paths: paths!("/indexes"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route
                .summary("Create an index of the `collection` in the body")
                .body::<NewGroupIndex>()
                .answers::<GroupIndexBody>(201, "the index")
                .errors(&[ErrorCode::InvalidIndex, ErrorCode::CollectionNotFound, ErrorCode::IndexExists])
        },
    };
    let drops = Endpoint {
        method: Route::delete,
        paths: paths!("/indexes"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route
                .summary("Drop an index")
                .query("collection", "its collection or pattern")
                .query("name", "its name")
                .query("field", "its only field, in place of `name`")
                .answers_plain("204", "dropped")
                .errors(&[ErrorCode::IndexNotFound])
        },
    };
    mounted.both(&queries, query).both(&lists, list).both(&creates, create).both(&drops, remove)
}

async fn query(
    State(server): State<Server>,
    scope: Scope,
    Json(Object(mut body)): Json<Object<Query>>,
) -> Result<Response, ApiError> {
    let missing = || ApiError::new(ErrorCode::InvalidRequest, "send `collection`");
    let name = body.collection.take().ok_or_else(missing)?;
    if is_pattern(&name) {
        return group_query::in_pattern(&server, scope, &name, body).await;
    }
    let collection = scope.collection(&name)?;
    server.find(scope, collection, body.into_request()?).await
}

async fn list(
    State(server): State<Server>,
    scope: Scope,
    Params(params): Params<ListParams>,
) -> Result<Response, ApiError> {
    if is_pattern(&params.collection) {
        let found: GroupIndexList =
            group_indexes::of_pattern(&server, scope, Some(params.collection)).await?;
        return Ok(Json(found).into_response());
    }
    let collection = scope.collection(&params.collection)?;
    let indexes = IndexBody::list(server.collection(scope, collection).await?.indexes)?;
    Ok(Json(IndexList { indexes }).into_response())
}

async fn create(
    State(server): State<Server>,
    scope: Scope,
    Json(Object(body)): Json<Object<NewGroupIndex>>,
) -> Result<Response, ApiError> {
    if is_pattern(&body.pattern) {
        let (status, created) = group_indexes::declare(&server, &scope, body).await?;
        return Ok((status, Json(created)).into_response());
    }
    let collection = scope.collection(&body.pattern)?;
    let spec = body.into_index().into_spec()?;
    let created = server.engine.create_index(&scope.database, &collection, spec).await;
    let created = IndexBody::new(created.map_err(error::engine)?)?;
    Ok((StatusCode::CREATED, Json(created)).into_response())
}

async fn remove(
    State(server): State<Server>,
    scope: Scope,
    Params(params): Params<DropParams>,
) -> Result<StatusCode, ApiError> {
    let name = params.index_name()?;
    let dropped = if is_pattern(&params.collection) {
        let pattern = scope.pattern(&params.collection)?;
        server.engine.drop_group_index(&scope.database, &pattern, &name).await
    } else {
        let collection = scope.collection(&params.collection)?;
        server.engine.drop_index(&scope.database, &collection, &name).await
    };
    dropped.map_err(error::engine)?;
    Ok(StatusCode::NO_CONTENT)
}
