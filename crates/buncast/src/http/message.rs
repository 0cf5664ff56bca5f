//! What clients send over a WebSocket: publications.

use crate::error::BuncastError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use ports::events::Topic;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A publication: `{"topic", "data" or "data_base64", "id"?}`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    topic: String,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    data_base64: Option<String>,
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
}

/// A publication that was understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Publication {
    pub(super) topic: Topic,
    pub(super) payload: Bytes,
}

/// Reads a message: what it asks for, and the JSON under which the client wants the answer.
pub(super) fn read(text: &str) -> (String, Result<Publication, BuncastError>) {
    let Ok(message) = serde_json::from_str::<Message<'_>>(text) else {
        return ("null".to_owned(), Err(FORM));
    };
    let id = message.id.map_or("null", RawValue::get).to_owned();
    (id, publication(&message))
}

fn publication(message: &Message<'_>) -> Result<Publication, BuncastError> {
    let payload = match (message.data, &message.data_base64) {
        (Some(data), None) => Bytes::copy_from_slice(data.get().as_bytes()),
        (None, Some(text)) => STANDARD.decode(text).map_err(|_| FORM)?.into(),
        _ => return Err(FORM),
    };
    Ok(Publication { topic: Topic::parse(&message.topic)?, payload })
}

const FORM: BuncastError = BuncastError::Invalid(
    "send {\"topic\": …, \"data\": any JSON} or {\"topic\": …, \"data_base64\": bytes}, and perhaps an \"id\"",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_publication_holds_json_or_bytes() {
        let payload = |text: &str| read(text).1.map(|publication| publication.payload);
        assert_eq!(payload(r#"{"topic": "a", "data": {"b": 1.50}}"#).unwrap(), r#"{"b": 1.50}"#);
        assert_eq!(payload(r#"{"topic": "a", "data_base64": "/w=="}"#).unwrap(), &b"\xff"[..]);
        assert_eq!(read(r#"{"topic": "a", "data": 1, "id": "x"}"#).0, "\"x\"");
        for text in [
            "",
            "{}",
            r#"{"topic": "a"}"#,
            r#"{"topic": "a.*", "data": 1}"#,
            r#"{"topic": "a", "data": 1, "data_base64": ""}"#,
        ] {
            assert!(payload(text).is_err(), "{text}");
        }
    }
}
