//! Reading JSON bodies: a size limit, a depth limit before anything is built, and errors that say where.

use crate::error::{ApiError, ErrorCode};
use axum::body::Body;
use axum::extract::{FromRequest, OptionalFromRequest, Request};
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::{HeaderValue, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Levels of arrays and objects in a JSON body.
pub const DEPTH_MAX: usize = 100;

/// The largest body of a request; set by the gateway as a request extension.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimit(pub usize);

/// The limit for JSON where nothing else was set: 16 MiB.
pub const JSON_BYTES_DEFAULT: usize = 16 << 20;

/// How long the next part of a body may take to arrive.
const BODY_IDLE_MAX: Duration = Duration::from_secs(30);

/// Collects a whole body.
///
/// # Errors
/// `body_too_large` over the limit, `request_timeout` where nothing more came, `invalid_request` where the
/// client broke off.
pub async fn read_body(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let mut collected = BytesMut::new();
    loop {
        let Ok(next) = tokio::time::timeout(BODY_IDLE_MAX, body.frame()).await else {
            return Err(ApiError::new(ErrorCode::RequestTimeout, "the body did not arrive in time"));
        };
        let data = match next {
            None => return Ok(collected.freeze()),
            Some(Err(_)) => return Err(ApiError::new(ErrorCode::InvalidRequest, "the body ended early")),
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        if collected.len() + data.len() > limit {
            return Err(too_large(limit));
        }
        if collected.is_empty() && body.is_end_stream() {
            return Ok(data);
        }
        collected.extend_from_slice(&data);
    }
}

/// The answer to a body over `limit` bytes.
pub fn too_large(limit: usize) -> ApiError {
    ApiError::new(ErrorCode::BodyTooLarge, format!("the body is larger than {limit} bytes"))
        .with_details(serde_json::json!({ "limit_bytes": limit }))
}

/// Refuses text that nests deeper than `DEPTH_MAX`, without recursion.
///
/// # Errors
/// `invalid_json` with the limit.
pub fn check_depth(text: &[u8]) -> Result<(), ApiError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for &byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            let message = format!("the body nests deeper than {DEPTH_MAX} levels");
            return Err(ApiError::new(ErrorCode::InvalidJson, message));
        }
    }
    Ok(())
}

/// Parses JSON into `T`.
///
/// # Errors
/// `invalid_json` where it is no JSON, `invalid_request` where the shape is another.
pub fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    check_depth(text)?;
    let text = std::str::from_utf8(text)
        .map_err(|_| ApiError::new(ErrorCode::InvalidJson, "the body is not valid UTF-8"))?;
    serde_json::from_str(text).map_err(|error| {
        let code = match error.classify() {
            serde_json::error::Category::Data => ErrorCode::InvalidRequest,
            _ => ErrorCode::InvalidJson,
        };
        ApiError::new(code, format!("the body is not what is expected here: {error}"))
    })
}

/// A JSON body in, a JSON body out.
#[derive(Debug, Clone, Copy)]
pub struct Json<T>(pub T);

/// A whole body as bytes, within the request's limit, for JSON that is read by hand.
#[derive(Debug, Clone)]
pub struct JsonBytes(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBytes {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        if !is_json(&request) {
            let message = "send JSON with `Content-Type: application/json`";
            return Err(ApiError::new(ErrorCode::UnsupportedMediaType, message));
        }
        let limit = request.extensions().get::<BodyLimit>().map_or(JSON_BYTES_DEFAULT, |limit| limit.0);
        Ok(Self(read_body(request.into_body(), limit).await?))
    }
}

fn is_json(request: &Request) -> bool {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else { return false };
    let essence = value.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json") || essence.to_ascii_lowercase().ends_with("+json")
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let JsonBytes(text) = JsonBytes::from_request(request, state).await?;
        Ok(Self(parse(&text)?))
    }
}

/// For routes whose body may be left out: then there are neither bytes nor a `Content-Type`.
impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Option<Self>, ApiError> {
        if request.body().is_end_stream() && !request.headers().contains_key(header::CONTENT_TYPE) {
            return Ok(None);
        }
        <Self as FromRequest<S>>::from_request(request, state).await.map(Some)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(text) => raw(text),
            Err(error) => ApiError::internal(&error).into_response(),
        }
    }
}

/// An answer whose body is JSON already.
pub fn raw(text: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_counts_outside_strings_only() {
        assert!(check_depth(&[b'['; 100]).is_ok());
        assert_eq!(check_depth(&[b'['; 101]).unwrap_err().code, ErrorCode::InvalidJson);
        let text = format!("\"{}\\\"[[\"", "[".repeat(1000));
        assert!(check_depth(text.as_bytes()).is_ok());
    }

    #[test]
    fn a_wrong_type_is_not_called_broken_json() {
        assert_eq!(parse::<Vec<u32>>(b"[1").unwrap_err().code, ErrorCode::InvalidJson);
        assert_eq!(parse::<u32>(b"\"x\"").unwrap_err().code, ErrorCode::InvalidRequest);
        assert_eq!(parse::<String>(b"\"\xff\"").unwrap_err().code, ErrorCode::InvalidJson);
    }

    #[tokio::test]
    async fn a_body_may_be_left_out_but_not_be_something_else() {
        let asked = async |request: http::request::Builder, body: &'static str| {
            let request = request.body(Body::from(body)).unwrap();
            <Json<u32> as OptionalFromRequest<()>>::from_request(request, &()).await
        };
        let json = || Request::builder().header(header::CONTENT_TYPE, "application/json");
        assert!(asked(Request::builder(), "").await.unwrap().is_none());
        assert_eq!(asked(json(), "7").await.unwrap().unwrap().0, 7);
        assert_eq!(asked(json(), "").await.unwrap_err().code, ErrorCode::InvalidJson);
        assert_eq!(asked(Request::builder(), "7").await.unwrap_err().code, ErrorCode::UnsupportedMediaType);
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused() {
        let error = read_body(Body::from(vec![0; 11]), 10).await.unwrap_err();
        assert_eq!(error.code, ErrorCode::BodyTooLarge);
    }
}
