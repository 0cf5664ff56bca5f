//! Which requests are plain, and their heads. Whatever may be read in two ways is not plain: two lengths, a
//! transfer coding, more than one host, a connection option, a target that is no path.

use super::BODY_BYTES_MAX;
use crate::dispatch::Gateway;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Uri};
use httparse::Status;
use std::mem::MaybeUninit;

/// Headers of a plain request.
const HEADERS_MAX: usize = 64;

pub(super) type Head = http::request::Parts;

/// A request that is answered here.
pub(super) struct Plain {
    pub(super) head: Head,
    pub(super) head_bytes: usize,
    pub(super) body_bytes: usize,
}

/// What bytes begin with.
pub(super) enum Next {
    Plain(Plain),
    /// The beginning of a head.
    Partial,
    /// Anything else.
    Other,
}

/// The first request in `bytes`.
pub(super) fn next(bytes: &[u8], gateway: &Gateway) -> Next {
    let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
    let mut parsed = httparse::Request::new(&mut []);
    match parsed.parse_with_uninit_headers(bytes, &mut headers) {
        Ok(Status::Complete(head_bytes)) => {
            plain(&parsed, head_bytes, gateway).map_or(Next::Other, Next::Plain)
        }
        Ok(Status::Partial) => Next::Partial,
        Err(_) => Next::Other,
    }
}

fn plain(parsed: &httparse::Request<'_, '_>, head_bytes: usize, gateway: &Gateway) -> Option<Plain> {
    let (1, target) = (parsed.version?, parsed.path?) else { return None };
    let method = Method::from_bytes(parsed.method?.as_bytes()).ok()?;
    // An answer to HEAD has a length and no body, one to CONNECT is no answer.
    if matches!(method, Method::HEAD | Method::CONNECT) || !target.starts_with('/') {
        return None;
    }
    let (headers, body_bytes) = headers_of(parsed.headers)?;
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let target: PathAndQuery = target.parse().ok()?;
    if !gateway.is_call(host, target.path()) {
        return None;
    }
    let (mut head, ()) = Request::new(()).into_parts();
    (head.method, head.uri, head.headers) = (method, Uri::from(target), headers);
    Some(Plain { head, head_bytes, body_bytes })
}

/// The headers and the length of the body, where nothing in them is special.
fn headers_of(parsed: &[httparse::Header<'_>]) -> Option<(HeaderMap, usize)> {
    let mut headers = HeaderMap::with_capacity(parsed.len());
    let mut body_bytes = 0;
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).ok()?;
        match name {
            header::TRANSFER_ENCODING | header::UPGRADE | header::EXPECT | header::TE | header::TRAILER => {
                return None;
            }
            header::CONNECTION if !field.value.eq_ignore_ascii_case(b"keep-alive") => return None,
            header::CONTENT_LENGTH => body_bytes = length(field.value)?,
            _ => {}
        }
        let is_single = matches!(name, header::HOST | header::CONTENT_LENGTH | header::CONNECTION);
        let had_one = headers.append(name, HeaderValue::from_bytes(field.value).ok()?);
        if is_single && had_one {
            return None;
        }
    }
    Some((headers, body_bytes))
}

/// Digits and nothing else; no more than is waited for here.
fn length(value: &[u8]) -> Option<usize> {
    let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    text.parse().ok().filter(|bytes| *bytes <= BODY_BYTES_MAX)
}
