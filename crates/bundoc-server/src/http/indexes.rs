//! `/collections/{c}/indexes`, and the shape of indexes in JSON.

use super::extract::{InCollection, InIndex};
use super::object::Object;
use super::{Endpoint, Mounted, Server, paths};
use crate::error;
use crate::metrics::Operation;
use axum::extract::State;
use bundoc::engine::{FieldOrder, IndexInfo, IndexSpec, IndexState, Order};
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use utoipa::ToSchema;

/// One field of an index or a sort.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FieldOrder)]
pub(super) struct FieldOrderBody {
    /// Dot path.
    path: String,
    /// `1` for smallest first, `-1` for largest first.
    #[serde(default)]
    #[schema(value_type = i8)]
    order: Direction,
}

/// `1` or `-1`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Direction(pub(super) Order);

impl Default for Direction {
    fn default() -> Self {
        Self(Order::Ascending)
    }
}

impl<'de> Deserialize<'de> for Direction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match i64::deserialize(deserializer)? {
            1 => Ok(Self(Order::Ascending)),
            -1 => Ok(Self(Order::Descending)),
            other => Err(de::Error::custom(format!("an order is 1 or -1, not {other}"))),
        }
    }
}

impl Serialize for Direction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i8(match self.0 {
            Order::Ascending => 1,
            Order::Descending => -1,
        })
    }
}

impl From<FieldOrderBody> for FieldOrder {
    fn from(body: FieldOrderBody) -> Self {
        Self { path: body.path, order: body.order.0 }
    }
}

impl From<FieldOrder> for FieldOrderBody {
    fn from(field: FieldOrder) -> Self {
        Self { path: field.path, order: Direction(field.order) }
    }
}

/// An index that is to be made: over `fields`, or over one `field`, smallest first.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewIndex {
    /// 1 to 8 fields.
    #[schema(value_type = Option<Vec<FieldOrderBody>>)]
    fields: Option<Vec<Object<FieldOrderBody>>>,
    /// One field in place of `fields`.
    field: Option<String>,
    /// Whether two documents may not share a key.
    #[serde(default)]
    unique: bool,
    /// Name; made of the fields where none is given.
    name: Option<String>,
}

impl NewIndex {
    fn into_spec(self) -> Result<IndexSpec, ApiError> {
        let fields = match (self.fields, self.field) {
            (Some(fields), None) => fields.into_iter().map(|field| field.0.into()).collect(),
            (None, Some(path)) => vec![FieldOrder { path, order: Order::Ascending }],
            _ => {
                let message =
                    "an index has either `fields`: [{\"path\": …, \"order\": 1}], or `field`: \"…\"";
                return Err(ApiError::new(ErrorCode::InvalidIndex, message));
            }
        };
        Ok(IndexSpec { name: self.name, fields, unique: self.unique, ..IndexSpec::default() })
    }
}

/// An index and how far it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Index)]
pub(super) struct IndexBody {
    /// Name, unique in the collection.
    name: String,
    /// Fields in order.
    fields: Vec<FieldOrderBody>,
    /// Whether two documents may not share a key.
    unique: bool,
    /// `building`, `ready` or `failed`. Queries use it when it is ready.
    state: &'static str,
    /// While it is built: documents indexed so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    documents_done: Option<u64>,
    /// Why it failed. Drop it to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<IndexInfo> for IndexBody {
    fn from(info: IndexInfo) -> Self {
        let (state, documents_done, reason) = match info.state {
            IndexState::Building { documents_done } => ("building", Some(documents_done), None),
            IndexState::Ready => ("ready", None, None),
            IndexState::Failed { reason } => ("failed", None, Some(reason)),
        };
        let fields = info.fields.into_iter().map(FieldOrderBody::from).collect();
        Self { name: info.name, fields, unique: info.unique, state, documents_done, reason }
    }
}

/// All indexes of a collection.
#[derive(Serialize, ToSchema)]
struct IndexList {
    /// In order of their names.
    indexes: Vec<IndexBody>,
}

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let lists = Endpoint {
        method: Route::get,
        paths: paths!("/collections/{c}/indexes"),
        action: Action::DatabaseRead,
        operation: Operation::Inspect,
        describe: |route| {
            route
                .summary("The indexes of a collection")
                .answers::<IndexList>(200, "the indexes")
                .errors(&[ErrorCode::CollectionNotFound])
        },
    };
    let creates = Endpoint {
        method: Route::post,
        paths: paths!("/collections/{c}/indexes"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route
                .summary("Create an index; it is built in the background")
                .body::<NewIndex>()
                .answers::<IndexBody>(201, "the index")
                .errors(&[ErrorCode::InvalidIndex, ErrorCode::CollectionNotFound, ErrorCode::IndexExists])
        },
    };
    let drops = Endpoint {
        method: Route::delete,
        paths: paths!("/collections/{c}/indexes/{name}"),
        action: Action::DatabaseAdmin,
        operation: Operation::Administer,
        describe: |route| {
            route.summary("Drop an index").answers_plain("204", "dropped").errors(&[ErrorCode::IndexNotFound])
        },
    };
    mounted.both(&lists, list).both(&creates, create).both(&drops, remove)
}

async fn list(
    State(server): State<Server>,
    InCollection { scope, collection }: InCollection,
) -> Result<Json<IndexList>, ApiError> {
    let info = server.collection(scope, collection).await?;
    Ok(Json(IndexList { indexes: info.indexes.into_iter().map(IndexBody::from).collect() }))
}

async fn create(
    State(server): State<Server>,
    at: InCollection,
    Json(Object(body)): Json<Object<NewIndex>>,
) -> Result<(StatusCode, Json<IndexBody>), ApiError> {
    let spec = body.into_spec()?;
    let created = server.engine.create_index(&at.scope.database, &at.collection, spec).await;
    Ok((StatusCode::CREATED, Json(created.map_err(error::engine)?.into())))
}

async fn remove(State(server): State<Server>, at: InIndex) -> Result<StatusCode, ApiError> {
    let dropped = server.engine.drop_index(&at.scope.database, &at.collection, &at.name).await;
    dropped.map_err(error::engine)?;
    Ok(StatusCode::NO_CONTENT)
}
