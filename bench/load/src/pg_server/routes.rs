//! The routes of the peer: as small as the comparison allows, so they are no handicap for PostgreSQL.

use super::store::{Field, Store};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;
use tokio_postgres::types::Json;
use uuid::Uuid;

const BODY_BYTES_MAX: usize = 16 << 20;

pub(super) fn router(store: Arc<Store>) -> Router {
    Router::new()
        .route("/ready", get(|| async { "ready" }))
        .route("/v1/database/batch", post(fill))
        .route("/v1/database/collections/inserts/documents", post(insert))
        .route("/v1/database/collections/docs/documents/{id}", get(read))
        .route("/v1/database/collections/docs/documents/query", post(query))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(store)
}

/// What went wrong, as the caller sees it.
struct Failure(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}", self.0)).into_response()
    }
}

#[derive(Serialize)]
struct Stored<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
    document: &'a RawValue,
}

async fn insert(State(store): State<Arc<Store>>, body: Bytes) -> Result<Response, Failure> {
    let id = Uuid::now_v7().to_string();
    let document = store.insert(&id, serde_json::from_slice(&body)?).await?;
    answer(StatusCode::CREATED, &Stored { id: &id, document: &document })
}

async fn read(State(store): State<Arc<Store>>, Path(id): Path<String>) -> Result<Response, Failure> {
    match store.read(&id).await? {
        Some(document) => answer(StatusCode::OK, &document),
        None => Ok(StatusCode::NOT_FOUND.into_response()),
    }
}

#[derive(Deserialize)]
struct Query<'a> {
    #[serde(borrow)]
    query: Filter<'a>,
    limit: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Filter<'a> {
    City(&'a str),
    Team(&'a str),
}

#[derive(Serialize)]
struct Page {
    documents: Vec<Box<RawValue>>,
}

async fn query(State(store): State<Arc<Store>>, body: Bytes) -> Result<Response, Failure> {
    let query: Query<'_> = serde_json::from_slice(&body)?;
    let (field, value) = match query.query {
        Filter::City(value) => (Field::City, value),
        Filter::Team(value) => (Field::Team, value),
    };
    let documents = store.find(field, value, query.limit).await?;
    answer(StatusCode::OK, &Page { documents })
}

#[derive(Deserialize)]
struct Batch<'a> {
    #[serde(borrow)]
    operations: Vec<Insert<'a>>,
}

#[derive(Deserialize)]
struct Insert<'a> {
    #[serde(borrow)]
    document: &'a RawValue,
}

#[derive(Deserialize)]
struct Identified<'a> {
    #[serde(rename = "_id")]
    id: &'a str,
}

async fn fill(State(store): State<Arc<Store>>, body: Bytes) -> Result<StatusCode, Failure> {
    let batch: Batch<'_> = serde_json::from_slice(&body)?;
    let mut ids = Vec::with_capacity(batch.operations.len());
    for operation in &batch.operations {
        ids.push(serde_json::from_str::<Identified<'_>>(operation.document.get())?.id);
    }
    let documents: Vec<_> = batch.operations.iter().map(|operation| Json(operation.document)).collect();
    store.fill(&ids, &documents).await?;
    Ok(StatusCode::OK)
}

fn answer(status: StatusCode, body: &impl Serialize) -> Result<Response, Failure> {
    let json = HeaderValue::from_static("application/json");
    Ok((status, [(header::CONTENT_TYPE, json)], serde_json::to_vec(body)?).into_response())
}
