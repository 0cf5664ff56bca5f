//! What becomes of a request when it is redirected (Fetch standard, "HTTP-redirect fetch"), with less that goes to
//! another origin than there.

use http::header::{self, HeaderName};
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::error::OutboundError;
use crate::message::OutboundRequest;

/// Headers that go to another origin. Any other may carry a credential: there is no telling by its name.
static HARMLESS: [HeaderName; 6] = [
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::CONTENT_LANGUAGE,
    header::CONTENT_TYPE,
    header::USER_AGENT,
    header::RANGE,
];

/// Where a response leads, if it is a redirect.
pub(crate) fn target(
    from: &Url,
    status: StatusCode,
    headers: &HeaderMap,
) -> Option<Result<Url, OutboundError>> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = headers.get(header::LOCATION)?;
    let parsed = location.to_str().ok().and_then(|location| from.join(location).ok());
    Some(match parsed {
        None => Err(OutboundError::Redirect("its location is no URL")),
        Some(to) if from.scheme() == "https" && to.scheme() != "https" => {
            Err(OutboundError::Redirect("it leads from https to http"))
        }
        Some(to) => Ok(to),
    })
}

/// The request that goes there.
pub(crate) fn redirected(mut request: OutboundRequest, status: StatusCode, to: Url) -> OutboundRequest {
    let becomes_get = match status.as_u16() {
        301 | 302 => request.method == Method::POST,
        303 => request.method != Method::GET && request.method != Method::HEAD,
        _ => false,
    };
    if becomes_get {
        request.method = Method::GET;
        request.body.clear();
        for name in [header::CONTENT_TYPE, header::CONTENT_LANGUAGE, header::CONTENT_ENCODING] {
            request.headers.remove(name);
        }
    }
    if request.url.origin() != to.origin() {
        let kept = request.headers.iter().filter(|(name, _)| HARMLESS.contains(name));
        request.headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
    }
    request.url = to;
    request
}
