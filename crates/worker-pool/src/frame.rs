//! Frames as bytes: what is put into the outbox, and what is cut from what a worker sent.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Method, StatusCode};

use crate::call::{InvokeRequest, RequestBody};
use crate::host::{LogLevel, LogSource, PortReply};
use crate::protocol::{self, HEADER_BYTES, ProtocolError};

const REQUEST_HEAD_BYTES: usize = 20;
const INVOCATION_ID_HEADER: &str = "x-invocation-id";

/// One whole frame from a worker.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) call: u32,
    pub(crate) payload: Bytes,
}

/// Cuts the next whole frame off, if there is one.
pub(crate) fn next_frame(buffer: &mut BytesMut) -> Result<Option<Frame>, ProtocolError> {
    let Some(header) = buffer.first_chunk::<HEADER_BYTES>() else { return Ok(None) };
    let [l0, l1, l2, l3, kind, c0, c1, c2, c3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > protocol::MAX_FRAME_BYTES {
        return Err(ProtocolError("frame over the size limit"));
    }
    if buffer.len() < HEADER_BYTES + length {
        return Ok(None);
    }
    buffer.advance(HEADER_BYTES);
    let payload = buffer.split_to(length).freeze();
    Ok(Some(Frame { kind, call: u32::from_le_bytes([c0, c1, c2, c3]), payload }))
}

/// A frame whose payload is at hand.
pub(crate) fn put_frame(out: &mut BytesMut, kind: u8, call: u32, payload: &[u8]) {
    out.reserve(HEADER_BYTES + payload.len());
    out.put_u32_le(payload.len() as u32);
    out.put_u8(kind);
    out.put_u32_le(call);
    out.put_slice(payload);
}

/// The bytes of a call's head, to be held against [`protocol::HEAD_BYTES_MAX`] before it is put.
pub(crate) fn request_head_bytes(call: &InvokeRequest) -> usize {
    let headers: usize = call.headers.iter().map(|(name, value)| 6 + name.as_str().len() + value.len()).sum();
    let lines =
        call.method.as_str().len() + call.invocation_id.len() + call.url.len() + call.handler.params.len();
    REQUEST_HEAD_BYTES + lines + headers
}

/// The `REQUEST` frame of a call whose head is within the limit.
pub(crate) fn put_request(out: &mut BytesMut, id: u32, call: &InvokeRequest) {
    let (kind, body) = match &call.body {
        RequestBody::Empty => (protocol::BODY_NONE, &[][..]),
        RequestBody::Full(bytes) => (protocol::BODY_FULL, &bytes[..]),
        RequestBody::Stream(_) => (protocol::BODY_STREAM, &[][..]),
    };
    let frame_at = begin_frame(out, protocol::REQUEST, id);
    let method = call.method.as_str();
    out.put_u8(kind);
    out.put_u8(method.len() as u8);
    out.put_u16_le(call.invocation_id.len() as u16);
    out.put_u32_le(call.url.len() as u32);
    let counts_at = out.len();
    out.put_u16_le(0);
    out.put_u32_le(0);
    out.put_u16_le(call.handler.index);
    out.put_u32_le(call.handler.params.len() as u32);
    out.put_slice(method.as_bytes());
    out.put_slice(call.invocation_id.as_bytes());
    out.put_slice(call.url.as_bytes());
    out.put_slice(call.handler.params.as_bytes());
    put_headers(out, counts_at, &call.headers);
    out.put_slice(body);
    end_frame(out, frame_at);
}

/// The `PORT_REPLY` frame.
pub(crate) fn put_port_reply(out: &mut BytesMut, id: u32, reply: &PortReply) {
    let frame_at = begin_frame(out, protocol::PORT_REPLY, id);
    out.put_u16_le(reply.status.as_u16());
    let counts_at = out.len();
    out.put_u16_le(0);
    out.put_u32_le(0);
    put_headers(out, counts_at, &reply.headers);
    out.put_slice(&reply.body);
    end_frame(out, frame_at);
}

fn begin_frame(out: &mut BytesMut, kind: u8, call: u32) -> usize {
    let at = out.len();
    out.put_u32_le(0);
    out.put_u8(kind);
    out.put_u32_le(call);
    at
}

fn end_frame(out: &mut BytesMut, at: usize) {
    let length = (out.len() - at - HEADER_BYTES) as u32;
    out[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// The header block; its count and length go to `counts_at`.
fn put_headers(out: &mut BytesMut, counts_at: usize, headers: &HeaderMap) {
    let block_at = out.len();
    let mut count = 0_u16;
    for (name, value) in headers {
        if name.as_str() == INVOCATION_ID_HEADER {
            continue;
        }
        out.put_u16_le(name.as_str().len() as u16);
        out.put_u32_le(value.len() as u32);
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(value.as_bytes());
        count += 1;
    }
    let length = (out.len() - block_at) as u32;
    out[counts_at..counts_at + 2].copy_from_slice(&count.to_le_bytes());
    out[counts_at + 2..counts_at + 6].copy_from_slice(&length.to_le_bytes());
}

/// Status and headers of a response, and the bytes behind them.
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) fn parse_response(mut payload: Bytes) -> Result<ResponseHead, ProtocolError> {
    let truncated = |_| ProtocolError("response head is cut off");
    let status = payload.try_get_u16_le().map_err(truncated)?;
    let count = payload.try_get_u16_le().map_err(truncated)?;
    let length = payload.try_get_u32_le().map_err(truncated)?;
    let status = StatusCode::from_u16(status).map_err(|_| ProtocolError("status is not valid"))?;
    let block = split(&mut payload, length as usize)?;
    Ok(ResponseHead { status, headers: parse_headers(block, count)?, body: payload })
}

/// A port call as the worker made it.
pub(crate) struct PortCallFrame {
    pub(crate) method: Method,
    pub(crate) invocation_id: String,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

pub(crate) fn parse_port_call(mut payload: Bytes) -> Result<PortCallFrame, ProtocolError> {
    let truncated = |_| ProtocolError("port call is cut off");
    let method_length = payload.try_get_u8().map_err(truncated)?;
    let id_length = payload.try_get_u16_le().map_err(truncated)?;
    let path_length = payload.try_get_u32_le().map_err(truncated)?;
    let count = payload.try_get_u16_le().map_err(truncated)?;
    let block_length = payload.try_get_u32_le().map_err(truncated)?;
    let method = split(&mut payload, usize::from(method_length))?;
    let method = Method::from_bytes(&method).map_err(|_| ProtocolError("method is not valid"))?;
    let invocation_id = text(&split(&mut payload, usize::from(id_length))?);
    let path = text(&split(&mut payload, path_length as usize)?);
    let block = split(&mut payload, block_length as usize)?;
    Ok(PortCallFrame { method, invocation_id, path, headers: parse_headers(block, count)?, body: payload })
}

/// One line of a `LOG` frame.
pub(crate) struct LogFrame {
    pub(crate) level: LogLevel,
    pub(crate) source: LogSource,
    pub(crate) dropped: u64,
    pub(crate) invocation_id: String,
    /// A JSON object; empty where there is none.
    pub(crate) fields: String,
    pub(crate) message: String,
}

pub(crate) fn parse_log(mut payload: Bytes) -> Result<LogFrame, ProtocolError> {
    let truncated = |_| ProtocolError("log line is cut off");
    let level = match payload.try_get_u8().map_err(truncated)? {
        0 => LogLevel::Debug,
        1 => LogLevel::Info,
        2 => LogLevel::Warn,
        _ => LogLevel::Error,
    };
    let source = match payload.try_get_u8().map_err(truncated)? {
        0 => LogSource::Console,
        _ => LogSource::Runtime,
    };
    let dropped = u64::from(payload.try_get_u32_le().map_err(truncated)?);
    let id_length = payload.try_get_u16_le().map_err(truncated)?;
    let fields_length = payload.try_get_u32_le().map_err(truncated)?;
    let invocation_id = text(&split(&mut payload, usize::from(id_length))?);
    let fields = text(&split(&mut payload, fields_length as usize)?);
    Ok(LogFrame { level, source, dropped, invocation_id, fields, message: text(&payload) })
}

/// The only number of a credit frame.
pub(crate) fn parse_u32(mut payload: Bytes) -> Result<u32, ProtocolError> {
    payload.try_get_u32_le().map_err(|_| ProtocolError("number is cut off"))
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn parse_headers(mut block: Bytes, count: u16) -> Result<HeaderMap, ProtocolError> {
    let truncated = |_| ProtocolError("header block is cut off");
    let mut headers = HeaderMap::with_capacity(usize::from(count));
    for _ in 0..count {
        let name_length = block.try_get_u16_le().map_err(truncated)?;
        let value_length = block.try_get_u32_le().map_err(truncated)?;
        let name = split(&mut block, usize::from(name_length))?;
        let name = HeaderName::from_bytes(&name).map_err(|_| ProtocolError("header name is not valid"))?;
        let value = HeaderValue::from_maybe_shared(split(&mut block, value_length as usize)?)
            .map_err(|_| ProtocolError("header value is not valid"))?;
        headers.try_append(name, value).map_err(|_| ProtocolError("too many headers"))?;
    }
    Ok(headers)
}

fn split(bytes: &mut Bytes, length: usize) -> Result<Bytes, ProtocolError> {
    if bytes.len() < length {
        return Err(ProtocolError("a part is longer than its frame"));
    }
    Ok(bytes.split_to(length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_cut_wherever_the_bytes_are_torn() {
        let mut whole = BytesMut::new();
        put_frame(&mut whole, protocol::PONG, 7, b"");
        put_frame(&mut whole, protocol::LOG, 9, b"abc");
        for torn_at in 0..=whole.len() {
            let mut buffer = BytesMut::from(&whole[..torn_at]);
            let mut seen = Vec::new();
            let mut take = |buffer: &mut BytesMut| {
                while let Some(frame) = next_frame(buffer).unwrap() {
                    seen.push((frame.kind, frame.call, frame.payload.to_vec()));
                }
            };
            take(&mut buffer);
            buffer.extend_from_slice(&whole[torn_at..]);
            take(&mut buffer);
            assert_eq!(seen, [(protocol::PONG, 7, vec![]), (protocol::LOG, 9, b"abc".to_vec())]);
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_arrives() {
        let mut buffer = BytesMut::from(&[0xff, 0xff, 0xff, 0xff, 35, 1, 0, 0, 0][..]);
        assert!(next_frame(&mut buffer).is_err());
    }

    #[test]
    fn cut_off_payloads_are_errors_and_never_panics() {
        let mut out = BytesMut::new();
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        put_port_reply(&mut out, 1, &PortReply { status: StatusCode::CREATED, headers, body: Bytes::new() });
        let payload = next_frame(&mut out).unwrap().unwrap().payload;
        for length in 0..payload.len() {
            assert!(parse_response(payload.slice(..length)).is_err(), "{length}");
        }
        let head = parse_response(payload).unwrap();
        assert_eq!(head.status, StatusCode::CREATED);
        assert_eq!(head.headers.get_all("set-cookie").iter().count(), 2);
    }
}
