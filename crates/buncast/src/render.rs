//! Events as JSON, for subscribers over HTTP: `{"topic", "data" or "data_base64", "offset"?,
//! "published_at"}`, and as an event stream (WHATWG HTML §9.2). Rendered once for a run, shared by all.

use crate::moment::epoch_ms;
use crate::run::Run;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::value::RawValue;
use service_kit::clock::rfc3339;
use std::ops::Range;

/// The text of a run.
#[derive(Debug)]
pub(crate) struct Rendered {
    text: Bytes,
    events: Vec<Place>,
}

/// Where an event stands in the text.
#[derive(Debug)]
struct Place {
    start: usize,
    json: Range<usize>,
}

impl Rendered {
    pub(crate) fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The event stream from event `index` on.
    pub(crate) fn sse_from(&self, index: usize) -> Bytes {
        self.text.slice(self.events[index].start..)
    }

    /// One event as JSON.
    pub(crate) fn json(&self, index: usize) -> Bytes {
        self.text.slice(self.events[index].json.clone())
    }
}

/// Renders a run.
pub(crate) fn run(run: &Run) -> Rendered {
    let (mut text, mut events) = (Vec::new(), Vec::with_capacity(run.len()));
    let published_at = rfc3339(epoch_ms(run.published_at()));
    for index in 0..run.len() {
        let start = text.len();
        let offset = run.offset(index).map(|offset| offset.to_string());
        if let Some(offset) = &offset {
            push(&mut text, &["id: ", offset, "\n"]);
        }
        push(&mut text, &["event: message\ndata: "]);
        let json = text.len();
        // A topic is visible ASCII; quotes and backslashes are what JSON escapes in it.
        push(&mut text, &["{\"topic\":\""]);
        escape(&mut text, run.topic().as_str());
        push(&mut text, &["\","]);
        data(&mut text, &run.payload(index));
        if let Some(offset) = &offset {
            push(&mut text, &[",\"offset\":", offset]);
        }
        push(&mut text, &[",\"published_at\":\"", &published_at, "\"}"]);
        let json = json..text.len();
        push(&mut text, &["\n\n"]);
        events.push(Place { start, json });
    }
    Rendered { text: text.into(), events }
}

fn push(text: &mut Vec<u8>, pieces: &[&str]) {
    pieces.iter().for_each(|piece| text.extend_from_slice(piece.as_bytes()));
}

fn escape(text: &mut Vec<u8>, topic: &str) {
    for byte in topic.bytes() {
        if matches!(byte, b'"' | b'\\') {
            text.push(b'\\');
        }
        text.push(byte);
    }
}

/// The payload as it is where it is JSON, else as base64. Line ends stand between the tokens of JSON only,
/// so that they may become spaces: an event stream is read line by line.
fn data(text: &mut Vec<u8>, payload: &[u8]) {
    if serde_json::from_slice::<&RawValue>(payload).is_ok() {
        push(text, &["\"data\":"]);
        text.extend(payload.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    } else {
        push(text, &["\"data_base64\":\"", &STANDARD.encode(payload), "\""]);
    }
}

#[cfg(test)]
mod tests {
    use crate::budget::{Budget, Total};
    use crate::run::{Draft, Part};
    use ports::events::Topic;
    use serde_json::{Value, json};
    use std::time::SystemTime;

    fn part(topic: &str, payloads: &[&[u8]], offset: Option<u64>) -> Part {
        let mut draft = Draft::new(Topic::parse(topic).unwrap(), SystemTime::UNIX_EPOCH, 0);
        payloads.iter().for_each(|payload| draft.push(payload));
        let budget = Budget::new(Total::new(1 << 20), 1 << 20);
        Part::new(draft.finish(offset, budget.charge_anyway(0)), 0)
    }

    #[test]
    fn payloads_are_shown_as_json_where_they_are_json() {
        let payloads: [&[u8]; 4] = [b"{\"a\":\r\n1}", b"\xff\n", b"{} {}", b""];
        let shown: Vec<Value> =
            part("a\"b", &payloads, None).json().map(|text| serde_json::from_slice(&text).unwrap()).collect();
        let at = "1970-01-01T00:00:00Z";
        assert_eq!(
            shown,
            [
                json!({"topic": "a\"b", "data": {"a": 1}, "published_at": at}),
                json!({"topic": "a\"b", "data_base64": "/wo=", "published_at": at}),
                json!({"topic": "a\"b", "data_base64": "e30ge30=", "published_at": at}),
                json!({"topic": "a\"b", "data_base64": "", "published_at": at}),
            ]
        );
    }

    #[test]
    fn each_event_is_one_message_of_the_stream_with_its_offset() {
        let mut part = part("a", &[b"1\n", b"2"], Some(7));
        part.skip(1);
        let text = part.sse();
        let expected = "id: 8\nevent: message\ndata: {\"topic\":\"a\",\"data\":2,\"offset\":8,\
                        \"published_at\":\"1970-01-01T00:00:00Z\"}\n\n";
        assert_eq!(std::str::from_utf8(&text).unwrap(), expected);
    }
}
