//! The authorisation in front of every handler: one question, before any work. The answer reaches the
//! handler as the request extension `Grant`.

use crate::record::{Recorded, Recording, recorded, worth};
use crate::route::Need;
use crate::standing::{OwnedAsk, Standing};
use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{RawPathParams, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, header};
use ports::access::{Access, AccessError, Caller, Credentials, Grant, Peer};
use ports::audit::AuditEntry;
use service_kit::error::{ApiError, ErrorCode};
use service_kit::json::{BodyLimit, too_large};
use std::sync::Arc;

/// A grant decided before the request was made: a call from inside (`ports::project_api`). Requests from
/// outside cannot carry extensions.
#[derive(Debug, Clone)]
pub struct Preset(pub Grant);

/// What the layer of one route needs to know.
#[derive(Clone)]
pub(crate) struct Guard {
    pub(crate) access: Arc<dyn Access>,
    pub(crate) need: Need,
    pub(crate) body_bytes_max: Option<usize>,
    /// Whether pages of other sites may ask: nothing that a browser adds by itself counts here.
    pub(crate) from_any_site: bool,
    pub(crate) recorded: Option<Recorded>,
}

pub(crate) async fn authorise(
    State(guard): State<Guard>,
    params: Result<RawPathParams, RawPathParamsRejection>,
    mut request: Request,
    next: Next,
) -> Response {
    let Ok(params) = params else {
        return ApiError::new(ErrorCode::InvalidRequest, "the path is not valid UTF-8").into_response();
    };
    let granted = match question(&guard, &params, &request) {
        Ok(Question::Answered(grant)) => Ok((grant.clone(), Standing::fixed(grant))),
        Ok(Question::Open(credentials, ask)) => {
            let answer = guard.access.authorize(&credentials, ask.borrow()).await;
            answer
                .map(|grant| (grant, Standing::asked(guard.access.clone(), credentials, ask)))
                .map_err(ApiError::from)
        }
        Err(error) => Err(error),
    };
    let (grant, standing) = match granted {
        Ok(granted) => granted,
        Err(error) => return error.into_response(),
    };
    if let Err(error) = bound_body(&guard, &mut request) {
        return error.into_response();
    }
    let mut entry = guard.recorded.as_ref().map(|recorded| recorded.begin(&grant, &request, &params));
    request.extensions_mut().insert(grant);
    request.extensions_mut().insert(standing);
    let mut response = next.run(request).await;
    if let (Some(recording), Some(entry)) = (response.extensions_mut().remove::<Recording>(), &mut entry) {
        recording.complete(entry);
    }
    match entry.filter(|entry| worth(entry, response.status())) {
        None => response,
        Some(entry) => {
            let entry = AuditEntry { status: response.status().as_u16(), ..entry };
            recorded(&*guard.access, entry).await.map_or_else(IntoResponse::into_response, |()| response)
        }
    }
}

/// Sets the limit of the body and refuses one that announces more.
fn bound_body(guard: &Guard, request: &mut Request) -> Result<(), ApiError> {
    if let Some(max) = guard.body_bytes_max {
        request.extensions_mut().insert(BodyLimit(max));
    }
    let Some(limit) = request.extensions().get::<BodyLimit>().map(|limit| limit.0) else { return Ok(()) };
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) { Err(too_large(limit)) } else { Ok(()) }
}

enum Question {
    Answered(Grant),
    Open(Credentials, OwnedAsk),
}

fn question(guard: &Guard, params: &RawPathParams, request: &Request) -> Result<Question, ApiError> {
    let need = guard.need;
    let ask = match need {
        Need::Nobody if guard.from_any_site => return Ok(Question::Answered(Caller::Nobody.into())),
        Need::Nobody | Need::Invocation => {
            same_site(request.method(), request.headers())?;
            return Ok(Question::Answered(Caller::Nobody.into()));
        }
        Need::Developer(action) => OwnedAsk::Developer(action),
        Need::Session => OwnedAsk::Session,
        Need::Key(action) => {
            if let Some(Preset(grant)) = request.extensions().get() {
                return Ok(Question::Answered(grant.clone()));
            }
            OwnedAsk::Key(action)
        }
        Need::Project(action) => OwnedAsk::Project(project_param(params)?.to_owned(), action),
        Need::Operator => OwnedAsk::Operator,
    };
    let peer = request.extensions().get::<Peer>().map(|peer| peer.0);
    let mut credentials = Credentials::from_headers(request.headers(), peer);
    if matches!(need, Need::Key(_)) && request.method().is_safe() {
        credentials = credentials.with_query(request.uri().query());
    }
    if credentials.session.is_some() && credentials.key.is_none() {
        same_site(request.method(), request.headers())?;
    }
    Ok(Question::Open(credentials, ask))
}

fn project_param(params: &RawPathParams) -> Result<&str, ApiError> {
    let found = params.iter().find(|(name, _)| *name == "project");
    found.map(|(_, value)| value).ok_or_else(|| ApiError::from(AccessError::ProjectNotFound))
}

/// Refuses a change that another site's page asks for with the visitor's cookie (CSRF): browsers send
/// `Sec-Fetch-Site` or at least `Origin` with such requests, programs send neither.
///
/// # Errors
/// `origin_not_allowed`.
pub fn same_site(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let refused =
        || ApiError::new(ErrorCode::OriginNotAllowed, "this site may not act for the signed-in account");
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => return Ok(()),
        Some(_) => return Err(refused()),
        None => {}
    }
    let Some(origin) = text(header::ORIGIN.as_str()) else { return Ok(()) };
    let host = text(header::HOST.as_str()).unwrap_or_default();
    let origin_host = origin.split_once("://").map_or("", |(_, rest)| rest);
    if !host.is_empty() && origin_host.eq_ignore_ascii_case(host) { Ok(()) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn another_site_cannot_act_with_the_visitors_cookie() {
        let post = Method::POST;
        assert!(same_site(&post, &headers(&[])).is_ok());
        assert!(same_site(&post, &headers(&[("sec-fetch-site", "same-origin")])).is_ok());
        assert!(same_site(&post, &headers(&[("sec-fetch-site", "cross-site")])).is_err());
        assert!(same_site(&post, &headers(&[("sec-fetch-site", "same-site")])).is_err());
        let own = [("origin", "http://localhost:3001"), ("host", "localhost:3001")];
        assert!(same_site(&post, &headers(&own)).is_ok());
        let foreign = [("origin", "http://evil.test"), ("host", "localhost:3001")];
        assert!(same_site(&post, &headers(&foreign)).is_err());
        assert!(same_site(&Method::GET, &headers(&foreign)).is_ok());
    }
}
