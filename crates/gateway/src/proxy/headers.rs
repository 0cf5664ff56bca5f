//! Headers on the way: those between two neighbours (RFC 9110 §7.6.1) are taken off, and the next one is
//! told who is asking.

use super::unavailable;
use crate::peer::{FORWARDED_FOR, KnownFrom, Origin};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Version, header};
use service_kit::error::ApiError;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// Headers that concern one connection only, besides those that `Connection` names.
const HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// How this proxy calls itself.
const VIA: HeaderValue = HeaderValue::from_static("1.1 bunbase");
/// Proxies of ours on the way of one request.
const PASSAGES_MAX: usize = 3;

/// The protocol that an HTTP/1.1 request wants to switch to.
pub(super) fn wanted_upgrade<B>(request: &Request<B>) -> Option<HeaderValue> {
    let asks =
        tokens(request.headers(), &header::CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    let protocol = request.headers().get(header::UPGRADE)?;
    (asks && request.version() == Version::HTTP_11).then(|| protocol.clone())
}

/// Takes off what concerns one connection only.
pub(super) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> =
        tokens(headers, &header::CONNECTION).filter_map(|token| token.parse().ok()).collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
}

/// Whether an answer is a stream of events, which has no end of its own.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    content_type.is_some_and(|value| value.starts_with(b"text/event-stream"))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|token| !token.is_empty())
}

/// Makes the headers those of a request to the next neighbour.
pub(super) fn prepare<B>(request: &mut Request<B>, origin: Origin, upgrade: Option<&HeaderValue>) {
    let authority = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
    let headers = request.headers_mut();
    strip(headers);
    // In HTTP/2 the host stands in the address.
    if let (None, Some(host)) = (headers.get(header::HOST), authority) {
        headers.insert(header::HOST, host);
    }
    tell_origin(headers, origin);
    headers.append(header::VIA, VIA);
    if let Some(protocol) = upgrade {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol.clone());
    }
}

/// Whose request it is, in place of what the client said of it; a trusted proxy knows scheme and host better.
fn tell_origin(headers: &mut HeaderMap, origin: Origin) {
    let address = origin.address.to_canonical().to_string();
    headers.remove(header::FORWARDED);
    headers.insert(
        FORWARDED_FOR,
        HeaderValue::from_str(&address).unwrap_or(HeaderValue::from_static("unknown")),
    );
    let believed = origin.known_from == KnownFrom::Proxy;
    if !believed || !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
    }
    if believed && headers.contains_key(FORWARDED_HOST) {
        return;
    }
    match headers.get(header::HOST).cloned() {
        Some(host) => headers.insert(FORWARDED_HOST, host),
        None => headers.remove(FORWARDED_HOST),
    };
}

/// Refuses what was passed on too often: two processes that take each other for the one that serves it.
pub(super) fn check_circle(headers: &HeaderMap, service: &str) -> Result<(), ApiError> {
    let passages = tokens(headers, &header::VIA).filter(|via| *via == VIA).count();
    if passages < PASSAGES_MAX {
        return Ok(());
    }
    tracing::error!(service, "requests go in a circle: the addresses of this service do not lead to it");
    Err(unavailable(service, format!("the service `{service}` cannot be found")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn origin(known_from: KnownFrom) -> Origin {
        Origin { address: IpAddr::from([203, 0, 113, 9]), known_from }
    }

    fn request(headers: &[(&'static str, &'static str)]) -> Request<()> {
        let builder = Request::builder().uri("http://api.example/v1/x");
        headers.iter().fold(builder, |builder, (name, value)| builder.header(*name, *value)).body(()).unwrap()
    }

    fn prepared(known_from: KnownFrom, headers: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut request = request(headers);
        prepare(&mut request, origin(known_from), None);
        request.headers().clone()
    }

    #[test]
    fn what_concerns_one_connection_is_taken_off() {
        let headers = prepared(
            KnownFrom::Connection,
            &[
                ("connection", "close, X-Mine"),
                ("x-mine", "1"),
                ("keep-alive", "timeout=5"),
                ("te", "trailers"),
                ("transfer-encoding", "chunked"),
                ("upgrade", "h2c"),
                ("proxy-authorization", "Basic x"),
                ("x-request-id", "req_1"),
                ("authorization", "Bearer sk_1"),
            ],
        );
        for name in ["connection", "x-mine", "keep-alive", "te", "transfer-encoding", "upgrade"] {
            assert!(!headers.contains_key(name), "{name}");
        }
        assert!(!headers.contains_key("proxy-authorization"));
        assert_eq!(
            (&headers["x-request-id"], &headers["authorization"]),
            (&"req_1".parse().unwrap(), &"Bearer sk_1".parse().unwrap())
        );
    }

    #[test]
    fn the_next_one_is_told_who_is_asking() {
        let said = [("x-forwarded-for", "127.0.0.1"), ("x-forwarded-proto", "https"), ("forwarded", "for=a")];
        let forged = prepared(KnownFrom::Connection, &said);
        assert_eq!(forged[FORWARDED_FOR], "203.0.113.9");
        assert_eq!(
            (&forged[FORWARDED_PROTO], &forged[FORWARDED_HOST]),
            (&"http".parse::<HeaderValue>().unwrap(), &"api.example".parse::<HeaderValue>().unwrap())
        );
        assert!(!forged.contains_key("forwarded"));
        let believed = prepared(
            KnownFrom::Proxy,
            &[("x-forwarded-proto", "https"), ("x-forwarded-host", "a.b"), ("host", "inner")],
        );
        assert_eq!(believed[FORWARDED_PROTO], "https");
        assert_eq!(
            (&believed[FORWARDED_HOST], &believed[header::HOST]),
            (&"a.b".parse::<HeaderValue>().unwrap(), &"inner".parse::<HeaderValue>().unwrap())
        );
    }

    #[test]
    fn an_upgrade_is_asked_for_in_both_headers() {
        let wanted = |headers: &[(&'static str, &'static str)]| wanted_upgrade(&request(headers));
        assert_eq!(
            wanted(&[("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]).unwrap(),
            "websocket"
        );
        assert_eq!(wanted(&[("upgrade", "websocket")]), None);
        assert_eq!(wanted(&[("connection", "upgrade")]), None);
    }

    #[test]
    fn a_circle_is_noticed() {
        let mut request = request(&[("via", "1.1 edge.example")]);
        for passage in 0..PASSAGES_MAX {
            assert!(check_circle(request.headers(), "storage").is_ok(), "{passage}");
            prepare(&mut request, origin(KnownFrom::Connection), None);
        }
        assert!(check_circle(request.headers(), "storage").is_err());
    }
}
