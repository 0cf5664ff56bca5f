//! Requests for a WebSocket (RFC 6455 §4.2), over HTTP/1.1: what is one, and the answer that opens it.

use super::InvocationFront;
use super::answer::CallBody;
use super::headers;
use crate::tail::{UNSURE_MAX, every};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION,
    UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::upgrade::OnUpgrade;
use routes::Standing;
use service_kit::error::{ApiError, ErrorCode};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// The nonce of a handshake.
const KEY_BYTES: usize = 16;

/// Whether a request asks for a WebSocket.
pub(super) fn is_wanted(parts: &Parts) -> bool {
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    parts.headers.get(UPGRADE).is_some_and(is_websocket)
        && parts.method == Method::GET
        && parts.version == Version::HTTP_11
}

/// What the handler sees of it, beside `Sec-WebSocket-Protocol`.
pub(super) fn show(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// A handshake that was checked.
pub(crate) struct Upgrade {
    accept: HeaderValue,
    pub(super) connection: OnUpgrade,
    pub(super) asker: Asker,
}

impl Upgrade {
    /// Takes the connection out of a request that asks for a WebSocket.
    pub(super) fn take(front: &InvocationFront, parts: &mut Parts) -> Result<Self, ApiError> {
        let has = |name: HeaderName, wanted: &str| {
            let named = parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            named.split(',').any(|part| part.trim().eq_ignore_ascii_case(wanted))
        };
        let key = parts.headers.get(SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes).unwrap_or_default();
        let is_nonce = STANDARD.decode(key).is_ok_and(|nonce| nonce.len() == KEY_BYTES);
        let malformed = || {
            let message =
                "the upgrade to a WebSocket is malformed (RFC 6455 §4.1): version 13 over HTTP/1.1 is spoken";
            ApiError::new(ErrorCode::InvalidRequest, message)
        };
        if !(has(CONNECTION, "upgrade") && has(SEC_WEBSOCKET_VERSION, "13") && is_nonce) {
            return Err(malformed());
        }
        let accept = HeaderValue::try_from(derive_accept_key(key)).map_err(|_| malformed())?;
        let connection = parts.extensions.remove::<OnUpgrade>().ok_or_else(malformed)?;
        let asker = Asker { front: front.clone(), parts: parts.clone() };
        Ok(Self { accept, connection, asker })
    }

    /// The answer, with what the handler says in its own.
    pub(super) fn answer(&self, mut of_handler: HeaderMap) -> Response<CallBody> {
        headers::for_caller(&mut of_handler, false);
        of_handler.remove(SEC_WEBSOCKET_EXTENSIONS);
        show(&mut of_handler);
        of_handler.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        let mut response = Response::new(CallBody::Error(Full::new(Bytes::new())));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = of_handler;
        response
    }
}

/// Whoever opened a WebSocket, to be asked again whether they may.
pub(super) struct Asker {
    front: InvocationFront,
    parts: Parts,
}

impl Asker {
    /// Returns when the same request would be refused.
    pub(super) async fn refused(&self) {
        let mut questions = every(Standing::EVERY);
        let mut unsure_since: Option<Instant> = None;
        loop {
            questions.tick().await;
            match self.front.find(&self.parts).await {
                Ok(_) => unsure_since = None,
                Err(error) if error.code == ErrorCode::Unavailable => {
                    if unsure_since.get_or_insert_with(Instant::now).elapsed() > UNSURE_MAX {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}
