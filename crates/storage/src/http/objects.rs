//! `/storage/{path}`: read, put and remove one object. Bytes are streamed both ways.

use super::extract::AtObject;
use super::standing::Watch;
use super::{Endpoint, Mounted, Service, conditions, headers as wire};
use axum::Extension;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use ports::access::Action;
use ports::objects::{ObjectError, ObjectInfo, ObjectName, ObjectRead, ObjectStore, PutObject};
use routes::{Route, Standing};
use rules::Access;
use serde::Serialize;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::ids::ProjectId;
use service_kit::json::Json;
use std::io;
use utoipa::ToSchema;

const PATHS: [&str; 2] = ["/v1/storage/{*path}", "/v1/projects/{project}/storage/{*path}"];

/// An object that was put.
#[derive(Serialize, ToSchema)]
#[schema(as = ObjectPut)]
pub(super) struct Put {
    key: String,
    size: u64,
    /// As in `ETag`, with its quotes; what `If-Match` compares with.
    etag: String,
}

/// An object that was removed.
#[derive(Serialize, ToSchema)]
#[schema(as = ObjectDeleted)]
struct Deleted {
    deleted: bool,
}

/// Errors of reading.
pub(super) const READ_ERRORS: [ErrorCode; 5] = [
    ErrorCode::InvalidName,
    ErrorCode::Forbidden,
    ErrorCode::ObjectNotFound,
    ErrorCode::RangeNotSatisfiable,
    ErrorCode::Overloaded,
];

/// Errors of putting.
pub(super) const PUT_ERRORS: [ErrorCode; 7] = [
    ErrorCode::InvalidName,
    ErrorCode::Forbidden,
    ErrorCode::PreconditionFailed,
    ErrorCode::BodyTooLarge,
    ErrorCode::LimitExceeded,
    ErrorCode::Overloaded,
    ErrorCode::DiskFull,
];

pub(super) fn mount(mounted: Mounted) -> Mounted {
    let object_bytes_max = mounted.object_bytes_max;
    let reads = Endpoint {
        method: Route::get,
        paths: PATHS,
        action: Action::ObjectRead,
        describe: |route: Route| {
            route
                .summary("Read an object, or with `Range` a part of it; `HEAD` reads the headers only")
                .answers_plain("200", "the object")
                .answers_plain("206", "the part that `Range` asked for")
                .answers_plain("304", "it still is the content of `If-None-Match`")
                .errors(&READ_ERRORS)
        },
    };
    let puts = Endpoint {
        method: Route::put,
        paths: PATHS,
        action: Action::ObjectWrite,
        describe: move |route: Route| {
            route
                .summary("Put an object; `If-Match` and `If-None-Match: *` make it conditional")
                .body_bytes_max(object_bytes_max)
                .answers::<Put>(201, "it is there")
                .errors(&PUT_ERRORS)
        },
    };
    let removes = Endpoint {
        method: Route::delete,
        paths: PATHS,
        action: Action::ObjectWrite,
        describe: |route: Route| {
            route.summary("Remove an object").answers::<Deleted>(200, "removed").errors(&[
                ErrorCode::InvalidName,
                ErrorCode::Forbidden,
                ErrorCode::ObjectNotFound,
                ErrorCode::PreconditionFailed,
            ])
        },
    };
    mounted.both(reads, get).both(puts, put).both(removes, delete)
}

async fn get(
    State(service): State<Service>,
    at: AtObject,
    Extension(standing): Extension<Standing>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    at.scope.permit(&service, Access::Read, &at.name).await?;
    let watch = Watch { service: service.clone(), standing, access: Access::Read, name: at.name.clone() };
    let asked = Asked { project: &at.scope.project, name: &at.name, watch: Some(watch) };
    read(&service, asked, (&method, &headers)).await
}

async fn put(
    State(service): State<Service>,
    at: AtObject,
    Extension(standing): Extension<Standing>,
    request: Request,
) -> Result<Response, ApiError> {
    at.scope.permit(&service, Access::Write, &at.name).await?;
    let watch = Watch { service: service.clone(), standing, access: Access::Write, name: at.name.clone() };
    let asked = Asked { project: &at.scope.project, name: &at.name, watch: Some(watch) };
    receive(&service, asked, request).await
}

async fn delete(
    State(service): State<Service>,
    at: AtObject,
    headers: HeaderMap,
) -> Result<Json<Deleted>, ApiError> {
    at.scope.permit(&service, Access::Write, &at.name).await?;
    let condition = conditions::of_write(&headers)?;
    service.delete(&at.scope.project, &at.name, condition).await?;
    Ok(Json(Deleted { deleted: true }))
}

/// An object that somebody may read or put, and what is asked again while it is on its way.
pub(super) struct Asked<'a> {
    pub(super) project: &'a ProjectId,
    pub(super) name: &'a ObjectName,
    pub(super) watch: Option<Watch>,
}

/// Answers with the object, a part of it, or its headers.
pub(super) async fn read(
    service: &Service,
    asked: Asked<'_>,
    (method, headers): (&Method, &HeaderMap),
) -> Result<Response, ApiError> {
    let info = service.head(asked.project, asked.name).await?;
    if conditions::is_known(headers, &info.etag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        wire::describe(response.headers_mut(), &info);
        return Ok(response);
    }
    if *method == Method::HEAD {
        let mut response = Response::new(Body::empty());
        wire::describe(response.headers_mut(), &info);
        wire::measure(response.headers_mut(), &(0..info.size), info.size);
        return Ok(response);
    }
    let range = conditions::range(headers, &info.etag);
    match service.get(asked.project, asked.name, range).await {
        Ok(object) => Ok(answer(object, asked.watch)),
        Err(ObjectError::RangeNotSatisfiable { size }) => Ok(outside(size)),
        Err(error) => Err(error.into()),
    }
}

fn answer(object: ObjectRead, watch: Option<Watch>) -> Response {
    let ObjectRead { info, range, body } = object;
    let body = match watch {
        Some(watch) => watch.over(body),
        None => body,
    };
    let mut response = Response::new(Body::from_stream(body));
    wire::describe(response.headers_mut(), &info);
    if wire::measure(response.headers_mut(), &range, info.size) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

fn outside(size: u64) -> Response {
    let mut response = ApiError::from(ObjectError::RangeNotSatisfiable { size }).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("bytes */{size}")) {
        response.headers_mut().insert(header::CONTENT_RANGE, value);
    }
    response
}

/// Puts the body in place.
pub(super) async fn receive(
    service: &Service,
    asked: Asked<'_>,
    request: Request,
) -> Result<Response, ApiError> {
    let (head, body) = request.into_parts();
    let condition = conditions::of_write(&head.headers)?;
    let text = |name| head.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let content_type = text(header::CONTENT_TYPE).map(str::to_owned);
    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let body = body.into_data_stream().map(|part| part.map_err(io::Error::other)).boxed();
    let body = match asked.watch {
        Some(watch) => watch.over(body),
        None => body,
    };
    let object = PutObject { content_type, condition, length, body };
    let info = service.put(asked.project, asked.name, object).await?;
    let mut response = (StatusCode::CREATED, Json(Put::from(&info))).into_response();
    if let Ok(value) = HeaderValue::from_str(&format!("\"{}\"", info.etag)) {
        response.headers_mut().insert(header::ETAG, value);
    }
    Ok(response)
}

impl From<&ObjectInfo> for Put {
    fn from(info: &ObjectInfo) -> Self {
        Self { key: info.name.as_str().to_owned(), size: info.size, etag: format!("\"{}\"", info.etag) }
    }
}
