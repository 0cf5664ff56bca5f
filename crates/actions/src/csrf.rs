//! Writes that are authenticated by a cookie have to come from the application's own pages. As browsers say it
//! (`Sec-Fetch-Site`, else `Origin` against `Host`), without tokens: what Go's `http.CrossOriginProtection` does.
//! A request with neither header is no browser's, and nobody can make somebody else's program send one.

use http::{HeaderMap, Method, header};
use service_kit::error::{ApiError, ErrorCode};

/// # Errors
/// `origin_not_allowed` for a method that writes, from another site than this one and the `trusted` origins.
pub(crate) fn check(method: &Method, headers: &HeaderMap, trusted: &[String]) -> Result<(), ApiError> {
    if method.is_safe() {
        return Ok(());
    }
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("unreadable"));
    let origin = text("origin");
    if origin.is_some_and(|origin| trusted.iter().any(|trusted| trusted.eq_ignore_ascii_case(origin))) {
        return Ok(());
    }
    let is_own = match (text("sec-fetch-site"), origin) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
            origin.split_once("://").is_some_and(|(_, of_origin)| Some(of_origin) == host)
        }
        (None, None) => true,
    };
    if is_own {
        return Ok(());
    }
    let message = "a page of another site may not write with this cookie; name its origin in `cors.origin`";
    Err(ApiError::new(ErrorCode::OriginNotAllowed, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn allowed(method: &Method, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("app.test"));
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        check(method, &headers, &["https://friend.test".to_owned()]).is_ok()
    }

    #[test]
    fn only_own_pages_trusted_ones_and_programs_may_write() {
        assert!(allowed(&Method::POST, &[]));
        assert!(allowed(&Method::POST, &[("sec-fetch-site", "same-origin"), ("origin", "https://app.test")]));
        assert!(allowed(&Method::POST, &[("sec-fetch-site", "none")]));
        assert!(allowed(&Method::POST, &[("origin", "http://app.test")]));
        assert!(allowed(
            &Method::POST,
            &[("sec-fetch-site", "cross-site"), ("origin", "https://friend.test")]
        ));
        assert!(allowed(&Method::GET, &[("sec-fetch-site", "cross-site"), ("origin", "https://evil.test")]));
        for pairs in [
            &[("sec-fetch-site", "cross-site"), ("origin", "https://app.test")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.test")],
            &[("origin", "null")],
            &[("origin", "https://app.test.evil")],
        ] {
            assert!(!allowed(&Method::DELETE, pairs), "{pairs:?}");
        }
    }
}
