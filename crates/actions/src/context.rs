//! What Rust tells the runtime in Bun about a call: the header `x-bunbase-context`, JSON in ASCII.

use crate::state::{Auth, Org};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};
use std::io;

/// What a call is told to the runtime with; never taken from outside.
pub const CONTEXT_HEADER: HeaderName = HeaderName::from_static("x-bunbase-context");

/// What starts an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// A request.
    Api,
    /// An event.
    Event,
    /// A time.
    Cron,
    /// A job of a queue.
    Queue,
    /// A call of a tool.
    Tool,
    /// A request of another system.
    Webhook,
    /// Studio or the command line.
    Call,
}

/// What the body of the request is to the runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BodyKind {
    /// The input.
    Json,
    /// What came.
    Raw,
}

/// The job that started an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JobContext {
    /// Its id.
    pub id: String,
    /// Its queue.
    pub queue: String,
    /// 1 for the first.
    pub attempt: u32,
    /// Attempts in all.
    pub max_attempts: u32,
}

/// The event that started an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventContext {
    /// Its id.
    pub id: String,
    /// Its topic.
    pub topic: String,
}

/// The header, field by field.
#[derive(Serialize)]
pub(crate) struct Context<'a> {
    pub(crate) trigger: TriggerKind,
    pub(crate) index: i32,
    pub(crate) trace_id: &'a str,
    pub(crate) invocation_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request_id: Option<&'a str>,
    pub(crate) auth: Option<&'a Auth>,
    pub(crate) org: Option<&'a Org>,
    pub(crate) guards: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<&'a Value>,
    /// Beside a raw body: fields of the input that came with the path, the query, headers and cookies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fields: Option<&'a Value>,
    pub(crate) body: BodyKind,
    pub(crate) checked: bool,
    pub(crate) attempt: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) job: Option<&'a JobContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<&'a EventContext>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ip: Option<std::net::IpAddr>,
}

/// Bytes that most contexts fit into.
const USUAL_BYTES: usize = 512;

impl Context<'_> {
    pub(crate) fn header(&self) -> Result<HeaderValue, serde_json::Error> {
        let mut text = Vec::with_capacity(USUAL_BYTES);
        self.serialize(&mut Serializer::with_formatter(&mut text, Ascii))?;
        HeaderValue::from_maybe_shared(bytes::Bytes::from(text)).map_err(serde::ser::Error::custom)
    }
}

/// JSON whose strings have `\uXXXX` for everything above `~`.
struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let is_plain = |byte: u8| byte < 0x7F;
        if fragment.bytes().all(is_plain) {
            return CompactFormatter.write_string_fragment(writer, fragment);
        }
        let mut units = [0; 2];
        for character in fragment.chars() {
            if u8::try_from(character).is_ok_and(is_plain) {
                writer.write_all(&[character as u8])?;
                continue;
            }
            for unit in character.encode_utf16(&mut units) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(input: &Value) -> HeaderValue {
        let context = Context {
            trigger: TriggerKind::Api,
            index: 0,
            trace_id: "t",
            invocation_id: "i",
            request_id: None,
            auth: None,
            org: None,
            guards: 2,
            input: Some(input),
            fields: None,
            body: BodyKind::Json,
            checked: true,
            attempt: 1,
            job: None,
            event: None,
            ip: None,
        };
        context.header().unwrap()
    }

    proptest::proptest! {
        #[test]
        fn every_text_comes_back_from_ascii(text in proptest::prelude::any::<String>()) {
            let header = header(&Value::from(text.as_str()));
            proptest::prop_assert!(header.as_bytes().iter().all(|byte| (0x20..0x7F).contains(byte)));
            let back: Value = serde_json::from_slice(header.as_bytes()).unwrap();
            proptest::prop_assert_eq!(back["input"].as_str(), Some(text.as_str()));
        }
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let text = header(&serde_json::json!({"a": "é😀\u{7f}"}));
        assert_eq!(
            text.to_str().unwrap(),
            r#"{"trigger":"api","index":0,"trace_id":"t","invocation_id":"i","auth":null,"org":null,"guards":2,"input":{"a":"\u00e9\ud83d\ude00\u007f"},"body":"json","checked":true,"attempt":1}"#
        );
    }
}
