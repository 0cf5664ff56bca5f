//! A developer's cookie may call a function only from pages of this server (CSRF): browsers say with
//! `Sec-Fetch-Site` or `Origin` where a request comes from, programs send neither.

use http::{HeaderMap, Method, header};
use service_kit::error::{ApiError, ErrorCode};

pub(crate) fn check(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let same = match (text("sec-fetch-site"), text(header::ORIGIN.as_str())) {
        _ if method.is_safe() => true,
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = text(header::HOST.as_str()).unwrap_or_default();
            !host.is_empty()
                && origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
        }
        (None, None) => true,
    };
    let message = "this site may not act for the signed-in account";
    same.then_some(()).ok_or_else(|| ApiError::new(ErrorCode::OriginNotAllowed, message))
}
