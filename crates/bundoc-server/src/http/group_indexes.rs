//! `/group-indexes`: indexes over all collections, present and future, whose name matches a pattern.

use super::extract::InGroup;
use super::indexes::{FieldOrderBody, IndexBody, NewIndex};
use super::object::Object;
use super::{Endpoint, Mounted, Server, paths};
use crate::error;
use crate::metrics::Operation;
use crate::scope::Scope;
use axum::extract::State;
use bundoc::engine::{Engine, GroupIndexInfo};
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

/// An index that is to be made over several collections.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewGroupIndex {
    /// Names of collections in which `*` stands for one whole segment: `users/*/posts`.
    #[serde(alias = "collection")]
    pub(super) pattern: String,
    /// 1 to 8 fields.
    #[schema(value_type = Option<Vec<FieldOrderBody>>)]
    fields: Option<Vec<Object<FieldOrderBody>>>,
    /// One field in place of `fields`.
    field: Option<String>,
    /// Whether two documents of a collection may not share a key.
    #[serde(default)]
    unique: bool,
    /// Whether documents without any of the fields have no entry.
    #[serde(default)]
    sparse: bool,
    /// Only documents that this filter matches have entries.
    #[schema(value_type = Option<Object>)]
    partial: Option<Box<RawValue>>,
    /// Documents are removed so many seconds after the date in the field.
    expire_after_seconds: Option<u64>,
    /// Name; made of the fields where none is given.
    name: Option<String>,
}

impl NewGroupIndex {
    /// The index without its place.
    pub(super) fn into_index(self) -> NewIndex {
        let Self { fields, field, unique, sparse, partial, expire_after_seconds, name, .. } = self;
        NewIndex { fields, field, unique, sparse, partial, expire_after_seconds, name }
    }
}

/// A group index and how far it is.
#[derive(Serialize, ToSchema)]
#[schema(as = GroupIndex)]
pub(super) struct GroupIndexBody {
    /// Which collections.
    pattern: String,
    /// The index.
    #[serde(flatten)]
    index: IndexBody,
}

impl GroupIndexBody {
    fn new(info: GroupIndexInfo) -> Result<Self, ApiError> {
        Ok(Self { pattern: info.pattern.to_string(), index: IndexBody::new(info.index)? })
    }
}

/// All group indexes of a project.
#[derive(Serialize, ToSchema)]
pub(super) struct GroupIndexList {
    /// In order of pattern and name.
    indexes: Vec<GroupIndexBody>,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let lists = Endpoint {
        method: Route::get,
        paths: paths!("/group-indexes"),
        action: Action::DatabaseRead,
        operation: Operation::Inspect,
        describe: |route| {
            route.summary("The group indexes of the project").answers::<GroupIndexList>(200, "the indexes")
        },
    };
    let creates = Endpoint {
        method: Route::post,
        paths: paths!("/group-indexes"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route
                .summary("Create a group index; it is built in the background")
                .body::<NewGroupIndex>()
                .answers::<GroupIndexBody>(201, "the index")
                .errors(&[ErrorCode::InvalidName, ErrorCode::InvalidIndex, ErrorCode::IndexExists])
                .errors(&[ErrorCode::LimitExceeded])
        },
    };
    let drops = Endpoint {
        method: Route::delete,
        paths: paths!("/group-indexes/{pattern}/{name}"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route
                .summary("Drop a group index")
                .answers_plain("204", "dropped")
                .errors(&[ErrorCode::InvalidName, ErrorCode::IndexNotFound])
        },
    };
    mounted.both(&lists, list).both(&creates, create).both(&drops, remove)
}

async fn list(State(server): State<Server>, scope: Scope) -> Result<Json<GroupIndexList>, ApiError> {
    Ok(Json(of_pattern(&server, scope, None).await?))
}

async fn create(
    State(server): State<Server>,
    scope: Scope,
    Json(Object(body)): Json<Object<NewGroupIndex>>,
) -> Result<(StatusCode, Json<GroupIndexBody>), ApiError> {
    let (status, created) = declare(&server, &scope, body).await?;
    Ok((status, Json(created)))
}

/// Declares a group index.
pub(super) async fn declare(
    server: &Server,
    scope: &Scope,
    body: NewGroupIndex,
) -> Result<(StatusCode, GroupIndexBody), ApiError> {
    let pattern = body.pattern.clone();
    let created = server.create_group_index(scope, &pattern, body.into_index().into_spec()?).await?;
    Ok((StatusCode::CREATED, GroupIndexBody::new(created)?))
}

/// The group indexes of a project that have this pattern, or all of them.
pub(super) async fn of_pattern(
    server: &Server,
    scope: Scope,
    pattern: Option<String>,
) -> Result<GroupIndexList, ApiError> {
    let Scope { project, database, .. } = scope;
    let look = move |engine: &dyn Engine| engine.group_indexes(&database).map_err(error::engine);
    let mut found = server.blocking(&project, look).await?;
    found.retain(|info| pattern.as_ref().is_none_or(|pattern| info.pattern.as_str() == pattern));
    let indexes = found.into_iter().map(GroupIndexBody::new).collect::<Result<_, _>>()?;
    Ok(GroupIndexList { indexes })
}

async fn remove(State(server): State<Server>, at: InGroup) -> Result<StatusCode, ApiError> {
    let dropped = server.engine.drop_group_index(&at.scope.database, &at.pattern, &at.name).await;
    dropped.map_err(error::engine)?;
    Ok(StatusCode::NO_CONTENT)
}
