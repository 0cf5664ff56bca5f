//! Calls and answers between Rust and an instance. Headers travel as one text, `name\nvalue\nname\nvalue`, whose
//! characters are the bytes of HTTP (Latin-1); `js/headers.js` takes it apart only when the handler looks.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use worker_pool::{InvokeResponse, ResponseBody};

const INVOCATION_HEADER: &str = "x-invocation-id";

/// A call, as the instance takes it.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) invocation_id: Arc<str>,
    /// Place in the handlers of the version.
    pub(crate) handler: u16,
    /// Parameters of the path as a JSON object; empty for none.
    pub(crate) params: String,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) header_block: String,
    pub(crate) body: CallBody,
}

/// Body of a call.
#[derive(Debug)]
pub(crate) enum CallBody {
    None,
    Whole(Bytes),
    /// Reading it fails with this text.
    Broken(String),
}

/// What came back from outside: from a service of the server, or another host.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) url: String,
    pub(crate) redirected: bool,
}

/// The headers of a call, with the name of the invocation in the place of what the caller called it.
pub(crate) fn call_block(headers: &HeaderMap, invocation_id: &str) -> String {
    let mut block = block_without(headers, Some(INVOCATION_HEADER));
    if !block.is_empty() {
        block.push('\n');
    }
    block.push_str(INVOCATION_HEADER);
    block.push('\n');
    block.push_str(invocation_id);
    block
}

/// Headers as one text.
pub(crate) fn block_of(headers: &HeaderMap) -> String {
    block_without(headers, None)
}

fn block_without(headers: &HeaderMap, left_out: Option<&str>) -> String {
    let mut block = String::with_capacity(headers.len() * 32);
    for (name, value) in headers.iter().filter(|(name, _)| Some(name.as_str()) != left_out) {
        if !block.is_empty() {
            block.push('\n');
        }
        block.push_str(name.as_str());
        block.push('\n');
        block.extend(value.as_bytes().iter().map(|byte| char::from(*byte)));
    }
    block
}

/// The headers of a text that `js/headers.js` checked; what is no header is left out.
pub(crate) fn headers_of(block: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut parts = block.split('\n');
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        let bytes: Option<Vec<u8>> = value.chars().map(|character| u8::try_from(character).ok()).collect();
        let value = bytes.and_then(|bytes| HeaderValue::from_maybe_shared(Bytes::from(bytes)).ok());
        if let (Ok(name), Some(value)) = (HeaderName::try_from(name), value) {
            headers.append(name, value);
        }
    }
    headers
}

/// What the handler answered.
pub(crate) fn response(status: u16, block: &str, body: Bytes) -> InvokeResponse {
    InvokeResponse {
        // `js/messages.js` takes no other status than 200 to 599.
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        headers: headers_of(block),
        body: ResponseBody::Full(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_survive_the_way_there_and_back() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        headers.append("x-bytes", HeaderValue::from_bytes(b"caf\xe9").unwrap());
        headers.append("x-empty", HeaderValue::from_static(""));
        assert_eq!(headers_of(&block_of(&headers)), headers);
        assert_eq!(headers_of(&block_of(&HeaderMap::new())), HeaderMap::new());
    }

    #[test]
    fn the_invocation_has_one_name() {
        let mut headers = HeaderMap::new();
        headers.append("x-invocation-id", HeaderValue::from_static("theirs"));
        assert_eq!(call_block(&headers, "ours"), "x-invocation-id\nours");
        headers.append("accept", HeaderValue::from_static("*/*"));
        assert_eq!(call_block(&headers, "ours"), "accept\n*/*\nx-invocation-id\nours");
    }
}
