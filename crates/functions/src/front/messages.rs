//! Messages of a WebSocket inside the bodies of its call: the layout of `packages/worker/PROTOCOL.md`. The same is in
//! `packages/worker/src/messages.ts`.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 3;

/// Kind and length.
const HEAD_BYTES: usize = 5;

pub(super) fn text(text: &Utf8Bytes) -> Bytes {
    encode(TEXT, text.as_bytes())
}

pub(super) fn binary(bytes: &[u8]) -> Bytes {
    encode(BINARY, bytes)
}

pub(super) fn close(CloseFrame { code, reason }: &CloseFrame) -> Bytes {
    encode(CLOSE, &[&u16::from(*code).to_le_bytes(), reason.as_bytes()].concat())
}

fn encode(kind: u8, payload: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(HEAD_BYTES + payload.len());
    bytes.put_u8(kind);
    // Messages are far smaller than that: what comes in has a limit.
    bytes.put_u32_le(u32::try_from(payload.len()).unwrap_or(u32::MAX));
    bytes.put_slice(payload);
    bytes.freeze()
}

/// Why there is no next message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is larger than messages may be.
    TooLarge,
    /// It is none.
    Malformed,
}

/// Makes messages of a stream of bytes, however that is cut. Holds one message at the most, and what came with it.
pub(super) struct Decoder {
    buffer: BytesMut,
    message_bytes_max: usize,
}

impl Decoder {
    pub(super) fn new(message_bytes_max: usize) -> Self {
        Self { buffer: BytesMut::new(), message_bytes_max }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Message>, Broken> {
        let Some(mut head) = self.buffer.get(..HEAD_BYTES) else { return Ok(None) };
        let (kind, length) = (head.get_u8(), head.get_u32_le() as usize);
        if length > self.message_bytes_max {
            return Err(Broken::TooLarge);
        }
        if self.buffer.len() < HEAD_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(HEAD_BYTES);
        decode(kind, self.buffer.split_to(length).freeze()).map(Some).ok_or(Broken::Malformed)
    }
}

fn decode(kind: u8, mut payload: Bytes) -> Option<Message> {
    match kind {
        TEXT => Some(Message::Text(payload.try_into().ok()?)),
        BINARY => Some(Message::Binary(payload)),
        CLOSE if payload.is_empty() => Some(Message::Close(None)),
        CLOSE => {
            let code = CloseCode::from(payload.try_get_u16_le().ok()?);
            Some(Message::Close(Some(CloseFrame { code, reason: payload.try_into().ok()? })))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], size: usize) -> Vec<Message> {
        let mut decoder = Decoder::new(100);
        let mut found = Vec::new();
        for chunk in bytes.chunks(size) {
            decoder.push(chunk);
            while let Some(message) = decoder.next().unwrap() {
                found.push(message);
            }
        }
        found
    }

    #[test]
    fn messages_are_the_same_however_the_bytes_are_cut() {
        let frame = CloseFrame { code: CloseCode::from(4001), reason: "bye".into() };
        let bytes = [text(&"grüße".into()), binary(b""), binary(b"\0\xff"), close(&frame)].concat();
        let sent = [
            Message::text("grüße"),
            Message::binary(&b""[..]),
            Message::binary(&b"\0\xff"[..]),
            Message::Close(Some(frame)),
        ];
        for size in 1..=bytes.len() {
            assert_eq!(decoded(&bytes, size), sent);
        }
        assert_eq!(decoded(&[CLOSE, 0, 0, 0, 0], 5), [Message::Close(None)]);
    }

    #[test]
    fn what_is_too_large_or_no_message_is_refused() {
        let next = |bytes: &[u8]| {
            let mut decoder = Decoder::new(2);
            decoder.push(bytes);
            decoder.next()
        };
        assert_eq!(next(&binary(b"123")[..HEAD_BYTES]), Err(Broken::TooLarge));
        for bytes in [&[9, 0, 0, 0, 0][..], &[TEXT, 1, 0, 0, 0, 0xff], &[CLOSE, 1, 0, 0, 0, 0]] {
            assert_eq!(next(bytes), Err(Broken::Malformed), "{bytes:?}");
        }
    }
}
