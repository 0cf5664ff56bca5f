//! The URL that a handler sees: its own part of the path under the host that the caller named.

use super::upgrade;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use ports::access::KEY_PARAMETER;

/// Where a request names no usable host.
const NO_HOST: &str = "localhost";

pub(crate) fn for_handler(parts: &Parts, rest_at: usize) -> String {
    let authority = authority(parts);
    let host = authority.as_ref().map_or(NO_HOST, Authority::as_str);
    let rest = parts.uri.path().get(rest_at..).unwrap_or_default();
    let mut url = String::with_capacity(16 + host.len() + parts.uri.path().len() + 64);
    url.push_str(if is_https(parts) { "https://" } else { "http://" });
    url.push_str(host);
    url.push_str(if rest.is_empty() { "/" } else { rest });
    if let Some(query) = parts.uri.query() {
        url.push('?');
        if upgrade::is_wanted(parts) { push_without_key(&mut url, query) } else { url.push_str(query) }
    }
    url
}

/// The key that a browser opens a WebSocket with is not for the handler.
fn push_without_key(url: &mut String, query: &str) {
    let is_ours = |pair: &&str| {
        pair.split_once('=').is_some_and(|(name, value)| name == KEY_PARAMETER && value.starts_with("pk_"))
    };
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_ours(pair)).collect();
    url.push_str(&kept.join("&"));
}

fn authority(parts: &Parts) -> Option<Authority> {
    let named = || Authority::try_from(parts.headers.get(HOST)?.as_bytes()).ok();
    parts.uri.authority().cloned().or_else(named).filter(|authority| !authority.as_str().contains('@'))
}

/// By TLS here, or by what a proxy in front says. It is information for the handler, and decides whether the cookie of a
/// session is for TLS alone: who forges it restricts the own cookie.
fn is_https(parts: &Parts) -> bool {
    let by_proxy = || parts.headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    parts.uri.scheme_str().map_or_else(by_proxy, |scheme| scheme == "https")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(uri: &str, host: &str, proto: &str) -> String {
        let request =
            http::Request::builder().uri(uri).header("host", host).header("x-forwarded-proto", proto);
        let (parts, ()) = request.body(()).unwrap().into_parts();
        for_handler(&parts, "/v1/functions/hello".len())
    }

    #[test]
    fn the_key_of_a_websocket_is_not_for_the_handler() {
        let request = http::Request::get("/v1/functions/hello/chat?a=1&key=pk_1&b=2&monkey=pk_2&key=x")
            .header("upgrade", "websocket");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let seen = for_handler(&parts, "/v1/functions/hello".len());
        assert_eq!(seen, "http://localhost/chat?a=1&b=2&monkey=pk_2&key=x");
    }

    #[test]
    fn the_handler_sees_its_own_path_and_the_named_host() {
        assert_eq!(url("/v1/functions/hello/a?b=c", "example.com:1", "https"), "https://example.com:1/a?b=c");
        assert_eq!(url("/v1/functions/hello", "h", "http"), "http://h/");
        assert_eq!(url("/v1/functions/hello?x", "user@evil", "http"), "http://localhost/?x");
        assert_eq!(url("/v1/functions/hello", "a b/c", "http"), "http://localhost/");
    }
}
