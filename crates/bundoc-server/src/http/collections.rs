//! `/collections` and `/collections/{c}`.

use super::extract::{InCollection, Params};
use super::indexes::IndexBody;
use super::object::{Object, object};
use super::rules::RulesBody;
use super::{Endpoint, Mounted, Server, paths};
use crate::error;
use crate::metrics::Operation;
use crate::scope::Scope;
use crate::system::is_system;
use axum::extract::State;
use bundoc::engine::{CollectionInfo, CollectionName};
use http::StatusCode;
use ports::access::Action;
use ports::documents::SYSTEM_PREFIX;
use routes::Route;
use serde::{Deserialize, Serialize};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

/// Collections in one page of the list.
const PAGE_MAX: usize = 1_000;

/// A collection and what belongs to it.
#[derive(Serialize, ToSchema)]
#[schema(as = Collection)]
struct CollectionBody {
    /// Name; `/` makes nested ones.
    name: String,
    /// Documents in it.
    documents: u64,
    /// Its rules.
    rules: RulesBody,
    /// Its indexes.
    indexes: Vec<IndexBody>,
}

impl CollectionBody {
    fn new(info: CollectionInfo) -> Result<Self, ApiError> {
        let indexes = IndexBody::list(info.indexes)?;
        let name = info.name.as_str().to_owned();
        Ok(Self { name, documents: info.documents, rules: info.rules.into(), indexes })
    }
}

/// One page of collections.
#[derive(Serialize, ToSchema)]
struct CollectionList {
    /// In order of their names.
    collections: Vec<CollectionBody>,
    /// Where the next page begins; null at the end.
    next_cursor: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListParams {
    #[serde(default)]
    prefix: String,
    limit: Option<usize>,
    cursor: Option<String>,
}

/// A collection that is to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewCollection {
    /// Name; `/` makes nested ones.
    name: String,
    /// Its rules; without any it is closed to public keys.
    #[serde(default, deserialize_with = "object")]
    rules: RulesBody,
}

/// What may change of a collection.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CollectionChange {
    /// All rules, in the place of those there are.
    #[schema(value_type = Option<RulesBody>)]
    rules: Option<Object<RulesBody>>,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let lists = Endpoint {
        method: Route::get,
        paths: paths!("/collections"),
        action: Action::DatabaseRead,
        operation: Operation::Inspect,
        describe: |route| {
            route
                .summary("The collections of the project")
                .query("prefix", "only names that begin so")
                .query("limit", "1 to 1000, by default 1000")
                .query("cursor", "`next_cursor` of the page before")
                .answers::<CollectionList>(200, "a page of collections")
        },
    };
    let creates = Endpoint {
        method: Route::post,
        paths: paths!("/collections"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route
                .summary("Create a collection")
                .body::<NewCollection>()
                .answers::<CollectionBody>(201, "the collection")
                .errors(&[ErrorCode::InvalidName, ErrorCode::InvalidRule, ErrorCode::CollectionExists])
        },
    };
    mount_one(mounted.both(&lists, list).both(&creates, create))
}

fn mount_one(mounted: Mounted) -> Mounted {
    let reads = Endpoint {
        method: Route::get,
        paths: paths!("/collections/{c}"),
        action: Action::DatabaseRead,
        operation: Operation::Inspect,
        describe: |route| {
            route
                .summary("A collection with its rules and indexes")
                .answers::<CollectionBody>(200, "the collection")
                .errors(&[ErrorCode::CollectionNotFound])
        },
    };
    let changes = Endpoint {
        method: Route::patch,
        paths: paths!("/collections/{c}"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route
                .summary("Change a collection")
                .body::<CollectionChange>()
                .answers::<CollectionBody>(200, "the collection as it is now")
                .errors(&[ErrorCode::InvalidRule, ErrorCode::CollectionNotFound])
        },
    };
    let drops = Endpoint {
        method: Route::delete,
        paths: paths!("/collections/{c}"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route
                .summary("Remove a collection with its documents, indexes and rules")
                .answers_plain("204", "removed")
                .errors(&[ErrorCode::CollectionNotFound])
        },
    };
    mounted.both(&reads, get).both(&changes, change).both(&drops, remove)
}

async fn list(
    State(server): State<Server>,
    scope: Scope,
    Params(params): Params<ListParams>,
) -> Result<Json<CollectionList>, ApiError> {
    let limit = params.limit.unwrap_or(PAGE_MAX);
    if !(1..=PAGE_MAX).contains(&limit) {
        let message = format!("`limit` is 1 to {PAGE_MAX}");
        return Err(ApiError::new(ErrorCode::InvalidRequest, message));
    }
    let Scope { project, database, .. } = scope;
    let prefix = params.prefix;
    let found = server
        .blocking(&project, move |engine| engine.collections(&database, &prefix).map_err(error::engine));
    let mut found = found.await?;
    found.retain(|info| !is_system(info.name.as_str()));
    Ok(Json(page(found, params.cursor.as_deref(), limit)?))
}

/// The `limit` collections after the one named by `cursor`.
fn page(found: Vec<CollectionInfo>, cursor: Option<&str>, limit: usize) -> Result<CollectionList, ApiError> {
    let after = |info: &CollectionInfo| cursor.is_none_or(|cursor| info.name.as_str() > cursor);
    let mut rest = found.into_iter().filter(after);
    let collections: Vec<_> = rest.by_ref().take(limit).map(CollectionBody::new).collect::<Result<_, _>>()?;
    let last = collections.last().filter(|_| rest.next().is_some());
    let next_cursor = last.map(|collection| collection.name.clone());
    Ok(CollectionList { collections, next_cursor })
}

async fn create(
    State(server): State<Server>,
    scope: Scope,
    Json(Object(body)): Json<Object<NewCollection>>,
) -> Result<(StatusCode, Json<CollectionBody>), ApiError> {
    let name = CollectionName::parse(&body.name).map_err(error::engine)?;
    if is_system(&body.name) {
        let message =
            format!("a name does not begin with `{SYSTEM_PREFIX}`: such collections are the server's");
        return Err(ApiError::new(ErrorCode::InvalidName, message));
    }
    let created = server.engine.create_collection(&scope.database, &name, body.rules.into()).await;
    Ok((StatusCode::CREATED, Json(CollectionBody::new(created.map_err(error::engine)?)?)))
}

async fn get(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
) -> Result<Json<CollectionBody>, ApiError> {
    Ok(Json(CollectionBody::new(server.collection(scope, collection).await?)?))
}

async fn change(
    State(server): State<Server>,
    at: InCollection,
    Json(Object(body)): Json<Object<CollectionChange>>,
) -> Result<Json<CollectionBody>, ApiError> {
    let Some(Object(rules)) = body.rules else {
        return Ok(Json(CollectionBody::new(server.collection(at.scope, at.collection).await?)?));
    };
    let changed = server.engine.set_rules(&at.scope.database, &at.collection, rules.into()).await;
    Ok(Json(CollectionBody::new(changed.map_err(error::engine)?)?))
}

async fn remove(State(server): State<Server>, at: InCollection) -> Result<StatusCode, ApiError> {
    server.engine.drop_collection(&at.scope.database, &at.collection).await.map_err(error::engine)?;
    Ok(StatusCode::NO_CONTENT)
}
