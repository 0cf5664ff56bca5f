//! Frames as bytes. Every number is little endian.

use crate::socket::FRAME_BYTES_MAX;
use ports::events::SlowPolicy;
use service_kit::error::Classify;

/// Bytes of a request behind its length and before its payload.
const HEAD_BYTES: usize = 13;
/// In place of an offset: from now on.
pub(crate) const FROM_NOW: u64 = u64::MAX;

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Create,
    Delete,
    List,
    Publish,
    Subscribe,
    /// Like `Publish`, answered only where it fails.
    PublishQuietly,
    Unknown,
}

impl From<u8> for Command {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Create,
            2 => Self::Delete,
            3 => Self::List,
            4 => Self::Publish,
            5 => Self::Subscribe,
            6 => Self::PublishQuietly,
            _ => Self::Unknown,
        }
    }
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request<'a> {
    pub(crate) id: u64,
    pub(crate) command: Command,
    /// Length and payload: in a publication these are the bytes that subscribers get.
    pub(crate) frame: &'a [u8],
}

impl<'a> Request<'a> {
    pub(crate) fn payload(&self) -> &'a [u8] {
        &self.frame[4..]
    }
}

/// What stands at the beginning of what was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Split<'a> {
    /// A request, and how many bytes it takes.
    Request(Request<'a>, usize),
    /// A part of one that will have this many bytes.
    Part(usize),
    /// Something that is no request.
    Malformed,
}

/// Takes the first request.
pub(crate) fn split(bytes: &[u8]) -> Split<'_> {
    let Some(length) = u32_at(bytes, 0) else { return Split::Part(4) };
    if !(HEAD_BYTES..=FRAME_BYTES_MAX).contains(&length) {
        return Split::Malformed;
    }
    let Some(frame) = bytes.get(4..4 + length) else { return Split::Part(4 + length) };
    if u32_at(frame, 9) != Some(length - HEAD_BYTES) {
        return Split::Malformed;
    }
    let id = frame.first_chunk().map_or(0, |id| u64::from_le_bytes(*id));
    let request = Request { id, command: frame[8].into(), frame: &frame[9..] };
    Split::Request(request, 4 + length)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|number| u32::from_le_bytes(*number) as usize)
}

/// The topic at the beginning of a payload, and what follows.
pub(crate) fn topic(payload: &[u8]) -> Option<(&str, &[u8])> {
    let length = usize::from(u16::from_le_bytes(*payload.first_chunk()?));
    let (topic, rest) = payload[2..].split_at_checked(length)?;
    Some((std::str::from_utf8(topic).ok()?, rest))
}

/// Topic and event of a publication.
pub(crate) fn publication(payload: &[u8]) -> Option<(&str, &[u8])> {
    let (topic, rest) = topic(payload)?;
    let length = u32_at(rest, 0)?;
    let event = &rest[4..];
    (event.len() == length).then_some((topic, event))
}

/// What may follow the topic of a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) slow: SlowPolicy,
    pub(crate) from: Option<u64>,
}

/// Reads the options of a subscription.
pub(crate) fn options(bytes: &[u8]) -> Option<Options> {
    let (slow, from) = bytes.split_first()?;
    let slow = match slow {
        0 => SlowPolicy::DropOldest,
        1 => SlowPolicy::Disconnect,
        2 => SlowPolicy::Coalesce,
        _ => return None,
    };
    let from = u64::from_le_bytes(from.try_into().ok()?);
    Some(Options { slow, from: (from != FROM_NOW).then_some(from) })
}

/// Two numbers: seconds and bytes of a retention.
pub(crate) fn retention(bytes: &[u8]) -> Option<(u64, u64)> {
    let (seconds, size) = bytes.split_at_checked(8)?;
    Some((u64::from_le_bytes(seconds.try_into().ok()?), u64::from_le_bytes(size.try_into().ok()?)))
}

/// Appends a good answer.
pub(crate) fn answer(out: &mut Vec<u8>, id: u64, payload: &[u8]) {
    write_answer(out, id, 0, payload);
}

/// Appends an answer that says what failed.
pub(crate) fn refusal<E: Classify>(out: &mut Vec<u8>, id: u64, error: &E) {
    let text = serde_json::json!({ "error": error.to_string(), "code": error.code().as_str() });
    write_answer(out, id, 1, text.to_string().as_bytes());
}

fn write_answer(out: &mut Vec<u8>, id: u64, status: u8, payload: &[u8]) {
    out.extend_from_slice(&((HEAD_BYTES + payload.len()) as u32).to_le_bytes());
    out.extend_from_slice(&id.to_le_bytes());
    out.push(status);
    out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    out.extend_from_slice(payload);
}

/// A message frame without a topic: something that subscribers with options are told besides events.
pub(crate) fn notice(text: &serde_json::Value) -> Vec<u8> {
    let text = text.to_string();
    let mut frame = Vec::with_capacity(10 + text.len());
    frame.extend_from_slice(&(6 + text.len() as u32).to_le_bytes());
    frame.extend_from_slice(&0_u16.to_le_bytes());
    frame.extend_from_slice(&(text.len() as u32).to_le_bytes());
    frame.extend_from_slice(text.as_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_request_is_split_off_when_it_is_whole() {
        let mut bytes = Vec::new();
        write_answer(&mut bytes, 7, 4, b"\x01\0a\x02\0\0\0hi");
        let whole = bytes.len();
        bytes.extend_from_slice(b"rest");
        let Split::Request(request, used) = split(&bytes) else { panic!("a request") };
        assert_eq!((request.id, request.command, used), (7, Command::Publish, whole));
        assert_eq!(publication(request.payload()), Some(("a", &b"hi"[..])));
        assert_eq!(split(&bytes[..whole - 1]), Split::Part(whole));
        assert_eq!(split(&[]), Split::Part(4));
        assert_eq!(split(&[0xff; 8]), Split::Malformed);
        assert_eq!(split(&[0; 8]), Split::Malformed);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Split::Request(request, used) = split(&bytes) {
                prop_assert!(used <= bytes.len() && request.payload().len() + 17 == used);
            }
            let _ = (topic(&bytes), publication(&bytes), options(&bytes), retention(&bytes));
        }
    }
}
