//! `/collections/{c}/indexes`, and the shape of indexes in JSON.

use super::extract::{InCollection, InIndex};
use super::object::Object;
use super::{Endpoint, Mounted, Server, paths};
use crate::metrics::Operation;
use crate::{error, json};
use axum::extract::State;
use bundoc::engine::{FieldOrder, IndexInfo, IndexSpec, IndexState, Order};
use http::StatusCode;
use ports::access::Action;
use routes::Route;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::value::RawValue;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::Json;
use std::time::Duration;
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
pub(super) struct NewIndex {
    /// 1 to 8 fields.
    #[schema(value_type = Option<Vec<FieldOrderBody>>)]
    pub(super) fields: Option<Vec<Object<FieldOrderBody>>>,
    /// One field in place of `fields`.
    pub(super) field: Option<String>,
    /// Whether two documents may not share a key.
    #[serde(default)]
    pub(super) unique: bool,
    /// Whether documents without any of the fields have no entry.
    #[serde(default)]
    pub(super) sparse: bool,
    /// Only documents that this filter matches have entries.
    #[schema(value_type = Option<Object>)]
    pub(super) partial: Option<Box<RawValue>>,
    /// Documents are removed so many seconds after the date in the (only) field.
    pub(super) expire_after_seconds: Option<u64>,
    /// Name; made of the fields where none is given.
    pub(super) name: Option<String>,
}

impl NewIndex {
    pub(super) fn into_spec(self) -> Result<IndexSpec, ApiError> {
        let fields = match (self.fields, self.field) {
            (Some(fields), None) => fields.into_iter().map(|field| field.0.into()).collect(),
            (None, Some(path)) => vec![FieldOrder { path, order: Order::Ascending }],
            _ => {
                let message =
                    "an index has either `fields`: [{\"path\": …, \"order\": 1}], or `field`: \"…\"";
                return Err(ApiError::new(ErrorCode::InvalidIndex, message));
            }
        };
        let partial = self.partial.map(|text| json::read_filter(text.get().as_bytes())).transpose()?;
        Ok(IndexSpec {
            name: self.name,
            fields,
            unique: self.unique,
            sparse: self.sparse,
            partial,
            expire_after: self.expire_after_seconds.map(Duration::from_secs),
        })
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
    /// Whether documents without any of the fields have no entry.
    sparse: bool,
    /// Which documents have entries; without it all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    partial: Option<Box<RawValue>>,
    /// How many seconds after the date in the field documents are removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_after_seconds: Option<u64>,
    /// `building`, `ready` or `failed`. Queries use it when it is ready.
    state: &'static str,
    /// While it is built: documents indexed so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    documents_done: Option<u64>,
    /// Why it failed. Drop it to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl IndexBody {
    pub(super) fn new(info: IndexInfo) -> Result<Self, ApiError> {
        let (state, documents_done, reason) = match info.state {
            IndexState::Building { documents_done } => ("building", Some(documents_done), None),
            IndexState::Ready => ("ready", None, None),
            IndexState::Failed { reason } => ("failed", None, Some(reason)),
        };
        Ok(Self {
            name: info.name,
            fields: info.fields.into_iter().map(FieldOrderBody::from).collect(),
            unique: info.unique,
            sparse: info.sparse,
            partial: info.partial.as_ref().map(json::text_of).transpose()?,
            expire_after_seconds: info.expire_after.map(|time| time.as_secs()),
            state,
            documents_done,
            reason,
        })
    }

    pub(super) fn list(infos: Vec<IndexInfo>) -> Result<Vec<Self>, ApiError> {
        infos.into_iter().map(Self::new).collect()
    }
}

/// All indexes of a collection.
#[derive(Serialize, ToSchema)]
pub(super) struct IndexList {
    /// In order of their names.
    pub(super) indexes: Vec<IndexBody>,
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
                .errors(&[ErrorCode::LimitExceeded])
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
    Ok(Json(IndexList { indexes: IndexBody::list(info.indexes)? }))
}

async fn create(
    State(server): State<Server>,
    at: InCollection,
    Json(Object(body)): Json<Object<NewIndex>>,
) -> Result<(StatusCode, Json<IndexBody>), ApiError> {
    let spec = body.into_spec()?;
    let created = server.engine.create_index(&at.scope.database, &at.collection, spec).await;
    Ok((StatusCode::CREATED, Json(IndexBody::new(created.map_err(error::engine)?)?)))
}

async fn remove(State(server): State<Server>, at: InIndex) -> Result<StatusCode, ApiError> {
    let dropped = server.engine.drop_index(&at.scope.database, &at.collection, &at.name).await;
    dropped.map_err(error::engine)?;
    Ok(StatusCode::NO_CONTENT)
}
