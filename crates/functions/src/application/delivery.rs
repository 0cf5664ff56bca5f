//! The form in which an application's answer goes out: what it says of origins, `304` where the caller has it already
//! (RFC 9110 §13.1.2), and compressed where the caller takes that. Streams go out as they come.

use super::Application;
use crate::front::CallBody;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
    SET_COOKIE, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use std::io::Write as _;
use worker_pool::ResponseBody;

/// Fewer bytes are not worth the work of compressing them.
const COMPRESSED_BYTES_MIN: usize = 1 << 10;
/// More bytes would take too long.
const COMPRESSED_BYTES_MAX: usize = 8 << 20;
/// From here on another thread compresses.
const BLOCKING_BYTES_MIN: usize = 32 << 10;
/// Fast, and within a tenth of the size that the slowest reaches for JSON.
const LEVEL: Compression = Compression::new(4);

/// What a request says of the form of its answer.
pub(crate) struct Delivery {
    origins: Vec<(HeaderName, HeaderValue)>,
    known: Option<HeaderValue>,
    is_read: bool,
    is_head: bool,
    takes_gzip: bool,
}

impl Delivery {
    pub(crate) fn of(application: &Application, request: &Parts) -> Self {
        let headers = &request.headers;
        let origins = application.cors.as_ref().map(|cors| cors.answer(headers));
        let is_head = request.method == Method::HEAD;
        Self {
            origins: origins.unwrap_or_default(),
            known: headers.get(IF_NONE_MATCH).cloned(),
            is_read: is_head || request.method == Method::GET,
            is_head,
            takes_gzip: takes_gzip(headers),
        }
    }

    pub(crate) async fn finish(self, mut response: Response<CallBody>) -> Response<CallBody> {
        for (name, value) in &self.origins {
            response.headers_mut().append(name, value.clone());
        }
        let CallBody::Function(ResponseBody::Full(body)) = response.body() else { return response };
        let body = body.clone();
        if self.is_read && response.status() == StatusCode::OK && may_be_kept(response.headers()) {
            let tag = response.headers().get(ETAG).cloned().or_else(|| tag_of(&body));
            if let Some(tag) = tag {
                let is_known = self.known.as_ref().is_some_and(|known| names(known, &tag));
                response.headers_mut().insert(ETAG, tag);
                if is_known {
                    return not_modified(response);
                }
            }
        }
        if self.takes_gzip && is_worth_it(&body, response.headers()) {
            return self.compressed(body, response).await;
        }
        response
    }

    async fn compressed(&self, body: Bytes, mut response: Response<CallBody>) -> Response<CallBody> {
        let smaller = match body.len() {
            // Nothing of it is sent.
            _ if self.is_head => Some(Bytes::new()),
            BLOCKING_BYTES_MIN.. => tokio::task::spawn_blocking(move || gzip(&body)).await.ok().flatten(),
            _ => gzip(&body),
        };
        let headers = response.headers_mut();
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        if let Some(smaller) = smaller {
            headers.remove(CONTENT_LENGTH);
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            *response.body_mut() = CallBody::Function(ResponseBody::Full(smaller));
        }
        response
    }
}

/// What is made for one caller, or not to be kept, has no name.
fn may_be_kept(headers: &HeaderMap) -> bool {
    let control = headers.get(CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    !headers.contains_key(SET_COOKIE) && !control.contains("no-store")
}

/// Weak, because the compressed form has it as well.
fn tag_of(body: &Bytes) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("W/\"{:032x}\"", xxhash_rust::xxh3::xxh3_128(body))).ok()
}

/// Whether a list of tags, or `*`, names `tag`, weakly compared.
fn names(list: &HeaderValue, tag: &HeaderValue) -> bool {
    let (Ok(list), Ok(tag)) = (list.to_str(), tag.to_str()) else { return false };
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list.split(',').any(|each| each.trim() == "*" || opaque(each) == opaque(tag))
}

fn not_modified(mut response: Response<CallBody>) -> Response<CallBody> {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response.headers_mut().remove(CONTENT_LENGTH);
    response.headers_mut().remove(CONTENT_TYPE);
    *response.body_mut() = CallBody::Function(ResponseBody::Full(Bytes::new()));
    response
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let named = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    named.flat_map(|text| text.split(',')).any(|each| {
        let (coding, weight) = each.split_once(';').unwrap_or((each, ""));
        let is_refused = weight.trim().strip_prefix("q=").is_some_and(|weight| weight.parse() == Ok(0.0_f32));
        coding.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

fn is_worth_it(body: &Bytes, headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_text = kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(kind, "application/json" | "application/javascript" | "application/xml");
    is_text
        && (COMPRESSED_BYTES_MIN..=COMPRESSED_BYTES_MAX).contains(&body.len())
        && !headers.contains_key(CONTENT_ENCODING)
        && kind != "text/event-stream"
}

/// `None` where it would not get smaller.
fn gzip(body: &Bytes) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(body.len() / 4), LEVEL);
    encoder.write_all(body).ok()?;
    encoder.finish().ok().filter(|smaller| smaller.len() < body.len()).map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read as _;

    fn asks(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    fn delivery(pairs: &[(&'static str, &'static str)]) -> Delivery {
        let headers = asks(pairs);
        let known = headers.get(IF_NONE_MATCH).cloned();
        let takes_gzip = takes_gzip(&headers);
        Delivery { origins: Vec::new(), known, is_read: true, is_head: false, takes_gzip }
    }

    async fn answered(request: &[(&'static str, &'static str)], body: &str) -> Response<CallBody> {
        let mut response =
            Response::new(CallBody::Function(ResponseBody::Full(Bytes::copy_from_slice(body.as_bytes()))));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        delivery(request).finish(response).await
    }

    fn whole(response: &Response<CallBody>) -> &Bytes {
        let CallBody::Function(ResponseBody::Full(bytes)) = response.body() else { panic!("a stream") };
        bytes
    }

    #[tokio::test]
    async fn who_has_it_already_gets_nothing() {
        let first = answered(&[], "{}").await;
        assert_eq!((first.status(), whole(&first).len()), (StatusCode::OK, 2));
        let tag: &'static str = first.headers()[ETAG].to_str().unwrap().to_owned().leak();
        let again = answered(&[("if-none-match", tag)], "{}").await;
        assert_eq!((again.status(), whole(&again).len()), (StatusCode::NOT_MODIFIED, 0));
        assert_eq!(again.headers()[ETAG], tag);
        assert_eq!(answered(&[("if-none-match", tag)], "[]").await.status(), StatusCode::OK);
        assert_eq!(answered(&[("if-none-match", "\"x\", *")], "[]").await.status(), 304);
    }

    #[tokio::test]
    async fn what_is_large_is_compressed_for_those_who_take_it() {
        for bytes in [2_000, BLOCKING_BYTES_MIN] {
            let text = "a".repeat(bytes);
            let packed = answered(&[("accept-encoding", "br;q=1, gzip;q=0.5")], &text).await;
            assert_eq!(packed.headers()[CONTENT_ENCODING], "gzip");
            assert_eq!(packed.headers()[VARY], "Accept-Encoding");
            let mut unpacked = String::new();
            GzDecoder::new(&whole(&packed)[..]).read_to_string(&mut unpacked).unwrap();
            assert_eq!(unpacked, text);
            for refusing in [&[][..], &[("accept-encoding", "gzip;q=0")], &[("accept-encoding", "br")]] {
                assert!(!answered(refusing, &text).await.headers().contains_key(CONTENT_ENCODING));
            }
        }
        let small = answered(&[("accept-encoding", "gzip")], "{}").await;
        assert!(!small.headers().contains_key(CONTENT_ENCODING));
    }
}
